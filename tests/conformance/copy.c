/* SPDX-License-Identifier: MIT */
/* The copying receive: page ends are hidden, a small buffer loses nothing. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 500u

static void copy_number(quire_rx_t *rx, uint64_t number, size_t size, uint64_t deadline)
{
    unsigned char buffer[SMALL_MAX];
    size_t got = 12345;

    CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &got, deadline));
    CHECK_EQ(got, size);
    CHECK(content_matches(buffer, size, 1, number));
}

static void hides_page_ends(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE);
    unsigned char buffer[SIZE];
    size_t size = 0;
    int code;

    for (uint64_t i = 0; i < sent; i++) {
        copy_number(rx, i, SIZE, i % 2 ? QUIRE_FOREVER : deadline_far());
    }
    code = quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, deadline_soon());
    CHECK_CODE(code, QUIRE_TIMEDOUT);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void small_buffer_keeps_the_message(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    unsigned char buffer[64];
    size_t size = 0;

    for (uint64_t i = 0; i < 30; i++) {
        put(tx, 1, i, SIZE);
    }
    for (uint64_t i = 0; i < 30; i++) {
        memset(buffer, 0x5a, sizeof(buffer));
        for (size_t capacity = 0; capacity <= sizeof(buffer); capacity += 32) {
            size = 0;
            CHECK_CODE(quire_rx_recv_copy(rx, buffer, capacity, &size, QUIRE_FOREVER),
                       QUIRE_ETOOSMALL);
            CHECK_EQ(size, SIZE);
        }
        if (i % 2) {
            copy_number(rx, i, SIZE, QUIRE_FOREVER);
        } else {
            take_number(rx, 1, i, SIZE);
        }
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void exact_and_empty_buffers(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    unsigned char buffer[16];
    size_t size = 1;

    CHECK_OK(quire_tx_send(tx, "0123456789abcdef", 16));
    CHECK_OK(quire_tx_send(tx, "", 0));
    CHECK_CODE(quire_rx_recv_copy(rx, buffer, 15, &size, QUIRE_FOREVER), QUIRE_ETOOSMALL);
    CHECK_EQ(size, 16);
    CHECK_OK(quire_rx_recv_copy(rx, buffer, 16, &size, QUIRE_FOREVER));
    CHECK(size == 16 && memcmp(buffer, "0123456789abcdef", 16) == 0);
    CHECK_OK(quire_rx_recv_copy(rx, buffer, 0, &size, QUIRE_FOREVER));
    CHECK_EQ(size, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A message too large for one member's buffer is not lost when that member gives up. */
static void too_small_then_closed(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    size_t size = 0;

    put(tx, 1, 0, SIZE);
    CHECK_CODE(quire_rx_recv_copy(rx, NULL, 0, &size, QUIRE_FOREVER), QUIRE_ETOOSMALL);
    quire_rx_close(rx);
    rx = open_rx(channel, "g");
    take_number(rx, 1, 0, SIZE);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What was borrowed before stays until the page ends, then the page is given back. */
static void mixes_with_borrowing(void)
{
    quire_t *channel = cell_small(3);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t room = page_room(SMALL_PAGE, SIZE);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    struct quire_msg held = take_number(rx, 1, 0, SIZE);

    for (uint64_t i = 1; i < room; i++) {
        copy_number(rx, i, SIZE, QUIRE_FOREVER);
        is_number(&held, 1, 0, SIZE);
    }
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    copy_number(rx, room, SIZE, QUIRE_FOREVER);
    CHECK_EQ(fill(tx, 1, sent, SIZE), room);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void send_last(void *context)
{
    quire_tx_t *tx = open_tx(context);
    unsigned char data[SIZE];

    content_fill(data, sizeof(data), 1, page_room(SMALL_PAGE, SIZE));
    CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    quire_tx_close(tx);
}

/* The page ends before the next is there: what was borrowed is given back all the same. */
static void gives_back_while_it_waits(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t room = fill(tx, 1, 0, SIZE);
    struct thread thread;

    take_number(rx, 1, 0, SIZE);
    for (uint64_t i = 1; i < room; i++) {
        copy_number(rx, i, SIZE, QUIRE_FOREVER);
    }
    thread_start(&thread, send_last, channel);
    copy_number(rx, room, SIZE, QUIRE_FOREVER);
    thread_join(&thread);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct flow {
    quire_t *channel;
    uint64_t count;
};

static void copy_flow(void *context)
{
    const struct flow *flow = context;
    quire_rx_t *rx = open_rx(flow->channel, "g");

    for (uint64_t i = 0; i < flow->count; i++) {
        copy_number(rx, i, content_size(1, i, 0, SMALL_MAX), QUIRE_FOREVER);
    }
    quire_rx_close(rx);
}

/* The waiting copier must give back the page it has finished, or the sender never gets on. */
static void copying_through_few_pages(uint32_t pages)
{
    quire_t *channel = cell_small(pages);
    quire_tx_t *tx = open_tx(channel);
    struct flow flow = {channel, test_scale(3000)};
    struct thread receiver;
    unsigned char data[SMALL_MAX];

    thread_start(&receiver, copy_flow, &flow);
    for (uint64_t i = 0; i < flow.count; i++) {
        size_t size = content_size(1, i, 0, SMALL_MAX);

        content_fill(data, size, 1, i);
        CHECK_OK(quire_tx_send(tx, data, size));
    }
    thread_join(&receiver);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void copying_through_one_page(void)
{
    copying_through_few_pages(1);
}

static void copying_through_three_pages(void)
{
    copying_through_few_pages(3);
}

static const struct test_case cases[] = {
    {"copy: page ends are hidden", hides_page_ends, 0},
    {"copy: a buffer that is too small keeps the message", small_buffer_keeps_the_message, 0},
    {"copy: exact and empty buffers", exact_and_empty_buffers, 0},
    {"copy: too small, then closed: another member gets it", too_small_then_closed, 0},
    {"copy: mixes with borrowing", mixes_with_borrowing, 0},
    {"copy: what was borrowed is given back while it waits", gives_back_while_it_waits, 0},
    {"copy: blocking through one page", copying_through_one_page, 0},
    {"copy: blocking through three pages", copying_through_three_pages, 0},
};
const struct test_table copy_table = TEST_TABLE(cases);
