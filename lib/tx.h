/* SPDX-License-Identifier: MIT */
/* A producer handle. */
#ifndef QR_LIB_TX_H
#define QR_LIB_TX_H

#include <lib/bound.h>
#include <lib/ends.h>

/* Slots and bytes that a producer has claimed. */
struct qr_claimed {
    const struct qr_frame *frame;
    uint64_t page_no;
    uint32_t slot;
    uint64_t offset_units;
};

struct quire_tx {
    qr_atomic_u64 *claim; /* of the frame it claims in; NULL: none at hand, or reserved */
    struct qr_frame_header *header;
    qr_atomic_u64 *slots;
    unsigned char *data;
    qr_atomic_u64 fast_limit; /* messages of fewer bytes go the fast way; 0 when closed, or when
                                 there is more to do than claim, copy and publish */
    uint64_t max_messages;
    uint64_t capacity_units;
    struct qr_live *live;
    struct quire *channel;
    uint64_t position; /* of the last message sent */
    int checksum;
    uint32_t wait;
    /* The slow half. */
    uint64_t sync_mask;           /* slots that end in these bits are counted for the next commit */
    qr_atomic_u64 paced_limit;    /* as fast_limit, where slots are counted for commits; else 0 */
    qr_atomic_u64 large_limit;    /* as fast_limit, for those that memcpy copies */
    const struct qr_frame *frame; /* it claims in */
    uint32_t index;               /* of the line */
    int reserved;                 /* a reservation is open */
    struct qr_claimed claimed;    /* it */
    uint64_t reserved_size;
    qr_atomic_u64 *kept; /* claim as it was before the reservation */
    struct qr_room room; /* in channels with a bound; claim is NULL there between calls */
    uint64_t limit;      /* of the one of the first two ways that is its own, while that is open */
    uint64_t large;      /* of the third, the same */
    int ends;            /* it is told when the last consumer has gone */
};

/* Quire_close: from now on every call of the handle goes the slow way and finds the channel closed.
 */
static inline void qr_tx_shut(struct quire_tx *tx)
{
    /* relaxed: closing promises no moment, only that later calls see it. */
    qr_store_relaxed(&tx->fast_limit, 0u);
    qr_store_relaxed(&tx->paced_limit, 0u); /* relaxed, both: the same */
    qr_store_relaxed(&tx->large_limit, 0u);
}

/* Nobody is there to receive, and the handle wants to be told. */
static inline int qr_tx_ended(const struct quire_tx *tx)
{
    return tx->ends && qr_ends_over(&tx->channel->consumers);
}

/* qr_tx_shut for all of them. */
void qr_tx_shut_all(struct quire *ch);
/* The first consumer came or the last one went: shuts the handles that want to be told, or opens
 * them again. Under ch->lock. */
void qr_tx_ends(struct quire *ch);

#endif
