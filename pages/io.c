/* SPDX-License-Identifier: MIT */
/*
 * The seam to the operating system. Every function passes the gate once and then makes its
 * system call; in a test build the gate counts, and fails the call it was told to fail, before
 * anything has happened. Calls may be made from any thread, also while faults are armed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pages/io.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef QR_TESTING
#include <pages/base/atomic.h>

/*
 * The armed fault in one word, so that a call sees all of one arming or nothing of it:
 * nth:32 | sticky:1 at 24 | kind:8 at 16 | error:16. 0: off.
 */
#define FAULT_ANY    0xffu
#define FAULT_STICKY (1ull << 24)

static qr_atomic_u64 fault_word;
static qr_atomic_u64 fault_calls;
static qr_atomic_u64 fault_calls_kind[QR_IO_CALLS];
static qr_atomic_u32 fault_was_hit;

/* Returns 0, or -errno when this call is to fail. All counters are relaxed: they order nothing,
 * and a call that races with an arming may count for either side of it. */
static int gate(enum qr_io_call call)
{
    uint64_t total = qr_add_relaxed(&fault_calls, 1u) + 1;
    uint64_t of_kind = qr_add_relaxed(&fault_calls_kind[call], 1u) + 1;
    /* [A25 fault] pairs with R25 in arm(): a call that sees the fault sees counters begun anew. */
    uint64_t fault = qr_load_acquire(&fault_word);
    if (fault == 0)
        return 0;
    uint32_t kind = (uint32_t)(fault >> 16) & 0xffu;
    if (kind != FAULT_ANY && kind != (uint32_t)call)
        return 0;
    uint64_t number = kind == FAULT_ANY ? total : of_kind;
    uint64_t nth = fault >> 32;
    if (number != nth && !(number > nth && (fault & FAULT_STICKY)))
        return 0;
    qr_store_relaxed(&fault_was_hit, 1u); /* relaxed: a figure */
    return -(int)(fault & 0xffffu);
}

static void arm(uint32_t kind, uint64_t nth, int error, int sticky)
{
    uint64_t word = nth << 32 | (uint64_t)kind << 16 | ((uint64_t)error & 0xffffu);
    /* Relaxed: the release below publishes them; between the two nothing fails. */
    qr_store_relaxed(&fault_word, 0u);
    for (int i = 0; i < QR_IO_CALLS; i++)
        qr_store_relaxed(&fault_calls_kind[i], 0u);
    qr_store_relaxed(&fault_calls, 0u);
    qr_store_relaxed(&fault_was_hit, 0u);
    /* [R25 fault] pairs with A25 in gate(). */
    qr_store_release(&fault_word, nth == 0 ? 0 : word | (sticky ? FAULT_STICKY : 0));
}

void qr_io_fault(uint64_t nth, int error, int sticky)
{
    arm(FAULT_ANY, nth, error, sticky);
}

void qr_io_fault_kind(enum qr_io_call kind, uint64_t nth, int error, int sticky)
{
    arm((uint32_t)kind, nth, error, sticky);
}

/* The readers below are relaxed: figures for a test that has joined, or waits in a loop. */
uint64_t qr_io_count(void)
{
    return qr_load_relaxed(&fault_calls);
}

uint64_t qr_io_count_kind(enum qr_io_call kind)
{
    return qr_load_relaxed(&fault_calls_kind[kind]); /* relaxed: a figure */
}

int qr_io_fault_hit(void)
{
    return (int)qr_load_relaxed(&fault_was_hit); /* relaxed: a figure */
}

int qr_io_verdict(enum qr_io_call kind)
{
    return gate(kind);
}

static qr_atomic_u32 late_left;

void qr_io_late(uint32_t count)
{
    qr_store_relaxed(&late_left, count); /* relaxed: a counter */
}

int qr_io_take_late(void)
{
    /* relaxed: a counter; several that find it empty at once bring it below 0 for a moment. */
    if ((int32_t)qr_load_relaxed(&late_left) <= 0)
        return 0;
    if ((int32_t)qr_sub_relaxed(&late_left, 1u) > 0)
        return 1;
    (void)qr_add_relaxed(&late_left, 1u); /* relaxed: a counter */
    return 0;
}

static struct {
    void (*watch)(void *context, int fd, int phase);
    void *context;
} sync_watch;

void qr_io_set_sync_watch(void (*watch)(void *context, int fd, int phase), void *context)
{
    sync_watch.watch = watch;
    sync_watch.context = context;
}

void qr_io_note_sync(int fd, int phase)
{
    if (sync_watch.watch != NULL)
        sync_watch.watch(sync_watch.context, fd, phase);
}
#else
static inline int gate(enum qr_io_call call)
{
    (void)call;
    return 0;
}
#endif

/* The result of a system call that says -1 and sets errno. */
static int result_of(long result)
{
    return result < 0 ? -errno : (int)result;
}

int qr_io_open(int dirfd, const char *path, int flags, mode_t mode)
{
    int rc = gate(QR_IO_OPEN);
    if (rc < 0)
        return rc;
    do {
        rc = result_of(openat(dirfd, path, flags | O_CLOEXEC, mode));
    } while (rc == -EINTR);
    return rc;
}

int qr_io_memfd(const char *name, unsigned flags)
{
    int rc = gate(QR_IO_MEMFD);
    return rc < 0 ? rc : result_of(memfd_create(name, flags | MFD_CLOEXEC));
}

int qr_io_ftruncate(int fd, uint64_t size)
{
    int rc = gate(QR_IO_FTRUNCATE);
    if (rc < 0)
        return rc;
    do {
        rc = result_of(ftruncate(fd, (off_t)size));
    } while (rc == -EINTR);
    return rc;
}

static int allocate(int fd, int mode, uint64_t offset, uint64_t size)
{
    int rc;
    do {
        rc = result_of(fallocate(fd, mode, (off_t)offset, (off_t)size));
    } while (rc == -EINTR);
    return rc;
}

int qr_io_fallocate(int fd, uint64_t offset, uint64_t size)
{
    int rc = gate(QR_IO_FALLOCATE);
    return rc < 0 ? rc : allocate(fd, 0, offset, size);
}

int qr_io_punch(int fd, uint64_t offset, uint64_t size)
{
    int rc = gate(QR_IO_PUNCH);
    if (rc < 0)
        return rc;
    return allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

int qr_io_mmap(void **address, size_t size, int prot, int flags, int fd, uint64_t offset)
{
    int rc = gate(QR_IO_MMAP);
    if (rc < 0)
        return rc;
    void *at = mmap(NULL, size, prot, flags, fd, (off_t)offset);
    if (at == MAP_FAILED)
        return -errno;
    *address = at;
    return 0;
}

int qr_io_munmap(void *address, size_t size)
{
    int rc = gate(QR_IO_MUNMAP);
    return rc < 0 ? rc : result_of(munmap(address, size));
}

int qr_io_madvise(void *address, size_t size, int advice)
{
    int rc = gate(QR_IO_MADVISE);
    if (rc < 0)
        return rc;
    do {
        rc = result_of(madvise(address, size, advice));
    } while (rc == -EINTR);
    return rc;
}

ssize_t qr_io_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
    int rc = gate(QR_IO_PREAD);
    if (rc < 0)
        return rc;
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t qr_io_pwrite(int fd, const void *buffer, size_t size, uint64_t offset)
{
    int rc = gate(QR_IO_PWRITE);
    if (rc < 0)
        return rc;
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, (const char *)buffer + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* no progress and no reason: never loop on it */
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int qr_io_fstat(int fd, struct stat *st)
{
    int rc = gate(QR_IO_FSTAT);
    return rc < 0 ? rc : result_of(fstat(fd, st));
}

/* Never retried: after a failure the next call may report success for pages that were lost. */
static int sync_file(enum qr_io_call call, int fd)
{
    int rc = gate(call);
    if (rc < 0)
        return rc;
    qr_io_note_sync(fd, 0);
    rc = result_of(call == QR_IO_FSYNC ? fsync(fd) : fdatasync(fd));
    if (rc == 0)
        qr_io_note_sync(fd, 1);
    return rc;
}

int qr_io_fsync(int fd)
{
    return sync_file(QR_IO_FSYNC, fd);
}

int qr_io_fdatasync(int fd)
{
    return sync_file(QR_IO_FDATASYNC, fd);
}

int qr_io_mkdir(int dirfd, const char *path, mode_t mode)
{
    int rc = gate(QR_IO_MKDIR);
    return rc < 0 ? rc : result_of(mkdirat(dirfd, path, mode));
}

/*
 * For file systems and kernels without RENAME_NOREPLACE: look, then rename. Two of these at the
 * same moment may both see nothing; then a file replaces a file and a directory an empty
 * directory. A directory with anything in it is never replaced (ENOTEMPTY).
 */
static int rename_checked(int dirfd, const char *from, int todirfd, const char *to)
{
    struct stat st;
    if (fstatat(todirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    if (errno != ENOENT)
        return -errno;
    return result_of(renameat(dirfd, from, todirfd, to));
}

int qr_io_rename_noreplace(int dirfd, const char *from, int todirfd, const char *to)
{
    int rc = gate(QR_IO_RENAME);
    if (rc < 0)
        return rc;
    rc = result_of(renameat2(dirfd, from, todirfd, to, RENAME_NOREPLACE));
    if (rc != -EINVAL && rc != -ENOSYS)
        return rc;
    return rename_checked(dirfd, from, todirfd, to);
}

int qr_io_unlink(int dirfd, const char *path)
{
    int rc = gate(QR_IO_UNLINK);
    return rc < 0 ? rc : result_of(unlinkat(dirfd, path, 0));
}

int qr_io_rmdir(int dirfd, const char *path)
{
    int rc = gate(QR_IO_RMDIR);
    return rc < 0 ? rc : result_of(unlinkat(dirfd, path, AT_REMOVEDIR));
}

int qr_io_opendir(int dirfd, const char *path, DIR **out)
{
    int rc = gate(QR_IO_OPENDIR);
    if (rc < 0)
        return rc;
    int fd;
    do {
        fd = result_of(openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    } while (fd == -EINTR);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        rc = -errno;
        close(fd);
        return rc;
    }
    *out = dir;
    return 0;
}

int qr_io_lock(int fd)
{
    int rc = gate(QR_IO_LOCK);
    if (rc < 0)
        return rc;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    rc = result_of(fcntl(fd, F_OFD_SETLK, &lock));
    return rc == -EACCES ? -EAGAIN : rc;
}

int qr_io_eventfd(void)
{
    int rc = gate(QR_IO_EVENTFD);
    return rc < 0 ? rc : result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int qr_io_epoll(void)
{
    int rc = gate(QR_IO_EPOLL);
    return rc < 0 ? rc : result_of(epoll_create1(EPOLL_CLOEXEC));
}

int qr_io_epoll_add(int epoll, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = data}};
    int rc = gate(QR_IO_EPOLL_ADD);
    return rc < 0 ? rc : result_of(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int qr_io_epoll_remove(int epoll, int fd)
{
    int rc = gate(QR_IO_EPOLL_REMOVE);
    return rc < 0 ? rc : result_of(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL));
}

int qr_io_epoll_wait(int epoll, struct epoll_event *events, int count, uint64_t timeout_ns)
{
    int rc = gate(QR_IO_EPOLL_WAIT);
    if (rc < 0)
        return rc;
    if (timeout_ns == 0 || timeout_ns == UINT64_MAX)
        return result_of(epoll_wait(epoll, events, count, timeout_ns == 0 ? 0 : -1));
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000u),
                               (long)(timeout_ns % 1000000000u)};
    rc = result_of(syscall(SYS_epoll_pwait2, epoll, events, count, &timeout, NULL, (size_t)0));
    if (rc != -ENOSYS && rc != -EPERM)
        return rc;
    /* Older kernels and sandboxes: whole milliseconds, never too few. */
    uint64_t ms = timeout_ns / 1000000u + 1;
    return result_of(epoll_wait(epoll, events, count, ms < INT_MAX ? (int)ms : INT_MAX));
}

_Static_assert(sizeof(((struct qr_cpus *)0)->mask) == sizeof(cpu_set_t), "the kernel's mask");

int qr_io_affinity(struct qr_cpus *cpus)
{
    cpu_set_t set;
    int rc = gate(QR_IO_AFFINITY);
    if (rc == 0)
        rc = result_of(sched_getaffinity(0, sizeof(set), &set));
    cpus->known = rc == 0;
    if (rc == 0)
        memcpy(cpus->mask, &set, sizeof(set));
    return rc;
}

/* -EINVAL when none of cpus may be used any more. */
static int thread_on(pthread_t *thread, const struct qr_cpus *cpus, void *(*run)(void *),
                     void *argument)
{
    pthread_attr_t attr;
    cpu_set_t set;
    memcpy(&set, cpus->mask, sizeof(set));
    int rc = pthread_attr_init(&attr);
    if (rc != 0)
        return -rc;
    rc = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
    if (rc == 0)
        rc = pthread_create(thread, &attr, run, argument);
    pthread_attr_destroy(&attr);
    return -rc;
}

int qr_io_thread(pthread_t *thread, const struct qr_cpus *cpus, void *(*run)(void *),
                 void *argument)
{
    int rc = gate(QR_IO_THREAD);
    if (rc < 0)
        return rc;
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    /* Faults of the thread itself stay visible to whoever reports crashes. */
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    rc = cpus && cpus->known ? thread_on(thread, cpus, run, argument) : -EINVAL;
    if (rc == -EINVAL)
        rc = -pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Never retried: on Linux the descriptor is gone even when close says EINTR. */
void qr_io_close(int fd)
{
    close(fd);
}

int qr_io_close_checked(int fd)
{
    int rc = result_of(close(fd));
    return rc == -EINTR ? 0 : rc;
}

void *qr_io_zalloc(size_t size)
{
    return gate(QR_IO_MALLOC) < 0 ? NULL : calloc(1, size);
}
