/* SPDX-License-Identifier: MIT */
/* What quire_figures measures: the table of cases, the goals, and one run over them. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <benches/bench.h>
#include <benches/bench_report.h>

struct figures_options {
    unsigned runs;
    uint64_t messages; /* of one measurement; batches take four times as many */
    uint64_t page_size;
    uint32_t max_pages;
    uint32_t wait;    /* enum quire_wait, threads only */
    const char *only; /* measure cases whose key contains this; NULL: all */
    const char *dir;  /* where channels are made; NULL: cases on a directory are left out */
};

/* One run over all cases. Returns 0, or a code when anything failed or did not verify. */
int figures_run(const struct figures_options *options);
/* After the last run: fills in the goals. */
void figures_derive(void);

/* Up to NULL. */
const struct bench_figure *const *figures_all(void);
const struct bench_goal *const *figures_goals(void);

#endif
