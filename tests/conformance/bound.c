/* SPDX-License-Identifier: MIT */
/*
 * Channels with a bound (max_queued = N): no required group has more than N messages that it has
 * not finished, and where every one of them has fewer there is room. Pages are never short here.
 */
#include <string.h>
#include <tests/conformance/bound.h>
#include <tests/conformance/cases.h>

#define SIZE BOUND_SIZE
#define MANY 64u

struct quire_options bound_options(uint64_t n)
{
    struct quire_options options = cell_options(SMALL_PAGE, POOL_LARGE);

    options.max_queued = n;
    return options;
}

quire_t *bounded(uint64_t n)
{
    struct quire_options options = bound_options(n);

    return cell_open(&options);
}

quire_rx_t *bound_join(quire_t *channel, const char *group, uint32_t mode, uint32_t hold,
                       uint32_t max_attempts)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;

    as.mode = mode;
    as.hold = hold;
    as.max_attempts = max_attempts;
    options.group = &as;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    return rx;
}

static quire_rx_t *join_ack(quire_t *channel, const char *group)
{
    return bound_join(channel, group, QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 0);
}

void bound_close(quire_t *channel)
{
    char path[TEMP_PATH_MAX];

    CHECK_OK(quire_close(channel));
    if (cell.directory) {
        temp_remove(cell_path(path));
    }
}

static void full_at_exactly(void)
{
    static const uint64_t bounds[] = {1, 2, 3, 63, 64, 65, 600};

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        quire_t *channel = bounded(bounds[i]);
        quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
        quire_rx_t *rx;

        HAS_ROOM(tx, bounds[i]); /* without any group */
        CHECK_CODE(try_put(other, 1, 0, SIZE), QUIRE_FULL);
        rx = open_rx(channel, "g");
        for (uint64_t n = 0; n < bounds[i] + 3; n++) {
            CHECK_CODE(try_put(tx, 1, 0, SIZE), QUIRE_FULL);
            (void)take(rx);
            put(n % 2 ? tx : other, 1, 0, SIZE);
        }
        HAS_ROOM(tx, 0);
        quire_rx_close(rx);
        quire_tx_close(tx);
        quire_tx_close(other);
        bound_close(channel);
    }
}

/* More than fits the pages is no bound; nor is a channel of this kind full before its pages are. */
static void large_bound(void)
{
    struct quire_options options = bound_options(UINT64_MAX);
    options.max_pages = 2;
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);

    HAS_ROOM(tx, 2 * page_room(SMALL_PAGE, SIZE));
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void an_ack_frees_one(void)
{
    quire_t *channel = bounded(8);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = join_ack(channel, "g");
    struct quire_msg msgs[8];

    HAS_ROOM(tx, 8);
    for (int i = 0; i < 8; i++) {
        CHECK_OK(quire_rx_try_recv(rx, &msgs[i]));
    }
    HAS_ROOM(tx, 0); /* received is not finished */
    CHECK_OK(quire_rx_ack(rx, msgs[3].position));
    HAS_ROOM(tx, 1);
    CHECK_CODE(quire_rx_ack(rx, msgs[3].position), QUIRE_ENOLEASE);
    HAS_ROOM(tx, 0); /* twice is once */
    CHECK_EQ(quire_rx_ack_range(rx, msgs[2].position, msgs[5].position), 3);
    HAS_ROOM(tx, 3);
    CHECK_EQ(quire_rx_ack_first(rx, 2), 2);
    HAS_ROOM(tx, 2);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Enough for whole words of leases and several pages. */
static void every_ack_counts(void)
{
    quire_t *channel = bounded(7);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = join_ack(channel, "g");
    struct quire_msg msg;

    HAS_ROOM(tx, 7);
    for (int i = 0; i < 500; i++) {
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK_CODE(try_put(tx, 1, 0, SIZE), QUIRE_FULL);
        CHECK_OK(quire_rx_ack(rx, msg.position));
        HAS_ROOM(tx, 1);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What a receive returns is finished, what it has claimed beside is not. */
static void a_receive_frees_what_it_returns(void)
{
    quire_t *channel = bounded(20);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g"), *heir;
    struct quire_msg msgs[20];
    unsigned char buffer[SIZE];
    size_t size;

    HAS_ROOM(tx, 20);
    CHECK_OK(quire_rx_try_recv(rx, &msgs[0]));
    CHECK_EQ(claimed_of(channel, "g"), 19);
    HAS_ROOM(tx, 1);
    CHECK_EQ(quire_rx_recv_batch(rx, msgs, 5, 0), 5);
    HAS_ROOM(tx, 5);
    CHECK_CODE(quire_rx_recv_copy(rx, buffer, 1, &size, 0), QUIRE_ETOOSMALL);
    HAS_ROOM(tx, 0);
    CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, 0));
    HAS_ROOM(tx, 1);
    quire_rx_close(rx); /* 13 of its run are left to the group */
    HAS_ROOM(tx, 0);
    heir = open_rx(channel, "g");
    CHECK_EQ(quire_rx_recv_batch(heir, msgs, 20, 0), 13);
    HAS_ROOM(tx, 13);
    for (int i = 0; i < 20; i++) {
        (void)take(heir);
    }
    take_nothing(heir);
    HAS_ROOM(tx, 20);
    quire_rx_close(heir);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void what_was_returned_counts(void)
{
    quire_t *channel = bounded(6);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = bound_join(channel, "g", QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 2), *heir;
    struct quire_msg msg;
    uint64_t dead[6];

    HAS_ROOM(tx, 6);
    CHECK_OK(quire_rx_try_recv(rx, &msg));
    CHECK_OK(quire_rx_nack(rx, msg.position));
    HAS_ROOM(tx, 0);
    CHECK_OK(quire_rx_try_recv(rx, &msg)); /* again, for the last time */
    CHECK_OK(quire_rx_nack(rx, msg.position));
    CHECK_EQ(quire_group_dead(channel, "g", 0, dead, 6), 1);
    HAS_ROOM(tx, 0);
    CHECK_OK(quire_group_requeue(channel, "g", dead[0]));
    HAS_ROOM(tx, 0);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK_EQ(msg.position, dead[0]);
        CHECK_OK(quire_rx_nack(rx, msg.position));
    }
    HAS_ROOM(tx, 0);
    CHECK_OK(quire_group_discard(channel, "g", dead[0]));
    HAS_ROOM(tx, 1);
    CHECK_CODE(quire_group_discard(channel, "g", dead[0]), QUIRE_ENOLEASE);
    HAS_ROOM(tx, 0);
    CHECK_OK(quire_rx_try_recv(rx, &msg));
    quire_rx_close(rx); /* with a lease, and a run that nobody was given */
    HAS_ROOM(tx, 0);
    heir = join_ack(channel, "g");
    for (uint64_t i = 0; i < 6; i++) {
        CHECK_OK(quire_rx_try_recv(heir, &msg));
        CHECK_OK(quire_rx_ack(heir, msg.position));
        HAS_ROOM(tx, 1);
    }
    quire_rx_close(heir);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A dead letter may be acknowledged in place of being discarded. */
static void a_dead_letter_is_acknowledged(void)
{
    quire_t *channel = bounded(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = bound_join(channel, "g", QUIRE_GROUP_ACK, QUIRE_HOLD_DEFAULT, 1);
    struct quire_msg msg;

    HAS_ROOM(tx, 2);
    CHECK_OK(quire_rx_try_recv(rx, &msg));
    CHECK_OK(quire_rx_nack(rx, msg.position));
    HAS_ROOM(tx, 0);
    CHECK_OK(quire_rx_ack(rx, msg.position));
    HAS_ROOM(tx, 1);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A reservation takes a place; aborted, until the group has stepped over it. */
static void voids(void)
{
    for (uint32_t mode = QUIRE_GROUP_AUTO; mode <= QUIRE_GROUP_ACK; mode++) {
        quire_t *channel = bounded(3);
        quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
        quire_rx_t *rx = bound_join(channel, "g", mode, QUIRE_HOLD_DEFAULT, 0);
        struct quire_msg msg;
        void *room;

        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        HAS_ROOM(other, 2);
        CHECK_OK(quire_tx_abort(tx));
        HAS_ROOM(other, 0);
        CHECK_CODE(quire_tx_reserve(tx, SIZE, &room, 0), QUIRE_FULL);
        CHECK_OK(quire_rx_try_recv(rx, &msg)); /* over the void */
        if (mode == QUIRE_GROUP_ACK) {
            HAS_ROOM(other, 1);
            CHECK_OK(quire_rx_ack(rx, msg.position));
            HAS_ROOM(other, 1);
        } else {
            HAS_ROOM(other, 2);
        }
        while (quire_rx_try_recv(rx, &msg) == 0) {
            if (mode == QUIRE_GROUP_ACK) {
                CHECK_OK(quire_rx_ack(rx, msg.position));
            }
        }
        /* Nothing but voids: whoever finds nothing else has finished them. */
        for (int i = 0; i < 3; i++) {
            CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
            CHECK_OK(quire_tx_abort(tx));
        }
        HAS_ROOM(tx, 0);
        CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
        HAS_ROOM(tx, 3); /* a send after an abort takes a place as any other */
        quire_rx_close(rx);
        quire_tx_close(tx);
        quire_tx_close(other);
        bound_close(channel);
    }
}

/* A commit is no second message, and the next send is counted again. */
static void reservations(void)
{
    quire_t *channel = bounded(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    void *room;

    for (int i = 0; i < 300; i++) {
        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        memset(room, 0, SIZE);
        CHECK_OK(quire_tx_commit(tx, SIZE));
        HAS_ROOM(tx, 3);
        for (int k = 0; k < 4; k++) {
            (void)take(rx);
        }
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void batches(void)
{
    quire_t *channel = bounded(5);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_vec vec[MANY];

    for (size_t i = 0; i < MANY; i++) {
        vec[i] = (struct quire_vec){"x", 1};
    }
    CHECK_EQ(quire_tx_send_batch(tx, vec, 3, 0), 3);
    CHECK_EQ(quire_tx_send_batch(tx, vec, MANY, 0), 2); /* as many as there is room for */
    CHECK_CODE(quire_tx_send_batch(tx, vec, MANY, 0), QUIRE_FULL);
    CHECK_CODE(quire_tx_send_batch(tx, vec, 1, deadline_soon()), QUIRE_TIMEDOUT);
    (void)take(rx);
    CHECK_EQ(quire_tx_send_batch(tx, vec, MANY, deadline_soon()), 1);
    HAS_ROOM(tx, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void the_slowest_group_decides(void)
{
    quire_t *channel = bounded(10);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *fast = open_rx(channel, "fast"), *slow = join_ack(channel, "slow");
    struct quire_msg msg;

    HAS_ROOM(tx, 10);
    for (int i = 0; i < 10; i++) {
        (void)take(fast);
    }
    HAS_ROOM(tx, 0);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(quire_rx_try_recv(slow, &msg));
        CHECK_OK(quire_rx_ack(slow, msg.position));
    }
    HAS_ROOM(tx, 4);
    (void)take(fast); /* it is not the slowest */
    HAS_ROOM(tx, 0);
    quire_rx_close(slow);
    HAS_ROOM(tx, 0); /* a group without members is a group */
    CHECK_OK(quire_group_delete(channel, "slow"));
    HAS_ROOM(tx, 7); /* 3 are left to the other */
    quire_rx_close(fast);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void lossy_groups_do_not_count(void)
{
    quire_t *channel = bounded(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *lossy = bound_join(channel, "lossy", QUIRE_GROUP_AUTO, QUIRE_HOLD_LOSSY, 0), *rx;

    for (int i = 0; i < 20; i++) {
        put(tx, 1, 0, SIZE); /* none but a lossy one: no bound */
    }
    rx = open_rx_at(channel, "g", QUIRE_NEWEST, 0);
    HAS_ROOM(tx, 4);
    for (int i = 0; i < 24; i++) {
        (void)take(lossy);
    }
    HAS_ROOM(tx, 0);
    (void)take(rx);
    HAS_ROOM(tx, 1);
    quire_rx_close(lossy);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Where a group begins, and where it is moved to, is what it has left. */
static void groups_come_and_move(void)
{
    quire_t *channel = bounded(6);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "a");
    struct quire_where newest = {QUIRE_NEWEST, 0, 0}, oldest = {QUIRE_OLDEST, 0, 0};

    HAS_ROOM(tx, 6);
    for (int i = 0; i < 6; i++) {
        (void)take(rx);
    }
    CHECK_OK(quire_group_create(channel, "b", &newest, NULL));
    HAS_ROOM(tx, 6);
    quire_rx_close(rx);
    CHECK_OK(quire_group_seek(channel, "a", &newest));
    HAS_ROOM(tx, 0); /* b has its 6 */
    CHECK_OK(quire_group_seek(channel, "b", &newest));
    HAS_ROOM(tx, 6);
    CHECK_OK(quire_group_seek(channel, "a", &oldest)); /* 18: nothing until it has fewer than 6 */
    CHECK_OK(quire_group_delete(channel, "b"));
    rx = open_rx(channel, "a");
    for (int i = 0; i < 12; i++) {
        HAS_ROOM(tx, 0);
        (void)take(rx);
    }
    HAS_ROOM(tx, 0);
    (void)take(rx);
    HAS_ROOM(tx, 1);
    quire_rx_close(rx);
    CHECK_OK(quire_group_delete(channel, "a"));
    HAS_ROOM(tx, 0); /* without any group all that is held counts, and that is 19 */
    CHECK_OK(quire_group_create(channel, "c", &newest, NULL));
    HAS_ROOM(tx, 6);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void policies(void)
{
    static const uint32_t all[] = {QUIRE_FULL_REJECT, QUIRE_FULL_GROW};
    struct quire_options options = bound_options(3);
    struct quire_vec vec = {"x", 1};
    quire_t *channel = NULL;
    char path[TEMP_PATH_MAX];
    void *room;

    options.full_policy = QUIRE_FULL_DROP_OLDEST;
    CHECK_CODE(quire_open(&channel, cell.directory ? cell_path(path) : NULL, &options),
               QUIRE_EINVAL);
    for (int i = 0; i < 2; i++) {
        options.full_policy = all[i];
        channel = cell_open(&options);
        quire_tx_t *tx = open_tx(channel);
        uint64_t until = all[i] == QUIRE_FULL_REJECT ? QUIRE_FOREVER : deadline_soon();
        int full = all[i] == QUIRE_FULL_REJECT ? QUIRE_FULL : QUIRE_TIMEDOUT;

        HAS_ROOM(tx, 3);
        CHECK_CODE(quire_tx_send_until(tx, "x", 1, until), full);
        CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, until), full);
        CHECK_CODE(quire_tx_reserve(tx, 1, &room, until), full);
        quire_tx_close(tx);
        bound_close(channel);
    }
}

static const struct test_case cases[] = {
    {"bound: full at exactly N", full_at_exactly, 0},
    {"bound: larger than the pages", large_bound, 0},
    {"bound: an acknowledgement frees one", an_ack_frees_one, 0},
    {"bound: every acknowledgement counts", every_ack_counts, 0},
    {"bound: a receive frees what it returns", a_receive_frees_what_it_returns, 0},
    {"bound: what was returned counts", what_was_returned_counts, 0},
    {"bound: a dead letter is acknowledged", a_dead_letter_is_acknowledged, 0},
    {"bound: voids", voids, 0},
    {"bound: reservations", reservations, 0},
    {"bound: batches", batches, 0},
    {"bound: the slowest group decides", the_slowest_group_decides, 0},
    {"bound: lossy groups do not count", lossy_groups_do_not_count, 0},
    {"bound: groups come and move", groups_come_and_move, 0},
    {"bound: policies", policies, 0},
};
const struct test_table bound_table = TEST_TABLE(cases);
