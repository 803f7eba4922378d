/* SPDX-License-Identifier: MIT */
/* The engine's contract, the same for both: every kind of operation, readiness, wakes, timers. */
#define _GNU_SOURCE
#include "engine_fixture.h"
#include <pages/base/atomic.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

BOTH(engine, blocks_come_and_go)
{
    struct qr_engine *engine = engine_of(kind);
    char byte = 'x';
    int fd = scratch();
    struct qr_op op = {.kind = QR_OP_ALLOCATE, .fd = fd, .offset = 4096, .size = 65536, .tag = 77};
    op = run_one(engine, op);
    cr_assert_eq(op.result, 0);
    cr_assert_eq(op.tag, 77);
    cr_assert_eq(blocks_of(fd), 65536);
    cr_assert_eq(lseek(fd, 0, SEEK_END), 4096 + 65536);

    cr_assert_eq(pwrite(fd, &byte, 1, 8192), 1);
    op = (struct qr_op){.kind = QR_OP_PUNCH, .fd = fd, .offset = 4096, .size = 65536};
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(pread(fd, &byte, 1, 8192), 1);
    cr_assert_eq(byte, 0);
    cr_assert_eq(blocks_of(fd), 0);
    cr_assert_eq(lseek(fd, 0, SEEK_END), 4096 + 65536);
    cr_assert_eq(qr_io_count_kind(QR_IO_FALLOCATE), 1);
    cr_assert_eq(qr_io_count_kind(QR_IO_PUNCH), 1);
    close(fd);
    qr_engine_close(engine);
}

/* More than one step of the ring: see POPULATE_STEP. */
BOTH(engine, populate_faults_all_of_it_in)
{
    struct qr_engine *engine = engine_of(kind);
    const size_t size = (3u << 20) + 4096;
    int fd = scratch();
    cr_assert_eq(ftruncate(fd, (off_t)size + 8192), 0);
    void *at = mmap(NULL, size + 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(at, MAP_FAILED);
    struct qr_op op = {.kind = QR_OP_POPULATE, .address = (char *)at + 4096, .size = size};
    qr_io_fault(0, 0, 0); /* the engine's opening is not counted */
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(blocks_of(fd), size);
    cr_assert_eq(qr_io_count_kind(QR_IO_MADVISE), 1, "one operation, one call");
    munmap(at, size + 8192);
    cr_assert_eq(run_one(engine, op).result, -ENOMEM);
    close(fd);
    qr_engine_close(engine);
}

BOTH(engine, syncs_and_nothing)
{
    struct qr_engine *engine = engine_of(kind);
    int fd = scratch();
    struct qr_op op = {.kind = QR_OP_SYNC, .fd = fd};
    cr_assert_eq(run_one(engine, op).result, 0);
    op.kind = QR_OP_DATASYNC;
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(run_one(engine, op).result, 0);
    op.kind = QR_OP_NOP;
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(qr_io_count_kind(QR_IO_FSYNC), 1);
    cr_assert_eq(qr_io_count_kind(QR_IO_FDATASYNC), 2);
    close(fd);
    qr_engine_close(engine);
}

BOTH(engine, close_and_unlink)
{
    char root[] = "/tmp/quire-engine-XXXXXX";
    cr_assert_not_null(mkdtemp(root));
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(dir, 0);
    int fd = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    struct qr_engine *engine = engine_of(kind);
    struct qr_op op = {.kind = QR_OP_CLOSE, .fd = fd};
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    cr_assert_eq(run_one(engine, op).result, -EBADF);
    op = (struct qr_op){.kind = QR_OP_UNLINK, .fd = dir, .name = "file"};
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(faccessat(dir, "file", F_OK, 0), -1);
    cr_assert_eq(run_one(engine, op).result, -ENOENT);
    cr_assert_eq(qr_io_count_kind(QR_IO_UNLINK), 2);
    close(dir);
    cr_assert_eq(rmdir(root), 0);
    qr_engine_close(engine);
}

BOTH(engine, errors_come_as_results)
{
    struct qr_engine *engine = engine_of(kind);
    enum qr_op_kind kinds[] = {QR_OP_ALLOCATE, QR_OP_PUNCH, QR_OP_SYNC, QR_OP_DATASYNC,
                               QR_OP_CLOSE};
    int fd = scratch();
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct qr_op bad = {.kind = kinds[i], .fd = -1, .size = 4096};
        cr_assert_eq(run_one(engine, bad).result, -EBADF, "kind %u", (unsigned)kinds[i]);
    }
    struct qr_op op = {.kind = QR_OP_ALLOCATE, .fd = fd, .size = 0};
    cr_assert_eq(run_one(engine, op).result, -EINVAL);
    op.kind = (enum qr_op_kind)99;
    cr_assert_eq(run_one(engine, op).result, -EINVAL);
    close(fd);
    qr_engine_close(engine);
}

#define MANY 200

/* More than the ring holds; each comes back once, with its own tag and result. */
BOTH(engine, many_at_once)
{
    static struct qr_op ops[MANY];
    unsigned seen[MANY] = {0};
    struct qr_engine *engine = engine_of(kind);
    int fd = scratch();
    for (unsigned i = 0; i < MANY; i++) {
        ops[i] = (struct qr_op){.kind = i % 3 == 0 ? QR_OP_DATASYNC : QR_OP_ALLOCATE,
                                .fd = i % 3 == 1 ? -1 : fd,
                                .offset = (uint64_t)i * 4096,
                                .size = 4096,
                                .tag = i,
                                .result = 1};
        qr_engine_submit(engine, &ops[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert(readable(engine, PATIENCE_MS));
        struct qr_op *op = qr_engine_reap(engine);
        cr_assert_not_null(op, "readable means there is one");
        cr_assert_eq(op, &ops[op->tag]);
        cr_assert_eq(seen[op->tag]++, 0);
        cr_assert_eq(op->result, op->tag % 3 == 1 ? -EBADF : 0);
    }
    cr_assert_not(readable(engine, 0));
    cr_assert_null(qr_engine_reap(engine));
    cr_assert_eq(blocks_of(fd), 66 * 4096);
    close(fd);
    qr_engine_close(engine);
}

/* The fd is readable as long as, and only when, there is something to reap. */
BOTH(engine, fd_tells_of_completions)
{
    struct qr_engine *engine = engine_of(kind);
    struct qr_op ops[10];
    cr_assert_not(readable(engine, 0));
    cr_assert_null(qr_engine_reap(engine));
    cr_assert_not(readable(engine, 0));
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 10; i++) {
            ops[i] = (struct qr_op){.kind = i % 2 ? QR_OP_SYNC : QR_OP_NOP, .fd = -1};
            qr_engine_submit(engine, &ops[i]);
        }
        for (unsigned i = 0; i < 10; i++) {
            cr_assert(readable(engine, PATIENCE_MS));
            cr_assert(readable(engine, 0), "level-triggered");
            cr_assert_not_null(qr_engine_reap(engine));
        }
        cr_assert_not(readable(engine, 0));
        if (round % 2)
            cr_assert_null(qr_engine_reap(engine));
    }
    qr_engine_close(engine);
}

BOTH(engine, wake_lasts_until_there_is_nothing)
{
    struct qr_engine *engine = engine_of(kind);
    struct qr_op first = {.kind = QR_OP_NOP};
    struct qr_op second = {.kind = QR_OP_NOP};
    for (unsigned round = 0; round < 20; round++) {
        qr_engine_wake(engine);
        qr_engine_wake(engine);
        cr_assert(readable(engine, PATIENCE_MS));
        cr_assert_null(qr_engine_reap(engine));
        cr_assert_not(readable(engine, 0));
        /* After a completion that is not reaped yet, and before one. */
        qr_engine_submit(engine, &first);
        cr_assert(readable(engine, PATIENCE_MS));
        qr_engine_wake(engine);
        cr_assert_eq(qr_engine_reap(engine), &first);
        cr_assert(readable(engine, PATIENCE_MS), "round %u, the wake is not over", round);
        cr_assert_null(qr_engine_reap(engine));
        cr_assert_not(readable(engine, 0));
        qr_engine_wake(engine);
        cr_assert(readable(engine, PATIENCE_MS));
        qr_engine_submit(engine, &second);
        cr_assert_eq(next_done(engine), &second);
        cr_assert_null(qr_engine_reap(engine));
        cr_assert_not(readable(engine, 0));
    }
    qr_engine_close(engine);
}

#define WAKES 500000

struct waker {
    struct qr_engine *engine;
    qr_atomic_u32 posted;
    qr_atomic_u32 seen;
};

/* Some of the wakes wait to be seen, the others come as fast as they can. */
static void *waker_main(void *argument)
{
    struct waker *waker = argument;
    for (uint32_t i = 1; i <= WAKES; i++) {
        /* Relaxed: the wake publishes it. */
        qr_store_relaxed(&waker->posted, i);
        qr_engine_wake(waker->engine);
        while (i % 512 == 0 && qr_load_relaxed(&waker->seen) < i) /* relaxed: a counter */
            sched_yield();
    }
    return NULL;
}

/* What is posted before a wake is seen after the NULL that the wake leads to. */
BOTH(engine, wakes_of_another_thread_are_never_lost)
{
    struct waker waker = {.engine = engine_of(kind)};
    pthread_t thread;
    uint32_t posted = 0;
    cr_assert_eq(pthread_create(&thread, NULL, waker_main, &waker), 0);
    while (posted < WAKES) {
        cr_assert(readable(waker.engine, PATIENCE_MS), "lost after %u", posted);
        while (qr_engine_reap(waker.engine) != NULL)
            ;
        posted = qr_load_relaxed(&waker.posted); /* relaxed: ordered by the wake */
        qr_store_relaxed(&waker.seen, posted);   /* relaxed: a counter */
    }
    pthread_join(thread, NULL);
    qr_engine_close(waker.engine);
}

/* Later ones first: each has to overtake all that are there. */
BOTH(engine, timers_are_never_early_and_wait_for_nobody)
{
    struct qr_op timers[100];
    struct qr_engine *engine = engine_of(kind);
    struct qr_op never = {.kind = QR_OP_TIMER, .at_ns = UINT64_MAX};
    struct qr_op hour = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 3600000 * MS};
    uint64_t start = now_ns();
    uint64_t before = 0;
    qr_engine_submit(engine, &never);
    qr_engine_submit(engine, &hour);
    for (unsigned i = 0; i < 100; i++) {
        timers[i] = (struct qr_op){
            .kind = QR_OP_TIMER, .at_ns = start + 20 * MS + (100 - i) / 2 * MS, .result = 1};
        qr_engine_submit(engine, &timers[i]);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct qr_op *op = next_done(engine);
        cr_assert_geq(now_ns(), op->at_ns, "early");
        cr_assert_geq(op->at_ns, before, "out of order");
        before = op->at_ns;
        cr_assert_eq(op->result, 0);
    }
    cr_assert_not(readable(engine, 0));
    cr_assert_null(qr_engine_reap(engine));
    qr_engine_close(engine);
}

BOTH(engine, timers_of_the_past_and_file_operations_beside_timers)
{
    struct qr_engine *engine = engine_of(kind);
    struct qr_op hour = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 3600000 * MS};
    struct qr_op past = {.kind = QR_OP_TIMER, .at_ns = 1, .tag = 5};
    struct qr_op nop = {.kind = QR_OP_NOP};
    qr_engine_submit(engine, &hour);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(run_one(engine, past).result, 0);
        cr_assert_eq(run_one(engine, nop).result, 0);
        cr_assert_not(readable(engine, 0));
    }
    qr_engine_close(engine);
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Whoever waits for a timer sleeps: no processor time goes by, however long it takes. */
BOTH(engine, waiting_costs_nothing)
{
    struct qr_engine *engine = engine_of(kind);
    uint64_t wait = 400 * MS;
    struct qr_op hour = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 3600000 * MS};
    struct qr_op timer = {.kind = QR_OP_TIMER, .at_ns = now_ns() + wait};
    uint64_t before = cpu_ns();
    qr_engine_submit(engine, &hour);
    cr_assert_eq(run_one(engine, timer).result, 0);
    cr_assert_lt(cpu_ns() - before, wait / 4);
    qr_engine_close(engine);
}
