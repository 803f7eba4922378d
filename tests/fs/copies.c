/* SPDX-License-Identifier: MIT */
/*
 * A channel whose files share blocks with a copy, have holes, or are copied on write: it gets
 * blocks of its own when it is opened, or is refused. Whoever gets in can use all of it on a full
 * disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <tests/fs/cases.h>
#include <tests/fs/disk.h>
#include <tests/fs/spool.h>
#include <unistd.h>

#define EXTENTS 512

/* Bytes of all files below a directory that are shared, or have no block; files without NOCOW. */
static struct {
    uint64_t shared;
    uint64_t holes;
    int files;
    int copied;
} found;

static void look_at(int fd, uint64_t size)
{
    static union {
        struct fiemap map;
        unsigned char space[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
    } u;
    memset(&u, 0, sizeof u);
    u.map.fm_length = size;
    u.map.fm_flags = FIEMAP_FLAG_SYNC;
    u.map.fm_extent_count = EXTENTS;
    /* Work of the ring that this thread opened may interrupt it. */
    int rc;
    while ((rc = ioctl(fd, FS_IOC_FIEMAP, &u.map)) != 0 && errno == EINTR) {
    }
    CHECK_CODE(rc == 0 ? 0 : -errno, 0);
    CHECK(u.map.fm_mapped_extents < EXTENTS);
    uint64_t there = 0;
    for (uint32_t i = 0; i < u.map.fm_mapped_extents; i++) {
        there += u.map.fm_extents[i].fe_length;
        if (u.map.fm_extents[i].fe_flags & FIEMAP_EXTENT_SHARED)
            found.shared += u.map.fm_extents[i].fe_length;
    }
    found.holes += there < size ? size - there : 0;
}

static int look_at_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    int flags = 0;
    (void)at;
    if (type != FTW_F || st->st_size == 0) /* or one that the keeper is just making */
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    look_at(fd, (uint64_t)st->st_size);
    found.files++;
    found.copied += ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0 || !(flags & FS_NOCOW_FL);
    close(fd);
    return 0;
}

static void look(const char *name)
{
    char path[TEMP_PATH_MAX];
    memset(&found, 0, sizeof found);
    CHECK(nftw(disk_path(path, name), look_at_file, 16, FTW_PHYS) == 0);
    CHECK(found.files > 0);
}

/* A channel sub/spool that was used and closed. */
static struct spool make_original(void)
{
    struct spool spool = {0};
    CHECK(disk_run(disk_type() == DISK_BTRFS ? "btrfs subvolume create sub" : "mkdir sub"));
    CHECK_OK(spool_open(&spool, "sub/spool", 3));
    CHECK_OK(spool_send(&spool, 2 * spool_page() / SPOOL_BYTES));
    spool_receive(&spool);
    CHECK_OK(spool_send(&spool, spool_page() / SPOOL_BYTES));
    spool_close(&spool);
    look("sub");
    CHECK_EQ(found.shared + found.holes, 0);
    return spool;
}

static void need_sharing(void)
{
    if (disk_type() != DISK_XFS && disk_type() != DISK_BTRFS)
        test_skip("files cannot share blocks here");
}

static void copy_sharing(void)
{
    disk_sync();
    CHECK(disk_run(disk_type() == DISK_BTRFS ? "btrfs subvolume snapshot sub copy"
                                             : "cp -r --reflink=always sub copy"));
    disk_sync();
    look("copy");
    CHECK(found.shared >= 3 * spool_page());
}

/*
 * Once the blocks of a snapshot are unshared, btrfs still writes each of the other's elsewhere, one
 * time, and FIEMAP does not tell. Mapping a page asks for that space: a refusal, never a signal.
 */
static void map_all(struct spool *spool)
{
    spool_receive(spool);
    CHECK_OK(spool_send(spool, 3 * spool_page() / SPOOL_BYTES));
    spool_receive(spool);
    disk_sync();
}

static void use_on_a_full_disk(struct spool *spool)
{
    if (disk_type() == DISK_BTRFS)
        map_all(spool);
    disk_take("full", UINT64_MAX);
    spool_churn(spool);
    spool_close(spool);
    disk_give("full");
}

static void a_copy_gets_blocks_of_its_own(void)
{
    need_sharing();
    disk_mount(NULL);
    struct spool original = make_original();
    struct spool copy = original;
    copy_sharing();
    CHECK_OK(spool_open(&copy, "copy/spool", 3));
    look("copy");
    CHECK_EQ(found.shared + found.holes, 0);
    use_on_a_full_disk(&copy);
    CHECK_OK(spool_open(&original, "sub/spool", 3));
    look("sub");
    CHECK_EQ(found.shared + found.holes, 0);
    use_on_a_full_disk(&original);
}

static void observe(const char *name)
{
    char path[TEMP_PATH_MAX];
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel;
    options.flags = QUIRE_READ_ONLY;
    CHECK_OK(quire_open(&channel, disk_path(path, name), &options));
    CHECK_OK(quire_close(channel));
}

static void a_copy_on_a_full_disk_is_refused(void)
{
    need_sharing();
    disk_mount(NULL);
    struct spool original = make_original();
    struct spool copy = original;
    copy_sharing();
    disk_take("rest", UINT64_MAX);
    for (int time = 0; time < 2; time++) {
        CHECK_CODE(spool_open(&copy, "copy/spool", 3), QUIRE_ENOSPC);
        CHECK_CODE(spool_open(&original, "sub/spool", 3), QUIRE_ENOSPC);
        observe("copy/spool");
        observe("sub/spool");
    }
    disk_give("rest");
    CHECK_OK(spool_open(&original, "sub/spool", 3));
    use_on_a_full_disk(&original);
    CHECK_OK(spool_open(&copy, "copy/spool", 3));
    use_on_a_full_disk(&copy);
}

static void a_sparse_copy_is_filled(void)
{
    if (disk_type() == DISK_TMPFS || disk_type() == DISK_BTRFS)
        test_skip("tmpfs does not tell of holes, btrfs refuses any plain copy");
    disk_mount(NULL);
    struct spool copy = make_original();
    CHECK(disk_run("cp -r --reflink=never --sparse=always sub copy"));
    look("copy");
    CHECK(found.holes > 0);
    disk_take("rest", UINT64_MAX);
    CHECK_CODE(spool_open(&copy, "copy/spool", 3), QUIRE_ENOSPC);
    disk_give("rest");
    CHECK_OK(spool_open(&copy, "copy/spool", 3));
    look("copy");
    CHECK_EQ(found.holes, 0);
    use_on_a_full_disk(&copy);
}

/* What the manual of QUIRE_ESHARED says is so. */
static void a_copy_that_is_copied_on_write_is_refused(void)
{
    if (disk_type() != DISK_BTRFS)
        test_skip("only btrfs copies on write what is not shared");
    disk_mount(NULL);
    struct spool copy = make_original();
    CHECK(disk_run("cp -r --reflink=never sub/spool plain"));
    CHECK_CODE(spool_open(&copy, "plain", 3), QUIRE_ESHARED);
    observe("plain");
    CHECK(disk_run("mkdir right && chattr +C right && cp -r --reflink=never plain right/spool"));
    CHECK_OK(spool_open(&copy, "right/spool", 3));
    use_on_a_full_disk(&copy);
}

static void check_attribute(void)
{
    struct spool spool = {0};
    CHECK(disk_run("mkdir packed && chattr +c packed")); /* what is in it is compressed */
    CHECK_OK(spool_open(&spool, "packed/spool", 2));
    CHECK_OK(spool_send(&spool, 4 * spool_page() / SPOOL_BYTES));
    look("packed");
    CHECK(found.files >= 6); /* control, two pages and two that were added, a group */
    CHECK_EQ(found.copied, 0);
    spool_churn(&spool);
    spool_close(&spool);
}

static void no_file_is_copied_on_write(void)
{
    if (disk_type() != DISK_BTRFS)
        test_skip("only btrfs has the attribute");
    disk_mount(NULL);
    check_attribute();
}

static void no_file_is_compressed(void)
{
    if (disk_type() != DISK_BTRFS)
        test_skip("only btrfs has the attribute");
    disk_mount("compress-force=zstd");
    check_attribute();
}

static const struct test_case cases[] = {
    {"a_copy_gets_blocks_of_its_own", a_copy_gets_blocks_of_its_own, 0},
    {"a_copy_on_a_full_disk_is_refused", a_copy_on_a_full_disk_is_refused, 0},
    {"a_sparse_copy_is_filled", a_sparse_copy_is_filled, 0},
    {"a_copy_that_is_copied_on_write_is_refused", a_copy_that_is_copied_on_write_is_refused, 0},
    {"no_file_is_copied_on_write", no_file_is_copied_on_write, 0},
    {"no_file_is_compressed", no_file_is_compressed, 0},
};
const struct test_table copies_cases = TEST_TABLE(cases);
