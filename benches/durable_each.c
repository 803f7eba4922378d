/* SPDX-License-Identifier: MIT */
/*
 * QUIRE_DURABLE_EACH: one producer beside the floor, in turns of a few messages so that both see
 * the same device; then several producers, who share commits.
 */
#include <benches/bench_message.h>
#include <benches/durable.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SIZE          128u
#define TURNS         10u /* between floor and channel, in one measurement */
#define WARM_UP       32u
#define PRODUCERS_MAX 8u

enum series { DIRECT, MAPPED_1, MAPPED_2, EACH, SERIES };

static struct bench_figure direct_us =
    DURABLE_FIGURE("floor.direct_us", "O_DIRECT|O_DSYNC write of 4 KiB, p50", "us");
static struct bench_figure mapped_1_us =
    DURABLE_FIGURE("floor.mapped1_us", "fdatasync of 1 block of a mapping, p50", "us");
static struct bench_figure mapped_2_us =
    DURABLE_FIGURE("floor.mapped2_us", "fdatasync of 2 blocks, p50", "us");
static struct bench_figure wake_us =
    DURABLE_FIGURE("floor.wake_us", "futex wake and wake back, p50", "us");
static struct bench_figure each_p50 =
    DURABLE_FIGURE("each.1.p50_us", "EACH, 1 producer, 128 B, p50", "us");
static struct bench_figure each_p99 = DURABLE_FIGURE("each.1.p99_us", "  the same, p99", "us");
static struct bench_figure over_2 =
    DURABLE_FIGURE("each.1.over_mapped2_x", "  p50 over fdatasync of 2 blocks", "times");
static struct bench_figure rates[] = {
    DURABLE_FIGURE("each.1.rate", "EACH, 1 producer", "k/s"),
    DURABLE_FIGURE("each.2.rate", "EACH, 2 producers", "k/s"),
    DURABLE_FIGURE("each.4.rate", "EACH, 4 producers", "k/s"),
    DURABLE_FIGURE("each.8.rate", "EACH, 8 producers", "k/s"),
};
static struct bench_figure per_commit =
    DURABLE_FIGURE("each.8.per_commit", "  messages of one commit, 8 producers", "");
static struct bench_goal over_direct =
    DURABLE_GOAL("each.1_x", "EACH, 1 producer, p50 over the write", "times", BENCH_AT_MOST, 1.3);
static struct bench_goal group =
    DURABLE_GOAL("each.8_x", "EACH, 8 producers over one", "times", BENCH_AT_LEAST, 5);

static int one_turn(struct durable_floor *floor, quire_tx_t *tx, uint64_t first, uint32_t count,
                    uint64_t *const ns[SERIES])
{
    int rc = 0;

    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = durable_floor_direct(floor, &ns[DIRECT][i]);
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = durable_floor_mapped(floor, 1, &ns[MAPPED_1][i]);
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = durable_floor_mapped(floor, 2, &ns[MAPPED_2][i]);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        uint64_t begin = bench_now_ns();
        rc = durable_send(tx, first + i, SIZE);
        ns[EACH][i] = bench_now_ns() - begin;
        if (rc != 0)
            bench_fail("quire_tx_send", rc);
    }
    return rc;
}

static int all_turns(struct durable_floor *floor, quire_tx_t *tx, uint32_t each, uint64_t *ns)
{
    uint32_t all = each * TURNS;
    int rc = 0;

    for (uint32_t i = 0; i < WARM_UP && rc == 0; i++)
        rc = durable_send(tx, i, SIZE);
    for (uint32_t turn = 0; turn < TURNS && rc == 0; turn++) {
        uint64_t *at[SERIES];
        for (uint32_t s = 0; s < SERIES; s++)
            at[s] = ns + (size_t)s * all + (size_t)turn * each;
        rc = one_turn(floor, tx, WARM_UP + (uint64_t)turn * each, each, at);
    }
    return rc;
}

static void add_one(uint64_t *ns, uint32_t all)
{
    double p50[SERIES];

    for (uint32_t s = 0; s < SERIES; s++)
        p50[s] = durable_percentile(ns + (size_t)s * all, all, 50) / 1e3;
    bench_figure_add(&direct_us, p50[DIRECT]);
    bench_figure_add(&mapped_1_us, p50[MAPPED_1]);
    bench_figure_add(&mapped_2_us, p50[MAPPED_2]);
    bench_figure_add(&each_p50, p50[EACH]);
    bench_figure_add(&each_p99, durable_percentile(ns + (size_t)EACH * all, all, 99) / 1e3);
    bench_figure_add(&over_2, p50[EACH] / p50[MAPPED_2]);
    bench_figure_add(&over_direct.ratio, p50[EACH] / p50[DIRECT]);
}

static int run_one(const struct durable_options *options, struct durable_floor *floor)
{
    struct quire_options how = QUIRE_OPTIONS_INIT;
    struct bench_channel bench;
    quire_tx_t *tx = NULL;
    uint32_t each = options->commits / TURNS, all = each * TURNS;
    uint64_t *ns = calloc((size_t)SERIES * all, sizeof(*ns));

    if (!ns)
        return bench_fail("memory", QUIRE_ENOSPC);
    how.durability = QUIRE_DURABLE_EACH;
    int rc = durable_open(options, &how, &bench);
    if (rc == 0) {
        rc = quire_tx_open(bench.channel, NULL, &tx);
        if (rc == 0)
            rc = all_turns(floor, tx, each, ns);
        quire_tx_close(tx);
        int back = durable_read_back(&bench, 1, WARM_UP + all, SIZE);
        rc = rc != 0 ? rc : back;
    }
    if (rc == 0)
        add_one(ns, all);
    free(ns);
    return rc;
}

struct producer {
    pthread_t thread;
    pthread_barrier_t *start;
    quire_tx_t *tx;
    unsigned index;
    uint32_t count;
    uint64_t begin_ns;
    uint64_t end_ns;
    int rc;
};

static void *produce(void *argument)
{
    struct producer *p = argument;

    pthread_barrier_wait(p->start);
    p->begin_ns = bench_now_ns();
    for (uint64_t i = 0; i < p->count && p->rc == 0; i++)
        p->rc = durable_send(p->tx, BENCH_ID(p->index, i), SIZE);
    p->end_ns = bench_now_ns();
    return NULL;
}

/* A thread that cannot be started leaves the others at the barrier: main then ends the process. */
static int produce_all(quire_t *channel, unsigned producers, uint32_t count, double *rate)
{
    struct producer all[PRODUCERS_MAX];
    pthread_barrier_t start;
    uint64_t begin = UINT64_MAX, end = 0;
    int rc = 0;

    memset(all, 0, sizeof(all));
    pthread_barrier_init(&start, NULL, producers);
    for (unsigned i = 0; i < producers && rc == 0; i++) {
        all[i].start = &start;
        all[i].index = i;
        all[i].count = count;
        rc = quire_tx_open(channel, NULL, &all[i].tx);
        if (rc == 0)
            rc = -pthread_create(&all[i].thread, NULL, produce, &all[i]);
    }
    if (rc != 0)
        return bench_fail("starting producers", rc);
    for (unsigned i = 0; i < producers; i++) {
        pthread_join(all[i].thread, NULL);
        quire_tx_close(all[i].tx);
        rc = rc != 0 ? rc : all[i].rc;
        begin = all[i].begin_ns < begin ? all[i].begin_ns : begin;
        end = all[i].end_ns > end ? all[i].end_ns : end;
    }
    pthread_barrier_destroy(&start);
    *rate = (double)count * producers / ((double)(end - begin) / 1e9);
    return rc == 0 ? 0 : bench_fail("quire_tx_send", rc);
}

static int run_group(const struct durable_options *options, unsigned producers, double *rate)
{
    struct quire_options how = QUIRE_OPTIONS_INIT;
    struct bench_channel bench;
    struct quire_stat stat;
    uint32_t count = options->commits / 2;

    how.durability = QUIRE_DURABLE_EACH;
    int rc = durable_open(options, &how, &bench);
    if (rc != 0)
        return rc;
    rc = produce_all(bench.channel, producers, count, rate);
    if (rc != 0)
        return rc; /* threads may still use it: main ends the process */
    rc = quire_stat(bench.channel, &stat);
    if (rc == 0 && producers == PRODUCERS_MAX && stat.commits > 0)
        bench_figure_add(&per_commit, (double)count * producers / (double)stat.commits);
    int back = durable_read_back(&bench, producers, count, SIZE);
    return rc != 0 ? rc : back;
}

static int run(const void *opaque)
{
    const struct durable_options *options = opaque;
    struct durable_floor floor;
    double ns, rate, one = 0;
    int rc = durable_floor_open(options->dir, &floor);

    if (rc != 0)
        return rc;
    rc = run_one(options, &floor);
    durable_floor_close(&floor);
    if (rc == 0)
        rc = durable_floor_wake(&ns);
    if (rc == 0)
        bench_figure_add(&wake_us, ns / 1e3);
    for (unsigned i = 0; i < 4 && rc == 0; i++) {
        rc = run_group(options, 1u << i, &rate);
        if (rc != 0)
            break;
        one = i == 0 ? rate : one;
        bench_figure_add(&rates[i], rate / 1e3);
    }
    if (rc == 0)
        bench_figure_add(&group.ratio, rate / one);
    return rc;
}

static struct bench_figure *const figures[] = {
    &direct_us, &mapped_1_us, &mapped_2_us, &wake_us,  &each_p50,   &each_p99, &over_2,
    &rates[0],  &rates[1],    &rates[2],    &rates[3], &per_commit, NULL,
};
static struct bench_goal *const goals[] = {&over_direct, &group, NULL};
const struct bench_part durable_each = {"each", run, figures, goals};
