/* SPDX-License-Identifier: MIT */
/*
 * One message after the other received by an auto group, and by ack groups that acknowledge each or
 * ranges of 32: by one thread, in processor time of the receiving half; and with a producer beside
 * it, by the clock. 16 bytes. Every message is counted and weighed; in the end nothing is leased.
 */
#include <benches/bench_message.h>
#include <benches/delivery.h>
#include <pthread.h>

#define SIZE    16u
#define RANGE   32u
#define BLOCK   16384u /* messages sent, then received: a multiple of RANGE */
#define WARM_UP 20u    /* blocks */

enum way { AUTO, EACH, RANGES, WAYS };

struct side {
    struct bench_channel bench;
    quire_rx_t *rx;
    enum way way;
    uint64_t messages;
    int rc; /* of the producer */
};

static const struct bench_shape shape = {
    .backing = BENCH_MEMORY,
    .checksum = QUIRE_CHECKSUM_OFF,
    .page_size = 1u << 20,
    .max_pages = 8,
};

static int begin(struct side *side, enum way way)
{
    struct quire_group_options group = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    int rc = bench_channel_open(&shape, &side->bench);

    if (rc != 0)
        return rc;
    group.mode = way == AUTO ? QUIRE_GROUP_AUTO : QUIRE_GROUP_ACK;
    options.group = &group;
    side->way = way;
    rc = quire_rx_subscribe(side->bench.channel, "g", NULL, &options, &side->rx);
    return rc != 0 ? bench_fail("quire_rx_subscribe", rc) : 0;
}

static int end(struct side *side)
{
    struct quire_group_stat stat;
    long n = quire_stat_groups(side->bench.channel, &stat, 1);

    quire_rx_close(side->rx);
    int rc = bench_channel_close(&side->bench);
    if (n != 1 || stat.lag_messages != 0)
        return bench_fail("messages were left", QUIRE_CORRUPT);
    return rc;
}

static int finish(quire_rx_t *rx, enum way way, uint64_t position, uint64_t i, uint64_t *first)
{
    if (way == AUTO)
        return 0;
    if (way == EACH)
        return quire_rx_ack(rx, position);
    if (i % RANGE == 0)
        *first = position;
    if (i % RANGE != RANGE - 1)
        return 0;
    return quire_rx_ack_range(rx, *first, position) == RANGE ? 0 : QUIRE_CORRUPT;
}

BENCH_INLINE int receive_as(quire_rx_t *rx, struct bench_tally *tally, uint64_t count, enum way way)
{
    struct bench_tally local = *tally;
    uint64_t first = 0;
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        struct quire_msg msg;

        while ((rc = quire_rx_recv(rx, &msg)) == QUIRE_PAGE_END)
            quire_rx_next_page(rx);
        if (rc != 0 || msg.size != SIZE)
            return bench_fail("quire_rx_recv", rc != 0 ? rc : QUIRE_CORRUPT);
        bench_tally_next(&local, msg.data, SIZE);
        rc = finish(rx, way, msg.position, i, &first);
    }
    *tally = local;
    return rc != 0 ? bench_fail("acknowledging", rc) : 0;
}

/* The way is a constant in each loop. */
static int receive(struct side *side, struct bench_tally *tally, uint64_t count)
{
    switch (side->way) {
    case AUTO:
        return receive_as(side->rx, tally, count, AUTO);
    case EACH:
        return receive_as(side->rx, tally, count, EACH);
    default:
        return receive_as(side->rx, tally, count, RANGES);
    }
}

static int send(quire_tx_t *tx, uint64_t first, uint64_t count)
{
    uint64_t words[SIZE / 8];
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        bench_fill(words, first + i, SIZE);
        rc = quire_tx_send(tx, words, SIZE);
    }
    return rc != 0 ? bench_fail("quire_tx_send", rc) : 0;
}

static int verify(const struct bench_tally *tally, uint64_t count)
{
    if (tally->count != count || tally->disorder != 0 ||
        tally->sum != bench_expected(0, count, SIZE))
        return bench_fail("what was received is not what was sent", QUIRE_CORRUPT);
    return 0;
}

/* Processor time of receiving, ns per message. */
static int one_thread(enum way way, uint64_t messages, double *ns)
{
    struct side side = {.messages = messages};
    struct bench_tally tally = {0};
    quire_tx_t *tx = NULL;
    uint64_t blocks = messages / BLOCK + 1, spent = 0, sent = 0;
    int rc = begin(&side, way);

    if (rc == 0)
        rc = quire_tx_open(side.bench.channel, NULL, &tx);
    for (uint64_t i = 0; i < WARM_UP + blocks && rc == 0; i++, sent += BLOCK) {
        rc = send(tx, sent, BLOCK);
        uint64_t from = bench_cpu_ns();
        if (rc == 0)
            rc = receive(&side, &tally, BLOCK);
        spent += i >= WARM_UP ? bench_cpu_ns() - from : 0;
    }
    quire_tx_close(tx);
    if (rc == 0)
        rc = verify(&tally, sent);
    *ns = (double)spent / (double)(blocks * BLOCK);
    return rc == 0 ? end(&side) : rc;
}

static void *produce(void *argument)
{
    struct side *side = argument;
    quire_tx_t *tx;

    bench_pin(0);
    side->rc = quire_tx_open(side->bench.channel, NULL, &tx);
    if (side->rc == 0) {
        side->rc = send(tx, 0, side->messages);
        quire_tx_close(tx);
    }
    return NULL;
}

/* One producer, one consumer, by the clock. */
static int pair(enum way way, uint64_t messages, double *ns)
{
    struct side side = {.messages = messages / RANGE * RANGE};
    struct bench_tally tally = {0};
    pthread_t thread;
    int rc = begin(&side, way);

    if (rc != 0)
        return rc;
    bench_pin(1);
    uint64_t from = bench_now_ns();
    if (pthread_create(&thread, NULL, produce, &side) != 0)
        return bench_fail("pthread_create", QUIRE_EINVAL);
    rc = receive(&side, &tally, side.messages);
    *ns = (double)(bench_now_ns() - from) / (double)side.messages;
    pthread_join(thread, NULL);
    if (rc == 0)
        rc = side.rc != 0 ? side.rc : verify(&tally, side.messages);
    return rc == 0 ? end(&side) : rc;
}

static struct bench_figure xadd = {"floor.xadd_ns", "lock xadd, one thread", "ns", 0, {0}};
static struct bench_figure ones[WAYS] = {
    {"one.auto_ns", "receive, one thread: auto group", "ns", 0, {0}},
    {"one.each_ns", "  ack group, each acknowledged", "ns", 0, {0}},
    {"one.range_ns", "  ack group, ranges of 32", "ns", 0, {0}},
};
static struct bench_figure pairs[WAYS] = {
    {"pair.auto_ns", "1P1C 16 B: auto group", "ns", 0, {0}},
    {"pair.each_ns", "  ack group, each acknowledged", "ns", 0, {0}},
    {"pair.range_ns", "  ack group, ranges of 32", "ns", 0, {0}},
};
static struct bench_goal goal_each = {
    {"one.each_x", "ack of each over auto, in lock xadds", "xadd", 0, {0}}, BENCH_AT_MOST, 2};
static struct bench_goal goal_range = {
    {"one.range_over_ns", "ranges of 32 over auto, a message", "ns", 0, {0}}, BENCH_AT_MOST, 3};
static struct bench_goal goal_pair_each = {
    {"pair.each_share", "1P1C with acks of each, of without", "%", 0, {0}}, BENCH_AT_LEAST, 60};
static struct bench_goal goal_pair_range = {
    {"pair.range_share", "1P1C with ranges of 32, of without", "%", 0, {0}}, BENCH_AT_LEAST, 60};

static int run(const void *opaque)
{
    const struct delivery_options *options = opaque;
    double ns[WAYS] = {0}, floor = bench_floor_xadd();
    int rc = 0;

    bench_figure_add(&xadd, floor);
    for (int way = 0; way < WAYS && rc == 0; way++) {
        rc = one_thread((enum way)way, options->messages, &ns[way]);
        bench_figure_add(&ones[way], ns[way]);
    }
    if (rc != 0)
        return rc;
    bench_figure_add(&goal_each.ratio, (ns[EACH] - ns[AUTO]) / floor);
    bench_figure_add(&goal_range.ratio, ns[RANGES] - ns[AUTO]);
    if (bench_cpus() < 2)
        return 0;
    for (int way = 0; way < WAYS && rc == 0; way++) {
        rc = pair((enum way)way, options->messages, &ns[way]);
        bench_figure_add(&pairs[way], ns[way]);
    }
    if (rc != 0)
        return rc;
    bench_figure_add(&goal_pair_each.ratio, 100 * ns[AUTO] / ns[EACH]);
    bench_figure_add(&goal_pair_range.ratio, 100 * ns[AUTO] / ns[RANGES]);
    return 0;
}

static struct bench_figure *const figures[] = {&xadd,     &ones[0],  &ones[1],  &ones[2],
                                               &pairs[0], &pairs[1], &pairs[2], NULL};
static struct bench_goal *const goals[] = {&goal_each, &goal_range, &goal_pair_each,
                                           &goal_pair_range, NULL};
const struct bench_part delivery_ack = {"ack", run, figures, goals};
