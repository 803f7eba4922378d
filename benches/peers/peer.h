/* SPDX-License-Identifier: MIT */
/*
 * What a queue has to offer to be measured beside the others, and what one run asks of it. The
 * families of peers are programs of their own; each lists its queues in peer_all and links the
 * rest of this directory. C and C++.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PEER_INLINE static inline __attribute__((always_inline))

#define PEER_THREADS_MAX 16u
#define PEER_GROUPS_MAX  16u
#define PEER_BATCH_MAX   64u
#define PEER_SIZE_MAX    4096u
#define PEER_MIXED       0u /* a size: real text, each message as long as it is */

#define PEER_ROOM (PEER_BATCH_MAX * PEER_SIZE_MAX) /* bytes of a batch */

enum peer_wait { PEER_BUSY = 0, PEER_YIELD = 1, PEER_BLOCK = 2 };

enum peer_trait {
    PEER_MPMC = 1u << 0,
    PEER_SPSC = 1u << 1,    /* one producer and one consumer only */
    PEER_BATCHES = 1u << 2, /* has calls for several messages */
    PEER_MIXES = 1u << 3,   /* takes messages of any size */
    PEER_BUSIES = 1u << 4,  /* the ways of waiting it knows */
    PEER_YIELDS = 1u << 5,
    PEER_BLOCKS = 1u << 6,
    PEER_ORDERED = 1u << 7, /* what one producer sends, each consumer receives in that order */
    PEER_GROUPS = 1u << 8,  /* several groups of consumers, each gets every message */
    PEER_STEADY = 1u << 9,  /* on disk: can be watched for minutes */
    PEER_FLOOR = 1u << 10   /* no queue: what the machine itself takes */
};

struct peer_run {
    const struct peer *peer;
    const char *workload;
    uint32_t producers;
    uint32_t consumers;
    uint32_t groups;
    uint32_t size;  /* bytes, a multiple of 16; or PEER_MIXED */
    uint32_t batch; /* messages of one call; 1: one at a time */
    enum peer_wait wait;
    int pinned;
    double seconds;
    uint32_t messages; /* one: exactly so many, however long it takes; 0: by seconds */
    uint32_t capacity; /* messages; a power of two */
    double rate;       /* loaded: messages a second */
    const char *dir;   /* where files may be made */
};

/* Where a producer's messages come from. */
struct peer_source {
    uint64_t id;  /* of the next message */
    uint64_t end; /* the first that is not to be sent */
    const uint32_t *stop;
    uint32_t size;
    uint32_t batch;
    unsigned char *text; /* PEER_MIXED: the producer's own copy of the text */
};

/* What a consumer has seen. count is published for whoever waits for the end. */
struct peer_tally {
    uint64_t count __attribute__((aligned(128)));
    uint64_t limit; /* consume returns when count has reached it */
    uint64_t sum;
    uint64_t wrong; /* not 0: a message was damaged or came out of order */
    uint64_t last;  /* id of the last message */
    uint64_t next[PEER_THREADS_MAX];
    uint32_t size;
    uint32_t batch;
    uint32_t ordered;
    unsigned char copy[PEER_ROOM] __attribute__((aligned(128))); /* for queues that copy out */
};

struct peer {
    const char *name;
    uint32_t size; /* the only one this entry is for; PEER_ANY: all */
    unsigned traits;
    /* All that return int: 0, or a negative code after a line on stderr. */
    int (*open)(const struct peer_run *run, void **queue); /* or WORKLOAD_SKIPPED */
    void (*close)(void *queue);                            /* and all handles */
    /* A handle for one thread. NULL: the queue itself is every thread's handle. */
    int (*producer)(void *queue, void **handle);
    int (*consumer)(void *queue, uint32_t group, void **handle);
    /* Sends until the source ends or says stop. */
    int (*produce)(void *handle, struct peer_source *source);
    /* Receives until the tally's limit or PEER_ID_STOP, which is not tallied. */
    int (*consume)(void *handle, struct peer_tally *tally);
    /* PEER_FLOOR: round trips of a thing that is no queue; NULL: by produce and consume. */
    int (*trips)(const struct peer_run *run, uint64_t *ns, size_t count);
};
#define PEER_ANY UINT32_MAX

/* Of the family. */
extern const struct peer peer_all[];
extern const size_t peer_all_count;
extern const char *const peer_family;
extern const char *const peer_package; /* of Debian; "" for none */
const char *peer_version(void);

/* Says what failed and hands the code on. */
int peer_fail(const char *what, int code);
uint64_t peer_now_ns(void);
int peer_pin(unsigned index);
unsigned peer_cpus(void);
/* In open, where it is less than was asked for: how many messages the queue holds. */
void peer_holds(uint64_t messages);
uint32_t peer_capacity(const struct peer_run *run); /* what is true of it */
/* One step of waiting for something that another thread does. */
void peer_pause(enum peer_wait wait);

#ifdef __cplusplus
}
#endif
#endif
