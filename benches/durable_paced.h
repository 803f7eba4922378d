/* SPDX-License-Identifier: MIT */
/* The parts of the paced bench: its loop, the bare ring beside it, its figures. */
#ifndef BENCH_DURABLE_PACED_H
#define BENCH_DURABLE_PACED_H

#include <benches/durable.h>

#define PACED_SIZE   100u
#define PACED_POINTS 5u
extern const double paced_points[PACED_POINTS]; /* percentiles; 100: the maximum */

struct paced_case {
    int bare;  /* a copy into a ring of plain memory, no channel */
    int files; /* 0: in memory */
    uint32_t durability;
    uint32_t engine;
};

struct paced_result {
    double service_ns[PACED_POINTS]; /* what the call took */
    double due_ns[PACED_POINTS];     /* from when it was due until it was done */
    double faults;                   /* minor faults per message, of all threads */
    double turns;                    /* this and the following: while the clock ran */
    double turns_waited;
    double made_ahead;
    double commits;
};
int paced_measure(const struct paced_case *what, const struct durable_options *options,
                  struct paced_result *result);

/* As many bytes as a channel of the default size, mapped and present. dir NULL: a memfd. */
struct paced_ring {
    int fd;
    unsigned char *map;
    size_t size;
    size_t at; /* where the next message goes */
};
int paced_ring_open(const char *dir, struct paced_ring *ring);
void paced_ring_close(struct paced_ring *ring);
/* The last messages of count, with ids from 0 on, are where they were put. */
int paced_ring_verify(const struct paced_ring *ring, uint64_t count, size_t size);

/* Message after message, each at a multiple of 8. */
static inline size_t paced_ring_step(size_t size)
{
    return (size + 7) / 8 * 8;
}

static inline void paced_ring_put(struct paced_ring *ring, const void *data, size_t size)
{
    if (ring->at + size > ring->size)
        ring->at = 0;
    __builtin_memcpy(ring->map + ring->at, data, size);
    __asm__ __volatile__("" : : : "memory"); /* the copy happens here */
    ring->at += paced_ring_step(size);
}

#endif
