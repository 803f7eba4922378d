/* SPDX-License-Identifier: MIT */
/*
 * One producer and one consumer on a directory, as fast as they can: INTERVAL with its defaults, on
 * both engines, against NONE. NONE is measured before and after them, so that a machine that
 * becomes slower or faster meanwhile counts for both. Threads are not pinned: the keeper's would
 * share a processor with one of them.
 */
#include <benches/bench_threads.h>
#include <benches/durable.h>

enum mode { NONE, URING, THREADS, MODES };

static struct bench_figure rates[2][MODES] = {
    {
        DURABLE_FIGURE("interval.16.none", "1P1C 16 B, NONE", "M/s"),
        DURABLE_FIGURE("interval.16.uring", "  INTERVAL, io_uring", "M/s"),
        DURABLE_FIGURE("interval.16.threads", "  INTERVAL, threads", "M/s"),
    },
    {
        DURABLE_FIGURE("interval.128.none", "1P1C 128 B, NONE", "M/s"),
        DURABLE_FIGURE("interval.128.uring", "  INTERVAL, io_uring", "M/s"),
        DURABLE_FIGURE("interval.128.threads", "  INTERVAL, threads", "M/s"),
    },
};
static struct bench_figure faults[2] = {
    DURABLE_FIGURE("interval.16.faults", "  minor faults per message, io_uring", ""),
    DURABLE_FIGURE("interval.128.faults", "  minor faults per message, io_uring", ""),
};
static struct bench_goal shares[2][MODES] = {
    {
        DURABLE_GOAL("", "", "", BENCH_AT_LEAST, 0),
        DURABLE_GOAL("interval.16.uring_share", "INTERVAL of NONE, 16 B, io_uring", "%",
                     BENCH_AT_LEAST, 90),
        DURABLE_GOAL("interval.16.threads_share", "INTERVAL of NONE, 16 B, threads", "%",
                     BENCH_AT_LEAST, 90),
    },
    {
        DURABLE_GOAL("", "", "", BENCH_AT_LEAST, 0),
        DURABLE_GOAL("interval.128.uring_share", "INTERVAL of NONE, 128 B, io_uring", "%",
                     BENCH_AT_LEAST, 90),
        DURABLE_GOAL("interval.128.threads_share", "INTERVAL of NONE, 128 B, threads", "%",
                     BENCH_AT_LEAST, 90),
    },
};

static int measure(const struct durable_options *options, uint32_t size, enum mode mode,
                   struct bench_result *result)
{
    struct bench_shape shape = {
        .backing = BENCH_DIRECTORY,
        .dir = options->dir,
        .size = size,
        .batch = 1,
        .producers = 1,
        .consumers = 1,
        .messages = options->stream,
        .durability = mode == NONE ? QUIRE_DURABLE_NONE : QUIRE_DURABLE_INTERVAL,
        .engine = mode == THREADS ? QUIRE_ENGINE_THREADS
                  : mode == URING ? QUIRE_ENGINE_URING
                                  : QUIRE_ENGINE_AUTO,
    };

    return bench_threads_quire(&shape, result);
}

static int run_size(const struct durable_options *options, unsigned which, uint32_t size)
{
    struct bench_result before, after, with;
    int has_uring = durable_has_uring();
    int rc = measure(options, size, NONE, &before);

    for (unsigned mode = URING; mode <= THREADS && rc == 0; mode++) {
        if (mode == URING && !has_uring)
            continue;
        rc = measure(options, size, mode, &with);
        if (rc == 0)
            rc = measure(options, size, NONE, &after);
        if (rc != 0)
            break;
        double none = (before.ns + after.ns) / 2;
        bench_figure_add(&rates[which][mode], 1e3 / with.ns);
        bench_figure_add(&shares[which][mode].ratio, 100 * none / with.ns);
        if (mode == URING)
            bench_figure_add(&faults[which], with.faults);
        else
            bench_figure_add(&rates[which][NONE], 1e3 / none);
        before = after;
    }
    return rc;
}

static int run(const void *opaque)
{
    const struct durable_options *options = opaque;
    int rc = run_size(options, 0, 16);

    return rc != 0 ? rc : run_size(options, 1, 128);
}

static struct bench_figure *const figures[] = {
    &rates[0][NONE],    &rates[0][URING],   &faults[0],
    &rates[0][THREADS], &rates[1][NONE],    &rates[1][URING],
    &faults[1],         &rates[1][THREADS], NULL,
};
static struct bench_goal *const goals[] = {&shares[0][URING], &shares[0][THREADS],
                                           &shares[1][URING], &shares[1][THREADS], NULL};
const struct bench_part durable_interval = {"interval", run, figures, goals};
