/* SPDX-License-Identifier: MIT */
/* A ring of cells under one mutex with two conditions. */
#include <benches/peers/loops.h>
#include <benches/peers/reference.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct ring {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t freed;
    uint64_t head; /* under lock, as tail */
    uint64_t tail;
    uint32_t cells;
    uint32_t stride; /* bytes of a cell: the size of the message, the message */
    unsigned char bytes[];
};

int mutex_open(const struct peer_run *run, void **out)
{
    uint32_t stride = 8 + (run->size == PEER_MIXED ? TRACE_SIZE_MAX : run->size);
    struct ring *ring = *out = calloc(1, sizeof(*ring) + (size_t)run->capacity * stride);

    if (!ring)
        return peer_fail("memory", -ENOMEM);
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->filled, NULL);
    pthread_cond_init(&ring->freed, NULL);
    ring->cells = run->capacity;
    ring->stride = stride;
    return 0;
}

PEER_INLINE int send_one(void *handle, const void *data, uint32_t size)
{
    struct ring *ring = handle;

    pthread_mutex_lock(&ring->lock);
    while (ring->tail - ring->head == ring->cells)
        pthread_cond_wait(&ring->freed, &ring->lock);
    unsigned char *cell = ring->bytes + ring->tail++ % ring->cells * ring->stride;
    memcpy(cell, &size, sizeof(size));
    memcpy(cell + 8, data, size);
    pthread_mutex_unlock(&ring->lock);
    pthread_cond_signal(&ring->filled);
    return 0;
}

PEER_INLINE int recv_one(void *handle, struct peer_msg *msg, struct peer_tally *tally)
{
    struct ring *ring = handle;

    pthread_mutex_lock(&ring->lock);
    while (ring->tail == ring->head)
        pthread_cond_wait(&ring->filled, &ring->lock);
    const unsigned char *cell = ring->bytes + ring->head++ % ring->cells * ring->stride;
    memcpy(&msg->size, cell, sizeof(msg->size));
    memcpy(tally->copy, cell + 8, msg->size);
    pthread_mutex_unlock(&ring->lock);
    pthread_cond_signal(&ring->freed);
    msg->data = tally->copy;
    return 0;
}

static const struct peer_calls calls = {send_one, recv_one, NULL, NULL, NULL};
REFERENCE_LOOPS(mutex, calls)
