/* SPDX-License-Identifier: MIT */
/* A channel that was closed cleanly and is opened again. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <unistd.h>

#define SIZE 500u
#define ROOM 8u /* messages of SIZE bytes in a small page */

static void all_is_there(void)
{
    quire_t *channel = cell_small(POOL_LARGE);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *half = open_rx_run(channel, "half", 1), *none = open_rx(channel, "none");
    struct quire_stat before, after;
    uint64_t last;

    for (uint64_t i = 0; i < 200; i++) {
        put(tx, 1, i, content_size(1, i, 0, 600));
    }
    for (uint64_t i = 0; i < 100; i++) {
        take_number(half, 1, i, content_size(1, i, 0, 600));
    }
    last = quire_tx_position(tx);
    quire_rx_close(half);
    quire_rx_close(none);
    quire_tx_close(tx);
    before = stat_of(channel);
    CHECK_OK(quire_close(channel));

    channel = cell_reopen();
    after = stat_of(channel);
    CHECK_EQ(after.messages, before.messages);
    CHECK_EQ(after.voids, 0);
    CHECK_EQ(after.damaged, 0);
    CHECK_EQ(after.recoveries, 0);
    CHECK_EQ(after.first_page, before.first_page);
    CHECK_EQ(after.tail_page, before.tail_page);
    CHECK_EQ(after.end_position, before.end_position);
    CHECK_EQ(after.groups, 2);
    CHECK_EQ(after.handles, 0);
    CHECK(memcmp(after.uuid, before.uuid, 16) == 0);
    CHECK_EQ(group_of(channel, "half").lag_messages, 100);
    CHECK_EQ(group_of(channel, "none").lag_messages, 200);
    tx = open_tx(channel);
    put(tx, 1, 200, 48);
    CHECK(quire_tx_position(tx) > last);
    half = open_rx(channel, "half");
    none = open_rx(channel, "none");
    for (uint64_t i = 0; i <= 200; i++) {
        size_t size = i == 200 ? 48 : content_size(1, i, 0, 600);

        take_number(none, 1, i, size);
        if (i >= 100) {
            CHECK_EQ(take_number(half, 1, i, size).flags, 0);
        }
    }
    take_nothing(half);
    take_nothing(none);
    quire_rx_close(half);
    quire_rx_close(none);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* Reopened after every few messages, over many page turns. */
static void again_and_again(void)
{
    quire_t *channel = cell_small(3);
    uint64_t sent = 0, received = 0;

    CHECK_OK(quire_close(channel));
    for (unsigned turn = 0; turn < 60; turn++) {
        quire_tx_t *tx;
        quire_rx_t *rx;

        channel = cell_reopen();
        tx = open_tx(channel);
        rx = open_rx_run(channel, "g", 1 + turn % 7);
        for (unsigned i = 0; i < 1 + turn % 9; i++) {
            if (try_put(tx, 1, sent, SIZE) == 0) {
                sent++;
            }
        }
        for (unsigned i = 0; i < turn % 8 && received < sent; i++) {
            take_number(rx, 1, received++, SIZE);
        }
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
    }
    channel = cell_reopen();
    CHECK_EQ(stat_of(channel).messages, sent);
    CHECK_EQ(stat_of(channel).recoveries, 0);
    CHECK_EQ(stat_of(channel).voids, 0);
    CHECK_OK(quire_close(channel));
}

/* disk-chan: reopening with fewer pages deleted the wrong files. */
static void geometry_comes_from_the_files(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 4), other;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint64_t sent;

    options.max_messages = 100;
    channel = cell_open(&options);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    sent = fill(tx, 1, 0, SIZE);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    for (unsigned turn = 0; turn < 4; turn++) {
        struct quire_stat stat;

        other = cell_options(turn % 2 ? 1u << 20 : 8192, turn % 2 ? 1 : 64);
        other.max_messages = 5;
        other.full_policy = QUIRE_FULL_DROP_OLDEST;
        other.checksum = QUIRE_CHECKSUM_ON + QUIRE_CHECKSUM_OFF - cell.checksum;
        channel = cell_open(&other);
        stat = stat_of(channel);
        CHECK_EQ(stat.page_size, SMALL_PAGE);
        CHECK_EQ(stat.max_pages, 4);
        CHECK_EQ(stat.max_messages, 100);
        CHECK_EQ(stat.full_policy, QUIRE_FULL_BLOCK);
        CHECK_EQ(stat.checksum, cell.checksum);
        CHECK_EQ(stat.pages_made, 4);
        tx = open_tx(channel);
        CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
    }
    channel = cell_reopen();
    rx = open_rx(channel, "g");
    for (uint64_t i = 0; i < sent; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* Options of an existing channel are still options: what is out of range is refused. */
static void bad_options_are_refused_still(void)
{
    quire_t *channel = cell_small(2);
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[TEMP_PATH_MAX];

    CHECK_OK(quire_close(channel));
    options.flags = 1u << 20;
    CHECK_CODE(quire_open(&channel, cell_path(path), &options), QUIRE_EINVAL);
    options.flags = 0;
    options.wait = 9;
    CHECK_CODE(quire_open(&channel, path, &options), QUIRE_EINVAL);
    options.wait = 0;
    options.reserved[0] = 5;
    CHECK_CODE(quire_open(&channel, path, &options), QUIRE_EINVAL);
    CHECK(channel == NULL);
    CHECK_OK(quire_close(cell_reopen()));
}

/* What a member had claimed and not delivered at the close is delivered after it. */
static void returned_runs_survive(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 10);
    uint64_t ahead;

    for (uint64_t i = 0; i < 20; i++) {
        put(tx, 1, i, SIZE);
    }
    take_number(rx, 1, 0, SIZE);
    ahead = claimed_of(channel, "g");
    CHECK(ahead > 0);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));

    channel = cell_reopen();
    CHECK_EQ(group_of(channel, "g").returned, 1);
    CHECK_EQ(group_of(channel, "g").lag_messages, 19);
    rx = open_rx(channel, "g");
    for (uint64_t i = 1; i < 20; i++) {
        struct quire_msg msg = take_number(rx, 1, i, SIZE);

        CHECK_EQ(msg.flags, i <= ahead ? QUIRE_MSG_RETURNED : 0);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static void losses_survive(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;
    uint64_t lost;

    quire_rx_close(rx);
    for (uint64_t i = 0; i < 20 * ROOM; i++) {
        put(tx, 1, i, SIZE);
    }
    lost = group_of(channel, "g").lost;
    CHECK(lost > 0);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));

    channel = cell_reopen();
    CHECK_EQ(group_of(channel, "g").lost, lost);
    rx = open_rx(channel, "g");
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_LAPPED);
    CHECK_EQ(quire_rx_lost(rx).count, lost);
    CHECK_EQ(quire_rx_lost(rx).first, 0);
    for (uint64_t i = lost; i < 20 * ROOM; i++) {
        take_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static void counters_survive(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_stat before, after;
    void *room;

    for (uint64_t i = 0; i < 10 * ROOM; i++) {
        put(tx, 1, i, SIZE);
        take_number(rx, 1, i, SIZE);
    }
    CHECK_OK(quire_tx_reserve(tx, 8, &room, 0));
    CHECK_OK(quire_tx_abort(tx));
    quire_rx_close(rx);
    quire_tx_close(tx);
    before = stat_of(channel);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    after = stat_of(channel);
    CHECK_EQ(after.messages, 10 * ROOM + 1);
    CHECK_EQ(after.messages, before.messages);
    CHECK_EQ(after.voids, 1);
    CHECK_EQ(after.turns, before.turns);
    CHECK_OK(quire_close(channel));
}

static void truncate_to(const char *name, off_t size)
{
    char path[TEMP_PATH_MAX];

    CHECK_EQ(truncate(temp_path(path, name), size), 0);
}

static off_t size_of(const char *name)
{
    char path[TEMP_PATH_MAX];
    struct stat st;

    CHECK_EQ(stat(temp_path(path, name), &st), 0);
    return st.st_size;
}

/* Finds a page file and writes its name, below the temporary directory. */
static void page_file(char *name)
{
    char path[TEMP_PATH_MAX];

    for (unsigned digits = 4; digits <= 5; digits++) {
        snprintf(name, TEMP_PATH_MAX, "channel/pages/%0*d.page", (int)digits, 0);
        if (access(temp_path(path, name), F_OK) == 0) {
            return;
        }
    }
    test_fail(__FILE__, __LINE__, "no page file");
}

/* Neither to write nor to read only; which of two codes is right is a matter of taste. */
static void refused(int wanted, int or_wanted)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[TEMP_PATH_MAX];
    quire_t *channel;
    int files = process_files();

    for (int i = 0; i < 2; i++) {
        int code;

        options.flags = i ? QUIRE_READ_ONLY : QUIRE_CREATE;
        code = quire_open(&channel, cell_path(path), &options);
        CHECK_CODE(code, code == or_wanted ? or_wanted : wanted);
        CHECK(channel == NULL);
        CHECK_EQ(process_files(), files);
    }
}

static void short_files(void)
{
    char name[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    static const off_t sizes[] = {0, 1, 4095, 4096, 8192};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        quire_t *channel = cell_small(2);

        CHECK_OK(quire_close(channel));
        page_file(name);
        CHECK(size_of(name) > sizes[i]);
        truncate_to(name, sizes[i]);
        refused(QUIRE_EBADFILE, QUIRE_EBADFILE);
        CHECK_EQ(size_of(name), sizes[i]);
        temp_remove(cell_path(path));

        channel = cell_small(2);
        CHECK_OK(quire_close(channel));
        CHECK(size_of("channel/control") > sizes[i]);
        truncate_to("channel/control", sizes[i]);
        /* With less than a superblock one cannot tell. */
        refused(QUIRE_EBADFILE, sizes[i] < 4096 ? QUIRE_ENOTQUIRE : QUIRE_EBADFILE);
        CHECK_EQ(size_of("channel/control"), sizes[i]);
        temp_remove(cell_path(path));
    }
}

static void missing_files(void)
{
    char name[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    quire_t *channel = cell_small(2);

    CHECK_OK(quire_close(channel));
    page_file(name);
    CHECK_EQ(unlink(temp_path(path, name)), 0);
    refused(QUIRE_EBADFILE, QUIRE_EBADFILE);
    temp_remove(cell_path(path));

    channel = cell_small(2);
    CHECK_OK(quire_close(channel));
    CHECK_EQ(unlink(temp_path(path, "channel/control")), 0);
    refused(QUIRE_ENOTQUIRE, QUIRE_EBADFILE);
}

/* Flips one byte of the page files where the text stands. */
static void damage(const char *text)
{
    char name[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    off_t size;
    char *bytes, *found;
    int fd;

    page_file(name);
    size = size_of(name);
    bytes = malloc((size_t)size);
    CHECK(bytes != NULL);
    fd = open(temp_path(path, name), O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, bytes, (size_t)size, 0), size);
    found = memmem(bytes, (size_t)size, text, strlen(text));
    CHECK(found != NULL);
    *found ^= 0x40;
    CHECK_EQ(pwrite(fd, found, 1, found - bytes), 1);
    close(fd);
    free(bytes);
}

/* filechannel: one flipped byte dropped the 499 good messages behind it without an error. */
static void one_damaged_message(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 1);
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    struct quire_msg msg;

    if (cell.checksum != QUIRE_CHECKSUM_ON) {
        test_skip("only checksums tell");
    }
    CHECK_OK(quire_tx_send(tx, "the first message", 17));
    CHECK_OK(quire_tx_send(tx, "the one in between", 18));
    CHECK_OK(quire_tx_send(tx, "the last message", 16));
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    damage("in between");
    channel = cell_reopen();
    rx = open_rx(channel, "g");
    msg = take(rx);
    CHECK(msg.size == 17 && memcmp(msg.data, "the first message", 17) == 0);
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_CORRUPT);
    msg = take(rx);
    CHECK(msg.size == 16 && memcmp(msg.data, "the last message", 16) == 0);
    take_nothing(rx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* Any ring: recycled files hold old, valid records. They never surface, a reopen or not. */
static void old_records_never_surface(void)
{
    quire_t *channel = cell_small(2);
    uint64_t number = 0;

    CHECK_OK(quire_close(channel));
    for (unsigned turn = 0; turn < 40; turn++) {
        quire_tx_t *tx;
        quire_rx_t *rx;

        channel = cell_reopen();
        tx = open_tx(channel);
        rx = open_rx(channel, "g");
        for (unsigned i = 0; i < 1 + turn % 5; i++) {
            put(tx, 1, number, 800);
            take_number(rx, 1, number++, 800);
        }
        take_nothing(rx);
        quire_rx_close(rx);
        quire_tx_close(tx);
        CHECK_OK(quire_close(channel));
    }
}

static const struct test_case cases[] = {
    {"reopen: everything is there and groups go on", all_is_there, 0},
    {"reopen: again and again", again_and_again, 0},
    {"reopen: the geometry comes from the files", geometry_comes_from_the_files, 0},
    {"reopen: bad options are refused still", bad_options_are_refused_still, 0},
    {"reopen: returned runs survive", returned_runs_survive, 0},
    {"reopen: losses that nobody was told survive", losses_survive, 0},
    {"reopen: counters survive", counters_survive, 0},
    {"reopen: short files are refused and left alone", short_files, 0},
    {"reopen: missing files are refused", missing_files, 0},
    {"reopen: a damaged message is told, the others stay", one_damaged_message, 0},
    {"reopen: old records never surface", old_records_never_surface, 0},
};
const struct test_table reopen_table = TEST_TABLE(cases);
