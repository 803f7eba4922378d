/* SPDX-License-Identifier: MIT */
/*
 * Shutting down. quire_close never waits, and loses nothing that the channel's durability promised;
 * quire_drain waits until nothing is left to be done, or says what is.
 */
#ifndef QUIRE_DRAIN_H
#define QUIRE_DRAIN_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

/* What is left of the messages that were published when quire_drain was called. */
struct quire_left {
    uint64_t messages;                    /* that the group that lags most has not received */
    char group[QUIRE_GROUP_NAME_MAX + 1]; /* its name; empty: no group lags */
    uint32_t groups;                      /* that lag */
    uint32_t borrowing; /* consumer handles that may still read borrowed messages, of any age */
    uint32_t unsynced;  /* 1: not known to be durable, though the durability asks for it */
    uint32_t reserved;
};

/*
 * Waits until every group has received every message that was published when the call was made, and
 * with INTERVAL and EACH until they are durable. A message is received when a receive has returned
 * it; what a member has claimed ahead, or left behind when it closed, is not. Not waited for:
 * messages that are reserved and not committed, messages that DROP_OLDEST has taken from a group,
 * groups that are made later, and handles that borrow. Without a group nothing is left to be
 * received. Stop the producers first, or what they send meanwhile is not looked at.
 *
 * deadline_ns: absolute CLOCK_MONOTONIC nanoseconds; QUIRE_FOREVER waits without a limit, 0 only
 * looks (a commit under way, or an open reservation, then counts as unsynced). left: filled in
 * every case but QUIRE_EINVAL, QUIRE_ERDONLY and QUIRE_EFORKED; may be NULL.
 *
 * Returns 0; QUIRE_TIMEDOUT: something is left, see *left; QUIRE_CLOSED: quire_close was called
 * before the groups were done; QUIRE_EPOISONED, or -errno of a page file that cannot be opened: the
 * messages cannot be made durable, which is told after the groups were waited for all the same;
 * QUIRE_EINVAL; QUIRE_ERDONLY; QUIRE_EFORKED.
 * Any thread. Sleeps, whatever enum quire_wait says, and looks every 10 ms at the most; makes the
 * commit itself, so it may block on the device beyond the deadline. Never holds up a producer or a
 * consumer.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_drain(quire_t *channel, uint64_t deadline_ns,
                                           struct quire_left *left);

QUIRE_END_DECLS

#endif
