/* SPDX-License-Identifier: MIT */
/* Which engine is opened, and what stands in the way of io_uring. */
#define _GNU_SOURCE
#include "engine_fixture.h"
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SKIPPED 77

/* The tests below run in processes of their own: what they do to themselves stays there. */
static int in_child(int (*run)(void))
{
    int status = 0;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        alarm(60);
        _exit(run());
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "status %#x", (unsigned)status);
    return WEXITSTATUS(status);
}

static void check_child(int (*run)(void))
{
    int rc = in_child(run);
    if (rc == SKIPPED)
        cr_skip_test("cannot be set up here");
    cr_assert_eq(rc, 0);
}

/* Criterion's asserts do not belong into a forked child. */
#define EXPECT(condition)                                               \
    do {                                                                \
        if (!(condition)) {                                             \
            fprintf(stderr, "line %d: not %s\n", __LINE__, #condition); \
            return 1;                                                   \
        }                                                               \
    } while (0)

/* Fails the system calls from first to last. */
static int deny(uint32_t first, uint32_t last, uint32_t error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Timers that come back in between are the caller's to look at. */
static int works(struct qr_engine *engine)
{
    struct qr_op op = {.kind = QR_OP_NOP, .result = 1};
    struct pollfd ready = {.fd = qr_engine_fd(engine), .events = POLLIN};
    qr_engine_submit(engine, &op);
    while (qr_engine_reap(engine) != &op)
        if (poll(&ready, 1, PATIENCE_MS) == 0)
            return 0;
    return op.result == 0;
}

/* AUTO gives threads for that reason, URING nothing, and the probe says the same. */
static int refused_by(enum qr_engine_blocker blocker, int error, const char *word)
{
    struct qr_engine *engine;
    struct qr_engine_report report;
    unsigned before = open_descriptors();
    unsetenv("QUIRE_ENGINE");
    EXPECT(qr_engine_open(QR_ENGINE_AUTO, &engine, &report) == 0);
    EXPECT(report.kind == QR_ENGINE_THREADS);
    EXPECT(strcmp(engine->ops->name, "thread") == 0);
    EXPECT(report.blocker == blocker);
    EXPECT(report.error == error);
    EXPECT(strstr(report.reason, word) != NULL);
    EXPECT(works(engine));
    qr_engine_close(engine);
    EXPECT(qr_engine_open(QR_ENGINE_URING, &engine, &report) == error);
    EXPECT(engine == NULL);
    EXPECT(report.kind == QR_ENGINE_AUTO && report.blocker == blocker);
    EXPECT(strstr(report.reason, word) != NULL);
    EXPECT(setenv("QUIRE_ENGINE", "uring", 1) == 0);
    EXPECT(qr_engine_open(QR_ENGINE_AUTO, &engine, &report) == error);
    EXPECT(engine == NULL && report.blocker == blocker);
    EXPECT(qr_engine_probe(&report) == error);
    EXPECT(report.error == error && report.blocker == blocker);
    EXPECT(open_descriptors() == before);
    return 0;
}

static int has_sysctl(void)
{
    return access("/proc/sys/kernel/io_uring_disabled", F_OK) == 0;
}

static int filter_eperm(void)
{
    if (!deny(__NR_io_uring_setup, __NR_io_uring_register, EPERM))
        return SKIPPED;
    return refused_by(QR_BLOCKER_SECCOMP, -EPERM, "seccomp");
}

/* A kernel that has the sysctl has io_uring: then the filter hides it. */
static int filter_enosys(void)
{
    if (!deny(__NR_io_uring_setup, __NR_io_uring_register, ENOSYS))
        return SKIPPED;
    return has_sysctl() ? refused_by(QR_BLOCKER_SECCOMP, -ENOSYS, "seccomp")
                        : refused_by(QR_BLOCKER_KERNEL, -ENOSYS, "kernel");
}

Test(engine_open, a_filter_says_eperm)
{
    check_child(filter_eperm);
}

Test(engine_open, a_filter_says_enosys)
{
    check_child(filter_enosys);
}

/* The filter comes when the engine is open: nothing hangs, all is done. */
static int filter_later(void)
{
    struct qr_engine *engine;
    if (qr_engine_open(QR_ENGINE_URING, &engine, NULL) != 0)
        return SKIPPED;
    EXPECT(works(engine));
    struct qr_op timer = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 20 * MS, .result = 1};
    qr_engine_submit(engine, &timer);
    if (!deny(__NR_io_uring_setup, __NR_io_uring_register, EPERM))
        return SKIPPED;
    for (unsigned i = 0; i < 10; i++)
        EXPECT(works(engine));
    struct qr_op later = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 20 * MS, .result = 1};
    qr_engine_submit(engine, &later);
    struct pollfd ready = {.fd = qr_engine_fd(engine), .events = POLLIN};
    while (timer.result != 0 || later.result != 0) {
        EXPECT(poll(&ready, 1, PATIENCE_MS) == 1);
        (void)qr_engine_reap(engine);
    }
    EXPECT(now_ns() >= later.at_ns);
    qr_engine_wake(engine);
    EXPECT(poll(&ready, 1, PATIENCE_MS) == 1);
    qr_engine_close(engine);
    return 0;
}

Test(engine_open, a_filter_comes_later)
{
    check_child(filter_later);
}

/* Kernels charge the ring to the limit or do not; when they do, it is named. */
static int no_memlock(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
        return SKIPPED;
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresuid(65534, 65534, 65534) != 0))
        return SKIPPED;
    if (qr_engine_probe(NULL) != -ENOMEM)
        return SKIPPED;
    return refused_by(QR_BLOCKER_MEMLOCK, -ENOMEM, "RLIMIT_MEMLOCK");
}

Test(engine_open, nothing_may_be_locked)
{
    check_child(no_memlock);
}

/* A sysctl of this process alone: a file mounted over the real one. */
static int sysctl_says(void)
{
    char name[] = "/tmp/quire-sysctl-XXXXXX";
    if (!has_sysctl() || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return SKIPPED;
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, "2\n", 2) != 2)
        return SKIPPED;
    int rc = mount(name, "/proc/sys/kernel/io_uring_disabled", NULL, MS_BIND, NULL);
    unlink(name);
    close(fd);
    if (rc != 0)
        return SKIPPED;
    qr_io_fault_kind(QR_IO_URING_SETUP, 1, EPERM, 1);
    return refused_by(QR_BLOCKER_SYSCTL, -EPERM, "kernel.io_uring_disabled=2");
}

Test(engine_open, the_sysctl_says_no)
{
    check_child(sysctl_says);
}

static int other_error(void)
{
    qr_io_fault_kind(QR_IO_URING_SETUP, 1, EMFILE, 1);
    return refused_by(QR_BLOCKER_OTHER, -EMFILE, "open files");
}

static int no_io_uring(void)
{
    if (prctl(PR_GET_SECCOMP) != 0)
        return SKIPPED; /* a filter would be blamed, and rightly */
    qr_io_fault_kind(QR_IO_URING_SETUP, 1, ENOSYS, 1);
    return refused_by(QR_BLOCKER_KERNEL, -ENOSYS, "kernel");
}

/* Set up, and of no use. */
static int no_probe(void)
{
    qr_io_fault_kind(QR_IO_URING_PROBE, 1, EOPNOTSUPP, 1);
    return refused_by(QR_BLOCKER_OTHER, -EOPNOTSUPP, "not supported");
}

Test(engine_open, other_refusals)
{
    if (qr_engine_probe(NULL) != 0)
        cr_skip_test("io_uring is refused here");
    check_child(other_error);
    check_child(no_io_uring);
    check_child(no_probe);
}

static int environment(void)
{
    struct qr_engine *engine;
    struct qr_engine_report report;
    EXPECT(setenv("QUIRE_ENGINE", "threads", 1) == 0);
    EXPECT(qr_engine_open(QR_ENGINE_AUTO, &engine, &report) == 0);
    EXPECT(report.kind == QR_ENGINE_THREADS && report.blocker == QR_BLOCKER_ASKED);
    EXPECT(report.error == 0 && report.reason[0] != '\0');
    qr_engine_close(engine);
    EXPECT(setenv("QUIRE_ENGINE", "fibres", 1) == 0);
    EXPECT(qr_engine_open(QR_ENGINE_AUTO, &engine, &report) == -EINVAL);
    EXPECT(engine == NULL && strstr(report.reason, "fibres") != NULL);
    /* Asked for by the caller: the environment is not. */
    EXPECT(qr_engine_open(QR_ENGINE_THREADS, &engine, NULL) == 0);
    qr_engine_close(engine);
    EXPECT(setenv("QUIRE_ENGINE", "", 1) == 0);
    EXPECT(qr_engine_open(QR_ENGINE_AUTO, &engine, &report) == 0);
    qr_engine_close(engine);
    return 0;
}

static int io_uring_first(void)
{
    struct qr_engine *engine;
    struct qr_engine_report report;
    if (qr_engine_probe(&report) != 0)
        return SKIPPED;
    EXPECT(report.kind == QR_ENGINE_URING && report.blocker == QR_BLOCKER_NONE);
    for (int set = 0; set < 2; set++) {
        EXPECT(set ? setenv("QUIRE_ENGINE", "uring", 1) == 0 : unsetenv("QUIRE_ENGINE") == 0);
        EXPECT(qr_engine_open(QR_ENGINE_AUTO, &engine, &report) == 0);
        EXPECT(report.kind == QR_ENGINE_URING && report.error == 0 && report.reason[0] == '\0');
        EXPECT(strcmp(engine->ops->name, "io_uring") == 0);
        EXPECT(works(engine));
        EXPECT(fcntl(qr_engine_fd(engine), F_GETFD) & FD_CLOEXEC);
        qr_engine_close(engine);
    }
    return 0;
}

Test(engine_open, the_environment_decides_where_the_caller_does_not)
{
    check_child(environment);
}

Test(engine_open, io_uring_where_it_can_be_had)
{
    check_child(io_uring_first);
}
