/* SPDX-License-Identifier: MIT */
/* What the wrapped calls (wraps.c) ask of the scheduler, only inside a coroutine. */
#ifndef EXPLORE_WRAPS_H
#define EXPLORE_WRAPS_H

#include <stdint.h>

/* The current coroutine cannot go on before another one has written something. */
void sched_spin(void);
/* The current coroutine has changed something that no scheduling point shows. */
void sched_wrote(void);
/* Sleeps until a wake on the address with a common bit. */
void sched_sleep(const void *address, uint32_t bitset);
/* Wakes up to count sleepers; returns how many. */
int sched_wake(const void *address, uint32_t count, uint32_t bitset);

/* 1: each coroutine is on a processor of its own; 0: all are on one. */
extern int wraps_apart;

/* Before a channel is opened: memory and files of the run before are gone. */
void wraps_reset(void);
void files_reset(void); /* part of it */

#endif
