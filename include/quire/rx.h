/* SPDX-License-Identifier: MIT */
/*
 * Consumer handles. Handles of one group share a cursor: each message goes to one of them.
 * Different groups each see every message. A handle belongs to one thread at a time.
 *
 * Messages are borrowed, not copied: data stays valid and unchanged until quire_rx_next_page,
 * quire_rx_release or quire_rx_close on the same handle. Receiving a message finishes it for an
 * auto group (receive = done); one of an ack group is leased until it is acknowledged: quire/ack.h.
 */
#ifndef QUIRE_RX_H
#define QUIRE_RX_H

#include <quire/group.h>

QUIRE_BEGIN_DECLS

typedef struct quire_rx quire_rx_t;

enum quire_rx_flags {
    QUIRE_RX_ENDS = 1u << 0 /* be told when nothing will come: QUIRE_ENDED */
};

struct quire_rx_options {
    uint32_t size;    /* sizeof(struct quire_rx_options) */
    uint32_t wait;    /* enum quire_wait: how to wait for a message */
    uint32_t run_max; /* messages one claim may take ahead, 1..255; default 64. Small for slow
                         handlers that should share evenly, large for throughput */
    uint32_t flags;   /* enum quire_rx_flags */
    /* What the group is to be; NULL: as it is, or AUTO when it is new. A group that exists must be
     * of this mode. */
    const struct quire_group_options *group;
    uint64_t reserved[3];
};
#define QUIRE_RX_OPTIONS_INIT                        \
    {                                                \
        sizeof(struct quire_rx_options), 0, 0, 0, 0, \
        {                                            \
            0                                        \
        }                                            \
    }

enum quire_msg_flags {
    /* Another handle of the group had claimed it and closed or died, or returned it. */
    QUIRE_MSG_RETURNED = 1u << 0
};

struct quire_msg {
    const void *data; /* borrowed, 8-byte aligned; never NULL, size may be 0 */
    uint32_t size;    /* bytes */
    uint32_t flags;   /* enum quire_msg_flags; from bit 8 on: quire_msg_attempt */
    uint64_t position;
};

/* What a group lost to DROP_OLDEST since it was last told. */
struct quire_lost {
    uint64_t first; /* position of the first lost message */
    uint64_t last;  /* position of the last lost message */
    uint64_t count; /* messages lost between them, exactly */
};

/*
 * Joins a group, creating it when it does not exist. where says where a new group begins; a group
 * that exists goes on where it is and where is ignored. NULL means oldest. options may be NULL.
 * *rx is owned by the caller: quire_rx_close.
 *
 * Returns 0; QUIRE_EINVAL (name, where beyond the end, options); QUIRE_ENOENT (where names a page
 * that is no longer held); QUIRE_EHANDLES; QUIRE_ERDONLY; QUIRE_CLOSED; QUIRE_EBUSY (all pages
 * were recycled faster than a place could be pinned: try again); QUIRE_ENOSPC; -errno.
 * Any thread. May block on the file system when the group is new.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_subscribe(quire_t *channel, const char *group,
                                                  const struct quire_where *where,
                                                  const struct quire_rx_options *options,
                                                  quire_rx_t **rx);

/*
 * Closes the handle. Messages it had claimed and not yet returned to the caller go to the next
 * receive of any member (marked QUIRE_MSG_RETURNED). Never blocks. NULL is allowed.
 */
QUIRE_API void quire_rx_close(quire_rx_t *rx);

/*
 * Receives one message. quire_rx_recv waits, quire_rx_recv_until waits until the deadline,
 * quire_rx_try_recv does not wait.
 *
 * Returns 0 and fills *msg; or, with *msg untouched:
 *   QUIRE_PAGE_END  the next message lies in another page than the one this handle borrows from.
 *                   Finish with the borrowed messages, call quire_rx_next_page, receive again.
 *   QUIRE_EAGAIN    try_recv: nothing to receive now.
 *   QUIRE_TIMEDOUT  recv_until: the deadline passed.
 *   QUIRE_LAPPED    messages of the group were given up (DROP_OLDEST). One member is told, once:
 *                   quire_rx_lost has the account. Receive again to go on.
 *   QUIRE_CORRUPT   the bytes at the next position are not a valid message; it was stepped over.
 *   QUIRE_CLOSED    the channel was closed.
 *   QUIRE_ENDED     with QUIRE_RX_ENDS, in place of waiting, QUIRE_EAGAIN and QUIRE_TIMEDOUT:
 *                   producers were open since the channel was opened, none is now, and the group
 *                   has received everything. Who waits is woken for it. Every call says so until a
 *                   producer is opened. What another member has claimed and not yet received may
 *                   come back to the group, so the others wait until it has received it or closed.
 * Positions a handle sees are strictly increasing, but for messages marked QUIRE_MSG_RETURNED.
 * Progress: lock-free; no system call, fence or clock while messages are waiting. A message that
 * a producer has claimed but not yet published is waited for by one member only.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_recv(quire_rx_t *rx, struct quire_msg *msg);
QUIRE_API QUIRE_MUST_CHECK int quire_rx_try_recv(quire_rx_t *rx, struct quire_msg *msg);
QUIRE_API QUIRE_MUST_CHECK int quire_rx_recv_until(quire_rx_t *rx, struct quire_msg *msg,
                                                   uint64_t deadline_ns);

/*
 * Receives up to count messages that are ready, waiting only for the first.
 * Returns how many (>= 1), or a code as quire_rx_recv_until.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_rx_recv_batch(quire_rx_t *rx, struct quire_msg *msgs,
                                                    size_t count, uint64_t deadline_ns);

/*
 * Receives one message into buffer and hides page ends: messages borrowed before are given back
 * when a page ends. *size is the message's size. Returns as quire_rx_recv_until but never
 * QUIRE_PAGE_END; QUIRE_ETOOSMALL when capacity < size: *size is set and the message stays next.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_recv_copy(quire_rx_t *rx, void *buffer, size_t capacity,
                                                  size_t *size, uint64_t deadline_ns);

/*
 * After QUIRE_PAGE_END: gives back every message borrowed from the page and lets the handle move
 * on. Always 0. Never blocks.
 */
QUIRE_API int quire_rx_next_page(quire_rx_t *rx);

/*
 * Gives back every borrowed message now, so that an idle handle holds no page. May be called at
 * any time; the handle goes on where it is. Messages that were claimed ahead (run_max) and not yet
 * received keep their page; a handle with run_max 1 has none. Always 0.
 */
QUIRE_API int quire_rx_release(quire_rx_t *rx);

/* The account of the last QUIRE_LAPPED of this handle. Zeroes before the first. */
QUIRE_API struct quire_lost quire_rx_lost(const quire_rx_t *rx);

QUIRE_END_DECLS

#endif
