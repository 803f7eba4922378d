/* SPDX-License-Identifier: MIT */
/* The gate of the I/O seam: calls are counted, and exactly the call named fails. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test has a directory of its own, and things in it to make and to remove. */
static char root_path[4096];
static int root = -1;

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root_path, sizeof root_path, "%s/quire-fault-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(root_path));
    root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(root, 0);
}

static void teardown(void)
{
    static const char *const names[] = {"opened", "made", "here", "there", "gone", "gonedir"};
    qr_io_fault(0, 0, 0);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (unlinkat(root, names[i], 0) != 0)
            unlinkat(root, names[i], AT_REMOVEDIR);
    }
    close(root);
    cr_assert_eq(rmdir(root_path), 0);
}

TestSuite(io_fault, .init = setup, .fini = teardown);

/* Below: one call of each kind, prepared so that it succeeds when it is let through. */

static int closed(int fd)
{
    if (fd >= 0)
        qr_io_close(fd);
    return fd;
}

static int call_of_descriptor(enum qr_io_call kind, int fd)
{
    char scratch[8] = {0};
    struct stat st;
    switch (kind) {
    case QR_IO_FTRUNCATE:
        return qr_io_ftruncate(fd, 4096);
    case QR_IO_FALLOCATE:
        return qr_io_fallocate(fd, 0, 4096);
    case QR_IO_PUNCH:
        return qr_io_punch(fd, 0, 4096);
    case QR_IO_PREAD:
        return (int)qr_io_pread(fd, scratch, sizeof scratch, 0);
    case QR_IO_PWRITE:
        return (int)qr_io_pwrite(fd, scratch, sizeof scratch, 0);
    case QR_IO_FSTAT:
        return qr_io_fstat(fd, &st);
    case QR_IO_FSYNC:
        return qr_io_fsync(fd);
    case QR_IO_FDATASYNC:
        return qr_io_fdatasync(fd);
    default:
        return qr_io_lock(fd);
    }
}

static int call_of_mapping(enum qr_io_call kind, int fd)
{
    void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *made = NULL;
    int rc;
    cr_assert_neq(at, MAP_FAILED);
    if (kind == QR_IO_MMAP)
        rc = qr_io_mmap(&made, 4096, PROT_READ, MAP_SHARED, fd, 0);
    else if (kind == QR_IO_MADVISE)
        rc = qr_io_madvise(at, 4096, MADV_NORMAL);
    else
        rc = qr_io_munmap(at, 4096);
    munmap(at, 4096);
    if (made != NULL)
        munmap(made, 4096);
    return rc;
}

static int call_of_name(enum qr_io_call kind)
{
    DIR *dir;
    int rc;
    switch (kind) {
    case QR_IO_OPEN:
        return closed(qr_io_open(root, "opened", O_RDWR | O_CREAT, 0600));
    case QR_IO_MKDIR:
        unlinkat(root, "made", AT_REMOVEDIR);
        return qr_io_mkdir(root, "made", 0700);
    case QR_IO_RENAME:
        mkdirat(root, "here", 0700);
        unlinkat(root, "there", AT_REMOVEDIR);
        return qr_io_rename_noreplace(root, "here", root, "there");
    case QR_IO_UNLINK:
        rc = symlinkat("x", root, "gone");
        cr_assert(rc == 0 || errno == EEXIST);
        return qr_io_unlink(root, "gone");
    case QR_IO_RMDIR:
        mkdirat(root, "gonedir", 0700);
        return qr_io_rmdir(root, "gonedir");
    default:
        rc = qr_io_opendir(root, ".", &dir);
        if (rc == 0)
            closedir(dir);
        return rc;
    }
}

static void *nothing(void *argument)
{
    return argument;
}

/* -ENOMEM where there is only NULL to tell. */
static int call_of_epoll(enum qr_io_call kind)
{
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int fd = eventfd(1, EFD_CLOEXEC);
    int rc;
    if (kind != QR_IO_EPOLL_ADD)
        cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = 0}), 0);
    if (kind == QR_IO_EPOLL_ADD)
        rc = qr_io_epoll_add(epoll, fd, NULL);
    else if (kind == QR_IO_EPOLL_REMOVE)
        rc = qr_io_epoll_remove(epoll, fd);
    else
        rc = qr_io_epoll_wait(epoll, &event, 1, 0);
    close(fd);
    close(epoll);
    return rc;
}

static int call_of_process(enum qr_io_call kind)
{
    pthread_t thread;
    struct qr_cpus cpus;
    void *memory;
    int rc;
    switch (kind) {
    case QR_IO_MEMFD:
        return closed(qr_io_memfd("test", 0));
    case QR_IO_EVENTFD:
        return closed(qr_io_eventfd());
    case QR_IO_EPOLL:
        return closed(qr_io_epoll());
    case QR_IO_AFFINITY:
        return qr_io_affinity(&cpus);
    case QR_IO_THREAD:
        rc = qr_io_thread(&thread, NULL, nothing, NULL);
        if (rc == 0)
            pthread_join(thread, NULL);
        return rc;
    default:
        memory = qr_io_zalloc(8);
        rc = memory == NULL ? -ENOMEM : 0;
        free(memory);
        return rc;
    }
}

static int call_of_kind(enum qr_io_call kind)
{
    int rc;
    int fd = memfd_create("scratch", MFD_CLOEXEC);
    cr_assert_geq(fd, 0);
    switch (kind) {
    case QR_IO_FTRUNCATE:
    case QR_IO_FALLOCATE:
    case QR_IO_PUNCH:
    case QR_IO_PREAD:
    case QR_IO_PWRITE:
    case QR_IO_FSTAT:
    case QR_IO_FSYNC:
    case QR_IO_FDATASYNC:
    case QR_IO_LOCK:
        rc = call_of_descriptor(kind, fd);
        break;
    case QR_IO_MMAP:
    case QR_IO_MUNMAP:
    case QR_IO_MADVISE:
        rc = call_of_mapping(kind, fd);
        break;
    case QR_IO_MEMFD:
    case QR_IO_EVENTFD:
    case QR_IO_EPOLL:
    case QR_IO_THREAD:
    case QR_IO_AFFINITY:
    case QR_IO_MALLOC:
        rc = call_of_process(kind);
        break;
    case QR_IO_EPOLL_ADD:
    case QR_IO_EPOLL_REMOVE:
    case QR_IO_EPOLL_WAIT:
        rc = call_of_epoll(kind);
        break;
    case QR_IO_URING_SETUP:
    case QR_IO_URING_PROBE:
    case QR_IO_URING_SUBMIT:
    case QR_IO_URING_COMPLETE:
        rc = qr_io_verdict(kind); /* the engine asks before it makes the call */
        break;
    default:
        rc = call_of_name(kind);
    }
    close(fd);
    return rc;
}

static int exists(const char *name)
{
    struct stat st;
    return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The second call of the kind fails, however many calls of another kind are made between. */
Test(io_fault, every_kind_can_be_failed)
{
    for (int i = 0; i < QR_IO_CALLS; i++) {
        enum qr_io_call kind = (enum qr_io_call)i;
        enum qr_io_call other = (enum qr_io_call)((i + 1) % QR_IO_CALLS);
        int error = kind == QR_IO_MALLOC ? ENOMEM : EDQUOT;
        qr_io_fault_kind(kind, 2, error, 0);
        cr_assert_geq(call_of_kind(other), 0, "kind %d", i);
        cr_assert_geq(call_of_kind(kind), 0, "kind %d", i);
        cr_assert_geq(call_of_kind(other), 0, "kind %d", i);
        cr_assert_not(qr_io_fault_hit());
        cr_assert_eq(call_of_kind(kind), -error, "kind %d", i);
        cr_assert(qr_io_fault_hit());
        cr_assert_geq(call_of_kind(kind), 0, "kind %d", i);
        cr_assert_eq(qr_io_count_kind(kind), 3, "kind %d", i);
        cr_assert_eq(qr_io_count_kind(other), 2, "kind %d", i);
        cr_assert_eq(qr_io_count(), 5, "kind %d", i);
    }
}

Test(io_fault, a_failed_call_has_no_effect)
{
    qr_io_fault(1, EACCES, 1);
    cr_assert_eq(call_of_kind(QR_IO_OPEN), -EACCES);
    cr_assert_not(exists("opened"));
    cr_assert_eq(call_of_kind(QR_IO_MKDIR), -EACCES);
    cr_assert_not(exists("made"));
    cr_assert_eq(call_of_kind(QR_IO_RENAME), -EACCES);
    cr_assert(exists("here"));
    cr_assert_eq(call_of_kind(QR_IO_UNLINK), -EACCES);
    cr_assert(exists("gone"));
    cr_assert_eq(call_of_kind(QR_IO_RMDIR), -EACCES);
    cr_assert(exists("gonedir"));
}

Test(io_fault, the_nth_of_all_kinds_once)
{
    for (unsigned nth = 1; nth <= 2 * QR_IO_CALLS; nth++) {
        qr_io_fault(nth, ENOMEM, 0);
        for (unsigned i = 1; i <= 2 * QR_IO_CALLS; i++) {
            int rc = call_of_kind((enum qr_io_call)(i % QR_IO_CALLS));
            if (i == nth)
                cr_assert_eq(rc, -ENOMEM, "call %u", i);
            else
                cr_assert_geq(rc, 0, "call %u of fault %u: %d", i, nth, rc);
            cr_assert_eq(qr_io_fault_hit(), i >= nth);
            cr_assert_eq(qr_io_count(), i);
        }
    }
}

Test(io_fault, sticky_fails_all_later_ones)
{
    qr_io_fault(3, EIO, 1);
    cr_assert_eq(call_of_kind(QR_IO_FSYNC), 0);
    cr_assert_eq(call_of_kind(QR_IO_FSTAT), 0);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(call_of_kind(QR_IO_FSYNC), -EIO);
    qr_io_fault_kind(QR_IO_FSYNC, 2, EIO, 1);
    cr_assert_eq(call_of_kind(QR_IO_FSYNC), 0);
    cr_assert_eq(call_of_kind(QR_IO_FSYNC), -EIO);
    cr_assert_eq(call_of_kind(QR_IO_FSTAT), 0, "other kinds go on");
    cr_assert_eq(call_of_kind(QR_IO_FSYNC), -EIO);
    qr_io_fault(0, 0, 0);
    cr_assert_eq(call_of_kind(QR_IO_FSYNC), 0);
    cr_assert_eq(qr_io_fault_hit(), 0);
    cr_assert_eq(qr_io_count(), 1);
}

#define CALLERS      4
#define CALLS_BY_ONE 50000

struct caller {
    pthread_t thread;
    unsigned failed;
    unsigned other;
};

static void *caller_main(void *argument)
{
    struct caller *caller = argument;
    struct stat st;
    for (unsigned i = 0; i < CALLS_BY_ONE; i++) {
        int rc = qr_io_fstat(root, &st);
        caller->failed += rc == -EIO;
        caller->other += rc != -EIO && rc != 0;
    }
    return NULL;
}

/* Starts callers, arms meanwhile when rearm is set; returns how many calls failed. */
static unsigned run_callers(int rearm)
{
    struct caller callers[CALLERS] = {0};
    unsigned failed = 0;
    for (int i = 0; i < CALLERS; i++)
        cr_assert_eq(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    for (unsigned i = 0; rearm && i < 1000; i++)
        qr_io_fault_kind(QR_IO_FSTAT, 1 + i % 7, EIO, (int)(i & 1));
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        failed += callers[i].failed;
        cr_assert_eq(callers[i].other, 0);
    }
    return failed;
}

Test(io_fault, one_fault_hits_one_call_of_many_threads)
{
    qr_io_fault_kind(QR_IO_FSTAT, CALLERS * CALLS_BY_ONE / 2, EIO, 0);
    cr_assert_eq(run_callers(0), 1);
    cr_assert_eq(qr_io_count_kind(QR_IO_FSTAT), CALLERS * CALLS_BY_ONE);
    qr_io_fault(CALLERS * CALLS_BY_ONE - 9, EIO, 1);
    cr_assert_eq(run_callers(0), 10);
    cr_assert_eq(qr_io_count(), CALLERS * CALLS_BY_ONE);
}

/* A call sees one arming or another, never a mixture: no error but the one armed appears. */
Test(io_fault, faults_may_be_armed_while_threads_run)
{
    run_callers(1);
    qr_io_fault(1, EIO, 0);
    cr_assert_eq(run_callers(0), 1);
}
