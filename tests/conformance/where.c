/* SPDX-License-Identifier: MIT */
/* Where a new group begins. */
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static void oldest_is_everything(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    quire_rx_t *by_default = open_rx(channel, "a");
    quire_rx_t *by_name = open_rx_at(channel, "b", QUIRE_OLDEST, 0);

    for (uint64_t i = 0; i < sent; i++) {
        take_number(by_default, 1, i, SIZE);
        take_number(by_name, 1, i, SIZE);
    }
    quire_rx_close(by_default);
    quire_rx_close(by_name);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The oldest held, when the first pages are gone. */
static void oldest_held(void)
{
    quire_t *channel = cell_small(3);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g"), *late;
    uint64_t sent = 0, received = 0;

    for (unsigned turn = 0; turn < 10; turn++) {
        sent += fill(tx, 1, sent, SIZE);
        for (unsigned i = 0; i < ROOM; i++) {
            take_number(rx, 1, received++, SIZE);
        }
        CHECK_OK(quire_rx_release(rx));
    }
    /* Page received / ROOM is the first that the group holds; older ones may be there still. */
    sent += fill(tx, 1, sent, SIZE);
    CHECK_EQ(sent, received + 3 * ROOM);
    CHECK_EQ(stat_of(channel).first_page, received / ROOM);
    late = open_rx(channel, "late");
    for (uint64_t i = received; i < sent; i++) {
        take_number(late, 1, i, SIZE);
    }
    take_nothing(late);
    quire_rx_close(rx);
    quire_rx_close(late);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void newest_is_from_now_on(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    static const char *const names[] = {"a", "b", "c", "d"};
    static const uint64_t before[] = {0, 3, 5, 13}; /* the last ends a page */

    for (unsigned g = 0; g < 4; g++) {
        quire_rx_t *rx;

        for (uint64_t i = 0; i < before[g]; i++) {
            put(tx, 1, i, SIZE);
        }
        rx = open_rx_at(channel, names[g], QUIRE_NEWEST, 0);
        take_nothing(rx);
        CHECK_EQ(group_of(channel, names[g]).lag_messages, 0);
        put(tx, 2, g, SIZE);
        take_number(rx, 2, g, SIZE);
        take_nothing(rx);
        quire_rx_close(rx);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void at_every_page(void)
{
    quire_t *channel = cell_still(4);
    quire_tx_t *tx = open_tx(channel);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    char name[] = "p0";
    quire_rx_t *rx[4];

    for (uint64_t page = 0; page < 4; page++) {
        name[1] = (char)('0' + page);
        rx[page] = open_rx_at(channel, name, QUIRE_PAGE, page);
    }
    for (uint64_t page = 0; page < 4; page++) {
        for (uint64_t i = page * ROOM; i < sent; i++) {
            take_number(rx[page], 1, i, SIZE);
        }
        take_nothing(rx[page]);
        quire_rx_close(rx[page]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void at_every_position(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    char name[] = "m00";

    for (uint64_t i = 0; i < sent; i++) {
        quire_rx_t *rx;
        struct quire_msg msg;

        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        rx = open_rx_at(channel, name, QUIRE_AT, QUIRE_POSITION(i / ROOM, i % ROOM));
        msg = take_number(rx, 1, i, SIZE);
        CHECK_EQ(msg.position, QUIRE_POSITION(i / ROOM, i % ROOM));
        CHECK_EQ(group_of(channel, name).lag_messages + claimed_of(channel, name), sent - i - 1);
        quire_rx_close(rx);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The end itself is a place: the next message. */
static void at_the_end(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *empty_page = open_rx_at(channel, "a", QUIRE_PAGE, 0);
    quire_rx_t *empty_at = open_rx_at(channel, "b", QUIRE_AT, 0);
    quire_rx_t *rx;

    take_nothing(empty_page);
    take_nothing(empty_at);
    put(tx, 1, 0, SIZE);
    take_number(empty_page, 1, 0, SIZE);
    take_number(empty_at, 1, 0, SIZE);
    rx = open_rx_at(channel, "c", QUIRE_AT, stat_of(channel).end_position);
    take_nothing(rx);
    put(tx, 1, 1, SIZE);
    take_number(rx, 1, 1, SIZE);
    quire_rx_close(rx);
    quire_rx_close(empty_page);
    quire_rx_close(empty_at);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static int refused(quire_t *channel, uint32_t kind, uint64_t value)
{
    struct quire_where where = {.kind = kind, .value = value};
    quire_rx_t *rx;
    int code = quire_rx_subscribe(channel, "new", &where, NULL, &rx);

    CHECK(code < 0);
    CHECK_EQ(stat_of(channel).groups, 1);
    CHECK_EQ(stat_of(channel).handles, 2);
    return code;
}

static void beyond_the_end(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint64_t i = 0; i < ROOM + 3; i++) {
        put(tx, 1, i, SIZE);
    }
    CHECK_CODE(refused(channel, QUIRE_PAGE, 2), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_PAGE, 3), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_PAGE, 1ull << 32), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_PAGE, 1ull << 48), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_PAGE, UINT64_MAX), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_AT, QUIRE_POSITION(1, 4)), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_AT, QUIRE_POSITION(2, 0)), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_AT, QUIRE_POSITION(9, 0)), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_AT, UINT64_MAX), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, QUIRE_TIME + 1, 0), QUIRE_EINVAL);
    CHECK_CODE(refused(channel, UINT32_MAX, 0), QUIRE_EINVAL);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void reserved_must_be_zero(void)
{
    quire_t *channel = cell_small(2);
    struct quire_where where = {.kind = QUIRE_OLDEST, .reserved = 1};
    quire_rx_t *rx;

    CHECK_CODE(quire_rx_subscribe(channel, "g", &where, NULL, &rx), QUIRE_EINVAL);
    CHECK_EQ(stat_of(channel).groups, 0);
    CHECK_OK(quire_close(channel));
}

/* A page whose frame holds a later page is no longer held. */
static void no_longer_held(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent = 0, page;

    while (sent < 10 * ROOM) {
        put(tx, 1, sent, SIZE);
        take_number(rx, 1, sent, SIZE);
        sent++;
    }
    page = stat_of(channel).first_page;
    CHECK(page >= 8);
    CHECK_CODE(refused(channel, QUIRE_PAGE, 0), QUIRE_ENOENT);
    CHECK_CODE(refused(channel, QUIRE_PAGE, page - 1), QUIRE_ENOENT);
    CHECK_CODE(refused(channel, QUIRE_AT, QUIRE_POSITION(0, 0)), QUIRE_ENOENT);
    CHECK_CODE(refused(channel, QUIRE_AT, QUIRE_POSITION(page - 1, ROOM - 1)), QUIRE_ENOENT);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void ignored_when_the_group_exists(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);
    uint64_t sent = fill(tx, 1, 0, SIZE);

    take_number(rx, 1, 0, SIZE);
    quire_rx_close(rx);
    rx = open_rx_at(channel, "g", QUIRE_NEWEST, 0);
    take_number(rx, 1, 1, SIZE);
    quire_rx_close(rx);
    rx = open_rx_at(channel, "g", QUIRE_AT, QUIRE_POSITION(77, 0));
    for (uint64_t i = 2; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A group that begins late holds only from there on. */
static void a_late_group_holds_from_there_on(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    uint64_t sent = fill(tx, 1, 0, SIZE);
    quire_rx_t *all = open_rx(channel, "all");
    quire_rx_t *late = open_rx_at(channel, "late", QUIRE_PAGE, 2);

    for (uint64_t i = 0; i < sent; i++) {
        take_number(all, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(all));
    CHECK_EQ(fill(tx, 1, sent, SIZE), 2 * ROOM);
    for (uint64_t i = 2 * ROOM; i < sent + 2 * ROOM; i++) {
        take_number(late, 1, i, SIZE);
    }
    take_nothing(late);
    quire_rx_close(all);
    quire_rx_close(late);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"where: oldest is everything", oldest_is_everything, 0},
    {"where: oldest is the oldest held", oldest_held, 0},
    {"where: newest is from now on", newest_is_from_now_on, 0},
    {"where: at every page", at_every_page, 0},
    {"where: at every position", at_every_position, 0},
    {"where: at the end is the next message", at_the_end, 0},
    {"where: beyond the end is refused", beyond_the_end, 0},
    {"where: the reserved field must be zero", reserved_must_be_zero, 0},
    {"where: a page no longer held is ENOENT", no_longer_held, 0},
    {"where: ignored when the group exists", ignored_when_the_group_exists, 0},
    {"where: a late group holds from there on", a_late_group_holds_from_there_on, 0},
};
const struct test_table where_table = TEST_TABLE(cases);
