/* SPDX-License-Identifier: MIT */
/*
 * When commits are due: by the messages published and received since the last one, and by the
 * time since the first of them. Nothing ticks while nothing happens: the keeper then raises an
 * attention bit, and the next publisher lowers it and asks (tests/model/loop.pml).
 */
#ifndef QR_LIB_PACE_H
#define QR_LIB_PACE_H

#include <lib/channel.h>

int qr_pace_new(struct quire *ch, const struct quire_options *options);
void qr_pace_free(struct quire *ch);
/* At the end of open: from here on commits are due. */
void qr_pace_start(struct quire *ch);

/*
 * INTERVAL: publishers count every (mask + 1)th slot, at which they call this, and each page's
 * remainder at its seal. UINT64_MAX: they need not.
 */
uint64_t qr_pace_mask(const struct quire *ch);
void qr_pace_published(struct quire *ch, uint64_t messages);
/* How many multiples of the stride lie in [slot, slot + n), in messages. */
static inline uint64_t qr_pace_strides(uint64_t mask, uint64_t slot, uint64_t n)
{
    return mask == UINT64_MAX ? 0 : ((slot + n) & ~mask) - (slot & ~mask);
}
/* 1 when commits go on behind the producers, page after page. */
int qr_pace_writes_back(const struct quire *ch);
/* Messages were claimed by a consumer. */
void qr_pace_received(struct quire *ch, uint32_t messages);
/* A publisher found the attention bit and lowered it. */
void qr_pace_attend(struct quire *ch);

/* The driver's. */
void qr_pace(struct quire *ch);
/* Are the groups' cursors due? Then they are the next commit's. */
int qr_pace_cursors(struct quire *ch);
/* Whoever has the commit in hand. It failed, and the cursors are still due. */
void qr_pace_cursors_again(struct quire *ch);
/* Whoever has the commit in hand. */
void qr_pace_begun(struct quire *ch);
void qr_pace_ended(struct quire *ch);

#endif
