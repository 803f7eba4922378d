/* SPDX-License-Identifier: MIT */
/*
 * The loops around a queue, the same for all of them. A peer gives its calls as a constant, so
 * that the compiler puts them into the loop, for each size that is measured.
 */
#ifndef BENCH_PEER_LOOPS_H
#define BENCH_PEER_LOOPS_H

#include <benches/peers/message.h>

struct peer_vec {
    const void *data;
    size_t size; /* as struct quire_vec has it: that family passes these on */
};

/* As struct quire_msg begins, and as large. */
struct peer_msg {
    const void *data;
    uint32_t size;
    uint32_t unused;
    uint64_t more;
};

PEER_INLINE void peer_msg_set(struct peer_msg *msg, const void *data, uint32_t size)
{
    msg->data = data;
    msg->size = size;
}

struct peer_calls {
    /* Waits for room. 0, or a negative code. */
    int (*send)(void *handle, const void *data, uint32_t size);
    /* Waits for a message; valid until done or the next call. tally->copy is room for copies.
     * Negative when it failed. */
    int (*recv)(void *handle, struct peer_msg *msg, struct peer_tally *tally);
    /* All n; those of one fixed size lie side by side from vec[0] on. NULL: no such call. */
    int (*send_n)(void *handle, const struct peer_vec *vec, uint32_t n);
    /* At least one, at most n: how many. */
    int (*recv_n)(void *handle, struct peer_msg *msgs, uint32_t n, struct peer_tally *tally);
    /* What was received has been read. May be NULL. */
    void (*done)(void *handle);
};

PEER_INLINE int peer_stopped(const struct peer_source *source)
{
    /* relaxed: only that it stops soon matters; the counts are read after a join. */
    return __atomic_load_n(source->stop, __ATOMIC_RELAXED) != 0;
}

/* The messages between two looks at the stop. */
#define PEER_CHUNK 32u

PEER_INLINE uint32_t peer_chunk(const struct peer_source *source, uint32_t most)
{
    uint64_t left = source->end - source->id;
    return left < most ? (uint32_t)left : most;
}

PEER_INLINE int peer_produce_singles(void *handle, struct peer_source *source, uint32_t size,
                                     const struct peer_calls *calls)
{
    uint64_t words[PEER_SIZE_MAX / 8];
    int rc = 0;

    peer_prepare(words, size);
    do {
        uint64_t id = source->id, end = id + peer_chunk(source, PEER_CHUNK);
        for (; id != end && rc == 0; id++) {
            uint32_t length = size;
            const void *data = words;
            if (size == PEER_MIXED)
                data = peer_text(source, id, &length);
            else
                peer_fill(words, id, size);
            rc = calls->send(handle, data, length);
        }
        source->id = id;
    } while (rc == 0 && source->id != source->end && !peer_stopped(source));
    return rc;
}

PEER_INLINE int peer_produce_batches(void *handle, struct peer_source *source, uint32_t size,
                                     const struct peer_calls *calls)
{
    static __thread uint64_t words[PEER_ROOM / 8] __attribute__((aligned(128)));
    struct peer_vec vec[PEER_BATCH_MAX];
    int rc = 0;

    for (uint32_t i = 0; i < source->batch; i++) {
        vec[i].data = words + i * (size / 8);
        vec[i].size = size;
        peer_prepare(words + i * (size / 8), size);
    }
    do {
        uint32_t n = peer_chunk(source, source->batch);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t length;
            if (size == PEER_MIXED) {
                vec[i].data = peer_text(source, source->id + i, &length);
                vec[i].size = length;
            } else {
                peer_fill(words + i * (size / 8), source->id + i, size);
            }
        }
        rc = calls->send_n(handle, vec, n);
        source->id += n;
    } while (rc == 0 && source->id != source->end && !peer_stopped(source));
    return rc;
}

PEER_INLINE void peer_count(struct peer_tally *tally, uint64_t count)
{
    /* relaxed: what was summed up is read after a join. */
    __atomic_store_n(&tally->count, count, __ATOMIC_RELAXED);
}

PEER_INLINE int peer_consume_singles(void *handle, struct peer_tally *tally, uint32_t size,
                                     const struct peer_calls *calls)
{
    struct peer_seen seen = {0, 0, tally->last};
    uint64_t count = tally->count;
    struct peer_msg msg;
    int rc = 0;

    while (count != tally->limit) {
        rc = calls->recv(handle, &msg, tally);
        if (rc < 0)
            break;
        int stop = peer_see(tally, &seen, msg.data, msg.size, size);
        if (calls->done)
            calls->done(handle);
        if (stop)
            break;
        peer_count(tally, ++count);
    }
    peer_tally_seen(tally, &seen);
    return rc < 0 ? rc : 0;
}

PEER_INLINE int peer_consume_batches(void *handle, struct peer_tally *tally, uint32_t size,
                                     const struct peer_calls *calls)
{
    struct peer_seen seen = {0, 0, tally->last};
    struct peer_msg msgs[PEER_BATCH_MAX];
    uint64_t count = tally->count;
    int stop = 0, n = 0;

    while (count != tally->limit) {
        uint64_t left = tally->limit - count;
        n = calls->recv_n(handle, msgs, left < tally->batch ? (uint32_t)left : tally->batch, tally);
        if (n < 0)
            break;
        for (int i = 0; i < n && !stop; i++)
            stop = peer_see(tally, &seen, msgs[i].data, msgs[i].size, size);
        if (calls->done)
            calls->done(handle);
        if (stop)
            break;
        peer_count(tally, count += (uint64_t)n);
    }
    peer_tally_seen(tally, &seen);
    return n < 0 ? n : 0;
}

/* For entries of one size, and for one that is told by the source or tally. */
PEER_INLINE int peer_produce_size(void *handle, struct peer_source *source, uint32_t size,
                                  const struct peer_calls *calls)
{
    if (calls->send_n && source->batch > 1)
        return peer_produce_batches(handle, source, size, calls);
    return peer_produce_singles(handle, source, size, calls);
}

PEER_INLINE int peer_consume_size(void *handle, struct peer_tally *tally, uint32_t size,
                                  const struct peer_calls *calls)
{
    if (calls->recv_n && tally->batch > 1)
        return peer_consume_batches(handle, tally, size, calls);
    return peer_consume_singles(handle, tally, size, calls);
}

#define PEER_BY_SIZE(loop, handle, what, calls)                           \
    ((what)->size == 16           ? loop(handle, what, 16, calls)         \
     : (what)->size == 64         ? loop(handle, what, 64, calls)         \
     : (what)->size == 512        ? loop(handle, what, 512, calls)        \
     : (what)->size == 4096       ? loop(handle, what, 4096, calls)       \
     : (what)->size == PEER_MIXED ? loop(handle, what, PEER_MIXED, calls) \
                                  : loop(handle, what, (what)->size, calls))

PEER_INLINE int peer_produce_any(void *handle, struct peer_source *source,
                                 const struct peer_calls *calls)
{
    return PEER_BY_SIZE(peer_produce_size, handle, source, calls);
}

PEER_INLINE int peer_consume_any(void *handle, struct peer_tally *tally,
                                 const struct peer_calls *calls)
{
    return PEER_BY_SIZE(peer_consume_size, handle, tally, calls);
}

#endif
