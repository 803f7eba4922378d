/* SPDX-License-Identifier: MIT */
/*
 * What the messages hold, and how a consumer proves that it got them. Every cache line of a
 * message carries its id, the words between are the same in all messages: so a line of another
 * message is seen at once, and any other damage in the sum. Text is compared byte by byte.
 *
 * Filling and checking is part of every figure: callers pass the size as a constant.
 */
#ifndef BENCH_PEER_MESSAGE_H
#define BENCH_PEER_MESSAGE_H

#include <benches/peers/peer.h>
#include <benches/peers/trace.h>
#include <string.h>

/* id: producer in the high bits, its messages counted below. */
#define PEER_ID_BITS           40
#define PEER_ID(producer, seq) ((uint64_t)(producer) << PEER_ID_BITS | (uint64_t)(seq))
#define PEER_ID_STOP           UINT64_MAX
#define PEER_SEQ(id)           ((id) & ((1ull << PEER_ID_BITS) - 1))
#define PEER_MIX               0x9e3779b97f4a7c15ull

#ifdef __cplusplus
extern "C" {
#endif

/* Once for each buffer: the words that stay. */
void peer_prepare(uint64_t *words, uint32_t size);
/* What sum the messages first.. of one producer must yield. */
uint64_t peer_expected(uint64_t first, uint64_t count, uint32_t size);

#ifdef __cplusplus
}
#endif

PEER_INLINE void peer_fill(uint64_t *words, uint64_t id, uint32_t size)
{
    for (uint32_t i = 0; i < size / 8; i += 8) {
        words[i] = id + i;
        words[i + 1] = (id + i) ^ PEER_MIX;
    }
}

/* The next message of mixed text, id in front. */
PEER_INLINE const void *peer_text(const struct peer_source *source, uint64_t id, uint32_t *size)
{
    const struct trace_entry *entry = trace_entry(PEER_SEQ(id));
    unsigned char *at = source->text + entry->offset;

    memcpy(at, &id, sizeof(id));
    *size = entry->size;
    return at;
}

/* What a loop has seen: at hand while it runs, added to its tally when it ends. */
struct peer_seen {
    uint64_t sum;
    uint64_t wrong;
    uint64_t last;
};

PEER_INLINE void peer_see_text(struct peer_seen *seen, const void *data, uint32_t size, uint64_t id)
{
    const struct trace_entry *entry = trace_entry(PEER_SEQ(id));

    if (size != entry->size ||
        memcmp((const unsigned char *)data + sizeof(id), trace_text() + entry->offset + sizeof(id),
               size - sizeof(id)) != 0)
        seen->wrong |= 1;
    seen->sum += id * PEER_MIX;
}

/* Two words of a message, wherever it lies. */
typedef uint64_t peer_pair __attribute__((vector_size(16), aligned(8), may_alias));

/* The sum of all words. Four sums at a time: with one, adding would take longer than copying. */
PEER_INLINE uint64_t peer_sum(const uint64_t *words, uint32_t size)
{
    peer_pair a = {0}, b = {0}, c = {0}, d = {0};
    uint32_t i = 0;

    for (; i + 8 <= size / 8; i += 8) {
        a += *(const peer_pair *)(words + i);
        b += *(const peer_pair *)(words + i + 2);
        c += *(const peer_pair *)(words + i + 4);
        d += *(const peer_pair *)(words + i + 6);
    }
    for (; i < size / 8; i += 2)
        a += *(const peer_pair *)(words + i);
    a += b + c + d;
    return a[0] + a[1];
}

PEER_INLINE void peer_see_words(struct peer_seen *seen, const uint64_t *words, uint32_t size,
                                uint64_t id)
{
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < size / 8; i += 8)
        wrong |= (words[i] ^ (id + i)) | (words[i + 1] ^ ((id + i) ^ PEER_MIX));
    seen->sum += peer_sum(words, size);
    seen->wrong |= wrong;
}

/* Takes one message into account; size is what the run asked for, got what came. 1: the stop. */
PEER_INLINE int peer_see(struct peer_tally *tally, struct peer_seen *seen, const void *data,
                         uint32_t got, uint32_t size)
{
    uint64_t id;

    memcpy(&id, data, sizeof(id));
    if (id == PEER_ID_STOP)
        return 1;
    if (size == PEER_MIXED)
        peer_see_text(seen, data, got, id);
    else
        peer_see_words(seen, (const uint64_t *)data, size, id);
    if (size != PEER_MIXED && got != size)
        seen->wrong |= 1;
    if (tally->ordered) {
        uint64_t *next = &tally->next[(id >> PEER_ID_BITS) % PEER_THREADS_MAX];
        seen->wrong |= PEER_SEQ(id) < *next;
        *next = PEER_SEQ(id) + 1;
    }
    seen->last = id;
    return 0;
}

PEER_INLINE void peer_tally_seen(struct peer_tally *tally, const struct peer_seen *seen)
{
    tally->sum += seen->sum;
    tally->wrong |= seen->wrong;
    tally->last = seen->last;
}

#endif
