/* SPDX-License-Identifier: MIT */
/*
 * Threads that work together on one channel in demo and bench: a common start, counts of what
 * each group has received, and an end in order whatever fails. Counts are reported in large
 * portions or when a consumer has nothing to do, so the lock is off the path of a message.
 */
#ifndef CLI_CREW_H
#define CLI_CREW_H

#include <pthread.h>
#include <quire/rx.h>
#include <stddef.h>
#include <stdint.h>
#include <tools/quire/progress.h>

#define CLI_CREW_GROUPS  2
#define CLI_CREW_PORTION 65536         /* messages between two reports of a busy consumer */
#define CLI_CREW_TICK_NS (2 * 1000000) /* a consumer without messages reports this often */

struct cli_crew {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t threads; /* started */
    size_t ready;   /* of them, waiting for the start */
    int go;
    uint64_t started_ns; /* when the gate was opened */
    int stop;            /* 1: end now, whatever is left */
    uint64_t got[CLI_CREW_GROUPS];
    uint64_t want[CLI_CREW_GROUPS];
    size_t groups;
    uint64_t reports; /* grows while anything moves */
    int code;         /* of the first failure */
    char what[64];    /* where it was */
};

/* Returns 0 or -errno. want: messages that each group is to receive. */
int cli_crew_init(struct cli_crew *crew, const uint64_t *want, size_t groups);
void cli_crew_destroy(struct cli_crew *crew);

/* Starts a thread of the crew. Returns 0 or -errno. */
int cli_crew_thread(struct cli_crew *crew, pthread_t *thread, void *(*run)(void *), void *argument);

/*
 * Called once by every thread, when it has opened its handles or failed to: waits for the start.
 * Returns 1 when there is work to do, 0 when the crew is to stop.
 */
int cli_crew_gate(struct cli_crew *crew);

/* The first failure of any thread stops the crew. */
void cli_crew_fail(struct cli_crew *crew, const char *what, int code);

/* Adds to what a group has received. Returns 1 when the thread is to end: all is there, or stop. */
int cli_crew_report(struct cli_crew *crew, size_t group, uint64_t messages);

/*
 * The main thread: waits until every thread is at the gate and opens it, also when the crew failed
 * before: the threads then end. From then on started_ns may be read by every thread.
 */
void cli_crew_start(struct cli_crew *crew);

/*
 * The main thread: waits until every group has everything. Draws progress (the first group's).
 * Returns 0; or, after telling the crew to stop: the code of a failure, -EINTR after a signal,
 * QUIRE_TIMEDOUT when nothing has moved for half a minute. The caller then closes the channel,
 * which frees threads that wait in it, and joins them.
 */
int cli_crew_watch(struct cli_crew *crew, struct cli_progress *progress);

#endif
