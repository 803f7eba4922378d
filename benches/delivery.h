/* SPDX-License-Identifier: MIT */
/* The parts of quire_delivery: what acknowledgement costs, and what many groups cost. */
#ifndef BENCH_DELIVERY_H
#define BENCH_DELIVERY_H

#include <benches/bench.h>
#include <benches/bench_report.h>

struct delivery_options {
    uint64_t messages; /* of one measurement */
    uint32_t groups;   /* of "many" */
    const char *dir;   /* on a disk */
};

extern const struct bench_part delivery_ack;
extern const struct bench_part delivery_groups;

#endif
