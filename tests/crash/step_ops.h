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
    /* Ack groups (step_ack.c): for each message the attempt it comes with after a kill before the
     * operation, and after it: a digit; '-' it does not come; 'd' it is a dead letter. Anywhere
     * inside it is one or the other. */
    const char *was;
    const char *will;
    uint32_t max_attempts;
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
extern struct step_op step_ack_ops[];
extern const size_t step_ack_ops_count;

/* Joins STEP_GROUP as the operation wants it to be. */
void step_join(const struct step_op *op, quire_t *channel, quire_rx_t **rx);
/* What an ack group is given of a channel that was left anywhere inside the operation. */
void step_ack_check(const struct step_op *op, quire_t *channel);

/* For step_ack.c. */
int step_open_alone(struct step_op *op);
void step_send_many(struct step_op *op, uint64_t count);

#endif
