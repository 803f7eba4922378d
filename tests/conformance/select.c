/* SPDX-License-Identifier: MIT */
/*
 * Sets of handles, one step at a time: who is reported, when, and who no more. Under load they are
 * tested in serve.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pages/io.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/process.h>
#include <unistd.h>

#define SIZE 24u
#define MANY 64u

static quire_set_t *new_set(void)
{
    quire_set_t *set = NULL;

    CHECK_OK(quire_set_new(&set));
    CHECK(set != NULL);
    CHECK(quire_set_fd(set) >= 0);
    return set;
}

/* As poll says of the set's descriptor. */
static int is_readable(quire_set_t *set)
{
    struct pollfd fd = {.fd = quire_set_fd(set), .events = POLLIN};
    int n = poll(&fd, 1, 0);

    CHECK(n >= 0);
    return n;
}

/* The one handle that is ready now, and what was added with it. */
static void only(quire_set_t *set, quire_rx_t *rx, void *user)
{
    struct quire_ready ready[MANY];

    CHECK(is_readable(set));
    CHECK_EQ(quire_set_wait(set, ready, MANY, 0), 1);
    CHECK(ready[0].rx == rx);
    CHECK(ready[0].user == user);
    CHECK(is_readable(set));
}

static void nobody(quire_set_t *set)
{
    struct quire_ready ready[MANY];

    CHECK_CODE(quire_set_wait(set, ready, MANY, 0), QUIRE_EAGAIN);
    CHECK(!is_readable(set));
}

/* A handle in the set that is known to have nothing. */
static quire_rx_t *quiet(quire_set_t *set, quire_t *channel, const char *group, void *user)
{
    quire_rx_t *rx = open_rx(channel, group);

    CHECK_OK(quire_set_add(set, rx, user));
    take_nothing(rx);
    return rx;
}

static void arguments(void)
{
    quire_t *channel = cell_small(4);
    quire_rx_t *rx = open_rx(channel, "g"), *out = open_rx(channel, "g");
    quire_set_t *set = new_set(), *other = new_set();
    struct quire_ready ready[2];

    CHECK_CODE(quire_set_new(NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_set_fd(NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_set_add(NULL, rx, NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_set_add(set, NULL, NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_set_remove(NULL, rx), QUIRE_EINVAL);
    CHECK_CODE(quire_set_remove(set, NULL), QUIRE_EINVAL);
    CHECK_CODE(quire_set_wait(NULL, ready, 2, 0), QUIRE_EINVAL);
    CHECK_CODE(quire_set_wait(set, NULL, 2, 0), QUIRE_EINVAL);
    CHECK_CODE(quire_set_wait(set, ready, 0, 0), QUIRE_EINVAL);
    quire_set_free(NULL);

    /* Nothing can come of an empty set, however long the wait. */
    CHECK_CODE(quire_set_wait(set, ready, 2, 0), QUIRE_ENOENT);
    CHECK_CODE(quire_set_wait(set, ready, 2, QUIRE_FOREVER), QUIRE_ENOENT);
    CHECK(!is_readable(set));

    CHECK_CODE(quire_set_remove(set, rx), QUIRE_ENOENT);
    CHECK_OK(quire_set_add(set, rx, NULL));
    CHECK_CODE(quire_set_add(set, rx, NULL), QUIRE_EEXIST);
    CHECK_CODE(quire_set_add(other, rx, NULL), QUIRE_EEXIST);
    CHECK_CODE(quire_set_remove(other, rx), QUIRE_ENOENT);
    CHECK_CODE(quire_set_remove(set, out), QUIRE_ENOENT);
    only(set, rx, NULL);
    CHECK_OK(quire_set_remove(set, rx));
    CHECK_CODE(quire_set_remove(set, rx), QUIRE_ENOENT);
    CHECK_CODE(quire_set_wait(set, ready, 2, QUIRE_FOREVER), QUIRE_ENOENT);
    CHECK_OK(quire_set_add(other, rx, rx));
    only(other, rx, rx);

    quire_set_free(set);
    quire_set_free(other);
    quire_rx_close(rx);
    quire_rx_close(out);
    CHECK_OK(quire_close(channel));
}

static void deadlines(void)
{
    quire_t *channel = cell_small(4);
    quire_set_t *set = new_set();
    quire_rx_t *rx = quiet(set, channel, "g", NULL);
    struct quire_ready ready[2];

    CHECK_CODE(quire_set_wait(set, ready, 2, 0), QUIRE_EAGAIN);
    CHECK_CODE(quire_set_wait(set, ready, 2, 1), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_set_wait(set, ready, 2, clock_now()), QUIRE_TIMEDOUT);
    for (int i = 0; i < 3; i++) {
        uint64_t deadline = deadline_soon();

        CHECK_CODE(quire_set_wait(set, ready, 2, deadline), QUIRE_TIMEDOUT);
        CHECK(clock_now() >= deadline);
    }
    /* Who is ready is reported whatever the deadline. */
    quire_tx_t *tx = open_tx(channel);
    put(tx, 1, 0, SIZE);
    CHECK_EQ(quire_set_wait(set, ready, 2, 1), 1);
    CHECK_EQ(quire_set_wait(set, ready, 2, QUIRE_FOREVER), 1);
    CHECK_EQ(quire_set_wait(set, ready, 2, deadline_far()), 1);
    quire_tx_close(tx);
    quire_rx_close(rx);
    quire_set_free(set);
    CHECK_OK(quire_close(channel));
}

static void until_it_has_nothing(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g"), *known = open_rx(channel, "g");
    quire_set_t *set = new_set();
    int user = 0;

    /* Nobody has looked yet; a handle that was looked at is known. */
    CHECK_OK(quire_set_add(set, rx, &user));
    only(set, rx, &user);
    take_nothing(rx);
    nobody(set);
    CHECK(quire_rx_fd(known) >= 0);
    take_nothing(known);
    CHECK_OK(quire_set_add(set, known, NULL));
    nobody(set);
    CHECK_OK(quire_set_remove(set, known));

    for (unsigned count = 1; count < 400; count = count * 3 + 1) {
        for (unsigned i = 0; i < count; i++) {
            put(tx, 1, i, 8);
        }
        for (unsigned i = 0; i < count; i++) {
            only(set, rx, &user);
            take_number(rx, 1, i, 8);
        }
        only(set, rx, &user);
        take_nothing(rx);
        nobody(set);
        CHECK_OK(quire_rx_release(rx));
    }
    quire_rx_close(known);
    quire_rx_close(rx);
    quire_tx_close(tx);
    quire_set_free(set);
    CHECK_OK(quire_close(channel));
}

enum { TURNS = 5 };

/* However few are asked for at once: who was reported is last in the next rounds. */
static void in_turn(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[TURNS];
    quire_set_t *set = new_set();
    struct quire_ready ready[MANY];
    uint64_t reported[TURNS] = {0};
    uint64_t total = 0;
    char name[] = "g0";

    put(tx, 1, 0, SIZE);
    for (unsigned i = 0; i < TURNS; i++) {
        name[1] = (char)('0' + i);
        rx[i] = open_rx(channel, name);
        CHECK_OK(quire_set_add(set, rx[i], &reported[i]));
    }
    for (size_t count = 1; count <= TURNS + 2; count++) {
        long expected = count < TURNS ? (long)count : TURNS;

        for (unsigned round = 0; round < 20; round++) {
            CHECK_EQ(quire_set_wait(set, ready, count, QUIRE_FOREVER), expected);
            for (long k = 0; k < expected; k++) {
                uint64_t *times = ready[k].user;

                CHECK(ready[k].rx == rx[times - reported]);
                CHECK_EQ((*times)++, total++ / TURNS);
            }
        }
    }
    quire_set_free(set);
    for (unsigned i = 0; i < TURNS; i++) {
        take_number(rx[i], 1, 0, SIZE);
        quire_rx_close(rx[i]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

enum { BUSY = 3 };

/* While some are never found empty, the epoll is asked when somebody was rung, and then at once. */
static void quiet_among_busy(void)
{
    quire_t *busy = cell_small(4), *channel = NULL;
    struct quire_options options = cell_options(SMALL_PAGE, 4);
    quire_tx_t *tx = open_tx(busy), *rare;
    quire_rx_t *rx[BUSY], *patient;
    quire_set_t *set = new_set();
    struct quire_ready ready;
    char name[] = "g0";

    options.durability = QUIRE_DURABLE_NONE;
    CHECK_OK(quire_open(&channel, NULL, &options));
    rare = open_tx(channel);
    put(tx, 1, 0, SIZE);
    for (unsigned i = 0; i < BUSY; i++) {
        name[1] = (char)('0' + i);
        rx[i] = open_rx(busy, name);
        CHECK_OK(quire_set_add(set, rx[i], NULL));
    }
    patient = quiet(set, channel, "g", set);
    for (uint64_t turn = 0; turn < 50; turn++) {
        unsigned rounds = 0;

        /* Enough for the turn of each: the quiet one is found asleep. */
        for (unsigned i = 0; i < BUSY + 1; i++) {
            CHECK_EQ(quire_set_wait(set, &ready, 1, QUIRE_FOREVER), 1);
            CHECK(ready.rx != patient);
        }
        qr_io_fault(0, 0, 0);
        for (unsigned i = 0; i < 1000; i++) {
            CHECK_EQ(quire_set_wait(set, &ready, 1, QUIRE_FOREVER), 1);
            CHECK(ready.rx != patient);
        }
        CHECK_EQ(qr_io_count_kind(QR_IO_EPOLL_WAIT), 0);
        put(rare, 2, turn, SIZE);
        do {
            CHECK(rounds++ <= BUSY);
            CHECK_EQ(quire_set_wait(set, &ready, 1, QUIRE_FOREVER), 1);
        } while (ready.rx != patient);
        CHECK_EQ(qr_io_count_kind(QR_IO_EPOLL_WAIT), 1);
        take_number(patient, 2, turn, SIZE);
        take_nothing(patient);
    }
    quire_set_free(set);
    for (unsigned i = 0; i < BUSY; i++) {
        quire_rx_close(rx[i]);
    }
    quire_rx_close(patient);
    quire_tx_close(tx);
    quire_tx_close(rare);
    CHECK_OK(quire_close(busy));
    CHECK_OK(quire_close(channel));
}

/* Reported, rung but not reported yet, asleep: who is taken out or closed is not heard of again. */
static void taken_out(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_set_t *set = new_set();
    quire_rx_t *stays = quiet(set, channel, "stays", tx);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_ready ready[4];

    for (unsigned i = 0; i < 12; i++) {
        unsigned how = i % 3, closed = i / 3 % 2;

        CHECK_OK(quire_set_add(set, rx, NULL));
        take_nothing(rx);
        nobody(set);
        if (how != 0) {
            put(tx, 1, i, SIZE);
        }
        if (how == 2) {
            CHECK_EQ(quire_set_wait(set, ready, 4, 0), 2);
        }
        if (closed) {
            quire_rx_close(rx);
        } else {
            CHECK_OK(quire_set_remove(set, rx));
        }
        if (how != 0) {
            only(set, stays, tx);
            take_number(stays, 1, i, SIZE);
        }
        take_nothing(stays);
        nobody(set);
        if (closed) {
            rx = open_rx(channel, "g");
        }
        if (how != 0) {
            take_number(rx, 1, i, SIZE);
        }
        take_nothing(rx);
        /* A descriptor goes on without the set. */
        put(tx, 1, 100 + i, SIZE);
        only(set, stays, tx);
        take_number(stays, 1, 100 + i, SIZE);
        take_nothing(stays);
        nobody(set);
        take_number(rx, 1, 100 + i, SIZE);
        take_nothing(rx);
    }
    /* A set that goes leaves its handles, which are rung without it. */
    CHECK_OK(quire_set_add(set, rx, NULL));
    take_nothing(rx);
    quire_set_free(set);
    put(tx, 1, 0, SIZE);
    take_number(rx, 1, 0, SIZE);
    take_number(stays, 1, 0, SIZE);
    set = new_set();
    CHECK_OK(quire_set_add(set, rx, rx));
    put(tx, 1, 0, SIZE);
    only(set, rx, rx);
    take_number(rx, 1, 0, SIZE);
    take_number(stays, 1, 0, SIZE);
    quire_set_free(set);
    quire_rx_close(rx);
    quire_rx_close(stays);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The end of one channel is reported until the handle is taken out; others go on. */
static void closed_channel(void)
{
    quire_t *channel = cell_small(4), *other = NULL;
    struct quire_options options = cell_options(SMALL_PAGE, 4);
    quire_set_t *set = new_set();
    struct quire_msg msg;

    options.durability = QUIRE_DURABLE_NONE;
    CHECK_OK(quire_open(&other, NULL, &options));
    quire_tx_t *tx = open_tx(other);
    quire_rx_t *rx = quiet(set, channel, "g", NULL), *goes_on = quiet(set, other, "g", tx);
    nobody(set);
    CHECK_OK(quire_close(channel));
    for (int i = 0; i < 3; i++) {
        only(set, rx, NULL);
        CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_CLOSED);
    }
    CHECK_OK(quire_set_remove(set, rx));
    CHECK_OK(quire_set_add(set, rx, rx)); /* that it is closed already does not matter */
    only(set, rx, rx);
    quire_rx_close(rx);
    nobody(set);
    put(tx, 1, 1, SIZE);
    only(set, goes_on, tx);
    take_number(goes_on, 1, 1, SIZE);
    quire_rx_close(goes_on);
    quire_tx_close(tx);
    quire_set_free(set);
    CHECK_OK(quire_close(other));
}

static void ignore_signal(int number)
{
    (void)number;
}

/* Signals end neither a wait nor its deadline. */
static void signals(void)
{
    quire_t *channel = cell_small(4);
    quire_set_t *set = new_set();
    quire_rx_t *rx = quiet(set, channel, "g", NULL);
    struct sigaction action = {.sa_handler = ignore_signal};
    struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    struct quire_ready ready;
    uint64_t deadline = deadline_soon();

    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    CHECK_CODE(quire_set_wait(set, &ready, 1, deadline), QUIRE_TIMEDOUT);
    CHECK(clock_now() >= deadline);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    quire_rx_close(rx);
    quire_set_free(set);
    CHECK_OK(quire_close(channel));
}

/* A child shares the epoll with its parent and must not change it. */
static void forked(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_set_t *set = new_set();
    quire_rx_t *rx = quiet(set, channel, "g", NULL), *out = open_rx(channel, "g");
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        int right = quire_set_add(set, out, NULL) == QUIRE_EFORKED &&
                    quire_set_remove(set, rx) == QUIRE_EFORKED;

        quire_set_free(set);
        quire_rx_close(rx);
        _exit(right ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    nobody(set);
    put(tx, 1, 1, SIZE);
    only(set, rx, NULL);
    take_number(rx, 1, 1, SIZE);
    quire_set_free(set);
    quire_rx_close(rx);
    quire_rx_close(out);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void new_fails(enum qr_io_call kind, uint64_t nth, int error)
{
    quire_set_t *set = (quire_set_t *)&set;

    qr_io_fault_kind(kind, nth, error, 0);
    CHECK_CODE(quire_set_new(&set), -error);
    CHECK(qr_io_fault_hit());
    qr_io_fault(0, 0, 0);
    CHECK(set == NULL);
}

/* The handle is as it was: not in the set, and with no descriptor that it had not. */
static void add_fails(quire_set_t *set, quire_rx_t *rx, enum qr_io_call kind, uint64_t nth)
{
    int files = process_files();

    qr_io_fault_kind(kind, nth, ENOMEM, 0);
    CHECK_CODE(quire_set_add(set, rx, NULL), -ENOMEM);
    CHECK(qr_io_fault_hit());
    qr_io_fault(0, 0, 0);
    CHECK_EQ(process_files(), files);
    CHECK_CODE(quire_set_remove(set, rx), QUIRE_ENOENT);
}

enum { ROOM = 16 }; /* a set makes room for as many handles at first */

/* Asleep, and with one ready while the others are rung; rx has ROOM + 1 handles that sleep. */
static void waits_fail(quire_set_t *set, quire_rx_t *const *rx, quire_tx_t *tx)
{
    struct quire_ready ready[ROOM];

    qr_io_fault_kind(QR_IO_EPOLL_WAIT, 1, EIO, 0);
    CHECK_CODE(quire_set_wait(set, ready, ROOM, QUIRE_FOREVER), -EIO);
    qr_io_fault(0, 0, 0);
    nobody(set);
    put(tx, 1, 0, SIZE);
    CHECK_EQ(quire_set_wait(set, ready, ROOM, QUIRE_FOREVER), ROOM);
    for (unsigned i = 0; i <= ROOM; i++) {
        take_number(rx[i], 1, 0, SIZE);
        if (i < ROOM) {
            take_nothing(rx[i]);
        }
    }
    only(set, rx[ROOM], NULL);
    put(tx, 1, 1, SIZE);
    qr_io_fault_kind(QR_IO_EPOLL_WAIT, 1, EIO, 0);
    CHECK_CODE(quire_set_wait(set, ready, ROOM, QUIRE_FOREVER), -EIO);
    qr_io_fault_kind(QR_IO_EPOLL_WAIT, 1, EINTR, 0);
    CHECK_EQ(quire_set_wait(set, ready, ROOM, QUIRE_FOREVER), 1);
    CHECK(ready[0].rx == rx[ROOM]);
    CHECK_EQ(quire_set_wait(set, ready, ROOM, QUIRE_FOREVER), ROOM);
    CHECK_EQ(qr_io_count_kind(QR_IO_EPOLL_WAIT), 2);
    qr_io_fault(0, 0, 0);
    for (unsigned i = 0; i <= ROOM; i++) {
        take_number(rx[i], 1, 1, SIZE);
        take_nothing(rx[i]);
    }
    nobody(set);
}

/* A removal may be tried again; a handle that is closed is gone in any case. */
static void removals_fail(quire_set_t *set, quire_rx_t *removed, quire_rx_t *closed)
{
    qr_io_fault_kind(QR_IO_EPOLL_REMOVE, 1, EIO, 0);
    CHECK_CODE(quire_set_remove(set, removed), -EIO);
    qr_io_fault(0, 0, 0);
    CHECK_CODE(quire_set_add(set, removed, NULL), QUIRE_EEXIST);
    CHECK_OK(quire_set_remove(set, removed));
    qr_io_fault_kind(QR_IO_EPOLL_REMOVE, 1, EIO, 0);
    quire_rx_close(closed);
    CHECK(qr_io_fault_hit());
    qr_io_fault(0, 0, 0);
    nobody(set);
}

/* Each call of the system fails once: the code is handed on, nothing has changed, and the same
 * call made again succeeds. */
static void calls_fail(void)
{
    quire_t *channel = cell_still(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[ROOM + 1];
    char name[8];

    new_fails(QR_IO_MALLOC, 1, ENOMEM);
    new_fails(QR_IO_MALLOC, 2, ENOMEM);
    new_fails(QR_IO_EPOLL, 1, EMFILE);
    quire_set_t *set = new_set();
    for (unsigned i = 0; i <= ROOM; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        rx[i] = open_rx(channel, name);
        add_fails(set, rx[i], QR_IO_EVENTFD, 1);
        add_fails(set, rx[i], QR_IO_MALLOC, 1);
        if (i == ROOM) { /* the first is for more room */
            add_fails(set, rx[i], QR_IO_MALLOC, 2);
        }
        add_fails(set, rx[i], QR_IO_EPOLL_ADD, 1);
        if (i % 2) {
            CHECK(quire_rx_fd(rx[i]) >= 0);
            add_fails(set, rx[i], QR_IO_EPOLL_ADD, 1);
        }
        CHECK_OK(quire_set_add(set, rx[i], NULL));
        take_nothing(rx[i]);
    }
    waits_fail(set, rx, tx);
    removals_fail(set, rx[0], rx[1]);
    put(tx, 1, 2, SIZE);
    quire_set_free(set);
    for (unsigned i = 0; i <= ROOM; i++) {
        if (i != 1) {
            take_number(rx[i], 1, 2, SIZE);
            quire_rx_close(rx[i]);
        }
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"select: arguments", arguments, 0},
    {"select: deadlines", deadlines, 0},
    {"select: a handle is ready until it has nothing", until_it_has_nothing, 0},
    {"select: all have their turn", in_turn, 0},
    {"select: a quiet handle among busy ones", quiet_among_busy, 0},
    {"select: handles are taken out and closed", taken_out, 0},
    {"select: a channel is closed", closed_channel, 0},
    {"select: signals", signals, 0},
    {"select: a child process", forked, 0},
    {"select: system calls that fail", calls_fail, 0},
};
const struct test_table select_table = TEST_TABLE(cases);
