/* SPDX-License-Identifier: MIT */
/* Samples of the runs, goals as ratios between them, and how both are printed. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#define BENCH_RUNS_MAX 31u

/* One measured quantity, one sample per run. */
struct bench_figure {
    const char *key;   /* in JSON */
    const char *label; /* at most 38 columns */
    const char *unit;  /* at most 8 columns */
    unsigned runs;
    double sample[BENCH_RUNS_MAX];
};

enum bench_bound {
    BENCH_AT_MOST = 0, /* the median of the runs */
    BENCH_AT_LEAST = 1,
    BENCH_NEVER_ABOVE = 2 /* each run */
};

/* A figure derived run by run, with the bound it shall keep. */
struct bench_goal {
    struct bench_figure ratio;
    enum bench_bound bound;
    double limit;
};

/* What a program measures, part by part. Each part owns its figures and goals. */
struct bench_part {
    const char *key;
    /* One run: adds one sample to each figure and goal that this machine and the options allow.
     * 0, or a code when anything failed or did not verify. */
    int (*run)(const void *options);
    struct bench_figure *const *figures; /* up to NULL */
    struct bench_goal *const *goals;     /* up to NULL */
};

struct bench_spread {
    double median;
    double min;
    double max;
};

struct bench_report {
    const char *version;
    unsigned runs;
    unsigned cpus;
    double load;                           /* of the machine before the first run */
    const struct bench_part *const *parts; /* up to NULL */
};

struct bench_spread bench_spread_of(const struct bench_figure *figure);
void bench_figure_add(struct bench_figure *figure, double sample);

/* Goals that have samples and are not met. */
unsigned bench_missed(const struct bench_report *report);

/* Figures without samples (left out on this machine) are not printed. */
void bench_print_table(FILE *out, const struct bench_report *report);
void bench_print_json(FILE *out, const struct bench_report *report);

#endif
