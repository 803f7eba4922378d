/* SPDX-License-Identifier: MIT */
/* A peer: the bounded MPMC ring of D. Vyukov, payload in the cell; it waits by yielding.
 * Peers use the project's atomics header, quire itself is used through its public one. */
#include <benches/bench_message.h>
#include <pages/base/atomic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 65536u

struct ring {
    _Alignas(128) qr_atomic_u64 tail;
    _Alignas(128) qr_atomic_u64 head;
    _Alignas(128) uint32_t size; /* bytes of a message */
    uint64_t stride;             /* words of a cell: its turn, then the payload */
    qr_atomic_u64 cells[];
};

static int ring_open(const struct bench_shape *shape, void **out)
{
    uint64_t stride = 1 + shape->size / 8;
    size_t bytes = sizeof(struct ring) + CELLS * stride * 8;
    struct ring *ring = *out = aligned_alloc(128, (bytes + 127) / 128 * 128);

    if (!ring)
        return bench_fail("memory", QUIRE_ENOSPC);
    *ring = (struct ring){.size = shape->size, .stride = stride};
    for (uint64_t i = 0; i < CELLS; i++)
        qr_store_relaxed(&ring->cells[i * stride], i); /* nobody else is here yet */
    return 0;
}

/* Claims the next cell of one end, whose turn is ahead of its index; waits for that turn. */
static qr_atomic_u64 *claim(struct ring *ring, qr_atomic_u64 *end, uint64_t ahead, uint64_t *at)
{
    for (*at = qr_load_relaxed(end);;) { /* a guess, checked by the compare-exchange */
        qr_atomic_u64 *cell = &ring->cells[*at % CELLS * ring->stride];
        /* acquire: pairs with the release of the turn at the other end */
        int64_t lag = (int64_t)(qr_load_acquire(cell) - (*at + ahead));
        if (lag == 0 && qr_cas_acquire(end, at, *at + 1))
            return cell;
        if (lag < 0)
            sched_yield();
        *at = qr_load_relaxed(end); /* as above */
    }
}

BENCH_INLINE int produce(struct ring *ring, uint64_t first, uint64_t count, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8], at;

    for (uint64_t id = first; id != first + count; id++) {
        bench_fill(words, id, size);
        qr_atomic_u64 *cell = claim(ring, &ring->tail, 0, &at);
        memcpy(cell + 1, words, size);
        qr_store_release(cell, at + 1); /* pairs with the consumer's acquire in claim */
    }
    return 0;
}

BENCH_INLINE int consume(struct ring *ring, struct bench_tally *tally, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8], at;

    for (;;) {
        qr_atomic_u64 *cell = claim(ring, &ring->head, 1, &at);
        memcpy(words, cell + 1, size);
        qr_store_release(cell, at + CELLS); /* pairs with the producer's acquire in claim */
        if (words[0] == BENCH_ID_STOP)
            return 0;
        bench_tally_add(tally, words, size);
    }
}

static int ring_produce(void *queue, uint64_t first, uint64_t count)
{
    return BENCH_BY_SIZE(((struct ring *)queue)->size, produce, queue, first, count);
}

static int ring_consume(void *queue, struct bench_tally *tally)
{
    return BENCH_BY_SIZE(((struct ring *)queue)->size, consume, queue, tally);
}

const struct bench_queue_ops bench_queue_vyukov = {
    .open = ring_open, .produce = ring_produce, .consume = ring_consume};
