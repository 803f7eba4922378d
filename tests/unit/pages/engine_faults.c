/* SPDX-License-Identifier: MIT */
/* The engines when calls fail, completions come late, or somebody watches the syncs. */
#define _GNU_SOURCE
#include "engine_fixture.h"
#include <string.h>
#include <sys/mman.h>

static const struct {
    enum qr_op_kind op;
    enum qr_io_call call;
} calls[] = {{QR_OP_ALLOCATE, QR_IO_FALLOCATE}, {QR_OP_PUNCH, QR_IO_PUNCH},
             {QR_OP_POPULATE, QR_IO_MADVISE},   {QR_OP_SYNC, QR_IO_FSYNC},
             {QR_OP_DATASYNC, QR_IO_FDATASYNC}, {QR_OP_UNLINK, QR_IO_UNLINK}};

/* The second call of a kind fails, and is not made; the way to reap is the same. */
BOTH(engine_faults, calls_fail_as_when_made_directly)
{
    struct qr_engine *engine = engine_of(kind);
    char name[] = "/tmp/quire-engine-XXXXXX";
    int fd = mkstemp(name);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, 65536), 0);
    void *at = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(at, MAP_FAILED);
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct qr_op op = {
            .kind = calls[i].op, .fd = fd, .size = 65536, .address = at, .name = name};
        qr_io_fault_kind(calls[i].call, 2, ENOSPC, 1);
        cr_assert_eq(run_one(engine, op).result, 0, "call %u", i);
        if (op.kind == QR_OP_ALLOCATE)
            op.size = 1 << 20;
        uint64_t before = blocks_of(fd);
        cr_assert_eq(run_one(engine, op).result, -ENOSPC, "call %u", i);
        cr_assert_eq(run_one(engine, op).result, -ENOSPC, "call %u", i);
        cr_assert_eq(qr_io_count_kind(calls[i].call), 3);
        cr_assert_eq(blocks_of(fd), before);
        cr_assert_not(readable(engine, 0));
    }
    munmap(at, 65536);
    close(fd);
    qr_engine_close(engine);
}

#define SCRIPT 12

/* Some of everything; results other than 0 must be the injected error, or say that there was no
 * thread for a timer. */
static void scenario(struct qr_engine *engine, int error)
{
    struct qr_op ops[SCRIPT];
    enum qr_op_kind kinds[] = {QR_OP_ALLOCATE, QR_OP_DATASYNC, QR_OP_TIMER,
                               QR_OP_NOP,      QR_OP_SYNC,     QR_OP_PUNCH};
    unsigned reaped = 0;
    int fd = memfd_create("scenario", MFD_CLOEXEC);
    for (unsigned i = 0; i < SCRIPT; i++) {
        ops[i] = (struct qr_op){.kind = kinds[i % 6], .fd = fd, .size = 4096, .result = 1};
        ops[i].at_ns = now_ns() + i % 2 * MS;
        qr_engine_submit(engine, &ops[i]);
        if (i == SCRIPT / 2) {
            qr_engine_wake(engine);
            cr_assert_not_null(next_done(engine));
            reaped++;
        }
    }
    for (; reaped < SCRIPT; reaped++) {
        struct qr_op *op = next_done(engine);
        int no_thread = op->kind == QR_OP_TIMER && op->result == -EAGAIN;
        cr_assert(op->result == 0 || op->result == -error || no_thread, "%d", op->result);
        if (op->kind == QR_OP_TIMER && op->result == 0)
            cr_assert_geq(now_ns(), op->at_ns);
    }
    close(fd);
}

/* One run with the n-th call failing, once or from then on. Returns 0 when it was not reached. */
static int run_with_fault(enum qr_engine_kind kind, uint64_t nth, int error, int sticky)
{
    struct qr_engine *engine;
    struct qr_engine_report report;
    unsigned before = open_descriptors();
    qr_io_fault(nth, error, sticky);
    int rc = qr_engine_open(kind, &engine, &report);
    if (rc == 0) {
        scenario(engine, error);
        qr_engine_close(engine);
    } else {
        cr_assert(rc == -error || rc == -ENOMEM, "%d", rc);
        cr_assert_null(engine);
    }
    int hit = qr_io_fault_hit();
    qr_io_fault(0, 0, 0);
    cr_assert_eq(open_descriptors(), before);
    return hit;
}

BOTH(engine_faults, the_nth_call_fails)
{
    const int errors[] = {EIO, EAGAIN, ENOMEM, EINTR, ENOSPC, EPERM, ECANCELED};
    for (unsigned e = 0; e < sizeof errors / sizeof *errors; e++) {
        for (int sticky = 0; sticky < 2; sticky++) {
            uint64_t nth = 1;
            while (run_with_fault(kind, nth, errors[e], sticky))
                nth++;
            cr_assert_gt(nth, SCRIPT, "the faults reach the operations");
        }
    }
}

/* Cancelled or interrupted operations go into the ring again; but a sync that was interrupted may
 * have heard of a failed write-back, and a descriptor is gone. */
Test(engine_faults, what_was_cut_short_is_done_again)
{
    const enum qr_op_kind kinds[] = {QR_OP_ALLOCATE, QR_OP_DATASYNC, QR_OP_SYNC, QR_OP_CLOSE};
    if (qr_engine_probe(NULL) != 0)
        cr_skip_test("io_uring is refused here");
    struct qr_engine *engine = engine_of(QR_ENGINE_URING);
    int fd = scratch();
    for (unsigned i = 0; i < 4; i++) {
        struct qr_op op = {.kind = kinds[i], .fd = fd, .size = 4096};
        int sync = op.kind == QR_OP_DATASYNC || op.kind == QR_OP_SYNC;
        op.fd = op.kind == QR_OP_CLOSE ? dup(fd) : fd;
        qr_io_fault_kind(QR_IO_URING_COMPLETE, 1, EINTR, 0);
        cr_assert_eq(run_one(engine, op).result, sync ? -EINTR : 0);
        cr_assert_eq(qr_io_count_kind(QR_IO_URING_COMPLETE), op.kind == QR_OP_ALLOCATE ? 2 : 1);
        if (op.kind == QR_OP_CLOSE)
            break;
        qr_io_fault_kind(QR_IO_URING_COMPLETE, 1, ECANCELED, 0);
        cr_assert_eq(run_one(engine, op).result, 0);
        cr_assert_eq(qr_io_count_kind(QR_IO_URING_COMPLETE), 2);
        qr_io_fault_kind(QR_IO_URING_COMPLETE, 1, ECANCELED, 1);
        cr_assert_eq(run_one(engine, op).result, -ECANCELED, "not for ever");
        cr_assert_not(readable(engine, 0));
    }
    close(fd);
    qr_engine_close(engine);
}

/* An operation that was carried out otherwise must not be made when the ring works again. */
Test(engine_faults, nothing_is_done_twice)
{
    if (qr_engine_probe(NULL) != 0)
        cr_skip_test("io_uring is refused here");
    struct qr_engine *engine = engine_of(QR_ENGINE_URING);
    for (uint64_t left = 1; left < 60; left++) {
        int fd = scratch();
        struct qr_op op = {.kind = QR_OP_CLOSE, .fd = fd, .result = 1};
        qr_io_fault_kind(QR_IO_URING_SUBMIT, 1, left % 2 ? EPERM : EAGAIN, 1);
        cr_assert_eq(run_one(engine, op).result, 0);
        int again = scratch();
        cr_assert_eq(again, fd);
        qr_io_fault(0, 0, 0);
        op.kind = QR_OP_NOP;
        cr_assert_eq(run_one(engine, op).result, 0);
        cr_assert_neq(fcntl(again, F_GETFD), -1, "somebody else's descriptor was closed");
        close(again);
    }
    qr_engine_close(engine);
}

/* The kernel refuses submissions: for a while, for ever, and takes them again. */
static void refuse(struct qr_engine *engine, uint64_t nth, int error, int sticky)
{
    qr_io_fault_kind(QR_IO_URING_SUBMIT, nth, error, sticky);
    scenario(engine, EIO);
    cr_assert(qr_io_fault_hit());
    qr_io_fault(0, 0, 0);
    scenario(engine, EIO);
    /* Back in order: readable exactly as it should be. */
    while (readable(engine, 0))
        cr_assert_null(qr_engine_reap(engine));
    struct qr_op op = {.kind = QR_OP_NOP};
    qr_engine_submit(engine, &op);
    cr_assert(readable(engine, PATIENCE_MS));
    cr_assert_eq(qr_engine_reap(engine), &op);
    cr_assert_not(readable(engine, 0));
    qr_engine_wake(engine);
    cr_assert(readable(engine, PATIENCE_MS));
    cr_assert_null(qr_engine_reap(engine));
    cr_assert_not(readable(engine, 0));
}

Test(engine_faults, submissions_are_refused, .timeout = 120)
{
    const int errors[] = {EAGAIN, EBUSY, EINTR, EPERM, EBADF};
    if (qr_engine_probe(NULL) != 0)
        cr_skip_test("io_uring is refused here");
    struct qr_engine *engine = engine_of(QR_ENGINE_URING);
    for (unsigned e = 0; e < sizeof errors / sizeof *errors; e++) {
        for (uint64_t nth = 1; nth < 8; nth++) {
            refuse(engine, nth, errors[e], 0);
            refuse(engine, nth, errors[e], 1);
        }
    }
    qr_engine_close(engine);
}

/* What is in the ring already when the refusals begin is reaped like all the rest. */
Test(engine_faults, refused_with_a_full_ring, .timeout = 120)
{
    static struct qr_op ops[200];
    if (qr_engine_probe(NULL) != 0)
        cr_skip_test("io_uring is refused here");
    int fd = scratch();
    for (uint64_t nth = 1; nth < 100; nth += 9) {
        struct qr_engine *engine = engine_of(QR_ENGINE_URING);
        qr_io_fault_kind(QR_IO_URING_SUBMIT, nth, nth % 2 ? EPERM : EAGAIN, 1);
        for (unsigned i = 0; i < 200; i++) {
            ops[i] = (struct qr_op){.kind = i % 3 ? QR_OP_DATASYNC : QR_OP_NOP, .fd = fd};
            ops[i].result = 1;
            qr_engine_submit(engine, &ops[i]);
        }
        for (unsigned i = 0; i < (nth % 4 ? 200 : 100); i++)
            cr_assert_eq(next_done(engine)->result, 0);
        qr_engine_close(engine);
        for (unsigned i = 0; i < 200; i++)
            cr_assert_eq(ops[i].result, 0, "%u", i);
    }
    close(fd);
}

/* There, told of by the fd, and yet not reaped at first. */
BOTH(engine_faults, completions_come_late)
{
    struct qr_engine *engine = engine_of(kind);
    struct qr_op ops[4];
    for (unsigned i = 0; i < 4; i++) {
        ops[i] = (struct qr_op){.kind = i == 1 ? QR_OP_TIMER : QR_OP_NOP, .at_ns = now_ns()};
        qr_io_late(i < 3);
        qr_engine_submit(engine, &ops[i]);
        cr_assert(readable(engine, PATIENCE_MS));
        if (i < 3) {
            cr_assert_null(qr_engine_reap(engine));
            cr_assert(readable(engine, PATIENCE_MS));
        }
        cr_assert_eq(qr_engine_reap(engine), &ops[i]);
        cr_assert_not(readable(engine, 0));
    }
    qr_io_late(1000);
    scenario(engine, EIO);
    qr_io_late(0);
    qr_engine_close(engine);
}

struct watched {
    int fd;
    unsigned phases[2];
};

static void watch(void *context, int fd, int phase)
{
    struct watched *watched = context;
    watched->phases[phase] += fd == watched->fd;
}

/* Once before, and once after where it was successful: not before it is reaped, with io_uring. */
BOTH(engine_faults, syncs_are_watched)
{
    struct qr_engine *engine = engine_of(kind);
    struct watched watched = {.fd = scratch()};
    struct qr_op op = {.kind = QR_OP_DATASYNC, .fd = watched.fd};
    qr_io_set_sync_watch(watch, &watched);
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(watched.phases[0], 1);
    cr_assert_eq(watched.phases[1], 1);
    op.kind = QR_OP_SYNC;
    cr_assert_eq(run_one(engine, op).result, 0);
    cr_assert_eq(qr_io_fsync(watched.fd), 0);
    cr_assert_eq(qr_io_fdatasync(watched.fd), 0);
    cr_assert_eq(watched.phases[0], 4);
    cr_assert_eq(watched.phases[1], 4);
    qr_io_fault_kind(QR_IO_FSYNC, 1, EIO, 1);
    cr_assert_eq(run_one(engine, op).result, -EIO);
    qr_io_fault(0, 0, 0);
    cr_assert_eq(watched.phases[1], 4, "no success to tell of");
    close(watched.fd);
    op.fd = watched.fd;
    cr_assert_eq(run_one(engine, op).result, -EBADF);
    cr_assert_eq(watched.phases[0], 5);
    cr_assert_eq(watched.phases[1], 4);
    qr_io_set_sync_watch(NULL, NULL);
    qr_engine_close(engine);
}
