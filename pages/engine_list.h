/* SPDX-License-Identifier: MIT */
/* Operations in queues and timers in order: what both engines keep them in. No locking here. */
#ifndef QR_ENGINE_LIST_H
#define QR_ENGINE_LIST_H

#include <pages/engine.h>
#include <stddef.h>
#include <time.h>

struct qr_op_queue {
    struct qr_op *first;
    struct qr_op *last; /* of no meaning while first is NULL */
};

static inline int qr_op_is_sync(const struct qr_op *op)
{
    return op->kind == QR_OP_SYNC || op->kind == QR_OP_DATASYNC;
}

static inline void qr_op_put(struct qr_op_queue *queue, struct qr_op *op)
{
    op->link = NULL;
    if (queue->first == NULL)
        queue->first = op;
    else
        queue->last->link = op;
    queue->last = op;
}

static inline struct qr_op *qr_op_take(struct qr_op_queue *queue)
{
    struct qr_op *op = queue->first;
    if (op != NULL)
        queue->first = op->link;
    return op;
}

/* Keeps the earliest first, those of one time in the order they came. */
static inline void qr_timer_put(struct qr_op **timers, struct qr_op *op)
{
    while (*timers != NULL && (*timers)->at_ns <= op->at_ns)
        timers = &(*timers)->link;
    op->link = *timers;
    *timers = op;
}

static inline uint64_t qr_engine_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The earliest timer when its time has come, else NULL. */
static inline struct qr_op *qr_timer_due(struct qr_op *timers)
{
    return timers != NULL && timers->at_ns <= qr_engine_now_ns() ? timers : NULL;
}

/* Takes the earliest timer. */
static inline struct qr_op *qr_timer_take(struct qr_op **timers)
{
    struct qr_op *op = *timers;
    *timers = op->link;
    op->result = 0;
    return op;
}

#endif
