/* SPDX-License-Identifier: MIT */
/*
 * The account: how many messages were ever claimed, and how many of them are void. Exact at every
 * instant at which the process may be killed, because each step is one compare-exchange from a
 * value that names the page it belongs to, or can be made true again from the slots.
 */
#ifndef QR_LIB_ACCOUNT_H
#define QR_LIB_ACCOUNT_H

#include <lib/channel.h>

/* Adds the sealed pages that are not in the account yet, in page order. */
void qr_account_advance(struct quire *ch);
/* After a crash of the machine, with all pages up to the tail sealed: puts into the account those
 * that it lacks and that are there, so that it does not wait for others. */
void qr_account_rebuild(struct quire *ch, uint64_t tail);
/* 1 when page_no is in the account: its final count may be forgotten. */
int qr_accounted(struct quire *ch, uint64_t page_no);
/* Messages in all pages before *next, the first page that is not in the account. */
uint64_t qr_account_messages(struct quire *ch, uint64_t *next);

/* One slot of the page was made void. */
void qr_void_add(struct qr_frame_header *header, uint64_t page_no, uint32_t n);
/* Recovery: the page has n void slots. */
void qr_void_set(struct qr_frame_header *header, uint64_t page_no, uint32_t n);
/* The frame is about to become page_no: what it counted goes to its past. Helped. */
void qr_void_turn(struct quire *ch, struct qr_frame_header *header, uint32_t frame_id,
                  uint64_t page_no);
/* All voids of the channel. */
uint64_t qr_void_total(struct quire *ch);
/* Moves the count of a frame that is about to go to the channel. The caller owns it, and folding.
 */
void qr_void_fold_frame(struct quire *ch, uint32_t frame_id);
/* Moves the counts of all mapped frames to the channel. At close and after a repair, alone. */
void qr_void_fold(struct quire *ch);
/* Completes a fold that was interrupted. Alone in the channel. */
void qr_void_refold(struct quire *ch);

#endif
