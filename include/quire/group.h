/* SPDX-License-Identifier: MIT */
/*
 * Groups. Every group sees every message; within a group each message goes to one member (handle).
 * What "finished" means is the group's mode, chosen when it is made and kept for ever:
 *
 *   auto   a message is finished when it was received (at most once after a crash of a consumer)
 *   ack    a message is finished when it was acknowledged (at least once): quire/ack.h
 *
 * A page of messages is reused when every group that holds it has finished all of them.
 */
#ifndef QUIRE_GROUP_H
#define QUIRE_GROUP_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

/* A place in a channel. */
enum quire_where_kind {
    QUIRE_OLDEST = 0, /* the oldest message still held */
    QUIRE_NEWEST = 1, /* the first message sent from now on */
    QUIRE_PAGE = 2,   /* the first message of page value */
    QUIRE_AT = 3,     /* the message at position value */
    /* The first message of the oldest page that was written at value (CLOCK_REALTIME, nanoseconds)
     * or later: every message sent since then, and up to a page before. */
    QUIRE_TIME = 4
};

struct quire_where {
    uint32_t kind; /* enum quire_where_kind */
    uint32_t reserved;
    uint64_t value;
};

enum quire_group_mode { QUIRE_GROUP_AUTO = 0, QUIRE_GROUP_ACK = 1 };

enum quire_group_hold {
    QUIRE_HOLD_DEFAULT = 0,  /* LOSSY in a DROP_OLDEST channel, else REQUIRED */
    QUIRE_HOLD_REQUIRED = 1, /* pages are kept until the group has finished them */
    QUIRE_HOLD_LOSSY = 2     /* a full channel may take pages from it: QUIRE_LAPPED */
};

/* Start from QUIRE_GROUP_OPTIONS_INIT. Zero in a field means its default. */
struct quire_group_options {
    uint32_t size;         /* sizeof(struct quire_group_options) */
    uint32_t mode;         /* enum quire_group_mode; default AUTO */
    uint32_t hold;         /* enum quire_group_hold */
    uint32_t max_attempts; /* ACK: deliveries of a message, 1..255; when the last one was returned
                              the message is a dead letter; default: no limit */
    uint64_t lease_ns; /* ACK: how long a lease lasts, rounded up to ms, at most 2^32 - 1 ms; then
                          run_max of the members is 1. Default: until its handle is closed */
    uint64_t reserved[3]; /* zero */
};
#define QUIRE_GROUP_OPTIONS_INIT                        \
    {                                                   \
        sizeof(struct quire_group_options), 0, 0, 0, 0, \
        {                                               \
            0                                           \
        }                                               \
    }

/*
 * All that follows: any thread; takes the channel's lock, as subscribing does, and may block on the
 * file system; refused to observers (QUIRE_ERDONLY) and after a fork (QUIRE_EFORKED).
 */

/*
 * Makes a group without joining it, so that it holds messages from where on. options and where as
 * for quire_rx_subscribe. Returns 0; QUIRE_EEXIST; else as quire_rx_subscribe.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_group_create(quire_t *channel, const char *group,
                                                  const struct quire_where *where,
                                                  const struct quire_group_options *options);

/*
 * Deletes a group and its file: what it held is free, its place is forgotten. A group of the same
 * name may be made anew at once. What it took of memory is kept until the channel is closed.
 * Returns 0; QUIRE_ENOENT; QUIRE_EBUSY (it has members); QUIRE_EPERM; -errno, of a sync (-EIO) when
 * the group is gone and may come back after a power loss.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_group_delete(quire_t *channel, const char *group);

/*
 * Moves a group to another place: what lies before it is finished, what lies behind is to be
 * received (again), as far as pages still hold it. Leases, returned messages and dead letters are
 * forgotten. A kill in the middle may give again what an ack group had finished of pages that are
 * still held.
 * Returns 0; QUIRE_ENOENT (group, or the page has been reused); QUIRE_EINVAL (beyond the end);
 * QUIRE_EBUSY (it has members, or pages were reused faster than one could be pinned).
 */
QUIRE_API QUIRE_MUST_CHECK int quire_group_seek(quire_t *channel, const char *group,
                                                const struct quire_where *where);

/*
 * While a group is paused its members receive nothing new, as if there were nothing; what they had
 * claimed before (run_max) they get. The group goes on holding its messages. Paused stays paused
 * when the channel is closed. Both return 0, also when nothing changes; QUIRE_ENOENT.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_group_pause(quire_t *channel, const char *group);
QUIRE_API QUIRE_MUST_CHECK int quire_group_resume(quire_t *channel, const char *group);

/*
 * Retention: pages whose last message is older than max_age_ns nanoseconds, and the oldest ones
 * while all from there to the end take more than max_bytes of data, are given up: taken from lossy
 * groups, which are told (QUIRE_LAPPED), and, while there is no group at all, from the channel
 * (quire_stat.dropped). A page that a required group needs stays, and so do those behind it. 0: no
 * limit of that kind. Not stored; holds from this call on, at every new page, until another call.
 * Returns how many pages were given up now; a code as the others.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_retain(quire_t *channel, uint64_t max_age_ns,
                                             uint64_t max_bytes);

/*
 * Positions of the dead letters of an ack group, ascending, the first count of them from position
 * from on. Returns how many were written to positions; QUIRE_ENOENT; QUIRE_EINVAL (no ack group).
 * Observers may ask.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_group_dead(quire_t *channel, const char *group, uint64_t from,
                                                 uint64_t *positions, size_t count);

/*
 * Gives a dead letter another max_attempts deliveries. 0; QUIRE_ENOENT (group); QUIRE_ENOLEASE (it
 * is no dead letter); QUIRE_EINVAL (no ack group). To be rid of one: quire_group_discard.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_group_requeue(quire_t *channel, const char *group,
                                                   uint64_t position);
QUIRE_API QUIRE_MUST_CHECK int quire_group_discard(quire_t *channel, const char *group,
                                                   uint64_t position);

/*
 * The message at position, without receiving it; for observers and operators. *data is valid while
 * somebody keeps the page: copy it, then ask again; a page that was reused meanwhile makes the
 * second call fail. Returns 0 with *data and *size; QUIRE_ENOENT (not held any more, or void);
 * QUIRE_EAGAIN (claimed and not published); QUIRE_CORRUPT; QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_peek(quire_t *channel, uint64_t position, const void **data,
                                          uint32_t *size);

QUIRE_END_DECLS

#endif
