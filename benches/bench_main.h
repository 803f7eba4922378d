/* SPDX-License-Identifier: MIT */
/*
 * The frame of a program that measures: its options, the loop over the runs, the directory and the
 * report. A program is the table of what is its own.
 */
#ifndef BENCH_MAIN_H
#define BENCH_MAIN_H

#include <benches/bench.h>
#include <benches/bench_report.h>

#define BENCH_NUMBERS 6u
#define BENCH_TEXTS   4u

struct bench_number {
    const char *name; /* of the option */
    uint64_t least;
    uint64_t most;
    uint64_t quick; /* what --quick makes of it; 0: nothing */
    uint64_t *wide; /* where it goes: one of these two, which holds the default before */
    uint32_t *narrow;
};

struct bench_text {
    const char *name;
    int (*set)(const char *text); /* 0, or -1 after a line on stderr */
};

struct bench_program {
    const char *name;
    const char *help; /* after the usage line: what it measures, and the options up to --quick */
    struct bench_number numbers[BENCH_NUMBERS]; /* up to the first without name, as texts */
    struct bench_text texts[BENCH_TEXTS];
    int no_dir;    /* it takes --no-dir: without a directory it measures less */
    int only_part; /* it takes --only, with the key of a part */
    const char **dir;
    const void *options;                   /* handed to each part */
    const struct bench_part *const *parts; /* up to NULL */
};

/*
 * All that main does; returns what it returns. While parts run *dir is a directory of their own,
 * or NULL for --no-dir.
 */
int bench_main(int argc, char **argv, const struct bench_program *program);

#endif
