/* SPDX-License-Identifier: MIT */
/*
 * Group commit. Commits are numbered and made one at a time: the kernel reports a failed
 * write-back once, so a second sync at the same time could succeed for what the first one lost.
 *
 * A publisher that reads "begun is b" behind a fence knows that commit b + 1 covers its message.
 * Who waits for a commit makes it: whoever finds the commit free leads, in its own thread, for all
 * who published before it began. The keeper makes commits nobody waits for, through the engine.
 */
#ifndef QR_LIB_COMMIT_H
#define QR_LIB_COMMIT_H

#include <lib/channel.h>

int qr_commit_new(struct quire *ch);
void qr_commit_free(struct quire *ch);
/*
 * At open: a commit of an earlier process that did not live to see its end may have failed. What
 * it covered is written once more. 0; the channel may be poisoned then.
 */
int qr_commit_resume(struct quire *ch);

/* The commit that covers all that this thread, and whoever it heard of, has published. */
uint64_t qr_commit_covering(struct quire *ch);
/*
 * Waits until commit number, or a later one, has succeeded; makes it if nobody else does.
 * deadline 0: makes it or returns. 0, QUIRE_TIMEDOUT, QUIRE_EAGAIN, QUIRE_EPOISONED, -errno.
 */
int qr_commit_wait(struct quire *ch, uint64_t number, uint64_t deadline_ns);

/* The driver's: begins a commit, or sees to it that one follows the one under way. */
void qr_commit_start(struct quire *ch);
/* A new group begins at page_no: what was left out from there on, because no group needed it, is
 * made durable by the next commit. */
void qr_commit_needs(struct quire *ch, uint64_t page_no);
/* Commits begun so far: a hint. */
uint64_t qr_commit_begun(struct quire *ch);
/* 1 when somebody has a commit in hand: its end asks for QR_WANT_PACE. */
int qr_commit_busy(struct quire *ch);
/* 1 when all that was ever claimed is published and durable; 0 also when that cannot be told. */
int qr_commit_idle(struct quire *ch);
/* At the end, with the groups' cursors. 0 or the failure. */
int qr_commit_last(struct quire *ch);

/* The writing side ends: a sync has failed with error. */
void qr_poison(struct quire *ch, int error);

static inline int qr_poisoned(const struct quire *ch)
{
    /* [A37 poisoned] pairs with R37. */
    return qr_load_acquire(&ch->view.live->poisoned) != 0;
}

/* Figures. */
void qr_commit_figures(struct quire *ch, uint64_t *commits, uint64_t *ns);

#endif
