/* SPDX-License-Identifier: MIT */
/* The engines across the ends of threads, forks, and their own close. */
#define _GNU_SOURCE
#include "engine_fixture.h"
#include <pthread.h>
#include <sys/wait.h>

#define MANY 200

struct submission {
    struct qr_engine *engine;
    int fd;
    struct qr_op ops[MANY];
    struct qr_op timer;
};

/* Leaves everything in the engine: operations, a timer, and what waits for a wake. */
static void *submit_and_exit(void *argument)
{
    struct submission *s = argument;
    qr_engine_wake(s->engine);
    cr_assert(readable(s->engine, PATIENCE_MS));
    cr_assert_null(qr_engine_reap(s->engine));
    s->timer = (struct qr_op){.kind = QR_OP_TIMER, .at_ns = now_ns() + 50 * MS, .result = 1};
    qr_engine_submit(s->engine, &s->timer);
    for (unsigned i = 0; i < MANY; i++) {
        s->ops[i] = (struct qr_op){.kind = QR_OP_ALLOCATE,
                                   .fd = s->fd,
                                   .offset = (uint64_t)i << 20,
                                   .size = i % 4 == 0 ? 1u << 20 : 4096,
                                   .result = 1};
        qr_engine_submit(s->engine, &s->ops[i]);
    }
    return NULL;
}

BOTH(engine_life, the_submitting_thread_exits)
{
    static struct submission s;
    for (unsigned round = 0; round < 3; round++) {
        pthread_t thread;
        s.engine = engine_of(kind);
        s.fd = scratch();
        cr_assert_eq(pthread_create(&thread, NULL, submit_and_exit, &s), 0);
        pthread_join(thread, NULL);
        for (unsigned i = 0; i < MANY + 1; i++) {
            struct qr_op *op = next_done(s.engine);
            cr_assert_eq(op->result, 0, "%d", op->result);
            cr_assert(op != &s.timer || now_ns() >= op->at_ns, "early");
        }
        cr_assert_eq(blocks_of(s.fd), 50 * (1 << 20) + 150 * 4096);
        while (readable(s.engine, 0))
            cr_assert_null(qr_engine_reap(s.engine));
        qr_engine_wake(s.engine);
        cr_assert(readable(s.engine, PATIENCE_MS), "the wake went with the thread");
        cr_assert_null(qr_engine_reap(s.engine));
        close(s.fd);
        qr_engine_close(s.engine);
    }
}

/* The wake is armed by a thread that ends before anybody wakes; the timer likewise. */
BOTH(engine_life, wake_and_timer_outlive_their_thread)
{
    static struct submission s;
    pthread_t thread;
    s.engine = engine_of(kind);
    s.fd = -1;
    cr_assert_eq(pthread_create(&thread, NULL, submit_and_exit, &s), 0);
    pthread_join(thread, NULL);
    qr_engine_wake(s.engine);
    for (unsigned i = 0; i < MANY + 1; i++) {
        struct qr_op *op = next_done(s.engine);
        cr_assert_eq(op->result, op == &s.timer ? 0 : -EBADF);
    }
    qr_engine_close(s.engine);
}

/* Nothing is waited for that is not a file operation, and every one of these is finished. */
BOTH(engine_life, close_finishes_file_operations)
{
    static struct submission s;
    struct qr_op hour = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 3600000 * MS};
    struct qr_op past = {.kind = QR_OP_TIMER, .at_ns = 1};
    unsigned before = open_descriptors();
    for (unsigned round = 0; round < 5; round++) {
        s.engine = engine_of(kind);
        s.fd = scratch();
        qr_engine_submit(s.engine, &hour);
        qr_engine_submit(s.engine, &past);
        for (unsigned i = 0; i < MANY; i++) {
            s.ops[i] = (struct qr_op){.kind = QR_OP_ALLOCATE,
                                      .fd = s.fd,
                                      .offset = (uint64_t)i * 4096,
                                      .size = 4096,
                                      .result = 1};
            qr_engine_submit(s.engine, &s.ops[i]);
        }
        qr_engine_wake(s.engine);
        if (round % 2)
            cr_assert_not_null(next_done(s.engine));
        qr_engine_close(s.engine);
        cr_assert_eq(blocks_of(s.fd), MANY * 4096);
        for (unsigned i = 0; i < MANY; i++)
            cr_assert_eq(s.ops[i].result, 0);
        close(s.fd);
    }
    cr_assert_eq(open_descriptors(), before);
}

BOTH(engine_life, open_and_close)
{
    unsigned before = open_descriptors();
    for (unsigned i = 0; i < 50; i++)
        qr_engine_close(engine_of(kind));
    cr_assert_eq(open_descriptors(), before);
}

/* In the child: the exit status says which promise was broken first. */
static int child(struct qr_engine *engine, struct qr_op *in_flight, enum qr_engine_kind kind)
{
    struct qr_op op = {.kind = QR_OP_DATASYNC, .fd = -1, .result = 1};
    struct qr_op timer = {.kind = QR_OP_TIMER, .result = 1};
    struct qr_engine *own;
    in_flight->tag = 7;
    alarm(30);
    qr_engine_submit(engine, &op);
    qr_engine_submit(engine, &timer);
    if (op.result != -EPERM || timer.result != -EPERM)
        return 1;
    if (qr_engine_reap(engine) != NULL)
        return 2;
    qr_engine_wake(engine);
    qr_engine_close(engine);
    if (qr_engine_open(kind, &own, NULL) != 0)
        return 3;
    op.kind = QR_OP_NOP;
    qr_engine_submit(own, &op);
    while (qr_engine_reap(own) != &op)
        poll(&(struct pollfd){.fd = qr_engine_fd(own), .events = POLLIN}, 1, -1);
    qr_engine_close(own);
    return op.result == 0 ? 0 : 4;
}

static void fork_child(struct qr_engine *engine, struct qr_op *op, enum qr_engine_kind kind)
{
    int status = 0;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(child(engine, op, kind));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
}

static void forks(struct qr_engine *engine, enum qr_engine_kind kind)
{
    struct qr_op op = {.kind = QR_OP_NOP};
    fork_child(engine, &op, kind);
    cr_assert_not(readable(engine, 0), "the child's wake is not the parent's");
    cr_assert_null(qr_engine_reap(engine));
    cr_assert_eq(run_one(engine, op).result, 0);

    struct qr_op timer = {.kind = QR_OP_TIMER, .at_ns = now_ns() + 20 * MS, .tag = 1};
    qr_engine_submit(engine, &op);
    qr_engine_submit(engine, &timer);
    fork_child(engine, &timer, kind);
    cr_assert_eq(next_done(engine), &op);
    cr_assert_eq(next_done(engine), &timer);
    cr_assert_eq(timer.tag, 1);
    cr_assert_null(qr_engine_reap(engine));
    cr_assert_not(readable(engine, 0));
}

BOTH(engine_life, a_child_of_fork_has_no_engine)
{
    struct qr_engine *engine = engine_of(kind);
    forks(engine, kind);
    qr_engine_close(engine);
}

/* Where the page that is wiped cannot be had. */
BOTH(engine_life, the_pid_guards_as_well)
{
    struct qr_engine *engine;
    qr_io_fault_kind(QR_IO_MADVISE, 1, EINVAL, 0);
    cr_assert_eq(qr_engine_open(kind, &engine, NULL), 0);
    cr_assert(qr_io_fault_hit());
    cr_assert_null((void *)(uintptr_t)engine->alive);
    forks(engine, kind);
    qr_engine_close(engine);
}
