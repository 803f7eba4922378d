/* SPDX-License-Identifier: MIT */
/*
 * The turn of a page: where page k is, and how page k + 1 comes to be. All of it is lock-free and
 * helped: whoever needs the next page does the step that is missing, and nobody waits for the
 * thread that began it.
 */
#ifndef QR_LIB_TURN_H
#define QR_LIB_TURN_H

#include <lib/channel.h>

/* Where a page is. */
struct qr_place {
    const struct qr_frame *frame;
    uint32_t frame_id;
    uint64_t page_no;
};

/*
 * Finds page page_no. 0 and *place; QUIRE_EAGAIN when no frame is assigned to it yet; QUIRE_ENOENT
 * when its frame has gone to a later page; an error when the frame cannot be mapped. The page may
 * retire at any moment after: what is read from the frame counts only with the page's tag.
 */
int qr_locate(struct quire *ch, uint64_t page_no, struct qr_place *place);

/* The page producers write. 0 and *place with an open claim word seen; QUIRE_FULL; or an error. */
int qr_turn(struct quire *ch, struct qr_place *place);

/* The lines that say where page page_no is, and that it is the tail, are about to be needed. */
static inline void qr_turn_soon(const struct quire *ch, uint64_t page_no)
{
    __builtin_prefetch((const void *)&ch->view.directory[page_no & ch->directory_mask]);
    qr_fetch_for_write(&ch->view.live->tail_page);
}

/* 1 when page page_no is prepared, or was. */
int qr_prepared(const struct quire *ch, uint64_t page_no);
/* Prepares page page_no from what is there for the taking: 0, or QUIRE_FULL and other codes. */
int qr_prepare_ahead(struct quire *ch, uint64_t page_no);

/* Opens page 0 of a channel that never had one. */
int qr_turn_first(struct quire *ch);

/* Raises *word to value unless it is there already. */
void qr_raise(qr_atomic_u64 *word, uint64_t value);

#endif
