/* SPDX-License-Identifier: MIT */
/* Reserve, commit, abort. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>

static void *reserve(quire_tx_t *tx, size_t size)
{
    void *data = NULL;

    CHECK_OK(quire_tx_reserve(tx, size, &data, 0));
    CHECK(data != NULL);
    CHECK_EQ((uintptr_t)data % 8, 0);
    return data;
}

static void commit_sends(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < 500; i++) {
        size_t size = i % 100 == 0 ? SMALL_MAX : content_size(1, i, 0, 600);
        uint64_t before = quire_tx_position(tx);

        content_fill(reserve(tx, size), size, 1, i);
        CHECK_EQ(quire_tx_position(tx), before);
        take_nothing(rx);
        CHECK_OK(quire_tx_commit(tx, size));
        CHECK_EQ(take_number(rx, 1, i, size).position, quire_tx_position(tx));
    }
    CHECK_EQ(stat_of(channel).voids, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void commit_shorter(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (size_t size = 0; size <= 300; size++) {
        content_fill(reserve(tx, 300), size, 1, size);
        CHECK_OK(quire_tx_commit(tx, size));
        put(tx, 2, size, 16);
        take_number(rx, 1, size, size);
        take_number(rx, 2, size, 16);
    }
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void commit_larger_is_refused(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    content_fill(reserve(tx, 100), 100, 1, 0);
    CHECK_CODE(quire_tx_commit(tx, 101), QUIRE_EINVAL);
    CHECK_CODE(quire_tx_commit(tx, 104), QUIRE_EINVAL);
    CHECK_CODE(quire_tx_commit(tx, SIZE_MAX), QUIRE_EINVAL);
    take_nothing(rx);
    CHECK_OK(quire_tx_commit(tx, 100));
    take_number(rx, 1, 0, 100);
    CHECK_CODE(quire_tx_commit(tx, 100), QUIRE_ESTATE);
    CHECK_EQ(stat_of(channel).messages, 1);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void abort_leaves_a_void(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t before;

    for (uint64_t i = 0; i < 300; i++) {
        put(tx, 1, i, 40);
        before = quire_tx_position(tx);
        for (uint64_t k = 0; k <= i % 3; k++) {
            memset(reserve(tx, 64), 0x77, 64);
            CHECK_OK(quire_tx_abort(tx));
        }
        CHECK_EQ(quire_tx_position(tx), before);
    }
    CHECK_EQ(stat_of(channel).voids, 600);
    CHECK_EQ(stat_of(channel).messages, 900);
    for (uint64_t i = 0; i < 300; i++) {
        take_number(rx, 1, i, 40);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A page of nothing but voids is stepped over and comes free. */
static void a_page_of_voids(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < 20; i++) {
        reserve(tx, SMALL_MAX);
        CHECK_OK(quire_tx_abort(tx));
        take_nothing(rx);
        CHECK_OK(quire_rx_release(rx));
    }
    put(tx, 1, 1, SMALL_MAX);
    take_number(rx, 1, 1, SMALL_MAX);
    CHECK_EQ(stat_of(channel).voids, 20);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void without_a_reservation(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);

    CHECK_CODE(quire_tx_commit(tx, 0), QUIRE_ESTATE);
    CHECK_CODE(quire_tx_abort(tx), QUIRE_ESTATE);
    reserve(tx, 8);
    CHECK_OK(quire_tx_abort(tx));
    CHECK_CODE(quire_tx_abort(tx), QUIRE_ESTATE);
    CHECK_CODE(quire_tx_commit(tx, 0), QUIRE_ESTATE);
    CHECK_EQ(stat_of(channel).messages, 1);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void nothing_else_while_reserved(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_vec vec = {"x", 1};
    void *data = reserve(tx, 16), *other = NULL;

    CHECK_CODE(quire_tx_send(tx, "x", 1), QUIRE_ESTATE);
    CHECK_CODE(quire_tx_try_send(tx, "x", 1), QUIRE_ESTATE);
    CHECK_CODE(quire_tx_send_until(tx, "x", 1, QUIRE_FOREVER), QUIRE_ESTATE);
    CHECK_CODE(quire_tx_send_batch(tx, &vec, 1, QUIRE_FOREVER), QUIRE_ESTATE);
    CHECK_CODE(quire_tx_reserve(tx, 8, &other, QUIRE_FOREVER), QUIRE_ESTATE);
    CHECK_EQ(stat_of(channel).messages, 1);
    content_fill(data, 16, 1, 0);
    CHECK_OK(quire_tx_commit(tx, 16));
    put(tx, 1, 1, 16);
    take_number(rx, 1, 0, 16);
    take_number(rx, 1, 1, 16);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void close_aborts(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    reserve(tx, 64);
    put(other, 2, 0, 64);
    quire_tx_close(tx);
    CHECK_EQ(stat_of(channel).voids, 1);
    take_number(rx, 2, 0, 64);
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

/* The place in the order is that of the reservation, not of the commit. */
static void order_is_that_of_the_claim(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    void *data = reserve(tx, 32);

    put(other, 2, 0, 32);
    take_nothing(rx);
    content_fill(data, 32, 1, 0);
    CHECK_OK(quire_tx_commit(tx, 32));
    CHECK(quire_tx_position(tx) < quire_tx_position(other));
    take_number(rx, 1, 0, 32);
    take_number(rx, 2, 0, 32);
    quire_rx_close(rx);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

/* One member waits for the unpublished message; the other goes on. */
static void one_member_waits_for_it(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *one = open_rx_run(channel, "g", 1), *two = open_rx_run(channel, "g", 1);
    struct quire_msg msg;
    void *data = reserve(tx, 32);

    put(other, 2, 0, 32);
    put(other, 2, 1, 32);
    CHECK_CODE(quire_rx_try_recv(one, &msg), QUIRE_EAGAIN);
    take_number(two, 2, 0, 32);
    CHECK_CODE(quire_rx_recv_until(one, &msg, deadline_soon()), QUIRE_TIMEDOUT);
    take_number(two, 2, 1, 32);
    take_nothing(two);
    content_fill(data, 32, 1, 0);
    CHECK_OK(quire_tx_commit(tx, 32));
    take_nothing(two);
    take_number(one, 1, 0, 32);
    take_nothing(one);
    quire_rx_close(one);
    quire_rx_close(two);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

/* The member that waited goes away: the message goes to another, whenever it is published. */
static void the_one_that_waited_closes(int aborted)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *one = open_rx(channel, "g"), *two = open_rx(channel, "g");
    struct quire_msg msg;
    void *data = reserve(tx, 32);

    CHECK_CODE(quire_rx_try_recv(one, &msg), QUIRE_EAGAIN);
    quire_rx_close(one);
    put(other, 2, 0, 32);
    content_fill(data, 32, 1, 0);
    if (aborted) {
        CHECK_OK(quire_tx_abort(tx));
    } else {
        CHECK_OK(quire_tx_commit(tx, 32));
        take_number(two, 1, 0, 32);
    }
    take_number(two, 2, 0, 32);
    take_nothing(two);
    quire_rx_close(two);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

static void the_one_that_waited_closes_commit(void)
{
    the_one_that_waited_closes(0);
}

static void the_one_that_waited_closes_abort(void)
{
    the_one_that_waited_closes(1);
}

/* A page with an open reservation is not given away, however long it takes. */
static void a_reservation_holds_its_page(void)
{
    quire_t *channel = cell_small(3);
    quire_tx_t *tx = open_tx(channel), *other = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1), *late = open_rx_run(channel, "g", 1);
    struct quire_msg msg;
    unsigned char *data = reserve(tx, 200);
    uint64_t sent, received = 0;

    memset(data, 0x33, 200);
    sent = fill(other, 2, 0, 200);
    CHECK_CODE(quire_rx_try_recv(late, &msg), QUIRE_EAGAIN);
    while (received < sent) {
        take_number(rx, 2, received++, 200);
    }
    CHECK_OK(quire_rx_release(rx));
    sent += fill(other, 2, sent, 200);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(data[i], 0x33);
    }
    content_fill(data, 200, 1, 0);
    CHECK_OK(quire_tx_commit(tx, 200));
    take_number(late, 1, 0, 200);
    while (received < sent) {
        take_number(rx, 2, received++, 200);
    }
    quire_rx_close(rx);
    quire_rx_close(late);
    quire_tx_close(tx);
    quire_tx_close(other);
    CHECK_OK(quire_close(channel));
}

static void reserve_when_full(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = fill(tx, 1, 0, 1000);
    void *data = NULL;

    CHECK_CODE(quire_tx_reserve(tx, 1000, &data, deadline_soon()), QUIRE_TIMEDOUT);
    CHECK_CODE(quire_tx_commit(tx, 0), QUIRE_ESTATE);
    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, 1000);
    }
    CHECK_OK(quire_rx_release(rx));
    content_fill(reserve(tx, 1000), 1000, 1, sent);
    CHECK_OK(quire_tx_commit(tx, 1000));
    take_number(rx, 1, sent, 1000);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"reserve: commit sends", commit_sends, 0},
    {"reserve: commit of less", commit_shorter, 0},
    {"reserve: commit of more is refused, the reservation stays", commit_larger_is_refused, 0},
    {"reserve: abort leaves a void that is stepped over and counted", abort_leaves_a_void, 0},
    {"reserve: a page of voids comes free", a_page_of_voids, 0},
    {"reserve: commit and abort without one", without_a_reservation, 0},
    {"reserve: nothing else is sent while it is open", nothing_else_while_reserved, 0},
    {"reserve: closing the handle aborts it", close_aborts, 0},
    {"reserve: the order is that of the claim", order_is_that_of_the_claim, 0},
    {"reserve: one member waits for it, others go on", one_member_waits_for_it, 0},
    {"reserve: the member that waited closes, then commit", the_one_that_waited_closes_commit, 0},
    {"reserve: the member that waited closes, then abort", the_one_that_waited_closes_abort, 0},
    {"reserve: it holds its page", a_reservation_holds_its_page, 0},
    {"reserve: on a full channel", reserve_when_full, 0},
};
const struct test_table reserve_table = TEST_TABLE(cases);
