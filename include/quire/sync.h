/* SPDX-License-Identifier: MIT */
/*
 * Durability. A commit is one sync of all that was published before it began, for every waiter at
 * once. A message is durable when a commit that began after it was published has succeeded. Pages
 * that every group has finished and nobody borrows from are left out: they may be reused at any
 * moment. If a new group begins there first, the next commit makes them durable for it.
 *
 * The first sync that fails poisons the channel for good: the system may have dropped what it
 * could not write, and says so once only. Sends and syncs then return QUIRE_EPOISONED, in this
 * open and every later one; receiving goes on.
 *
 * All functions: any thread, directory channels.
 */
#ifndef QUIRE_SYNC_H
#define QUIRE_SYNC_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

/*
 * Makes durable every message at or before position that was published when the call was made;
 * UINT64_MAX: every message. Does not wait for a producer that has claimed and not published.
 * deadline_ns: QUIRE_FOREVER waits; with 0 the caller commits itself if nobody else is at it.
 * Returns 0; QUIRE_TIMEDOUT (the commit goes on and counts for later calls); QUIRE_EAGAIN
 * (deadline 0, somebody else is at it); QUIRE_EPOISONED; QUIRE_ENODISK; QUIRE_ERDONLY;
 * QUIRE_EFORKED; -errno when a page file cannot be opened (a channel that is made durable keeps a
 * descriptor open for each page file). Blocks on the device. Concurrent callers share commits.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_sync(quire_t *channel, uint64_t position,
                                          uint64_t deadline_ns);

/*
 * Asks for a commit that covers everything published now, and returns at once. When it is done
 * quire_durable_position has advanced and quire_fd is readable until the next quire_dispatch.
 * Returns 0, or a code of quire_sync but QUIRE_TIMEDOUT and QUIRE_EAGAIN; -errno when no engine is
 * to be had.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_sync_start(quire_t *channel);

/*
 * The durable position: every message before it is on stable storage, or is void, or was finished
 * by every group in a page that was reused or left out. It does not pass a message that is claimed
 * and not yet published, though later ones may be durable already. Only grows. Lock-free; one load.
 */
QUIRE_API uint64_t quire_durable_position(const quire_t *channel);

QUIRE_END_DECLS

#endif
