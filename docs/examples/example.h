/* SPDX-License-Identifier: MIT */
/*
 * What the examples of event loops share: a channel that has no thread of its own, a producer in
 * another thread, and what any loop does when one of the two descriptors is readable.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <pthread.h>
#include <quire.h>

#define EXAMPLE_MESSAGES 200000u

struct example {
    quire_t *channel;
    quire_tx_t *tx; /* the producer thread's */
    quire_rx_t *rx;
    int fd;    /* watch it for reading; readable: example_dispatch */
    int rx_fd; /* watch it for reading; readable: example_receive */
    uint64_t received;
    uint64_t sum;
    uint64_t last; /* position of the last message received */
    pthread_t producer;
    char dir[32];
};

/* A new channel in a temporary directory, its descriptors, and a producer that sends the numbers
 * from 0 to EXAMPLE_MESSAGES - 1. durability: QUIRE_DURABLE_NONE or INTERVAL. 0, or a code. */
int example_begin(struct example *example, enum quire_durability durability);

/* Takes every message that is there. 0, or a code. */
int example_receive(struct example *example);

/* Lets the channel do its work: prepare pages, begin and end commits. 0, or a code. */
int example_dispatch(struct example *example);

/* 1 when all messages have been received, 0 when not yet. */
int example_received_all(const struct example *example);

/* 1 when all messages have been received and are durable. */
int example_is_done(const struct example *example);

/* Closes and removes everything. rc: how the loop ended. The exit status: 0 when every number
 * came, once and in order, and all are durable; 77 when the engine is refused here; else 1. */
int example_end(struct example *example, int rc);

#endif
