/* SPDX-License-Identifier: MIT */
/* The workloads: what is done with a queue, and what is measured of it. */
#ifndef BENCH_PEER_WORKLOAD_H
#define BENCH_PEER_WORKLOAD_H

#include <benches/peers/peer.h>

#define WORKLOAD_EXTRAS     8u
#define WORKLOAD_SERIES_MAX 3600u
#define WORKLOAD_SKIPPED    1 /* does not apply to this queue; said on stderr */

struct workload_extra {
    const char *key;
    double value;
};

struct workload_result {
    uint64_t messages;
    double seconds;
    double rate;                                      /* messages a second; fanout: deliveries */
    struct workload_extra extra[WORKLOAD_EXTRAS + 1]; /* up to key NULL */
    double series[WORKLOAD_SERIES_MAX];
    size_t series_count;
    long resident_kib; /* while the queue was open */
};

/* 0; WORKLOAD_SKIPPED; or a negative code after a line on stderr. */
int workload_run(const struct peer_run *run, struct workload_result *result);

int workload_one(const struct peer_run *run, struct workload_result *result);
int workload_throughput(const struct peer_run *run, struct workload_result *result);
int workload_fanout(const struct peer_run *run, struct workload_result *result);
int workload_pingpong(const struct peer_run *run, struct workload_result *result);
int workload_loaded(const struct peer_run *run, struct workload_result *result);
int workload_steady(const struct peer_run *run, struct workload_result *result);

void workload_add(struct workload_result *result, const char *key, double value);
/* Sorts ns and adds p50_ns, p99_ns, p999_ns and max_ns. */
void workload_percentiles(struct workload_result *result, uint64_t *ns, size_t count);
/* Memory of this process that is resident now. */
long workload_resident_kib(void);

#endif
