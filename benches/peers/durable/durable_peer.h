/* SPDX-License-Identifier: MIT */
/*
 * Stores under the same promise: a message is on stable storage when the call that sends it
 * returns. Each family is one program: durable_main.c, durable_run.c and one file that defines
 * durable_family.
 */
#ifndef DURABLE_PEER_H
#define DURABLE_PEER_H

#include <benches/bench.h>
#include <stdint.h>

#define DURABLE_SIZE_MIN 16u
#define DURABLE_SIZE_MAX 4096u /* bytes of a message, a multiple of 16 */

/* What was read back so far; see durable_check_add. */
struct durable_check {
    uint32_t producers;
    uint32_t size;
    uint64_t next[BENCH_THREADS_MAX]; /* the message of each producer that must come next */
};

/*
 * All functions that return int: 0, or something else after a line on stderr (durable_fail).
 * A store lies in files below dir, which is there and, when fresh is not 0, empty.
 */
struct durable_peer {
    const char *name;
    int (*open)(const char *dir, int fresh, uint32_t size, void **store);
    int (*close)(void *store);
    /* What one thread sends with; opened and closed by another one. NULL, both: the store itself.
     */
    int (*producer)(void *store, void **handle);
    int (*producer_close)(void *handle);
    /* Returns when the message is durable. */
    int (*send)(void *handle, const void *data, uint32_t size);
    /* Hands every message to durable_check_add, in the order of the store, and stops at what it
     * refuses. No producer is open. */
    int (*read_all)(void *store, struct durable_check *check);
};

struct durable_family {
    const char *name;
    const char *package;
    const char *(*version)(void);
    const struct durable_peer *const *peers; /* up to NULL; the first is the default */
};
extern const struct durable_family durable_family;

/* Takes one message into account. Not 0: it is not the next one of a producer, or its bytes are
 * not those that were sent; said on stderr. data need not be aligned. */
int durable_check_add(struct durable_check *check, const void *data, uint64_t size);

/* Says what failed. Always returns -1. */
int durable_fail(const char *what, const char *why);

/* What is run, and what came of it. */
struct durable_run {
    const struct durable_peer *peer;
    const char *dir; /* an empty directory */
    uint32_t producers;
    uint32_t size;
    double seconds; /* that are timed, after a tenth of it to warm up */
    int pinned;
};
struct durable_outcome {
    uint64_t messages; /* of the timed part, as all that follows */
    double seconds;
    double p50_ns;
    double p99_ns;
    double max_ns;
    double written;        /* bytes per message; negative: the system does not say */
    uint64_t resident_kib; /* at its end: the store's mappings count, the page cache does not */
};

/* Sends, closes, opens again and reads back. 0 only when all that was sent was found, once, in
 * the order of each producer, and nothing else was. */
int durable_run(const struct durable_run *run, struct durable_outcome *outcome);

#endif
