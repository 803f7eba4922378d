/* SPDX-License-Identifier: MIT */
/* A full channel: block and reject. */
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static void block_does_not_lose(void)
{
    quire_t *channel = cell_small(3);
    quire_tx_t *tx = open_tx(channel);
    uint64_t sent = fill(tx, 1, 0, SIZE), before;
    quire_rx_t *rx;

    CHECK_EQ(sent, 3 * ROOM);
    before = stat_of(channel).messages;
    CHECK_EQ(before, sent);
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(try_put(tx, 1, 99, SIZE), QUIRE_FULL);
        CHECK_CODE(quire_tx_send_until(tx, "x", 1, 1), QUIRE_TIMEDOUT);
        CHECK_CODE(quire_tx_send_until(tx, "x", 1, deadline_soon()), QUIRE_TIMEDOUT);
    }
    CHECK_EQ(stat_of(channel).messages, before);
    CHECK(stat_of(channel).turns_waited > 0);
    rx = open_rx(channel, "g");
    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void reject_does_not_wait(void)
{
    quire_t *channel = cell_policy(3, QUIRE_FULL_REJECT);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE);
    unsigned char data[SIZE] = {0};
    struct quire_vec vec = {data, sizeof(data)};
    void *room;

    CHECK_EQ(sent, 3 * ROOM);
    CHECK_CODE(quire_tx_send(tx, data, sizeof(data)), QUIRE_FULL);
    CHECK_CODE(quire_tx_send_until(tx, data, sizeof(data), QUIRE_FOREVER), QUIRE_FULL);
    CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, QUIRE_FOREVER), QUIRE_FULL);
    CHECK_CODE(quire_tx_reserve(tx, sizeof(data), &room, QUIRE_FOREVER), QUIRE_FULL);
    CHECK_CODE(quire_tx_commit(tx, 0), QUIRE_ESTATE);
    CHECK_EQ(stat_of(channel).messages, sent);
    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(rx));
    put(tx, 1, sent, SIZE);
    take_number(rx, 1, sent, SIZE);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A small message may still fit where a large one does not: nothing is wasted before it must. */
static void full_for_the_large_only(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    put(tx, 1, 0, 4000);
    put(tx, 1, 1, 80);
    CHECK_CODE(try_put(tx, 1, 2, 80), QUIRE_FULL);
    take_number(rx, 1, 0, 4000);
    take_number(rx, 1, 1, 80);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

enum how { BY_SEND, BY_SEND_UNTIL, BY_BATCH, BY_RESERVE };

struct sender {
    quire_t *channel;
    enum how how;
    uint64_t number;
};

static void send_one(void *context)
{
    const struct sender *sender = context;
    quire_tx_t *tx = open_tx(sender->channel);
    unsigned char data[SIZE];
    struct quire_vec vec = {data, sizeof(data)};
    void *room = NULL;

    content_fill(data, sizeof(data), 1, sender->number);
    switch (sender->how) {
    case BY_SEND:
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
        break;
    case BY_SEND_UNTIL:
        CHECK_OK(quire_tx_send_until(tx, data, sizeof(data), deadline_far()));
        break;
    case BY_BATCH:
        CHECK_EQ(quire_tx_send_batch(tx, &vec, 1, QUIRE_FOREVER), 1);
        break;
    case BY_RESERVE:
        CHECK_OK(quire_tx_reserve(tx, sizeof(data), &room, QUIRE_FOREVER));
        content_fill(room, sizeof(data), 1, sender->number);
        CHECK_OK(quire_tx_commit(tx, sizeof(data)));
        break;
    }
    quire_tx_close(tx);
}

enum freed { NEXT_PAGE, RELEASE, CLOSE, COPY };

/* A sender waits, the page is given back in the given way, the sender must come through. */
static void woken(enum how how, enum freed freed)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    struct sender sender = {channel, how, sent};
    struct thread thread;
    unsigned char buffer[SIZE];
    struct quire_msg msg;
    size_t size;

    for (uint64_t i = 0; i < ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    thread_start(&thread, send_one, &sender);
    thread_settle(&thread);
    CHECK(!thread_done(&thread));
    CHECK_EQ(stat_of(channel).messages, sent);
    if (freed == NEXT_PAGE) {
        CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_PAGE_END);
        CHECK_OK(quire_rx_next_page(rx));
    } else if (freed == RELEASE) {
        CHECK_OK(quire_rx_release(rx));
    } else if (freed == COPY) {
        CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, QUIRE_FOREVER));
    } else {
        quire_rx_close(rx);
        rx = open_rx_run(channel, "g", 1);
    }
    thread_join(&thread);
    for (uint64_t i = ROOM + (freed == COPY); i <= sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        temp_remove(cell_path(path));
    }
}

static void woken_by(enum freed freed)
{
    for (int how = BY_SEND; how <= BY_RESERVE; how++) {
        woken((enum how)how, freed);
    }
}

static void woken_by_next_page(void)
{
    woken_by(NEXT_PAGE);
}

static void woken_by_release(void)
{
    woken_by(RELEASE);
}

static void woken_by_close(void)
{
    woken_by(CLOSE);
}

static void woken_by_copy(void)
{
    woken_by(COPY);
}

/* The last of several groups lets the page go, and that one must wake the sender. */
static void woken_by_the_last_group(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx(channel, "a"), *b = open_rx(channel, "b");
    uint64_t sent = fill(tx, 1, 0, SIZE);

    for (uint64_t turn = 0; turn < test_scale(20); turn++) {
        struct sender sender = {channel, BY_SEND, sent};
        struct thread thread;
        quire_rx_t *first = turn % 2 ? a : b, *last = turn % 2 ? b : a;

        thread_start(&thread, send_one, &sender);
        for (uint64_t i = sent - ROOM; i < sent; i++) {
            take_number(a, 1, i, SIZE);
            take_number(b, 1, i, SIZE);
        }
        CHECK_OK(quire_rx_release(first));
        thread_settle(&thread);
        CHECK(!thread_done(&thread));
        CHECK_OK(quire_rx_release(last));
        thread_join(&thread);
        sent++;
        sent += fill(tx, 1, sent, SIZE);
    }
    quire_rx_close(a);
    quire_rx_close(b);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Many wait for one page at a time; every one of them comes through. */
static void many_senders_wait(void)
{
    enum { SENDERS = 6, TURNS = 10 };
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct sender senders[SENDERS];
        struct thread threads[SENDERS];
        uint64_t sum = 0;
        uint64_t filled = fill(tx, 1, 0, SIZE);

        for (unsigned i = 0; i < SENDERS; i++) {
            senders[i] = (struct sender){channel, (enum how)(i % 4), i};
            thread_start(&threads[i], send_one, &senders[i]);
        }
        thread_settle(&threads[SENDERS - 1]);
        for (uint64_t i = 0; i < filled + SENDERS; i++) {
            struct quire_msg msg;
            uint64_t stream, number;
            int code = quire_rx_recv(rx, &msg);

            if (code == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
                code = quire_rx_recv(rx, &msg);
            }
            CHECK_OK(code);
            CHECK(content_read(msg.data, msg.size, &stream, &number));
            sum += i < filled ? 0 : 1ull << (8 * number);
        }
        for (unsigned i = 0; i < SENDERS; i++) {
            thread_join(&threads[i]);
        }
        CHECK_EQ(sum, 0x010101010101ull);
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Without any group nothing is thrown away: the channel fills, and a late group has it all. */
static void full_without_groups(void)
{
    quire_t *channel = cell_small(3);
    quire_tx_t *tx = open_tx(channel);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    struct sender sender = {channel, BY_SEND, sent};
    struct thread thread;
    quire_rx_t *rx;

    thread_start(&thread, send_one, &sender);
    thread_settle(&thread);
    rx = open_rx(channel, "g");
    for (uint64_t i = 0; i <= sent; i++) {
        struct quire_msg msg;
        int code = quire_rx_recv(rx, &msg);

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            code = quire_rx_recv(rx, &msg);
        }
        CHECK_OK(code);
        is_number(&msg, 1, i, SIZE);
    }
    thread_join(&thread);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"full: block loses nothing, try_send and deadlines say so", block_does_not_lose, 0},
    {"full: reject does not wait", reject_does_not_wait, 0},
    {"full: the rest of a page is used", full_for_the_large_only, 0},
    {"full: a sender is woken by next_page", woken_by_next_page, 0},
    {"full: a sender is woken by release", woken_by_release, 0},
    {"full: a sender is woken by closing the handle", woken_by_close, 0},
    {"full: a sender is woken by the copying receive", woken_by_copy, 0},
    {"full: a sender is woken by the last group", woken_by_the_last_group, 0},
    {"full: many senders wait", many_senders_wait, 0},
    {"full: without groups nothing is thrown away", full_without_groups, 0},
};
const struct test_table full_table = TEST_TABLE(cases);
