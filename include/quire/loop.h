/* SPDX-License-Identifier: MIT */
/*
 * A channel in somebody else's event loop. Two descriptors, both level-triggered, for poll, epoll,
 * libuv, libevent or the poll operation of an io_uring; never read, write or close them:
 *
 *   quire_fd      the engine has something to report: call quire_dispatch
 *   quire_rx_fd   a message may be ready for this handle: receive with quire_rx_try_recv until it
 *                 returns QUIRE_EAGAIN, then poll again (QUIRE_PAGE_END, QUIRE_LAPPED are no end)
 */
#ifndef QUIRE_LOOP_H
#define QUIRE_LOOP_H

#include <quire/rx.h>

QUIRE_BEGIN_DECLS

/*
 * The engine's descriptor; the same for the life of the channel. With QUIRE_KEEPER_CALLER it is
 * the engine's own (with io_uring the ring's); with a keeper thread it is an eventfd that the
 * keeper makes readable when the durable position advanced, a sync failed or a page was prepared.
 * Owned by the channel: valid until quire_close. Returns the descriptor, QUIRE_ERDONLY,
 * QUIRE_EENGINE, QUIRE_EFORKED, or -errno. Any thread.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_fd(quire_t *channel);

/*
 * Does what there is to do now and returns: takes completions, prepares pages, begins and ends
 * commits. Never waits for the device. With QUIRE_KEEPER_CALLER call it when quire_fd is readable;
 * while it is not called, pages are prepared by the senders that need them, and INTERVAL commits
 * wait. With a keeper thread it only makes quire_fd unreadable again.
 * Returns how many operations had ended (0: none), QUIRE_EPOISONED once a sync has failed,
 * QUIRE_ERDONLY, QUIRE_EENGINE, QUIRE_EFORKED, or -errno. Any thread; one at a time does the work.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_dispatch(quire_t *channel);

/*
 * Makes the handle's descriptor, on first use, and returns it; readable at first. From then on a
 * receive that finds nothing makes it unreadable, and whatever a receive could find makes it
 * readable again: a message, a returned run, a loss, a closed channel, QUIRE_ENDED. It may be
 * readable with nothing to receive. Owned by the handle: valid until quire_rx_close. Returns the
 * descriptor or -errno. The thread that owns the handle.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_fd(quire_rx_t *rx);

QUIRE_END_DECLS

#endif
