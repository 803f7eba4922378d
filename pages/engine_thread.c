/* SPDX-License-Identifier: MIT */
/*
 * The engine for where io_uring is refused: one helper thread and two queues under one mutex.
 * No file operation is ever made while the mutex is held. The eventfd is readable exactly while
 * the queue of completions is not empty; both change together, under the mutex.
 */
#include <errno.h>
#include <pages/engine.h>
#include <pages/io.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct queue {
    struct qr_op *first;
    struct qr_op *last;
};

struct thread_engine {
    struct qr_engine base; /* first: the two addresses are one */
    pthread_mutex_t mutex; /* guards all below but event_fd, which never changes */
    pthread_cond_t wake;   /* the helper waits here for work or the end */
    struct queue todo;
    struct queue done;
    pthread_t helper;
    int started;
    int closing;
    int event_fd;
};

static void queue_put(struct queue *queue, struct qr_op *op)
{
    op->link = NULL;
    if (queue->first == NULL)
        queue->first = op;
    else
        queue->last->link = op;
    queue->last = op;
}

static struct qr_op *queue_take(struct queue *queue)
{
    struct qr_op *op = queue->first;
    if (op != NULL)
        queue->first = op->link;
    return op;
}

static int carry_out(const struct qr_op *op)
{
    switch (op->kind) {
    case QR_OP_ALLOCATE:
        return qr_io_fallocate(op->fd, op->offset, op->size);
    case QR_OP_PUNCH:
        return qr_io_punch(op->fd, op->offset, op->size);
    case QR_OP_SYNC:
        return qr_io_fsync(op->fd);
    }
    return -EINVAL;
}

/* With the mutex held. The write cannot fail: the counter goes from 0 to 1. */
static void complete(struct thread_engine *engine, struct qr_op *op)
{
    int was_empty = engine->done.first == NULL;
    queue_put(&engine->done, op);
    if (was_empty)
        (void)eventfd_write(engine->event_fd, 1);
}

static void *helper_main(void *argument)
{
    struct thread_engine *engine = argument;
    pthread_mutex_lock(&engine->mutex);
    for (;;) {
        struct qr_op *op = queue_take(&engine->todo);
        if (op != NULL) {
            pthread_mutex_unlock(&engine->mutex);
            op->result = carry_out(op);
            pthread_mutex_lock(&engine->mutex);
            complete(engine, op);
        } else if (engine->closing) {
            break;
        } else {
            pthread_cond_wait(&engine->wake, &engine->mutex);
        }
    }
    pthread_mutex_unlock(&engine->mutex);
    return NULL;
}

/* With the mutex held. Tried again at the next submit when it fails. */
static int helper_start(struct thread_engine *engine)
{
    if (!engine->started)
        engine->started = qr_io_thread(&engine->helper, helper_main, engine) == 0;
    return engine->started;
}

static void thread_submit(struct qr_engine *base, struct qr_op *op)
{
    struct thread_engine *engine = (struct thread_engine *)base;
    pthread_mutex_lock(&engine->mutex);
    if (helper_start(engine)) {
        queue_put(&engine->todo, op);
        pthread_cond_signal(&engine->wake);
    } else {
        /* No thread to be had: late is better than never. */
        pthread_mutex_unlock(&engine->mutex);
        op->result = carry_out(op);
        pthread_mutex_lock(&engine->mutex);
        complete(engine, op);
    }
    pthread_mutex_unlock(&engine->mutex);
}

static struct qr_op *thread_reap(struct qr_engine *base)
{
    struct thread_engine *engine = (struct thread_engine *)base;
    eventfd_t count;
    pthread_mutex_lock(&engine->mutex);
    struct qr_op *op = queue_take(&engine->done);
    if (op != NULL && engine->done.first == NULL)
        (void)eventfd_read(engine->event_fd, &count); /* takes the 1 that is there */
    pthread_mutex_unlock(&engine->mutex);
    return op;
}

static int thread_fd(struct qr_engine *base)
{
    return ((struct thread_engine *)base)->event_fd;
}

static void thread_close(struct qr_engine *base)
{
    struct thread_engine *engine = (struct thread_engine *)base;
    pthread_mutex_lock(&engine->mutex);
    engine->closing = 1;
    int started = engine->started;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->mutex);
    if (started)
        pthread_join(engine->helper, NULL);
    qr_io_close(engine->event_fd);
    pthread_cond_destroy(&engine->wake);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}

static const struct qr_engine_ops thread_ops = {.name = "thread",
                                                .submit = thread_submit,
                                                .reap = thread_reap,
                                                .fd = thread_fd,
                                                .close = thread_close};

int qr_engine_thread_open(struct qr_engine **out)
{
    struct thread_engine *engine = qr_io_zalloc(sizeof *engine);
    *out = NULL;
    if (engine == NULL)
        return -ENOMEM;
    int rc = qr_io_eventfd();
    if (rc < 0) {
        free(engine);
        return rc;
    }
    engine->event_fd = rc;
    engine->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    engine->wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    engine->base.ops = &thread_ops;
    *out = &engine->base;
    return 0;
}
