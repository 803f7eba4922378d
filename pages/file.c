/* SPDX-License-Identifier: MIT */
/* Small steps on files that every part of the store takes. What lies in a channel's directory is
 * not trusted to be what its name says. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <string.h>
#include <sys/stat.h>

int qr_store_error(int rc)
{
    switch (rc) {
    case -ENOSPC:
    case -EDQUOT:
        return QUIRE_ENOSPC;
    case -EACCES:
    case -EPERM:
        return QUIRE_EPERM;
    default:
        return rc;
    }
}

int qr_file_open(int dirfd, const char *name, int flags, struct stat *st)
{
    /* NONBLOCK: a fifo in a file's place must not hang the caller. */
    int fd = qr_io_open(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO)
        return QUIRE_EBADFILE;
    if (fd < 0)
        return fd;
    int rc = qr_io_fstat(fd, st);
    if (rc == 0 && !S_ISREG(st->st_mode))
        rc = QUIRE_EBADFILE;
    if (rc < 0) {
        qr_io_close(fd);
        return rc;
    }
    return fd;
}

int qr_block_read(int fd, void *block, uint64_t offset)
{
    ssize_t got = qr_io_pread(fd, block, QR_BLOCK, offset);
    if (got < 0)
        return (int)got;
    return got == QR_BLOCK ? 0 : QUIRE_EBADFILE;
}

int qr_directory_list(int dirfd, int (*each)(void *context, const char *name), void *context)
{
    DIR *dir;
    int rc = qr_io_opendir(dirfd, ".", &dir);
    if (rc < 0)
        return qr_store_error(rc);
    for (;;) {
        errno = 0; /* readdir says NULL for the end and for a failure */
        struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            rc = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = each(context, entry->d_name);
        if (rc != 0)
            break;
    }
    closedir(dir);
    return rc;
}
