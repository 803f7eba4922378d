/* SPDX-License-Identifier: MIT */
/* Closing: never blocks, wakes everybody, and takes nothing away from under a borrower. */
#include <stdlib.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static void every_later_call_says_closed(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    unsigned char buffer[SIZE];
    struct quire_vec vec = {buffer, sizeof(buffer)};
    struct quire_msg msg;
    uint64_t position;
    void *room;
    size_t size;

    put(tx, 1, 0, SIZE);
    put(tx, 1, 1, SIZE);
    position = quire_tx_position(tx);
    CHECK_OK(quire_close(channel));
    for (int i = 0; i < 2; i++) {
        CHECK_CODE(quire_tx_send(tx, buffer, 8), QUIRE_CLOSED);
        CHECK_CODE(quire_tx_try_send(tx, buffer, 8), QUIRE_CLOSED);
        CHECK_CODE(quire_tx_send_until(tx, buffer, 8, QUIRE_FOREVER), QUIRE_CLOSED);
        CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, QUIRE_FOREVER), QUIRE_CLOSED);
        CHECK_CODE(quire_tx_reserve(tx, 8, &room, QUIRE_FOREVER), QUIRE_CLOSED);
        CHECK_CODE(quire_rx_recv(rx, &msg), QUIRE_CLOSED);
        CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_CLOSED);
        CHECK_CODE(quire_rx_recv_until(rx, &msg, QUIRE_FOREVER), QUIRE_CLOSED);
        CHECK_CODE(quire_rx_recv_batch(rx, &msg, 1, QUIRE_FOREVER), QUIRE_CLOSED);
        CHECK_CODE(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, QUIRE_FOREVER),
                   QUIRE_CLOSED);
        CHECK_EQ(quire_tx_position(tx), position);
        CHECK_OK(quire_rx_next_page(rx));
        CHECK_OK(quire_rx_release(rx));
        CHECK_EQ(quire_rx_lost(rx).count, 0);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
}

static void borrowed_stays_until_the_handle_closes(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[2];
    struct quire_msg held[2][ROOM], msg;

    rx[0] = open_rx(channel, "a");
    rx[1] = open_rx(channel, "b");
    for (uint64_t i = 0; i < ROOM; i++) {
        put(tx, 1, i, SIZE);
        held[0][i] = take_number(rx[0], 1, i, SIZE);
        held[1][i] = take_number(rx[1], 1, i, SIZE);
    }
    CHECK_OK(quire_close(channel));
    quire_tx_close(tx);
    for (unsigned r = 0; r < 2; r++) {
        CHECK_CODE(quire_rx_try_recv(rx[r], &msg), QUIRE_CLOSED);
        for (uint64_t i = 0; i < ROOM; i++) {
            is_number(&held[r][i], 1, i, SIZE);
        }
        quire_rx_close(rx[r]);
    }
}

/* Whatever the order in which handles and channel go, all goes with the last. */
static void in_any_order(void)
{
    for (unsigned order = 0; order < 24; order++) {
        int before = process_files();
        quire_t *channel = cell_small(2);
        quire_tx_t *tx[2];
        quire_rx_t *rx[2];
        unsigned places[4] = {0, 1, 2, 3};

        tx[0] = open_tx(channel);
        tx[1] = open_tx(channel);
        rx[0] = open_rx(channel, "g");
        rx[1] = open_rx(channel, "g");
        put(tx[0], 1, 0, SIZE);
        take_number(rx[0], 1, 0, SIZE);
        for (unsigned i = 0, rest = order; i < 3; i++) {
            unsigned pick = i + rest % (4 - i), swap = places[i];

            rest /= 4 - i;
            places[i] = places[pick];
            places[pick] = swap;
        }
        if (order % 5 == 0) {
            CHECK_OK(quire_close(channel));
        }
        for (unsigned i = 0; i < 4; i++) {
            if (places[i] < 2) {
                quire_tx_close(tx[places[i]]);
            } else {
                quire_rx_close(rx[places[i] - 2]);
            }
            if (order % 5 == i + 1) {
                CHECK_OK(quire_close(channel));
            }
        }
        CHECK_EQ(process_files(), before);
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

static void a_reservation_over_the_close(void)
{
    for (int how = 0; how < 3; how++) {
        quire_t *channel = cell_small(2);
        quire_tx_t *tx = open_tx(channel);
        void *room = NULL;
        int code = 0;

        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        CHECK_OK(quire_close(channel));
        memset(room, 1, SIZE);
        if (how == 0) {
            code = quire_tx_commit(tx, SIZE); /* it may still finish */
        } else if (how == 1) {
            code = quire_tx_abort(tx);
        }
        CHECK(code == 0 || code == QUIRE_CLOSED);
        quire_tx_close(tx);
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

enum waits {
    RECV,
    RECV_UNTIL,
    RECV_BATCH,
    RECV_COPY,
    SEND,
    SEND_UNTIL,
    SEND_BATCH,
    RESERVE,
    WAITS
};

struct waiter {
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    enum waits kind;
    long code;
};

static void wait_until_closed(void *context)
{
    struct waiter *waiter = context;
    unsigned char buffer[SIZE] = {0};
    struct quire_vec vec = {buffer, sizeof(buffer)};
    struct quire_msg msg;
    uint64_t far = deadline_far();
    size_t size;
    void *room;

    switch (waiter->kind) {
    case RECV:
        waiter->code = quire_rx_recv(waiter->rx, &msg);
        break;
    case RECV_UNTIL:
        waiter->code = quire_rx_recv_until(waiter->rx, &msg, far);
        break;
    case RECV_BATCH:
        waiter->code = quire_rx_recv_batch(waiter->rx, &msg, 1, far);
        break;
    case RECV_COPY:
        waiter->code = quire_rx_recv_copy(waiter->rx, buffer, sizeof(buffer), &size, far);
        break;
    case SEND:
        waiter->code = quire_tx_send(waiter->tx, buffer, sizeof(buffer));
        break;
    case SEND_UNTIL:
        waiter->code = quire_tx_send_until(waiter->tx, buffer, sizeof(buffer), far);
        break;
    case SEND_BATCH:
        waiter->code = quire_tx_send_batch(waiter->tx, &vec, 1, QUIRE_FOREVER);
        break;
    default:
        waiter->code = quire_tx_reserve(waiter->tx, sizeof(buffer), &room, far);
    }
}

/* Everybody who waits in the channel is told, however many and in whatever call. */
static void close_wakes(const enum waits *kinds, unsigned count)
{
    struct waiter waiters[WAITS];
    struct thread threads[WAITS];
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    int full = kinds[0] >= SEND;

    if (full) {
        fill(tx, 1, 0, SIZE);
    }
    for (unsigned i = 0; i < count; i++) {
        waiters[i] = (struct waiter){channel, NULL, NULL, kinds[i], 0};
        if (full) {
            waiters[i].tx = open_tx(channel);
        } else {
            waiters[i].rx = open_rx(channel, i % 2 ? "a" : "b");
        }
        thread_start(&threads[i], wait_until_closed, &waiters[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        thread_settle(&threads[i]);
        CHECK(!thread_done(&threads[i]));
    }
    CHECK_OK(quire_close(channel));
    for (unsigned i = 0; i < count; i++) {
        thread_join(&threads[i]);
        CHECK_CODE(waiters[i].code, QUIRE_CLOSED);
        quire_tx_close(waiters[i].tx);
        quire_rx_close(waiters[i].rx);
    }
    quire_tx_close(tx);
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        temp_remove(cell_path(path));
    }
}

static void close_wakes_receivers(void)
{
    static const enum waits all[] = {RECV, RECV_UNTIL, RECV_BATCH, RECV_COPY};

    close_wakes(all, 4);
    for (unsigned i = 0; i < 4; i++) {
        close_wakes(&all[i], 1);
    }
}

static void close_wakes_senders(void)
{
    static const enum waits all[] = {SEND, SEND_UNTIL, SEND_BATCH, RESERVE};

    close_wakes(all, 4);
    for (unsigned i = 0; i < 4; i++) {
        close_wakes(&all[i], 1);
    }
}

/* Who waits for a message that was claimed and never published is told, too. */
static void close_wakes_who_waits_for_a_reservation(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    struct waiter waiter = {channel, NULL, NULL, RECV, 0};
    struct thread thread;
    void *room;

    waiter.rx = open_rx(channel, "g");
    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    thread_start(&thread, wait_until_closed, &waiter);
    thread_settle(&thread);
    CHECK_OK(quire_close(channel));
    thread_join(&thread);
    CHECK_CODE(waiter.code, QUIRE_CLOSED);
    quire_rx_close(waiter.rx);
    quire_tx_close(tx);
}

struct traffic {
    quire_tx_t *tx;
    quire_rx_t *rx;
};

static void send_until_closed(void *context)
{
    const struct traffic *traffic = context;
    unsigned char data[SIZE] = {0};
    int code;

    while ((code = quire_tx_send(traffic->tx, data, sizeof(data))) == 0) {
    }
    CHECK_CODE(code, QUIRE_CLOSED);
    quire_tx_close(traffic->tx);
}

static void receive_until_closed(void *context)
{
    const struct traffic *traffic = context;
    struct quire_msg msg;
    int code;

    while ((code = quire_rx_recv(traffic->rx, &msg)) != QUIRE_CLOSED) {
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(traffic->rx));
        } else {
            CHECK_OK(code);
            CHECK_EQ(msg.size, SIZE);
        }
    }
    quire_rx_close(traffic->rx);
}

/* The channel is closed under full traffic, again and again. */
static void under_traffic(void)
{
    uint64_t rounds = test_scale(30);

    for (uint64_t round = 0; round < rounds; round++) {
        quire_t *channel = cell_small(1 + (uint32_t)(round % 3));
        struct traffic traffic[4];
        struct thread threads[4];
        quire_rx_t *watch = open_rx(channel, "watch");

        for (unsigned i = 0; i < 4; i++) {
            traffic[i].tx = i < 2 ? open_tx(channel) : NULL;
            traffic[i].rx = i < 2 ? NULL : open_rx(channel, "g");
            thread_start(&threads[i], i < 2 ? send_until_closed : receive_until_closed,
                         &traffic[i]);
        }
        for (unsigned i = 0; i < round * 3; i++) {
            struct quire_msg msg;
            int code = quire_rx_recv(watch, &msg);

            CHECK_OK(code == QUIRE_PAGE_END ? quire_rx_next_page(watch) : code);
        }
        CHECK_OK(quire_close(channel));
        quire_rx_close(watch);
        for (unsigned i = 0; i < 4; i++) {
            thread_join(&threads[i]);
        }
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

static void all_handles(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t **tx = calloc(QUIRE_HANDLES_MAX, sizeof(*tx)), *other;
    quire_rx_t **rx = calloc(QUIRE_HANDLES_MAX, sizeof(*rx)), *another;
    unsigned count = QUIRE_HANDLES_MAX;

    CHECK(tx && rx);
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = 0; i < count; i++) {
            if ((i + turn) % 2) {
                tx[i] = open_tx(channel);
            } else {
                rx[i] = open_rx_run(channel, i % 4 < 2 ? "a" : "b", 1);
            }
        }
        CHECK_EQ(stat_of(channel).handles, count);
        CHECK_CODE(quire_tx_open(channel, NULL, &other), QUIRE_EHANDLES);
        CHECK_CODE(quire_rx_subscribe(channel, "a", NULL, NULL, &another), QUIRE_EHANDLES);
        /* The last ones work as well as the first. */
        for (unsigned i = count - 2; i < count; i++) {
            if (tx[i]) {
                put(tx[i], 1, turn, 8);
            }
        }
        for (unsigned i = count - 4; i < count; i++) {
            struct quire_msg msg;

            if (rx[i]) {
                int code = quire_rx_try_recv(rx[i], &msg);

                CHECK(code == 0 || code == QUIRE_EAGAIN);
            }
        }
        for (unsigned i = 0; i < count; i++) {
            quire_tx_close(tx[i]);
            quire_rx_close(rx[i]);
            tx[i] = NULL;
            rx[i] = NULL;
        }
        CHECK_EQ(stat_of(channel).handles, 0);
    }
    free(tx);
    free(rx);
    CHECK_OK(quire_close(channel));
}

/* One closed makes room for exactly one. */
static void a_closed_handle_makes_room(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t **tx = calloc(QUIRE_HANDLES_MAX, sizeof(*tx)), *other;

    CHECK(tx != NULL);
    for (unsigned i = 0; i < QUIRE_HANDLES_MAX; i++) {
        tx[i] = open_tx(channel);
    }
    for (unsigned i = 0; i < QUIRE_HANDLES_MAX; i += 101) {
        CHECK_CODE(quire_tx_open(channel, NULL, &other), QUIRE_EHANDLES);
        quire_tx_close(tx[i]);
        tx[i] = open_tx(channel);
        CHECK_CODE(quire_tx_open(channel, NULL, &other), QUIRE_EHANDLES);
    }
    for (unsigned i = 0; i < QUIRE_HANDLES_MAX; i++) {
        quire_tx_close(tx[i]);
    }
    free(tx);
    CHECK_OK(quire_close(channel));
}

/* Opened, used and closed many times: no file, thread or mapping remains. */
static void nothing_is_left(void)
{
    int files = process_files(), memfds = process_mappings("memfd"), threads = 0;
    char path[TEMP_PATH_MAX];

    for (int i = 0; i < 30; i++) {
        struct quire_options options = cell_options(SMALL_PAGE, 2);
        struct quire_plan plan;
        quire_t *channel;
        quire_tx_t *tx;
        quire_rx_t *rx;
        uint64_t sent;

        options.full_policy = (uint32_t)i % 4;
        CHECK_OK(quire_plan(&options, cell.directory, &plan));
        options.max_bytes = options.full_policy == QUIRE_FULL_GROW ? 5 * plan.page_bytes : 0;
        channel = cell_open(&options);
        tx = open_tx(channel);
        rx = open_rx(channel, "g");
        if (options.full_policy == QUIRE_FULL_DROP_OLDEST) {
            for (sent = 0; sent < 100; sent++) {
                put(tx, 1, sent, SIZE);
            }
        } else {
            sent = fill(tx, 1, 0, SIZE);
            for (uint64_t n = 0; n < sent; n++) {
                take_number(rx, 1, n, SIZE);
            }
        }
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        CHECK_EQ(process_files(), files);
        CHECK_EQ(process_mappings("memfd"), memfds);
        CHECK_EQ(process_mappings(temp_directory()), 0);
        temp_remove(cell_path(path));
        /* Not from the beginning: a sanitizer may have added one of its own since. */
        threads = i == 7 ? process_threads() : threads;
    }
    /* A thread that was told to end may take a moment; the watchdog bounds it. */
    while (process_threads() > threads) {
    }
}

static const struct test_case cases[] = {
    {"close: every later call says so", every_later_call_says_closed, 0},
    {"close: borrowed messages stay until their handle closes",
     borrowed_stays_until_the_handle_closes, 0},
    {"close: handles and channel in any order", in_any_order, 0},
    {"close: a reservation over the close", a_reservation_over_the_close, 0},
    {"close: wakes all receivers", close_wakes_receivers, 0},
    {"close: wakes all senders", close_wakes_senders, 0},
    {"close: wakes who waits for a reservation", close_wakes_who_waits_for_a_reservation, 0},
    {"close: under traffic", under_traffic, 120},
    {"close: 1023 handles, then EHANDLES", all_handles, 120},
    {"close: a closed handle makes room for one", a_closed_handle_makes_room, 120},
    {"close: nothing is left", nothing_is_left, 0},
};
const struct test_table close_table = TEST_TABLE(cases);
