/* SPDX-License-Identifier: MIT */
/* A handle's place in a set. */
#ifndef QR_LIB_SELECT_H
#define QR_LIB_SELECT_H

#include <lib/rx.h>
#include <quire/select.h>

struct qr_member {
    struct qr_member *next, *prev; /* in one of the lists of its set */
    struct quire_set *set;
    struct quire_rx *rx;
    void *user;
    int asleep; /* in which list */
};

/* The handle is being closed. */
void qr_member_drop(struct qr_member *member);

#endif
