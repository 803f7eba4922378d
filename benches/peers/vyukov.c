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

struct reader {
    struct ring *ring;
    qr_atomic_u64 *cell; /* being read */
    uint64_t turn;       /* of the cell afterwards */
};

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

void vyukov_close(void *queue)
{
    free(queue);
}

int vyukov_consumer(void *queue, uint32_t group, void **handle)
{
    struct reader *reader = *handle = calloc(1, sizeof(*reader));

    (void)group;
    if (!reader)
        return peer_fail("memory", -ENOMEM);
    reader->ring = queue;
    return 0;
}

/* Claims the next cell of one end, whose turn is ahead of its index; waits for that turn. */
static qr_atomic_u64 *claim(struct ring *ring, qr_atomic_u64 *end, uint64_t ahead, uint64_t *at)
{
    for (*at = qr_load_relaxed(end);;) { /* a guess, checked by the compare-exchange */
        qr_atomic_u64 *cell = &ring->cells[(*at & ring->mask) * ring->stride];
        /* acquire: pairs with the release of the turn at the other end */
        int64_t lag = (int64_t)(qr_load_acquire(cell) - (*at + ahead));
        if (lag == 0 && qr_cas_acquire(end, at, *at + 1))
            return cell;
        if (lag < 0)
            peer_pause(ring->wait);
        *at = qr_load_relaxed(end); /* as above */
    }
}

PEER_INLINE int send_one(void *handle, const void *data, uint32_t size)
{
    uint64_t at, length = size;
    qr_atomic_u64 *cell = claim(handle, &((struct ring *)handle)->tail, 0, &at);

    memcpy(cell + 1, &length, sizeof(length));
    memcpy(cell + 2, data, size);
    qr_store_release(cell, at + 1); /* pairs with the consumer's acquire in claim */
    return 0;
}

PEER_INLINE int recv_one(void *handle, struct peer_msg *msg, struct peer_tally *tally)
{
    struct reader *reader = handle;
    uint64_t at, length;

    (void)tally;
    reader->cell = claim(reader->ring, &reader->ring->head, 1, &at);
    reader->turn = at + reader->ring->mask + 1;
    memcpy(&length, reader->cell + 1, sizeof(length));
    msg->data = reader->cell + 2;
    msg->size = (uint32_t)length;
    return 0;
}

PEER_INLINE void done(void *handle)
{
    struct reader *reader = handle;

    qr_store_release(reader->cell, reader->turn); /* pairs with the producer's acquire in claim */
}

static const struct peer_calls calls = {send_one, recv_one, NULL, NULL, done};

int vyukov_produce(void *handle, struct peer_source *source)
{
    return peer_produce_any(handle, source, &calls);
}

int vyukov_consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &calls);
}
