/* SPDX-License-Identifier: MIT */
/* Random numbers that are the same in every run: splitmix64. */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

struct random {
    uint64_t state; /* any value is a seed */
};

static inline uint64_t random_next(struct random *random)
{
    random->state += 0x9e3779b97f4a7c15ull;
    return random_mix(random->state);
}

/* 0 .. limit - 1; limit > 0. The bias is of no interest to a test. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return random_next(random) % limit;
}

#endif
