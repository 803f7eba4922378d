/* SPDX-License-Identifier: MIT */
/*
 * An account of one group, kept by the test alone: what was sent, what was received, what the
 * library says was lost. It closes when every message sent was received once or is in exactly one
 * report of a loss.
 */
#ifndef CONFORMANCE_LEDGER_H
#define CONFORMANCE_LEDGER_H

#include <quire.h>
#include <stddef.h>
#include <stdint.h>

struct ledger {
    uint64_t *positions; /* sent, ascending */
    unsigned char *seen; /* 1: received */
    size_t count;
    size_t capacity;
    struct quire_lost *reports;
    size_t told; /* reports */
    uint64_t received;
    uint64_t lost; /* sum of the reports */
};

void ledger_init(struct ledger *ledger);
void ledger_free(struct ledger *ledger);
/* Nearly in order; a reservation that was committed late may come late. */
void ledger_sent(struct ledger *ledger, uint64_t position);
/* Each at most once, and only what was sent. */
void ledger_received(struct ledger *ledger, uint64_t position);
/* After QUIRE_LAPPED. */
void ledger_lost(struct ledger *ledger, struct quire_lost lost);
/* Receives all there is now through rx, messages and losses. Positions must ascend. */
void ledger_drain(struct ledger *ledger, quire_rx_t *rx);
/*
 * Nothing is on its way any more: each report names, with its first, last and count, exactly the
 * messages of its range that were never received, and no message is missing without a report.
 */
void ledger_check(const struct ledger *ledger);

#endif
