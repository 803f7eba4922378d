/* SPDX-License-Identifier: MIT */
/* Pages made ready before a producer needs them. */
#ifndef QR_LIB_AHEAD_H
#define QR_LIB_AHEAD_H

#include <lib/channel.h>

int qr_ahead_new(struct quire *ch);
void qr_ahead_free(struct quire *ch);

/*
 * After page page_no was opened: prepares the next one from what is there for the taking, and asks
 * the keeper when what is left would not do for the turns to come.
 */
void qr_ahead_look(struct quire *ch, uint64_t page_no);
/* The keeper's part: makes frames, one after the other, while there are too few. */
void qr_ahead(struct quire *ch);

/* Frames can be made again: one was given back, or there was room for one. */
void qr_ahead_renew(struct quire *ch);

#endif
