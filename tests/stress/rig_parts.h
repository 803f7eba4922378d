/* SPDX-License-Identifier: MIT */
/* What the parts of the rig share: rig.c (set up, verdict), rig_send.c, rig_recv.c, log.c. */
#ifndef STRESS_RIG_PARTS_H
#define STRESS_RIG_PARTS_H

#include <pages/base/atomic.h>
#include <tests/stress/rig.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>

#define RIG_STREAMS   48u
#define RIG_CONSUMERS 32u
#define RIG_GROUPS    12u
#define RIG_BORROWS   96u
#define RIG_BATCH     64u
#define RIG_SMALL     16u /* below it a message cannot name itself: content.h */

/* One entry of a log: a send, a small delivery, or a position. */
struct entry {
    uint64_t position;
    uint64_t a; /* number, or when the send began */
    uint64_t b; /* stream, or when the send ended */
    uint32_t size;
    unsigned char bytes[RIG_SMALL];
};

struct log {
    struct entry *entry;
    size_t used;
    size_t room;
};
struct entry *log_add(struct log *log);
void log_move(struct log *to, struct log *from);
void log_sort(struct log *log);
void log_free(struct log *log);

struct rig;

struct group {
    char name[16];
    qr_atomic_u64 received;
    qr_atomic_u64 lost;
    qr_atomic_u32 *seen; /* one bit per message */
    struct log small;    /* deliveries of small messages; of its consumers once they ended */
    struct log all;      /* positions of all deliveries, when late groups are compared */
};

struct producer {
    struct rig *rig;
    struct thread thread;
    quire_tx_t *tx;
    uint32_t stream;
    uint64_t next; /* number of the next message */
    uint64_t count;
    uint64_t aborted;
    struct random random;
    unsigned char *buffer;
    struct log small; /* what small messages were sent where */
    struct log sends; /* ordered: where and when */
};

struct borrow {
    const void *data;
    uint64_t stream;
    uint64_t number;
    uint32_t size;
};

struct consumer {
    struct rig *rig;
    struct thread thread;
    struct group *group;
    quire_rx_t *rx;
    struct random random;
    uint64_t life;     /* messages of this handle */
    uint64_t next_min; /* I2 */
    uint64_t last[RIG_STREAMS];
    unsigned char *buffer;
    uint32_t borrows;
    struct borrow borrow[RIG_BORROWS];
    struct log small;
    struct log all;
    int late; /* a group of its own, made in the middle */
    uint32_t index;
};

struct rig {
    struct rig_shape shape;
    quire_t *channel;
    size_t message_max;
    uint64_t total; /* messages of all streams */
    qr_atomic_u64 clock;
    qr_atomic_u32 sending; /* producers that have not ended */
    struct group group[RIG_GROUPS];
    struct producer producer[RIG_STREAMS];
    struct consumer consumer[RIG_CONSUMERS];
    uint32_t consumers;
    uint32_t streams;
};

void producer_main(void *context);
/* One thread for all resting handles: context is the rig. */
void rester_main(void *context);
void consumer_main(void *context);
/* Sends one message in one of the ways of the shape. */
void producer_step(struct producer *p);
uint64_t rig_first_of(const struct rig *rig, uint32_t stream);

#endif
