/* SPDX-License-Identifier: MIT */
/* The operations that are single-stepped, and what a kill inside each may leave. */
#ifndef CRASH_STEP_OPS_H
#define CRASH_STEP_OPS_H

#include <quire.h>

#define STEP_GROUP "red"

/* Messages are numbered from 0 in the order of their positions. */
struct step_op {
    const char *name;
    uint32_t max_messages;
    uint32_t max_pages;
    uint32_t policy;
    /* Brings the channel to where the operation begins. Opens *channel unless open_it is set. */
    void (*before)(struct step_op *op);
    void (*act)(struct step_op *op);
    /* After a kill anywhere inside act: messages 0 .. given_min - 1 must not come any more, those
     * up to given_max - 1 may; given_max .. sent_min - 1 must come, up to sent_max - 1 may. */
    uint64_t given_min;
    uint64_t given_max;
    uint64_t sent_min;
    uint64_t sent_max;
    uint64_t voids_max;
    int drops; /* DROP_OLDEST: what is missing is in the group's account */
    int opens; /* act is quire_open: before leaves the channel as a killed process does */
    /* Of the process that acts. */
    const char *path;
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    quire_rx_t *rx2;
};

extern struct step_op step_ops[];
extern const size_t step_ops_count;

#endif
