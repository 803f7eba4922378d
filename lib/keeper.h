/* SPDX-License-Identifier: MIT */
/*
 * The keeper: whoever drives the I/O engine. One thread at a time does, under a mutex that no hot
 * path takes: the library's own thread, or the caller of quire_dispatch, or a thread that waits
 * for what the engine is at.
 *
 * Others ask by a want: a bit, and a wake of the engine's descriptor. A want that is set before a
 * driver takes the bits is served by it; one that is set later finds the descriptor readable
 * (tests/model/loop.pml).
 */
#ifndef QR_LIB_KEEPER_H
#define QR_LIB_KEEPER_H

#include <lib/channel.h>

enum qr_want {
    QR_WANT_AHEAD = 1u << 0,  /* pages are to be made ready before they are needed */
    QR_WANT_SHRINK = 1u << 1, /* pages are to be given back */
    QR_WANT_COMMIT = 1u << 2, /* everything published is to be made durable */
    QR_WANT_DUE = 1u << 4,    /* a bell is to be rung at a time */
    QR_WANT_PACE = 1u << 3    /* something was published or received: a commit is due in a while */
};

/* An operation on its way and what follows it; done is called by the driver. */
struct qr_task {
    struct qr_op op; /* first: the engine hands this address back */
    void (*done)(struct quire *ch, struct qr_task *task);
};

/* The keeper of a channel that is being opened for writing. 0, QUIRE_EENGINE, -errno. */
int qr_keeper_new(struct quire *ch, const struct quire_options *options);
/* Ends the thread when all its operations have ended. For the last reference. */
void qr_keeper_stop(struct quire *ch);
/* After qr_keeper_stop. */
void qr_keeper_free(struct quire *ch);

/* Asks the driver. Any thread; no more than an atomic access when somebody has asked already. */
void qr_keeper_want(struct quire *ch, uint32_t wants);
/* For the caller's loop: drives once, if nobody else does. The number of operations that have ended
 * since the last time; or QUIRE_EENGINE, -errno. */
int qr_keeper_dispatch(struct quire *ch);
/* The same for any other call: the loop is told all the same. */
void qr_keeper_drive(struct quire *ch);
/* 1 when a thread of the library drives. */
int qr_keeper_runs(struct quire *ch);
/* For who waits for an operation: drives once, or yields the processor to who does. */
void qr_keeper_help(struct quire *ch);
/* The same, and sleeps until the engine has something, the deadline passes, or for a moment:
 * another driver may take what it would wake for. Only where no keeper thread would do it. */
void qr_keeper_help_until(struct quire *ch, uint64_t deadline_ns);

/* Opens the engine, if it is not yet: 0, QUIRE_EENGINE, QUIRE_EFORKED, -errno. Any thread. */
int qr_keeper_start(struct quire *ch);
/* The descriptor for the caller's loop, or an error. */
int qr_keeper_fd(struct quire *ch);
/* Makes it unreadable again, where a keeper thread makes it readable. 1 when it was. */
int qr_keeper_fd_clear(struct quire *ch);
/* Something happened that a caller's loop may want to know. */
void qr_keeper_notify(struct quire *ch);

/* For the driver only. */
void qr_keeper_submit(struct quire *ch, struct qr_task *task);
/* Takes the drive for a moment; 0 when somebody else has it, or there is no engine. */
int qr_keeper_enter(struct quire *ch);
void qr_keeper_leave(struct quire *ch);

struct qr_engine_report;
void qr_keeper_report(struct quire *ch, struct qr_engine_report *report);

#endif
