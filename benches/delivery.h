/* SPDX-License-Identifier: MIT */
/* The parts of quire_delivery: what acknowledgement costs, and what many groups cost. */
#ifndef BENCH_DELIVERY_H
#define BENCH_DELIVERY_H

#include <benches/bench.h>
#include <benches/bench_report.h>

struct delivery_options {
    unsigned runs;
    uint64_t messages; /* of one measurement */
    uint32_t groups;   /* of "many" */
    const char *dir;   /* on a disk */
};

struct delivery_part {
    /* One run: adds one sample to each figure and goal. 0, or a code when something failed or did
     * not verify. */
    int (*run)(const struct delivery_options *options);
    struct bench_figure *const *figures; /* up to NULL */
    struct bench_goal *const *goals;     /* up to NULL */
};

extern const struct delivery_part delivery_ack;
extern const struct delivery_part delivery_groups;

#endif
