/* SPDX-License-Identifier: MIT */
/*
 * The seam to the operating system: every system call that storage makes goes through here, so
 * that a test can count the calls and fail the n-th. Results are >= 0 or -errno; EINTR is retried
 * where a retry is right. All files are opened close-on-exec.
 */
#ifndef QR_IO_H
#define QR_IO_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct epoll_event;
struct stat;

/* A set of processors, as sched_getaffinity(2) has it. */
struct qr_cpus {
    int known;
    unsigned long mask[1024 / (8 * sizeof(unsigned long))];
};

enum qr_io_call {
    QR_IO_OPEN,
    QR_IO_MEMFD,
    QR_IO_FTRUNCATE,
    QR_IO_FALLOCATE,
    QR_IO_PUNCH,
    QR_IO_MMAP,
    QR_IO_MUNMAP,
    QR_IO_MADVISE,
    QR_IO_PREAD,
    QR_IO_PWRITE,
    QR_IO_FSTAT,
    QR_IO_FSYNC,
    QR_IO_FDATASYNC,
    QR_IO_MKDIR,
    QR_IO_RENAME,
    QR_IO_UNLINK,
    QR_IO_RMDIR,
    QR_IO_OPENDIR,
    QR_IO_LOCK,
    QR_IO_EVENTFD,
    QR_IO_EPOLL,
    QR_IO_EPOLL_ADD,
    QR_IO_EPOLL_REMOVE,
    QR_IO_EPOLL_WAIT,
    QR_IO_THREAD,
    QR_IO_AFFINITY,
    QR_IO_URING_SETUP,
    QR_IO_URING_PROBE,
    QR_IO_URING_SUBMIT,
    QR_IO_URING_COMPLETE, /* an operation was made, and its completion says otherwise */
    QR_IO_MALLOC,
    QR_IO_CALLS
};

int qr_io_open(int dirfd, const char *path, int flags, mode_t mode);
int qr_io_memfd(const char *name, unsigned flags);
int qr_io_ftruncate(int fd, uint64_t size);
/* Allocates real blocks and extends the file. */
int qr_io_fallocate(int fd, uint64_t offset, uint64_t size);
/* Gives the blocks of a range back; the range reads as zero afterwards. */
int qr_io_punch(int fd, uint64_t offset, uint64_t size);
/* The kernel chooses the place; *address is untouched on failure. */
int qr_io_mmap(void **address, size_t size, int prot, int flags, int fd, uint64_t offset);
int qr_io_munmap(void *address, size_t size);
int qr_io_madvise(void *address, size_t size, int advice);
/* Read and write all of size; a read is shorter only at the end of the file. */
ssize_t qr_io_pread(int fd, void *buffer, size_t size, uint64_t offset);
ssize_t qr_io_pwrite(int fd, const void *buffer, size_t size, uint64_t offset);
int qr_io_fstat(int fd, struct stat *st);
int qr_io_fsync(int fd);
int qr_io_fdatasync(int fd);
int qr_io_mkdir(int dirfd, const char *path, mode_t mode);
/* Fails with -EEXIST when to exists. Not atomic where the file system cannot do it. */
int qr_io_rename_noreplace(int dirfd, const char *from, int todirfd, const char *to);
int qr_io_unlink(int dirfd, const char *path);
int qr_io_rmdir(int dirfd, const char *path);
/* Opens a directory for readdir; the caller ends it with closedir. */
int qr_io_opendir(int dirfd, const char *path, DIR **out);
/* Takes the whole-file OFD write lock without waiting: 0, -EAGAIN when somebody holds it. */
int qr_io_lock(int fd);
/* Non-blocking, counter 0. */
int qr_io_eventfd(void);
int qr_io_epoll(void);
/* Readable, level-triggered; data.ptr of its events is data. */
int qr_io_epoll_add(int epoll, int fd, void *data);
int qr_io_epoll_remove(int epoll, int fd);
/* How many events; 0 not before timeout_ns have passed (0: at once, UINT64_MAX: never). EINTR is
 * not retried: the caller knows its deadline. */
int qr_io_epoll_wait(int epoll, struct epoll_event *events, int count, uint64_t timeout_ns);
/*
 * Starts a joinable thread. Signals are blocked in it (but for faults of its own), so that the
 * program's handlers never run in a thread the program does not know of. It runs on cpus, as far as
 * they may still be used; NULL, or none known: where the caller may.
 */
int qr_io_thread(pthread_t *thread, const struct qr_cpus *cpus, void *(*run)(void *),
                 void *argument);
/* The processors that the calling thread may run on. Where that fails none are known. */
int qr_io_affinity(struct qr_cpus *cpus);
void qr_io_close(int fd);
/* As qr_io_close, for who wants to know: unless it says -EBADF the descriptor is gone. */
int qr_io_close_checked(int fd);
/* malloc of zeroed memory, counted like a call. NULL when it fails. */
void *qr_io_zalloc(size_t size);

/*
 * For what is done by way of io_uring, where no function of this header makes the call. A test
 * build counts an operation and may fail it exactly as the same call made directly: verdict says
 * 0, or -errno that is to be the result of an operation that is not made.
 */
#ifdef QR_TESTING
int qr_io_verdict(enum qr_io_call kind);
/* Around an fsync or fdatasync of fd: phase 0 before, 1 after success; see the sync watch. */
void qr_io_note_sync(int fd, int phase);
/* 1: hold this completion back over one reap. */
int qr_io_take_late(void);
#else
static inline int qr_io_verdict(enum qr_io_call kind)
{
    (void)kind;
    return 0;
}
static inline void qr_io_note_sync(int fd, int phase)
{
    (void)fd;
    (void)phase;
}
static inline int qr_io_take_late(void)
{
    return 0;
}
#endif

#ifdef QR_TESTING
/* Fails call number nth (1-based), counted from now over all kinds, with -error; sticky: and all
 * later ones. nth 0 switches faults off. Returns nothing; counting starts anew. */
void qr_io_fault(uint64_t nth, int error, int sticky);
/* As qr_io_fault, but counts calls of one kind only. */
void qr_io_fault_kind(enum qr_io_call kind, uint64_t nth, int error, int sticky);
/* Calls made since the last qr_io_fault*, and whether the fault was hit. */
uint64_t qr_io_count(void);
uint64_t qr_io_count_kind(enum qr_io_call kind);
int qr_io_fault_hit(void);
/* Each of the next count completions of engines is held back over one reap, which returns NULL
 * although the completion is there and the fd readable. */
void qr_io_late(uint32_t count);
/* Calls watch with phase 0 just before each fsync and fdatasync, and with phase 1 just after each
 * that was successful, in the thread that makes it (by io_uring: that submits, that reaps). NULL:
 * nobody watches. Set while no sync is under way. */
void qr_io_set_sync_watch(void (*watch)(void *context, int fd, int phase), void *context);
#endif

#endif
