/* SPDX-License-Identifier: MIT */
/* The few questions and orders to file systems that go beyond POSIX. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pages/fs.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#define EXTENTS 64u /* looked at in one call */

/* A range that is not as it should be: shared, or without blocks. */
struct range {
    uint64_t from;
    uint64_t to;
    int shared;
};

/* Work that a ring gives to this thread may interrupt it. */
static int control(int fd, unsigned long request, void *argument)
{
    int rc;
    do
        rc = ioctl(fd, request, argument);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static int is_btrfs(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

/* 1 when stores go to the blocks that are there, 0 when they are written elsewhere. */
static int copy_forbidden(int fd)
{
    int flags;
    return control(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) != 0;
}

int qr_fs_forbid_copy(int fd)
{
    int flags;
    if (!is_btrfs(fd) || copy_forbidden(fd))
        return 0;
    if (control(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return -EOPNOTSUPP;
    /* What says of compression is inherited, excludes the other, and must be gone before. */
    if (flags & (FS_COMPR_FL | FS_NOCOMP_FL)) {
        flags &= ~(FS_COMPR_FL | FS_NOCOMP_FL);
        control(fd, FS_IOC_SETFLAGS, &flags); /* the next one tells */
    }
    flags |= FS_NOCOW_FL;
    if (control(fd, FS_IOC_SETFLAGS, &flags) < 0 || !copy_forbidden(fd))
        return -EOPNOTSUPP;
    return 0;
}

void qr_fs_begin_write(int fd)
{
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint: the sync tells of failures */
}

/* The extents of [from, to): their count, or -errno. */
static int extents_of(int fd, uint64_t from, uint64_t to, struct fiemap_extent extents[EXTENTS])
{
    union {
        struct fiemap map;
        unsigned char space[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
    } u;
    memset(&u, 0, sizeof u);
    u.map.fm_start = from;
    u.map.fm_length = to - from;
    u.map.fm_extent_count = EXTENTS;
    if (control(fd, FS_IOC_FIEMAP, &u.map) < 0)
        return -errno;
    uint32_t count = u.map.fm_mapped_extents;
    if (count > EXTENTS)
        return -EIO;
    memcpy(extents, u.space + sizeof u.map, count * sizeof extents[0]);
    return (int)count;
}

/* The first range of [from, size) that is not as it should be: 1, 0 when there is none, -errno. */
static int find(int fd, uint64_t from, uint64_t size, struct range *range)
{
    struct fiemap_extent extents[EXTENTS] = {0};
    while (from < size) {
        int count = extents_of(fd, from, size, extents);
        if (count < 0)
            return count;
        for (int i = 0; i < count && from < size; i++) {
            uint64_t start = extents[i].fe_logical;
            uint64_t end = start + extents[i].fe_length;
            if (end <= from) /* no progress: never loop on it */
                return -EIO;
            if (start > from) {
                *range = (struct range){from, start < size ? start : size, 0};
                return 1;
            }
            if (extents[i].fe_flags & FIEMAP_EXTENT_SHARED) {
                *range = (struct range){from, end < size ? end : size, 1};
                return 1;
            }
            from = end;
        }
        if (count == 0) {
            *range = (struct range){from, size, 0};
            return 1;
        }
    }
    return 0;
}

/* The same bytes again: a file system that cannot unshare writes them to blocks of their own. By
 * the block: see write_words() in control.c. */
static int rewrite(int fd, const struct range *range)
{
    unsigned char block[QR_BLOCK];
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* no read-ahead of large folios */
    for (uint64_t at = range->from; at < range->to;) {
        ssize_t n = qr_io_pread(fd, block, sizeof block, at);
        if (n > 0)
            n = qr_io_pwrite(fd, block, (size_t)n, at);
        if (n <= 0)
            return n < 0 ? (int)n : QUIRE_EBADFILE; /* shorter than it was */
        at += (uint64_t)n;
    }
    return 0;
}

static int take_own(int fd, const struct range *range)
{
    uint64_t bytes = range->to - range->from;
    int rc;
    do {
        rc = fallocate(fd, FALLOC_FL_UNSHARE_RANGE, (off_t)range->from, (off_t)bytes);
    } while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    return errno == EOPNOTSUPP ? rewrite(fd, range) : -errno;
}

/* Mends what find() finds, holes only if they are to be filled: how many ranges, or the failure. */
static int mend(int fd, uint64_t size, int fill)
{
    struct range range;
    uint64_t at = 0;
    int mended = 0;
    int rc;
    while ((rc = find(fd, at, size, &range)) == 1) {
        at = range.to;
        if (!range.shared && !fill)
            continue;
        rc = range.shared ? take_own(fd, &range)
                          : qr_io_fallocate(fd, range.from, range.to - range.from);
        if (rc < 0)
            return rc;
        mended++;
    }
    return rc < 0 ? rc : mended;
}

static int still_shared(int fd, uint64_t size)
{
    struct range range;
    uint64_t at = 0;
    int rc;
    while ((rc = find(fd, at, size, &range)) == 1) {
        if (range.shared)
            return QUIRE_ESHARED;
        at = range.to;
    }
    return rc;
}

static int own_blocks(int fd, uint64_t size, int fill)
{
    if (is_btrfs(fd) && !copy_forbidden(fd))
        return QUIRE_ESHARED;
    int rc = mend(fd, size, fill);
    if (rc == -EOPNOTSUPP || rc == -ENOTTY || rc == -ENOSYS)
        return 0; /* it does not tell */
    if (rc <= 0)
        return rc;
    /* The extents are told as they are on disk. What was read to be copied may lie in large
     * folios, of which a small store would write back the whole. */
    rc = qr_io_fsync(fd);
    if (rc < 0)
        return rc;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return still_shared(fd, size);
}

int qr_fs_own_blocks(int fd, uint64_t size)
{
    return own_blocks(fd, size, 1);
}

int qr_fs_unshare(int fd, uint64_t size)
{
    return own_blocks(fd, size, 0);
}

int qr_fs_look(int fd, uint64_t size)
{
    struct range range;
    uint64_t at = 0;
    int found = is_btrfs(fd) && !copy_forbidden(fd) ? QR_FS_COPIED : 0;
    int rc;
    while ((rc = find(fd, at, size, &range)) == 1) {
        found |= range.shared ? QR_FS_SHARED : QR_FS_SPARSE;
        at = range.to;
    }
    return rc < 0 ? rc : found;
}
