/* SPDX-License-Identifier: MIT */
/*
 * Channels with a bound: who waits for room is woken when there is some, and a channel that is
 * opened again counts what is left, however it was left.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <tests/conformance/bound.h>
#include <tests/conformance/cases.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>
#include <unistd.h>

#define SIZE BOUND_SIZE

/* --- waiting -------------------------------------------------------------------------------- */

struct sender {
    quire_t *channel;
    int batch;
    int wanted; /* code */
};

static void send_one(void *context)
{
    const struct sender *s = context;
    quire_tx_t *tx = open_tx(s->channel);
    struct quire_vec vec = {"x", 1};

    if (s->batch) {
        long n = quire_tx_send_batch(tx, &vec, 1, deadline_far());
        CHECK_CODE(n == 1 ? 0 : n, s->wanted);
    } else {
        CHECK_CODE(quire_tx_send_until(tx, "x", 1, deadline_far()), s->wanted);
    }
    quire_tx_close(tx);
}

enum waker { BY_RECEIVE, BY_COPY, BY_ACK, BY_DISCARD, BY_VOID, BY_DELETE, BY_SEEK, BY_CLOSE };

static void free_one(quire_t *channel, quire_rx_t *rx, enum waker waker)
{
    struct quire_where newest = {QUIRE_NEWEST, 0, 0};
    struct quire_msg msg;
    char byte[SIZE];
    size_t size;

    switch (waker) {
    case BY_RECEIVE:
        (void)take(rx);
        break;
    case BY_COPY:
        CHECK_OK(quire_rx_recv_copy(rx, byte, sizeof(byte), &size, 0));
        break;
    case BY_ACK:
        CHECK_EQ(quire_rx_ack_first(rx, 1), 1);
        break;
    case BY_DISCARD:
        CHECK_OK(quire_group_discard(channel, "g", 0));
        break;
    case BY_VOID: {
        int rc = quire_rx_try_recv(rx, &msg);
        CHECK(rc == QUIRE_EAGAIN || rc == 0); /* the sender may have been as fast */
        break;
    }
    case BY_DELETE:
        CHECK_OK(quire_group_delete(channel, "g"));
        break;
    case BY_SEEK:
        CHECK_OK(quire_group_seek(channel, "g", &newest));
        break;
    case BY_CLOSE:
        break; /* of the channel, by the caller */
    }
}

static void a_sender_is_woken(void)
{
    for (enum waker waker = BY_RECEIVE; waker <= BY_CLOSE; waker++) {
        quire_t *channel = bounded(1);
        quire_tx_t *tx = open_tx(channel);
        int acks = waker == BY_ACK || waker == BY_DISCARD;
        quire_rx_t *rx = bound_join(channel, "g", acks ? QUIRE_GROUP_ACK : QUIRE_GROUP_AUTO,
                                    QUIRE_HOLD_DEFAULT, waker == BY_DISCARD ? 1 : 0);
        quire_rx_t *other = bound_join(channel, "other", QUIRE_GROUP_AUTO, QUIRE_HOLD_LOSSY, 0);
        struct sender sender = {channel, waker % 2 != 0, waker == BY_CLOSE ? QUIRE_CLOSED : 0};
        struct thread thread;
        struct quire_msg msg;
        void *room;

        CHECK_OK(quire_tx_reserve(tx, 1, &room, 0));
        CHECK_OK(waker == BY_VOID ? quire_tx_abort(tx) : quire_tx_commit(tx, 1));
        if (acks) {
            CHECK_OK(quire_rx_try_recv(rx, &msg));
        }
        if (waker == BY_DISCARD) {
            CHECK_OK(quire_rx_nack(rx, msg.position));
        }
        if (waker == BY_DELETE || waker == BY_SEEK) {
            quire_rx_close(rx);
            rx = NULL;
        }
        CHECK_CODE(quire_tx_send_until(tx, "x", 1, deadline_soon()), QUIRE_TIMEDOUT);
        thread_start(&thread, send_one, &sender);
        thread_settle(&thread);
        CHECK(!thread_done(&thread));
        free_one(channel, rx, waker);
        if (waker == BY_CLOSE) {
            CHECK_OK(quire_close(channel));
        }
        thread_join(&thread);
        quire_rx_close(rx);
        quire_rx_close(other);
        quire_tx_close(tx);
        if (waker != BY_CLOSE) {
            CHECK_OK(quire_close(channel));
        }
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

struct peer {
    quire_t *channel;
    uint64_t n;
    uint32_t mode;
};

static void receive_all(void *context)
{
    const struct peer *p = context;
    quire_rx_t *rx = bound_join(p->channel, "g", p->mode, QUIRE_HOLD_DEFAULT, 0);
    struct quire_msg msg;

    for (uint64_t i = 0; i < p->n;) {
        int rc = quire_rx_recv_until(rx, &msg, deadline_far());
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(rc);
        is_number(&msg, 1, i, SIZE);
        if (p->mode == QUIRE_GROUP_ACK) {
            CHECK_OK(quire_rx_ack(rx, msg.position));
        }
        i++;
    }
    quire_rx_close(rx);
}

/* N = 1: each message waits for the one before. Nobody sleeps for ever (I7). */
static void ping_pong(void)
{
    for (uint32_t mode = QUIRE_GROUP_AUTO; mode <= QUIRE_GROUP_ACK; mode++) {
        quire_t *channel = bounded(1);
        quire_tx_t *tx = open_tx(channel);
        struct peer peer = {channel, test_scale(2000), mode};
        struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
        struct thread thread;
        unsigned char data[SIZE];

        as.mode = mode;
        CHECK_OK(quire_group_create(channel, "g", NULL, &as));
        thread_start(&thread, receive_all, &peer);
        for (uint64_t i = 0; i < peer.n; i++) {
            content_fill(data, sizeof(data), 1, i);
            CHECK_OK(quire_tx_send_until(tx, data, sizeof(data), deadline_far()));
        }
        thread_join(&thread);
        HAS_ROOM(tx, 1);
        quire_tx_close(tx);
        bound_close(channel);
    }
}

/* --- opened again --------------------------------------------------------------------------- */

/* Leaves 12 sent: "auto" has received 5 of them, and a member 7 more claimed; "ack" has 3
 * acknowledged, one is a dead letter, one leased for the last time. So 9 are left to it. */
static void leave_some(quire_t *channel, quire_tx_t *tx, quire_rx_t **rx_auto, quire_rx_t **rx_ack)
{
    struct quire_msg msg;

    *rx_auto = open_rx(channel, "auto");
    *rx_ack = bound_join(channel, "ack", QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 2);
    for (int i = 0; i < 12; i++) {
        put(tx, 1, 0, SIZE);
    }
    for (int i = 0; i < 5; i++) {
        (void)take(*rx_auto);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_OK(quire_rx_try_recv(*rx_ack, &msg));
        CHECK_OK(quire_rx_ack(*rx_ack, msg.position));
    }
    for (int i = 0; i < 3; i++) { /* one twice, another once */
        CHECK_OK(quire_rx_try_recv(*rx_ack, &msg));
        CHECK_OK(quire_rx_nack(*rx_ack, msg.position));
    }
    CHECK_OK(quire_rx_try_recv(*rx_ack, &msg));
}

/* The bound is 20; left to "ack" are so many, two dead letters and voids among them; "auto" has
 * fewer. */
static void is_bounded_still(quire_t *channel, uint64_t left)
{
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = bound_join(channel, "ack", QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 0);
    uint64_t dead[20];
    struct quire_msg msg;

    HAS_ROOM(tx, 20 - left);
    while (quire_rx_try_recv(rx, &msg) == 0) {
        CHECK_OK(quire_rx_ack(rx, msg.position));
    }
    quire_rx_close(rx);
    rx = open_rx(channel, "auto");
    while (quire_rx_try_recv(rx, &msg) != QUIRE_EAGAIN) {
        (void)quire_rx_next_page(rx);
    }
    CHECK_EQ(quire_group_dead(channel, "ack", 0, dead, 20), 2);
    HAS_ROOM(tx, 18);
    for (int i = 0; i < 18; i++) {
        (void)take(rx);
    }
    CHECK_OK(quire_group_discard(channel, "ack", dead[0]));
    HAS_ROOM(tx, 1);
    CHECK_OK(quire_group_discard(channel, "ack", dead[1]));
    HAS_ROOM(tx, 1);
    HAS_ROOM(tx, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
}

static void reopened(void)
{
    quire_t *channel = bounded(20);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx_auto, *rx_ack;
    struct quire_options options;

    leave_some(channel, tx, &rx_auto, &rx_ack);
    quire_rx_close(rx_auto);
    quire_rx_close(rx_ack);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    options = bound_options(3); /* counts at creation only */
    options.flags = 0;
    channel = cell_open(&options);
    is_bounded_still(channel, 9);
    CHECK_OK(quire_close(channel));
}

/* Nobody counts at the end; one message was never published. */
static void killed(void)
{
    pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (child == 0) {
        quire_t *channel = bounded(20);
        quire_tx_t *tx = open_tx(channel);
        quire_rx_t *rx_auto, *rx_ack;
        void *room;

        leave_some(channel, tx, &rx_auto, &rx_ack);
        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        (void)kill(getpid(), SIGKILL);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    quire_t *channel = cell_reopen();
    is_bounded_still(channel, 10); /* the void has not been stepped over */
    CHECK_OK(quire_close(channel));
}

/* Of a run that was claimed and not received, a void counts as it did before. */
static void reopened_with_voids(void)
{
    quire_t *channel = bounded(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx;
    struct quire_msg msg;
    void *room;

    put(tx, 1, 0, SIZE);
    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    CHECK_OK(quire_tx_abort(tx));
    HAS_ROOM(tx, 2);
    rx = bound_join(channel, "g", QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 0);
    CHECK_OK(quire_rx_try_recv(rx, &msg));
    CHECK_OK(quire_rx_ack(rx, msg.position));
    CHECK_EQ(claimed_of(channel, "g"), 3);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    tx = open_tx(channel);
    HAS_ROOM(tx, 1);
    rx = bound_join(channel, "g", QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK_OK(quire_rx_ack(rx, msg.position));
    }
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
    HAS_ROOM(tx, 4);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What a member of an auto group had claimed and not received is left, too. */
static void reopened_with_a_run(void)
{
    quire_t *channel = bounded(10);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    HAS_ROOM(tx, 10);
    for (int i = 0; i < 3; i++) {
        (void)take(rx);
    }
    CHECK_EQ(claimed_of(channel, "g"), 7);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    tx = open_tx(channel);
    HAS_ROOM(tx, 3);
    rx = open_rx(channel, "g");
    for (int i = 0; i < 10; i++) {
        (void)take(rx);
    }
    HAS_ROOM(tx, 10);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Without any group, the same. */
static void reopened_unread(void)
{
    quire_t *channel = bounded(300);
    quire_tx_t *tx = open_tx(channel);

    for (int i = 0; i < 250; i++) { /* more than a page */
        put(tx, 1, 0, SIZE);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    tx = open_tx(channel);
    HAS_ROOM(tx, 50);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"bound: a sender is woken", a_sender_is_woken, 0},
    {"bound: ping-pong", ping_pong, 0},
};
const struct test_table bound_wait_table = TEST_TABLE(cases);

static const struct test_case reopen_cases[] = {
    {"bound: opened again", reopened, 0},
    {"bound: killed", killed, 0},
    {"bound: opened again with voids", reopened_with_voids, 0},
    {"bound: opened again with a run", reopened_with_a_run, 0},
    {"bound: opened again unread", reopened_unread, 0},
};
const struct test_table bound_reopen_table = TEST_TABLE(reopen_cases);
