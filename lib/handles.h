/* SPDX-License-Identifier: MIT */
/* The handle table: one line in the control file per open handle. */
#ifndef QR_LIB_HANDLES_H
#define QR_LIB_HANDLES_H

#include <lib/channel.h>

/* Takes a free line, state SETUP, all fields zero. The index, or QUIRE_EHANDLES. Under ch->lock. */
int qr_handle_take(struct quire *ch);
/* state is the last word written: from then on others read the line. */
void qr_handle_publish(struct quire *ch, uint32_t index, uint32_t state);
void qr_handle_free(struct quire *ch, uint32_t index);

static inline struct qr_handle *qr_handle(const struct quire *ch, uint32_t index)
{
    return &ch->view.handles[index];
}
/* state: generation:14 | adopter:10 | enum qr_handle_state:8 */
#define QR_HANDLE_GENERATION 0xfffc0000u
static inline uint32_t qr_handle_adopter_of(uint32_t word)
{
    return word >> 8 & 1023u;
}
static inline uint32_t qr_handle_state_of(uint32_t word)
{
    return word & 0xffu;
}

/* What a handle has claimed and not delivered. n == 0: nothing. */
struct qr_holding {
    uint64_t start; /* position */
    uint32_t n;
    int confirmed;
    uint64_t stand; /* page_no + 1; 0 none */
};
void qr_handle_holding(const struct quire *ch, uint32_t index, struct qr_holding *holding);

/* The claimer that head names owns its run for good: to be called before head names another. */
void qr_handle_confirm(const struct quire *ch, uint64_t head);

#endif
