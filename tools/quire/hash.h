/* SPDX-License-Identifier: MIT */
/*
 * A 64-bit hash of bytes and an account that does not depend on order: how many, and the sum and
 * the exclusive or of their hashes. Two accounts agree when the same messages went into both,
 * each as often, in whatever order.
 */
#ifndef CLI_HASH_H
#define CLI_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CLI_HASH_ODD 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio */

/* A bijection in which every bit of x reaches every bit of the result (splitmix64). */
static inline uint64_t cli_hash_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* Up to 8 bytes as a little-endian number. */
static inline uint64_t cli_hash_load(const unsigned char *p, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, p, size < 8 ? size : 8);
    return word;
}

/* Two lanes, since one would wait for its own multiplication. */
static inline uint64_t cli_hash_bytes(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t a = CLI_HASH_ODD ^ size, b = ~a;
    size_t i = 0;
    for (; i + 16 <= size; i += 16) {
        a = (a ^ cli_hash_load(p + i, 8)) * 0xbf58476d1ce4e5b9ull;
        a ^= a >> 32;
        b = (b ^ cli_hash_load(p + i + 8, 8)) * 0x94d049bb133111ebull;
        b ^= b >> 29;
    }
    if (size - i >= 8) {
        a = (a ^ cli_hash_load(p + i, 8)) * 0xbf58476d1ce4e5b9ull;
        a ^= a >> 32;
        i += 8;
    }
    if (i < size)
        b = (b ^ cli_hash_load(p + i, size - i)) * 0x94d049bb133111ebull;
    return cli_hash_mix(a + cli_hash_mix(b));
}

struct cli_account {
    uint64_t count;
    uint64_t bytes;
    uint64_t sum;
    uint64_t xored;
};

static inline void cli_account_add(struct cli_account *account, uint64_t bytes, uint64_t hash)
{
    account->count++;
    account->bytes += bytes;
    account->sum += hash;
    account->xored ^= hash;
}

static inline void cli_account_merge(struct cli_account *into, const struct cli_account *from)
{
    into->count += from->count;
    into->bytes += from->bytes;
    into->sum += from->sum;
    into->xored ^= from->xored;
}

static inline int cli_account_equal(const struct cli_account *a, const struct cli_account *b)
{
    return a->count == b->count && a->bytes == b->bytes && a->sum == b->sum && a->xored == b->xored;
}

#endif
