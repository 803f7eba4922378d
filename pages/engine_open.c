/* SPDX-License-Identifier: MIT */
/* Which engine it is to be, and in words why it is not io_uring. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/engine.h>
#include <pages/io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Reads the beginning of a file of /proc as text; "" when it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
    int fd = qr_io_open(AT_FDCWD, path, O_RDONLY, 0);
    ssize_t got = fd < 0 ? fd : qr_io_pread(fd, text, size - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        qr_io_close(fd);
}

/* -1 where the kernel does not have the setting: it came with Linux 6.6. */
static int sysctl_value(void)
{
    char text[16];
    read_text("/proc/sys/kernel/io_uring_disabled", text, sizeof text);
    return text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : -1;
}

static int is_filtered(void)
{
    char text[4096];
    read_text("/proc/self/status", text, sizeof text);
    const char *line = strstr(text, "\nSeccomp:");
    return line != NULL && strtol(line + 9, NULL, 10) == 2;
}

#define BLAME(report, what, ...)                                               \
    do {                                                                       \
        (report)->blocker = (what);                                            \
        (void)snprintf((report)->reason, sizeof(report)->reason, __VA_ARGS__); \
    } while (0)

static void blame_memlock(struct qr_engine_report *report)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        BLAME(report, QR_BLOCKER_OTHER, "io_uring: %s", strerrordesc_np(ENOMEM));
    else
        BLAME(report, QR_BLOCKER_MEMLOCK,
              "RLIMIT_MEMLOCK is %llu KiB, too little for io_uring (ulimit -l)",
              (unsigned long long)limit.rlim_cur / 1024);
}

/* With ENOSYS a filter is to blame only where the kernel shows that it has io_uring. */
static int is_seccomp(int error, int sysctl)
{
    int hidden = error == -ENOSYS && sysctl >= 0;
    return (error == -EPERM || error == -EACCES || hidden) && is_filtered();
}

static void explain(struct qr_engine_report *report, int error)
{
    int sysctl = sysctl_value();
    const char *words = strerrordesc_np(-error);
    words = words != NULL ? words : "unknown error";
    report->error = error;
    if (error == -EPERM && sysctl > 0)
        BLAME(report, QR_BLOCKER_SYSCTL, "sysctl kernel.io_uring_disabled=%d forbids io_uring",
              sysctl);
    else if (is_seccomp(error, sysctl))
        BLAME(report, QR_BLOCKER_SECCOMP, "a seccomp filter refuses io_uring (%s)", words);
    else if (error == -ENOSYS)
        BLAME(report, QR_BLOCKER_KERNEL, "this kernel has no io_uring");
    else if (error == -ENOMEM)
        blame_memlock(report);
    else
        BLAME(report, QR_BLOCKER_OTHER, "io_uring: %s", words);
}

static int open_uring(struct qr_engine **engine, struct qr_engine_report *report)
{
    int rc = qr_engine_uring_open(engine);
    if (rc == 0)
        report->kind = QR_ENGINE_URING;
    else
        explain(report, rc);
    return rc;
}

static int open_threads(struct qr_engine **engine, struct qr_engine_report *report)
{
    int rc = qr_engine_thread_open(engine);
    if (rc == 0)
        report->kind = QR_ENGINE_THREADS;
    return rc;
}

/* What the environment says where the caller leaves it open. */
static int from_environment(enum qr_engine_kind *kind, struct qr_engine_report *report)
{
    const char *value = secure_getenv("QUIRE_ENGINE");
    if (value == NULL || *value == '\0')
        return 0;
    if (strcmp(value, "uring") == 0)
        *kind = QR_ENGINE_URING;
    else if (strcmp(value, "threads") == 0)
        *kind = QR_ENGINE_THREADS;
    else {
        BLAME(report, QR_BLOCKER_NONE, "QUIRE_ENGINE is neither uring nor threads: %.64s", value);
        return -EINVAL;
    }
    return 0;
}

static int open_wanted(enum qr_engine_kind wanted, struct qr_engine **engine,
                       struct qr_engine_report *report)
{
    int rc = wanted == QR_ENGINE_AUTO ? from_environment(&wanted, report) : 0;
    if (rc != 0)
        return rc;
    if (wanted == QR_ENGINE_THREADS) {
        BLAME(report, QR_BLOCKER_ASKED, "threads were asked for");
        return open_threads(engine, report);
    }
    rc = open_uring(engine, report);
    return rc == 0 || wanted == QR_ENGINE_URING ? rc : open_threads(engine, report);
}

int qr_engine_open(enum qr_engine_kind wanted, struct qr_engine **engine,
                   struct qr_engine_report *report)
{
    struct qr_engine_report own;
    report = report != NULL ? report : &own;
    memset(report, 0, sizeof *report);
    *engine = NULL;
    return open_wanted(wanted, engine, report);
}

int qr_engine_probe(struct qr_engine_report *report)
{
    struct qr_engine *engine;
    struct qr_engine_report own;
    report = report != NULL ? report : &own;
    memset(report, 0, sizeof *report);
    int rc = open_uring(&engine, report);
    if (rc == 0)
        qr_engine_close(engine);
    return rc;
}
