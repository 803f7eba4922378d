/* SPDX-License-Identifier: MIT */
/* The thread engine: results, readiness, many threads, close, and life without a helper. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pages/base/atomic.h>
#include <pages/engine.h>
#include <pages/io.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LEAK_CHECK 1
#endif
#endif

#ifdef WITH_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
#endif

/* Last in a test. A leak found at exit is only printed: the test has passed by then. */
static void no_leak(void)
{
#ifdef WITH_LEAK_CHECK
    cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);
#endif
}

#define PATIENCE_MS 60000 /* far more than ever needed: a bound, not a timing */

static struct qr_engine *engine_open(void)
{
    struct qr_engine *engine;
    qr_io_fault(0, 0, 0);
    cr_assert_eq(qr_engine_thread_open(&engine), 0);
    return engine;
}

static int readable(struct qr_engine *engine, int timeout_ms)
{
    struct pollfd poller = {.fd = qr_engine_fd(engine), .events = POLLIN};
    int rc = poll(&poller, 1, timeout_ms);
    cr_assert_geq(rc, 0);
    return rc == 1 && (poller.revents & POLLIN) != 0;
}

/* The next completion, by way of the fd. */
static struct qr_op *next_done(struct qr_engine *engine)
{
    cr_assert(readable(engine, PATIENCE_MS));
    struct qr_op *op = qr_engine_reap(engine);
    cr_assert_not_null(op, "readable means there is one");
    return op;
}

static struct qr_op run_one(struct qr_engine *engine, struct qr_op op)
{
    qr_engine_submit(engine, &op);
    cr_assert_eq(next_done(engine), &op);
    return op;
}

static int scratch(void)
{
    int fd = qr_io_memfd("scratch", 0);
    cr_assert_geq(fd, 0);
    return fd;
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

Test(engine_thread, operations_do_what_they_say)
{
    struct stat st;
    char byte = 'x';
    struct qr_engine *engine = engine_open();
    int fd = scratch();
    cr_assert_str_eq(engine->ops->name, "thread");

    struct qr_op op = {.kind = QR_OP_ALLOCATE, .fd = fd, .offset = 4096, .size = 65536, .tag = 77};
    op = run_one(engine, op);
    cr_assert_eq(op.result, 0);
    cr_assert_eq(op.tag, 77);
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 4096 + 65536);
    cr_assert_geq(st.st_blocks * 512, 65536);

    cr_assert_eq(pwrite(fd, &byte, 1, 8192), 1);
    op = (struct qr_op){.kind = QR_OP_PUNCH, .fd = fd, .offset = 4096, .size = 65536};
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(pread(fd, &byte, 1, 8192), 1);
    cr_assert_eq(byte, 0);
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 4096 + 65536);
    cr_assert_eq(st.st_blocks, 0);

    op = (struct qr_op){.kind = QR_OP_SYNC, .fd = fd};
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(qr_io_count_kind(QR_IO_FALLOCATE), 1);
    cr_assert_eq(qr_io_count_kind(QR_IO_PUNCH), 1);
    cr_assert_eq(qr_io_count_kind(QR_IO_FSYNC), 1);
    close(fd);
    qr_engine_close(engine);
}

Test(engine_thread, errors_come_as_results)
{
    struct qr_engine *engine = engine_open();
    int fd = scratch();
    struct qr_op op = {.kind = QR_OP_ALLOCATE, .fd = -1, .size = 4096};
    cr_assert_eq(run_one(engine, op).result, -EBADF);
    op.kind = QR_OP_PUNCH;
    cr_assert_eq(run_one(engine, op).result, -EBADF);
    op.kind = QR_OP_SYNC;
    cr_assert_eq(run_one(engine, op).result, -EBADF);
    op.kind = (enum qr_op_kind)99;
    op.fd = fd;
    cr_assert_eq(run_one(engine, op).result, -EINVAL);
    op = (struct qr_op){.kind = QR_OP_ALLOCATE, .fd = fd, .size = 0};
    cr_assert_eq(run_one(engine, op).result, -EINVAL);
    qr_io_fault_kind(QR_IO_FALLOCATE, 1, ENOSPC, 0);
    op.size = 4096;
    cr_assert_eq(run_one(engine, op).result, -ENOSPC);
    close(fd);
    qr_engine_close(engine);
}

/* The fd is readable as long as, and only when, there is something to reap. */
Test(engine_thread, fd_tells_of_completions)
{
    struct qr_engine *engine = engine_open();
    struct qr_op ops[10];
    unsigned reaped = 0;
    cr_assert_null(qr_engine_reap(engine));
    cr_assert_not(readable(engine, 0));
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 10; i++) {
            ops[i] = (struct qr_op){.kind = QR_OP_SYNC, .fd = -1};
            qr_engine_submit(engine, &ops[i]);
        }
        for (reaped = 0; reaped < 10; reaped++)
            next_done(engine);
        cr_assert_not(readable(engine, 0));
        cr_assert_null(qr_engine_reap(engine));
    }
    qr_engine_close(engine);
}

Test(engine_thread, unreaped_stay_readable)
{
    struct qr_engine *engine = engine_open();
    struct qr_op first = {.kind = QR_OP_SYNC, .fd = -1};
    struct qr_op second = first;
    qr_engine_submit(engine, &first);
    cr_assert(readable(engine, PATIENCE_MS));
    cr_assert(readable(engine, 0), "level-triggered");
    qr_engine_submit(engine, &second);
    next_done(engine);
    next_done(engine);
    cr_assert_not(readable(engine, 0));
    qr_engine_close(engine);
}

#define THREADS    8
#define OPS_BY_ONE 500

struct crowd {
    struct qr_engine *engine;
    int fd;
    qr_atomic_u32 reaped; /* counted by all, to know when all are done */
    struct qr_op ops[THREADS][OPS_BY_ONE];
    qr_atomic_u32 seen[THREADS][OPS_BY_ONE]; /* times each was reaped */
};

struct member {
    struct crowd *crowd;
    pthread_t thread;
    unsigned index;
};

static void crowd_reap(struct crowd *crowd)
{
    struct qr_op *op = qr_engine_reap(crowd->engine);
    if (op == NULL)
        return;
    /* Relaxed: read after the threads were joined, or in a loop that only counts. */
    qr_add_relaxed(&crowd->seen[op->tag / OPS_BY_ONE][op->tag % OPS_BY_ONE], 1u);
    qr_add_relaxed(&crowd->reaped, 1u);
}

/* Submits and reaps in turn; what it reaps may be anybody's. */
static void *member_main(void *argument)
{
    struct member *member = argument;
    struct crowd *crowd = member->crowd;
    for (unsigned i = 0; i < OPS_BY_ONE; i++) {
        struct qr_op *op = &crowd->ops[member->index][i];
        /* Every third fails: results must not be mixed up. */
        op->kind = i % 3 == 0 ? QR_OP_SYNC : QR_OP_ALLOCATE;
        op->fd = i % 3 == 1 ? -1 : crowd->fd;
        op->offset = (uint64_t)i * 4096;
        op->size = 4096;
        op->tag = (uint64_t)member->index * OPS_BY_ONE + i;
        op->result = 1;
        qr_engine_submit(crowd->engine, op);
        if (i % 2)
            crowd_reap(crowd);
    }
    return NULL;
}

Test(engine_thread, many_operations_of_many_threads, .timeout = 120)
{
    static struct crowd crowd;
    struct member members[THREADS];
    crowd.engine = engine_open();
    crowd.fd = scratch();
    for (unsigned t = 0; t < THREADS; t++) {
        members[t] = (struct member){.crowd = &crowd, .index = t};
        cr_assert_eq(pthread_create(&members[t].thread, NULL, member_main, &members[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(members[t].thread, NULL);
    while (qr_load_relaxed(&crowd.reaped) < THREADS * OPS_BY_ONE) {
        cr_assert(readable(crowd.engine, PATIENCE_MS));
        crowd_reap(&crowd);
    }
    cr_assert_null(qr_engine_reap(crowd.engine));
    for (unsigned t = 0; t < THREADS; t++) {
        for (unsigned i = 0; i < OPS_BY_ONE; i++) {
            cr_assert_eq(qr_load_relaxed(&crowd.seen[t][i]), 1, "%u.%u", t, i);
            cr_assert_eq(crowd.ops[t][i].result, i % 3 == 1 ? -EBADF : 0, "%u.%u", t, i);
        }
    }
    close(crowd.fd);
    qr_engine_close(crowd.engine);
}

Test(engine_thread, close_finishes_what_was_submitted)
{
    static struct qr_op ops[200];
    struct stat st;
    unsigned before = open_descriptors();
    for (unsigned round = 0; round < 5; round++) {
        struct qr_engine *engine = engine_open();
        int fd = scratch();
        for (unsigned i = 0; i < 200; i++) {
            ops[i] = (struct qr_op){.kind = QR_OP_ALLOCATE,
                                    .fd = fd,
                                    .offset = (uint64_t)i * 4096,
                                    .size = 4096,
                                    .result = 1};
            qr_engine_submit(engine, &ops[i]);
        }
        qr_engine_close(engine);
        cr_assert_eq(fstat(fd, &st), 0);
        cr_assert_eq(st.st_blocks * 512, 200 * 4096);
        for (unsigned i = 0; i < 200; i++)
            cr_assert_eq(ops[i].result, 0);
        close(fd);
    }
    cr_assert_eq(open_descriptors(), before);
    no_leak();
}

Test(engine_thread, helper_is_started_by_the_first_submit)
{
    struct qr_engine *engine = engine_open();
    cr_assert_eq(qr_io_count_kind(QR_IO_THREAD), 0);
    struct qr_op op = {.kind = QR_OP_SYNC, .fd = -1};
    op = run_one(engine, op);
    op = run_one(engine, op);
    cr_assert_eq(qr_io_count_kind(QR_IO_THREAD), 1);
    qr_engine_close(engine);
    engine = engine_open();
    qr_engine_close(engine); /* without ever having had one */
}

Test(engine_thread, without_a_helper_the_submitter_does_it)
{
    struct stat st;
    struct qr_engine *engine = engine_open();
    int fd = scratch();
    qr_io_fault_kind(QR_IO_THREAD, 1, EAGAIN, 1);
    struct qr_op op = {.kind = QR_OP_ALLOCATE, .fd = fd, .size = 8192, .result = 1};
    struct qr_op bad = {.kind = QR_OP_SYNC, .fd = -1, .result = 1};
    qr_engine_submit(engine, &op);
    cr_assert(qr_io_fault_hit());
    cr_assert_eq(op.result, 0, "done when submit returns");
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 8192);
    qr_engine_submit(engine, &bad);
    cr_assert(readable(engine, 0));
    cr_assert_eq(qr_engine_reap(engine), &op);
    cr_assert(readable(engine, 0));
    cr_assert_eq(qr_engine_reap(engine), &bad);
    cr_assert_eq(bad.result, -EBADF);
    cr_assert_not(readable(engine, 0));

    /* When threads can be had again, the next submit has one. */
    qr_io_fault(0, 0, 0);
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(qr_io_count_kind(QR_IO_THREAD), 1);
    close(fd);
    qr_engine_close(engine);
}

Test(engine_thread, open_fails_cleanly)
{
    unsigned before = open_descriptors();
    struct qr_engine *engine = (struct qr_engine *)&before;
    qr_io_fault_kind(QR_IO_MALLOC, 1, ENOMEM, 0);
    cr_assert_eq(qr_engine_thread_open(&engine), -ENOMEM);
    cr_assert_null(engine);
    qr_io_fault_kind(QR_IO_EVENTFD, 1, EMFILE, 0);
    cr_assert_eq(qr_engine_thread_open(&engine), -EMFILE);
    cr_assert_null(engine);
    cr_assert_eq(open_descriptors(), before);
    no_leak();
}
