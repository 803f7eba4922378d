/* SPDX-License-Identifier: MIT */
/*
 * Giving frames back to the file system when the backlog that made them is gone. The blocks are
 * punched by the engine, away from whoever noticed; until that is done the frame is BUSY.
 */
#include <lib/account.h>
#include <lib/ahead.h>
#include <lib/keeper.h>
#include <lib/recycle.h>
#include <pages/io.h>
#include <stdlib.h>

struct give_back {
    struct qr_task task; /* first: the keeper hands this address back */
    struct qr_extent extent;
    uint32_t frame;
};

/* Frames that could be reused at once and stay, so that growth does not swing. */
static uint32_t spare_frames(const struct quire *ch)
{
    /* More than are kept ready, so that none is given back only to be made again. */
    return (ch->pages_ahead < 2 ? 2 : ch->pages_ahead + 1) + ch->frames_base / 4;
}

static void settle(struct quire *ch, struct qr_task *task)
{
    struct give_back *g = (struct give_back *)task;
    qr_store_extent_done(ch->store, &g->extent);
    /* A punch that failed leaves the storage: the frame is as good as before. */
    uint64_t page = task->op.result == 0 ? QR_PAGE_ABSENT : QR_PAGE_FREE;
    if (page == QR_PAGE_ABSENT)
        qr_sub_relaxed(&ch->frames_extra, 1u); /* relaxed: a counter */
    /* [R6 life] pairs with A6 in recycle.c: nobody touches the storage any more. */
    qr_store_release(&ch->view.life[g->frame], qr_life(page, 0));
    qr_ahead_renew(ch);
    free(g);
}

/* 1 when the frame could be reused at once; *life is its word. below: what qr_groups_floor said. */
static int reusable(struct quire *ch, uint32_t frame, uint64_t below, uint64_t *life)
{
    /* [A6 life] pairs with R6: read before the needs are looked at. */
    *life = qr_load_acquire(&ch->view.life[frame]);
    uint64_t page = qr_life_page(*life);
    if (page == QR_PAGE_FREE)
        return 1;
    return page < below && qr_holds(ch, frame, page) && qr_recyclable(ch, frame, page);
}

static void give(struct quire *ch, uint32_t frame, uint64_t life)
{
    struct give_back *g = qr_io_zalloc(sizeof(*g));
    /* [A6 life] [R6 life] from the very word the decision was made on; ours alone while BUSY. */
    if (!g || !qr_cas_acq_rel(&ch->view.life[frame], &life, qr_life(QR_PAGE_BUSY, 0))) {
        free(g);
        return;
    }
    qr_void_fold_frame(ch, frame);
    g->frame = frame;
    g->task.done = settle;
    g->task.op.kind = QR_OP_PUNCH;
    if (qr_store_frame_extent(ch->store, frame, &g->extent) != 0) {
        g->task.op.result = QUIRE_EBADFILE;
        settle(ch, &g->task);
        return;
    }
    g->task.op.fd = g->extent.fd;
    g->task.op.offset = g->extent.offset;
    g->task.op.size = g->extent.size;
    qr_keeper_submit(ch, &g->task);
}

void qr_shrink(struct quire *ch)
{
    /* relaxed: a counter; a frame missed now is given back at the next page end. */
    if (qr_load_relaxed(&ch->frames_extra) == 0)
        return;
    qr_keeper_want(ch, QR_WANT_SHRINK);
    if (ch->caller_keeps)
        qr_keeper_drive(ch); /* the caller may never dispatch */
}

void qr_give_back(struct quire *ch)
{
    /* The tail itself stays: its claim word is where the next turn begins.
     * relaxed, all three: bounds that only grow, so a page below the tail is so for ever. */
    uint64_t life, tail = qr_load_relaxed(&ch->view.live->tail_page);
    uint32_t found = 0, high = qr_load_relaxed(&ch->frames_high);
    uint64_t below = qr_groups_floor(ch, tail);
    below = below < tail ? below : tail;
    for (uint32_t f = 0; f < high; f++) {
        if (!reusable(ch, f, below, &life))
            continue;
        if (++found > spare_frames(ch) && f >= ch->frames_base)
            give(ch, f, life);
    }
}
