/* SPDX-License-Identifier: MIT */
/*
 * Channels with a bound, under load: no required group ever has more than N messages that it has
 * not finished, as far as anybody can see, and nothing of the N is lost.
 *
 * The ledger is outside the library. A producer adds to each group's count what was accepted, after
 * it was; a member takes one off before it acknowledges (ack), or before it receives (auto). So the
 * count is never more than what the group has really left, and it must never be more than N. Groups
 * come and go meanwhile: one without members that begins with the newest message receives nothing,
 * and must never show more than N. At the end there is room for exactly N.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/random.h>
#include <tests/support/temp.h>
#include <tests/support/thread.h>

#include <quire.h>

#define GROUPS_MAX 3u
#define MANY       6u /* threads of one kind, at most */
#define BATCH      9u
#define FAR        (60000 * CLOCK_MS)

struct shape {
    uint64_t bound;
    uint32_t producers, groups, members; /* members of each group */
    uint64_t messages;                   /* of each producer, before scaling */
    uint32_t mode, max_messages, policy, run_max;
    int directory;
    int churn;            /* groups come and go */
    uint32_t void_one_in; /* reservations that are aborted; 0: none */
    uint32_t nack_one_in;
    uint64_t seed;
};

struct load;
struct worker {
    struct load *load;
    struct thread thread;
    uint32_t index;
};

struct load {
    struct shape shape;
    quire_t *channel;
    uint64_t each;
    qr_atomic_u64 count[GROUPS_MAX]; /* as said above, from COUNT_FROM on */
    qr_atomic_u64 finished[GROUPS_MAX];
    qr_atomic_u32 over; /* producers that are done */
    struct worker producer[MANY], member[GROUPS_MAX * MANY], churner, watcher;
};
#define COUNT_FROM 1000000ull

static void within(const struct load *l, uint64_t count, const char *who)
{
    if (count > COUNT_FROM + l->shape.bound) {
        test_fail(__FILE__, __LINE__, "%s sees %llu messages, and the bound is %llu", who,
                  (unsigned long long)(count - COUNT_FROM), (unsigned long long)l->shape.bound);
    }
}

static void accepted(struct load *l, uint64_t n)
{
    for (uint32_t g = 0; g < l->shape.groups; g++) {
        within(l, qr_add_acq_rel(&l->count[g], n) + n, "a producer");
    }
}

/* --- producers --- */

/* One or more messages, by any of the ways. How many. */
static uint64_t send_some(struct load *l, quire_tx_t *tx, struct random *random, uint64_t left)
{
    struct quire_vec vec[BATCH];
    unsigned char data[32] = {0};
    uint64_t n = 1 + random_below(random, left < BATCH ? left : BATCH);
    void *room;
    long rc;

    switch (random_below(random, 4)) {
    case 0:
        for (uint64_t i = 0; i < n; i++) {
            vec[i] = (struct quire_vec){data, 8};
        }
        rc = quire_tx_send_batch(tx, vec, n, clock_now() + FAR);
        break;
    case 1:
        rc = quire_tx_try_send(tx, data, sizeof(data));
        rc = rc == 0 ? 1 : rc;
        break;
    case 2:
        rc = quire_tx_reserve(tx, sizeof(data), &room, clock_now() + FAR);
        if (rc == 0 && l->shape.void_one_in && random_below(random, l->shape.void_one_in) == 0) {
            CHECK_OK(quire_tx_abort(tx));
            return 0;
        }
        if (rc == 0) {
            memset(room, 0, sizeof(data));
            CHECK_OK(quire_tx_commit(tx, sizeof(data)));
            rc = 1;
        }
        break;
    default:
        rc = quire_tx_send_until(tx, data, 1, clock_now() + FAR);
        rc = rc == 0 ? 1 : rc;
    }
    if (rc == QUIRE_FULL) {
        sched_yield();
        return 0;
    }
    if (rc <= 0) {
        CHECK_OK(rc);
    }
    return (uint64_t)rc;
}

static void produce(void *context)
{
    struct worker *w = context;
    struct load *l = w->load;
    struct random random = {l->shape.seed * 100 + w->index};
    quire_tx_t *tx;

    CHECK_OK(quire_tx_open(l->channel, NULL, &tx));
    for (uint64_t sent = 0; sent < l->each;) {
        uint64_t n = send_some(l, tx, &random, l->each - sent);
        accepted(l, n);
        sent += n;
    }
    quire_tx_close(tx);
    qr_add_acq_rel(&l->over, 1u);
}

/* --- consumers --- */

static quire_rx_t *join(const struct load *l, uint32_t group)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    char name[2] = {(char)('a' + group), 0};
    quire_rx_t *rx;

    as.mode = l->shape.mode;
    options.group = &as;
    options.run_max = l->shape.run_max;
    CHECK_OK(quire_rx_subscribe(l->channel, name, NULL, &options, &rx));
    return rx;
}

/* 1 when a message was received. */
static int receive(quire_rx_t *rx, struct quire_msg *msg)
{
    int rc = quire_rx_recv_until(rx, msg, clock_now() + CLOCK_MS);

    if (rc == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
    } else if (rc != QUIRE_TIMEDOUT) {
        CHECK_OK(rc);
    }
    return rc == 0;
}

static void consume(void *context)
{
    struct worker *w = context;
    struct load *l = w->load;
    uint32_t g = w->index % l->shape.groups;
    struct random random = {l->shape.seed * 1000 + w->index};
    uint64_t all = l->each * l->shape.producers;
    int acks = l->shape.mode == QUIRE_GROUP_ACK, promised = 0;
    quire_rx_t *rx = join(l, g);
    struct quire_msg msg;

    while (qr_load_acquire(&l->finished[g]) < all) { /* with the last one */
        if (!acks && !promised) {
            qr_sub_acq_rel(&l->count[g], 1u);
            promised = 1;
        }
        if (!receive(rx, &msg)) {
            continue;
        }
        promised = 0;
        if (acks && l->shape.nack_one_in && random_below(&random, l->shape.nack_one_in) == 0) {
            CHECK_OK(quire_rx_nack(rx, msg.position));
            continue;
        }
        if (acks) {
            qr_sub_acq_rel(&l->count[g], 1u);
            CHECK_OK(quire_rx_ack(rx, msg.position));
        }
        qr_add_acq_rel(&l->finished[g], 1u);
    }
    quire_rx_close(rx);
}

/* --- who looks on --- */

static void watch(void *context)
{
    struct load *l = ((struct worker *)context)->load;

    while (qr_load_acquire(&l->over) < l->shape.producers) { /* a counter */
        for (uint32_t g = 0; g < l->shape.groups; g++) {
            within(l, qr_load_acquire(&l->count[g]), "the watcher"); /* counter */
        }
        sched_yield();
    }
}

/* A group that receives nothing fills up, and no further. */
static void churn(void *context)
{
    struct load *l = ((struct worker *)context)->load;
    struct quire_where newest = {QUIRE_NEWEST, 0, 0};
    struct quire_group_stat stats[GROUPS_MAX + 1];
    struct random random = {l->shape.seed};

    while (qr_load_acquire(&l->over) < l->shape.producers) { /* a counter */
        CHECK_OK(quire_group_create(l->channel, "z", &newest, NULL));
        for (uint64_t looks = random_below(&random, 40); looks > 0; looks--) {
            CHECK_EQ(quire_stat_groups(l->channel, stats, GROUPS_MAX + 1), l->shape.groups + 1);
            const struct quire_group_stat *z = &stats[l->shape.groups];
            CHECK(strcmp(z->name, "z") == 0);
            CHECK(z->lag_messages <= l->shape.bound);
            sched_yield();
        }
        if (random_below(&random, 2) == 0) {
            CHECK_OK(quire_group_seek(l->channel, "z", &newest));
            sched_yield();
            CHECK_EQ(quire_stat_groups(l->channel, stats, GROUPS_MAX + 1), l->shape.groups + 1);
            CHECK(stats[l->shape.groups].lag_messages <= l->shape.bound);
        }
        CHECK_OK(quire_group_delete(l->channel, "z"));
    }
}

static void begin(struct load *l)
{
    const struct shape *s = &l->shape;
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[TEMP_PATH_MAX];

    options.flags = QUIRE_CREATE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = s->max_messages;
    options.max_pages = 64;
    options.max_queued = s->bound;
    options.full_policy = s->policy;
    CHECK_OK(quire_open(&l->channel, s->directory ? temp_path(path, "channel") : NULL, &options));
    l->each = test_scale(s->messages);
    for (uint32_t g = 0; g < s->groups; g++) {
        qr_store_release(&l->count[g], COUNT_FROM);
        quire_rx_close(join(l, g)); /* it is there before the first message */
    }
}

/* Nothing is left to anybody: there is room for all of the bound, and no more. */
static void end(struct load *l)
{
    quire_tx_t *tx;
    uint64_t n = 0;

    for (uint32_t g = 0; g < l->shape.groups; g++) {
        quire_rx_t *rx = join(l, g);
        struct quire_msg msg;
        while (receive(rx, &msg)) { /* over the last voids */
            test_fail(__FILE__, __LINE__, "a message too many");
        }
        quire_rx_close(rx);
    }
    CHECK_OK(quire_tx_open(l->channel, NULL, &tx));
    while (quire_tx_try_send(tx, "x", 1) == 0) {
        n++;
    }
    CHECK_EQ(n, l->shape.bound);
    quire_tx_close(tx);
    CHECK_OK(quire_close(l->channel));
}

static void run(const struct shape *shape)
{
    static struct load load;
    uint32_t members = shape->groups * shape->members;

    memset(&load, 0, sizeof(load));
    load.shape = *shape;
    begin(&load);
    load.churner.load = load.watcher.load = &load;
    for (uint32_t i = 0; i < members; i++) {
        load.member[i].load = &load;
        load.member[i].index = i;
        thread_start(&load.member[i].thread, consume, &load.member[i]);
    }
    thread_start(&load.watcher.thread, watch, &load.watcher);
    if (shape->churn) {
        thread_start(&load.churner.thread, churn, &load.churner);
    }
    for (uint32_t i = 0; i < shape->producers; i++) {
        load.producer[i].load = &load;
        load.producer[i].index = i;
        thread_start(&load.producer[i].thread, produce, &load.producer[i]);
    }
    for (uint32_t i = 0; i < shape->producers; i++) {
        thread_join(&load.producer[i].thread);
    }
    if (shape->churn) {
        thread_join(&load.churner.thread);
    }
    thread_join(&load.watcher.thread);
    for (uint32_t i = 0; i < members; i++) {
        thread_join(&load.member[i].thread);
    }
    end(&load);
}

static void auto_4x1(void)
{
    run(&(struct shape){.bound = 16,
                        .producers = 4,
                        .groups = 1,
                        .members = 1,
                        .messages = 20000,
                        .max_messages = 20,
                        .seed = 1});
}

static void auto_4x3_of_2_groups(void)
{
    run(&(struct shape){.bound = 7,
                        .producers = 4,
                        .groups = 2,
                        .members = 3,
                        .messages = 4000,
                        .max_messages = 11,
                        .void_one_in = 10,
                        .seed = 2});
}

static void ack_4x4(void)
{
    run(&(struct shape){.bound = 5,
                        .producers = 4,
                        .groups = 1,
                        .members = 4,
                        .messages = 8000,
                        .max_messages = 16,
                        .mode = QUIRE_GROUP_ACK,
                        .run_max = 2,
                        .void_one_in = 20,
                        .nack_one_in = 10,
                        .seed = 3});
}

static void ack_one(void)
{
    run(&(struct shape){.bound = 1,
                        .producers = 3,
                        .groups = 2,
                        .members = 2,
                        .messages = 2000,
                        .max_messages = 5,
                        .mode = QUIRE_GROUP_ACK,
                        .seed = 4});
}

static void groups_come_and_go(void)
{
    run(&(struct shape){.bound = 9,
                        .producers = 4,
                        .groups = 2,
                        .members = 2,
                        .messages = 6000,
                        .max_messages = 13,
                        .mode = QUIRE_GROUP_ACK,
                        .churn = 1,
                        .seed = 5});
}

static void reject_in_a_directory(void)
{
    run(&(struct shape){.bound = 12,
                        .producers = 3,
                        .groups = 2,
                        .members = 2,
                        .messages = 4000,
                        .max_messages = 9,
                        .policy = QUIRE_FULL_REJECT,
                        .directory = 1,
                        .churn = 1,
                        .seed = 6});
}

static const struct test_case cases[] = {
    {"auto_4x1", auto_4x1, 140},
    {"auto_4x3_of_2_groups", auto_4x3_of_2_groups, 140},
    {"ack_4x4", ack_4x4, 140},
    {"ack_one", ack_one, 140},
    {"groups_come_and_go", groups_come_and_go, 140},
    {"reject_in_a_directory", reject_in_a_directory, 140},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
