/* SPDX-License-Identifier: MIT */
/* A peer: a ring of cells under one mutex with two condition variables. */
#include <benches/bench_message.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 65536u

struct ring {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t freed;
    uint64_t head; /* under lock, as tail */
    uint64_t tail;
    uint32_t size; /* bytes of a message */
    unsigned char cells[];
};

static int ring_open(const struct bench_shape *shape, void **out)
{
    struct ring *ring = *out = calloc(1, sizeof(*ring) + (size_t)CELLS * shape->size);

    if (!ring)
        return bench_fail("memory", QUIRE_ENOSPC);
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->filled, NULL);
    pthread_cond_init(&ring->freed, NULL);
    ring->size = shape->size;
    return 0;
}

BENCH_INLINE int produce(struct ring *ring, uint64_t first, uint64_t count, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8];

    for (uint64_t id = first; id != first + count; id++) {
        bench_fill(words, id, size);
        pthread_mutex_lock(&ring->lock);
        while (ring->tail - ring->head == CELLS)
            pthread_cond_wait(&ring->freed, &ring->lock);
        memcpy(ring->cells + ring->tail++ % CELLS * size, words, size);
        pthread_mutex_unlock(&ring->lock);
        pthread_cond_signal(&ring->filled);
    }
    return 0;
}

BENCH_INLINE int consume(struct ring *ring, struct bench_tally *tally, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8];

    for (;;) {
        pthread_mutex_lock(&ring->lock);
        while (ring->tail == ring->head)
            pthread_cond_wait(&ring->filled, &ring->lock);
        memcpy(words, ring->cells + ring->head++ % CELLS * size, size);
        pthread_mutex_unlock(&ring->lock);
        pthread_cond_signal(&ring->freed);
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

const struct bench_queue_ops bench_queue_mutex = {
    .open = ring_open, .produce = ring_produce, .consume = ring_consume};
