/* SPDX-License-Identifier: MIT */
/*
 * One consumer for many channels: a set of consumer handles, of any channels and groups, that are
 * waited for together.
 *
 *   n = quire_set_wait(set, ready, count, deadline_ns);
 *   for each of the n: receive with quire_rx_try_recv, some messages or until QUIRE_EAGAIN
 *   again
 *
 * A handle is reported until a receive on it has found nothing, so that no message is forgotten
 * when the caller stops earlier; and all that may have something are reported in turn, so that a
 * busy one does not starve the others.
 *
 * A set, and the handles in it, belong to one thread at a time. A handle is in one set at most.
 */
#ifndef QUIRE_SELECT_H
#define QUIRE_SELECT_H

#include <quire/rx.h>

QUIRE_BEGIN_DECLS

typedef struct quire_set quire_set_t;

struct quire_ready {
    quire_rx_t *rx;
    void *user; /* as given to quire_set_add */
};

/*
 * Makes an empty set. *set is owned by the caller: quire_set_free.
 * Returns 0, QUIRE_EINVAL, or -errno; *set is NULL then. Any thread. Does not block.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_set_new(quire_set_t **set);

/*
 * Frees the set. The handles in it are not closed and may go into another set. NULL is allowed.
 * Does not block.
 */
QUIRE_API void quire_set_free(quire_set_t *set);

/*
 * Adds a handle, and makes its descriptor (quire_rx_fd) if it has none. It is reported by the next
 * wait unless it is known to have nothing. The handle stays the caller's; user is handed back with
 * it and otherwise left alone. quire_rx_close takes a handle out of its set.
 * Returns 0; QUIRE_EINVAL; QUIRE_EEXIST (it is in a set already); QUIRE_EFORKED; or -errno. After
 * an error nothing has changed. The thread that owns set and handle. Does not block.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_set_add(quire_set_t *set, quire_rx_t *rx, void *user);

/*
 * Takes a handle out of the set, ready or not. It goes on as a handle with a descriptor.
 * Returns 0; QUIRE_EINVAL; QUIRE_ENOENT (it is not in this set); QUIRE_EFORKED; or -errno, and it
 * is still in the set. The thread that owns set and handle. Does not block.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_set_remove(quire_set_t *set, quire_rx_t *rx);

/*
 * Waits until handles of the set may have something to receive: a message, a returned run, a loss,
 * or the end of their channel (receive then says QUIRE_CLOSED, and the handle is reported until it
 * is taken out). Fills ready with up to count of them, each once. One that was reported may have
 * nothing: receive without waiting. It is reported again, after the others, until such a receive
 * (quire_rx_try_recv, or a deadline of 0) has said QUIRE_EAGAIN.
 *
 * deadline_ns: CLOCK_MONOTONIC; 0 does not wait; QUIRE_FOREVER. How the handles wait (enum
 * quire_wait) does not matter: the caller sleeps.
 *
 * Returns how many (>= 1); QUIRE_EAGAIN (deadline 0) or QUIRE_TIMEDOUT when none may have
 * anything; QUIRE_ENOENT when the set is empty; QUIRE_EINVAL (also: count is 0); or -errno. A
 * signal does not end it. The thread that owns the set. Progress: no system call while handles are
 * ready and no other was woken.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_set_wait(quire_set_t *set, struct quire_ready *ready,
                                               size_t count, uint64_t deadline_ns);

/*
 * One descriptor for all handles of the set, level-triggered, for poll, epoll and the like: never
 * read, write or close it. When it is readable call quire_set_wait with a deadline of 0, and
 * receive. It stays readable while a handle is not known to have nothing; it may be readable
 * with nothing to receive. Owned by the set: valid until quire_set_free.
 * Returns the descriptor or QUIRE_EINVAL. The thread that owns the set; any may poll it.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_set_fd(quire_set_t *set);

QUIRE_END_DECLS

#endif
