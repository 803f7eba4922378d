/* SPDX-License-Identifier: MIT */
/*
 * P producers and C consumers, each in its thread, through a queue of benches/peers: a warm-up
 * pass, then a timed one on the same queue and handles.
 */
#include <benches/bench_threads.h>
#include <benches/peers/crew.h>
#include <benches/peers/quire.h>

#define CELLS 65536u /* of the rings */

/* What a queue is opened with; the queue of a channel looks at the shape. */
struct threads_run {
    struct peer_run run; /* first: open gets a pointer to it */
    const struct bench_shape *shape;
};

static int both_passes(struct crew *crew, const struct bench_shape *shape,
                       struct bench_result *result)
{
    uint64_t each = shape->messages / shape->producers, ns = 0;
    int rc = crew_pass_count(crew, each / 4, &ns);

    if (rc != 0)
        return rc;
    uint64_t faults = bench_faults();
    rc = crew_pass_count(crew, each, &ns);
    faults = bench_faults() - faults;
    double messages = (double)(each * shape->producers);
    result->ns = (double)ns / messages;
    result->faults = (double)faults / messages;
    return rc;
}

int bench_threads(const struct peer *peer, const struct bench_shape *shape,
                  struct bench_result *result)
{
    static struct crew crew;
    const struct threads_run run = {
        .run = {.peer = peer,
                .producers = shape->producers,
                .consumers = shape->consumers,
                .groups = 1,
                .size = shape->size,
                .batch = shape->batch,
                .wait = PEER_YIELD,
                .pinned = shape->pinned,
                .capacity = CELLS},
        .shape = shape,
    };
    int rc = crew_open(&crew, &run.run, peer);

    if (rc == 0)
        rc = both_passes(&crew, shape, result);
    if (rc == 0) /* else threads may still be there: main ends the process */
        crew_close(&crew);
    return rc;
}

static int open_channel(const struct peer_run *run, void **queue)
{
    struct bench_channel bench;
    int rc = bench_channel_open(((const struct threads_run *)run)->shape, &bench);

    return rc == 0 ? quire_adopt(bench.channel, bench.path, queue) : rc;
}

int bench_threads_quire(const struct bench_shape *shape, struct bench_result *result)
{
    struct peer quire = peer_all[0];

    quire.open = open_channel;
    return bench_threads(&quire, shape, result);
}
