/* SPDX-License-Identifier: MIT */
/*
 * DROP_OLDEST: the loss is told, once, exactly (vector#8209, librdkafka#521: an overtaken
 * consumer is told, with the count), and what is borrowed is not touched (I6).
 */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/conformance/ledger.h>
#include <tests/support/content.h>
#include <tests/support/random.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static uint64_t next_number;

static void send_noted(quire_tx_t *tx, size_t size, struct ledger *one, struct ledger *two)
{
    put(tx, 1, next_number++, size);
    ledger_sent(one, quire_tx_position(tx));
    if (two) {
        ledger_sent(two, quire_tx_position(tx));
    }
}

static void never_full(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    unsigned char data[SIZE];
    struct quire_vec vec = {data, sizeof(data)};
    quire_rx_t *rx = open_rx(channel, "g");

    memset(data, 0, sizeof(data));
    for (int i = 0; i < 500; i++) {
        CHECK_OK(quire_tx_try_send(tx, data, sizeof(data)));
        CHECK_OK(quire_tx_send(tx, data, sizeof(data)));
        CHECK_OK(quire_tx_send_until(tx, data, sizeof(data), 1));
        CHECK_EQ(quire_tx_send_batch(tx, &vec, 1, 0), 1);
    }
    CHECK_EQ(stat_of(channel).messages, 2000);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void told_once_and_exactly(void)
{
    quire_t *channel = cell_policy(4, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg, before;
    struct quire_lost lost = quire_rx_lost(rx);
    uint64_t first;

    CHECK(lost.first == 0 && lost.last == 0 && lost.count == 0);
    for (uint64_t i = 0; i < 100 * ROOM; i++) {
        put(tx, 1, i, SIZE);
    }
    first = stat_of(channel).first_page;
    CHECK(first >= 96 && first <= 99);
    memset(&msg, 0x5a, sizeof(msg));
    before = msg;
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_LAPPED);
    CHECK(memcmp(&msg, &before, sizeof(msg)) == 0);
    lost = quire_rx_lost(rx);
    CHECK_EQ(lost.first, QUIRE_POSITION(0, 0));
    CHECK_EQ(lost.last, QUIRE_POSITION(first - 1, ROOM - 1));
    CHECK_EQ(lost.count, first * ROOM);
    CHECK_EQ(group_of(channel, "g").lost, first * ROOM);
    for (uint64_t i = first * ROOM; i < 100 * ROOM; i++) {
        msg = take_number(rx, 1, i, SIZE);
        CHECK_EQ(msg.position, QUIRE_POSITION(i / ROOM, i % ROOM));
    }
    take_nothing(rx);
    lost = quire_rx_lost(rx);
    CHECK_EQ(lost.count, first * ROOM);
    CHECK_EQ(stat_of(channel).dropped, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Every way to receive says it. */
static void told_by_every_call(void)
{
    for (int how = 0; how < 5; how++) {
        quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
        quire_tx_t *tx = open_tx(channel);
        quire_rx_t *rx = open_rx(channel, "g");
        unsigned char buffer[SIZE];
        struct quire_msg msg;
        size_t size;
        long code = 0;

        for (uint64_t i = 0; i < 10 * ROOM; i++) {
            put(tx, 1, i, SIZE);
        }
        switch (how) {
        case 0:
            code = quire_rx_recv(rx, &msg);
            break;
        case 1:
            code = quire_rx_try_recv(rx, &msg);
            break;
        case 2:
            code = quire_rx_recv_until(rx, &msg, deadline_far());
            break;
        case 3:
            code = quire_rx_recv_batch(rx, &msg, 1, deadline_far());
            break;
        default:
            code = quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, deadline_far());
        }
        CHECK_CODE(code, QUIRE_LAPPED);
        CHECK_EQ(quire_rx_lost(rx).count % ROOM, 0);
        take_number(rx, 1, quire_rx_lost(rx).count, SIZE);
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

/* One member is told for the group; the others go on without a word. */
static void told_to_one_member(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx[3];
    uint64_t received = 0, told = 0, sent = 20 * ROOM;
    unsigned idle = 0;

    for (unsigned i = 0; i < 3; i++) {
        rx[i] = open_rx_run(channel, "g", 1);
    }
    for (uint64_t i = 0; i < sent; i++) {
        put(tx, 1, i, SIZE);
    }
    for (unsigned turn = 0; idle < 3; turn++) {
        struct quire_msg msg;
        int code = quire_rx_try_recv(rx[turn % 3], &msg);

        if (code == QUIRE_EAGAIN) {
            idle++;
        } else if (code == QUIRE_LAPPED) {
            CHECK_EQ(told, 0);
            told = quire_rx_lost(rx[turn % 3]).count;
        } else if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx[turn % 3]));
        } else {
            CHECK_OK(code);
            received++;
        }
    }
    CHECK(told > 0);
    CHECK_EQ(received + told, sent);
    CHECK_EQ((quire_rx_lost(rx[0]).count > 0) + (quire_rx_lost(rx[1]).count > 0) +
                 (quire_rx_lost(rx[2]).count > 0),
             1);
    for (unsigned i = 0; i < 3; i++) {
        quire_rx_close(rx[i]);
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Groups lose what each has not seen, no more. */
static void two_groups_lose_differently(void)
{
    quire_t *channel = cell_policy(4, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx_run(channel, "a", 1), *b = open_rx_run(channel, "b", 1);
    struct ledger of_a, of_b;

    ledger_init(&of_a);
    ledger_init(&of_b);
    for (unsigned turn = 0; turn < 30; turn++) {
        for (unsigned i = 0; i < 3 * ROOM; i++) {
            send_noted(tx, SIZE, &of_a, &of_b);
        }
        ledger_drain(&of_a, a);
        if (turn % 7 == 6) {
            ledger_drain(&of_b, b);
        }
    }
    ledger_drain(&of_a, a);
    ledger_drain(&of_b, b);
    ledger_check(&of_a);
    ledger_check(&of_b);
    CHECK_EQ(of_a.lost, group_of(channel, "a").lost);
    CHECK_EQ(of_b.lost, group_of(channel, "b").lost);
    CHECK(of_b.lost > of_a.lost);
    CHECK(of_b.told >= 4);
    ledger_free(&of_a);
    ledger_free(&of_b);
    quire_rx_close(a);
    quire_rx_close(b);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Part of the page was received: only the rest is lost. */
static void partly_received(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);
    struct ledger ledger;

    ledger_init(&ledger);
    for (unsigned turn = 0; turn < 2 * ROOM; turn++) {
        for (unsigned i = 0; i < 5 * ROOM + 3; i++) {
            send_noted(tx, SIZE, &ledger, NULL);
        }
        for (unsigned i = 0; i < turn; i++) {
            struct quire_msg msg;
            int code = quire_rx_try_recv(rx, &msg);

            if (code == QUIRE_LAPPED) {
                ledger_lost(&ledger, quire_rx_lost(rx));
            } else if (code == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
            } else if (code == 0) {
                ledger_received(&ledger, msg.position);
            } else {
                CHECK_CODE(code, QUIRE_EAGAIN);
            }
        }
        CHECK_OK(quire_rx_release(rx));
    }
    ledger_drain(&ledger, rx);
    ledger_check(&ledger);
    CHECK_EQ(ledger.lost, group_of(channel, "g").lost);
    CHECK(ledger.told > 5);
    ledger_free(&ledger);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A void is no message: it is not counted as a loss. */
static void voids_are_not_lost(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct ledger ledger;

    ledger_init(&ledger);
    for (unsigned i = 0; i < 20 * ROOM; i++) {
        if (i % 3 == 1) {
            void *data;

            CHECK_OK(quire_tx_reserve(tx, SIZE, &data, 0));
            CHECK_OK(quire_tx_abort(tx));
        } else {
            send_noted(tx, SIZE, &ledger, NULL);
        }
    }
    ledger_drain(&ledger, rx);
    ledger_check(&ledger);
    CHECK_EQ(ledger.told, 1);
    CHECK_EQ(stat_of(channel).voids, (20 * ROOM + 1) / 3);
    ledger_free(&ledger);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void counted_before_any_group(void)
{
    quire_t *channel = cell_policy(3, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    uint64_t received = 0, dropped;
    struct quire_msg msg;
    quire_rx_t *rx;
    int code;

    for (uint64_t i = 0; i < 50 * ROOM + 3; i++) {
        put(tx, 1, i, SIZE);
    }
    dropped = stat_of(channel).dropped;
    CHECK(dropped > 0);
    rx = open_rx(channel, "g");
    while ((code = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(code); /* this group lost nothing: there is nothing to be told */
        is_number(&msg, 1, dropped + received, SIZE);
        received++;
    }
    CHECK_EQ(dropped + received, 50 * ROOM + 3);
    CHECK_EQ(stat_of(channel).dropped, dropped);
    CHECK_EQ(group_of(channel, "g").lost, 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* I6: the page somebody borrows from is given up, but its bytes stay where they are. */
static void borrowed_stays(uint32_t run_max, unsigned take_first)
{
    quire_t *channel = cell_policy(3, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", run_max);
    struct quire_msg held[ROOM];
    struct ledger ledger;

    ledger_init(&ledger);
    for (unsigned turn = 0; turn < 5; turn++) {
        uint64_t numbers[ROOM], stream;
        unsigned count = 0;

        for (unsigned i = 0; i < ROOM; i++) {
            send_noted(tx, SIZE, &ledger, NULL);
        }
        while (count < take_first) {
            int code = quire_rx_try_recv(rx, &held[count]);

            if (code == QUIRE_PAGE_END) {
                /* One page at a time: what was taken of the page before goes. */
                CHECK_OK(quire_rx_next_page(rx));
                count = 0;
            } else if (code == QUIRE_LAPPED) {
                ledger_lost(&ledger, quire_rx_lost(rx));
            } else if (code == QUIRE_EAGAIN) {
                break;
            } else {
                CHECK_OK(code);
                CHECK(content_read(held[count].data, held[count].size, &stream, &numbers[count]));
                ledger_received(&ledger, held[count].position);
                count++;
            }
        }
        for (unsigned i = 0; i < 20 * ROOM; i++) {
            send_noted(tx, SIZE, &ledger, NULL);
        }
        for (unsigned i = 0; i < count; i++) {
            is_number(&held[i], 1, numbers[i], SIZE);
        }
    }
    ledger_drain(&ledger, rx);
    ledger_check(&ledger);
    CHECK_EQ(ledger.lost, group_of(channel, "g").lost);
    ledger_free(&ledger);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void borrowed_stays_one(void)
{
    borrowed_stays(1, 3);
}

static void borrowed_stays_run(void)
{
    borrowed_stays(64, 3);
}

static void borrowed_stays_page(void)
{
    borrowed_stays(64, ROOM);
}

static void one_page_pool(void)
{
    quire_t *channel = cell_policy(1, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct ledger ledger;

    ledger_init(&ledger);
    for (unsigned turn = 0; turn < 50; turn++) {
        for (unsigned i = 0; i < turn; i++) {
            send_noted(tx, SIZE, &ledger, NULL);
        }
        ledger_drain(&ledger, rx);
        if (turn % 2) {
            CHECK_OK(quire_rx_release(rx));
        }
    }
    ledger_check(&ledger);
    CHECK(ledger.lost > 0);
    CHECK_EQ(ledger.lost, group_of(channel, "g").lost);
    ledger_free(&ledger);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* A run that came back from a closed member may be lost like anything else: told, not skipped. */
static void returned_runs_may_be_lost(void)
{
    quire_t *channel = cell_policy(3, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    struct ledger ledger;
    quire_rx_t *rx;

    ledger_init(&ledger);
    rx = open_rx_run(channel, "g", 10);
    for (unsigned turn = 0; turn < 20; turn++) {
        struct quire_msg msg;
        int code;

        for (unsigned i = 0; i < 2 * ROOM; i++) {
            send_noted(tx, SIZE, &ledger, NULL);
        }
        while ((code = quire_rx_try_recv(rx, &msg)) != 0) {
            if (code == QUIRE_LAPPED) {
                ledger_lost(&ledger, quire_rx_lost(rx));
                continue;
            }
            CHECK_CODE(code, QUIRE_PAGE_END);
            CHECK_OK(quire_rx_next_page(rx));
        }
        ledger_received(&ledger, msg.position);
        quire_rx_close(rx);
        for (unsigned i = 0; i < (turn % 4) * 3 * ROOM; i++) {
            send_noted(tx, SIZE, &ledger, NULL);
        }
        rx = open_rx_run(channel, "g", 10);
    }
    ledger_drain(&ledger, rx);
    ledger_check(&ledger);
    CHECK(ledger.lost > 0);
    CHECK_EQ(ledger.lost, group_of(channel, "g").lost);
    ledger_free(&ledger);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Random steps of a producer and a member that comes and goes: the account always closes. */
static void random_steps(void)
{
    quire_t *channel = cell_policy(4, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    struct random random = {8209};
    struct ledger ledger;
    uint32_t run_max = 1;
    quire_rx_t *rx = open_rx_run(channel, "g", run_max);

    ledger_init(&ledger);
    for (uint64_t step = 0; step < test_scale(20000); step++) {
        uint64_t roll = random_below(&random, 100);
        struct quire_msg msg;
        int code;

        if (roll < 40) {
            send_noted(tx, content_size(1, step, CONTENT_NAMED_MIN, 2000), &ledger, NULL);
        } else if (roll < 92) {
            code = quire_rx_try_recv(rx, &msg);
            if (code == QUIRE_LAPPED) {
                ledger_lost(&ledger, quire_rx_lost(rx));
            } else if (code == QUIRE_PAGE_END) {
                CHECK_OK(quire_rx_next_page(rx));
            } else if (code != QUIRE_EAGAIN) {
                CHECK_OK(code);
                ledger_received(&ledger, msg.position);
            }
        } else if (roll < 96) {
            CHECK_OK(quire_rx_release(rx));
        } else if (roll < 99) {
            quire_rx_close(rx);
            run_max = (uint32_t)(1 + random_below(&random, 40));
            rx = open_rx_run(channel, "g", run_max);
        } else {
            for (uint64_t i = random_below(&random, 60); i > 0; i--) {
                send_noted(tx, content_size(2, i, CONTENT_NAMED_MIN, 2000), &ledger, NULL);
            }
        }
    }
    ledger_drain(&ledger, rx);
    ledger_check(&ledger);
    CHECK(ledger.lost > 0 && ledger.received > 0);
    CHECK_EQ(ledger.lost, group_of(channel, "g").lost);
    ledger_free(&ledger);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"drop: a sender is never told that it is full", never_full, 0},
    {"drop: the loss is told once and exactly (vector#8209)", told_once_and_exactly, 0},
    {"drop: every receive tells it (librdkafka#521)", told_by_every_call, 0},
    {"drop: one member is told", told_to_one_member, 0},
    {"drop: two groups lose differently", two_groups_lose_differently, 0},
    {"drop: what was received of a page is not lost", partly_received, 0},
    {"drop: voids are not lost messages", voids_are_not_lost, 0},
    {"drop: counted while there is no group", counted_before_any_group, 0},
    {"drop: borrowed messages stay, one at a time", borrowed_stays_one, 0},
    {"drop: borrowed messages stay, with a run claimed", borrowed_stays_run, 0},
    {"drop: borrowed messages stay, a whole page", borrowed_stays_page, 0},
    {"drop: a pool of one page", one_page_pool, 0},
    {"drop: returned runs may be lost, never skipped", returned_runs_may_be_lost, 0},
    {"drop: the account closes whatever the order of steps", random_steps, 120},
};
const struct test_table drop_table = TEST_TABLE(cases);
