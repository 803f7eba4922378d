/* SPDX-License-Identifier: MIT */
/*
 * quire_loop: one operation of the library at a time, in one thread, for callgrind and perf.
 *
 * Each mode calls its operation in a function whose name --list tells; given to callgrind's
 * --toggle-collect it keeps what prepares and verifies out of the count.
 */
#ifndef BENCHES_LOOP_H
#define BENCHES_LOOP_H

#include <quire.h>

#define LOOP_BATCH 32u

struct loop {
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint64_t *positions; /* of the messages received, in their order */
    uint64_t sent;
    uint64_t received;
    uint64_t acked;
    uint64_t wrong; /* messages received that are not the next of those sent */
};

enum loop_traits {
    LOOP_CHECKSUM = 1u << 0, /* the channel has checksums */
    LOOP_ACK = 1u << 1,      /* the group is an ack group */
    LOOP_TURN = 1u << 2      /* a page has room for one message, and one is under way at a time */
};

/*
 * The three steps are done once, for count messages; with LOOP_TURN count times, for one message.
 * NULL: none. Each returns 0 or a result code.
 */
struct loop_mode {
    const char *name;
    const char *function; /* of measured */
    int (*before)(struct loop *loop, uint64_t count);
    int (*measured)(struct loop *loop, uint64_t count);
    int (*after)(struct loop *loop, uint64_t count);
    unsigned traits; /* enum loop_traits */
};

extern const struct loop_mode loop_modes[];
extern const unsigned loop_modes_count;

#endif
