/* SPDX-License-Identifier: MIT */
/*
 * Bells that ring at a time: a consumer in an event loop sleeps without a deadline of its own, and
 * what its group has returned for later, or leases that end, wake nobody. So the keeper rings.
 */
#ifndef QR_LIB_DUE_H
#define QR_LIB_DUE_H

#include <lib/channel.h>

int qr_due_new(struct quire *ch);
void qr_due_free(struct quire *ch);
/* A member of an ack group sleeps by its bell: it is to be rung when something is due. */
void qr_due_ask(struct quire *ch, struct qr_group *group);
/* The driver's. */
void qr_due(struct quire *ch);

#endif
