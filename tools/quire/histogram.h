/* SPDX-License-Identifier: MIT */
/*
 * Counts of durations in nanoseconds: 32 steps to each power of two, so a percentile is at most
 * 3 % too high; the largest and smallest are exact. One writer; merge when the writers are done.
 */
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define CLI_HISTOGRAM_STEPS 32u
#define CLI_HISTOGRAM_BINS  (60u * CLI_HISTOGRAM_STEPS)

struct cli_histogram {
    uint64_t count;
    uint64_t min;
    uint64_t max;
    uint64_t bins[CLI_HISTOGRAM_BINS];
};

void cli_histogram_reset(struct cli_histogram *h);

/* Values below 32 have a bin each; from there 32 bins to a power of two. */
static inline uint32_t cli_histogram_bin(uint64_t value)
{
    if (value < CLI_HISTOGRAM_STEPS)
        return (uint32_t)value;
    uint32_t shift = 58u - (uint32_t)__builtin_clzll(value); /* keeps the top 6 bits */
    return shift * CLI_HISTOGRAM_STEPS + (uint32_t)(value >> shift);
}

static inline void cli_histogram_add(struct cli_histogram *h, uint64_t value)
{
    h->bins[cli_histogram_bin(value)]++;
    h->count++;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

void cli_histogram_merge(struct cli_histogram *into, const struct cli_histogram *from);

/* The value that the given share (0..1) of the values does not exceed; 0 when empty. */
uint64_t cli_histogram_quantile(const struct cli_histogram *h, double share);

/* Rows of a bar chart by powers of two, at most 20 of them, within 80 columns. */
void cli_histogram_print(const struct cli_histogram *h, FILE *out);

#endif
