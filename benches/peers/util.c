/* SPDX-License-Identifier: MIT */
/* Clock, processors, messages and failures. */
#include <benches/peers/message.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

uint64_t peer_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int peer_fail(const char *what, int code)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(-code));
    return code < 0 ? code : -EINVAL;
}

/* The processors the process started with: a pinned thread must not narrow the answer. */
static const cpu_set_t *start_cpus(void)
{
    static cpu_set_t cpus;

    if (CPU_COUNT(&cpus) == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        CPU_SET(0, &cpus);
    return &cpus;
}

unsigned peer_cpus(void)
{
    return (unsigned)CPU_COUNT(start_cpus());
}

int peer_pin(unsigned index)
{
    const cpu_set_t *cpus = start_cpus();
    unsigned skip = index % peer_cpus(), cpu = 0;
    cpu_set_t one;

    while (!CPU_ISSET(cpu, cpus) || skip-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof(one), &one) == 0 ? 0
                                                        : peer_fail("sched_setaffinity", -errno);
}

static uint64_t held_at_most = UINT64_MAX;

void peer_holds(uint64_t messages)
{
    held_at_most = messages < held_at_most ? messages : held_at_most;
}

uint32_t peer_capacity(const struct peer_run *run)
{
    return run->capacity < held_at_most ? run->capacity : (uint32_t)held_at_most;
}

void peer_pause(enum peer_wait wait)
{
    if (wait == PEER_YIELD)
        sched_yield();
    else
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#else
        __asm__ volatile("" ::: "memory");
#endif
}

void peer_prepare(uint64_t *words, uint32_t size)
{
    for (uint32_t i = 0; i < size / 8; i++)
        words[i] = i * PEER_MIX;
}

uint64_t peer_expected(uint64_t first, uint64_t count, uint32_t size)
{
    uint64_t rest = 0, sum = 0;

    if (size == PEER_MIXED) {
        for (uint64_t id = first; id != first + count; id++)
            sum += id * PEER_MIX;
        return sum;
    }
    for (uint32_t i = 0; i < size / 8; i++)
        rest += i % 8 > 1 ? i * PEER_MIX : 0;
    for (uint64_t id = first; id != first + count; id++)
        for (uint32_t i = 0; i < size / 8; i += 8)
            sum += (id + i) + ((id + i) ^ PEER_MIX);
    return sum + rest * count;
}
