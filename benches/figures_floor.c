/* SPDX-License-Identifier: MIT */
/* What the machine itself takes, with no queue. */
#include <benches/figures.h>

static struct bench_figure xadd = {"floor.xadd_ns", "lock xadd, one thread", "ns", 0, {0}};
static struct bench_figure memcpy_16 = {"floor.memcpy16_ns", "memcpy 16 B, hot", "ns", 0, {0}};
static struct bench_figure memcpy_64 = {"floor.memcpy64_ns", "memcpy 64 B, hot", "ns", 0, {0}};
static struct bench_figure bare_send = {
    "floor.send16_ns", "bare claim, copy, publish 16 B", "ns", 0, {0}};
static struct bench_figure bare_two = {
    "floor.send16_two_ns", "  the same by two threads at once", "ns", 0, {0}};
static struct bench_figure line_trip = {
    "floor.line_ns", "cache line to the other core and back", "ns", 0, {0}};
static struct bench_figure harness_16 = {
    "floor.harness16_ns", "fill and check 16 B, no queue", "ns", 0, {0}};
static struct bench_figure harness_64 = {
    "floor.harness64_ns", "fill and check 64 B, no queue", "ns", 0, {0}};

static int run(const void *opaque)
{
    const struct figures_options *options = opaque;
    double ns;

    if (!figures_wanted(options, "floor"))
        return 0;
    bench_figure_add(&xadd, bench_floor_xadd());
    bench_figure_add(&memcpy_16, bench_floor_memcpy(16));
    bench_figure_add(&memcpy_64, bench_floor_memcpy(64));
    int rc = bench_floor_send(&ns);
    if (rc != 0)
        return rc;
    bench_figure_add(&bare_send, ns);
    if (bench_cpus() > 1) {
        rc = bench_floor_line(&ns);
        if (rc != 0)
            return rc;
        bench_figure_add(&line_trip, ns);
        rc = bench_floor_send_two(&ns);
        if (rc != 0)
            return rc;
        bench_figure_add(&bare_two, ns);
    }
    rc = bench_floor_harness(16, &ns);
    if (rc != 0)
        return rc;
    bench_figure_add(&harness_16, ns);
    rc = bench_floor_harness(64, &ns);
    if (rc == 0)
        bench_figure_add(&harness_64, ns);
    return rc;
}

static struct bench_figure *const figures[] = {
    &xadd,      &memcpy_16,  &memcpy_64,  &bare_send, &bare_two,
    &line_trip, &harness_16, &harness_64, NULL,
};
static struct bench_goal *const goals[] = {NULL};
const struct bench_part figures_floor = {"floor", run, figures, goals};
