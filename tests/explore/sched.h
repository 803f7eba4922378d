/* SPDX-License-Identifier: MIT */
/*
 * A cooperative scheduler for the real library. Logical threads are coroutines in one OS thread.
 * The library is built so that every atomic access calls qr_sched_point(), where a policy may
 * switch to another coroutine; futex calls, mutexes and sched_yield are wrapped at link time, so
 * that a sleeping coroutine is known to sleep. Everything a schedule does follows from the
 * policy's choices: the same choices give the same run.
 *
 * What is explored are interleavings of whole accesses in one total order (sequential
 * consistency). Reordering by the processor is the business of the models and of TSan.
 */
#ifndef EXPLORE_SCHED_H
#define EXPLORE_SCHED_H

#include <stdint.h>

#define SCHED_THREADS 6u
#define SCHED_TRACE   4096u

/* Why a choice is asked for. */
enum sched_why {
    SCHED_ACCESS,  /* the current coroutine is about to touch a shared word: may go on */
    SCHED_BLOCKED, /* it waits, spins or sleeps: somebody else must run */
    SCHED_EXIT     /* it ended, or the run begins */
};

struct sched_point {
    enum sched_why why;
    uint32_t step;      /* number of this point in the run */
    uint32_t current;   /* coroutine that runs; meaningless at EXIT */
    uint32_t runnable;  /* bit mask; holds current at ACCESS */
    uint32_t preferred; /* what happens without a policy */
};

/* Returns a member of point->runnable. */
typedef uint32_t sched_choose(void *context, const struct sched_point *point);

/* One departure from the preferred choice. A run is reproduced from its list of these. */
struct sched_turn {
    uint32_t step;
    uint32_t thread;
};

struct sched_result {
    uint32_t steps;
    uint32_t turns;
    struct sched_turn turn[SCHED_TRACE];
};

/* Registers a coroutine of the next run; at most SCHED_THREADS. */
void sched_spawn(void (*entry)(void *), void *argument);

/* Runs every registered coroutine to its end. *result stays valid when the process fails. */
void sched_run(sched_choose *choose, void *context, struct sched_result *result);

/* 1 inside a coroutine. */
int sched_active(void);
uint32_t sched_self(void);

/* The current coroutine waits until another one reports progress. */
void sched_wait(void);
void sched_progress(void);

/* Ticks: strictly increasing, to order calls of different coroutines. */
uint64_t sched_tick(void);

/* A line of the current run, printed when it fails or is replayed. */
void sched_notes_clear(void);
void sched_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sched_notes_print(void);

/* Ends the process with what went wrong and the schedule that shows it. */
_Noreturn void sched_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Called by sched_fail to say how to repeat the run. */
extern void (*sched_on_fail)(const struct sched_result *result);

/* Forgets which words were seen shared: for a new scenario. */
void sched_forget(void);
/* From here on switches happen only at the words known to be shared now; what else is seen to be
 * shared is kept for the next freeze. Returns how many words are new since the last one. */
uint32_t sched_freeze(void);
/* Takes every word for shared: a schedule made under any knowledge can be repeated. */
void sched_share_all(void);

#endif
