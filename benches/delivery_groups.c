/* SPDX-License-Identifier: MIT */
/*
 * Many groups on one channel: what a send costs while pages turn and are reused, beside one group;
 * and what opening takes. The groups are moved to the end between the blocks that are timed, as if
 * they had received everything.
 */
#include <benches/delivery.h>
#include <stdio.h>
#include <string.h>

#define SIZE    16u
#define PAGES   16u
#define BLOCK   (13u * 43690u) /* messages: more pages than are free without reuse, less than all */
#define WARM_UP 4u             /* blocks: every frame has been used */
#define BLOCKS  6u

static int make_groups(quire_t *channel, uint32_t count, uint32_t mode)
{
    struct quire_group_options options = QUIRE_GROUP_OPTIONS_INIT;
    int rc = 0;

    options.mode = mode;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        char name[16];

        snprintf(name, sizeof(name), "g%u", i);
        rc = quire_group_create(channel, name, NULL, &options);
    }
    return rc != 0 ? bench_fail("quire_group_create", rc) : 0;
}

static int move_groups(quire_t *channel, uint32_t count)
{
    static const struct quire_where newest = {QUIRE_NEWEST, 0, 0};
    int rc = 0;

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        char name[16];

        snprintf(name, sizeof(name), "g%u", i);
        rc = quire_group_seek(channel, name, &newest);
    }
    return rc != 0 ? bench_fail("quire_group_seek", rc) : 0;
}

static int send_block(quire_tx_t *tx)
{
    uint64_t words[SIZE / 8] = {0};
    int rc = 0;

    for (uint64_t i = 0; i < BLOCK && rc == 0; i++) {
        words[0] = i;
        rc = quire_tx_send(tx, words, SIZE);
    }
    return rc != 0 ? bench_fail("quire_tx_send", rc) : 0;
}

/* Nothing was lost and nothing invented: the account says so. */
static int check(quire_t *channel, uint64_t sent)
{
    struct quire_stat stat;
    int rc = quire_stat(channel, &stat);

    if (rc == 0 && (stat.messages != sent || stat.voids != 0))
        rc = QUIRE_CORRUPT;
    return rc != 0 ? bench_fail("the account of messages", rc) : 0;
}

/* Processor time of a send, ns. */
static int sends(uint32_t groups, uint32_t mode, double *ns)
{
    static const struct bench_shape shape = {.backing = BENCH_MEMORY,
                                             .checksum = QUIRE_CHECKSUM_OFF,
                                             .page_size = 1u << 20,
                                             .max_pages = PAGES};
    struct bench_channel bench;
    quire_tx_t *tx = NULL;
    uint64_t spent = 0;
    int rc = bench_channel_open(&shape, &bench);

    if (rc == 0)
        rc = make_groups(bench.channel, groups, mode);
    if (rc == 0)
        rc = quire_tx_open(bench.channel, NULL, &tx);
    for (uint32_t i = 0; i < WARM_UP + BLOCKS && rc == 0; i++) {
        uint64_t from = bench_cpu_ns();
        rc = send_block(tx);
        spent += i >= WARM_UP ? bench_cpu_ns() - from : 0;
        if (rc == 0)
            rc = move_groups(bench.channel, groups);
    }
    if (rc == 0)
        rc = check(bench.channel, (uint64_t)(WARM_UP + BLOCKS) * BLOCK);
    quire_tx_close(tx);
    *ns = (double)spent / ((double)BLOCKS * BLOCK);
    return rc == 0 ? bench_channel_close(&bench) : rc;
}

/* Time to open a directory channel that has the groups, ms. */
static int opening(const struct delivery_options *options, uint32_t mode, double *ms)
{
    struct bench_shape shape = {.backing = BENCH_DIRECTORY,
                                .dir = options->dir,
                                .checksum = QUIRE_CHECKSUM_ON,
                                .page_size = 1u << 20,
                                .max_pages = PAGES};
    struct bench_channel bench;
    struct quire_stat stat;
    int rc = bench_channel_open(&shape, &bench);

    if (rc == 0)
        rc = make_groups(bench.channel, options->groups, mode);
    if (rc == 0)
        rc = quire_close(bench.channel);
    uint64_t from = bench_now_ns();
    if (rc == 0)
        rc = quire_open(&bench.channel, bench.path, NULL);
    *ms = (double)(bench_now_ns() - from) / 1e6;
    if (rc == 0)
        rc = quire_stat(bench.channel, &stat);
    if (rc == 0 && stat.groups != options->groups)
        rc = QUIRE_CORRUPT;
    return rc == 0 ? bench_channel_close(&bench) : bench_fail("opening with many groups", rc);
}

static struct bench_figure one = {"groups.one_ns", "send 16 B: one group", "ns", 0, {0}};
static struct bench_figure many[2] = {
    {"groups.auto_ns", "  many auto groups", "ns", 0, {0}},
    {"groups.ack_ns", "  many ack groups", "ns", 0, {0}},
};
static struct bench_figure opened[2] = {
    {"groups.auto_open_ms", "opening with many auto groups", "ms", 0, {0}},
    {"groups.ack_open_ms", "opening with many ack groups", "ms", 0, {0}},
};
static struct bench_goal goal_sends[2] = {
    {{"groups.auto_more", "a send with many auto groups, more", "%", 0, {0}}, BENCH_AT_MOST, 5},
    {{"groups.ack_more", "a send with many ack groups, more", "%", 0, {0}}, BENCH_AT_MOST, 5},
};
static struct bench_goal goal_opened[2] = {
    {{"groups.auto_opened", "opening with many auto groups", "ms", 0, {0}}, BENCH_AT_MOST, 200},
    {{"groups.ack_opened", "opening with many ack groups", "ms", 0, {0}}, BENCH_AT_MOST, 200},
};

static int run(const void *opaque)
{
    const struct delivery_options *options = opaque;
    for (uint32_t mode = QUIRE_GROUP_AUTO; mode <= QUIRE_GROUP_ACK; mode++) {
        double single = 0, ns = 0, ms = 0;
        int rc = sends(1, mode, &single);

        if (rc == 0)
            rc = sends(options->groups, mode, &ns);
        if (rc == 0)
            rc = opening(options, mode, &ms);
        if (rc != 0)
            return rc;
        if (mode == QUIRE_GROUP_AUTO)
            bench_figure_add(&one, single);
        bench_figure_add(&many[mode], ns);
        bench_figure_add(&opened[mode], ms);
        bench_figure_add(&goal_sends[mode].ratio, 100 * (ns / single - 1));
        bench_figure_add(&goal_opened[mode].ratio, ms);
    }
    return 0;
}

static struct bench_figure *const figures[] = {&one,       &many[0],   &many[1],
                                               &opened[0], &opened[1], NULL};
static struct bench_goal *const goals[] = {&goal_sends[0], &goal_sends[1], &goal_opened[0],
                                           &goal_opened[1], NULL};
const struct bench_part delivery_groups = {"groups", run, figures, goals};
