/* SPDX-License-Identifier: MIT */
/* Minutes on a small ring on a disk: the rate of each second, memory, and what is written. */
#include <benches/peers/crew.h>
#include <benches/peers/workload.h>
#include <stdio.h>

/* Bytes this process has had sent to a device. What was written back for the kernel's own
 * reasons after a file is gone is not in it. */
static double written(void)
{
    unsigned long long bytes = 0;
    char line[128];
    FILE *in = fopen("/proc/self/io", "r");

    while (in && fgets(line, sizeof(line), in))
        if (sscanf(line, "write_bytes: %llu", &bytes) == 1)
            break;
    if (in)
        fclose(in);
    return (double)bytes;
}

int workload_steady(const struct peer_run *run, struct workload_result *result)
{
    static struct crew crew;
    uint64_t messages = 0, ns = 0;

    if ((run->peer->traits & PEER_STEADY) == 0) {
        fprintf(stderr, "%s: not on disk\n", run->peer->name);
        return WORKLOAD_SKIPPED;
    }
    int rc = crew_open(&crew, run, run->peer);
    if (rc == 0)
        rc = crew_pass(&crew, 0.5, &messages, &ns);
    double before = written();
    workload_add(result, "resident_begin_kib", (double)workload_resident_kib());
    /* A pass for each second: each is verified for itself. */
    while (rc == 0 && result->seconds < run->seconds &&
           result->series_count < WORKLOAD_SERIES_MAX) {
        rc = crew_pass(&crew, 1, &messages, &ns);
        result->series[result->series_count++] = (double)messages / ((double)ns / 1e9);
        result->seconds += (double)ns / 1e9;
        result->messages += messages;
    }
    if (rc != 0)
        return rc;
    result->resident_kib = workload_resident_kib();
    workload_add(result, "resident_end_kib", (double)result->resident_kib);
    workload_add(result, "written", (written() - before) / (double)result->messages);
    result->rate = (double)result->messages / result->seconds;
    crew_close(&crew);
    return 0;
}
