/* SPDX-License-Identifier: MIT */
/*
 * Groups are made, deleted, moved and paused; dead letters are listed, given again, discarded
 * (vector#19154: nobody could look inside).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>
#include <time.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static const struct quire_where newest = {QUIRE_NEWEST, 0, 0};

static struct quire_group_options ack_options(uint32_t max_attempts)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;

    as.mode = QUIRE_GROUP_ACK;
    as.max_attempts = max_attempts;
    return as;
}

static void put_numbers(quire_tx_t *tx, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        put(tx, 1, i, SIZE);
    }
}

/* A group that is made holds messages before anybody joins it. */
static void made_before_it_is_joined(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = ack_options(2);
    quire_rx_t *rx;

    put_numbers(tx, 0, 1);
    CHECK_OK(quire_group_create(channel, "later", &newest, &as));
    CHECK_OK(quire_group_create(channel, "all", NULL, NULL));
    CHECK_CODE(quire_group_create(channel, "all", NULL, NULL), QUIRE_EEXIST);
    CHECK_CODE(quire_group_create(channel, ".all", NULL, NULL), QUIRE_EINVAL);
    as.size = 3;
    CHECK_CODE(quire_group_create(channel, "bad", NULL, &as), QUIRE_EINVAL);
    put_numbers(tx, 1, 4 * ROOM);
    CHECK_CODE(try_put(tx, 1, 0, SIZE), QUIRE_FULL);
    CHECK_EQ(group_of(channel, "later").lag_messages, 4 * ROOM - 1);
    CHECK_EQ(group_of(channel, "later").mode, QUIRE_GROUP_ACK);
    CHECK_EQ(group_of(channel, "all").lag_messages, 4 * ROOM);
    CHECK_EQ(stat_of(channel).handles, 1);
    rx = open_rx(channel, "later");
    for (uint64_t i = 1; i < 4 * ROOM; i++) {
        CHECK_OK(quire_rx_ack(rx, take_number(rx, 1, i, SIZE).position));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What a deleted group held is free at once, and a waiting sender goes on. */
static void deleted(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "one"), *two = open_rx_run(channel, "two", 64);
    uint64_t n = fill(tx, 1, 0, SIZE);

    CHECK_CODE(quire_group_delete(channel, "none"), QUIRE_ENOENT);
    CHECK_CODE(quire_group_delete(channel, "two"), QUIRE_EBUSY);
    take_number(two, 1, 0, SIZE);
    quire_rx_close(two); /* with a run that waits for a member */
    for (uint64_t i = 0; i < n; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    CHECK_CODE(try_put(tx, 1, n, SIZE), QUIRE_FULL);
    CHECK_OK(quire_group_delete(channel, "two"));
    CHECK_EQ(stat_of(channel).groups, 1);
    CHECK_CODE(quire_group_delete(channel, "two"), QUIRE_ENOENT);
    CHECK_EQ(fill(tx, 1, n, SIZE), n);
    for (int i = 0; i < 20; i++) { /* the name is free, and what comes under it begins anew */
        two = open_rx_at(channel, "two", QUIRE_NEWEST, 0);
        CHECK_EQ(stat_of(channel).groups, 2);
        take_nothing(two);
        quire_rx_close(two);
        CHECK_OK(quire_group_delete(channel, "two"));
    }
    quire_rx_close(rx);
    CHECK_OK(quire_group_delete(channel, "one"));
    CHECK_EQ(stat_of(channel).groups, 0);
    CHECK_CODE(try_put(tx, 1, 0, SIZE), QUIRE_FULL); /* without a group everything is kept */
    rx = open_rx(channel, "new");
    CHECK_EQ(group_of(channel, "new").lag_messages, n);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    if (cell.directory) {
        channel = cell_reopen();
        CHECK_EQ(stat_of(channel).groups, 1);
        CHECK_OK(quire_close(channel));
    }
}

/* Back and forth; an ack group forgets what it knew. */
static void moved(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = ack_options(0);
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_where where = {QUIRE_AT, 0, QUIRE_POSITION(1, 3)};
    quire_rx_t *rx, *keeper;

    options.group = &as;
    put_numbers(tx, 0, 4 * ROOM);
    keeper = open_rx(channel, "keeper");
    CHECK_CODE(quire_group_seek(channel, "none", &where), QUIRE_ENOENT);
    for (int mode = 0; mode < 2; mode++) {
        const char *name = mode == 0 ? "auto" : "ack";

        CHECK_OK(quire_rx_subscribe(channel, name, NULL, mode == 0 ? NULL : &options, &rx));
        CHECK_CODE(quire_group_seek(channel, name, &where), QUIRE_EBUSY);
        for (uint64_t i = 0; i < 3 * ROOM; i++) {
            take_number(rx, 1, i, SIZE);
        }
        if (mode == 1) {
            CHECK_EQ(quire_rx_ack_range(rx, 0, QUIRE_POSITION(2, 4)), 2 * ROOM + 5);
        }
        quire_rx_close(rx);
        CHECK_CODE(quire_group_seek(channel, name, NULL), QUIRE_EINVAL);
        for (uint64_t at = 0; at < 4 * ROOM; at += 5) {
            where.value = QUIRE_POSITION(at / ROOM, at % ROOM);
            CHECK_OK(quire_group_seek(channel, name, &where));
            CHECK_EQ(group_of(channel, name).lag_messages, 4 * ROOM - at);
            CHECK_EQ(group_of(channel, name).position, where.value);
            rx = open_rx(channel, name);
            for (uint64_t i = at; i < 4 * ROOM; i++) {
                struct quire_msg msg = take_number(rx, 1, i, SIZE);
                CHECK_EQ(quire_msg_attempt(&msg), 1);
                CHECK(mode == 0 || i % 3 != 0 || quire_rx_ack(rx, msg.position) == 0);
            }
            quire_rx_close(rx);
        }
        CHECK_OK(quire_group_seek(channel, name, &newest));
        CHECK_EQ(group_of(channel, name).lag_messages, 0);
    }
    for (uint64_t i = 0; i < 4 * ROOM; i++) {
        take_number(keeper, 1, i, SIZE);
    }
    take_nothing(keeper);
    CHECK_OK(quire_rx_release(keeper));
    CHECK_EQ(fill(tx, 1, 0, SIZE), 4 * ROOM); /* neither holds what it was moved past */
    where.value = 0;
    CHECK_CODE(quire_group_seek(channel, "ack", &where), QUIRE_ENOENT);
    where.value = QUIRE_POSITION(999, 0);
    CHECK_CODE(quire_group_seek(channel, "ack", &where), QUIRE_EINVAL);
    quire_rx_close(keeper);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct waiter {
    struct thread thread;
    quire_rx_t *rx;
    int rc;
};

static void wait_for_one(void *context)
{
    struct waiter *waiter = context;
    struct quire_msg msg;

    waiter->rc = quire_rx_recv_until(waiter->rx, &msg, deadline_far());
}

static void paused_and_resumed(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = ack_options(0);
    quire_rx_t *rx = open_rx_run(channel, "g", 1), *other = open_rx(channel, "h"), *acks;
    struct waiter waiter = {.rx = rx};
    struct quire_msg msg;

    put_numbers(tx, 0, 3);
    take_number(rx, 1, 0, SIZE);
    CHECK_CODE(quire_group_pause(channel, "none"), QUIRE_ENOENT);
    CHECK_OK(quire_group_pause(channel, "g"));
    CHECK_OK(quire_group_pause(channel, "g"));
    take_nothing(rx);
    take_number(other, 1, 0, SIZE); /* other groups go on */
    CHECK_EQ(group_of(channel, "g").paused, 1);
    CHECK_EQ(group_of(channel, "g").lag_messages, 2);
    thread_start(&waiter.thread, wait_for_one, &waiter);
    thread_settle(&waiter.thread);
    put(tx, 1, 3, SIZE); /* wakes it for nothing */
    thread_settle(&waiter.thread);
    CHECK(!thread_done(&waiter.thread));
    CHECK_OK(quire_group_resume(channel, "g"));
    thread_join(&waiter.thread);
    CHECK_OK(waiter.rc);
    take_number(rx, 1, 2, SIZE);
    CHECK_OK(quire_group_pause(channel, "g"));
    CHECK_OK(quire_group_create(channel, "ack", NULL, &as));
    acks = open_rx(channel, "ack");
    CHECK_OK(quire_rx_nack(acks, take_number(acks, 1, 0, SIZE).position));
    CHECK_OK(quire_group_pause(channel, "ack")); /* what was returned waits, too; */
    while (quire_rx_try_recv(acks, &msg) == 0) { /* what was claimed ahead does not */
        CHECK((msg.flags & QUIRE_MSG_RETURNED) == 0);
    }
    CHECK_OK(quire_group_resume(channel, "ack"));
    take_number(acks, 1, 0, SIZE);
    quire_rx_close(acks);
    quire_rx_close(rx);
    quire_rx_close(other);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    if (cell.directory) {
        channel = cell_reopen();
        rx = open_rx(channel, "g");
        take_nothing(rx);
        CHECK_OK(quire_group_resume(channel, "g"));
        take_number(rx, 1, 3, SIZE);
        quire_rx_close(rx);
        CHECK_OK(quire_close(channel));
    }
}

static void dead_letters_are_seen_to(void)
{
    enum { COUNT = 3 * ROOM };
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = ack_options(1);
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;
    uint64_t dead[COUNT], position;
    const void *data;
    uint32_t size;

    options.group = &as;
    CHECK_OK(quire_rx_subscribe(channel, "g", NULL, &options, &rx));
    CHECK_OK(quire_group_create(channel, "auto", &newest, NULL));
    put_numbers(tx, 0, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct quire_msg msg = take_number(rx, 1, i, SIZE);

        CHECK_OK(i % 2 == 0 ? quire_rx_nack(rx, msg.position) : quire_rx_ack(rx, msg.position));
    }
    take_nothing(rx);
    CHECK_CODE(quire_group_dead(channel, "auto", 0, dead, 1), QUIRE_EINVAL);
    CHECK_CODE(quire_group_dead(channel, "none", 0, dead, 1), QUIRE_ENOENT);
    CHECK_EQ(quire_group_dead(channel, "g", 0, NULL, 0), 0);
    CHECK_EQ(quire_group_dead(channel, "g", 0, dead, COUNT), COUNT / 2);
    for (uint64_t i = 0; i < COUNT / 2; i++) {
        unsigned char content[SIZE];

        CHECK_EQ(dead[i], QUIRE_POSITION(2 * i / ROOM, 2 * i % ROOM));
        CHECK_EQ(quire_group_dead(channel, "g", dead[i], &position, 1), 1);
        CHECK_EQ(position, dead[i]);
        CHECK_OK(quire_peek(channel, dead[i], &data, &size));
        content_fill(content, SIZE, 1, 2 * i);
        CHECK(size == SIZE && memcmp(data, content, SIZE) == 0);
    }
    CHECK_EQ(quire_group_dead(channel, "g", dead[3] + 1, dead, 2), 2);
    CHECK_EQ(dead[0], QUIRE_POSITION(1, 0));
    CHECK_CODE(quire_peek(channel, QUIRE_POSITION(9, 0), &data, &size), QUIRE_ENOENT);
    CHECK_CODE(quire_group_requeue(channel, "g", QUIRE_POSITION(0, 1)), QUIRE_ENOLEASE);
    CHECK_CODE(quire_group_discard(channel, "g", QUIRE_POSITION(0, 1)), QUIRE_ENOLEASE);
    CHECK_CODE(quire_group_discard(channel, "g", QUIRE_POSITION(9, 0)), QUIRE_ENOLEASE);
    CHECK_OK(quire_group_requeue(channel, "g", QUIRE_POSITION(0, 2)));
    CHECK_CODE(quire_group_requeue(channel, "g", QUIRE_POSITION(0, 2)), QUIRE_ENOLEASE);
    CHECK_OK(quire_rx_ack(rx, take_number(rx, 1, 2, SIZE).position));
    CHECK_OK(quire_group_discard(channel, "g", QUIRE_POSITION(0, 0)));
    CHECK_EQ(group_of(channel, "g").dead, COUNT / 2 - 2);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    if (cell.directory) { /* they stay */
        channel = cell_reopen();
        CHECK_EQ(quire_group_dead(channel, "g", 0, dead, COUNT), COUNT / 2 - 2);
        CHECK_EQ(dead[0], QUIRE_POSITION(0, 4));
        CHECK_OK(quire_close(channel));
    }
}

static uint64_t wall(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* From a time on: everything sent since, and no more than a page before. */
static void from_a_time_on(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    uint64_t at[6];
    char name[8];

    for (uint64_t page = 0; page < 6; page++) {
        at[page] = wall();
        put_numbers(tx, page * ROOM, (page + 1) * ROOM);
    }
    for (uint64_t page = 0; page < 6; page++) {
        quire_rx_t *rx;
        struct quire_msg msg;

        snprintf(name, sizeof(name), "g%u", (unsigned)page);
        rx = open_rx_at(channel, name, QUIRE_TIME, at[page]);
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK(QUIRE_PAGE_OF(msg.position) <= page && QUIRE_PAGE_OF(msg.position) + 1 >= page);
        CHECK_EQ(QUIRE_SLOT_OF(msg.position), 0);
        quire_rx_close(rx);
    }
    quire_rx_close(open_rx_at(channel, "all", QUIRE_TIME, 0));
    CHECK_EQ(group_of(channel, "all").lag_messages, 6 * ROOM);
    quire_rx_close(open_rx_at(channel, "last", QUIRE_TIME, UINT64_MAX));
    CHECK_EQ(group_of(channel, "last").position, QUIRE_POSITION(5, 0));
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct quire_holder *holder_of(const struct quire_holder *holders, long count,
                                            uint64_t page_no, const char *group, uint32_t kind)
{
    for (long i = 0; i < count; i++) {
        if (holders[i].page_no == page_no && holders[i].kind == kind &&
            strcmp(holders[i].group, group) == 0) {
            return &holders[i];
        }
    }
    return NULL;
}

/* Who keeps which page (Chronicle-Queue#419, aeron#1669). */
static void who_keeps_what(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = ack_options(0);
    quire_rx_t *fast, *slow, *acks;
    struct quire_holder holders[32];
    const struct quire_holder *holder;
    uint64_t before = wall();
    long n;

    CHECK_EQ(quire_holders(channel, holders, 32), 0);
    CHECK_OK(quire_group_create(channel, "acks", NULL, &as));
    acks = open_rx_run(channel, "acks", 1);
    fast = open_rx_run(channel, "fast", 1);
    slow = open_rx_run(channel, "slow", 4);
    put_numbers(tx, 0, 3 * ROOM + 2);
    for (uint64_t i = 0; i < 2 * ROOM + 1; i++) {
        struct quire_msg msg = take_number(acks, 1, i, SIZE);

        CHECK(i == 3 || quire_rx_ack(acks, msg.position) == 0);
        take_number(fast, 1, i, SIZE);
    }
    take_number(slow, 1, 0, SIZE);
    CHECK_OK(quire_rx_release(fast));
    n = quire_holders(channel, holders, 32);
    CHECK(n > 0 && n < 32);
    for (long i = 1; i < n; i++) {
        CHECK(holders[i - 1].page_no <= holders[i].page_no);
    }
    CHECK_EQ(quire_holders(channel, NULL, 0), n);
    CHECK_EQ(quire_holders(channel, holders, 1), n);
    holder = holder_of(holders, n, 0, "acks", QUIRE_HOLDER_GROUP);
    CHECK(holder != NULL && holder->messages == 1); /* the one that was not acknowledged */
    CHECK(holder->since_ns >= before && holder->since_ns <= wall());
    CHECK(holder_of(holders, n, 1, "acks", QUIRE_HOLDER_GROUP) == NULL);
    CHECK(holder_of(holders, n, 0, "fast", QUIRE_HOLDER_GROUP) == NULL);
    CHECK(holder_of(holders, n, 0, "fast", QUIRE_HOLDER_HANDLE) == NULL);
    holder = holder_of(holders, n, 2, "fast", QUIRE_HOLDER_GROUP);
    CHECK(holder != NULL && holder->messages == ROOM - 1);
    holder = holder_of(holders, n, 0, "slow", QUIRE_HOLDER_HANDLE);
    CHECK(holder != NULL && holder->messages == 3 && holder->since_ns >= before);
    holder = holder_of(holders, n, 3, "slow", QUIRE_HOLDER_GROUP);
    CHECK(holder != NULL && holder->messages == 2 && holder->since_ns == 0);
    quire_rx_close(acks);
    quire_rx_close(fast);
    quire_rx_close(slow);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Old pages, and more than so many bytes, go: from lossy groups, and from a channel without any. */
static void retained(void)
{
    quire_t *channel = cell_small(16);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    quire_rx_t *rx, *required;
    struct quire_msg msg;

    CHECK_EQ(quire_retain(channel, 0, 0), 0);
    put_numbers(tx, 0, 6 * ROOM);
    CHECK_EQ(quire_retain(channel, 3600000000000u, 6 * SMALL_PAGE), 0);
    CHECK_EQ(quire_retain(channel, 0, 4 * SMALL_PAGE), 2); /* nobody reads */
    CHECK_EQ(stat_of(channel).dropped, 2 * ROOM);
    CHECK_EQ(stat_of(channel).first_page, 2);
    as.hold = QUIRE_HOLD_LOSSY;
    CHECK_OK(quire_group_create(channel, "lossy", NULL, &as));
    put_numbers(tx, 6 * ROOM, 10 * ROOM); /* at every new page */
    CHECK_EQ(group_of(channel, "lossy").lag_messages, 4 * ROOM);
    rx = open_rx(channel, "lossy");
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_LAPPED);
    CHECK_EQ(quire_rx_lost(rx).count, 4 * ROOM);
    take_number(rx, 1, 6 * ROOM, SIZE);
    required = open_rx_at(channel, "required", QUIRE_PAGE, 6);
    CHECK_EQ(quire_retain(channel, 1, 1), 0); /* a required group needs them */
    for (uint64_t i = 6 * ROOM; i < 9 * ROOM; i++) {
        take_number(required, 1, i, SIZE);
    }
    CHECK_EQ(quire_retain(channel, 1, 0), 2); /* by age; the first one is claimed already */
    CHECK_EQ(quire_retain(channel, 0, 0), 0);
    CHECK_EQ(fill(tx, 1, 0, SIZE) % ROOM, 0);
    quire_rx_close(rx);
    quire_rx_close(required);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"admin: a group is made before it is joined", made_before_it_is_joined, 0},
    {"admin: deleted", deleted, 0},
    {"admin: moved", moved, 0},
    {"admin: paused and resumed", paused_and_resumed, 0},
    {"admin: dead letters", dead_letters_are_seen_to, 0},
    {"admin: from a time on", from_a_time_on, 0},
    {"admin: who keeps what", who_keeps_what, 0},
    {"admin: retained by age and bytes", retained, 0},
};
const struct test_table admin_table = TEST_TABLE(cases);
