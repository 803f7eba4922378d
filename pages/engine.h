/* SPDX-License-Identifier: MIT */
/*
 * The I/O engine: slow file operations and timers behind one small contract, done away from the
 * threads that send and receive. Order is never implied: who needs it waits for the completion.
 * This header knows no engine by name but through its constructor.
 *
 * An engine has one driver at a time: its user serialises submit, reap and close by a lock of its
 * own. Only wake and fd are for any thread.
 *
 * After fork() the child's engine is dead: submit ends the operation with -EPERM at once (it is
 * never reaped), reap returns NULL, wake does nothing, close frees what is the child's. The
 * parent's engine hears nothing of it.
 */
#ifndef QR_ENGINE_H
#define QR_ENGINE_H

#include <pages/base/atomic.h>
#include <stdint.h>
#include <sys/types.h>

enum qr_op_kind {
    QR_OP_NOP,      /* completes, no more */
    QR_OP_ALLOCATE, /* real blocks for [offset, offset + size); extends the file */
    QR_OP_PUNCH,    /* gives the blocks of [offset, offset + size) back */
    QR_OP_POPULATE, /* MADV_POPULATE_WRITE of [address, address + size) */
    QR_OP_SYNC,     /* fsync */
    QR_OP_DATASYNC, /* fdatasync */
    QR_OP_CLOSE,    /* fd is gone, whatever the result, unless it is -EBADF */
    QR_OP_UNLINK,   /* name below the directory fd */
    QR_OP_TIMER     /* completes with 0 at at_ns or later, never early; -EAGAIN at once where
                       there is no thread to be had that could wait */
};

/* One operation; owned by the submitter, untouched by the engine's user until reaped. */
struct qr_op {
    enum qr_op_kind kind;
    int fd;           /* all but NOP, POPULATE, TIMER */
    uint64_t offset;  /* bytes: ALLOCATE, PUNCH */
    uint64_t size;    /* bytes: ALLOCATE, PUNCH, POPULATE */
    void *address;    /* POPULATE */
    const char *name; /* UNLINK; stays the submitter's, and stays, until reaped */
    uint64_t at_ns;   /* TIMER: CLOCK_MONOTONIC */
    uint64_t tag;     /* the submitter's */
    int result;       /* 0 or -errno, once reaped */

    /* The engine's. */
    int decided;        /* 1: result stands, only the way to reap is left */
    int held;           /* tests: held back once already */
    unsigned retries;   /* times it went back into the ring */
    uint64_t populated; /* bytes done so far */
    struct qr_op *link;
};

struct qr_engine;

struct qr_engine_ops {
    const char *name; /* "io_uring" or "thread" */
    void (*submit)(struct qr_engine *engine, struct qr_op *op);
    struct qr_op *(*reap)(struct qr_engine *engine);
    int (*fd)(struct qr_engine *engine);
    void (*close)(struct qr_engine *engine);
};

/* The part all engines have; see engine_base.c. */
struct qr_engine {
    const struct qr_engine_ops *ops;
    const volatile uint32_t *alive; /* 1; 0 in a child of fork. NULL: the pid decides */
    pid_t pid;
    int wake_fd;         /* an eventfd; a wake adds 1 */
    qr_atomic_u32 awake; /* 1 from a wake until the reap that took its 1 from wake_fd */
};

/* Never blocks on the device, except where the operation cannot be done elsewhere: no thread to be
 * had, or a kernel whose io_uring lacks it. */
static inline void qr_engine_submit(struct qr_engine *engine, struct qr_op *op)
{
    engine->ops->submit(engine, op);
}
/* Takes one completion; NULL when there is none. A wake may bring a NULL before the last one: the
 * fd is readable then, or becomes so. */
static inline struct qr_op *qr_engine_reap(struct qr_engine *engine)
{
    return engine->ops->reap(engine);
}
/* Level-triggered: readable while something can be reaped, and from a wake on until reap has
 * returned NULL. The same descriptor for the engine's life; only ever polled by the user. */
static inline int qr_engine_fd(struct qr_engine *engine)
{
    return engine->ops->fd(engine);
}
/* Finishes the file operations that were submitted, never waits for a timer, frees the engine.
 * Unreaped operations are forgotten. */
static inline void qr_engine_close(struct qr_engine *engine)
{
    engine->ops->close(engine);
}
/*
 * Makes the fd readable until reap returns NULL. Any thread, any time; one atomic exchange when
 * the engine is awake already. What was written before the wake is seen by the driver after the
 * NULL: it looks for the reason of the wake then, not before.
 */
void qr_engine_wake(struct qr_engine *engine);

enum qr_engine_kind { QR_ENGINE_AUTO, QR_ENGINE_URING, QR_ENGINE_THREADS };

/* What stands in the way of io_uring. */
enum qr_engine_blocker {
    QR_BLOCKER_NONE,
    QR_BLOCKER_SYSCTL,  /* kernel.io_uring_disabled */
    QR_BLOCKER_SECCOMP, /* a filter, as in most containers */
    QR_BLOCKER_MEMLOCK, /* RLIMIT_MEMLOCK */
    QR_BLOCKER_KERNEL,  /* built without it */
    QR_BLOCKER_OTHER,   /* the errno says what */
    QR_BLOCKER_ASKED    /* nothing: threads were asked for */
};

struct qr_engine_report {
    enum qr_engine_kind kind; /* the engine that was opened: URING or THREADS; AUTO: none */
    int error;                /* -errno of the refused io_uring, else 0 */
    enum qr_engine_blocker blocker;
    char reason[160]; /* the blocker in words; empty with NONE */
};

/*
 * Opens the wanted engine. AUTO: what the environment's QUIRE_ENGINE=uring|threads says (another
 * value: -EINVAL); else io_uring; else, where that is refused, threads. URING by option or
 * environment fails with the -errno of the refusal. Returns 0 or -errno; the report, which may be
 * NULL, is filled in either way.
 */
int qr_engine_open(enum qr_engine_kind wanted, struct qr_engine **engine,
                   struct qr_engine_report *report);
/* Opens io_uring and closes it again. Returns 0 or the -errno of the refusal. */
int qr_engine_probe(struct qr_engine_report *report);

/* A helper thread, started with the first submit. Returns 0 or -errno. */
int qr_engine_thread_open(struct qr_engine **engine);
/* A ring of 64 entries. Returns 0 or -errno. */
int qr_engine_uring_open(struct qr_engine **engine);

/* For engines: opens and frees the common part. */
int qr_engine_base_open(struct qr_engine *engine, const struct qr_engine_ops *ops);
void qr_engine_base_close(struct qr_engine *engine);
/* 1 in the process that opened the engine, 0 in its children. */
int qr_engine_is_ours(const struct qr_engine *engine);
/* Takes the wake from wake_fd, once it is there. Returns 1 when it was. */
int qr_engine_take_wake(struct qr_engine *engine);
/* Carries the operation out in the calling thread; not for TIMER. */
int qr_engine_carry_out(const struct qr_op *op);

#endif
