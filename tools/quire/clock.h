/* SPDX-License-Identifier: MIT */
/* The clock every deadline and latency is told in: CLOCK_MONOTONIC, nanoseconds. */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLI_MS     1000000ull
#define CLI_SECOND 1000000000ull

static inline uint64_t cli_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * CLI_SECOND + (uint64_t)t.tv_nsec;
}

static inline double cli_seconds(uint64_t ns)
{
    return (double)ns / (double)CLI_SECOND;
}

#endif
