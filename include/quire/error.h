/* SPDX-License-Identifier: MIT */
/*
 * Result codes. Every call that can fail returns int: >= 0 is success (or a count), < 0 is one of
 * the codes below or a system error as -errno. The library never sets errno for its caller and
 * keeps no error text per thread.
 */
#ifndef QUIRE_ERROR_H
#define QUIRE_ERROR_H

#include <quire/version.h>

QUIRE_BEGIN_DECLS

enum quire_error {
    QUIRE_OK = 0,
    /* States of a running channel: not failures, but nothing was transferred. */
    QUIRE_EAGAIN = -5001,   /* nothing to receive now */
    QUIRE_FULL = -5002,     /* no page is free and the policy is not to wait */
    QUIRE_PAGE_END = -5003, /* the next message lies in another page: call quire_rx_next_page */
    QUIRE_LAPPED = -5004,   /* messages of this group were overwritten: see quire_rx_lost */
    QUIRE_CLOSED = -5005,   /* the channel was closed by quire_close */
    QUIRE_TIMEDOUT = -5006, /* the deadline passed */
    QUIRE_CORRUPT = -5007,  /* one message failed its checks; it was stepped over */
    QUIRE_UNSYNCED = -5008, /* sent, and not known to be durable when the deadline passed */
    QUIRE_ENDED = -5009,    /* no producer is left and everything was delivered; or, to a send, no
                               consumer is left */
    /* Refusals: the call cannot be carried out as asked. */
    QUIRE_EMSGSIZE = -5020,  /* the message can never fit in a page of this channel */
    QUIRE_EINVAL = -5021,    /* an argument or option is out of its range */
    QUIRE_ESTATE = -5022,    /* not now: e.g. send while a reservation is open */
    QUIRE_EHANDLES = -5023,  /* all handles of the channel are in use */
    QUIRE_ERDONLY = -5024,   /* the channel was opened read-only */
    QUIRE_ETOOSMALL = -5025, /* the caller's buffer is smaller than the message */
    QUIRE_EFORKED = -5026,   /* the channel belongs to the process that opened it, not its child */
    QUIRE_ENODISK = -5027,   /* a channel in memory cannot be made durable */
    QUIRE_ENOLEASE = -5028,  /* the handle does not have the message, or not any more */
    /* Opening and creating. */
    QUIRE_ENOENT = -5040,    /* no such channel, group or page */
    QUIRE_EEXIST = -5041,    /* the path, the group, or the handle in the set, exists already */
    QUIRE_ENOTQUIRE = -5042, /* the path is not a quire channel */
    QUIRE_EVERSION = -5043,  /* the channel was written by an incompatible version */
    QUIRE_EBADFILE = -5044,  /* a file of the channel is short or damaged */
    QUIRE_EBUSY = -5045,     /* another open holds the channel; the group has members */
    QUIRE_ENOSPC = -5046,    /* no space for the channel's files */
    QUIRE_EPERM = -5047,     /* the file permissions refuse it */
    QUIRE_ESHARED = -5048,   /* a file shares its blocks with a copy: copy the channel anew */
    QUIRE_EENGINE = -5049,   /* the I/O engine that was asked for is refused here */
    /* Damage that no later call repairs. */
    QUIRE_EPOISONED = -5060 /* a sync failed: what was sent may be lost, nothing more is taken */
};

/*
 * A sentence for a result code: ours, or -errno of the system. Never NULL. Static storage for
 * known codes. Any thread.
 */
QUIRE_API const char *quire_strerror(int code);

/* The name of a code as written above, e.g. "QUIRE_FULL"; "errno" for a system error. */
QUIRE_API const char *quire_errname(int code);

QUIRE_END_DECLS

#endif
