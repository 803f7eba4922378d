/* SPDX-License-Identifier: MIT */
/* One frame's file in pages/: its name, making it, and judging what lies there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/fs.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIGITS 5
#define SUFFIX ".page"

void qr_frame_name(char out[QR_FRAME_NAME_SIZE], uint32_t frame)
{
    snprintf(out, QR_FRAME_NAME_SIZE, "%0*u" SUFFIX, DIGITS, (unsigned)frame);
}

int64_t qr_frame_of_name(const char *name)
{
    int64_t frame = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        frame = frame * 10 + (name[i] - '0');
    }
    return strcmp(name + DIGITS, SUFFIX) == 0 ? frame : -1;
}

int qr_frame_file_create(int pages_fd, uint32_t frame, mode_t mode)
{
    char name[QR_FRAME_NAME_SIZE];
    qr_frame_name(name, frame);
    int fd = qr_io_open(pages_fd, name, O_RDWR | O_CREAT | O_EXCL, mode);
    int rc = fd < 0 ? fd : qr_fs_forbid_copy(fd);
    if (rc == 0)
        return fd;
    if (fd >= 0) {
        qr_io_close(fd);
        qr_io_unlink(pages_fd, name);
    }
    return rc;
}

int qr_frame_file_header(int fd, const struct qr_superblock *sb, uint32_t frame)
{
    struct qr_frame_header header;
    memset(&header, 0, sizeof header);
    qr_frame_header_init(&header, sb, frame);
    ssize_t n = qr_io_pwrite(fd, &header, sizeof header, 0);
    return n < 0 ? (int)n : 0;
}

int qr_frame_file_check(int fd, const struct stat *st, const struct qr_superblock *sb,
                        uint32_t frame)
{
    struct qr_frame_header header;
    if ((uint64_t)st->st_size != sb->frame_bytes)
        return QUIRE_EBADFILE;
    int rc = qr_block_read(fd, &header, 0);
    return rc < 0 ? rc : qr_frame_header_check(&header, sb, frame);
}

int qr_frame_file_open(const struct qr_store *store, uint32_t frame, int flags)
{
    char name[QR_FRAME_NAME_SIZE];
    struct stat st;
    qr_frame_name(name, frame);
    int fd = qr_file_open(store->pages_fd, name, flags, &st);
    if (fd < 0)
        return fd == -ENOENT ? QUIRE_EBADFILE : fd;
    int rc = qr_frame_file_check(fd, &st, &store->sb, frame);
    if (rc == 0)
        return fd;
    qr_io_close(fd);
    return rc;
}

int qr_store_frame_whole(struct qr_store *store, uint32_t frame)
{
    struct stat st;
    if (!store->view.directory_backed || frame >= store->sb.frames_cap)
        return 0;
    int fd = qr_frame_file_open(store, frame, store->view.read_only ? O_RDONLY : O_RDWR);
    if (fd < 0)
        return 0;
    int rc = qr_io_fstat(fd, &st);
    int whole = rc == 0 && (uint64_t)st.st_blocks * 512u >= store->sb.frame_bytes;
    /* st_blocks counts the file system's own blocks too, so a small hole may hide behind them:
     * fill it. A frame without a page has no content to lose. */
    if (whole && !store->view.read_only)
        whole = qr_io_fallocate(fd, 0, store->sb.frame_bytes) == 0 &&
                qr_fs_own_blocks(fd, store->sb.frame_bytes) == 0;
    qr_io_close(fd);
    return whole;
}
