/* SPDX-License-Identifier: MIT */
/*
 * The seam to the operating system. Some calls of libc are replaced here, so that interrupted
 * and partial calls, and kernels without renameat2, can be had at will.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tests/support/refuse.h>
#include <time.h>
#include <unistd.h>

/* What the replaced calls do: fail so many times with an error, or move so few bytes. */
static int trouble_left;
static int trouble_errno;
static int rename_errno; /* of renameat2 alone; 0: it works */
static size_t trouble_bytes = SIZE_MAX;

static int troubled(void)
{
    if (trouble_left == 0)
        return 0;
    trouble_left--;
    errno = trouble_errno;
    return 1;
}

static void trouble(int times, int error)
{
    trouble_left = times;
    trouble_errno = error;
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return troubled() ? -1 : (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

int ftruncate(int fd, off_t size)
{
    return troubled() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return troubled() ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    size_t some = size < trouble_bytes ? size : trouble_bytes;
    return troubled() ? -1 : (ssize_t)syscall(SYS_pread64, fd, buffer, some, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    size_t some = size < trouble_bytes ? size : trouble_bytes;
    return troubled() ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, buffer, some, offset);
}

int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned flags)
{
    if (rename_errno == 0)
        return (int)syscall(SYS_renameat2, fromfd, from, tofd, to, flags);
    errno = rename_errno;
    return -1;
}

/* Each test has a directory of its own. */
static char root_path[4096];
static int root = -1;

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root_path, sizeof root_path, "%s/quire-io-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(root_path));
    root = qr_io_open(AT_FDCWD, root_path, O_RDONLY | O_DIRECTORY, 0);
    cr_assert_geq(root, 0);
}

static void teardown(void)
{
    DIR *dir;
    struct dirent *entry;
    trouble(0, 0);
    qr_io_fault(0, 0, 0);
    if (qr_io_opendir(root, ".", &dir) == 0) {
        while ((entry = readdir(dir)) != NULL) {
            if (unlinkat(root, entry->d_name, 0) != 0)
                unlinkat(root, entry->d_name, AT_REMOVEDIR);
        }
        closedir(dir);
    }
    qr_io_close(root);
    rmdir(root_path);
}

TestSuite(io, .init = setup, .fini = teardown);

static int make(const char *name, const char *text)
{
    int fd = qr_io_open(root, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    cr_assert_geq(fd, 0);
    ssize_t length = (ssize_t)strlen(text);
    cr_assert_eq(qr_io_pwrite(fd, text, strlen(text), 0), length);
    return fd;
}

static void assert_holds(const char *name, const char *text)
{
    char got[64] = {0};
    int fd = qr_io_open(root, name, O_RDONLY, 0);
    cr_assert_geq(fd, 0, "%s: %d", name, fd);
    cr_assert_geq(qr_io_pread(fd, got, sizeof got - 1, 0), 0);
    cr_assert_str_eq(got, text);
    qr_io_close(fd);
}

Test(io, descriptors_close_on_exec)
{
    DIR *dir;
    cr_assert_eq(qr_io_opendir(root, ".", &dir), 0);
    int fds[] = {make("a", "x"), qr_io_memfd("test", 0), qr_io_eventfd(), dirfd(dir)};
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_geq(fds[i], 0);
        cr_assert_eq(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "%u", i);
    }
    cr_assert_eq(fcntl(fds[2], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    for (unsigned i = 0; i < 3; i++)
        qr_io_close(fds[i]);
    closedir(dir);
}

Test(io, errors_are_negative_errno)
{
    char byte = 0;
    struct stat st;
    void *at = &byte;
    DIR *dir = NULL;
    int file = make("a", "x");
    cr_assert_eq(qr_io_open(root, "none", O_RDONLY, 0), -ENOENT);
    cr_assert_eq(qr_io_memfd("x", 0x80000000u), -EINVAL);
    cr_assert_eq(qr_io_ftruncate(-1, 1), -EBADF);
    cr_assert_eq(qr_io_fallocate(-1, 0, 1), -EBADF);
    cr_assert_eq(qr_io_fallocate(file, UINT64_MAX, 1), -EINVAL);
    cr_assert_eq(qr_io_punch(-1, 0, 1), -EBADF);
    cr_assert_eq(qr_io_mmap(&at, 4096, PROT_READ, MAP_SHARED, -1, 0), -EBADF);
    cr_assert_eq(at, &byte);
    cr_assert_eq(qr_io_munmap((void *)1, 4096), -EINVAL);
    cr_assert_eq(qr_io_madvise((void *)1, 4096, MADV_RANDOM), -EINVAL);
    cr_assert_eq(qr_io_pread(-1, &byte, 1, 0), -EBADF);
    cr_assert_eq(qr_io_pwrite(-1, &byte, 1, 0), -EBADF);
    cr_assert_eq(qr_io_fstat(-1, &st), -EBADF);
    cr_assert_eq(qr_io_fsync(-1), -EBADF);
    cr_assert_eq(qr_io_mkdir(root, "a", 0700), -EEXIST);
    cr_assert_eq(qr_io_rename_noreplace(root, "none", root, "b"), -ENOENT);
    cr_assert_eq(qr_io_unlink(root, "none"), -ENOENT);
    cr_assert_eq(qr_io_rmdir(root, "a"), -ENOTDIR);
    cr_assert_eq(qr_io_opendir(root, "a", &dir), -ENOTDIR);
    cr_assert_eq(qr_io_opendir(root, "none", &dir), -ENOENT);
    cr_assert_null(dir);
    cr_assert_eq(qr_io_lock(-1), -EBADF);
    qr_io_close(file);
}

Test(io, interrupted_calls_are_repeated)
{
    char byte = 'x';
    DIR *dir;
    trouble(3, EINTR);
    int fd = qr_io_open(root, "a", O_RDWR | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    trouble(3, EINTR);
    cr_assert_eq(qr_io_ftruncate(fd, 4096), 0);
    trouble(3, EINTR);
    cr_assert_eq(qr_io_fallocate(fd, 0, 8192), 0);
    trouble(3, EINTR);
    cr_assert_eq(qr_io_punch(fd, 0, 4096), 0);
    trouble(3, EINTR);
    cr_assert_eq(qr_io_pwrite(fd, &byte, 1, 0), 1);
    trouble(3, EINTR);
    cr_assert_eq(qr_io_pread(fd, &byte, 1, 0), 1);
    trouble(3, EINTR);
    cr_assert_eq(qr_io_opendir(root, ".", &dir), 0);
    cr_assert_eq(trouble_left, 0);
    closedir(dir);
    qr_io_close(fd);
}

Test(io, other_errors_are_not_repeated)
{
    char byte = 'x';
    int fd = make("a", "abc");
    trouble(1, EIO);
    cr_assert_eq(qr_io_pwrite(fd, &byte, 1, 0), -EIO);
    trouble(1, ENOSPC);
    cr_assert_eq(qr_io_fallocate(fd, 0, 4096), -ENOSPC);
    trouble(1, EIO);
    cr_assert_eq(qr_io_pread(fd, &byte, 1, 0), -EIO);
    cr_assert_eq(trouble_left, 0);
    qr_io_close(fd);
}

Test(io, partial_transfers_are_completed)
{
    char got[32] = {0};
    trouble_bytes = 3;
    int fd = make("a", "0123456789");
    cr_assert_eq(qr_io_pwrite(fd, "abcdefgh", 8, 100), 8);
    cr_assert_eq(qr_io_pread(fd, got, 10, 0), 10);
    cr_assert_str_eq(got, "0123456789");
    memset(got, 0, sizeof got);
    cr_assert_eq(qr_io_pread(fd, got, 20, 100), 8, "shorter only at the end of the file");
    cr_assert_str_eq(got, "abcdefgh");
    cr_assert_eq(qr_io_pread(fd, got, 20, 108), 0);
    cr_assert_eq(qr_io_pread(fd, got, 0, 0), 0);
    trouble_bytes = 0;
    cr_assert_eq(qr_io_pwrite(fd, "x", 1, 0), -EIO, "a write that moves nothing must not spin");
    trouble_bytes = SIZE_MAX;
    qr_io_close(fd);
}

Test(io, allocation_is_real_and_given_back)
{
    struct stat st;
    char bytes[4096];
    int fd = qr_io_memfd("test", 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(qr_io_fallocate(fd, 0, 1u << 20), 0);
    cr_assert_eq(qr_io_fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 1 << 20);
    cr_assert_geq(st.st_blocks * 512, 1 << 20);
    memset(bytes, 'x', sizeof bytes);
    cr_assert_eq(qr_io_pwrite(fd, bytes, sizeof bytes, 8192), 4096);
    cr_assert_eq(qr_io_punch(fd, 4096, (1u << 20) - 4096), 0);
    cr_assert_eq(qr_io_fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 1 << 20);
    cr_assert_leq(st.st_blocks * 512, 4096);
    cr_assert_eq(qr_io_pread(fd, bytes, sizeof bytes, 8192), 4096);
    for (unsigned i = 0; i < sizeof bytes; i++)
        cr_assert_eq(bytes[i], 0);
    qr_io_close(fd);
}

Test(io, mapping)
{
    void *at = NULL;
    int fd = qr_io_memfd("test", 0);
    cr_assert_eq(qr_io_ftruncate(fd, 8192), 0);
    cr_assert_eq(qr_io_mmap(&at, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096), 0);
    cr_assert_eq(qr_io_madvise(at, 4096, MADV_RANDOM), 0);
    memcpy(at, "mapped", 6);
    char got[6];
    cr_assert_eq(qr_io_pread(fd, got, 6, 4096), 6);
    cr_assert_arr_eq(got, "mapped", 6);
    cr_assert_eq(qr_io_munmap(at, 4096), 0);
    qr_io_close(fd);
}

static void assert_rename_keeps_what_is_there(void)
{
    cr_assert_eq(qr_io_rename_noreplace(root, "from", root, "file"), -EEXIST);
    assert_holds("from", "new");
    assert_holds("file", "old");
    /* rename() would replace an empty directory, and a link that leads nowhere. */
    cr_assert_eq(qr_io_rename_noreplace(root, "fromdir", root, "emptydir"), -EEXIST);
    cr_assert_eq(qr_io_rename_noreplace(root, "from", root, "link"), -EEXIST);
}

static void rename_setup(void)
{
    qr_io_close(make("from", "new"));
    qr_io_close(make("file", "old"));
    cr_assert_eq(qr_io_mkdir(root, "fromdir", 0700), 0);
    cr_assert_eq(qr_io_mkdir(root, "emptydir", 0700), 0);
    cr_assert_eq(symlinkat("nowhere", root, "link"), 0);
}

Test(io, rename_never_replaces)
{
    rename_setup();
    assert_rename_keeps_what_is_there();
    cr_assert_eq(qr_io_rename_noreplace(root, "from", root, "to"), 0);
    assert_holds("to", "new");
    cr_assert_eq(qr_io_open(root, "from", O_RDONLY, 0), -ENOENT);
}

Test(io, rename_without_kernel_support)
{
    rename_setup();
    rename_errno = ENOSYS;
    assert_rename_keeps_what_is_there();
    rename_errno = EINVAL;
    assert_rename_keeps_what_is_there();
    cr_assert_eq(qr_io_rename_noreplace(root, "from", root, "to"), 0);
    assert_holds("to", "new");
    cr_assert_eq(qr_io_open(root, "from", O_RDONLY, 0), -ENOENT);
    cr_assert_eq(qr_io_rename_noreplace(root, "none", root, "to2"), -ENOENT);
    cr_assert_eq(qr_io_rename_noreplace(root, "to", root, "file/below"), -ENOTDIR);
    /* Any other refusal is the answer. */
    rename_errno = EACCES;
    cr_assert_eq(qr_io_rename_noreplace(root, "to", root, "to2"), -EACCES);
}

Test(io, lock_is_held_by_one_open_file)
{
    int first = make("a", "x");
    int second = qr_io_open(root, "a", O_RDWR, 0);
    int reader = qr_io_open(root, "a", O_RDONLY, 0);
    cr_assert_eq(qr_io_lock(first), 0);
    cr_assert_eq(qr_io_lock(first), 0, "its own lock is no obstacle");
    cr_assert_eq(qr_io_lock(second), -EAGAIN);
    cr_assert_eq(qr_io_lock(reader), -EBADF);
    qr_io_close(first);
    cr_assert_eq(qr_io_lock(second), 0);
    qr_io_close(second);
    qr_io_close(reader);
}

static void *mask_of_thread(void *argument)
{
    pthread_sigmask(SIG_SETMASK, NULL, argument);
    return argument;
}

Test(io, threads_block_signals)
{
    sigset_t before;
    sigset_t inside;
    sigset_t after;
    pthread_t thread;
    void *result = NULL;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    cr_assert_eq(qr_io_thread(&thread, NULL, mask_of_thread, &inside), 0);
    cr_assert_eq(pthread_join(thread, &result), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    cr_assert_eq(result, &inside);
    cr_assert_eq(sigismember(&inside, SIGINT), 1);
    cr_assert_eq(sigismember(&inside, SIGALRM), 1);
    cr_assert_eq(sigismember(&inside, SIGUSR1), 1);
    cr_assert_eq(sigismember(&inside, SIGSEGV), 0);
    cr_assert_eq(sigismember(&inside, SIGBUS), 0);
    for (int s = 1; s < 32; s++)
        cr_assert_eq(sigismember(&after, s), sigismember(&before, s), "signal %d", s);
}

static void *cpus_of_thread(void *argument)
{
    (void)qr_io_affinity(argument);
    return NULL;
}

/* What the mask of a thread is that is to run on cpus. */
static struct qr_cpus cpus_of_thread_on(const struct qr_cpus *cpus)
{
    struct qr_cpus inside = {0};
    pthread_t thread;
    cr_assert_eq(qr_io_thread(&thread, cpus, cpus_of_thread, &inside), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert(inside.known);
    return inside;
}

static int same_cpus(const struct qr_cpus *a, const struct qr_cpus *b)
{
    return memcmp(a->mask, b->mask, sizeof(a->mask)) == 0;
}

Test(io, threads_run_where_they_are_told)
{
    struct qr_cpus all = {0};
    struct qr_cpus own = {0};
    struct qr_cpus none = {.known = 1};
    struct qr_cpus inside;
    cpu_set_t one;
    cr_assert_eq(qr_io_affinity(&all), 0);
    cr_assert(all.known);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    cr_assert_eq(qr_io_affinity(&own), 0);
    inside = cpus_of_thread_on(&all);
    cr_assert(same_cpus(&inside, &all));
    inside = cpus_of_thread_on(NULL);
    cr_assert(same_cpus(&inside, &own));
    inside = cpus_of_thread_on(&none);
    cr_assert(same_cpus(&inside, &own), "none of them may be used: where the caller may");
    all.known = 0;
    inside = cpus_of_thread_on(&all);
    cr_assert(same_cpus(&inside, &own), "none are known");
}

Test(io, epoll_says_what_is_readable)
{
    struct epoll_event events[2];
    int data[2];
    int fds[2] = {qr_io_eventfd(), qr_io_eventfd()};
    int epoll = qr_io_epoll();
    cr_assert_geq(epoll, 0);
    cr_assert_eq(fcntl(epoll, F_GETFD), FD_CLOEXEC);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(qr_io_epoll_add(epoll, fds[i], &data[i]), 0);
    cr_assert_eq(qr_io_epoll_add(epoll, fds[0], NULL), -EEXIST);
    cr_assert_eq(qr_io_epoll_wait(epoll, events, 2, 0), 0);
    cr_assert_eq(eventfd_write(fds[1], 1), 0);
    for (int again = 0; again < 3; again++) { /* it is a level */
        cr_assert_eq(qr_io_epoll_wait(epoll, events, 2, again ? 0 : UINT64_MAX), 1);
        cr_assert_eq(events[0].data.ptr, &data[1]);
    }
    cr_assert_eq(qr_io_epoll_wait(epoll, events, 2, 1), 1);
    cr_assert_eq(qr_io_epoll_remove(epoll, fds[1]), 0);
    cr_assert_eq(qr_io_epoll_remove(epoll, fds[1]), -ENOENT);
    cr_assert_eq(qr_io_epoll_wait(epoll, events, 2, 0), 0);
    for (int i = 0; i < 2; i++)
        qr_io_close(fds[i]);
    qr_io_close(epoll);
}

static uint64_t monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Never shorter than asked, also where the call that counts in nanoseconds is refused. */
Test(io, epoll_waits_its_time)
{
    static const uint64_t times[] = {1, 999999, 1000000, 1000001, 2500000};
    struct epoll_event event;
    int epoll = qr_io_epoll();
    for (int refused = 0; refused < 2; refused++) {
        if (refused && refuse_call(SYS_epoll_pwait2) != 0)
            cr_skip_test("no system call can be refused here");
        for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
            uint64_t begin = monotonic();
            cr_assert_eq(qr_io_epoll_wait(epoll, &event, 1, times[i]), 0);
            cr_assert_geq(monotonic() - begin, times[i]);
        }
    }
    qr_io_close(epoll);
}

static void nothing_to_do(int number)
{
    (void)number;
}

/* The caller knows its deadline. */
Test(io, epoll_is_interrupted)
{
    struct sigaction action = {.sa_handler = nothing_to_do};
    struct epoll_event event;
    int epoll = qr_io_epoll();
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    ualarm(10000, 10000); /* again and again: one may come before the wait */
    cr_assert_eq(qr_io_epoll_wait(epoll, &event, 1, UINT64_MAX), -EINTR);
    cr_assert_eq(qr_io_epoll_wait(epoll, &event, 1, 60000000000u), -EINTR);
    ualarm(0, 0);
    qr_io_close(epoll);
}

Test(io, memory_is_zeroed)
{
    unsigned char *bytes = qr_io_zalloc(1000);
    cr_assert_not_null(bytes);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(bytes[i], 0);
    free(bytes);
    qr_io_fault_kind(QR_IO_MALLOC, 1, ENOMEM, 0);
    cr_assert_null(qr_io_zalloc(1000));
}
