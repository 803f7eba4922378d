/* SPDX-License-Identifier: MIT */
/*
 * A group's head and a handle's intent: who claimed which run of messages.
 *
 *   head    page:38 | slot:16 | owner:10                       next position, last claimer
 *   intent  page:38 | slot:16 | n:8 | confirmed:1 | returned:1 the run a handle claims
 *
 * A member writes its intent, moves head by compare-exchange naming itself, then confirms the
 * intent. Whoever replaces the owner in head confirms for it first. So at every instant each
 * claimed run belongs to exactly one handle, whatever thread is killed where:
 *   confirmed                -> the handle owns [next, end)
 *   not confirmed            -> it owns the run iff head == (end, handle)
 * A run lies in one page.
 */
#ifndef QR_LIB_RUN_H
#define QR_LIB_RUN_H

#include <lib/position.h>
#include <stdint.h>

#define QR_OWNER_NOBODY 1023u
#define QR_RUN_MAX      255u

static inline uint64_t qr_head(uint64_t position, uint32_t owner)
{
    return (QUIRE_PAGE_OF(position) & QR_PAGE_LO_MASK) << 26 |
           (uint64_t)QUIRE_SLOT_OF(position) << 10 | owner;
}
static inline uint32_t qr_head_owner(uint64_t head)
{
    return (uint32_t)(head & 1023u);
}
static inline uint32_t qr_head_slot(uint64_t head)
{
    return (uint32_t)(head >> 10 & 0xffffu);
}
static inline uint64_t qr_head_page(uint64_t head, uint64_t page_hint)
{
    return qr_page_resolve(head >> 26, page_hint);
}
static inline uint64_t qr_head_position(uint64_t head, uint64_t page_hint)
{
    return QUIRE_POSITION(qr_head_page(head, page_hint), qr_head_slot(head));
}

/*
 * A page that is being given up: slot 65535 and nobody. The end of a page of 65535 messages has
 * the same slot, so there an owner never becomes nobody: head goes on to the next page instead.
 */
static inline int qr_head_evicting(uint64_t head)
{
    return qr_head_slot(head) == QR_SLOT_EVICTING && qr_head_owner(head) == QR_OWNER_NOBODY;
}

#define QR_INTENT_NONE      0ull
#define QR_INTENT_CONFIRMED 2ull
#define QR_INTENT_RETURNED  1ull

static inline uint64_t qr_intent(uint64_t position, uint32_t n, uint64_t flags)
{
    return (QUIRE_PAGE_OF(position) & QR_PAGE_LO_MASK) << 26 |
           (uint64_t)QUIRE_SLOT_OF(position) << 10 | (uint64_t)n << 2 | flags;
}
static inline uint32_t qr_intent_n(uint64_t intent)
{
    return (uint32_t)(intent >> 2 & 0xffu);
}
static inline uint64_t qr_intent_start(uint64_t intent, uint64_t page_hint)
{
    return QUIRE_POSITION(qr_page_resolve(intent >> 26, page_hint), intent >> 10 & 0xffffu);
}
/* 1 when the intent's run ends where head stands. n is added to the slot: a run stays in its page.
 */
static inline int qr_intent_ends_at(uint64_t intent, uint64_t head)
{
    return qr_intent_n(intent) != 0 && (intent >> 10) + qr_intent_n(intent) == head >> 10;
}

#endif
