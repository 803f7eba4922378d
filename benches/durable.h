/* SPDX-License-Identifier: MIT */
/* What the parts of quire_durable share. */
#ifndef BENCH_DURABLE_H
#define BENCH_DURABLE_H

#include <benches/bench.h>
#include <benches/bench_report.h>

struct durable_options {
    uint32_t commits;  /* single durable messages of one measurement */
    uint64_t stream;   /* messages of one measurement of a rate without waiting */
    uint32_t paced_ms; /* how long messages are sent by the clock */
    const char *dir;   /* where channels and files are made */
};

extern const struct bench_part durable_each;     /* one message, one commit; group commit */
extern const struct bench_part durable_flight;   /* 64 on their way, in an event loop */
extern const struct bench_part durable_bytes;    /* what the device is given to write */
extern const struct bench_part durable_interval; /* rate against no durability */
extern const struct bench_part durable_paced;    /* a send by the clock, across page turns */

#define DURABLE_FIGURE(key, label, unit) \
    {                                    \
        key, label, unit, 0,             \
        {                                \
            0                            \
        }                                \
    }
#define DURABLE_GOAL(key, label, unit, bound, limit)       \
    {                                                      \
        DURABLE_FIGURE(key, label, unit), (bound), (limit) \
    }

/* A fresh directory channel of the default size with these settings. */
int durable_open(const struct durable_options *options, const struct quire_options *how,
                 struct bench_channel *out);
/*
 * Closes the channel, opens it again, and receives what is there: producers times each messages of
 * size bytes, with ids from 0 on, in order, and nothing else. Then removes it.
 */
int durable_read_back(struct bench_channel *bench, unsigned producers, uint64_t each,
                      uint32_t size);
/* Sends the message id of size bytes: a multiple of 16, or 4 more. */
int durable_send(quire_tx_t *tx, uint64_t id, uint32_t size);

/* 1 where io_uring is not refused. */
int durable_has_uring(void);

/* Sorts; p in percent. */
double durable_percentile(uint64_t *ns, size_t count, double p);

/* The floor: files of its own in dir, 4 KiB blocks. */
struct durable_floor {
    int direct; /* opened O_DIRECT and O_DSYNC */
    int mapped;
    void *block;
    unsigned char *map;
    uint32_t next; /* block that is written next */
};
int durable_floor_open(const char *dir, struct durable_floor *floor);
void durable_floor_close(struct durable_floor *floor);
/* One 4 KiB write that is durable when it returns: ns. */
int durable_floor_direct(struct durable_floor *floor, uint64_t *ns);
/* Stores to that many blocks of a mapping, and fdatasync: ns. */
int durable_floor_mapped(struct durable_floor *floor, uint32_t blocks, uint64_t *ns);
/* A futex wake of another thread, and its wake back: p50 in ns. */
int durable_floor_wake(double *ns);

#endif
