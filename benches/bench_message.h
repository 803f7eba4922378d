/* SPDX-License-Identifier: MIT */
/*
 * What the messages hold and how the receiver proves that it got them: every message carries its
 * id in every word, and the receiver adds up a non-linear weight of all its bytes. Count and sum
 * do not depend on the order; per producer the ids must rise.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <benches/bench.h>

/* id: producer in the high bits, its messages counted below. */
#define BENCH_ID_BITS           40
#define BENCH_ID(producer, seq) ((uint64_t)(producer) << BENCH_ID_BITS | (uint64_t)(seq))
#define BENCH_ID_STOP           UINT64_MAX
#define BENCH_MIX               0x9e3779b97f4a7c15ull

struct bench_tally {
    uint64_t count;
    uint64_t sum;
    uint64_t disorder;                /* messages of one producer out of their order */
    uint64_t next[BENCH_THREADS_MAX]; /* smallest seq that may follow, per producer */
};

/*
 * Filling and checking is part of every figure, so it has to be cheap: callers run their loops
 * once for each size that is measured, with the size as a constant.
 */
#define BENCH_INLINE static inline __attribute__((always_inline))
#define BENCH_BY_SIZE(size, loop, ...)      \
    ((size) == 16   ? loop(__VA_ARGS__, 16) \
     : (size) == 64 ? loop(__VA_ARGS__, 64) \
                    : loop(__VA_ARGS__, (size)))

BENCH_INLINE void bench_fill(uint64_t *words, uint64_t id, uint32_t size)
{
    for (uint32_t i = 0; i < size / 16; i++) {
        words[2 * i] = id + i;
        words[2 * i + 1] = (id + i) ^ BENCH_MIX;
    }
}

BENCH_INLINE uint64_t bench_weigh(const uint64_t *words, uint32_t size)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < size / 16; i++)
        sum += words[2 * i] * words[2 * i + 1];
    return sum;
}

/* Takes one message into account. */
BENCH_INLINE void bench_tally_add(struct bench_tally *tally, const uint64_t *words, uint32_t size)
{
    uint64_t id = words[0];
    uint64_t seq = id & ((1ull << BENCH_ID_BITS) - 1);
    uint64_t *next = &tally->next[(id >> BENCH_ID_BITS) % BENCH_THREADS_MAX];

    tally->count++;
    tally->sum += bench_weigh(words, size);
    tally->disorder += seq < *next;
    *next = seq + 1;
}

/* The same for one producer whose messages must come one after the other from next[0] on. */
BENCH_INLINE void bench_tally_next(struct bench_tally *tally, const uint64_t *words, uint32_t size)
{
    tally->count++;
    tally->sum += bench_weigh(words, size);
    tally->disorder |= words[0] ^ tally->next[0]++;
}

/* The sum that count messages of one producer must yield, computed from the ids alone. */
uint64_t bench_expected(uint64_t first, uint64_t count, uint32_t size);

#endif
