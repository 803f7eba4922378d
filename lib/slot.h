/* SPDX-License-Identifier: MIT */
/*
 * The slot word: tag:32 | offset:32. tag is the low half of page_no + 1, so the words of an
 * earlier life of the frame are not this page's and need no clearing; offset counts 8-byte units
 * from the start of data, all ones is a void. The seal word has the same tag over the final count.
 */
#ifndef QR_LIB_SLOT_H
#define QR_LIB_SLOT_H

#include <stdint.h>

#define QR_SLOT_VOID UINT32_MAX

static inline uint32_t qr_slot_tag(uint64_t page_no)
{
    return (uint32_t)(page_no + 1);
}
static inline uint64_t qr_slot(uint64_t page_no, uint64_t offset_units)
{
    return (uint64_t)qr_slot_tag(page_no) << 32 | offset_units;
}
/* The word of a record that begins with the page. Above it by no more than the units of a page: the
 * word of a record of the same page; words of other tags, and voids, are not. */
static inline uint64_t qr_slot_first(uint32_t tag)
{
    return (uint64_t)tag << 32;
}
static inline int qr_slot_is(uint64_t word, uint32_t tag)
{
    return (uint32_t)(word >> 32) == tag;
}
static inline uint32_t qr_slot_offset(uint64_t word)
{
    return (uint32_t)word;
}

static inline uint64_t qr_seal(uint64_t page_no, uint64_t final)
{
    return (uint64_t)qr_slot_tag(page_no) << 32 | final;
}
static inline uint32_t qr_seal_final(uint64_t word)
{
    return (uint32_t)word;
}

#endif
