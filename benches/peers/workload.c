/* SPDX-License-Identifier: MIT */
/* Which workload, and what several of them report. */
#include <benches/peers/workload.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int workload_run(const struct peer_run *run, struct workload_result *result)
{
    static const struct {
        const char *name;
        int (*body)(const struct peer_run *, struct workload_result *);
    } all[] = {
        {"one", workload_one},       {"throughput", workload_throughput},
        {"fanout", workload_fanout}, {"pingpong", workload_pingpong},
        {"loaded", workload_loaded}, {"steady", workload_steady},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i].name, run->workload) == 0)
            return all[i].body(run, result);
    return peer_fail(run->workload, -EINVAL);
}

void workload_add(struct workload_result *result, const char *key, double value)
{
    size_t n = 0;

    while (n < WORKLOAD_EXTRAS && result->extra[n].key)
        n++;
    if (n < WORKLOAD_EXTRAS)
        result->extra[n] = (struct workload_extra){key, value};
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void workload_percentiles(struct workload_result *result, uint64_t *ns, size_t count)
{
    static const struct {
        const char *key;
        double share;
    } all[] = {{"p50_ns", 0.5}, {"p99_ns", 0.99}, {"p999_ns", 0.999}, {"max_ns", 1}};

    qsort(ns, count, sizeof(ns[0]), compare);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && count > 0; i++)
        workload_add(result, all[i].key, (double)ns[(size_t)((double)(count - 1) * all[i].share)]);
}

long workload_resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *in = fopen("/proc/self/statm", "r");

    if (!in)
        return -1;
    int n = fscanf(in, "%ld %ld", &pages, &resident);
    fclose(in);
    return n == 2 ? resident * (sysconf(_SC_PAGESIZE) / 1024) : -1;
}
