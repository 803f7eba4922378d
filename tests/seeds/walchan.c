/* SPDX-License-Identifier: MIT */
/*
 * walchan's cases, and the traps that it falls into: deliveries that are acknowledged, ends that
 * are told, restarts and crashes. (What a power loss takes back is in tests/durable/ack.c.)
 *
 *   walchan memory|directory
 */
#include <fcntl.h>
#include <string.h>
#include <tests/seeds/steps.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>
#include <unistd.h>

#define SIZE 100u

static void done(quire_t *channel, quire_tx_t *tx, quire_rx_t *rx)
{
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void put_range(quire_tx_t *tx, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        put(tx, 1, i, SIZE);
    }
}

static void ack_range(quire_rx_t *rx, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        CHECK_OK(quire_rx_ack(rx, await_number(rx, 1, i, SIZE).position));
    }
}

/* --- ends ------------------------------------------------------------------------------------ */

static void iterates_until_disconnected(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *rx = open_rx_told(channel, "g");
    struct quire_msg msg;
    uint64_t received = 0;
    int code;

    put_range(tx, 0, 100);
    quire_tx_close(tx);
    put_range(other, 100, 120);
    quire_tx_close(other);
    while ((code = receive(rx, &msg, QUIRE_FOREVER)) == 0) {
        is_number(&msg, 1, received++, SIZE);
    }
    CHECK_CODE(code, QUIRE_ENDED);
    CHECK_EQ(received, 120);
    done(channel, NULL, rx);
}

static void empty_then_disconnected(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_told(channel, "g");
    struct quire_msg msg;

    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
    put(tx, 1, 0, SIZE);
    take_number(rx, 1, 0, SIZE);
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
    quire_tx_close(tx);
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_ENDED);
    done(channel, NULL, rx);
}

static void send_fails_when_the_receiver_is_gone(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx_told(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    put(tx, 1, 0, SIZE);
    quire_rx_close(rx);
    CHECK_CODE(quire_tx_send(tx, "x", 1), QUIRE_ENDED);
    rx = open_rx(channel, "g"); /* what was sent before is not lost */
    take_number(rx, 1, 0, SIZE);
    put(tx, 1, 1, SIZE);
    take_number(rx, 1, 1, SIZE);
    done(channel, tx, rx);
}

/* --- waiting --------------------------------------------------------------------------------- */

struct waiter {
    struct thread thread;
    quire_rx_t *rx;
    quire_tx_t *tx;
    int code;
};

static void wait_for_one(void *context)
{
    struct waiter *w = context;
    struct quire_msg msg;

    w->code = receive(w->rx, &msg, deadline_far());
    if (w->code == 0) {
        is_number(&msg, 1, 0, SIZE);
    }
}

static void recv_is_woken(int ends)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct waiter w = {.rx = open_rx_told(channel, "g")};

    thread_start(&w.thread, wait_for_one, &w);
    thread_settle(&w.thread);
    CHECK(!thread_done(&w.thread));
    if (!ends) {
        put(tx, 1, 0, SIZE);
    }
    quire_tx_close(tx);
    thread_join(&w.thread);
    CHECK_CODE(w.code, ends ? QUIRE_ENDED : 0);
    done(channel, NULL, w.rx);
}

static void recv_is_woken_by_a_send(void)
{
    recv_is_woken(0);
}

static void recv_is_woken_by_the_last_sender(void)
{
    recv_is_woken(1);
}

static void recv_times_out(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;
    uint64_t until = deadline_soon();

    CHECK_CODE(quire_rx_recv_until(rx, &msg, until), QUIRE_TIMEDOUT);
    CHECK(clock_now() >= until);
    done(channel, tx, rx);
}

#define ROUNDS 20000u

static void answer(void *context)
{
    struct waiter *w = context;

    for (uint64_t i = 0; i < test_scale(ROUNDS); i++) {
        await_number(w->rx, 1, i, SIZE);
        CHECK_OK(quire_rx_release(w->rx));
        CHECK_OK(quire_tx_send(w->tx, &i, sizeof(i)));
    }
}

/* Trap: receive blocked for ever with the message in the log. Each round both sides are about to
 * sleep when the other one sends. */
static void no_wake_up_is_lost(void)
{
    quire_t *ask = cell_small(4), *reply = NULL;
    struct waiter w = {.rx = open_rx(ask, "g")};
    quire_tx_t *tx = open_tx(ask);

    CHECK_OK(quire_open(&reply, NULL, NULL));
    quire_rx_t *rx = open_rx(reply, "g");
    w.tx = open_tx(reply);
    thread_start(&w.thread, answer, &w);
    for (uint64_t i = 0; i < test_scale(ROUNDS); i++) {
        struct quire_msg msg;

        put(tx, 1, i, SIZE);
        CHECK_OK(receive(rx, &msg, deadline_far()));
        CHECK(msg.size == sizeof(i) && memcmp(msg.data, &i, sizeof(i)) == 0);
        CHECK_OK(quire_rx_release(rx));
    }
    thread_join(&w.thread);
    done(reply, w.tx, rx);
    done(ask, tx, w.rx);
}

/* --- deliveries ------------------------------------------------------------------------------ */

/* One scope for each delivery. Trap: dropping while unwinding acknowledged what had failed. */
static int handle(quire_rx_t *rx, uint64_t number, int fails)
{
    struct quire_msg msg = await_number(rx, 1, number, SIZE);
    QUIRE_AUTO_NACK struct quire_lease lease = {rx, msg.position};

    if (fails) {
        return -1;
    }
    return quire_lease_ack(&lease);
}

static void leaving_the_scope_acknowledges(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);

    put_range(tx, 0, 3);
    for (uint64_t i = 0; i < 3; i++) {
        struct quire_msg msg = await_number(rx, 1, i, SIZE);
        QUIRE_AUTO_ACK struct quire_lease lease = {rx, msg.position};

        CHECK_EQ(group_of(channel, "g").lag_messages, 3 - i);
        (void)lease;
    }
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    done(channel, tx, rx);
}

static void leaving_in_failure_returns_it(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 1);

    put_range(tx, 0, 2);
    CHECK_EQ(handle(rx, 0, 1), -1);
    CHECK_EQ(group_of(channel, "g").lag_messages, 2);
    CHECK_EQ(handle(rx, 0, 0), 0);
    CHECK_EQ(handle(rx, 1, 0), 0);
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    done(channel, tx, rx);
}

/* The handle goes, what it acknowledged stays so, what it had comes to the next. */
static void dropping_the_receiver_keeps_progress(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);

    put_range(tx, 0, 10);
    ack_range(rx, 0, 4);
    await_number(rx, 1, 4, SIZE);
    quire_rx_close(rx);
    if (cell.directory) {
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        channel = cell_reopen();
        tx = open_tx(channel);
    }
    rx = open_ack(channel, "g", 0);
    ack_range(rx, 4, 10);
    take_nothing(rx);
    done(channel, tx, rx);
}

/* --- restarts and crashes -------------------------------------------------------------------- */

static void restarts_move_on(void)
{
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint64_t position = 0;

    needs_directory();
    channel = cell_small(16);
    for (uint64_t life = 0; life < 12; life++) {
        tx = open_tx(channel);
        rx = open_ack(channel, "g", 0);
        put_range(tx, life * 10, life * 10 + 10);
        CHECK_EQ(group_of(channel, "g").lag_messages, 10 + 3 * life);
        CHECK(life == 0 || group_of(channel, "g").position >= position);
        ack_range(rx, life * 7, life * 7 + 7);
        position = group_of(channel, "g").position;
        done(channel, tx, rx);
        channel = cell_reopen();
    }
    CHECK_OK(quire_close(channel));
}

#define OF_THE_DEAD 40u

static void receive_and_acknowledge_none(void)
{
    quire_t *channel = cell_reopen();
    quire_rx_t *rx = open_ack(channel, "g", 0);

    for (uint64_t i = 0; i < OF_THE_DEAD; i++) {
        await_number(rx, 1, i, SIZE);
    }
}

/* Trap: acknowledgements out of order committed past one that was not acknowledged. */
static void acknowledge_all_but_some(void)
{
    quire_t *channel = cell_reopen();
    quire_rx_t *rx = open_ack(channel, "g", 0);
    uint64_t positions[OF_THE_DEAD];

    for (uint64_t i = 0; i < OF_THE_DEAD; i++) {
        positions[i] = await_number(rx, 1, i, SIZE).position;
    }
    for (uint64_t i = OF_THE_DEAD; i-- > 0;) {
        if (i % 10 != 3) {
            CHECK_OK(quire_rx_ack(rx, positions[i]));
        }
    }
}

static void send_and_die(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);

    put_range(tx, 0, OF_THE_DEAD);
}

static void a_crash_acknowledges_nothing(void)
{
    needs_directory();
    run_and_kill(send_and_die);
    run_and_kill(receive_and_acknowledge_none);
    quire_t *channel = reopen_when_free();
    quire_rx_t *rx = open_ack(channel, "g", 0);
    for (uint64_t i = 0; i < OF_THE_DEAD; i++) {
        struct quire_msg msg = await_number(rx, 1, i, SIZE);

        CHECK_EQ(quire_msg_attempt(&msg), 2);
        CHECK_OK(quire_rx_ack(rx, msg.position));
    }
    take_nothing(rx);
    done(channel, NULL, rx);
}

static void acks_out_of_order_pass_over_none(void)
{
    needs_directory();
    run_and_kill(send_and_die);
    run_and_kill(acknowledge_all_but_some);
    quire_t *channel = reopen_when_free();
    quire_rx_t *rx = open_ack(channel, "g", 0);
    for (uint64_t i = 3; i < OF_THE_DEAD; i += 10) {
        CHECK_OK(quire_rx_ack(rx, await_number(rx, 1, i, SIZE).position));
    }
    take_nothing(rx); /* and what was acknowledged does not come again: no window for a crash */
    done(channel, NULL, rx);
}

/* Dies in the middle of a message. */
static void send_half_a_message(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    void *data;

    put_range(tx, 0, OF_THE_DEAD);
    CHECK_OK(quire_tx_reserve(tx, SIZE, &data, QUIRE_FOREVER));
    memset(data, 0x55, SIZE / 2);
}

/* There the log is cut, or refused; here the open repairs and says what it did. */
static void half_a_message_is_void(void)
{
    needs_directory();
    run_and_kill(send_half_a_message);
    quire_t *channel = reopen_when_free();
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    CHECK_EQ(stat_of(channel).recoveries, 1);
    CHECK_EQ(stat_of(channel).messages, OF_THE_DEAD + 1);
    CHECK_EQ(stat_of(channel).voids, 1);
    put_range(tx, OF_THE_DEAD, OF_THE_DEAD + 5);
    for (uint64_t i = 0; i < OF_THE_DEAD + 5; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    done(channel, tx, rx);
}

static void damage_copy(unsigned copy)
{
    char path[TEMP_PATH_MAX];
    int fd = open(channel_file(path, "control"), O_WRONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, "damaged", 7, copy * 4096 + 40), 7);
    CHECK_EQ(close(fd), 0);
}

/* Each in turn: the first repair is complete before the second damage. */
static void one_damaged_header_copy(void)
{
    needs_directory();
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    put_range(tx, 0, 20);
    done(channel, tx, NULL);
    for (unsigned turn = 0; turn < 4; turn++) {
        damage_copy(turn % 2);
        channel = cell_reopen();
        quire_rx_t *rx = open_ack(channel, "g", 0);
        ack_range(rx, turn * 5, turn * 5 + 5);
        done(channel, NULL, rx);
    }
    damage_copy(0);
    damage_copy(1);
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[TEMP_PATH_MAX];
    CHECK_CODE(quire_open(&channel, cell_path(path), &options), QUIRE_EBADFILE);
}

static const struct test_case cases[] = {
    {"walchan: a receiver iterates until all senders are gone", iterates_until_disconnected, 0},
    {"walchan: try_recv says empty, then disconnected", empty_then_disconnected, 0},
    {"walchan: send fails when the receiver is gone", send_fails_when_the_receiver_is_gone, 0},
    {"walchan: a blocked receive is woken by a send", recv_is_woken_by_a_send, 0},
    {"walchan: a blocked receive is woken by the last sender's end",
     recv_is_woken_by_the_last_sender, 0},
    {"walchan: a timed receive times out", recv_times_out, 0},
    {"walchan trap: no wake-up is lost", no_wake_up_is_lost, 0},
    {"walchan: leaving a delivery's scope acknowledges it", leaving_the_scope_acknowledges, 0},
    {"walchan trap: leaving it in failure does not", leaving_in_failure_returns_it, 0},
    {"walchan: dropping the receiver keeps its progress", dropping_the_receiver_keeps_progress, 0},
    {"walchan: several restarts move the offset on", restarts_move_on, 0},
    {"walchan: a crash does not acknowledge", a_crash_acknowledges_nothing, 0},
    {"walchan trap: acks out of order pass over no message", acks_out_of_order_pass_over_none, 0},
    {"walchan: a partial record at the tail is void, the rest stays", half_a_message_is_void, 0},
    {"walchan: damage to one of two header copies is repaired", one_damaged_header_copy, 0},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
