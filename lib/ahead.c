/* SPDX-License-Identifier: MIT */
/*
 * A frame is made in steps, each an operation of the engine: blocks, mapping, population, and
 * where the channel is durable a sync, so that commits find written blocks. One at a time.
 *
 * A frame without storage is BUSY meanwhile; a producer that cannot do without it helps the keeper
 * along. A frame that is only not mapped yet stays free: a producer may take it at any moment, and
 * maps it then itself. Only frames of the preset pool: nobody gives those back.
 */
#include <errno.h>
#include <lib/ahead.h>
#include <lib/commit.h>
#include <lib/keeper.h>
#include <lib/pace.h>
#include <lib/recycle.h>
#include <lib/rotate.h>
#include <lib/turn.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <stdlib.h>

struct qr_ahead {
    struct qr_task task;
    struct qr_frame_prep prep;
    struct qr_task renewal;
    qr_atomic_u64 *renewed; /* of each frame: commits begun when it was last made writable */
    int renewing;
    uint32_t frame;
    int absent;            /* it had no storage */
    int busy;              /* a frame is being made; all but idle: under the drive */
    qr_atomic_u32 idle;    /* 1: there is nothing that could be made */
    qr_atomic_u64 entered; /* page that was ready when a consumer came to the tail */
};

static void next_step(struct quire *ch, struct qr_task *task);
static void renewed(struct quire *ch, struct qr_task *task);

int qr_ahead_new(struct quire *ch)
{
    ch->ahead = qr_io_zalloc(sizeof(*ch->ahead));
    if (!ch->ahead)
        return -ENOMEM;
    ch->ahead->task.done = next_step;
    ch->ahead->renewal.done = renewed;
    ch->ahead->renewal.op.kind = QR_OP_POPULATE;
    ch->ahead->renewed = qr_io_zalloc(ch->frames_cap * sizeof(ch->ahead->renewed[0]));
    return ch->ahead->renewed ? 0 : -ENOMEM;
}

void qr_ahead_free(struct quire *ch)
{
    if (ch->ahead)
        free(ch->ahead->renewed);
    free(ch->ahead);
    ch->ahead = NULL;
}

void qr_ahead_renew(struct quire *ch)
{
    /* relaxed: a hint; who reads the old value leaves the making to the next turn */
    if (qr_load_relaxed(&ch->ahead->idle) != 0)
        qr_store_relaxed(&ch->ahead->idle, 0u);
}

/* No more pages are going to be needed. */
static int over(struct quire *ch)
{
    return qr_closed(ch) || qr_poisoned(ch);
}

/* 1 when a commit may have written back the frame of page page_no since it was made writable. */
static int is_written_back(struct quire *ch, uint64_t page_no, struct qr_place *place)
{
    return qr_pace_writes_back(ch) && qr_locate(ch, page_no, place) == 0 &&
           /* relaxed: a hint */
           qr_load_relaxed(&ch->ahead->renewed[place->frame_id]) != qr_commit_begun(ch);
}

/* 0 when page page_no is prepared. */
static int look(struct quire *ch, uint64_t page_no)
{
    int rc = page_no < QR_PAGE_MAX ? qr_prepare_ahead(ch, page_no) : 0;
    struct qr_place place;
    if (rc == 0 && is_written_back(ch, page_no, &place))
        qr_keeper_want(ch, QR_WANT_AHEAD); /* to renew it */
    /* relaxed: a hint */
    if (qr_load_relaxed(&ch->ahead->idle) == 0 &&
        (rc != 0 || qr_rotate_wants(ch) || qr_spares(ch, ch->pages_ahead) < ch->pages_ahead))
        qr_keeper_want(ch, QR_WANT_AHEAD);
    return rc;
}

void qr_ahead_opened(struct quire *ch, uint64_t page_no, int was_ready)
{
    qr_rotate_opened(ch);
    /* relaxed: a hint. */
    if (!was_ready || qr_load_relaxed(&ch->ahead->entered) != page_no)
        (void)look(ch, page_no + 1);
}

void qr_ahead_entered(struct quire *ch, uint64_t page_no)
{
    uint64_t next = page_no + 1;
    qr_rotate_entered(ch);
    /* [A10 tail] pairs with R10. */
    if (qr_load_acquire(&ch->view.live->tail_page) == page_no && !over(ch) &&
        (qr_prepared(ch, next) || look(ch, next) == 0))
        qr_store_relaxed(&ch->ahead->entered, next); /* relaxed: a hint */
}

/*
 * Takes a frame that can be made ready: one that was never mapped, or has no storage. The preset
 * pool first; beyond it only once it has grown, since consumers that keep up need no more.
 */
static int take_frame(struct quire *ch, struct qr_ahead *a)
{
    /* relaxed: a counter */
    int grows = ch->policy == QUIRE_FULL_GROW && qr_load_relaxed(&ch->frames_extra) > 0;
    uint32_t end = grows ? ch->frames_cap : ch->frames_base;
    for (uint32_t f = 0; f < end; f++) {
        uint64_t life = qr_load_acquire(&ch->view.life[f]); /* [A6 life] pairs with R6 */
        uint64_t page = qr_life_page(life);
        int unmapped =
            page == QR_PAGE_FREE && f < ch->frames_base && !qr_store_frame_mapped(ch->store, f);
        a->absent = page == QR_PAGE_ABSENT;
        a->frame = f;
        /* [A6 life] [R6 life] an absent frame is ours alone while BUSY. */
        if (unmapped ||
            (a->absent && qr_cas_acq_rel(&ch->view.life[f], &life, qr_life(QR_PAGE_BUSY, 0))))
            return 1;
    }
    return 0;
}

static void submit(struct quire *ch, struct qr_ahead *a, enum qr_op_kind kind)
{
    struct qr_op *op = &a->task.op;
    op->kind = kind;
    op->fd = a->prep.fd;
    op->offset = a->prep.offset;
    op->size = kind == QR_OP_POPULATE ? a->prep.bytes : a->prep.size;
    op->address = a->prep.address;
    qr_keeper_submit(ch, &a->task);
}

static void settle(struct quire *ch, struct qr_ahead *a, int result)
{
    int rc = qr_store_prep_finish(ch->store, &a->prep, result);
    a->busy = 0;
    if (a->absent)
        qr_frame_made(ch, a->frame, rc);
    if (rc != 0) {
        qr_store_relaxed(&ch->ahead->idle, 1u); /* relaxed: a hint: not again at once */
        return;
    }
    qr_add_relaxed(&ch->made_ahead, 1u); /* relaxed: a counter */
    qr_keeper_notify(ch);
    qr_keeper_want(ch, QR_WANT_AHEAD); /* until there are enough */
}

static void map_and_populate(struct quire *ch, struct qr_ahead *a)
{
    int rc = qr_store_prep_map(ch->store, &a->prep);
    if (rc != 0)
        settle(ch, a, rc);
    else
        submit(ch, a, QR_OP_POPULATE);
}

static void next_step(struct quire *ch, struct qr_task *task)
{
    struct qr_ahead *a = (struct qr_ahead *)task;
    int syncs = ch->durability != QUIRE_DURABLE_NONE && a->absent;
    int result = task->op.result;
    if (task->op.kind == QR_OP_POPULATE && result == -EINVAL)
        result = qr_store_populate(a->prep.address, a->prep.bytes); /* an older kernel */
    if (result == 0 && syncs && qr_poisoned(ch))
        result = QUIRE_EPOISONED; /* after a failed sync there is no other */
    if (result != 0)
        settle(ch, a, result);
    else if (task->op.kind == QR_OP_ALLOCATE)
        map_and_populate(ch, a);
    else if (task->op.kind == QR_OP_POPULATE && syncs)
        submit(ch, a, QR_OP_SYNC);
    else
        settle(ch, a, 0);
}

static void renewed(struct quire *ch, struct qr_task *task)
{
    (void)task; /* refused by an older kernel: each first store to a block faults, no more */
    ch->ahead->renewing = 0;
}

/*
 * A commit write-protects what it has written, so the first store to each block of a page that is
 * used again would fault. The frame of the next page is made writable as a whole, before.
 */
static void renew(struct quire *ch, uint64_t page_no)
{
    struct qr_ahead *a = ch->ahead;
    struct qr_place place;
    if (a->renewing || !is_written_back(ch, page_no, &place))
        return;
    /* relaxed: a hint */
    qr_store_relaxed(&a->renewed[place.frame_id], qr_commit_begun(ch));
    a->renewing = 1;
    a->renewal.op.address = place.frame->header;
    a->renewal.op.size = ch->view.sb->frame_bytes;
    qr_keeper_submit(ch, &a->renewal);
}

void qr_ahead(struct quire *ch)
{
    struct qr_ahead *a = ch->ahead;
    if (a->busy || over(ch))
        return; /* goes on by itself; or is not needed any more */
    /* relaxed: a hint; a later tail has asked for itself. */
    uint64_t tail = qr_load_relaxed(&ch->view.live->tail_page);
    int rc = tail + 1 < QR_PAGE_MAX ? qr_prepare_ahead(ch, tail + 1) : 0;
    if (rc == 0)
        renew(ch, tail + 1);
    if (rc == 0 && !qr_rotate_wants(ch) && qr_spares(ch, ch->pages_ahead) >= ch->pages_ahead)
        return;
    if (!take_frame(ch, a)) {
        qr_store_relaxed(&a->idle, 1u); /* relaxed: a hint */
        return;
    }
    a->busy = 1;
    rc = qr_store_prep_begin(ch->store, a->frame, &a->prep);
    if (rc != 0)
        settle(ch, a, rc);
    else if (a->prep.size > 0)
        submit(ch, a, QR_OP_ALLOCATE);
    else
        map_and_populate(ch, a);
}
