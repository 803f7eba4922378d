/* SPDX-License-Identifier: MIT */
/*
 * Ack groups: a message is finished when it was acknowledged, in any order, from any thread; what
 * was returned goes first, to any member, with its attempts counted (I1, I8).
 */
#include <stdio.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static quire_rx_t *open_ack(quire_t *channel, const char *group, uint32_t max_attempts)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;

    as.mode = QUIRE_GROUP_ACK;
    as.max_attempts = max_attempts;
    options.group = &as;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    return rx;
}

static void put_numbers(quire_tx_t *tx, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        put(tx, 1, i, SIZE);
    }
}

static struct quire_msg take_attempt(quire_rx_t *rx, uint64_t number, uint32_t attempt)
{
    struct quire_msg msg;

    CHECK_OK(quire_rx_try_recv(rx, &msg));
    is_number(&msg, 1, number, SIZE);
    CHECK_EQ(quire_msg_attempt(&msg), attempt);
    CHECK_EQ((msg.flags & QUIRE_MSG_RETURNED) != 0, attempt > 1);
    return msg;
}

/* What is left is exactly that, in a group nobody else is in. */
static void is_left(quire_t *channel, const char *group, uint64_t leased, uint32_t returned,
                    uint64_t dead)
{
    struct quire_group_stat stat = group_of(channel, group);

    CHECK_EQ(stat.mode, QUIRE_GROUP_ACK);
    CHECK_EQ(stat.leased, leased);
    CHECK_EQ(stat.returned, returned);
    CHECK_EQ(stat.dead, dead);
}

static void only_acknowledged_pages_come_free(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    struct quire_msg msgs[4 * ROOM];
    uint64_t n = fill(tx, 1, 0, SIZE);

    CHECK_EQ(n, 4 * ROOM);
    for (uint64_t i = 0; i < n; i++) {
        msgs[i] = take_attempt(rx, i, 1);
    }
    take_nothing(rx);
    is_left(channel, "g", n, 0, 0);
    CHECK_CODE(try_put(tx, 1, n, SIZE), QUIRE_FULL);
    /* All but one message of the first page, all of the second, some of the third. */
    for (uint64_t i = 0; i < n - ROOM - 1; i++) {
        if (i != 3) {
            CHECK_OK(quire_rx_ack(rx, msgs[i].position));
        }
    }
    CHECK_EQ(fill(tx, 1, n, SIZE), ROOM);
    for (uint64_t i = 0; i < n; i++) {
        is_number(&msgs[3], 1, 3, SIZE); /* its page is still there, and its bytes */
    }
    CHECK_OK(quire_rx_ack(rx, msgs[3].position));
    CHECK_EQ(fill(tx, 1, n + ROOM, SIZE), ROOM);
    CHECK_CODE(try_put(tx, 1, 0, SIZE), QUIRE_FULL);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void acked_once(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    quire_rx_t *plain = open_rx(channel, "auto");
    struct quire_msg msg;

    put_numbers(tx, 0, 2);
    msg = take_attempt(rx, 0, 1);
    CHECK_CODE(quire_rx_ack(plain, msg.position), QUIRE_EINVAL);
    CHECK_CODE(quire_rx_nack(plain, msg.position), QUIRE_EINVAL);
    CHECK_CODE(quire_rx_ack_range(plain, 0, 1), QUIRE_EINVAL);
    CHECK_CODE(quire_rx_ack_range(rx, 1, 0), QUIRE_EINVAL);
    CHECK_CODE(quire_rx_ack(rx, msg.position + 1), QUIRE_ENOLEASE); /* claimed, not given */
    CHECK_CODE(quire_rx_ack(rx, msg.position + 2), QUIRE_ENOLEASE);
    CHECK_CODE(quire_rx_ack(rx, QUIRE_POSITION(77, 0)), QUIRE_ENOLEASE);
    CHECK_CODE(quire_rx_ack(rx, QUIRE_POSITION(0, 65535)), QUIRE_ENOLEASE);
    CHECK_CODE(quire_rx_nack(rx, QUIRE_POSITION(77, 0)), QUIRE_ENOLEASE);
    CHECK_OK(quire_rx_ack(rx, msg.position));
    CHECK_CODE(quire_rx_ack(rx, msg.position), QUIRE_ENOLEASE);
    CHECK_CODE(quire_rx_nack(rx, msg.position), QUIRE_ENOLEASE);
    CHECK_EQ(quire_rx_ack_range(rx, msg.position, msg.position), 0);
    take_attempt(rx, 1, 1);
    is_left(channel, "g", 1, 0, 0);
    quire_rx_close(plain);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void returned_goes_first_and_counts(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_ack(channel, "g", 0);
    quire_rx_t *two = open_ack(channel, "g", 0);
    struct quire_msg msg;

    put_numbers(tx, 0, 2 * ROOM);
    msg = take_attempt(one, 0, 1);
    for (uint32_t attempt = 1; attempt < 300; attempt++) {
        quire_rx_t *rx = attempt % 2 != 0 ? two : one;

        quire_rx_t *had = attempt % 2 != 0 ? one : two;

        CHECK_CODE(quire_rx_nack(rx, msg.position), QUIRE_ENOLEASE); /* it is the other one's */
        CHECK_CODE(quire_rx_ack(rx, msg.position), QUIRE_ENOLEASE);
        CHECK_EQ(quire_rx_ack_range(rx, 0, UINT64_MAX), 0);
        CHECK_OK(quire_rx_nack(had, msg.position));
        CHECK_CODE(quire_rx_nack(had, msg.position), QUIRE_ENOLEASE);
        msg = take_attempt(rx, 0, attempt < 255 ? attempt + 1 : 256);
    }
    CHECK_OK(quire_rx_nack(two, msg.position));
    CHECK_OK(quire_rx_ack(one, msg.position)); /* nobody has it: whoever knows may say it is done */
    is_left(channel, "g", group_of(channel, "g").leased, 0, 0);
    quire_rx_close(two);
    /* One by one in order, whoever had claimed them ahead: nothing twice, nothing missing. */
    for (uint64_t i = 1; i < 2 * ROOM; i++) {
        CHECK_OK(quire_rx_try_recv(one, &msg));
        CHECK_EQ(quire_msg_attempt(&msg), 1);
        CHECK_OK(quire_rx_ack(one, msg.position));
    }
    take_nothing(one);
    is_left(channel, "g", 0, 0, 0);
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_rx_close(one);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void closing_returns(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_ack(channel, "g", 0);
    quire_rx_t *two;
    struct quire_msg msgs[3 * ROOM];

    put_numbers(tx, 0, 4 * ROOM);
    for (uint64_t i = 0; i < 3 * ROOM; i++) {
        msgs[i] = take_attempt(one, i, 1);
    }
    for (uint64_t i = 0; i < 3 * ROOM; i += 2) {
        CHECK_OK(quire_rx_ack(one, msgs[i].position));
    }
    two = open_ack(channel, "g", 0);
    quire_rx_close(one);
    is_left(channel, "g", 0, group_of(channel, "g").returned, 0);
    for (uint64_t i = 1; i < 3 * ROOM; i += 2) {
        CHECK_OK(quire_rx_ack(two, take_attempt(two, i, 2).position));
    }
    for (uint64_t i = 3 * ROOM; i < 4 * ROOM; i++) { /* claimed ahead at most, given to nobody */
        struct quire_msg msg;

        CHECK_OK(quire_rx_try_recv(two, &msg));
        is_number(&msg, 1, i, SIZE);
        CHECK_EQ(quire_msg_attempt(&msg), 1);
        CHECK_OK(quire_rx_ack(two, msg.position));
    }
    take_nothing(two);
    is_left(channel, "g", 0, 0, 0);
    CHECK_EQ(stat_of(channel).pages_used, 1);
    quire_rx_close(two);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void dead_letters(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 3);
    struct quire_msg msg = {0};

    put_numbers(tx, 0, 2);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        msg = take_attempt(rx, 0, attempt);
        CHECK_OK(quire_rx_nack(rx, msg.position));
    }
    is_left(channel, "g", 1, 0, 1);
    CHECK_EQ(group_of(channel, "g").max_attempts, 3);
    CHECK_CODE(quire_rx_nack(rx, msg.position), QUIRE_ENOLEASE);
    take_attempt(rx, 1, 1);
    take_nothing(rx);
    CHECK_OK(quire_rx_ack(rx, msg.position)); /* somebody has seen to it */
    is_left(channel, "g", 1, 0, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Ranges in every place of a word, over pages, over what is acknowledged already. */
static void ranges(void)
{
    struct random random = {1};
    for (int round = 0; round < 40; round++) {
        quire_t *channel = cell_small(8);
        quire_tx_t *tx = open_tx(channel);
        quire_rx_t *rx = open_ack(channel, "g", 0);
        unsigned char acked[400] = {0};
        uint64_t positions[400], n = 200 + random_below(&random, 200), left = n;

        for (uint64_t i = 0; i < n; i++) {
            put(tx, 1, i, 8);
        }
        for (uint64_t i = 0; i < n; i++) {
            positions[i] = take_number(rx, 1, i, 8).position;
        }
        while (left > 0) {
            uint64_t from = random_below(&random, n), to = from + random_below(&random, 60),
                     fresh = 0;

            to = to < n ? to : n - 1;
            for (uint64_t i = from; i <= to; i++) {
                fresh += acked[i] == 0;
                acked[i] = 1;
            }
            CHECK_EQ(quire_rx_ack_range(rx, positions[from], positions[to]), fresh);
            left -= fresh;
            CHECK_EQ(group_of(channel, "g").leased, left);
        }
        CHECK_EQ(quire_rx_ack_range(rx, 0, UINT64_MAX), 0);
        CHECK_EQ(stat_of(channel).pages_used, 1);
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
    }
}

static void modes_do_not_mix(void)
{
    quire_t *channel = cell_small(4);
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx = open_ack(channel, "g", 5), *other;

    options.group = &as;
    CHECK_CODE(quire_rx_subscribe(channel, "g", NULL, &options, &other), QUIRE_EINVAL);
    as.max_attempts = 1; /* of an auto group */
    CHECK_CODE(quire_rx_subscribe(channel, "h", NULL, &options, &other), QUIRE_EINVAL);
    as.mode = QUIRE_GROUP_ACK;
    as.max_attempts = 256;
    CHECK_CODE(quire_rx_subscribe(channel, "h", NULL, &options, &other), QUIRE_EINVAL);
    as.max_attempts = 0;
    as.mode = 2;
    CHECK_CODE(quire_rx_subscribe(channel, "h", NULL, &options, &other), QUIRE_EINVAL);
    as.mode = QUIRE_GROUP_ACK;
    as.size--;
    CHECK_CODE(quire_rx_subscribe(channel, "h", NULL, &options, &other), QUIRE_EINVAL);
    as.size++;
    as.reserved[2] = 1;
    CHECK_CODE(quire_rx_subscribe(channel, "h", NULL, &options, &other), QUIRE_EINVAL);
    options.group = NULL; /* as it is */
    CHECK_OK(quire_rx_subscribe(channel, "g", NULL, &options, &other));
    CHECK_EQ(group_of(channel, "g").members, 2);
    quire_rx_close(other);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* Copies and batches lease as well. */
static void other_ways_to_receive(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    unsigned char buffer[SIZE];
    struct quire_msg msgs[2 * ROOM];
    size_t size;
    long n;

    put_numbers(tx, 0, 3 * ROOM);
    CHECK_CODE(quire_rx_recv_copy(rx, buffer, 1, &size, 0), QUIRE_ETOOSMALL);
    CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, 0));
    CHECK_EQ(size, SIZE);
    for (uint64_t got = 1; got < 3 * ROOM; got += (uint64_t)n) {
        n = quire_rx_recv_batch(rx, msgs, 2 * ROOM, 0);
        CHECK(n > 0);
        is_number(&msgs[n - 1], 1, got + (uint64_t)n - 1, SIZE);
    }
    is_left(channel, "g", 3 * ROOM, 0, 0);
    for (uint64_t i = 0; i < 3 * ROOM; i += 3) {
        CHECK_OK(quire_rx_nack(rx, QUIRE_POSITION(i / ROOM, i % ROOM)));
    }
    CHECK_CODE(quire_rx_recv_copy(rx, buffer, 1, &size, 0), QUIRE_ETOOSMALL); /* stays next */
    is_left(channel, "g", 3 * ROOM - ROOM + 1, ROOM - 1, 0);
    CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, 0));
    for (long got = 1; got < ROOM; got += n) {
        n = quire_rx_recv_batch(rx, msgs, 2 * ROOM, 0);
        CHECK(n > 0);
        is_number(&msgs[n - 1], 1, 3 * (uint64_t)(got + n - 1), SIZE);
        CHECK_EQ(quire_msg_attempt(&msgs[0]), 2);
    }
    take_nothing(rx);
    CHECK_EQ(quire_rx_ack_range(rx, 0, UINT64_MAX), 3 * ROOM);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Voids need no acknowledgement, wherever they lie. */
static void voids_are_finished(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    void *data;

    for (uint64_t i = 0; i < 20 * ROOM; i++) {
        if (i % 3 == 1 || i % ROOM == ROOM - 1) {
            CHECK_OK(quire_tx_reserve(tx, SIZE, &data, 0));
            CHECK_OK(quire_tx_abort(tx));
        } else {
            put(tx, 1, i, SIZE);
            CHECK_OK(quire_rx_ack(rx, take_number(rx, 1, i, SIZE).position));
        }
        take_nothing(rx);
    }
    is_left(channel, "g", 0, 0, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A group that begins in the middle of a page does not wait for what lies before. */
static void begins_in_the_middle(void)
{
    enum { COUNT = 40 };
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx[COUNT + 1];
    uint64_t n;

    as.mode = QUIRE_GROUP_ACK;
    options.group = &as;
    for (uint64_t i = 0; i < COUNT; i++) {
        put(tx, 1, i, 80);
    }
    for (uint64_t at = 0; at <= COUNT; at++) {
        struct quire_where where = {QUIRE_AT, 0, QUIRE_POSITION(0, at)};
        char name[8];

        snprintf(name, sizeof(name), "g%u", (unsigned)at);
        CHECK_OK(quire_rx_subscribe(channel, name, &where, &options, &rx[at]));
    }
    n = COUNT + fill(tx, 1, COUNT, 80);
    CHECK(n > 100);
    for (uint64_t at = 0; at <= COUNT; at++) {
        CHECK_CODE(try_put(tx, 1, n, 80), QUIRE_FULL);
        for (uint64_t i = at; i < n; i++) {
            CHECK_OK(quire_rx_ack(rx[at], take_number(rx[at], 1, i, 80).position));
        }
        take_nothing(rx[at]);
    }
    CHECK_EQ(fill(tx, 1, n, 80), n); /* every page has come free */
    for (uint64_t at = 0; at <= COUNT; at++) {
        quire_rx_close(rx[at]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct acker {
    struct thread thread;
    quire_rx_t *rx;
    const uint64_t *positions;
    uint64_t count;
    struct random random;
    uint64_t acked;
};

static void ack_some(void *argument)
{
    struct acker *acker = argument;
    for (uint64_t i = 0; i < 4 * acker->count; i++) {
        uint64_t at = random_below(&acker->random, acker->count);
        acker->acked += quire_rx_ack(acker->rx, acker->positions[at]) == 0;
    }
    for (uint64_t i = 0; i < acker->count; i++) {
        acker->acked += quire_rx_ack(acker->rx, acker->positions[i]) == 0;
    }
}

/* Each message is acknowledged by exactly one of the threads that try. */
static void from_any_thread(void)
{
    enum { COUNT = 3000, THREADS = 3 };
    static uint64_t positions[COUNT];
    struct quire_options options = cell_options(1u << 20, 4);
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    struct acker ackers[THREADS];
    uint64_t acked = 0;

    for (uint64_t i = 0; i < COUNT; i++) {
        put(tx, 1, i, 8);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        positions[i] = take_number(rx, 1, i, 8).position;
    }
    for (int i = 0; i < THREADS; i++) {
        ackers[i] = (struct acker){.rx = rx, .positions = positions, .count = COUNT};
        ackers[i].random.state = (uint64_t)i;
        thread_start(&ackers[i].thread, ack_some, &ackers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(&ackers[i].thread);
        acked += ackers[i].acked;
    }
    CHECK_EQ(acked, COUNT);
    is_left(channel, "g", 0, 0, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"ack: only what is acknowledged comes free, in any order", only_acknowledged_pages_come_free,
     0},
    {"ack: acknowledged once", acked_once, 0},
    {"ack: returned goes first, and counts", returned_goes_first_and_counts, 0},
    {"ack: closing returns", closing_returns, 0},
    {"ack: dead letters", dead_letters, 0},
    {"ack: ranges", ranges, 0},
    {"ack: modes do not mix", modes_do_not_mix, 0},
    {"ack: copies and batches", other_ways_to_receive, 0},
    {"ack: voids are finished", voids_are_finished, 0},
    {"ack: begins in the middle of a page", begins_in_the_middle, 0},
    {"ack: from any thread", from_any_thread, 0},
};
const struct test_table ack_table = TEST_TABLE(cases);
