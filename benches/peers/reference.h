/* SPDX-License-Identifier: MIT */
/* What the parts of the reference family give to its table. */
#ifndef BENCH_PEER_REFERENCE_H
#define BENCH_PEER_REFERENCE_H

#include <benches/peers/peer.h>

/* The loops around the calls of one of them; free closes it. */
#define REFERENCE_LOOPS(name, calls)                             \
    int name##_produce(void *handle, struct peer_source *source) \
    {                                                            \
        return peer_produce_any(handle, source, &(calls));       \
    }                                                            \
    int name##_consume(void *handle, struct peer_tally *tally)   \
    {                                                            \
        return peer_consume_any(handle, tally, &(calls));        \
    }

/* A bounded ring after D. Vyukov, payload in the cell. */
int vyukov_open(const struct peer_run *run, void **queue);
int vyukov_produce(void *handle, struct peer_source *source);
int vyukov_consume(void *handle, struct peer_tally *tally);

/* A ring under one mutex, with two conditions. */
int mutex_open(const struct peer_run *run, void **queue);
int mutex_produce(void *handle, struct peer_source *source);
int mutex_consume(void *handle, struct peer_tally *tally);

/* Round trips of one cache line for each way; of a futex for each way. */
int line_trips(const struct peer_run *run, uint64_t *ns, size_t count);
int futex_trips(const struct peer_run *run, uint64_t *ns, size_t count);

#endif
