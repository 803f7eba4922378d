/* SPDX-License-Identifier: MIT */
/* Page ends, borrowed messages and when a page comes free. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static void page_end_between_pages(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg, before;

    CHECK_EQ(page_room(SMALL_PAGE, SIZE), ROOM);
    CHECK_EQ(fill(tx, 1, 0, SIZE), 4 * ROOM);
    for (uint64_t i = 0; i < 4 * ROOM; i++) {
        if (i > 0 && i % ROOM == 0) {
            memset(&msg, 0x5a, sizeof(msg));
            before = msg;
            for (int again = 0; again < 3; again++) {
                CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_PAGE_END);
                CHECK_CODE(quire_rx_recv(rx, &msg), QUIRE_PAGE_END);
                CHECK_CODE(quire_rx_recv_until(rx, &msg, deadline_far()), QUIRE_PAGE_END);
                CHECK_CODE(quire_rx_recv_batch(rx, &msg, 1, deadline_far()), QUIRE_PAGE_END);
            }
            CHECK(memcmp(&msg, &before, sizeof(msg)) == 0);
            CHECK_OK(quire_rx_next_page(rx));
        }
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK_EQ(msg.position, QUIRE_POSITION(i / ROOM, i % ROOM));
        is_number(&msg, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void next_page_loses_nothing(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    CHECK_OK(quire_rx_next_page(rx));
    CHECK_OK(quire_rx_release(rx));
    CHECK_EQ(fill(tx, 1, 0, SIZE), 4 * ROOM);
    for (uint64_t i = 0; i < 4 * ROOM; i++) {
        struct quire_msg msg;

        /* Nothing is borrowed when recv is called, so there is no page end to be told of. */
        CHECK_OK(i % 2 ? quire_rx_next_page(rx) : quire_rx_release(rx));
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        is_number(&msg, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_next_page(rx));
    CHECK_OK(quire_rx_next_page(rx));
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* I6. Producers fill what is left, then must stall: the borrowed page is not theirs. */
static void borrowed_stays_while_producers_go_on(void)
{
    quire_t *channel = cell_small(3);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg held[ROOM];
    uint64_t sent = fill(tx, 1, 0, SIZE);
    uint64_t received = 0;

    for (int turn = 0; turn < 50; turn++) {
        for (unsigned i = 0; i < ROOM; i++) {
            held[i] = take_number(rx, 1, received + i, SIZE);
        }
        sent += fill(tx, 1, sent, SIZE);
        CHECK_EQ(sent, received + 3 * ROOM);
        for (unsigned i = 0; i < ROOM; i++) {
            is_number(&held[i], 1, received + i, SIZE);
        }
        received += ROOM;
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void one_borrowed_message_holds_its_page(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *idle = open_rx_run(channel, "g", 1), *busy = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE), more;
    struct quire_msg held = take_number(idle, 1, 0, SIZE);

    for (uint64_t i = 1; i < sent; i++) {
        take_number(busy, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(busy));
    /* The other page may come free before this one or only with it; this one must not. */
    more = fill(tx, 1, sent, SIZE);
    CHECK(more == 0 || more == ROOM);
    is_number(&held, 1, 0, SIZE);
    CHECK_OK(quire_rx_release(idle));
    CHECK_EQ(more + fill(tx, 1, sent + more, SIZE), 2 * ROOM);
    quire_rx_close(idle);
    quire_rx_close(busy);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void release_frees_the_page(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE);

    for (uint64_t i = 0; i < ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    CHECK_OK(quire_rx_release(rx));
    CHECK_EQ(fill(tx, 1, sent, SIZE), ROOM);
    for (uint64_t i = ROOM; i < 3 * ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void next_page_frees_the_page(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE);
    struct quire_msg msg;

    for (uint64_t i = 0; i < ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_PAGE_END);
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    CHECK_OK(quire_rx_next_page(rx));
    CHECK_EQ(fill(tx, 1, sent, SIZE), ROOM);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void close_frees_the_page(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);
    uint64_t sent = fill(tx, 1, 0, SIZE);

    for (uint64_t i = 0; i < ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    quire_rx_close(rx);
    CHECK_EQ(fill(tx, 1, sent, SIZE), ROOM);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A page that is not all received holds, whoever stands where. */
static void unreceived_holds_the_page(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1), *slow = open_rx_run(channel, "slow", 1);
    uint64_t sent = fill(tx, 1, 0, SIZE);

    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    for (uint64_t i = 0; i + 1 < ROOM; i++) {
        take_number(slow, 1, i, SIZE);
    }
    quire_rx_close(rx);
    quire_rx_close(slow);
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    slow = open_rx_run(channel, "slow", 1);
    take_number(slow, 1, ROOM - 1, SIZE);
    CHECK_OK(quire_rx_release(slow));
    CHECK_EQ(fill(tx, 1, sent, SIZE), ROOM);
    quire_rx_close(slow);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void a_pool_of_one_page(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t number = 0;

    for (int turn = 0; turn < 100; turn++) {
        CHECK_EQ(fill(tx, 1, number, SIZE), ROOM);
        for (unsigned i = 0; i < ROOM; i++) {
            take_number(rx, 1, number + i, SIZE);
        }
        number += ROOM;
        CHECK_OK(turn % 2 ? quire_rx_release(rx) : quire_rx_next_page(rx));
    }
    CHECK_EQ(stat_of(channel).pages_made, 1);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The same where the sender never runs into the end of the page before it is free. */
static void a_pool_of_one_page_never_full(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t number = 0; number < 100 * ROOM; number++) {
        put(tx, 1, number, SIZE);
        take_number(rx, 1, number, SIZE);
        CHECK_OK(quire_rx_release(rx));
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct flow {
    quire_t *channel;
    uint64_t count;
    uint64_t batch;
};

static void send_flow(void *context)
{
    const struct flow *flow = context;
    quire_tx_t *tx = open_tx(flow->channel);
    unsigned char data[SIZE];

    for (uint64_t i = 0; i < flow->count; i++) {
        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    }
    quire_tx_close(tx);
}

/*
 * Neither side may wait for the other: the consumer that has all of the sealed page must be told
 * PAGE_END although no later page is there yet, since only its next_page makes room for one.
 */
static void blocking_through_few_pages(uint32_t pages, unsigned groups)
{
    quire_t *channel = cell_small(pages);
    struct flow flow = {channel, test_scale(4000), 0};
    struct thread sender;
    quire_rx_t *rx[2];

    rx[0] = open_rx(channel, "a");
    rx[1] = groups > 1 ? open_rx(channel, "b") : NULL;
    thread_start(&sender, send_flow, &flow);
    for (uint64_t i = 0; i < flow.count; i++) {
        for (unsigned g = 0; g < groups; g++) {
            struct quire_msg msg;
            int code = quire_rx_recv(rx[g], &msg);

            if (code == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx[g]));
                code = quire_rx_recv(rx[g], &msg);
            }
            CHECK_OK(code);
            is_number(&msg, 1, i, SIZE);
            if (groups > 1) {
                /* One thread serves both: it must not wait in one group on a page of the other. */
                CHECK_OK(quire_rx_release(rx[g]));
            }
        }
    }
    thread_join(&sender);
    quire_rx_close(rx[0]);
    quire_rx_close(rx[1]);
    CHECK_OK(quire_close(channel));
}

static void blocking_through_one_page(void)
{
    blocking_through_few_pages(1, 1);
}

static void blocking_through_two_pages(void)
{
    blocking_through_few_pages(2, 1);
}

static void blocking_through_one_page_two_groups(void)
{
    blocking_through_few_pages(1, 2);
}

struct reader {
    quire_rx_t *rx;
    uint64_t first; /* number of the first message of the page */
};

/* All of a page, then the word that it has ended, then one message of the next. */
static void read_over_the_end(void *context)
{
    const struct reader *reader = context;
    struct quire_msg msg;

    for (uint64_t i = 0; i < ROOM; i++) {
        CHECK_OK(quire_rx_recv(reader->rx, &msg));
        is_number(&msg, 1, reader->first + i, SIZE);
    }
    CHECK_CODE(quire_rx_recv(reader->rx, &msg), QUIRE_PAGE_END);
    CHECK_OK(quire_rx_next_page(reader->rx));
    CHECK_OK(quire_rx_recv(reader->rx, &msg));
    is_number(&msg, 1, reader->first + ROOM, SIZE);
}

/*
 * The consumer sleeps behind the last message of the only page. The sender that finds the page
 * full must wake it, since it alone can make room.
 */
static void asleep_at_the_end_of_the_only_page(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    struct reader reader = {open_rx(channel, "g"), 0};
    unsigned char data[SIZE];

    for (unsigned turn = 0; turn < 10; turn++) {
        struct thread thread;

        for (uint64_t i = 0; i < ROOM; i++) {
            put(tx, 1, reader.first + i, SIZE);
        }
        thread_start(&thread, read_over_the_end, &reader);
        thread_settle(&thread);
        content_fill(data, sizeof(data), 1, reader.first + ROOM);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
        thread_join(&thread);
        /* To the end of that page and on to the next, which is empty then. */
        for (uint64_t i = 1; i < ROOM; i++) {
            put(tx, 1, reader.first + ROOM + i, SIZE);
            take_number(reader.rx, 1, reader.first + ROOM + i, SIZE);
        }
        CHECK_OK(quire_rx_release(reader.rx));
        reader.first += 2 * ROOM;
    }
    quire_rx_close(reader.rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Frames are used again: the pool never grows beyond max_pages, whatever passes through. */
static void pages_are_reused(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_stat stat;

    for (uint64_t i = 0; i < 4000; i++) {
        put(tx, 1, i, SIZE);
        take_number(rx, 1, i, SIZE);
    }
    stat = stat_of(channel);
    CHECK(stat.pages_made <= 4);
    CHECK_EQ(stat.messages, 4000);
    CHECK_EQ(stat.tail_page, 4000 / ROOM - 1);
    CHECK(stat.first_page > 0);
    CHECK_EQ(stat.turns_waited, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"pages: PAGE_END between two pages, until next_page", page_end_between_pages, 0},
    {"pages: next_page and release at any time lose nothing", next_page_loses_nothing, 0},
    {"pages: borrowed messages stay while producers go on", borrowed_stays_while_producers_go_on,
     0},
    {"pages: one borrowed message holds its page", one_borrowed_message_holds_its_page, 0},
    {"pages: release frees the page", release_frees_the_page, 0},
    {"pages: next_page frees the page", next_page_frees_the_page, 0},
    {"pages: closing the handle frees the page", close_frees_the_page, 0},
    {"pages: a message not received holds the page", unreceived_holds_the_page, 0},
    {"pages: a pool of one page", a_pool_of_one_page, 0},
    {"pages: a pool of one page that is never full", a_pool_of_one_page_never_full, 0},
    {"pages: blocking through one page", blocking_through_one_page, 0},
    {"pages: blocking through two pages", blocking_through_two_pages, 0},
    {"pages: blocking through one page with two groups", blocking_through_one_page_two_groups, 0},
    {"pages: asleep at the end of the only page", asleep_at_the_end_of_the_only_page, 0},
    {"pages: frames are reused", pages_are_reused, 0},
};
const struct test_table pages_table = TEST_TABLE(cases);
