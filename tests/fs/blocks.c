/* SPDX-License-Identifier: MIT */
/*
 * How much is written back: a store into one block costs one block. A page cache in larger pages
 * would write all of such a page, and nothing but the device's own count shows it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <pages/store.h>
#include <stdio.h>
#include <tests/fs/cases.h>
#include <tests/fs/disk.h>
#include <unistd.h>

#define PAGE   (4u << 20)
#define STRIDE (64u << 10) /* between the blocks that are stored into */
#define BLOCKS (PAGE / STRIDE)
#define ADDED  3u /* a frame that is not of the preset pool */
#define CLOSED 0x7fffu

static const struct qr_geometry geometry = {
    .page_size = PAGE,
    .max_messages = 65535,
    .frames_base = 2,
    .frames_cap = 4,
    .checksum = 1,
};

static struct qr_store *open_store(void)
{
    char path[TEMP_PATH_MAX];
    struct qr_store *store;
    CHECK_OK(qr_store_open(&store, disk_path(path, "channel"), 0, CLOSED));
    return store;
}

/* Store and sync, block after block: bytes that reached the device for each. */
static uint64_t written_for(unsigned char *bytes, uint64_t size, int fd)
{
    unsigned count = 0;
    CHECK(fsync(fd) == 0); /* populating has dirtied all of it */
    disk_sync();
    uint64_t before = disk_written();
    for (uint64_t at = 0; at < size; at += STRIDE, count++) {
        qr_atomic_u64 *word = (qr_atomic_u64 *)(bytes + at + 128);
        qr_store_relaxed(word, qr_load_relaxed(word)); /* relaxed: nobody else is here */
        CHECK(fdatasync(fd) == 0);
    }
    return (disk_written() - before) / count;
}

/* One block, and room for what a journal may write meanwhile; large pages would make it ten. */
static void check_cost(const char *what, uint64_t cost)
{
    printf("  %s: %llu bytes for each block\n", what, (unsigned long long)cost);
    CHECK(cost >= QR_BLOCK);
    CHECK(cost < 2 * QR_BLOCK);
}

static void check_frame_cost(struct qr_store *store, uint32_t number, const char *what)
{
    const struct qr_frame *frame;
    CHECK_OK(qr_store_frame(store, number, &frame));
    int fd = qr_store_frame_fd(store, number);
    CHECK(fd >= 0);
    check_cost(what, written_for(frame->data, PAGE, fd));
    check_cost("its index", written_for((unsigned char *)frame->slots, 65536 * 8, fd));
}

/* A control file is smaller than the strides. */
static void check_live_cost(struct qr_store *store)
{
    unsigned char *live = (unsigned char *)qr_store_view(store)->live;
    check_cost("the live words", written_for(live, 1, qr_store_control_fd(store)));
}

static int forget_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type != FTW_F)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fsync(fd) == 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
    return 0;
}

static void one_block_costs_one_block(void)
{
    char path[TEMP_PATH_MAX];
    if (disk_type() == DISK_TMPFS || disk_type() == DISK_BTRFS)
        test_skip("tmpfs writes nothing, btrfs writes its trees with each sync");
    disk_mount(NULL);
    CHECK_OK(qr_store_create(disk_path(path, "channel"), &geometry, 0, CLOSED));
    struct qr_store *store = open_store();
    check_frame_cost(store, 0, "a page of a new channel");
    check_live_cost(store);
    qr_store_release(&qr_store_view(store)->life[ADDED], qr_life(QR_PAGE_BUSY, 0));
    CHECK_OK(qr_store_frame_make(store, ADDED));
    qr_store_release(&qr_store_view(store)->life[ADDED], qr_life(QR_PAGE_FREE, 0));
    check_frame_cost(store, ADDED, "a page that was added");
    qr_store_close(store);
    store = open_store();
    check_frame_cost(store, 0, "a page that is still cached");
    qr_store_close(store);
    CHECK(nftw(path, forget_file, 16, FTW_PHYS) == 0);
    store = open_store();
    check_frame_cost(store, 0, "a page that is not cached");
    check_frame_cost(store, 1, "one that was never used");
    check_live_cost(store);
    qr_store_close(store);
}

static const struct test_case cases[] = {
    {"one_block_costs_one_block", one_block_costs_one_block, 0},
};
const struct test_table blocks_cases = TEST_TABLE(cases);
