/* SPDX-License-Identifier: MIT */
/*
 * The memory files of the channel, played by arrays: a run then takes tens of microseconds, not
 * hundreds, and its addresses are the same every time. Replaces the calls of pages/io.h that a
 * memory channel makes (--wrap); storage, claims and groups above them are the real ones.
 */
#include <errno.h>
#include <pages/io.h>
#include <string.h>
#include <sys/stat.h>
#include <tests/explore/wraps.h>
#include <unistd.h>

#define FILES      4u
#define FILE_BYTES (1u << 20)
#define FIRST_FD   (1 << 20) /* no descriptor of the process */

static _Alignas(4096) unsigned char file_bytes[FILES][FILE_BYTES];
static uint64_t file_size[FILES];
static unsigned files_open;

int __wrap_qr_io_memfd(const char *name, unsigned flags);
int __wrap_qr_io_ftruncate(int fd, uint64_t size);
int __wrap_qr_io_fallocate(int fd, uint64_t offset, uint64_t size);
int __wrap_qr_io_punch(int fd, uint64_t offset, uint64_t size);
int __wrap_qr_io_mmap(void **address, size_t size, int prot, int flags, int fd, uint64_t offset);
int __wrap_qr_io_munmap(void *address, size_t size);
int __wrap_qr_io_madvise(void *address, size_t size, int advice);
ssize_t __wrap_qr_io_pread(int fd, void *buffer, size_t size, uint64_t offset);
ssize_t __wrap_qr_io_pwrite(int fd, const void *buffer, size_t size, uint64_t offset);
int __wrap_qr_io_fstat(int fd, struct stat *st);
void __wrap_qr_io_close(int fd);

void files_reset(void)
{
    for (unsigned i = 0; i < FILES; i++) {
        memset(file_bytes[i], 0, file_size[i]);
        file_size[i] = 0;
    }
    files_open = 0;
}

/* Where a range of a file is, which becomes as long as the range needs; NULL: beyond the array. */
static unsigned char *range(int fd, uint64_t offset, uint64_t size)
{
    unsigned index = (unsigned)(fd - FIRST_FD);
    if (fd < FIRST_FD || index >= files_open || offset > FILE_BYTES || size > FILE_BYTES - offset) {
        return NULL;
    }
    if (offset + size > file_size[index]) {
        file_size[index] = offset + size;
    }
    return file_bytes[index] + offset;
}

int __wrap_qr_io_memfd(const char *name, unsigned flags)
{
    (void)name;
    (void)flags;
    return files_open < FILES ? FIRST_FD + (int)files_open++ : -EMFILE;
}

int __wrap_qr_io_ftruncate(int fd, uint64_t size)
{
    return range(fd, 0, size) ? 0 : -EFBIG;
}

int __wrap_qr_io_fallocate(int fd, uint64_t offset, uint64_t size)
{
    return range(fd, offset, size) ? 0 : -EFBIG;
}

int __wrap_qr_io_punch(int fd, uint64_t offset, uint64_t size)
{
    unsigned char *at = range(fd, offset, size);
    if (at) {
        memset(at, 0, size);
    }
    return at ? 0 : -EINVAL;
}

int __wrap_qr_io_mmap(void **address, size_t size, int prot, int flags, int fd, uint64_t offset)
{
    (void)prot;
    (void)flags;
    unsigned char *at = range(fd, offset, size);
    if (at) {
        *address = at;
    }
    return at ? 0 : -ENOMEM;
}

/* What is unmapped becomes garbage, as what is freed does. */
int __wrap_qr_io_munmap(void *address, size_t size)
{
    memset(address, 0xdb, size);
    return 0;
}

int __wrap_qr_io_madvise(void *address, size_t size, int advice)
{
    (void)address;
    (void)size;
    (void)advice;
    return 0;
}

ssize_t __wrap_qr_io_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
    const unsigned char *at = range(fd, offset, size);
    if (!at) {
        return -EINVAL;
    }
    memcpy(buffer, at, size);
    return (ssize_t)size;
}

ssize_t __wrap_qr_io_pwrite(int fd, const void *buffer, size_t size, uint64_t offset)
{
    unsigned char *at = range(fd, offset, size);
    if (!at) {
        return -EFBIG;
    }
    memcpy(at, buffer, size);
    return (ssize_t)size;
}

int __wrap_qr_io_fstat(int fd, struct stat *st)
{
    memset(st, 0, sizeof *st);
    if (!range(fd, 0, 0)) {
        return -EBADF;
    }
    st->st_size = (off_t)file_size[fd - FIRST_FD];
    st->st_blocks = st->st_size / 512;
    return 0;
}

void __wrap_qr_io_close(int fd)
{
    if (fd < FIRST_FD) {
        close(fd); /* an eventfd of a bell: a real one */
    }
}
