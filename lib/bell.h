/* SPDX-License-Identifier: MIT */
/*
 * Bells: descriptors of consumers that sleep in an event loop of their own. A bell that is armed
 * is in its group's list; ringing takes it out and makes its descriptor readable, both under the
 * list's lock, so that a bell is armed exactly while its descriptor was cleared and not rung.
 */
#ifndef QR_LIB_BELL_H
#define QR_LIB_BELL_H

#include <pages/base/atomic.h>
#include <pthread.h>
#include <stdint.h>

struct qr_bell {
    struct qr_bell *next; /* under the list's lock */
    qr_atomic_u32 *told;  /* becomes 1 when the bell is rung; NULL: none. Under the lock */
    int armed;            /* the same */
    int fd;               /* an eventfd; -1: none */
};

struct qr_bells {
    pthread_mutex_t lock;
    qr_atomic_u32 armed; /* how many: who reads 0 need not take the lock */
    struct qr_bell *first;
};

void qr_bells_init(struct qr_bells *bells);
void qr_bells_free(struct qr_bells *bells);
/* Makes the descriptor unreadable and lists the bell. */
void qr_bell_arm(struct qr_bells *bells, struct qr_bell *bell);
/* 1 when it was armed. */
int qr_bell_disarm(struct qr_bells *bells, struct qr_bell *bell);
int qr_bell_is_armed(struct qr_bells *bells, struct qr_bell *bell);
/* Whom to tell from now on, NULL nobody; who was told before is not touched any more. */
void qr_bell_tell(struct qr_bells *bells, struct qr_bell *bell, qr_atomic_u32 *told);
/* Rings all that are armed; how many. */
uint32_t qr_bells_ring(struct qr_bells *bells);

#endif
