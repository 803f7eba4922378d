/* SPDX-License-Identifier: MIT */
/*
 * Giving frames back to the file system when the backlog that made them is gone. The blocks are
 * punched by the engine, away from whoever noticed; until that is done the frame is BUSY.
 */
#include <lib/account.h>
#include <lib/recycle.h>
#include <pages/io.h>
#include <poll.h>
#include <stdlib.h>

struct give_back {
    struct qr_op op; /* first: the engine hands this address back */
    struct qr_extent extent;
    uint32_t frame;
};

/* Frames that could be reused at once and stay, so that growth does not swing. */
static uint32_t spare_frames(const struct quire *ch)
{
    return 2 + ch->frames_base / 4;
}

static void settle(struct quire *ch, struct give_back *g)
{
    qr_store_extent_done(ch->store, &g->extent);
    /* A punch that failed leaves the storage: the frame is as good as before. */
    uint64_t page = g->op.result == 0 ? QR_PAGE_ABSENT : QR_PAGE_FREE;
    if (page == QR_PAGE_ABSENT)
        qr_sub_relaxed(&ch->frames_extra, 1u); /* relaxed: a counter */
    /* [R6 life] pairs with A6 in recycle.c: nobody touches the storage any more. */
    qr_store_release(&ch->view.life[g->frame], qr_life(page, 0));
    ch->giving_back--;
    free(g);
}

static void reap(struct quire *ch)
{
    struct qr_op *op;
    while (ch->engine && (op = qr_engine_reap(ch->engine)) != NULL)
        settle(ch, (struct give_back *)op);
}

/* Waits until the engine is done with at least one. Punching is a matter of microseconds. */
static void reap_some(struct quire *ch)
{
    struct pollfd ready = {.fd = qr_engine_fd(ch->engine), .events = POLLIN};
    (void)poll(&ready, 1, -1); /* interrupted or not: what is done is reaped */
    reap(ch);
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
    if (!g || (!ch->engine && qr_engine_thread_open(&ch->engine) != 0)) {
        free(g);
        return;
    }
    /* [A6 life] [R6 life] from the very word the decision was made on; ours alone while BUSY. */
    if (!qr_cas_acq_rel(&ch->view.life[frame], &life, qr_life(QR_PAGE_BUSY, 0))) {
        free(g);
        return;
    }
    qr_void_fold_frame(ch, frame);
    ch->giving_back++;
    g->frame = frame;
    g->op.kind = QR_OP_PUNCH;
    if (qr_store_frame_extent(ch->store, frame, &g->extent) != 0) {
        g->op.result = QUIRE_EBADFILE;
        settle(ch, g);
        return;
    }
    g->op.fd = g->extent.fd;
    g->op.offset = g->extent.offset;
    g->op.size = g->extent.size;
    qr_engine_submit(ch->engine, &g->op);
}

void qr_shrink(struct quire *ch)
{
    uint32_t idle = 0;
    /* relaxed: a counter; a frame missed now is given back at the next page end. */
    if (qr_load_relaxed(&ch->frames_extra) == 0)
        return;
    /* [A9 shrink] pairs with R9 below: one at a time, the others have better things to do. */
    if (!qr_cas_acquire(&ch->shrink_busy, &idle, 1u))
        return;
    reap(ch);
    uint32_t found = 0, high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound */
    /* The tail itself stays: its claim word is where the next turn begins.
     * relaxed: the tail only grows, a page below one seen is below it for ever. */
    uint64_t life, tail = qr_load_relaxed(&ch->view.live->tail_page);
    uint64_t below = qr_groups_floor(ch, tail);
    below = below < tail ? below : tail;
    for (uint32_t f = 0; f < high; f++) {
        if (!reusable(ch, f, below, &life))
            continue;
        if (++found > spare_frames(ch) && f >= ch->frames_base)
            give(ch, f, life);
    }
    /* [R9 shrink] pairs with A9. */
    qr_store_release(&ch->shrink_busy, 0u);
}

void qr_shrink_reclaim(struct quire *ch)
{
    uint32_t idle = 0;
    /* [A9 shrink] pairs with R9. */
    if (!qr_cas_acquire(&ch->shrink_busy, &idle, 1u))
        return; /* somebody else sees to it */
    if (ch->giving_back > 0)
        reap_some(ch);
    /* [R9 shrink] pairs with A9. */
    qr_store_release(&ch->shrink_busy, 0u);
}

void qr_shrink_finish(struct quire *ch)
{
    if (!ch->engine)
        return;
    while (ch->giving_back > 0)
        reap_some(ch);
    qr_engine_close(ch->engine);
    ch->engine = NULL;
}
