/* SPDX-License-Identifier: MIT */
/*
 * The engine for where io_uring is refused: one helper thread, two queues and the timers under one
 * mutex. No file operation is ever made while the mutex is held. wake_fd counts 1 while the queue
 * of completions is not empty (both change together, under the mutex) and 1 more from a wake on.
 */
#include <errno.h>
#include <pages/engine_list.h>
#include <pages/io.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct thread_engine {
    struct qr_engine base; /* first: the two addresses are one */
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t wake;   /* the helper waits here for work, a timer or the end */
    struct qr_op_queue todo;
    struct qr_op_queue done;
    struct qr_op *timers; /* the earliest first */
    pthread_t helper;
    int started;
    int closing;
};

/* With the mutex held. The write cannot fail: the counter stays below 3. */
static void complete(struct thread_engine *engine, struct qr_op *op)
{
    int was_empty = engine->done.first == NULL;
    qr_op_put(&engine->done, op);
    if (was_empty)
        (void)eventfd_write(engine->base.wake_fd, 1);
}

/* With the mutex held. */
static void complete_timers(struct thread_engine *engine)
{
    while (qr_timer_due(engine->timers) != NULL)
        complete(engine, qr_timer_take(&engine->timers));
}

/* With the mutex held, which it lets go. */
static void wait_for_work(struct thread_engine *engine)
{
    if (engine->timers == NULL) {
        pthread_cond_wait(&engine->wake, &engine->mutex);
        return;
    }
    uint64_t at = engine->timers->at_ns;
    struct timespec until = {.tv_sec = (time_t)(at / 1000000000u),
                             .tv_nsec = (long)(at % 1000000000u)};
    (void)pthread_cond_timedwait(&engine->wake, &engine->mutex, &until);
}

static void *helper_main(void *argument)
{
    struct thread_engine *engine = argument;
    pthread_mutex_lock(&engine->mutex);
    for (;;) {
        complete_timers(engine);
        struct qr_op *op = qr_op_take(&engine->todo);
        if (op != NULL) {
            pthread_mutex_unlock(&engine->mutex);
            op->result = qr_engine_carry_out(op);
            pthread_mutex_lock(&engine->mutex);
            complete(engine, op);
        } else if (engine->closing) {
            break;
        } else {
            wait_for_work(engine);
        }
    }
    pthread_mutex_unlock(&engine->mutex);
    return NULL;
}

/* With the mutex held. Tried again at the next submit when it fails. */
static int helper_start(struct thread_engine *engine)
{
    if (!engine->started)
        engine->started = qr_io_thread(&engine->helper, NULL, helper_main, engine) == 0;
    return engine->started;
}

/* No thread to be had: late is better than never. Only a timer nobody can wait for fails. */
static void submit_inline(struct thread_engine *engine, struct qr_op *op)
{
    pthread_mutex_unlock(&engine->mutex);
    op->result = op->kind == QR_OP_TIMER ? -EAGAIN : qr_engine_carry_out(op);
    pthread_mutex_lock(&engine->mutex);
    complete(engine, op);
}

static void thread_submit(struct qr_engine *base, struct qr_op *op)
{
    struct thread_engine *engine = (struct thread_engine *)base;
    op->held = 0;
    if (!qr_engine_is_ours(base)) {
        op->result = -EPERM;
        return;
    }
    pthread_mutex_lock(&engine->mutex);
    if (!helper_start(engine)) {
        submit_inline(engine, op);
    } else {
        if (op->kind == QR_OP_TIMER)
            qr_timer_put(&engine->timers, op);
        else
            qr_op_put(&engine->todo, op);
        pthread_cond_signal(&engine->wake);
    }
    pthread_mutex_unlock(&engine->mutex);
}

/* With the mutex held: takes the 1 of the completions from wake_fd and leaves that of a wake. */
static void done_is_empty(struct thread_engine *engine)
{
    eventfd_t count;
    if (eventfd_read(engine->base.wake_fd, &count) == 0 && count > 1)
        (void)eventfd_write(engine->base.wake_fd, count - 1);
}

static struct qr_op *thread_reap(struct qr_engine *base)
{
    struct thread_engine *engine = (struct thread_engine *)base;
    if (!qr_engine_is_ours(base))
        return NULL;
    pthread_mutex_lock(&engine->mutex);
    struct qr_op *op = engine->done.first;
    if (op == NULL) {
        /* Under the mutex: what is in wake_fd now is of a wake alone. */
        (void)qr_engine_take_wake(base);
    } else if (!op->held && qr_io_take_late()) {
        op->held = 1;
        op = NULL;
    } else {
        qr_op_take(&engine->done);
        if (engine->done.first == NULL)
            done_is_empty(engine);
    }
    pthread_mutex_unlock(&engine->mutex);
    return op;
}

static int thread_fd(struct qr_engine *base)
{
    return base->wake_fd;
}

static void thread_close(struct qr_engine *base)
{
    struct thread_engine *engine = (struct thread_engine *)base;
    /* In a child of fork the helper does not exist, and may have left the mutex locked. */
    if (qr_engine_is_ours(base)) {
        pthread_mutex_lock(&engine->mutex);
        engine->closing = 1;
        int started = engine->started;
        pthread_cond_signal(&engine->wake);
        pthread_mutex_unlock(&engine->mutex);
        if (started)
            pthread_join(engine->helper, NULL);
        pthread_cond_destroy(&engine->wake);
        pthread_mutex_destroy(&engine->mutex);
    }
    qr_engine_base_close(base);
    free(engine);
}

static const struct qr_engine_ops thread_ops = {.name = "thread",
                                                .submit = thread_submit,
                                                .reap = thread_reap,
                                                .fd = thread_fd,
                                                .close = thread_close};

static int mutex_and_cond(struct thread_engine *engine)
{
    pthread_condattr_t attributes;
    int rc = -pthread_condattr_init(&attributes);
    if (rc != 0)
        return rc;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    rc = -pthread_cond_init(&engine->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    engine->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return rc;
}

int qr_engine_thread_open(struct qr_engine **out)
{
    struct thread_engine *engine = qr_io_zalloc(sizeof *engine);
    *out = NULL;
    if (engine == NULL)
        return -ENOMEM;
    int rc = mutex_and_cond(engine);
    if (rc == 0)
        rc = qr_engine_base_open(&engine->base, &thread_ops);
    if (rc < 0) {
        free(engine);
        return rc;
    }
    *out = &engine->base;
    return 0;
}
