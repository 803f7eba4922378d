/* SPDX-License-Identifier: MIT */
/*
 * Which of the frames that may be reused a page takes: the one that was retired last, or the one
 * that was retired first.
 *
 * Who sends and receives on one processor finds the last one in its cache. On two processors the
 * last one lies in the cache of the other: every line of it would be fetched from there to be
 * written, and once more to be read. The first one has left both for the cache they share, if
 * enough frames take turns; the producers then run ahead of the consumers as far as that cache
 * allows, which is several times as fast.
 *
 * All of it is a guess about speed: whichever frame is taken, the same is proved of it before.
 */
#ifndef QR_LIB_ROTATE_H
#define QR_LIB_ROTATE_H

#include <lib/channel.h>

/* A producer has opened a page. */
void qr_rotate_opened(struct quire *ch);
/* A consumer has come to a page. */
void qr_rotate_entered(struct quire *ch);

/* 1: frames take turns. */
static inline int qr_rotates(struct quire *ch)
{
    return qr_load_relaxed(&ch->apart) != 0; /* relaxed: a hint */
}

/* 1: more frames should be made ready to take turns. */
int qr_rotate_wants(struct quire *ch);

#endif
