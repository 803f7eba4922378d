/* SPDX-License-Identifier: MIT */
/*
 * Channels with a bound (max_queued): no required group has more than so many messages that it has
 * not finished.
 *
 * Before it claims, a producer takes places: sent grows by as many as it is going to claim, by a
 * compare-exchange, so that it never passes the bound plus what the group that is furthest behind
 * has finished. A claim that fails gives them back. finished of a group grows when one of its
 * messages is finished, so that sent - finished is what it has not.
 *
 * What a group begins with cannot be told while somebody has a place and no claim. So whoever
 * makes, moves or deletes a group stops the takers, waits for those few instructions of the others,
 * and says when it is done that what was computed before counts no more.
 *
 * Nothing of it is stored: whoever opens the channel counts anew, and a kill leaks nothing.
 */
#ifndef QR_LIB_BOUND_H
#define QR_LIB_BOUND_H

#include <lib/channel.h>

/* What a producer may count on, as it was computed last. */
struct qr_room {
    uint64_t limit;   /* of sent */
    uint64_t changes; /* of groups that it knows of */
};

/* NULL in ch->bound when the channel has no bound. */
int qr_bound_new(struct quire *ch, uint64_t max);
void qr_bound_free(struct quire *ch);
/* At open, with all groups at hand and nobody else in the channel. */
void qr_bound_start(struct quire *ch);

/* --- producers ------------------------------------------------------------------------------- */

/*
 * Takes n places. 0, to be followed at once by the claim and qr_bound_claimed() or
 * qr_bound_failed(); QUIRE_FULL when there are not so many, at some moment during the call.
 */
int qr_bound_take(struct quire *ch, struct qr_room *room, uint32_t n);
void qr_bound_claimed(struct quire *ch);
void qr_bound_failed(struct quire *ch, uint32_t n);
/* Places that are free, as of now. */
uint64_t qr_bound_room(struct quire *ch, struct qr_room *room);

/* --- groups ---------------------------------------------------------------------------------- */

/* n messages of the group are finished, which is counted (group->counted). Wakes producers. */
void qr_bound_finish(struct quire *ch, struct qr_group *group, uint32_t n);

/*
 * Under ch->lock; without a bound they do nothing.
 *   expect  a group is about to be made that may begin now: it must not begin with too much
 *   stop    nobody claims anything until settle
 *   admit   before others see the group: whether it counts
 *   place   counts what the group has not finished; stopped
 *   settle  the groups are what they are
 */
void qr_bound_expect(struct quire *ch);
void qr_bound_stop(struct quire *ch);
void qr_bound_admit(struct quire *ch, struct qr_group *group);
void qr_bound_place(struct quire *ch, struct qr_group *group);
void qr_bound_settle(struct quire *ch);

#endif
