/* SPDX-License-Identifier: MIT */
/*
 * The end of a channel for producers that asked to be told: send until no consumer is left; and the
 * steps that both kinds of cases are made of.
 */
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/conformance/ends.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 40u

quire_rx_t *open_rx_ends(quire_t *channel, const char *group, uint32_t run_max)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx = NULL;

    options.run_max = run_max;
    options.flags = QUIRE_RX_ENDS;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    return rx;
}

quire_tx_t *open_tx_ends(quire_t *channel)
{
    struct quire_tx_options options = QUIRE_TX_OPTIONS_INIT;
    quire_tx_t *tx = NULL;

    options.flags = QUIRE_TX_ENDS;
    CHECK_OK(quire_tx_open(channel, &options, &tx));
    return tx;
}

long receive_by(quire_rx_t *rx, enum by_receive how, uint64_t deadline_ns)
{
    unsigned char buffer[SMALL_MAX];
    struct quire_msg msg;
    size_t size;

    switch (how) {
    case BY_RECV:
        return deadline_ns == QUIRE_FOREVER ? quire_rx_recv(rx, &msg) : quire_rx_try_recv(rx, &msg);
    case BY_UNTIL:
        return quire_rx_recv_until(rx, &msg, deadline_ns);
    case BY_BATCH:
        return quire_rx_recv_batch(rx, &msg, 1, deadline_ns);
    default:
        return quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, deadline_ns);
    }
}

long send_by(quire_tx_t *tx, enum by_send how, size_t size, uint64_t deadline_ns)
{
    static const unsigned char bytes[SMALL_MAX];
    struct quire_vec vec = {bytes, size};
    void *room;

    switch (how) {
    case BY_SEND:
        return deadline_ns == QUIRE_FOREVER ? quire_tx_send(tx, bytes, size)
                                            : quire_tx_try_send(tx, bytes, size);
    case BY_SEND_UNTIL:
        return quire_tx_send_until(tx, bytes, size, deadline_ns);
    case BY_SEND_BATCH:
        return quire_tx_send_batch(tx, &vec, 1, deadline_ns);
    default:
        return quire_tx_reserve(tx, size, &room, deadline_ns);
    }
}

void receives_say(quire_rx_t *rx, long code)
{
    static const uint64_t deadlines[] = {0, 1, QUIRE_FOREVER};

    for (unsigned i = 0; i < 3 * RECEIVES; i++) {
        CHECK_CODE(receive_by(rx, i % RECEIVES, deadlines[i / RECEIVES]), code);
    }
}

void sends_say(quire_tx_t *tx, long code)
{
    static const uint64_t deadlines[] = {0, 1, QUIRE_FOREVER};
    uint64_t position = quire_tx_position(tx);

    for (unsigned i = 0; i < 3 * SENDS; i++) {
        CHECK_CODE(send_by(tx, i % SENDS, 8, deadlines[i / SENDS]), code);
        CHECK_CODE(send_by(tx, i % SENDS, 2000, deadlines[i / SENDS]), code);
    }
    CHECK_EQ(quire_tx_position(tx), position);
}

void receives_wait(quire_rx_t *rx)
{
    struct quire_msg msg;

    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
    CHECK_CODE(quire_rx_recv_until(rx, &msg, 0), QUIRE_EAGAIN);
    CHECK_CODE(quire_rx_recv_until(rx, &msg, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_rx_recv_until(rx, &msg, deadline_soon()), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_rx_recv_batch(rx, &msg, 1, 1), QUIRE_TIMEDOUT);
}

/* Who has not asked is not told. */
static void only_who_asked(void)
{
    quire_t *channel = cell_small(2);
    quire_rx_t *asked = open_rx_ends(channel, "a", 0), *rx = open_rx(channel, "b");
    quire_tx_t *tx = open_tx(channel), *other;

    put(tx, 1, 0, SIZE);
    quire_tx_close(tx);
    take_number(asked, 1, 0, SIZE);
    take_number(rx, 1, 0, SIZE);
    receives_say(asked, QUIRE_ENDED);
    receives_wait(rx);
    quire_rx_close(rx);
    other = open_tx(channel);
    tx = open_tx_ends(channel);
    quire_rx_close(asked);
    sends_say(tx, QUIRE_ENDED);
    put(other, 1, 1, SIZE);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

static void sends_until_nobody_is_left(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx_ends(channel), *late;
    quire_rx_t *a, *b;
    uint64_t sent = 0;

    put(tx, 1, sent++, SIZE); /* nobody was ever there */
    for (unsigned turn = 0; turn < 3; turn++) {
        a = open_rx(channel, "a");
        b = open_rx(channel, turn % 2 ? "a" : "b");
        put(tx, 1, sent++, SIZE);
        quire_rx_close(a);
        put(tx, 1, sent++, SIZE);
        put(tx, 1, sent++, 1000);
        quire_rx_close(b);
        sends_say(tx, QUIRE_ENDED);
        late = open_tx_ends(channel);
        sends_say(late, QUIRE_ENDED);
        quire_tx_close(late);
        CHECK_EQ(stat_of(channel).messages, sent);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A message that was claimed before may still be sent. */
static void a_reservation_over_the_end(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx_ends(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    void *room;

    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    content_fill(room, SIZE, 1, 0);
    quire_rx_close(rx);
    CHECK_OK(quire_tx_commit(tx, SIZE));
    sends_say(tx, QUIRE_ENDED);
    rx = open_rx(channel, "g");
    take_number(rx, 1, 0, SIZE);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

struct waiter {
    quire_tx_t *tx;
    unsigned how;
    long code;
};

static void wait_to_send(void *context)
{
    struct waiter *waiter = context;
    uint64_t deadline = waiter->how & 1u ? deadline_far() : QUIRE_FOREVER;

    waiter->code = send_by(waiter->tx, waiter->how % SENDS, SIZE, deadline);
}

/* In a full channel: who waits is told, and who does not. */
static void blocked_senders_are_told(void)
{
    enum { WAITERS = 4 };

    for (uint64_t turn = 0; turn < test_scale(20); turn++) {
        quire_t *channel = cell_small(2);
        quire_rx_t *rx[2] = {open_rx(channel, "a"), open_rx(channel, "b")};
        struct waiter waiters[WAITERS];
        struct thread threads[WAITERS];
        quire_tx_t *tx = open_tx(channel);

        fill(tx, 1, 0, SIZE);
        for (unsigned i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){.tx = open_tx_ends(channel), .how = i};
            thread_start(&threads[i], wait_to_send, &waiters[i]);
        }
        for (unsigned i = 0; turn % 2 && i < WAITERS; i++) {
            thread_settle(&threads[i]);
        }
        quire_rx_close(rx[0]);
        for (unsigned i = 0; i < WAITERS; i++) {
            CHECK(!thread_done(&threads[i]));
        }
        quire_rx_close(rx[1]);
        for (unsigned i = 0; i < WAITERS; i++) {
            thread_join(&threads[i]);
            CHECK_CODE(waiters[i].code, QUIRE_ENDED);
            sends_say(waiters[i].tx, QUIRE_ENDED);
            quire_tx_close(waiters[i].tx);
        }
        CHECK_CODE(try_put(tx, 1, 0, SIZE), QUIRE_FULL); /* who has not asked */
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

/* A close says more than an end. */
static void closed_before_ended(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx_ends(channel), *last = open_tx(channel);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);

    quire_tx_close(last);
    CHECK_OK(quire_close(channel));
    receives_say(rx, QUIRE_CLOSED);
    sends_say(tx, QUIRE_CLOSED);
    quire_rx_close(rx);
    sends_say(tx, QUIRE_CLOSED); /* though no consumer is left */
    quire_tx_close(tx);
}

static const struct test_case cases[] = {
    {"ends: only who asked is told", only_who_asked, 0},
    {"ends: sends until nobody is left", sends_until_nobody_is_left, 0},
    {"ends: a reservation over the end", a_reservation_over_the_end, 0},
    {"ends: blocked senders are told", blocked_senders_are_told, 0},
    {"ends: a closed channel says closed", closed_before_ended, 0},
};
const struct test_table ends_tx_table = TEST_TABLE(cases);
