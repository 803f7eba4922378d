/* SPDX-License-Identifier: MIT */
/* How far a page is claimed, as of now. */
#ifndef QR_LIB_EXTENT_H
#define QR_LIB_EXTENT_H

#include <lib/recycle.h>

/* Slots and units of a page that hold claims. */
struct qr_claims {
    uint64_t slots;
    uint64_t units;
};

static inline struct qr_claims qr_claims_of(struct quire *ch, const struct qr_frame *frame,
                                            uint64_t page_no)
{
    struct qr_claims e = {0, 0};
    uint64_t word = qr_load_relaxed(frame->claim); /* relaxed: a figure */
    int64_t final = qr_final(frame, page_no);
    if (final < 0 && qr_claim_tag(word) != qr_claim_tag_of(page_no))
        return e; /* prepared, not open yet */
    uint64_t count = final >= 0 ? (uint64_t) final : qr_claim_count(word);
    uint64_t units = qr_claim_units(word);
    e.slots = count <= ch->max_messages ? count : ch->max_messages;
    e.units = units;
    /* Of a sealed page the word has grown by claims that failed.
     * relaxed: stored before the seal that was seen. */
    if (final >= 0)
        e.units = qr_load_relaxed(&frame->header->seal_units);
    e.units = e.units <= ch->capacity_units ? e.units : ch->capacity_units;
    return e;
}

#endif
