/* SPDX-License-Identifier: MIT */
/* Steps that the cases of the seed projects share, on those of the conformance suite. */
#ifndef SEEDS_STEPS_H
#define SEEDS_STEPS_H

#include <tests/conformance/cell.h>

/* Skips the case in memory. */
void needs_directory(void);

/* A member of a group that acknowledges, with the default or another run_max. */
quire_rx_t *open_ack(quire_t *channel, const char *group, uint32_t run_max);
/* Handles that are told that the other side has gone: "disconnected". */
quire_rx_t *open_rx_told(quire_t *channel, const char *group);
quire_tx_t *open_tx_told(quire_t *channel);

/* The next message, over page ends: 0, or a code. */
int receive(quire_rx_t *rx, struct quire_msg *msg, uint64_t deadline_ns);
/* ... which comes sooner or later, and is this one. */
struct quire_msg await_number(quire_rx_t *rx, uint64_t stream, uint64_t number, size_t size);

/* Runs it in a process of its own, which is killed when run returns. */
void run_and_kill(void (*run)(void));
/* The channel of a process that was killed: what that had in the ring of an io_uring keeps the lock
 * until it is done. */
quire_t *reopen_when_free(void);

/* Path of a file of the channel. */
const char *channel_file(char *buffer, const char *name);

#endif
