/* SPDX-License-Identifier: MIT */
/* Groups: names, and who gets what. */
#include <stdio.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/random.h>

static void two_groups_see_everything(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx(channel, "a"), *b = open_rx(channel, "b");

    for (uint64_t i = 0; i < 300; i++) {
        put(tx, 1, i, 100);
        take_number(a, 1, i, 100);
        if (i % 2) {
            take_number(b, 1, i / 2, 100);
        }
    }
    for (uint64_t i = 150; i < 300; i++) {
        take_number(b, 1, i, 100);
    }
    take_nothing(a);
    take_nothing(b);
    quire_rx_close(a);
    quire_rx_close(b);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void members_share(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *one = open_rx_run(channel, "g", 1), *two = open_rx_run(channel, "g", 1);

    for (uint64_t i = 0; i < 300; i++) {
        put(tx, 1, i, 100);
    }
    for (uint64_t i = 0; i < 300; i++) {
        take_number(i % 3 == 0 ? one : two, 1, i, 100);
    }
    take_nothing(one);
    take_nothing(two);
    quire_rx_close(one);
    quire_rx_close(two);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Runs split the stream between members: together they have each message once. */
static void members_share_by_runs(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[3];
    unsigned char seen[600] = {0};
    unsigned idle = 0, total = 0;

    for (unsigned i = 0; i < 3; i++) {
        rx[i] = open_rx_run(channel, "g", 7 + 20 * i);
    }
    for (uint64_t i = 0; i < 600; i++) {
        CHECK_OK(quire_tx_send(tx, &i, sizeof(i)));
    }
    for (unsigned turn = 0; idle < 3; turn++) {
        struct quire_msg msg;
        uint64_t number;
        int code = quire_rx_try_recv(rx[turn % 3], &msg);

        if (code == QUIRE_EAGAIN) {
            idle++;
            continue;
        }
        idle = 0;
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx[turn % 3]));
            continue;
        }
        CHECK_OK(code);
        CHECK_EQ(msg.size, sizeof(number));
        memcpy(&number, msg.data, sizeof(number));
        CHECK(number < 600 && !seen[number]);
        seen[number] = 1;
        total++;
    }
    CHECK_EQ(total, 600);
    for (unsigned i = 0; i < 3; i++) {
        quire_rx_close(rx[i]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void names(void)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    static const char *const good[] = {"a",   "Z",  "0",   "_",       "-",   "a.b",
                                       "a..", "-.", "tmp", "a.group", "CON", "A"};
    static const char *const bad[] = {"",     ".",   "..",       ".a",   "a/b",  "/",
                                      "a b",  "a\n", "a\t",      "a:b",  "a\\b", "a*",
                                      "\x7f", "a,b", "\xc3\xa4", "../x", "a%",   "a\x01"};
    quire_t *channel = cell_small(2);
    quire_rx_t *rx;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_CODE(quire_rx_subscribe(channel, bad[i], NULL, NULL, &rx), QUIRE_EINVAL);
    }
    CHECK_CODE(quire_rx_subscribe(channel, NULL, NULL, NULL, &rx), QUIRE_EINVAL);
    CHECK_CODE(quire_rx_subscribe(channel, long_name, NULL, NULL, &rx), QUIRE_EINVAL);
    CHECK_EQ(stat_of(channel).groups, 0);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        rx = open_rx(channel, good[i]);
        quire_rx_close(rx);
        CHECK_EQ(stat_of(channel).groups, i + 1);
        CHECK_EQ(group_of(channel, good[i]).lag_messages, 0);
    }
    rx = open_rx(channel, long_name + 1);
    CHECK_EQ(strlen(long_name + 1), QUIRE_GROUP_NAME_MAX);
    CHECK_EQ(group_of(channel, long_name + 1).members, 1);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* Names that differ in case only, or begin alike, are different groups. */
static void names_are_exact(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    static const char *const alike[] = {"g", "G", "gg", "g.", "g-"};
    quire_rx_t *rx[5];

    for (size_t i = 0; i < 5; i++) {
        rx[i] = open_rx(channel, alike[i]);
    }
    CHECK_EQ(stat_of(channel).groups, 5);
    put(tx, 1, 0, 8);
    for (size_t i = 0; i < 5; i++) {
        take_number(rx[i], 1, 0, 8);
        take_nothing(rx[i]);
        quire_rx_close(rx[i]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A group outlives its members: it goes on where it was, and holds what it has not seen. */
static void a_group_outlives_its_members(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t sent;

    quire_rx_close(rx);
    sent = fill(tx, 1, 0, 500);
    for (uint64_t i = 0; i < sent; i++) {
        rx = open_rx(channel, "g");
        take_number(rx, 1, i, 500);
        quire_rx_close(rx);
    }
    rx = open_rx(channel, "g");
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK(fill(tx, 1, 0, 500) > 0);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* disk-chan: group 16 subscribes and then panics. */
static void many_groups(void)
{
    enum { GROUPS = 100 };
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[GROUPS];
    char name[16];

    for (unsigned i = 0; i < GROUPS; i++) {
        name[0] = 'g';
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        name[3] = '\0';
        rx[i] = open_rx(channel, name);
    }
    CHECK_EQ(stat_of(channel).groups, GROUPS);
    for (uint64_t n = 0; n < 40; n++) {
        put(tx, 1, n, 500);
        for (unsigned i = 0; i < GROUPS; i++) {
            take_number(rx[i], 1, n, 500);
        }
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        take_nothing(rx[i]);
        quire_rx_close(rx[i]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* The slowest group decides what is held; a fast one does not take it away. */
static void the_slowest_group_holds(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *fast = open_rx(channel, "fast"), *slow = open_rx(channel, "slow");
    uint64_t sent = 0, room = page_room(SMALL_PAGE, 500), received = 0;

    for (unsigned turn = 0; turn < 30; turn++) {
        uint64_t more = fill(tx, 1, sent, 500);

        CHECK_EQ(more, turn == 0 ? 4 * room : room);
        for (uint64_t i = 0; i < more; i++) {
            take_number(fast, 1, sent + i, 500);
        }
        CHECK_OK(quire_rx_release(fast));
        sent += more;
        for (uint64_t i = 0; i < room; i++) {
            take_number(slow, 1, received++, 500);
        }
        CHECK_OK(quire_rx_release(slow));
    }
    quire_rx_close(fast);
    quire_rx_close(slow);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* More groups than are asked one by one at every turn: pages come free when the last one is done,
 * also when groups are made, moved back and deleted in between. */
static void groups_come_and_go(void)
{
    enum { GROUPS = 40 };
    quire_t *channel = cell_small(5);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[GROUPS];
    uint64_t next[GROUPS] = {0}, sent = 0, slowest;
    struct random random = {7};
    char name[8];

    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        rx[i] = open_rx_run(channel, name, 1);
    }
    for (int round = 0; round < 300; round++) {
        unsigned g = (unsigned)random_below(&random, GROUPS);
        struct quire_where where = {QUIRE_OLDEST, 0, 0};

        /* Not always until it is full: pages that are done and not yet reused are moved back to. */
        for (uint64_t n = random_below(&random, 60); n > 0 && try_put(tx, 1, sent, 200) == 0; n--) {
            sent++;
        }
        slowest = sent;
        for (unsigned i = 0; i < GROUPS; i++) {
            uint64_t n = random_below(&random, 40);

            for (; n > 0 && next[i] < sent; n--) {
                take_number(rx[i], 1, next[i]++, 200);
            }
            CHECK_OK(quire_rx_release(rx[i]));
            slowest = next[i] < slowest ? next[i] : slowest;
        }
        snprintf(name, sizeof(name), "g%u", g);
        quire_rx_close(rx[g]);
        if (round % 3 == 0) {
            CHECK_OK(quire_group_seek(channel, name, &where));
        } else if (round % 3 == 1) {
            CHECK_OK(quire_group_delete(channel, name));
        }
        rx[g] = open_rx_run(channel, name, 1);
        if (round % 3 != 2) { /* from the oldest that is held: the slowest group still needs it */
            next[g] = sent - group_of(channel, name).lag_messages;
            CHECK(next[g] <= slowest);
        }
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        while (next[i] < sent) {
            take_number(rx[i], 1, next[i]++, 200);
        }
        take_nothing(rx[i]);
        quire_rx_close(rx[i]);
    }
    CHECK(sent > 1000);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* What was found when all were done does not hold for a group that has gone back since. */
static void gone_back_meanwhile(void)
{
    enum { GROUPS = 20, ROOM = 8 };
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    struct quire_where where = {QUIRE_PAGE, 0, 0};
    quire_rx_t *rx[GROUPS];
    char name[8];

    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        rx[i] = open_rx_run(channel, name, 1);
    }
    CHECK_EQ(fill(tx, 1, 0, 500), 2 * ROOM);
    for (unsigned i = 0; i < GROUPS; i++) {
        for (uint64_t n = 0; n < ROOM; n++) {
            take_number(rx[i], 1, n, 500);
        }
        CHECK(i == 0 || quire_rx_release(rx[i]) == 0);
    }
    CHECK_CODE(try_put(tx, 1, 0, 500), QUIRE_FULL); /* all are done, but one borrows */
    quire_rx_close(rx[1]);
    CHECK_OK(quire_group_seek(channel, "g1", &where));
    CHECK_OK(quire_rx_release(rx[0]));
    CHECK_CODE(try_put(tx, 1, 0, 500), QUIRE_FULL);
    rx[1] = open_rx_run(channel, "g1", 1);
    for (uint64_t n = 0; n < ROOM; n++) {
        take_number(rx[1], 1, n, 500);
    }
    CHECK_OK(quire_rx_release(rx[1]));
    CHECK_EQ(fill(tx, 1, 0, 500), ROOM);
    for (unsigned i = 0; i < GROUPS; i++) {
        quire_rx_close(rx[i]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"groups: two groups see everything", two_groups_see_everything, 0},
    {"groups: members share", members_share, 0},
    {"groups: members share by runs", members_share_by_runs, 0},
    {"groups: which names are good", names, 0},
    {"groups: names are exact", names_are_exact, 0},
    {"groups: a group outlives its members", a_group_outlives_its_members, 0},
    {"groups: a hundred groups", many_groups, 0},
    {"groups: the slowest group holds", the_slowest_group_holds, 0},
    {"groups: many, made, moved, deleted", groups_come_and_go, 120},
    {"groups: gone back meanwhile", gone_back_meanwhile, 0},
};
const struct test_table groups_table = TEST_TABLE(cases);
