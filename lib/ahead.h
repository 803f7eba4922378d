/* SPDX-License-Identifier: MIT */
/* Pages made ready before a producer needs them. */
#ifndef QR_LIB_AHEAD_H
#define QR_LIB_AHEAD_H

#include <lib/channel.h>

int qr_ahead_new(struct quire *ch);
void qr_ahead_free(struct quire *ch);

/*
 * After page page_no was opened: prepares the next one from what is there for the taking, and asks
 * the keeper when what is left would not do for the turns to come. Left to the consumers when they
 * keep up: one has come to the page before, and page_no was ready for it.
 */
void qr_ahead_opened(struct quire *ch, uint64_t page_no, int was_ready);
/* A consumer has come to page page_no. When that is the tail it has often been the last to leave
 * the one before, and prepares the next one, so that the producer that turns to it need not. */
void qr_ahead_entered(struct quire *ch, uint64_t page_no);
/* The keeper's part: makes frames, one after the other, while there are too few. */
void qr_ahead(struct quire *ch);

/* Frames can be made again: one was given back, or there was room for one. */
void qr_ahead_renew(struct quire *ch);

#endif
