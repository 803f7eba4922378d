/* SPDX-License-Identifier: MIT */
/* What the tests of the engines share. BOTH() runs a test once with each engine. */
#ifndef QR_ENGINE_FIXTURE_H
#define QR_ENGINE_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pages/engine.h>
#include <pages/io.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000 /* far more than ever needed: a bound, not a timing */
#define MS          1000000ull

#define BOTH(suite, name)                             \
    static void name(enum qr_engine_kind kind);       \
    Test(suite, name##_uring, .timeout = 120)         \
    {                                                 \
        if (qr_engine_probe(NULL) != 0)               \
            cr_skip_test("io_uring is refused here"); \
        name(QR_ENGINE_URING);                        \
    }                                                 \
    Test(suite, name##_threads, .timeout = 120)       \
    {                                                 \
        name(QR_ENGINE_THREADS);                      \
    }                                                 \
    static void name(enum qr_engine_kind kind)

static inline struct qr_engine *engine_of(enum qr_engine_kind kind)
{
    struct qr_engine *engine;
    struct qr_engine_report report;
    qr_io_fault(0, 0, 0);
    cr_assert_eq(qr_engine_open(kind, &engine, &report), 0, "%s", report.reason);
    cr_assert_eq(report.kind, kind);
    return engine;
}

static inline int readable(struct qr_engine *engine, int timeout_ms)
{
    struct pollfd poller = {.fd = qr_engine_fd(engine), .events = POLLIN};
    int rc;
    do {
        rc = poll(&poller, 1, timeout_ms);
    } while (rc < 0 && errno == EINTR);
    cr_assert_geq(rc, 0);
    return rc == 1 && (poller.revents & POLLIN) != 0;
}

/* The next completion, by way of the fd, whatever else makes it readable. */
static inline struct qr_op *next_done(struct qr_engine *engine)
{
    struct qr_op *op = NULL;
    while (op == NULL) {
        cr_assert(readable(engine, PATIENCE_MS), "an operation got lost");
        op = qr_engine_reap(engine);
    }
    return op;
}

static inline struct qr_op run_one(struct qr_engine *engine, struct qr_op op)
{
    op.result = 1;
    qr_engine_submit(engine, &op);
    cr_assert_eq(next_done(engine), &op);
    return op;
}

static inline int scratch(void)
{
    int fd = qr_io_memfd("scratch", 0);
    cr_assert_geq(fd, 0);
    return fd;
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static inline uint64_t blocks_of(int fd)
{
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

#endif
