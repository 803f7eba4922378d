/* SPDX-License-Identifier: MIT */
/*
 * A load with a verdict: producers, groups of consumers, and every message accounted for.
 *
 * What every run checks, whatever its shape:
 *   I1  each group is given each message exactly once (a bit per message and group)
 *   I2  positions a handle sees grow, and so do the numbers of one producer (but RETURNED)
 *   I4  every byte is what the producer wrote; small messages are held against its own log
 *   I5  positions claimed = published + void, as the channel counts them
 *   I6  borrowed messages are read again just before they are given back
 *   I8  nothing required is recycled: follows from I1 with a ring of a few tiny pages
 */
#ifndef STRESS_RIG_H
#define STRESS_RIG_H

#include <quire.h>
#include <stddef.h>
#include <stdint.h>

enum rig_send {
    RIG_SEND_ONE = 1u,     /* quire_tx_send */
    RIG_SEND_TRY = 2u,     /* quire_tx_try_send until it succeeds */
    RIG_SEND_BATCH = 4u,   /* quire_tx_send_batch */
    RIG_SEND_RESERVE = 8u, /* reserve and commit */
    RIG_SEND_ABORT = 16u,  /* reserve and abort: no message */
    RIG_SEND_ALL = 31u
};

enum rig_recv {
    RIG_RECV_ONE = 1u,
    RIG_RECV_TRY = 2u,
    RIG_RECV_BATCH = 4u,
    RIG_RECV_COPY = 8u,
    RIG_RECV_RELEASE = 16u, /* now and then, give back what is borrowed */
    RIG_RECV_BORROWED = RIG_RECV_ONE | RIG_RECV_TRY | RIG_RECV_BATCH | RIG_RECV_RELEASE
};

/* Zero in a field: one of it, or the channel's default, or none of it. */
struct rig_shape {
    uint32_t producers;
    uint32_t consumers; /* members of each group */
    uint32_t groups;
    uint64_t messages;  /* of each producer, before scaling */
    uint64_t page_size; /* 4096 */
    uint32_t max_messages;
    uint32_t max_pages;  /* 3 */
    uint32_t policy;     /* enum quire_full_policy */
    uint32_t grow_pages; /* GROW: how many more */
    uint32_t wait;       /* enum quire_wait */
    size_t size_low;
    size_t size_high; /* SIZE_MAX: as large as a page takes */
    unsigned send_ways;
    unsigned recv_ways;
    uint32_t run_max;
    uint32_t tx_life; /* messages after which a producer takes a new handle */
    uint32_t rx_life; /* messages after which a member leaves and joins again */
    uint32_t resting; /* producer handles that rest while the ring turns many times */
    uint32_t rests;   /* messages each of them sends, spread over the run */
    uint32_t late;    /* groups made while the load runs */
    int ordered;      /* I3: record when each send began and ended */
    int directory;    /* files instead of memory */
    uint64_t seed;
};

/* Runs the load. Ends the case when anything is wrong. */
void rig_run(const struct rig_shape *shape);

#endif
