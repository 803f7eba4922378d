/* SPDX-License-Identifier: MIT */
/* A shape measured with the queues of benches/peers. */
#ifndef BENCH_THREADS_H
#define BENCH_THREADS_H

#include <benches/bench.h>
#include <benches/peers/peer.h>

/* The queue waits by yielding where it knows several ways. */
int bench_threads(const struct peer *peer, const struct bench_shape *shape,
                  struct bench_result *result);
/* The same through a channel of this shape. */
int bench_threads_quire(const struct bench_shape *shape, struct bench_result *result);

#endif
