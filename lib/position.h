/* SPDX-License-Identifier: MIT */
/* Positions: page_no << 16 | slot. Pure arithmetic; the public macros do the composing. */
#ifndef QR_LIB_POSITION_H
#define QR_LIB_POSITION_H

#include <quire/channel.h>

#define QR_POSITION_NONE UINT64_MAX
/* Slot of a head whose page is being given up: never a message (lib/run.h, lib/evict.c). */
#define QR_SLOT_EVICTING 65535u

/* Words with several fields keep the low 38 bits of a page number. */
#define QR_PAGE_LO_BITS 38u
#define QR_PAGE_LO_MASK ((1ull << QR_PAGE_LO_BITS) - 1)

/*
 * The page whose low bits are lo and which is nearest to hint. Every page that is alive lies
 * within 2^16 of the tail, so any tail, however stale, resolves it.
 */
static inline uint64_t qr_page_resolve(uint64_t lo, uint64_t hint)
{
    uint64_t distance = (lo - hint) & QR_PAGE_LO_MASK;
    if (distance > QR_PAGE_LO_MASK / 2 && hint + distance >= QR_PAGE_LO_MASK + 1)
        return hint + distance - (QR_PAGE_LO_MASK + 1);
    return hint + distance;
}

#endif
