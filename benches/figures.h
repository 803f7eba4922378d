/* SPDX-License-Identifier: MIT */
/* The parts of quire_figures, and what they share. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <benches/bench.h>
#include <benches/bench_report.h>
#include <string.h>

struct figures_options {
    uint64_t messages; /* of one measurement; batches take four times as many */
    uint64_t page_size;
    uint32_t max_pages;
    uint32_t wait;    /* enum quire_wait, threads only */
    const char *only; /* measure cases whose key contains this; NULL: all */
    const char *dir;  /* where channels are made; NULL: cases on a directory are left out */
};

extern const struct bench_part figures_floor;    /* what the machine itself takes */
extern const struct bench_part figures_cases;    /* messages through quire, and through others */
extern const struct bench_part figures_open;     /* how long opening takes */
extern const struct bench_part figures_resident; /* what an open channel holds in memory */

static inline int figures_wanted(const struct figures_options *options, const char *key)
{
    return !options->only || strstr(key, options->only) != NULL;
}

#endif
