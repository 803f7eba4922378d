/* SPDX-License-Identifier: MIT */
/*
 * The claim word of a frame: tag:14 | units:33 | count:17.
 *
 * count is the slots claimed, units the 8-byte units of data claimed, tag the page they belong to
 * (modulo 16383). A producer adds to it blindly and looks at what was there before: the claim
 * holds iff it fits. The one claimer that takes the word from within its bounds to beyond them is
 * the page's sealer.
 *
 * Fields never overflow into each other (I12): once a word is over, a handle adds at most once,
 * since it looks before its first add and goes elsewhere after a failed one. So at most
 * QR_HANDLES * QR_CLAIM_COUNT_MAX slots come on top of 65535, and units stay within 33 bits
 * because an add is at most qr_claim_add_max() units; larger claims use compare-exchange.
 */
#ifndef QR_LIB_CLAIM_H
#define QR_LIB_CLAIM_H

#include <pages/format.h>

#define QR_CLAIM_COUNT_BITS 17u
#define QR_CLAIM_UNITS_BITS 33u
#define QR_CLAIM_COUNT_MASK ((1ull << QR_CLAIM_COUNT_BITS) - 1)
#define QR_CLAIM_UNITS_MASK ((1ull << QR_CLAIM_UNITS_BITS) - 1)
#define QR_CLAIM_TAG_SHIFT  (QR_CLAIM_COUNT_BITS + QR_CLAIM_UNITS_BITS)
#define QR_CLAIM_TAGS       16383u
#define QR_CLAIM_TAG_NEVER  16383u /* a frame that never held a page */
#define QR_CLAIM_COUNT_MAX  63u    /* slots one add may claim */
#define QR_CLAIM_UNITS_CAP  (2147483648ull / 8)

_Static_assert(QR_CLAIM_TAG_SHIFT + 14u == 64u, "the fields fill the word");
_Static_assert(QR_MESSAGES_MAX + QR_HANDLES * QR_CLAIM_COUNT_MAX <= QR_CLAIM_COUNT_MASK,
               "I12: a failed add of every handle stays within count");
_Static_assert((1u << 16) + QR_HANDLES * QR_CLAIM_COUNT_MAX <= QR_CLAIM_COUNT_MASK,
               "I12: and of a frame that is closed for want of a page");
_Static_assert(QR_MESSAGES_MAX < 1u << 16, "a closed word's count lies beyond every page's");

static inline uint64_t qr_claim_count(uint64_t word)
{
    return word & QR_CLAIM_COUNT_MASK;
}
static inline uint64_t qr_claim_units(uint64_t word)
{
    return word >> QR_CLAIM_COUNT_BITS & QR_CLAIM_UNITS_MASK;
}
static inline uint64_t qr_claim_tag(uint64_t word)
{
    return word >> QR_CLAIM_TAG_SHIFT;
}
static inline uint64_t qr_claim_tag_of(uint64_t page_no)
{
    return page_no % QR_CLAIM_TAGS;
}

/* The word of a page just opened. */
static inline uint64_t qr_claim_open(uint64_t page_no)
{
    return qr_claim_tag_of(page_no) << QR_CLAIM_TAG_SHIFT;
}
/* The word of a frame that never held a page: over, whatever the geometry. */
#define QR_CLAIM_CLOSED ((uint64_t)QR_CLAIM_TAG_NEVER << QR_CLAIM_TAG_SHIFT | 1ull << 16)

static inline uint64_t qr_claim_add(uint64_t units, uint64_t count)
{
    return units << QR_CLAIM_COUNT_BITS | count;
}

/* 8-byte units of a record with length bytes of payload. */
static inline uint64_t qr_claim_need(uint64_t length)
{
    return (length + sizeof(struct qr_record) + 7) >> 3;
}

/* The largest add, in units, for which units cannot overflow. */
static inline uint64_t qr_claim_add_max(uint64_t capacity_units)
{
    return (QR_CLAIM_UNITS_MASK - 2 * capacity_units) / (QR_HANDLES + 1);
}
_Static_assert((QR_CLAIM_UNITS_MASK - 2 * QR_CLAIM_UNITS_CAP) / (QR_HANDLES + 1) > 63 * 1024,
               "ordinary batches are added");

/* 1 when the page has been exceeded: its sealer exists, nothing more fits. */
static inline int qr_claim_over(uint64_t word, uint64_t max_messages, uint64_t capacity_units)
{
    return qr_claim_count(word) > max_messages || qr_claim_units(word) > capacity_units;
}
static inline int qr_claim_fits(uint64_t old, uint64_t units, uint64_t count, uint64_t max_messages,
                                uint64_t capacity_units)
{
    return qr_claim_count(old) + count <= max_messages &&
           qr_claim_units(old) + units <= capacity_units;
}

#endif
