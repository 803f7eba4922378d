/* SPDX-License-Identifier: MIT */
/* DROP_OLDEST: giving up the oldest page, with an exact account for every group. */
#ifndef QR_LIB_EVICT_H
#define QR_LIB_EVICT_H

#include <lib/channel.h>

/*
 * Takes the oldest page that groups still need from them. 0: a page was given up (it may still be
 * protected by a handle); QUIRE_EAGAIN: somebody else is at it, or a page is not complete yet;
 * QUIRE_FULL: nothing can be given up.
 */
int qr_evict(struct quire *ch, uint64_t tail);

/* Gives up what is older, or more, than is to be kept (quire_retain). How many pages. */
uint32_t qr_retain(struct quire *ch);

/* Recovery: an account of leases that is written and not valid yet becomes so. */
void qr_evict_settle(struct qr_group_block *block);
/* Completes an account that was interrupted; the head is at slot 65535. Recovery only. */
void qr_evict_finish(struct qr_group_block *block, uint64_t page_no);

/* Takes the loss nobody was told of yet. 1 when there was one. */
int qr_loss_take(struct qr_group_block *block, struct quire_lost *lost);

/* Serializes givers-up and subscribers of a DROP_OLDEST channel. */
int qr_evict_try_lock(struct quire *ch);
void qr_evict_unlock(struct quire *ch);

#endif
