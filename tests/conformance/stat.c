/* SPDX-License-Identifier: MIT */
/* Figures, right after traffic that is known. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <time.h>
#include <unistd.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static void refuses_null(void)
{
    quire_t *channel = cell_small(2);

    CHECK_CODE(quire_stat(channel, NULL), QUIRE_EINVAL);
    CHECK_OK(quire_close(channel));
}

static void of_an_empty_channel(void)
{
    quire_t *channel = cell_small(4);
    struct quire_stat stat = stat_of(channel);
    static const uint8_t zero[16];

    CHECK_EQ(stat.messages, 0);
    CHECK_EQ(stat.voids, 0);
    CHECK_EQ(stat.damaged, 0);
    CHECK_EQ(stat.dropped, 0);
    CHECK_EQ(stat.turns_waited, 0);
    CHECK_EQ(stat.recoveries, 0);
    CHECK_EQ(stat.first_page, 0);
    CHECK_EQ(stat.tail_page, 0);
    CHECK_EQ(stat.end_position, 0);
    CHECK_EQ(stat.groups, 0);
    CHECK_EQ(stat.handles, 0);
    CHECK(stat.pages_used <= 1);
    CHECK(memcmp(stat.uuid, zero, 16) != 0);
    CHECK_EQ(quire_stat_groups(channel, NULL, 0), 0);
    CHECK_EQ(quire_stat_handles(channel, NULL, 0), 0);
    CHECK_OK(quire_close(channel));
}

static void of_messages(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    struct quire_stat stat;
    uint64_t turns = 0;

    for (uint64_t i = 0; i < 20 * ROOM; i++) {
        put(tx, 1, i, SIZE);
        stat = stat_of(channel);
        CHECK_EQ(stat.messages, i + 1);
        CHECK_EQ(stat.tail_page, i / ROOM);
        CHECK_EQ(stat.first_page, 0);
        CHECK(stat.end_position > quire_tx_position(tx));
        CHECK(stat.end_position <= QUIRE_POSITION((i + 1) / ROOM, (i + 1) % ROOM));
        turns = i == 0 ? stat.turns : turns;
        CHECK_EQ(stat.turns, turns + i / ROOM);
        CHECK_EQ(stat.pages_used, i / ROOM + 1);
    }
    CHECK_EQ(stat.voids, 0);
    CHECK_EQ(stat.turns_waited, 0);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void of_groups(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "mid", 1), *other = open_rx(channel, "all");
    static uint64_t bytes[301]; /* of the records from i on */
    struct quire_group_stat stats[4];

    for (uint64_t i = 0; i < 300; i++) {
        put(tx, 1, i, content_size(1, i, 0, 400));
    }
    for (uint64_t i = 300; i > 0; i--) {
        bytes[i - 1] = bytes[i] + record_bytes(content_size(1, i - 1, 0, 400));
    }
    for (uint64_t i = 0; i < 300; i++) {
        struct quire_group_stat stat = group_of(channel, "mid");
        struct quire_msg msg = take(rx);

        CHECK_EQ(stat.lag_messages, 300 - i);
        CHECK_EQ(stat.lag_bytes, bytes[i]);
        CHECK(stat.position <= msg.position);
        CHECK(group_of(channel, "mid").position > msg.position);
    }
    CHECK_EQ(group_of(channel, "mid").lag_messages, 0);
    CHECK_EQ(group_of(channel, "mid").lag_bytes, 0);
    CHECK_EQ(group_of(channel, "all").lag_messages, 300);
    CHECK_EQ(group_of(channel, "all").lag_bytes, bytes[0]);
    CHECK_EQ(group_of(channel, "all").members, 1);
    CHECK_EQ(group_of(channel, "all").position, 0);
    quire_rx_close(open_rx(channel, "between"));
    CHECK_EQ(quire_stat_groups(channel, stats, 4), 3);
    CHECK(strcmp(stats[0].name, "all") == 0);
    CHECK(strcmp(stats[1].name, "between") == 0);
    CHECK(strcmp(stats[2].name, "mid") == 0);
    CHECK_EQ(stats[1].members, 0);
    CHECK_EQ(stats[1].lost, 0);
    memset(stats, 0x5a, sizeof(stats));
    CHECK_EQ(quire_stat_groups(channel, stats, 1), 3);
    CHECK(strcmp(stats[0].name, "all") == 0);
    CHECK_EQ((unsigned char)stats[1].name[0], 0x5a);
    CHECK_EQ(stat_of(channel).groups, 3);
    quire_rx_close(rx);
    quire_rx_close(other);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void of_pages(void)
{
    quire_t *channel = cell_still(6);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_page_stat pages[16];
    long count, found = 0;

    for (uint64_t i = 0; i < 3 * ROOM + 3; i++) {
        put(tx, 1, i, SIZE);
    }
    count = quire_stat_pages(channel, pages, 16);
    CHECK(count >= 4 && count <= 16);
    for (long i = 0; i < count; i++) {
        struct quire_page_stat *page = &pages[i];
        int is_tail = page->page_no == 3;

        if (page->state != QUIRE_PAGE_OPEN && page->state != QUIRE_PAGE_SEALED) {
            continue;
        }
        CHECK_EQ(page->page_no, found);
        CHECK_EQ(page->state, is_tail ? QUIRE_PAGE_OPEN : QUIRE_PAGE_SEALED);
        CHECK_EQ(page->messages, is_tail ? 3 : ROOM);
        CHECK_EQ(page->bytes, page->messages * record_bytes(SIZE));
        CHECK(page->opened_ns > 0);
        for (long k = 0; k < i; k++) {
            CHECK(pages[k].frame_id != page->frame_id);
        }
        found++;
    }
    CHECK_EQ(found, 4);
    CHECK_EQ(quire_stat_pages(channel, pages, 1), count);
    CHECK_EQ(quire_stat_pages(channel, NULL, 0), count);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void of_used_and_free_pages(void)
{
    quire_t *channel = cell_still(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_stat stat;
    uint64_t sent = fill(tx, 1, 0, SIZE);

    stat = stat_of(channel);
    CHECK_EQ(stat.pages_used, 4);
    CHECK_EQ(stat.pages_free, 0);
    CHECK_EQ(stat.pages_made, 4);
    for (uint64_t i = 0; i < sent; i++) {
        CHECK_EQ(stat_of(channel).pages_used, 4 - (i > 0 ? (i - 1) / ROOM : 0));
        take_number(rx, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(rx));
    stat = stat_of(channel);
    CHECK_EQ(stat.pages_used, 1);
    CHECK_EQ(stat.pages_free, 2); /* one is ready to be the next page */
    CHECK_EQ(stat.pages_made, 4);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static uint64_t realtime_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void of_handles(void)
{
    uint64_t before = realtime_ns();
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 5);
    struct quire_handle_stat stats[4], holder;
    struct quire_msg msg;

    CHECK_EQ(quire_stat_handles(channel, stats, 4), 2);
    CHECK(stats[0].handle < stats[1].handle);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(stats[i].pid, getpid());
        CHECK(stats[i].since_ns + 1000 * CLOCK_MS >= before);
        CHECK(stats[i].since_ns <= realtime_ns() + 1000 * CLOCK_MS);
        CHECK_EQ(stats[i].claimed, 0);
    }
    CHECK(stats[0].kind != stats[1].kind);
    CHECK_EQ(handle_of(channel, "", QUIRE_HANDLE_TX).claimed, 0);
    CHECK_EQ(handle_of(channel, "g", QUIRE_HANDLE_RX).page_no, UINT64_MAX);

    /* Who holds which page can be seen (Chronicle-Queue#419, aeron#1669). */
    for (uint64_t i = 0; i < 2 * ROOM + 4; i++) {
        put(tx, 1, i, SIZE);
    }
    for (uint64_t i = 0; i < 2 * ROOM + 2; i++) {
        msg = take_number(rx, 1, i, SIZE);
        holder = handle_of(channel, "g", QUIRE_HANDLE_RX);
        CHECK_EQ(holder.page_no, QUIRE_PAGE_OF(msg.position));
        CHECK(holder.claimed == 0 || holder.next == msg.position + 1);
    }
    CHECK_OK(quire_rx_release(rx));
    holder = handle_of(channel, "g", QUIRE_HANDLE_RX);
    CHECK(holder.page_no == UINT64_MAX || holder.claimed > 0);
    CHECK_EQ(quire_stat_handles(channel, stats, 1), 2);
    quire_tx_close(tx);
    CHECK_EQ(quire_stat_handles(channel, NULL, 0), 1);
    CHECK_EQ(stat_of(channel).handles, 1);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* A borrower is named together with its page as long as it borrows, over the tail's progress. */
static void names_who_holds_the_space(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *idle = open_rx_run(channel, "idle", 1), *busy = open_rx(channel, "busy");
    uint64_t sent = 0;

    put(tx, 1, 0, SIZE);
    take_number(idle, 1, 0, SIZE);
    for (sent = 1; try_put(tx, 1, sent, SIZE) == 0; sent++) {
    }
    for (uint64_t i = 0; i < sent; i++) {
        take_number(busy, 1, i, SIZE);
    }
    CHECK_OK(quire_rx_release(busy));
    CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
    CHECK_EQ(handle_of(channel, "idle", QUIRE_HANDLE_RX).page_no, 0);
    CHECK_EQ(handle_of(channel, "busy", QUIRE_HANDLE_RX).page_no, UINT64_MAX);
    CHECK_EQ(group_of(channel, "idle").lag_messages, sent - 1);
    CHECK_EQ(group_of(channel, "busy").lag_messages, 0);
    CHECK_EQ(stat_of(channel).first_page, 0);
    quire_rx_close(idle);
    quire_rx_close(busy);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"stat: NULL is refused", refuses_null, 0},
    {"stat: of an empty channel", of_an_empty_channel, 0},
    {"stat: of messages and turns", of_messages, 0},
    {"stat: of groups: position, lag in messages and bytes", of_groups, 0},
    {"stat: of pages", of_pages, 0},
    {"stat: of used and free pages", of_used_and_free_pages, 0},
    {"stat: of handles", of_handles, 0},
    {"stat: who holds the space is named (aeron#1669)", names_who_holds_the_space, 0},
};
const struct test_table stat_table = TEST_TABLE(cases);
