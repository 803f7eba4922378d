/* SPDX-License-Identifier: MIT */
/*
 * The payload of queues that carry pointers: each producer has buffers of its own and takes them
 * in turn. A buffer is filled again only when its consumer has read it. C and C++.
 */
#ifndef BENCH_PEER_POOL_H
#define BENCH_PEER_POOL_H

#include <benches/peers/message.h>
#include <errno.h>
#include <stdlib.h>

/* In front of the payload, so that a small message takes one cache line. */
struct pool_buffer {
    uint32_t used; /* atomic */
    uint32_t size;
    uint64_t reserved;
};

struct pool {
    unsigned char *memory;
    size_t stride;
    uint32_t mask;
    uint32_t next;
    enum peer_wait wait;
};

/*
 * All producers' buffers together are as many as the queue holds; but a producer that fills a
 * batch before it sends it has always room for another one.
 */
PEER_INLINE int pool_open(struct pool *pool, const struct peer_run *run)
{
    size_t size =
        sizeof(struct pool_buffer) + (run->size == PEER_MIXED ? TRACE_SIZE_MAX : run->size);
    uint32_t count = 2 * PEER_BATCH_MAX;

    while (count * run->producers < run->capacity)
        count *= 2;
    pool->stride = (size + 63) / 64 * 64;
    pool->mask = count - 1;
    pool->next = 0;
    pool->wait = run->wait == PEER_BUSY ? PEER_BUSY : PEER_YIELD;
    pool->memory = (unsigned char *)aligned_alloc(64, count * pool->stride);
    if (!pool->memory)
        return peer_fail("memory", -ENOMEM);
    memset(pool->memory, 0, count * pool->stride);
    return 0;
}

PEER_INLINE void pool_close(struct pool *pool)
{
    free(pool->memory);
    pool->memory = NULL;
}

/* A size that only a batch knows must not cost small messages a call each. */
PEER_INLINE void pool_copy(void *to, const void *from, uint32_t size)
{
    if (size == 16)
        memcpy(to, from, 16);
    else if (size == 64)
        memcpy(to, from, 64);
    else
        memcpy(to, from, size);
}

/* The next buffer, with a copy of the message in it. */
PEER_INLINE struct pool_buffer *pool_fill(struct pool *pool, const void *data, uint32_t size)
{
    struct pool_buffer *buffer =
        (struct pool_buffer *)(pool->memory + (pool->next++ & pool->mask) * pool->stride);

    /* acquire: pairs with pool_release, what was read there is not written before. */
    while (__atomic_load_n(&buffer->used, __ATOMIC_ACQUIRE) != 0)
        peer_pause(pool->wait);
    /* relaxed: the queue publishes the buffer. */
    __atomic_store_n(&buffer->used, 1u, __ATOMIC_RELAXED);
    buffer->size = size;
    pool_copy(buffer + 1, data, size);
    return buffer;
}

PEER_INLINE void pool_release(struct pool_buffer *buffer)
{
    /* release: pairs with the acquire in pool_fill. */
    __atomic_store_n(&buffer->used, 0u, __ATOMIC_RELEASE);
}

#endif
