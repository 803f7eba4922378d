/* SPDX-License-Identifier: MIT */
/*
 * Waiting: deadlines, and that every waiter is woken by what it waits for (I7). A woken thread is
 * joined; one that sleeps on meets the watchdog.
 */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 40u

static void receive_deadlines(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    unsigned char buffer[SIZE];
    struct quire_msg msg;
    uint64_t deadline;
    size_t size;

    /* Not to wait is to try. */
    CHECK_CODE(quire_rx_recv_until(rx, &msg, 0), QUIRE_EAGAIN);
    CHECK_CODE(quire_rx_recv_batch(rx, &msg, 1, 0), QUIRE_EAGAIN);
    CHECK_CODE(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, 0), QUIRE_EAGAIN);
    CHECK_CODE(quire_rx_recv_until(rx, &msg, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_rx_recv_batch(rx, &msg, 1, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_rx_recv_until(rx, &msg, clock_now()), QUIRE_TIMEDOUT);
    for (int i = 0; i < 3; i++) {
        deadline = deadline_soon();
        CHECK_CODE(quire_rx_recv_until(rx, &msg, deadline), QUIRE_TIMEDOUT);
        CHECK(clock_now() >= deadline);
        deadline = deadline_soon();
        CHECK_CODE(quire_rx_recv_batch(rx, &msg, 1, deadline), QUIRE_TIMEDOUT);
        CHECK(clock_now() >= deadline);
        deadline = deadline_soon();
        CHECK_CODE(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, deadline), QUIRE_TIMEDOUT);
        CHECK(clock_now() >= deadline);
    }
    /* A message that is there is received whatever the deadline. */
    put(tx, 1, 0, SIZE);
    CHECK_OK(quire_rx_recv_until(rx, &msg, 0));
    put(tx, 1, 1, SIZE);
    CHECK_OK(quire_rx_recv_until(rx, &msg, 1));
    put(tx, 1, 2, SIZE);
    CHECK_EQ(quire_rx_recv_batch(rx, &msg, 1, 1), 1);
    put(tx, 1, 3, SIZE);
    CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, 1));
    put(tx, 1, 4, SIZE);
    CHECK_OK(quire_rx_recv_until(rx, &msg, QUIRE_FOREVER));
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void send_deadlines(void)
{
    quire_t *channel = cell_small(1);
    quire_tx_t *tx = open_tx(channel);
    unsigned char data[SMALL_MAX] = {0};
    struct quire_vec vec = {data, sizeof(data)};
    uint64_t deadline;
    void *room;

    CHECK_OK(quire_tx_send_until(tx, data, 2000, 0));
    CHECK_OK(quire_tx_send_until(tx, data, 2000, 1));
    CHECK_CODE(quire_tx_send_until(tx, data, 2000, 0), QUIRE_FULL);
    CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, 0), QUIRE_FULL);
    CHECK_CODE(quire_tx_reserve(tx, 2000, &room, 0), QUIRE_FULL);
    CHECK_CODE(quire_tx_send_until(tx, data, 2000, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_tx_reserve(tx, 2000, &room, 1), QUIRE_TIMEDOUT);
    deadline = deadline_soon();
    CHECK_CODE(quire_tx_send_until(tx, data, 2000, deadline), QUIRE_TIMEDOUT);
    CHECK(clock_now() >= deadline);
    deadline = deadline_soon();
    CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, deadline), QUIRE_TIMEDOUT);
    CHECK(clock_now() >= deadline);
    deadline = deadline_soon();
    CHECK_CODE(quire_tx_reserve(tx, 2000, &room, deadline), QUIRE_TIMEDOUT);
    CHECK(clock_now() >= deadline);
    CHECK_EQ(stat_of(channel).messages, 2);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* disk-chan: each cancelled receive lost one message. */
static void timed_out_receives_lose_nothing(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *quitter = open_rx(channel, "g"), *rx = open_rx(channel, "g");
    struct quire_msg msg;

    for (uint64_t i = 0; i < 200; i++) {
        for (int again = 0; again < 3; again++) {
            CHECK_CODE(quire_rx_recv_until(quitter, &msg, 1), QUIRE_TIMEDOUT);
            CHECK_CODE(quire_rx_try_recv(quitter, &msg), QUIRE_EAGAIN);
        }
        put(tx, 1, i, 200);
        take_number(rx, 1, i, 200);
        CHECK_OK(quire_rx_release(rx));
    }
    CHECK_CODE(quire_rx_recv_until(quitter, &msg, deadline_soon()), QUIRE_TIMEDOUT);
    put(tx, 1, 200, 200);
    take_number(rx, 1, 200, 200);
    quire_rx_close(rx);
    quire_rx_close(quitter);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

enum how { BY_RECV, BY_UNTIL, BY_BATCH, BY_COPY, HOWS };

struct receiver {
    quire_t *channel;
    const char *group;
    enum how how;
    uint64_t number; /* expected; UINT64_MAX: any */
    uint64_t got;
};

static void receive_one(void *context)
{
    struct receiver *receiver = context;
    quire_rx_t *rx = open_rx_run(receiver->channel, receiver->group, 1);
    unsigned char buffer[SIZE];
    struct quire_msg msg = {.data = buffer};
    uint64_t stream;
    size_t size = 0;

    switch (receiver->how) {
    case BY_RECV:
        CHECK_OK(quire_rx_recv(rx, &msg));
        break;
    case BY_UNTIL:
        CHECK_OK(quire_rx_recv_until(rx, &msg, deadline_far()));
        break;
    case BY_BATCH:
        CHECK_EQ(quire_rx_recv_batch(rx, &msg, 1, QUIRE_FOREVER), 1);
        break;
    default:
        CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, QUIRE_FOREVER));
        msg.size = (uint32_t)size;
    }
    CHECK_EQ(msg.size, SIZE);
    CHECK(content_read(msg.data, msg.size, &stream, &receiver->got));
    CHECK(receiver->number == UINT64_MAX || receiver->got == receiver->number);
    quire_rx_close(rx);
}

static void woken_by_send(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t i = 0; i < test_scale(60); i++) {
        struct receiver receiver = {channel, "g", (enum how)(i % HOWS), i, 0};
        struct thread thread;

        thread_start(&thread, receive_one, &receiver);
        if (i % 3) { /* otherwise the send races with going to sleep */
            thread_settle(&thread);
        }
        put(tx, 1, i, SIZE);
        thread_join(&thread);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void woken_by_batch_and_commit(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t i = 0; i < test_scale(40); i++) {
        struct receiver receiver = {channel, "g", (enum how)(i % HOWS), i, 0};
        struct thread thread;
        unsigned char data[SIZE];
        struct quire_vec vec = {data, sizeof(data)};
        void *room;

        content_fill(data, sizeof(data), 1, i);
        if (i % 2) {
            CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
            memcpy(room, data, SIZE);
        }
        thread_start(&thread, receive_one, &receiver);
        thread_settle(&thread);
        CHECK(!thread_done(&thread));
        if (i % 2) {
            CHECK_OK(quire_tx_commit(tx, SIZE));
        } else {
            CHECK_EQ(quire_tx_send_batch(tx, &vec, 1, 0), 1);
        }
        thread_join(&thread);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Who waits for a reservation that is aborted goes on to the next message, there or to come. */
static void woken_by_abort(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);

    for (uint64_t i = 0; i < test_scale(40); i++) {
        struct receiver receiver = {channel, "g", (enum how)(i % HOWS), i, 0};
        struct thread thread;
        void *room;

        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        thread_start(&thread, receive_one, &receiver);
        thread_settle(&thread);
        if (i % 2) {
            put(other, 1, i, SIZE);
            CHECK_OK(quire_tx_abort(tx));
        } else {
            CHECK_OK(quire_tx_abort(tx));
            thread_settle(&thread);
            put(other, 1, i, SIZE);
        }
        thread_join(&thread);
    }
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

/* Across a page end: the waiter stands behind the last message of a full page. */
static void woken_across_pages(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t i = 0; i < test_scale(40); i++) {
        struct receiver receiver = {channel, "g", (enum how)(i % HOWS), i, 0};
        quire_rx_t *rx = open_rx_run(channel, "g", 1);
        struct thread thread;

        /* Fills the page exactly: the next message opens a new one. */
        put(tx, 2, i, SMALL_MAX - record_bytes(SIZE) * (i > 0));
        take_number(rx, 2, i, SMALL_MAX - record_bytes(SIZE) * (i > 0));
        quire_rx_close(rx);
        thread_start(&thread, receive_one, &receiver);
        thread_settle(&thread);
        put(tx, 1, i, SIZE);
        thread_join(&thread);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct holder {
    quire_rx_t *rx;
    uint64_t number; /* expected */
};

static void receive_with(void *context)
{
    const struct holder *holder = context;
    struct quire_msg msg;
    int code = quire_rx_recv(holder->rx, &msg);

    if (code == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(holder->rx));
        code = quire_rx_recv(holder->rx, &msg);
    }
    CHECK_OK(code);
    is_number(&msg, 1, holder->number, SIZE);
}

/*
 * Two members wait, one for a message that is reserved, one for what comes: each is woken by its
 * own, in whatever order.
 */
static void each_by_its_own(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);

    for (uint64_t i = 0; i < test_scale(40); i++) {
        struct holder holders[2] = {{open_rx_run(channel, "g", 1), 1},
                                    {open_rx_run(channel, "g", 1), 2}};
        struct thread threads[2];
        struct quire_msg msg;
        void *room;

        /* With a message behind it, the reserved one is waited for by one member only. */
        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        content_fill(room, SIZE, 1, 1);
        put(other, 1, 100, SIZE);
        CHECK_CODE(quire_rx_try_recv(holders[0].rx, &msg), QUIRE_EAGAIN);
        take_number(holders[1].rx, 1, 100, SIZE);
        for (unsigned k = 0; k < 2; k++) {
            thread_start(&threads[(k + i) % 2], receive_with, &holders[(k + i) % 2]);
            thread_settle(&threads[(k + i) % 2]);
        }
        if (i / 2 % 2) {
            put(other, 1, 2, SIZE);
            thread_join(&threads[1]);
            CHECK_OK(quire_tx_commit(tx, SIZE));
            thread_join(&threads[0]);
        } else {
            CHECK_OK(quire_tx_commit(tx, SIZE));
            thread_join(&threads[0]);
            put(other, 1, 2, SIZE);
            thread_join(&threads[1]);
        }
        quire_rx_close(holders[0].rx);
        quire_rx_close(holders[1].rx);
    }
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

enum { MEMBERS = 5 };

/* Sends the numbers 0 .. MEMBERS - 1, at once or one by one. */
static void send_to_members(quire_tx_t *tx, int at_once)
{
    static unsigned char data[MEMBERS][SIZE];
    struct quire_vec vec[MEMBERS];

    for (unsigned i = 0; i < MEMBERS; i++) {
        content_fill(data[i], SIZE, 1, i);
        vec[i] = (struct quire_vec){data[i], SIZE};
    }
    if (at_once) {
        CHECK_EQ(quire_tx_send_batch(tx, vec, MEMBERS, 0), MEMBERS);
        return;
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        CHECK_OK(quire_tx_send(tx, data[i], SIZE));
    }
}

/* As many messages as waiting members: each gets one, also when all come in one batch. */
static void each_member_woken(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t turn = 0; turn < test_scale(20); turn++) {
        struct receiver receivers[MEMBERS];
        struct thread threads[MEMBERS];
        uint64_t sum = 0;

        for (unsigned i = 0; i < MEMBERS; i++) {
            receivers[i] = (struct receiver){channel, "g", (enum how)(i % HOWS), UINT64_MAX, 0};
            thread_start(&threads[i], receive_one, &receivers[i]);
        }
        for (unsigned i = 0; turn % 4 < 3 && i < MEMBERS; i++) {
            thread_settle(&threads[i]);
        }
        send_to_members(tx, turn % 2);
        for (unsigned i = 0; i < MEMBERS; i++) {
            thread_join(&threads[i]);
            sum += 1ull << (8 * receivers[i].got);
        }
        CHECK_EQ(sum, 0x0101010101ull);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* One message wakes a member of every group. */
static void every_group_woken(void)
{
    enum { GROUPS = 4 };
    static const char *const names[GROUPS] = {"a", "b", "c", "d"};
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t turn = 0; turn < test_scale(15); turn++) {
        struct receiver receivers[GROUPS];
        struct thread threads[GROUPS];

        for (unsigned i = 0; i < GROUPS; i++) {
            receivers[i] = (struct receiver){channel, names[i], (enum how)(i % HOWS), turn, 0};
            thread_start(&threads[i], receive_one, &receivers[i]);
        }
        for (unsigned i = 0; i < GROUPS; i++) {
            thread_settle(&threads[i]);
        }
        put(tx, 1, turn, SIZE);
        for (unsigned i = 0; i < GROUPS; i++) {
            thread_join(&threads[i]);
        }
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct echo {
    quire_t *there, *back;
    uint64_t count;
};

static void echo(void *context)
{
    const struct echo *echo = context;
    quire_rx_t *rx = open_rx(echo->there, "g");
    quire_tx_t *tx = open_tx(echo->back);
    unsigned char buffer[SIZE];
    size_t size = 0;

    for (uint64_t i = 0; i < echo->count; i++) {
        CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, QUIRE_FOREVER));
        CHECK_OK(quire_tx_send(tx, buffer, size));
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
}

/* One message at a time, there and back: a lost wake-up anywhere ends it. */
static void ping_pong(void)
{
    quire_t *there = cell_small(2), *back = NULL;
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    struct echo context = {there, NULL, test_scale(3000)};
    unsigned char data[SIZE];
    struct thread thread;
    quire_tx_t *tx;
    quire_rx_t *rx;

    options.durability = QUIRE_DURABLE_NONE;
    CHECK_OK(quire_open(&back, NULL, &options)); /* the way back is always in memory */
    context.back = back;
    tx = open_tx(there);
    rx = open_rx(back, "g");
    thread_start(&thread, echo, &context);
    for (uint64_t i = 0; i < context.count; i++) {
        struct quire_msg msg;
        int code;

        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
        code = quire_rx_recv(rx, &msg);
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            code = quire_rx_recv(rx, &msg);
        }
        CHECK_OK(code);
        is_number(&msg, 1, i, SIZE);
    }
    thread_join(&thread);
    quire_tx_close(tx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(there));
    CHECK_OK(quire_close(back));
}

/* Handles may wait in another way than their channel. */
static void strategies_of_handles(void)
{
    quire_t *channel = cell_small(2);
    unsigned char data[1200] = {0};

    for (uint32_t wait = QUIRE_WAIT_DEFAULT; wait <= QUIRE_WAIT_BUSY; wait++) {
        struct quire_tx_options tx_options = QUIRE_TX_OPTIONS_INIT;
        struct quire_rx_options rx_options = QUIRE_RX_OPTIONS_INIT;
        struct quire_msg msg;
        quire_tx_t *tx;
        quire_rx_t *rx;

        tx_options.wait = wait;
        rx_options.wait = wait;
        CHECK_OK(quire_tx_open(channel, &tx_options, &tx));
        CHECK_OK(quire_rx_subscribe(channel, "g", NULL, &rx_options, &rx));
        CHECK_CODE(quire_rx_recv_until(rx, &msg, deadline_soon()), QUIRE_TIMEDOUT);
        put(tx, 1, wait, 1200);
        CHECK_OK(quire_rx_recv(rx, &msg));
        is_number(&msg, 1, wait, 1200);
        CHECK_OK(quire_rx_release(rx));
        for (unsigned i = 0; i < 4; i++) {
            uint64_t sent = fill(tx, 2, 0, 1200);

            CHECK_CODE(quire_tx_send_until(tx, data, sizeof(data), 1), QUIRE_TIMEDOUT);
            for (uint64_t n = 0; n < sent; n++) {
                take_number(rx, 2, n, 1200);
            }
            CHECK_OK(quire_rx_release(rx));
        }
        quire_rx_close(rx);
        quire_tx_close(tx);
    }
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"wait: deadlines of receives", receive_deadlines, 0},
    {"wait: deadlines of sends", send_deadlines, 0},
    {"wait: receives that time out lose nothing", timed_out_receives_lose_nothing, 0},
    {"wait: a receiver is woken by a send", woken_by_send, 0},
    {"wait: a receiver is woken by a batch and by a commit", woken_by_batch_and_commit, 0},
    {"wait: a receiver is woken by an abort", woken_by_abort, 0},
    {"wait: a receiver is woken across pages", woken_across_pages, 0},
    {"wait: two members, each woken by its own", each_by_its_own, 0},
    {"wait: each waiting member is woken", each_member_woken, 0},
    {"wait: every group is woken", every_group_woken, 0},
    {"wait: ping pong", ping_pong, 0},
    {"wait: strategies of handles", strategies_of_handles, 0},
};
const struct test_table wait_table = TEST_TABLE(cases);
