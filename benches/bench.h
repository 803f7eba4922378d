/* SPDX-License-Identifier: MIT */
/*
 * What the files of the benches share: the shape of a measurement, its result, and small helpers.
 * quire itself is used through its public header only.
 */
#ifndef BENCH_H
#define BENCH_H

#include <quire.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_THREADS_MAX 16u
#define BENCH_SIZE_MAX    512u
#define BENCH_BATCH_MAX   64u

enum bench_backing { BENCH_MEMORY = 0, BENCH_DIRECTORY = 1 };

/* What one measurement runs: which channel, which messages, how many threads. */
struct bench_shape {
    enum bench_backing backing;
    const char *dir; /* DIRECTORY: where channels are made */
    uint64_t page_size;
    uint32_t max_pages;
    uint32_t checksum;   /* enum quire_checksum */
    uint32_t wait;       /* enum quire_wait */
    uint32_t durability; /* enum quire_durability */
    uint32_t engine;     /* enum quire_engine */
    uint32_t size;       /* bytes of a message: a multiple of 16 */
    uint32_t batch;      /* messages of one call; 1: one at a time */
    uint32_t block;      /* one thread: messages sent before they are received */
    uint32_t producers;
    uint32_t consumers;
    int pinned;        /* producer i on processor i, consumers on the next ones */
    uint64_t messages; /* to be timed, after a warm-up */
};

struct bench_result {
    double ns;      /* per message, send and receive together */
    double send_ns; /* one thread, blocks: the two halves */
    double recv_ns;
    double faults; /* minor page faults per message while the clock ran */
};

/* All functions that return int: 0, or a negative code after a line on stderr. */

uint64_t bench_now_ns(void);
/* Processor time of the calling thread: what one thread is measured in, so that other work on the
 * machine does not count. Takes a system call. */
uint64_t bench_cpu_ns(void);
/* Minor page faults of this process so far. */
uint64_t bench_faults(void);
/* Processors this process may use. */
unsigned bench_cpus(void);
/* Puts the calling thread on the index-th of them (modulo their number). */
int bench_pin(unsigned index);

/* Says what failed and hands the code on. */
int bench_fail(const char *what, int code);

/* Makes a directory for the channels of a run, below parent. Refuses tmpfs. */
int bench_dir_make(const char *parent, char *path, size_t size);
/* Removes a directory and all below it. */
void bench_dir_remove(const char *path);

/* A channel of this shape; DIRECTORY: a fresh one. close also removes the directory. */
struct bench_channel {
    quire_t *channel;
    char path[512];
};
int bench_channel_open(const struct bench_shape *shape, struct bench_channel *out);
int bench_channel_close(struct bench_channel *bench);

/* The floor: what the processor itself takes, in ns. */
double bench_floor_xadd(void);
double bench_floor_memcpy(uint32_t size);
/* A fetch-add, a copy of 16 B and a publishing store, and nothing else. */
int bench_floor_send(double *ns);
/* The same by two threads at once on one word, per message of both; needs two processors. */
int bench_floor_send_two(double *ns);
/* A cache line from one processor to another and back; needs two. */
int bench_floor_line(double *ns);
/* Filling and checking messages with no queue between: part of every figure. */
int bench_floor_harness(uint32_t size, double *ns);

/* One thread sends and receives; see bench_one.c. */
int bench_one(const struct bench_shape *shape, struct bench_result *result);

/* A channel opened, used for one message and closed, in ms. */
struct bench_open_result {
    double open_ms;  /* quire_open alone */
    double total_ms; /* open, handles, send, receive, close */
};
/* existing: the channel is there already, cleanly closed. */
int bench_open(const struct bench_shape *shape, int existing, struct bench_open_result *result);
/* Resident bytes that an open, idle channel adds beyond its mapped frames. */
int bench_resident(const struct bench_shape *shape, double *bytes);

#endif
