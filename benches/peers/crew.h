/* SPDX-License-Identifier: MIT */
/* P producers and C consumers for each of G groups, in threads of their own, through one queue. */
#ifndef BENCH_PEER_CREW_H
#define BENCH_PEER_CREW_H

#include <benches/peers/peer.h>
#include <pthread.h>

struct crew;

struct crew_worker {
    struct crew *crew;
    pthread_t thread;
    unsigned cpu;
    void *handle;
    struct peer_source source; /* producers */
    uint64_t first;            /* id of the first message of this pass */
    struct peer_tally *tally;  /* consumers */
    uint64_t begin_ns;
    int rc;
};

struct crew {
    const struct peer_run *run;
    const struct peer *peer; /* of the run, or what stands for it */
    void *queue;
    pthread_barrier_t start;
    uint32_t stop;           /* atomic */
    uint32_t consumers_left; /* atomic */
    uint32_t consumers;      /* of all groups */
    struct crew_worker producer[PEER_THREADS_MAX];
    struct crew_worker consumer[PEER_THREADS_MAX];
};

/* Opens the queue and every handle. */
int crew_open(struct crew *crew, const struct peer_run *run, const struct peer *peer);
void crew_close(struct crew *crew);

/*
 * One pass: producers send for that many seconds, then consumers receive what is left. Verifies.
 * *messages were sent, *ns passed from the start to the last one received.
 * A thread that hangs hangs the pass: whoever runs the program limits its time.
 */
int crew_pass(struct crew *crew, double seconds, uint64_t *messages, uint64_t *ns);
/* The same, but each producer sends that many. */
int crew_pass_count(struct crew *crew, uint64_t each, uint64_t *ns);

/* Compares what the consumers have with what the producers sent, from first[i] on. */
int crew_verify(const struct crew *crew);

/* A copy of the text for one producer, where the run is a mixed one. */
int crew_source(struct peer_source *source, const struct peer_run *run, const uint32_t *stop);

#endif
