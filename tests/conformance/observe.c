/* SPDX-License-Identifier: MIT */
/* Read-only opens: figures for everybody, nothing touched. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/random.h>
#include <unistd.h>

static quire_t *observe(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    options.flags = QUIRE_READ_ONLY;
    return cell_open(&options);
}

static uint64_t sum;

static int add_bytes(const char *path, const struct stat *st, int type, struct FTW *at)
{
    unsigned char bytes[4096];
    uint64_t hash = 0;
    ssize_t got;
    int fd;

    (void)at;
    if (type == FTW_D) {
        /* Nothing added or removed. */
        sum += random_mix((uint64_t)st->st_mtim.tv_sec * 1000000000ull +
                          (uint64_t)st->st_mtim.tv_nsec);
        return 0;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            hash = random_mix(hash + bytes[i] + 1);
        }
    }
    CHECK_EQ(got, 0);
    close(fd);
    sum += random_mix(hash + (uint64_t)st->st_size);
    return 0;
}

/* All bytes of all files, in one number. */
static uint64_t content_sum(void)
{
    char path[TEMP_PATH_MAX];

    sum = 0;
    CHECK_EQ(nftw(cell_path(path), add_bytes, 16, FTW_PHYS), 0);
    return sum;
}

static void handles_are_refused(void)
{
    quire_t *channel = cell_small(2), *observer;
    quire_tx_t *tx;
    quire_rx_t *rx;

    quire_rx_close(open_rx(channel, "g"));
    CHECK_OK(quire_close(channel));
    observer = observe();
    CHECK_CODE(quire_tx_open(observer, NULL, &tx), QUIRE_ERDONLY);
    CHECK_CODE(quire_rx_subscribe(observer, "g", NULL, NULL, &rx), QUIRE_ERDONLY);
    CHECK_CODE(quire_rx_subscribe(observer, "new", NULL, NULL, &rx), QUIRE_ERDONLY);
    CHECK_EQ(stat_of(observer).groups, 1);
    CHECK_EQ(stat_of(observer).handles, 0);
    CHECK_OK(quire_close(observer));
}

/* An observer sees what the owner sees, and neither is in the other's way. */
static void beside_the_owner(void)
{
    quire_t *channel = cell_small(4), *observers[3];
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);

    for (unsigned i = 0; i < 3; i++) {
        observers[i] = observe();
    }
    for (uint64_t i = 0; i < 100; i++) {
        put(tx, 1, i, 500);
        if (i % 2) {
            take_number(rx, 1, i / 2, 500);
        }
        if (i % 10 == 9) {
            struct quire_stat mine = stat_of(channel), theirs = stat_of(observers[i % 3]);
            struct quire_group_stat group = group_of(observers[i % 3], "g");

            CHECK_EQ(theirs.messages, mine.messages);
            CHECK_EQ(theirs.tail_page, mine.tail_page);
            CHECK_EQ(theirs.first_page, mine.first_page);
            CHECK_EQ(theirs.end_position, mine.end_position);
            CHECK_EQ(theirs.handles, 2);
            CHECK_EQ(theirs.pages_used, mine.pages_used);
            CHECK_EQ(theirs.bytes, mine.bytes);
            CHECK_EQ(theirs.clean, 0);
            CHECK(memcmp(theirs.uuid, mine.uuid, 16) == 0);
            CHECK_EQ(group.lag_messages, (i + 1) / 2);
            CHECK_EQ(group.lag_bytes, (i + 1) / 2 * record_bytes(500));
        }
        if (i >= 24) {
            break;
        }
    }
    CHECK_EQ(handle_of(observers[1], "g", QUIRE_HANDLE_RX).pid, getpid());
    CHECK_OK(quire_close(observers[0]));
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    CHECK_EQ(stat_of(observers[1]).messages, 25);
    CHECK_OK(quire_close(observers[1]));
    CHECK_OK(quire_close(observers[2]));
}

/* What is made after the observer has opened is seen all the same. */
static void sees_what_is_new(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    struct quire_plan plan;
    quire_t *channel, *observer;
    quire_tx_t *tx;
    quire_rx_t *rx;
    char name[] = "g0";
    uint64_t sent;

    CHECK_OK(quire_plan(&options, 1, &plan));
    options.full_policy = QUIRE_FULL_GROW;
    options.max_bytes = 8 * plan.page_bytes;
    channel = cell_open(&options);
    observer = observe();
    for (uint32_t i = 0; i < 3; i++) {
        name[1] = (char)('0' + i);
        quire_rx_close(open_rx(channel, name));
        CHECK_EQ(stat_of(observer).groups, i + 1);
        CHECK_EQ(group_of(observer, name).lag_messages, 0);
    }
    tx = open_tx(channel);
    sent = fill(tx, 1, 0, 500);
    CHECK_EQ(sent, 8 * page_room(SMALL_PAGE, 500));
    CHECK_EQ(stat_of(observer).pages_used, 8);
    CHECK_EQ(stat_of(observer).pages_made, 8);
    CHECK_EQ(stat_of(observer).bytes, stat_of(channel).bytes);
    rx = open_rx(channel, "g1");
    CHECK_EQ(group_of(observer, "g1").members, 1);
    CHECK_EQ(group_of(observer, "g2").lag_bytes, sent * record_bytes(500));
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    CHECK_OK(quire_close(observer));
}

static void takes_no_lock(void)
{
    quire_t *channel = cell_small(2), *observer;

    CHECK_OK(quire_close(channel));
    observer = observe();
    channel = cell_reopen();
    CHECK_OK(quire_close(channel));
    CHECK_OK(quire_close(observer));
    CHECK_OK(quire_close(cell_reopen()));
}

static void changes_nothing(void)
{
    quire_t *channel = cell_small(4), *observer;
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 10);
    struct quire_page_stat pages[8];
    struct quire_handle_stat handles[8];
    uint64_t before;

    for (uint64_t i = 0; i < 20; i++) {
        put(tx, 1, i, 500);
    }
    take_number(rx, 1, 0, 500);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    before = content_sum();
    for (int i = 0; i < 3; i++) {
        observer = observe();
        CHECK_EQ(stat_of(observer).clean, 1);
        CHECK_EQ(stat_of(observer).messages, 20);
        CHECK_EQ(stat_of(observer).recoveries, 0);
        CHECK_EQ(group_of(observer, "g").lag_messages, 19);
        CHECK(quire_stat_pages(observer, pages, 8) >= 3);
        CHECK(quire_stat_handles(observer, handles, 8) >= 0);
        CHECK_OK(quire_close(observer));
        CHECK_EQ(content_sum(), before);
    }
    channel = cell_reopen();
    CHECK_EQ(stat_of(channel).recoveries, 0);
    CHECK_OK(quire_close(channel));
}

/* A channel whose owner has not closed it is not clean, and an observer does not repair it. */
static void does_not_repair(void)
{
    quire_t *channel = cell_small(4), *observer;
    quire_tx_t *tx = open_tx(channel);
    uint64_t before;
    void *room;

    put(tx, 1, 0, 500);
    CHECK_OK(quire_tx_reserve(tx, 500, &room, 0));
    before = content_sum();
    observer = observe();
    CHECK_EQ(stat_of(observer).clean, 0);
    CHECK_EQ(stat_of(observer).messages, 2);
    CHECK_EQ(stat_of(observer).voids, 0);
    CHECK_OK(quire_close(observer));
    CHECK_EQ(content_sum(), before);
    CHECK_OK(quire_tx_commit(tx, 0));
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"observe: handles are refused", handles_are_refused, 0},
    {"observe: beside the owner", beside_the_owner, 0},
    {"observe: sees what is new", sees_what_is_new, 0},
    {"observe: takes no lock", takes_no_lock, 0},
    {"observe: changes nothing", changes_nothing, 0},
    {"observe: does not repair", does_not_repair, 0},
};
const struct test_table observe_table = TEST_TABLE(cases);
