/* SPDX-License-Identifier: MIT */
/* Handles that are told of the ends of a channel, and every form of call that tells them. */
#ifndef CONFORMANCE_ENDS_H
#define CONFORMANCE_ENDS_H

#include <quire.h>
#include <stddef.h>
#include <stdint.h>

quire_rx_t *open_rx_ends(quire_t *channel, const char *group, uint32_t run_max);
quire_tx_t *open_tx_ends(quire_t *channel);

enum by_receive { BY_RECV, BY_UNTIL, BY_BATCH, BY_COPY, RECEIVES };
enum by_send { BY_SEND, BY_SEND_UNTIL, BY_SEND_BATCH, BY_RESERVE, SENDS };

/* The calls without a deadline wait or do not. */
long receive_by(quire_rx_t *rx, enum by_receive how, uint64_t deadline_ns);
long send_by(quire_tx_t *tx, enum by_send how, size_t size, uint64_t deadline_ns);

/* By every form, with every deadline. */
void receives_say(quire_rx_t *rx, long code);
/* Nothing is sent. */
void sends_say(quire_tx_t *tx, long code);
/* Not the end: there is nothing now. */
void receives_wait(quire_rx_t *rx);

#endif
