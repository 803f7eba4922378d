/* SPDX-License-Identifier: MIT */
/*
 * Leases: how long they last, what comes back later, what a scope ends; and groups from which
 * pages may be taken (librdkafka#521: an overtaken consumer is told, with the count).
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/thread.h>
#include <time.h>
#include <unistd.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */
#define MS   1000000ull

static quire_rx_t *open_as(quire_t *channel, const char *group,
                           const struct quire_group_options *as)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;

    options.group = as;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    return rx;
}

static quire_rx_t *open_ack(quire_t *channel, const char *group, uint64_t lease_ns)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;

    as.mode = QUIRE_GROUP_ACK;
    as.lease_ns = lease_ns;
    return open_as(channel, group, &as);
}

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static struct quire_msg take_attempt(quire_rx_t *rx, uint64_t number, uint32_t attempt)
{
    struct quire_msg msg;
    int rc;

    while ((rc = quire_rx_recv_until(rx, &msg, deadline_far())) == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
    }
    CHECK_OK(rc);
    is_number(&msg, 1, number, SIZE);
    CHECK_EQ(quire_msg_attempt(&msg), attempt);
    return msg;
}

/* Never before its time, and others go first. A waiting member wakes for it. */
static void returned_for_later(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    struct quire_msg msg;
    uint64_t before;

    for (uint64_t i = 0; i < 4; i++) {
        put(tx, 1, i, SIZE);
    }
    msg = take_attempt(rx, 0, 1);
    before = clock_ns();
    CHECK_OK(quire_rx_nack_later(rx, msg.position, 80 * MS));
    CHECK_CODE(quire_rx_nack_later(rx, msg.position, 80 * MS), QUIRE_ENOLEASE);
    CHECK_EQ(group_of(channel, "g").returned, 1);
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 1, 1).position));
    msg = take_attempt(rx, 2, 1);
    CHECK_OK(quire_rx_nack(rx, msg.position)); /* of two, the one that is due */
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 2, 2).position));
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 3, 1).position));
    msg = take_attempt(rx, 0, 2);
    CHECK(clock_ns() - before >= 80 * MS);
    CHECK_OK(quire_rx_ack(rx, msg.position));
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* One that is far away does not keep a member from sleeping, nor another one from coming. */
static void far_away(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    struct quire_msg msg;

    put(tx, 1, 0, SIZE);
    CHECK_OK(quire_rx_nack_later(rx, take_attempt(rx, 0, 1).position, UINT64_MAX));
    CHECK_CODE(quire_rx_recv_until(rx, &msg, deadline_soon()), QUIRE_TIMEDOUT);
    put(tx, 1, 1, SIZE);
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 1, 1).position));
    CHECK_OK(quire_rx_ack(rx, QUIRE_POSITION(0, 0))); /* it may be settled without being given */
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void a_lease_ends(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *slow = open_ack(channel, "g", 60 * MS);
    quire_rx_t *rx = open_ack(channel, "g", 60 * MS);
    struct quire_msg msg, same;
    uint64_t before;

    put(tx, 1, 0, SIZE);
    put(tx, 1, 1, SIZE);
    before = clock_ns();
    msg = take_attempt(slow, 0, 1);
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 1, 1).position)); /* nothing was claimed ahead */
    same = take_attempt(rx, 0, 2); /* sleeps until the lease has ended */
    CHECK(clock_ns() - before >= 60 * MS);
    CHECK_EQ(same.position, msg.position);
    is_number(&msg, 1, 0, SIZE);                                  /* what was borrowed stays */
    CHECK_CODE(quire_rx_ack(slow, msg.position), QUIRE_ENOLEASE); /* late: another one has it */
    CHECK_CODE(quire_rx_nack(slow, msg.position), QUIRE_ENOLEASE);
    CHECK_OK(quire_rx_ack(rx, msg.position));
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_rx_close(slow);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void a_lease_is_extended(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_ack(channel, "g", 40 * MS);
    quire_rx_t *two = open_ack(channel, "g", 40 * MS);
    quire_rx_t *other = open_ack(channel, "h", 0);
    struct quire_msg msg;
    uint64_t before;

    put(tx, 1, 0, SIZE);
    msg = take_attempt(one, 0, 1);
    CHECK_OK(quire_rx_extend(one, msg.position, 3600000 * MS));
    CHECK_CODE(quire_rx_recv_until(two, &msg, deadline_soon() + 100 * MS), QUIRE_TIMEDOUT);
    before = clock_ns();
    CHECK_OK(quire_rx_extend(one, msg.position, 50 * MS)); /* shorter is possible, too */
    msg = take_attempt(two, 0, 2);
    CHECK(clock_ns() - before >= 50 * MS);
    CHECK_OK(quire_rx_ack(two, msg.position));
    CHECK_CODE(quire_rx_extend(two, msg.position, MS), QUIRE_ENOLEASE);
    CHECK_CODE(quire_rx_extend(two, QUIRE_POSITION(9, 0), MS), QUIRE_ENOLEASE);
    CHECK_CODE(quire_rx_extend(other, take_attempt(other, 0, 1).position, MS), QUIRE_EINVAL);
    quire_rx_close(one);
    quire_rx_close(two);
    quire_rx_close(other);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* filechannel's form: the oldest n. Those that were returned and given again count in their place.
 */
static void the_first_n(void)
{
    quire_t *channel = cell_small(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_ack(channel, "g", 0), *two = open_ack(channel, "g", 0);
    struct quire_msg msgs[4 * ROOM];

    CHECK_EQ(quire_rx_ack_first(one, 5), 0);
    for (uint64_t i = 0; i < 4 * ROOM; i++) {
        put(tx, 1, i, SIZE);
    }
    for (uint64_t i = 0; i < 4 * ROOM; i++) {
        msgs[i] = take_attempt(one, i, 1);
    }
    CHECK_EQ(quire_rx_ack_first(two, 5), 0); /* it has none */
    CHECK_EQ(quire_rx_ack_first(one, 5), 5);
    CHECK_CODE(quire_rx_ack(one, msgs[4].position), QUIRE_ENOLEASE);
    CHECK_OK(quire_rx_ack(one, msgs[5].position));
    CHECK_EQ(quire_rx_ack_first(one, 0), 0);
    CHECK_EQ(quire_rx_ack_first(one, 2 * ROOM), 2 * ROOM);
    CHECK_OK(quire_rx_ack(one, msgs[6 + 2 * ROOM].position)); /* the oldest that is left */
    CHECK_OK(quire_rx_nack(one, msgs[7 + 2 * ROOM].position));
    take_attempt(two, 7 + 2 * ROOM, 2);
    CHECK_EQ(quire_rx_ack_first(one, 100), 2 * ROOM - 8);
    CHECK_EQ(quire_rx_ack_first(two, 100), 1);
    for (uint64_t i = 4 * ROOM; i < 5 * ROOM; i++) { /* one by one, in a page it has looked at */
        put(tx, 1, i, SIZE);
        take_attempt(one, i, 1);
        CHECK_EQ(quire_rx_ack_first(one, 100), 1);
        CHECK_EQ(quire_rx_ack_first(one, 100), 0);
    }
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_rx_close(one);
    quire_rx_close(two);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static int work(quire_rx_t *rx, uint64_t number, uint32_t attempt, int fails)
{
    QUIRE_AUTO_NACK struct quire_lease lease = {rx, take_attempt(rx, number, attempt).position};

    return fails ? -1 : quire_lease_ack(&lease);
}

/* walchan's form: a delivery that is dropped acknowledges; and the form for work that may fail. */
static void a_scope_ends_the_lease(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);

    for (uint64_t i = 0; i < 4; i++) {
        put(tx, 1, i, SIZE);
    }
    {
        QUIRE_AUTO_ACK struct quire_lease lease = {rx, take_attempt(rx, 0, 1).position};
        CHECK_EQ(group_of(channel, "g").lag_messages, 4);
        CHECK(lease.rx == rx);
    }
    CHECK_EQ(group_of(channel, "g").lag_messages, 3);
    CHECK_EQ(work(rx, 1, 1, 1), -1);
    CHECK_EQ(work(rx, 1, 2, 0), 0);
    CHECK_EQ(group_of(channel, "g").lag_messages, 2);
    {
        QUIRE_AUTO_ACK struct quire_lease kept = {rx, take_attempt(rx, 2, 1).position};
        QUIRE_AUTO_ACK struct quire_lease back = {rx, take_attempt(rx, 3, 1).position};
        quire_lease_keep(&kept);
        CHECK_OK(quire_lease_nack(&back));
        CHECK_CODE(quire_lease_nack(&back), QUIRE_ENOLEASE);
    }
    CHECK_EQ(group_of(channel, "g").returned, 1);
    CHECK_EQ(group_of(channel, "g").lag_messages, 2);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Counts what a group gets and loses of the messages from first on, until it has them all. */
static uint64_t receive_all(quire_rx_t *rx, uint64_t to, uint64_t *lost)
{
    struct quire_msg msg;
    uint64_t got = 0;

    for (;;) {
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else if (rc == QUIRE_LAPPED) {
            *lost += quire_rx_lost(rx).count;
        } else {
            CHECK_OK(rc);
            got++;
            if (msg.position == to) {
                return got;
            }
        }
    }
}

/* A full channel takes the oldest page from the lossy groups alone. */
static void lossy_beside_required(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    quire_rx_t *required = open_rx(channel, "required"), *lossy, *leased;
    uint64_t n, lost = 0, leases_lost = 0, got = 0;

    as.hold = QUIRE_HOLD_LOSSY;
    lossy = open_as(channel, "lossy", &as);
    as.mode = QUIRE_GROUP_ACK;
    leased = open_as(channel, "leased", &as);
    n = fill(tx, 1, 0, SIZE);
    CHECK_EQ(n, 4 * ROOM);
    for (uint64_t i = 0; i < ROOM; i++) { /* a run in hand would keep its frame */
        take_number(leased, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_ack(leased, QUIRE_POSITION(0, 1)));
    /* The required group is done with two pages; so the others lose them. */
    for (uint64_t i = 0; i < 2 * ROOM; i++) {
        take_number(required, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_next_page(required));
    CHECK_OK(quire_rx_next_page(leased));
    CHECK_EQ(fill(tx, 1, n, SIZE), 2 * ROOM);
    n += 2 * ROOM;
    CHECK_CODE(quire_rx_ack(leased, QUIRE_POSITION(0, 0)), QUIRE_ENOLEASE);
    got = receive_all(lossy, QUIRE_POSITION(5, ROOM - 1), &lost);
    CHECK_EQ(lost, 2 * ROOM);
    CHECK_EQ(got + lost, n);
    got = receive_all(leased, QUIRE_POSITION(5, ROOM - 1), &leases_lost);
    CHECK_EQ(leases_lost, 2 * ROOM - 1); /* one of them was acknowledged */
    CHECK_EQ(got + leases_lost + 1, n);
    for (uint64_t i = 2 * ROOM; i < n; i++) {
        take_number(required, 1, i, SIZE);
    }
    CHECK_EQ(quire_rx_lost(required).count, 0);
    quire_rx_close(required);
    quire_rx_close(lossy);
    quire_rx_close(leased);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* DROP_OLDEST spares a group that says it must have all. */
static void required_in_drop_oldest(void)
{
    quire_t *channel = cell_policy(4, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    quire_rx_t *rx, *leased;
    uint64_t lost = 0;

    as.hold = QUIRE_HOLD_REQUIRED;
    rx = open_as(channel, "required", &as);
    as.hold = QUIRE_HOLD_DEFAULT;
    as.mode = QUIRE_GROUP_ACK;
    leased = open_as(channel, "leased", &as);
    CHECK_EQ(fill(tx, 1, 0, SIZE), 4 * ROOM);
    take_number(leased, 1, 0, SIZE);
    for (uint64_t i = 0; i < ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_next_page(rx));
    CHECK_OK(quire_rx_next_page(leased));
    CHECK_EQ(fill(tx, 1, 4 * ROOM, SIZE), ROOM);
    CHECK_EQ(receive_all(leased, QUIRE_POSITION(4, ROOM - 1), &lost), 4 * ROOM);
    CHECK_EQ(lost, ROOM);
    CHECK_EQ(group_of(channel, "leased").lost, ROOM);
    CHECK_EQ(group_of(channel, "required").lost, 0);
    quire_rx_close(rx);
    quire_rx_close(leased);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A consumer in an event loop is told, too. */
static void told_by_the_descriptor(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *later = open_ack(channel, "later", 0), *timed = open_ack(channel, "timed", 60 * MS);
    quire_rx_t *held = open_ack(channel, "timed", 60 * MS);
    struct quire_msg msg;

    put(tx, 1, 0, SIZE);
    CHECK_OK(quire_rx_nack_later(later, take_attempt(later, 0, 1).position, 50 * MS));
    take_attempt(held, 0, 1);
    for (int i = 0; i < 2; i++) {
        quire_rx_t *rx = i == 0 ? later : timed;
        struct pollfd p[2] = {{.fd = quire_rx_fd(rx), .events = POLLIN},
                              {.fd = quire_fd(channel), .events = POLLIN}};
        int rc;

        CHECK(p[0].fd >= 0 && p[1].fd >= 0);
        while ((rc = quire_rx_try_recv(rx, &msg)) == QUIRE_EAGAIN) {
            CHECK(poll(p, 2, 20000) > 0); /* a loop: the keeper may be the caller */
            CHECK(p[1].revents == 0 || quire_dispatch(channel) >= 0);
        }
        CHECK_OK(rc);
        is_number(&msg, 1, 0, SIZE);
        CHECK_EQ(quire_msg_attempt(&msg), 2);
        CHECK_OK(quire_rx_ack(rx, msg.position));
    }
    quire_rx_close(held);
    quire_rx_close(later);
    quire_rx_close(timed);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Sends two messages, has one returned for an hour later and one leased for an hour, and is killed.
 */
static void leave_in_the_middle(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 3600000 * MS);
    struct quire_msg msg;

    put(tx, 1, 0, SIZE);
    put(tx, 1, 1, SIZE);
    CHECK_OK(quire_rx_nack_later(rx, take_attempt(rx, 0, 1).position, 3600000 * MS));
    take_attempt(rx, 1, 1);
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN); /* the group knows when to look again */
    kill(getpid(), SIGKILL);
}

/* What a killed process had comes again at once; what was returned for later, later. */
static void killed_in_the_middle(void)
{
    quire_t *channel;
    quire_rx_t *rx;
    struct quire_msg msg;
    int status;
    pid_t child;

    if (!cell.directory) {
        test_skip("a channel in memory is not reopened");
    }
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        leave_in_the_middle();
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    channel = cell_reopen();
    rx = open_rx(channel, "g");
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 1, 2).position));
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
    CHECK_EQ(group_of(channel, "g").returned, 1);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* What was returned may be settled by whoever knows that it is done, also in a later open. */
static void settled_after_a_reopen(void)
{
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    if (!cell.directory) {
        test_skip("a channel in memory is not reopened");
    }
    channel = cell_small(4);
    tx = open_tx(channel);
    rx = open_ack(channel, "g", 0);
    for (uint64_t i = 0; i < 3; i++) {
        put(tx, 1, i, SIZE);
        take_attempt(rx, i, 1);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    rx = open_rx(channel, "g");
    CHECK_OK(quire_rx_ack(rx, QUIRE_POSITION(0, 1)));
    CHECK_CODE(quire_rx_ack(rx, QUIRE_POSITION(0, 1)), QUIRE_ENOLEASE);
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 0, 2).position));
    CHECK_OK(quire_rx_ack(rx, take_attempt(rx, 2, 2).position));
    CHECK_EQ(group_of(channel, "g").lag_messages, 0);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"lease: returned for later", returned_for_later, 0},
    {"lease: returned for a time far away", far_away, 0},
    {"lease: it ends by itself", a_lease_ends, 0},
    {"lease: it is extended", a_lease_is_extended, 0},
    {"lease: a descriptor tells", told_by_the_descriptor, 60},
    {"lease: killed in the middle", killed_in_the_middle, 0},
    {"lease: settled after a reopen", settled_after_a_reopen, 0},
    {"lease: the first n", the_first_n, 0},
    {"lease: a scope ends it", a_scope_ends_the_lease, 0},
    {"lease: lossy groups beside required ones", lossy_beside_required, 0},
    {"lease: a required group of a channel that drops", required_in_drop_oldest, 0},
};
const struct test_table lease_table = TEST_TABLE(cases);
