/* SPDX-License-Identifier: MIT */
/* What the store's tests share: a scratch folder, a small channel in it, and looking around. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pages/io.h>
#include <pages/store.h>
#include <quire/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOSED     0x123456789abcdef0ull /* a claim word nobody else would write */
#define BASE       3u
#define CAP        6u
#define UNUSED     __attribute__((unused))
#define PATH_SIZE  512
#define PAGE_BYTES (64u << 10)

static char scratch[128]; /* the folder of this test */
static char chan[160];    /* the channel's path in it */

static const struct qr_geometry small = {.page_size = PAGE_BYTES,
                                         .max_messages = 1000,
                                         .frames_base = BASE,
                                         .frames_cap = CAP,
                                         .checksum = 1};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static UNUSED void scratch_make(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/quire-store-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(scratch));
    snprintf(chan, sizeof chan, "%s/channel", scratch);
}

static UNUSED void scratch_remove(void)
{
    nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the channel. The result lasts until the fourth call from now. */
static UNUSED const char *in(const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, PATH_SIZE, "%s/%s", chan, name);
    return path;
}

static UNUSED const char *page_path(uint32_t frame)
{
    char name[32];
    snprintf(name, sizeof name, "pages/%05u.page", frame);
    return in(name);
}

static UNUSED void make_channel(void)
{
    cr_assert_eq(qr_store_create(chan, &small, 0, CLOSED), 0);
}

static UNUSED struct qr_store *open_channel(int read_only)
{
    struct qr_store *store = NULL;
    cr_assert_eq(qr_store_open(&store, chan, read_only, CLOSED), 0);
    return store;
}

static UNUSED struct qr_store *open_in_memory(int huge_pages)
{
    struct qr_store *store = NULL;
    cr_assert_eq(qr_store_open_memory(&store, &small, huge_pages, CLOSED), 0);
    return store;
}

static UNUSED void set_life(struct qr_store *store, uint32_t frame, uint64_t page)
{
    qr_store_release(&qr_store_view(store)->life[frame], qr_life(page, 0));
}

static UNUSED uint64_t life_of(const struct qr_store *store, uint32_t frame)
{
    return qr_life_page(qr_load_acquire(&qr_store_view(store)->life[frame]));
}

/* Makes a frame as its owner does. */
static UNUSED int make_frame(struct qr_store *store, uint32_t frame)
{
    set_life(store, frame, QR_PAGE_BUSY);
    int rc = qr_store_frame_make(store, frame);
    set_life(store, frame, rc == 0 ? QR_PAGE_FREE : QR_PAGE_ABSENT);
    return rc;
}

/* Gives a frame back as its owner does. */
static UNUSED int give_frame_back(struct qr_store *store, uint32_t frame)
{
    struct qr_extent extent;
    set_life(store, frame, QR_PAGE_BUSY);
    int rc = qr_store_frame_extent(store, frame, &extent);
    if (rc == 0 && extent.size != 0) /* a frame of one huge page has nothing to give */
        rc = qr_io_punch(extent.fd, extent.offset, extent.size);
    qr_store_extent_done(store, &extent);
    set_life(store, frame, QR_PAGE_ABSENT);
    return rc;
}

static UNUSED const struct qr_frame *frame_of(struct qr_store *store, uint32_t number)
{
    const struct qr_frame *frame = NULL;
    cr_assert_eq(qr_store_frame(store, number, &frame), 0);
    return frame;
}

static int walk_count;
static int count_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path;
    (void)st;
    (void)type;
    (void)at;
    walk_count++;
    return 0;
}

/* Names under path, itself included; 0 when it does not exist. */
static UNUSED int names_under(const char *path)
{
    walk_count = 0;
    nftw(path, count_one, 16, FTW_PHYS);
    return walk_count;
}

static UNUSED int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Bytes this process has mapped from the scratch folder or a channel's memfd. With perms, only
 * those. Bytes, since the kernel joins neighbours. */
static UNUSED uint64_t mapped_bytes(const char *perms)
{
    char line[1024];
    uint64_t bytes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    cr_assert_not_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char mode[8];
        cr_assert_eq(sscanf(line, "%lx-%lx %7s", &from, &to, mode), 3);
        int ours = strstr(line, scratch) != NULL || strstr(line, "memfd:quire") != NULL;
        if (ours && (perms == NULL || strncmp(mode, perms, strlen(perms)) == 0))
            bytes += to - from;
    }
    fclose(maps);
    return bytes;
}

static UNUSED struct stat stat_of(const char *path)
{
    struct stat st;
    cr_assert_eq(lstat(path, &st), 0, "%s", path);
    return st;
}

static UNUSED uint64_t allocated(const char *path)
{
    return (uint64_t)stat_of(path).st_blocks * 512u;
}

/* Overwrites size bytes of a file at offset. */
static UNUSED void scribble(const char *path, uint64_t offset, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(pwrite(fd, bytes, size, (off_t)offset), (ssize_t)size);
    close(fd);
}

static UNUSED void peek(const char *path, uint64_t offset, void *bytes, size_t size)
{
    int fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(pread(fd, bytes, size, (off_t)offset), (ssize_t)size);
    close(fd);
}

static UNUSED void copy_file(const char *from, const char *to)
{
    struct stat st = stat_of(from);
    char *bytes = malloc((size_t)st.st_size);
    cr_assert_not_null(bytes);
    peek(from, 0, bytes, (size_t)st.st_size);
    unlink(to);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    free(bytes);
}

#endif
