/* SPDX-License-Identifier: MIT */
/* The disk is full: that is a code, never a signal, and passes when there is space again. */
#include <stdio.h>
#include <tests/fs/cases.h>
#include <tests/fs/disk.h>
#include <tests/fs/spool.h>

#define SOME (4u << 20)
#define MANY 1000000u /* messages: more than any of the disks holds */

static void growth_meets_the_end_of_the_disk(void)
{
    struct spool spool = {0};
    disk_mount(NULL);
    CHECK_OK(spool_open(&spool, "spool", 2));
    disk_take("some", SOME);
    disk_take("rest", UINT64_MAX);
    CHECK_CODE(spool_send(&spool, MANY), QUIRE_ENOSPC);
    uint64_t first = spool.sent;
    CHECK(first > 0);
    disk_give("some");
    CHECK_CODE(spool_send(&spool, MANY), QUIRE_ENOSPC);
    CHECK(spool.sent >= first + SOME / 2 / SPOOL_BYTES);
    CHECK_CODE(spool_send(&spool, MANY), QUIRE_ENOSPC);
    disk_sync();
    spool_churn(&spool); /* what it has it can use */
    CHECK_CODE(spool_send(&spool, MANY), QUIRE_ENOSPC);
    disk_give("rest"); /* the same handles go on */
    CHECK_OK(spool_send(&spool, 2 * SOME / SPOOL_BYTES));
    struct quire_stat stat;
    CHECK_OK(quire_stat(spool.channel, &stat));
    CHECK_EQ(stat.messages, spool.sent);
    CHECK_EQ(stat.voids, 0);
    spool_close(&spool);
    CHECK_OK(spool_open(&spool, "spool", 2));
    spool_receive(&spool);
    CHECK_OK(quire_stat(spool.channel, &stat));
    CHECK_EQ(stat.messages, spool.received);
    CHECK_EQ(stat.voids + stat.damaged, 0);
    spool_close(&spool);
}

#define ROOMS 60

static void room_name(char name[16], unsigned room)
{
    snprintf(name, 16, "room-%02u", room);
}

/* Space for some of its files is no space for a channel. */
static void creation_on_a_full_disk_leaves_nothing(void)
{
    char name[16];
    char path[TEMP_PATH_MAX];
    struct quire_options options = spool_options(4);
    quire_t *channel;
    int rc;
    unsigned room;
    disk_mount(NULL);
    for (room = 0; room < ROOMS; room++) {
        room_name(name, room);
        disk_take(name, 128u << 10);
    }
    disk_take("rest", UINT64_MAX);
    int names = disk_names();
    disk_path(path, "spool");
    for (room = 0; (rc = quire_open(&channel, path, &options)) != 0 && room < ROOMS; room++) {
        CHECK_CODE(rc, QUIRE_ENOSPC);
        CHECK_EQ(disk_names(), names);
        room_name(name, room);
        disk_give(name);
        names--;
    }
    CHECK(room > 4);
    CHECK_OK(rc);
    CHECK_OK(quire_close(channel));
    disk_give("rest");
    struct spool spool = {0};
    CHECK_OK(spool_open(&spool, "spool", 4));
    CHECK_OK(spool_send(&spool, 3 * spool_page() / SPOOL_BYTES));
    spool_receive(&spool);
    spool_close(&spool);
}

static const struct test_case cases[] = {
    {"growth_meets_the_end_of_the_disk", growth_meets_the_end_of_the_disk, 120},
    {"creation_on_a_full_disk_leaves_nothing", creation_on_a_full_disk_leaves_nothing, 120},
};
const struct test_table full_cases = TEST_TABLE(cases);
