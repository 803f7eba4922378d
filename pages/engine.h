/* SPDX-License-Identifier: MIT */
/*
 * The I/O engine: slow file operations behind one small contract, done away from the threads that
 * send and receive. submit() never blocks; completions are fetched with reap(); fd() is readable
 * while there are completions to reap. Order is never implied: who needs it waits for the
 * completion. This header knows no engine by name but through its constructor.
 */
#ifndef QR_ENGINE_H
#define QR_ENGINE_H

#include <stdint.h>

enum qr_op_kind { QR_OP_ALLOCATE, QR_OP_PUNCH, QR_OP_SYNC };

/* One operation; owned by the submitter, untouched by the engine's user until reaped. */
struct qr_op {
    enum qr_op_kind kind;
    int fd;
    uint64_t offset;    /* bytes: ALLOCATE, PUNCH */
    uint64_t size;      /* bytes: ALLOCATE, PUNCH */
    uint64_t tag;       /* the submitter's */
    int result;         /* 0 or -errno, once reaped */
    struct qr_op *link; /* the engine's */
};

struct qr_engine;

struct qr_engine_ops {
    const char *name;
    void (*submit)(struct qr_engine *engine, struct qr_op *op);
    /* Takes one completion; NULL when there is none. Any thread. */
    struct qr_op *(*reap)(struct qr_engine *engine);
    int (*fd)(struct qr_engine *engine);
    /* Finishes what was submitted, then frees the engine. Unreaped operations are forgotten. */
    void (*close)(struct qr_engine *engine);
};

struct qr_engine {
    const struct qr_engine_ops *ops;
};

/* A helper thread, started with the first submit. Returns 0 or -errno. */
int qr_engine_thread_open(struct qr_engine **engine);

static inline void qr_engine_submit(struct qr_engine *engine, struct qr_op *op)
{
    engine->ops->submit(engine, op);
}
static inline struct qr_op *qr_engine_reap(struct qr_engine *engine)
{
    return engine->ops->reap(engine);
}
static inline int qr_engine_fd(struct qr_engine *engine)
{
    return engine->ops->fd(engine);
}
static inline void qr_engine_close(struct qr_engine *engine)
{
    engine->ops->close(engine);
}

#endif
