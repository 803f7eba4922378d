/* SPDX-License-Identifier: MIT */
/*
 * The ends of a channel: how many producers, and how many consumers, are open in this open of it.
 * A side is over when it had a handle and has none. It counts itself down after the last thing it
 * did (a producer: its last publish) and before it wakes those who sleep; they look at the count
 * after they have registered (wait.h), so that one of the two sees the other.
 */
#ifndef QR_LIB_ENDS_H
#define QR_LIB_ENDS_H

#include <lib/wait.h>

#define QR_ENDS_HAD 0x80000000u /* a handle was opened; below it: those that are open */

static inline int qr_ends_over(const qr_atomic_u32 *side)
{
    /* [A48 ends] pairs with R48: everything that the handles that are closed have done. */
    return qr_load_acquire((qr_atomic_u32 *)side) == QR_ENDS_HAD;
}

/* A handle is opened; under ch->lock. 1: it is the only one. */
static inline int qr_ends_enter(qr_atomic_u32 *side)
{
    uint32_t open = (qr_load_relaxed(side) & ~QR_ENDS_HAD) + 1; /* relaxed: under lock */
    /* [R48 ends] pairs with A48. */
    qr_store_release(side, QR_ENDS_HAD | open);
    return open == 1;
}

/* A handle is closed; under ch->lock. 1: it was the last. */
static inline int qr_ends_leave(qr_atomic_u32 *side)
{
    uint32_t left = qr_load_relaxed(side) - 1; /* relaxed: under lock */
    /* [R48 ends] pairs with A48: what the handle did, and by the lock what earlier ones did. */
    qr_store_release(side, left);
    return left == QR_ENDS_HAD;
}

/* Without producers: the line of a member does not look any more as if it had messages to come. */
static inline void qr_ends_tell(struct quire *ch, struct qr_group *group)
{
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    qr_wake_group(ch, group, 1);
}

#endif
