/* SPDX-License-Identifier: MIT */
/*
 * What is asked of file systems, with answers made up here: the program's own ioctl and fstatfs
 * come before the C library's. tests/fs asks real ones.
 */
#define _GNU_SOURCE
#include "store_fixture.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pages/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define BLOCKS 8u
#define SIZE   (BLOCKS * QR_BLOCK)

/* The answers. */
static struct {
    int fiemap_error;
    unsigned extents; /* the file in so many equal ones */
    unsigned shared;  /* this one is shared, from 1; 0: none */
    unsigned hole;    /* this one is not there */
    int mends;        /* shared and holes are gone once something was written or allocated */
    unsigned claimed; /* extents that the answer says it has, when not 0 */
    int empty_extent; /* of no length */
    int btrfs;
    int get_error, set_error;
    int set_ignored;
    int flags;
    unsigned calls;
} fake;

static int answer_fiemap(struct fiemap *map)
{
    uint64_t length = SIZE / fake.extents;
    int mended =
        fake.mends && qr_io_count_kind(QR_IO_PWRITE) + qr_io_count_kind(QR_IO_FALLOCATE) > 0;
    if (fake.fiemap_error != 0) {
        errno = fake.fiemap_error;
        return -1;
    }
    map->fm_mapped_extents = 0;
    for (unsigned i = 0; i < fake.extents && map->fm_mapped_extents < map->fm_extent_count; i++) {
        uint64_t start = i * length;
        if (start + length <= map->fm_start || start >= map->fm_start + map->fm_length ||
            (i + 1 == fake.hole && !mended))
            continue;
        map->fm_extents[map->fm_mapped_extents++] = (struct fiemap_extent){
            .fe_logical = start,
            .fe_length = fake.empty_extent ? 0 : length,
            .fe_flags = i + 1 == fake.shared && !mended ? FIEMAP_EXTENT_SHARED : 0,
        };
    }
    if (fake.claimed != 0)
        map->fm_mapped_extents = fake.claimed;
    return 0;
}

static int answer_flags(int error, int *flags, int set)
{
    if (error != 0) {
        errno = error;
        return -1;
    }
    /* As btrfs: one excludes the other. */
    if (set && (*flags & FS_NOCOW_FL) && (fake.flags & (FS_COMPR_FL | FS_NOCOMP_FL))) {
        errno = EINVAL;
        return -1;
    }
    if (!set)
        *flags = fake.flags;
    else if (!fake.set_ignored)
        fake.flags = *flags;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    fake.calls++;
    switch (request) {
    case FS_IOC_FIEMAP:
        return answer_fiemap(argument);
    case FS_IOC_GETFLAGS:
        return answer_flags(fake.get_error, argument, 0);
    case FS_IOC_SETFLAGS:
        return answer_flags(fake.set_error, argument, 1);
    default:
        return (int)syscall(SYS_ioctl, fd, request, argument);
    }
}

int fstatfs(int fd, struct statfs *fs)
{
    (void)fd;
    memset(fs, 0, sizeof *fs);
    fs->f_type = fake.btrfs ? BTRFS_SUPER_MAGIC : TMPFS_MAGIC;
    return 0;
}

static int file;
static void begin(void)
{
    unsigned char bytes[SIZE];
    char path[PATH_SIZE];
    scratch_make();
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 4096);
    snprintf(path, sizeof path, "%s/file", scratch);
    file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    cr_assert_eq(pwrite(file, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    memset(&fake, 0, sizeof fake);
    fake.extents = 1;
    qr_io_fault(0, 0, 0);
}
static void end(void)
{
    close(file);
    scratch_remove();
}
TestSuite(fs, .init = begin, .fini = end);

static void check_bytes(void)
{
    unsigned char bytes[SIZE];
    cr_assert_eq(pread(file, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        cr_assert_eq(bytes[i], (unsigned char)(i * 7 + i / 4096));
}

static uint64_t writes(void)
{
    return qr_io_count_kind(QR_IO_PWRITE) + qr_io_count_kind(QR_IO_FALLOCATE);
}

Test(fs, a_file_as_it_should_be_is_left_alone)
{
    for (fake.extents = 1; fake.extents <= BLOCKS; fake.extents *= 2) {
        cr_assert_eq(qr_fs_own_blocks(file, SIZE), 0);
        cr_assert_eq(qr_io_count(), 0u);
    }
}

Test(fs, what_is_shared_is_written_again)
{
    fake.extents = 4;
    fake.mends = 1;
    for (fake.shared = 1; fake.shared <= fake.extents; fake.shared++) {
        qr_io_fault(0, 0, 0);
        cr_assert_eq(qr_fs_own_blocks(file, SIZE), 0);
        cr_assert_eq(qr_io_count_kind(QR_IO_PWRITE), BLOCKS / 4);
        cr_assert_eq(qr_io_count_kind(QR_IO_FSYNC), 1u);
        check_bytes();
    }
}

Test(fs, what_stays_shared_is_refused)
{
    fake.extents = 4;
    fake.shared = 3;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), QUIRE_ESHARED);
    check_bytes();
}

Test(fs, holes_are_filled)
{
    fake.extents = 4;
    fake.mends = 1;
    for (fake.hole = 1; fake.hole <= fake.extents; fake.hole++) {
        qr_io_fault(0, 0, 0);
        cr_assert_eq(qr_fs_own_blocks(file, SIZE), 0);
        cr_assert_eq(qr_io_count_kind(QR_IO_FALLOCATE), 1u);
        cr_assert_eq(qr_io_count_kind(QR_IO_PWRITE), 0u);
    }
    check_bytes();
}

Test(fs, extents_beyond_one_answer_are_looked_at)
{
    fake.extents = SIZE / 64; /* finer than any file system's: hundreds of them */
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), 0);
    fake.shared = fake.extents;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), QUIRE_ESHARED);
}

Test(fs, one_that_does_not_tell_is_taken_as_it_is)
{
    static const int errors[] = {EOPNOTSUPP, ENOTTY, ENOSYS};
    fake.shared = 1;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fake.fiemap_error = errors[i];
        cr_assert_eq(qr_fs_own_blocks(file, SIZE), 0);
        cr_assert_eq(writes(), 0u);
    }
    fake.fiemap_error = EIO;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), -EIO);
}

Test(fs, nonsense_ends)
{
    fake.empty_extent = 1;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), -EIO);
    fake.empty_extent = 0;
    fake.claimed = 1u << 30;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), -EIO);
}

Test(fs, a_failure_on_the_way_is_told)
{
    static const int errors[] = {EIO, ENOSPC};
    fake.extents = 2;
    fake.shared = 2;
    for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
        unsigned nth = 0;
        for (int hit = 1; hit;) {
            fake.mends = 1;
            qr_io_fault(++nth, errors[e], 0);
            int rc = qr_fs_own_blocks(file, SIZE);
            hit = qr_io_fault_hit();
            cr_assert_eq(rc, hit ? -errors[e] : 0);
        }
        cr_assert_eq(nth, 2 * (BLOCKS / 2) + 2); /* reads and writes, the sync, and none */
        qr_io_fault(0, 0, 0);
        check_bytes();
    }
}

Test(fs, a_file_that_became_shorter_is_damaged)
{
    fake.shared = 1;
    cr_assert_eq(ftruncate(file, QR_BLOCK), 0);
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), QUIRE_EBADFILE);
}

Test(fs, the_attribute_is_asked_for_on_btrfs_only)
{
    cr_assert_eq(qr_fs_forbid_copy(file), 0);
    cr_assert_eq(fake.calls, 0u);
    fake.btrfs = 1;
    fake.flags = FS_NOATIME_FL;
    cr_assert_eq(qr_fs_forbid_copy(file), 0);
    cr_assert_eq(fake.flags, FS_NOCOW_FL | FS_NOATIME_FL);
    static const int excluded[] = {FS_COMPR_FL, FS_NOCOMP_FL};
    for (int i = 0; i < 2; i++) {
        fake.flags = excluded[i] | FS_NOATIME_FL;
        cr_assert_eq(qr_fs_forbid_copy(file), 0);
        cr_assert_eq(fake.flags, FS_NOCOW_FL | FS_NOATIME_FL);
    }
}

Test(fs, an_attribute_that_cannot_be_had_is_a_failure)
{
    fake.btrfs = 1;
    fake.set_ignored = 1;
    cr_assert_eq(qr_fs_forbid_copy(file), -EOPNOTSUPP);
    fake.set_ignored = 0;
    fake.set_error = EPERM;
    cr_assert_eq(qr_fs_forbid_copy(file), -EOPNOTSUPP);
    fake.get_error = EPERM;
    cr_assert_eq(qr_fs_forbid_copy(file), -EOPNOTSUPP);
}

Test(fs, a_file_without_the_attribute_is_not_opened_on_btrfs)
{
    fake.btrfs = 1;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), QUIRE_ESHARED);
    fake.flags = FS_NOCOW_FL;
    cr_assert_eq(qr_fs_own_blocks(file, SIZE), 0);
}

/* The refusal reaches whoever opens; an observer stores nothing and gets in. */
Test(fs, a_channel_that_shares_blocks_is_refused)
{
    struct qr_store *store;
    make_channel();
    fake.shared = 1;
    cr_assert_eq(qr_store_open(&store, chan, 0, CLOSED), QUIRE_ESHARED);
    cr_assert_null(store);
    qr_store_close(open_channel(1));
    fake.shared = 0;
    qr_store_close(open_channel(0));
}
