/* SPDX-License-Identifier: MIT */
/* A bounded MPMC ring after D. Vyukov: a turn in each cell, then the payload, read in place. */
#include <benches/peers/loops.h>
#include <benches/peers/reference.h>
#include <errno.h>
#include <pages/base/atomic.h>
#include <stdlib.h>

struct ring {
    _Alignas(128) qr_atomic_u64 tail;
    _Alignas(128) qr_atomic_u64 head;
    _Alignas(128) uint64_t mask;
    uint64_t stride; /* words of a cell: its turn, the size of the message, the message */
    enum peer_wait wait;
    _Alignas(128) qr_atomic_u64 cells[];
};

static __thread qr_atomic_u64 *reading; /* a cell: a thread reads no more than one at a time */

int vyukov_open(const struct peer_run *run, void **out)
{
    uint64_t stride = 2 + (run->size == PEER_MIXED ? TRACE_SIZE_MAX : run->size) / 8;
    size_t bytes = sizeof(struct ring) + run->capacity * stride * 8;
    struct ring *ring = *out = aligned_alloc(128, (bytes + 127) / 128 * 128);

    if (!ring)
        return peer_fail("memory", -ENOMEM);
    *ring = (struct ring){.mask = run->capacity - 1, .stride = stride, .wait = run->wait};
    for (uint64_t i = 0; i < run->capacity; i++)
        qr_store_relaxed(&ring->cells[i * stride], i); /* nobody else is here yet */
    return 0;
}

/* Claims the next cell of one end, whose turn is ahead of its index; waits for that turn. */
static qr_atomic_u64 *claim(struct ring *ring, qr_atomic_u64 *end, uint64_t ahead)
{
    for (;;) {
        uint64_t at = qr_load_relaxed(end); /* a guess, checked by the compare-exchange */
        qr_atomic_u64 *cell = &ring->cells[(at & ring->mask) * ring->stride];
        /* acquire: pairs with the release of the turn at the other end */
        int64_t lag = (int64_t)(qr_load_acquire(cell) - (at + ahead));
        if (lag == 0 && qr_cas_acquire(end, &at, at + 1))
            return cell;
        if (lag < 0)
            peer_pause(ring->wait);
    }
}

PEER_INLINE int send_one(void *handle, const void *data, uint32_t size)
{
    qr_atomic_u64 *cell = claim(handle, &((struct ring *)handle)->tail, 0);

    qr_store_relaxed(cell + 1, size); /* published with the turn, as the message is */
    memcpy(cell + 2, data, size);
    /* pairs with the consumer's acquire in claim; the turn is the sender's own until then */
    qr_store_release(cell, qr_load_relaxed(cell) + 1);
    return 0;
}

PEER_INLINE int recv_one(void *handle, struct peer_msg *msg, struct peer_tally *tally)
{
    (void)tally;
    reading = claim(handle, &((struct ring *)handle)->head, 1);
    peer_msg_set(msg, reading + 2, (uint32_t)qr_load_relaxed(reading + 1)); /* as above */
    return 0;
}

PEER_INLINE void done(void *handle)
{
    uint64_t turn = qr_load_relaxed(reading); /* the reader's own until the next line */

    qr_store_release(reading, turn + ((struct ring *)handle)->mask); /* pairs with claim's */
}

static const struct peer_calls calls = {send_one, recv_one, NULL, NULL, done};
REFERENCE_LOOPS(vyukov, calls)
