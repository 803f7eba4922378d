/* SPDX-License-Identifier: MIT */
/*
 * The floor that the figures are divided by. The atomic goes through the project's own header,
 * as do those of the peers; quire is measured through its public header only.
 */
#include <benches/bench_message.h>
#include <pages/base/atomic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS          1000000u
#define BENCH_SIZE_BARE 16ull

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

struct rally {
    _Alignas(128) qr_atomic_u64 ball;
    _Alignas(128) double ns; /* of one round trip */
};
#define RALLIES 20000u
#define PART    500u

static void hit(struct rally *rally, uint64_t seen)
{
    /* acquire and release: each side's write is the other's read */
    while (qr_load_acquire(&rally->ball) != seen)
        ;
    qr_store_release(&rally->ball, seen + 1);
}

static void *return_ball(void *argument)
{
    if (bench_pin(1) != 0)
        return argument;
    for (uint64_t i = 0; i < RALLIES; i++)
        hit(argument, 2 * i + 1);
    return NULL;
}

static void *serve_ball(void *argument)
{
    struct rally *rally = argument;
    uint64_t begin = 0;

    if (bench_pin(0) != 0)
        return argument;
    rally->ns = 1e9;
    for (uint64_t i = 0; i < RALLIES; i++) {
        hit(rally, 2 * i);
        if (i % PART != 0)
            continue;
        /* The best part: in the others somebody else had a processor. */
        uint64_t now = bench_now_ns();
        double ns = (double)(now - begin) / PART;
        rally->ns = i > 0 && ns < rally->ns ? ns : rally->ns;
        begin = now;
    }
    return NULL;
}

/* Threads of their own, so that the caller stays where it may go. */
int bench_floor_line(double *ns)
{
    struct rally rally = {0};
    pthread_t threads[2];
    void *failed[2];
    int error = pthread_create(&threads[0], NULL, return_ball, &rally);

    if (error == 0)
        error = pthread_create(&threads[1], NULL, serve_ball, &rally);
    if (error != 0)
        return bench_fail("pthread_create", -error); /* the process ends, and a first thread too */
    pthread_join(threads[0], &failed[0]);
    pthread_join(threads[1], &failed[1]);
    *ns = rally.ns;
    return failed[0] || failed[1] ? QUIRE_EINVAL : 0;
}

/* A page of nothing but a claim word, an index and data: what no send can do without. */
#define SLOTS 43690u
struct bare {
    _Alignas(128) qr_atomic_u64 claim; /* units:47 | count:17 */
    _Alignas(128) qr_atomic_u64 slots[SLOTS];
    unsigned char data[SLOTS * (BENCH_SIZE_BARE + 8)];
};

/* Eight bytes at a time: they were stored so just before. */
__attribute__((noinline)) static int bare_send(struct bare *bare, const uint64_t *words)
{
    /* One thread: the orders are those of a real send, and cost the same here. */
    uint64_t old = qr_add_acquire(&bare->claim, (BENCH_SIZE_BARE / 8 + 1) << 17 | 1);
    uint64_t slot = old & 0x1ffff;
    unsigned char *at = bare->data + (old >> 17) * 8;
    uint64_t length = BENCH_SIZE_BARE;

    if (slot >= SLOTS)
        return -1;
    memcpy(at, &length, sizeof(length));
    memcpy(at + 8, &words[0], sizeof(words[0]));
    KEEP(at); /* two words: one load of both would wait for the two stores that filled them */
    memcpy(at + 16, &words[1], sizeof(words[1]));
    qr_store_release(&bare->slots[slot], old);
    return 0;
}

int bench_floor_send(double *ns)
{
    struct bare *bare = aligned_alloc(128, sizeof(*bare));
    uint64_t words[2], begin = 0;

    if (!bare)
        return bench_fail("memory", QUIRE_ENOSPC);
    memset(bare, 0, sizeof(*bare));
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % SLOTS == 0)
            qr_store_relaxed(&bare->claim, 0); /* the next page; one thread */
        if (i == SLOTS)
            begin = bench_cpu_ns(); /* all of it was written once */
        bench_fill(words, i, BENCH_SIZE_BARE);
        KEEP(words);
        if (bare_send(bare, words) != 0)
            break;
    }
    *ns = (double)(bench_cpu_ns() - begin) / (ROUNDS - SLOTS);
    free(bare);
    return 0;
}

/* Two threads that send so into one page at once: claims on one word, and nothing else to do. */
#define PASSES 16u
struct bare_pair {
    struct bare *bare;
    pthread_barrier_t turn;
    uint64_t ns;
};

static void *bare_both(void *argument, unsigned cpu)
{
    struct bare_pair *pair = argument;
    uint64_t words[2];
    int rc = bench_pin(cpu);

    bench_fill(words, cpu, BENCH_SIZE_BARE);
    for (unsigned pass = 0; pass < PASSES; pass++) {
        if (cpu == 0)
            qr_store_relaxed(&pair->bare->claim, 0); /* the next page; the barrier orders it */
        pthread_barrier_wait(&pair->turn);
        uint64_t begin = bench_now_ns();
        while (bare_send(pair->bare, words) == 0)
            ;
        pthread_barrier_wait(&pair->turn);
        if (cpu == 0 && pass > 0) /* the first one touched it */
            pair->ns += bench_now_ns() - begin;
    }
    return rc == 0 ? NULL : argument;
}
static void *bare_first(void *pair)
{
    return bare_both(pair, 0);
}
static void *bare_second(void *pair)
{
    return bare_both(pair, 1);
}

int bench_floor_send_two(double *ns)
{
    struct bare_pair pair = {.bare = aligned_alloc(128, sizeof(*pair.bare))};
    pthread_t threads[2];
    void *failed[2];

    if (!pair.bare)
        return bench_fail("memory", QUIRE_ENOSPC);
    memset(pair.bare, 0, sizeof(*pair.bare));
    pthread_barrier_init(&pair.turn, NULL, 2);
    int error = pthread_create(&threads[0], NULL, bare_first, &pair);
    if (error == 0)
        error = pthread_create(&threads[1], NULL, bare_second, &pair);
    if (error != 0)
        return bench_fail("pthread_create", -error); /* the process ends, and a first thread too */
    pthread_join(threads[0], &failed[0]);
    pthread_join(threads[1], &failed[1]);
    pthread_barrier_destroy(&pair.turn);
    free(pair.bare);
    *ns = (double)pair.ns / (SLOTS * (PASSES - 1.0));
    return failed[0] || failed[1] ? QUIRE_EINVAL : 0;
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
