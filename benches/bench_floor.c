/* SPDX-License-Identifier: MIT */
/*
 * The floor that the figures are divided by. The atomic goes through the project's own header,
 * as do those of the peers; quire is measured through its public header only.
 */
#include <benches/bench_message.h>
#include <pages/base/atomic.h>
#include <string.h>

#define ROUNDS 1000000u

/* The compiler must neither drop a result nor move work out of the clock's reach. */
#define KEEP(value) __asm__ __volatile__("" : : "r"(value) : "memory")

double bench_floor_xadd(void)
{
    static struct {
        _Alignas(128) qr_atomic_u64 word;
    } alone;
    uint64_t sum = 0;
    uint64_t begin = bench_cpu_ns();

    for (unsigned i = 0; i < ROUNDS; i++) {
        /* Pairs with nothing: one thread, only its cost is of interest. The result is used, so
         * that it stays a fetch-add. */
        sum += qr_add_acquire(&alone.word, 1);
        KEEP(sum);
    }
    return (double)(bench_cpu_ns() - begin) / ROUNDS;
}

BENCH_INLINE double copies(unsigned rounds, uint32_t size)
{
    static unsigned char from[64][BENCH_SIZE_MAX];
    static unsigned char to[64][BENCH_SIZE_MAX];
    uint64_t begin = bench_cpu_ns();

    for (unsigned i = 0; i < rounds; i++) {
        memcpy(to[i % 64], from[(i + 7) % 64], size);
        KEEP(to);
    }
    return (double)(bench_cpu_ns() - begin) / rounds;
}

double bench_floor_memcpy(uint32_t size)
{
    return BENCH_BY_SIZE(size, copies, ROUNDS);
}

/* What the loops around quire do, with a buffer in its place. */
BENCH_INLINE double harness(struct bench_tally *out, uint32_t size)
{
    struct bench_tally tally = {0};
    uint64_t words[BENCH_SIZE_MAX / 8];
    uint64_t begin = bench_cpu_ns();

    for (uint64_t i = 0; i < ROUNDS; i++) {
        bench_fill(words, i, size);
        KEEP(words);
        bench_tally_next(&tally, words, size);
    }
    *out = tally;
    return (double)(bench_cpu_ns() - begin) / ROUNDS;
}

int bench_floor_harness(uint32_t size, double *ns)
{
    struct bench_tally tally;

    *ns = BENCH_BY_SIZE(size, harness, &tally);
    if (tally.count != ROUNDS || tally.disorder != 0 ||
        tally.sum != bench_expected(0, ROUNDS, size))
        return bench_fail("harness: wrong sum", QUIRE_CORRUPT);
    return 0;
}
