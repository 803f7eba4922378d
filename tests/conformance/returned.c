/* SPDX-License-Identifier: MIT */
/*
 * Messages that a member had claimed and not delivered when it closed: another member gets each
 * of them exactly once, marked QUIRE_MSG_RETURNED (I1).
 */
#include <stdlib.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>

/* Sends numbers 0 .. count - 1. */
static void send_numbers(quire_tx_t *tx, uint64_t count, size_t size)
{
    for (uint64_t i = 0; i < count; i++) {
        put(tx, 1, i, size);
    }
}

static void run_max_bounds_the_run(void)
{
    static const uint32_t limits[] = {1, 2, 7, 64, 255};
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *members[5];
    char name[] = "g0";

    for (unsigned i = 0; i < 5; i++) {
        name[1] = (char)('0' + i);
        members[i] = open_rx_run(channel, name, limits[i]);
    }
    send_numbers(tx, 600, 8);
    for (unsigned i = 0; i < 5; i++) {
        quire_rx_t *rx = members[i];
        uint64_t ahead;

        name[1] = (char)('0' + i);
        for (uint64_t n = 0; n < 600; n++) {
            take_number(rx, 1, n, 8);
            ahead = claimed_of(channel, name);
            CHECK(ahead < limits[i]);
            CHECK_EQ(group_of(channel, name).lag_messages + ahead, 599 - n);
            CHECK(n > 0 || limits[i] == 1 || ahead > 0);
        }
        take_nothing(rx);
        quire_rx_close(rx);
        CHECK_EQ(group_of(channel, name).returned, 0);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void to_another_member(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_rx_run(channel, "g", 10), *two = open_rx(channel, "g");
    struct quire_handle_stat handle;
    uint64_t ahead;

    send_numbers(tx, 30, 40);
    take_number(one, 1, 0, 40);
    ahead = claimed_of(channel, "g");
    CHECK(ahead > 0 && ahead < 10);
    quire_rx_close(one);
    CHECK_EQ(group_of(channel, "g").returned, 1);
    CHECK_EQ(group_of(channel, "g").members, 1);
    CHECK_EQ(group_of(channel, "g").lag_messages, 29);
    CHECK_EQ(group_of(channel, "g").lag_bytes, 29 * record_bytes(40));
    handle = handle_of(channel, "g", QUIRE_HANDLE_RETURNED);
    CHECK_EQ(handle.claimed, ahead);
    CHECK_EQ(handle.next, QUIRE_POSITION(0, 1));
    CHECK_EQ(handle.pid, 0);
    for (uint64_t i = 1; i < 30; i++) {
        struct quire_msg msg = take_number(two, 1, i, 40);

        CHECK_EQ(msg.flags, i <= ahead ? QUIRE_MSG_RETURNED : 0);
        CHECK_EQ(msg.position, QUIRE_POSITION(0, i));
    }
    take_nothing(two);
    CHECK_EQ(group_of(channel, "g").returned, 0);
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_rx_close(two);
    quire_tx_close(tx);
    CHECK_EQ(stat_of(channel).handles, 0);
    CHECK_OK(quire_close(channel));
}

/* Nobody is there to take them: they wait for the next member. */
static void to_a_later_member(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx;
    uint64_t next = 0;

    send_numbers(tx, 100, 40);
    while (next < 100) {
        rx = open_rx_run(channel, "g", 17);
        for (uint64_t i = 0; i < 5 && next < 100; i++) {
            take_number(rx, 1, next++, 40);
        }
        quire_rx_close(rx);
    }
    rx = open_rx(channel, "g");
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_EQ(group_of(channel, "g").returned, 0);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Receives everything that is left; counts what is marked. Each number at most once. */
static uint64_t drain(quire_rx_t *rx, unsigned char *seen, uint64_t count)
{
    uint64_t marked = 0, last = 0;
    int code, first = 1;
    struct quire_msg msg;

    while ((code = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        uint64_t stream, number;

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(code);
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(number < count && !seen[number]);
        seen[number] = 1;
        if (msg.flags & QUIRE_MSG_RETURNED) {
            marked++;
            continue;
        }
        CHECK(first || msg.position > last);
        last = msg.position;
        first = 0;
    }
    return marked;
}

/* Members of the group that have claimed more than they delivered. */
static unsigned with_runs(quire_t *channel)
{
    struct quire_handle_stat stats[16];
    long count = quire_stat_handles(channel, stats, 16);
    unsigned found = 0;

    CHECK(count >= 0 && count <= 16);
    for (long i = 0; i < count; i++) {
        found += stats[i].kind == QUIRE_HANDLE_RX && stats[i].claimed > 0;
    }
    return found;
}

/* Several runs come back; a member that has a run of its own in the middle takes them all. */
static void several_runs(void)
{
    enum { COUNT = 200, MEMBERS = 6 };
    quire_t *channel = cell_small(16);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[MEMBERS];
    unsigned char seen[COUNT] = {0};
    uint64_t ahead;
    unsigned runs;

    send_numbers(tx, COUNT, 40);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct quire_msg msg;
        uint64_t stream, number;

        rx[i] = open_rx_run(channel, "g", 10);
        msg = take(rx[i]);
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(!seen[number]);
        seen[number] = 1;
    }
    ahead = claimed_of(channel, "g");
    runs = with_runs(channel);
    CHECK(runs >= 3);
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (i != 2) {
            quire_rx_close(rx[i]);
        }
    }
    runs -= with_runs(channel);
    ahead -= claimed_of(channel, "g");
    CHECK(ahead > 0);
    CHECK_EQ(group_of(channel, "g").returned, runs);
    CHECK_EQ(drain(rx[2], seen, COUNT), ahead);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_EQ(seen[i], 1);
    }
    CHECK_EQ(group_of(channel, "g").returned, 0);
    quire_rx_close(rx[2]);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* They lie in a page that the receiver has left behind: page ends on the way there and back. */
static void from_an_older_page(void)
{
    enum { SIZE = 500, ROOM = 8 };
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_rx_run(channel, "g", 4), *two = open_rx_run(channel, "g", 1);
    uint64_t ahead, sent = fill(tx, 1, 0, SIZE);
    struct quire_msg msg;

    CHECK_EQ(sent, 4 * ROOM);
    take_number(one, 1, 0, SIZE);
    ahead = claimed_of(channel, "g");
    CHECK(ahead > 0 && ahead < 4);
    for (uint64_t i = ahead + 1; i < 2 * ROOM + 2; i++) {
        take_number(two, 1, i, SIZE);
    }
    quire_rx_close(one);
    for (uint64_t i = 0; i < ahead; i++) {
        int code = quire_rx_try_recv(two, &msg);

        if (i == 0) {
            CHECK_CODE(code, QUIRE_PAGE_END);
            CHECK_OK(quire_rx_next_page(two));
            code = quire_rx_try_recv(two, &msg);
        }
        CHECK_OK(code);
        is_number(&msg, 1, i + 1, SIZE);
        CHECK_EQ(msg.flags, QUIRE_MSG_RETURNED);
    }
    CHECK_CODE(quire_rx_try_recv(two, &msg), QUIRE_PAGE_END);
    CHECK_OK(quire_rx_next_page(two));
    for (uint64_t i = 2 * ROOM + 2; i < sent; i++) {
        CHECK_EQ(take_number(two, 1, i, SIZE).flags, 0);
    }
    take_nothing(two);
    quire_rx_close(two);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Until they are delivered they hold their page. */
static void they_hold_their_page(void)
{
    enum { SIZE = 500, ROOM = 8 };
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_rx_run(channel, "g", 4), *two = open_rx_run(channel, "g", 1);
    uint64_t ahead, sent = fill(tx, 1, 0, SIZE);
    struct quire_msg msg;

    take_number(one, 1, 0, SIZE);
    ahead = claimed_of(channel, "g");
    CHECK(ahead > 0);
    for (uint64_t i = ahead + 1; i < ROOM; i++) {
        take_number(two, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(two));
    quire_rx_close(one);
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    for (uint64_t i = 1; i <= ahead; i++) {
        msg = take_number(two, 1, i, SIZE);
        CHECK_EQ(msg.flags, QUIRE_MSG_RETURNED);
        CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    }
    CHECK_OK(quire_rx_release(two));
    CHECK_EQ(fill(tx, 1, sent, SIZE), ROOM);
    quire_rx_close(two);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Voids inside a returned run are stepped over. */
static void with_voids(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 64);

    for (uint64_t i = 0; i < 20; i++) {
        void *data;

        put(tx, 1, i, 40);
        CHECK_OK(quire_tx_reserve(tx, 40, &data, 0));
        CHECK_OK(quire_tx_abort(tx));
    }
    take_number(rx, 1, 0, 40);
    CHECK(claimed_of(channel, "g") > 2);
    quire_rx_close(rx);
    rx = open_rx_run(channel, "g", 64);
    for (uint64_t i = 1; i < 20; i++) {
        take_number(rx, 1, i, 40);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_EQ(group_of(channel, "g").returned, 0);
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Closing a member wakes another that waits for a message. */
struct waiter {
    quire_t *channel;
    uint64_t number;
};

static void wait_for_returned(void *context)
{
    const struct waiter *waiter = context;
    quire_rx_t *rx = open_rx_run(waiter->channel, "g", 1);
    struct quire_msg msg;

    CHECK_OK(quire_rx_recv(rx, &msg));
    is_number(&msg, 1, waiter->number, 40);
    CHECK_EQ(msg.flags, QUIRE_MSG_RETURNED);
    quire_rx_close(rx);
}

static void wakes_a_waiting_member(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t i = 0; i < test_scale(40); i++) {
        struct waiter waiter = {channel, 2 * i + 1};
        quire_rx_t *rx = open_rx_run(channel, "g", 8);
        struct thread thread;

        put(tx, 1, 2 * i, 40);
        put(tx, 1, 2 * i + 1, 40);
        take_number(rx, 1, 2 * i, 40);
        CHECK_EQ(claimed_of(channel, "g"), 1);
        thread_start(&thread, wait_for_returned, &waiter);
        thread_settle(&thread);
        quire_rx_close(rx);
        thread_join(&thread);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

enum { CHURNERS = 3 };

struct churn {
    quire_t *channel;
    uint64_t count;
    qr_atomic_u32 *seen;
    qr_atomic_u64 received;
};

struct churner {
    struct churn *churn;
    uint64_t seed;
};

static void churn_note(struct churn *churn, const struct quire_msg *msg)
{
    uint64_t stream, number;

    CHECK(content_read(msg->data, msg->size, &stream, &number));
    CHECK(number < churn->count);
    CHECK_EQ(qr_add_acq_rel(&churn->seen[number], 1), 0);
    qr_add_relaxed(&churn->received, 1);
}

/* Joins, takes a few messages out of a longer run, leaves. */
static void churn_consume(void *context)
{
    struct churner *churner = context;
    struct churn *churn = churner->churn;
    struct random random = {churner->seed};

    /* Relaxed: only says when to stop. */
    while (qr_load_relaxed(&churn->received) < churn->count) {
        quire_rx_t *rx =
            open_rx_run(churn->channel, "g", (uint32_t)(1 + random_below(&random, 20)));
        uint64_t takes = random_below(&random, 12);

        for (uint64_t i = 0; i < takes; i++) {
            struct quire_msg msg;
            int code = quire_rx_recv_until(rx, &msg, deadline_soon());

            if (code == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
            } else if (code != QUIRE_TIMEDOUT) {
                CHECK_OK(code);
                churn_note(churn, &msg);
            } else {
                break;
            }
        }
        quire_rx_close(rx);
    }
}

static void members_come_and_go(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct churn churn = {.channel = channel, .count = test_scale(6000)};
    struct churner churners[CHURNERS];
    struct thread threads[CHURNERS];
    unsigned char data[64];

    churn.seen = calloc(churn.count, sizeof(*churn.seen));
    CHECK(churn.seen != NULL);
    quire_rx_close(open_rx(channel, "g"));
    for (unsigned i = 0; i < CHURNERS; i++) {
        churners[i] = (struct churner){&churn, i + 1};
        thread_start(&threads[i], churn_consume, &churners[i]);
    }
    for (uint64_t i = 0; i < churn.count; i++) {
        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    }
    for (unsigned i = 0; i < CHURNERS; i++) {
        thread_join(&threads[i]);
    }
    CHECK_EQ(qr_load_relaxed(&churn.received), churn.count);
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    CHECK_EQ(group_of(channel, "g").returned, 0);
    CHECK_EQ(stat_of(channel).handles, 1);
    free(churn.seen);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"returned: run_max bounds a run", run_max_bounds_the_run, 0},
    {"returned: to another member, once, marked", to_another_member, 0},
    {"returned: to a later member", to_a_later_member, 0},
    {"returned: several runs", several_runs, 0},
    {"returned: from an older page", from_an_older_page, 0},
    {"returned: they hold their page", they_hold_their_page, 0},
    {"returned: with voids", with_voids, 0},
    {"returned: wakes a waiting member", wakes_a_waiting_member, 0},
    {"returned: members come and go", members_come_and_go, 120},
};
const struct test_table returned_table = TEST_TABLE(cases);
