/* SPDX-License-Identifier: MIT */
/* GROW: pages are added up to a limit and given back. */
#include <quire/loop.h>
#include <quire/stat.h>
#include <stdlib.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define GROW_PAGE 65536u
#define SIZE      4000u

/* A channel of two pages that may have limit pages in all. */
static quire_t *open_growing(uint64_t limit, struct quire_plan *plan)
{
    struct quire_options options = cell_options(GROW_PAGE, 2);

    options.full_policy = QUIRE_FULL_GROW;
    CHECK_OK(quire_plan(&options, cell.directory, plan));
    options.max_bytes = limit * plan->page_bytes;
    CHECK_OK(quire_plan(&options, cell.directory, plan));
    CHECK_EQ(plan->limit_bytes, plan->control_bytes + limit * plan->page_bytes);
    CHECK_EQ(plan->total_bytes, plan->control_bytes + 2 * plan->page_bytes);
    return cell_open(&options);
}

static void grows_to_the_limit(void)
{
    struct quire_plan plan;
    quire_t *channel = open_growing(7, &plan);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE);
    unsigned char data[SIZE] = {0};

    CHECK_EQ(sent, 7 * page_room(GROW_PAGE, SIZE));
    CHECK_EQ(stat_of(channel).pages_made, 7);
    CHECK_EQ(stat_of(channel).pages_used, 7);
    CHECK_EQ(stat_of(channel).full_policy, QUIRE_FULL_GROW);
    CHECK_CODE(quire_tx_send_until(tx, data, sizeof(data), deadline_soon()), QUIRE_TIMEDOUT);
    CHECK_EQ(stat_of(channel).messages, sent);
    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A part of a page in max_bytes is no page. */
static void the_limit_is_in_bytes(void)
{
    struct quire_options options = cell_options(GROW_PAGE, 2);
    struct quire_plan plan;
    quire_t *channel;
    quire_tx_t *tx;

    options.full_policy = QUIRE_FULL_GROW;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    options.max_bytes = 5 * plan.page_bytes - 1;
    channel = cell_open(&options);
    tx = open_tx(channel);
    CHECK_EQ(fill(tx, 1, 0, SIZE), 4 * page_room(GROW_PAGE, SIZE));
    CHECK_EQ(stat_of(channel).pages_made, 4);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* While consumers keep up there is no reason to grow. */
static void does_not_grow_without_need(void)
{
    struct quire_plan plan;
    quire_t *channel = open_growing(7, &plan);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < 500; i++) {
        put(tx, 1, i, SIZE);
        take_number(rx, 1, i, SIZE);
    }
    CHECK(stat_of(channel).pages_made <= 2);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A frame of the pool that is being made is waited for, and no other is made meanwhile: the keeper
 * begins it when the first message is received, and nobody sees it done before the page is full. */
static void waits_for_a_frame_of_the_pool(void)
{
    struct quire_options options = cell_options(GROW_PAGE, 2);
    struct quire_plan plan;

    options.full_policy = QUIRE_FULL_GROW;
    options.keeper = QUIRE_KEEPER_CALLER;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    options.max_bytes = 7 * plan.page_bytes;
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    put(tx, 1, 0, SIZE);
    take_number(rx, 1, 0, SIZE);
    CHECK(quire_dispatch(channel) >= 0);
    for (uint64_t i = 1; i <= page_room(GROW_PAGE, SIZE); i++) {
        put(tx, 1, i, SIZE);
    }
    struct quire_page_stat pages[7];
    long count = quire_stat_pages(channel, pages, 7);
    for (long i = 0; i < count; i++) {
        CHECK(pages[i].frame_id < 2 || pages[i].state == QUIRE_PAGE_EMPTY);
    }
    CHECK_EQ(stat_of(channel).pages_used, 2);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct sender {
    quire_t *channel;
    uint64_t number;
};

static void send_one(void *context)
{
    const struct sender *sender = context;
    quire_tx_t *tx = open_tx(sender->channel);
    unsigned char data[SIZE];

    content_fill(data, sizeof(data), 1, sender->number);
    CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
    quire_tx_close(tx);
}

/* At the limit it is as BLOCK: a sender waits and is woken. */
static void blocks_at_the_limit(void)
{
    struct quire_plan plan;
    quire_t *channel = open_growing(4, &plan);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, SIZE), room = page_room(GROW_PAGE, SIZE);
    struct sender sender = {channel, sent};
    struct thread thread;

    thread_start(&thread, send_one, &sender);
    thread_settle(&thread);
    CHECK(!thread_done(&thread));
    for (uint64_t i = 0; i < room; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(rx));
    thread_join(&thread);
    for (uint64_t i = room; i <= sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

enum { MEETING_PAGE = 2 << 20, MEETING_SIZE = 900 << 10, MEETING_ROOM = 2 };

static void send_large(void *context)
{
    const struct sender *sender = context;
    quire_tx_t *tx = open_tx(sender->channel);
    unsigned char *data = malloc(MEETING_SIZE);

    CHECK(data != NULL);
    content_fill(data, MEETING_SIZE, 1, sender->number);
    CHECK_OK(quire_tx_send(tx, data, MEETING_SIZE));
    free(data);
    quire_tx_close(tx);
}

/*
 * While one sender makes a page, which takes a while, others find none and wait. Nobody will ever
 * free one: it is the page that was made which must wake them.
 */
static void meet_while_a_page_is_made(enum quire_full_policy policy, uint32_t pages)
{
    enum { SENDERS_MAX = 8 };
    uint64_t rounds = test_scale(10);

    CHECK(pages * MEETING_ROOM <= SENDERS_MAX);
    for (uint64_t round = 0; round < rounds; round++) {
        struct quire_options options = cell_options(MEETING_PAGE, pages);
        struct sender senders[SENDERS_MAX];
        struct thread threads[SENDERS_MAX];
        struct quire_plan plan;
        quire_t *channel;

        options.full_policy = policy;
        options.max_messages = 16;
        if (policy == QUIRE_FULL_GROW) {
            options.max_pages = 1;
            CHECK_OK(quire_plan(&options, cell.directory, &plan));
            options.max_bytes = pages * plan.page_bytes;
        }
        channel = cell_open(&options);
        for (unsigned i = 0; i < pages * MEETING_ROOM; i++) {
            senders[i] = (struct sender){channel, i};
            thread_start(&threads[i], send_large, &senders[i]);
        }
        for (unsigned i = 0; i < pages * MEETING_ROOM; i++) {
            thread_join(&threads[i]);
        }
        CHECK_EQ(stat_of(channel).messages, pages * MEETING_ROOM);
        CHECK_EQ(stat_of(channel).pages_used, pages);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

static void meet_in_a_fixed_pool(void)
{
    meet_while_a_page_is_made(QUIRE_FULL_BLOCK, 2);
    meet_while_a_page_is_made(QUIRE_FULL_BLOCK, 4);
}

static void meet_in_a_growing_pool(void)
{
    meet_while_a_page_is_made(QUIRE_FULL_GROW, 2);
    meet_while_a_page_is_made(QUIRE_FULL_GROW, 4);
}

/* After the backlog is gone the space goes back, while the channel is in use. */
static void gives_pages_back(void)
{
    struct quire_plan plan;
    quire_t *channel = open_growing(12, &plan);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t number, high, room = page_room(GROW_PAGE, SIZE), steps = 0;

    for (unsigned turn = 0; turn < 3; turn++) {
        number = fill(tx, 1, 0, SIZE);
        CHECK(number >= 11 * room);
        high = stat_of(channel).bytes;
        CHECK(high >= plan.control_bytes + 12 * plan.page_bytes);
        for (uint64_t i = 0; i < number; i++) {
            take_number(rx, 1, i, SIZE);
        }
        CHECK_OK(quire_rx_release(rx));
        /* The pool, two spare pages, what little remains of the others. The watchdog bounds it. */
        while (stat_of(channel).bytes >
               plan.control_bytes + plan.group_bytes + 5 * plan.page_bytes) {
            put(tx, 1, steps, SIZE);
            take_number(rx, 1, steps++, SIZE);
        }
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Grown pages are there again after a reopen, and those given back are not missed. */
static void grown_pages_survive_reopening(void)
{
    struct quire_plan plan;
    quire_t *channel = open_growing(6, &plan);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);
    uint64_t sent, received = 0, room = page_room(GROW_PAGE, SIZE);

    if (!cell.directory) {
        test_skip("a channel in memory is not reopened");
    }
    sent = fill(tx, 1, 0, SIZE);
    for (unsigned turn = 0; turn < 4; turn++) {
        for (uint64_t i = 0; i < 2 * room; i++) {
            take_number(rx, 1, received++, SIZE);
        }
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        channel = cell_reopen();
        tx = open_tx(channel);
        rx = open_rx_run(channel, "g", 1);
        sent += fill(tx, 1, sent, SIZE);
    }
    while (received < sent) {
        take_number(rx, 1, received++, SIZE);
    }
    take_nothing(rx);
    CHECK_EQ(stat_of(channel).recoveries, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"grow: to the limit, no further", grows_to_the_limit, 0},
    {"grow: the limit is in bytes", the_limit_is_in_bytes, 0},
    {"grow: not without need", does_not_grow_without_need, 0},
    {"grow: waits for a frame of the pool", waits_for_a_frame_of_the_pool, 0},
    {"grow: at the limit a sender waits", blocks_at_the_limit, 0},
    {"grow: senders meet while a page of the pool is made", meet_in_a_fixed_pool, 0},
    {"grow: senders meet while the pool grows", meet_in_a_growing_pool, 0},
    {"grow: pages are given back", gives_pages_back, 0},
    {"grow: reopened with more pages than the pool", grown_pages_survive_reopening, 0},
};
const struct test_table grow_table = TEST_TABLE(cases);
