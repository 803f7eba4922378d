/* SPDX-License-Identifier: MIT */
/* Records written into what a producer has claimed, and published. */
#ifndef QR_LIB_RECORD_H
#define QR_LIB_RECORD_H

#include <lib/copy.h>
#include <lib/tx.h>
#include <pages/base/checksum.h>

static inline void qr_record_write(unsigned char *at, int checksum, uint64_t position,
                                   const void *data, size_t size)
{
    struct qr_record record = {(uint32_t)size, 0};
    if (checksum)
        record.crc = qr_record_crc(position, (uint32_t)size, data);
    memcpy(at, &record, sizeof(record));
    qr_copy(at + sizeof(record), data, size);
}

static inline void qr_record_publish(const struct qr_claimed *claimed, uint32_t slot,
                                     uint64_t offset_units)
{
    /* [R2 slot] pairs with A2: the record is complete. */
    qr_store_release(&claimed->frame->slots[slot], qr_slot(claimed->page_no, offset_units));
}

/*
 * The first n of vec, without checksums, so that nothing but the copy is done for each message.
 * same: the size of all of them, a constant, so that the copy is a few moves and no branch depends
 * on a message; or 0.
 */
static inline __attribute__((always_inline)) void
qr_records_plain(const struct qr_claimed *c, const struct quire_vec *vec, uint32_t n, size_t same)
{
    unsigned char *at = c->frame->data + c->offset_units * 8;
    uint64_t word = qr_slot(c->page_no, c->offset_units);
    qr_atomic_u64 *slot = &c->frame->slots[c->slot];
    for (uint32_t i = 0; i < n; i++) {
        uint64_t size = same != 0 ? same : vec[i].size;
        uint64_t units = qr_claim_need(size);
        memcpy(at, &size, sizeof(size)); /* the length, and no checksum */
        qr_copy(at + sizeof(struct qr_record), vec[i].data, size);
        /* [R2 slot] pairs with A2: the record is complete. */
        qr_store_release(&slot[i], word);
        word += units; /* the offset is in its low bits, and stays within the page */
        at += units * 8;
    }
}

static inline void qr_records_checked(const struct qr_claimed *c, const struct quire_vec *vec,
                                      uint32_t n)
{
    uint64_t offset = c->offset_units;
    uint64_t position = QUIRE_POSITION(c->page_no, c->slot);
    for (uint32_t i = 0; i < n; i++) {
        qr_record_write(c->frame->data + offset * 8, 1, position + i, vec[i].data, vec[i].size);
        qr_record_publish(c, c->slot + i, offset);
        offset += qr_claim_need(vec[i].size);
    }
}

#endif
