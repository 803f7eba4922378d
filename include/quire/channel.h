/* SPDX-License-Identifier: MIT */
/*
 * A channel: a directory of page files (or a set of memfds) that producers write and groups of
 * consumers read. One process has a directory channel open at a time; read-only opens for
 * observers are not limited.
 */
#ifndef QUIRE_CHANNEL_H
#define QUIRE_CHANNEL_H

#include <quire/error.h>
#include <stddef.h>
#include <stdint.h>

QUIRE_BEGIN_DECLS

typedef struct quire quire_t;

/*
 * A position names one message for ever and totally orders a channel: page_no << 16 | slot.
 * Slot 65535 is never a message.
 */
#define QUIRE_POSITION(page_no, slot) (((uint64_t)(page_no) << 16) | (uint64_t)(slot))
#define QUIRE_PAGE_OF(position)       ((uint64_t)(position) >> 16)
#define QUIRE_SLOT_OF(position)       ((uint32_t)((position)&0xffffu))

#define QUIRE_MESSAGES_MAX   65535u      /* messages in one page, at most */
#define QUIRE_PAGE_SIZE_MIN  4096u       /* bytes */
#define QUIRE_PAGE_SIZE_MAX  2147483648u /* bytes: 2 GiB */
#define QUIRE_HANDLES_MAX    1023u       /* open handles of one channel, at most */
#define QUIRE_GROUP_NAME_MAX 63u /* bytes of a group name: [A-Za-z0-9._-], not starting with . */

/*
 * Deadlines are absolute nanoseconds of CLOCK_MONOTONIC. 0 means: do not wait; what would have
 * waited then answers as the try_ form does (QUIRE_EAGAIN, QUIRE_FULL) and not QUIRE_TIMEDOUT.
 */
#define QUIRE_FOREVER UINT64_MAX

enum quire_full_policy {
    QUIRE_FULL_BLOCK = 0,       /* senders wait until a page is free (lossless) */
    QUIRE_FULL_REJECT = 1,      /* senders get QUIRE_FULL at once (lossless) */
    QUIRE_FULL_DROP_OLDEST = 2, /* the oldest page is given up; each group is told what it lost */
    QUIRE_FULL_GROW = 3         /* pages are added up to max_bytes, then as BLOCK */
};

enum quire_wait {
    QUIRE_WAIT_DEFAULT = 0, /* as the channel; for a channel: BLOCK */
    QUIRE_WAIT_BLOCK = 1,   /* spin a little, yield a little, then sleep on a futex */
    QUIRE_WAIT_YIELD = 2,   /* yield the processor after two looks; never sleep */
    QUIRE_WAIT_BUSY = 3     /* spin only */
};

enum quire_checksum {
    QUIRE_CHECKSUM_DEFAULT = 0, /* on for directories, off for memory */
    QUIRE_CHECKSUM_OFF = 1,
    QUIRE_CHECKSUM_ON = 2
};

/*
 * When a send returns, and what a power loss may take (a killed process takes nothing published in
 * any mode). Memory channels take NONE alone. Not stored: each open chooses; observers promise
 * nothing, whatever they choose.
 */
enum quire_durability {
    QUIRE_DURABLE_NONE =
        0, /* when published; a power loss may take all since the last quire_sync */
    /* when published; a commit begins when sync_every messages are not covered by one yet, or
     * sync_delay_ns after the first of them: a power loss takes what came after the last commit
     * that ended */
    QUIRE_DURABLE_INTERVAL = 1,
    QUIRE_DURABLE_EACH = 2 /* when durable; senders share commits */
};

/* Who does the slow work: preparing pages, syncing, giving pages back. */
enum quire_engine {
    QUIRE_ENGINE_AUTO = 0, /* QUIRE_ENGINE=uring|threads of the environment; else io_uring, or
                              threads where it is refused (quire_stat says why) */
    QUIRE_ENGINE_URING = 1,
    QUIRE_ENGINE_THREADS = 2
};

/* The thread runs on the processors that whoever opens the channel may run on then. */
enum quire_keeper {
    QUIRE_KEEPER_THREAD = 0, /* a thread of the library, started when there is work for it */
    QUIRE_KEEPER_CALLER = 1  /* no thread: the caller polls quire_fd and calls quire_dispatch */
};

enum quire_open_flags {
    QUIRE_CREATE = 1u << 0,    /* create the channel when the path does not exist */
    QUIRE_EXCLUSIVE = 1u << 1, /* with CREATE: refuse a path that exists (QUIRE_EEXIST) */
    QUIRE_READ_ONLY = 1u << 2, /* observe only: takes no lock, changes nothing */
    QUIRE_HUGE_PAGES = 1u << 3 /* memory backing: ask for huge pages, fall back without */
};

/*
 * Start from QUIRE_OPTIONS_INIT. Zero in a field means its default. A flag or enum value this
 * version does not know, or a non-zero reserved field, is refused with QUIRE_EINVAL.
 * The geometry (page_size .. full_policy, checksum, max_queued) counts at creation only; when an
 * existing channel is opened it comes from its files.
 */
struct quire_options {
    uint32_t size;         /* sizeof(struct quire_options) */
    uint32_t flags;        /* enum quire_open_flags */
    uint64_t page_size;    /* data bytes of a page, multiple of 4096; default 1 MiB */
    uint32_t max_pages;    /* pages of the pool, 1..32768; default 16 */
    uint32_t max_messages; /* messages in a page, 1..65535; default page_size / 24, capped */
    uint64_t
        max_bytes; /* GROW: bytes of all pages at most; default: as many pages as can be named */
    uint32_t full_policy; /* enum quire_full_policy */
    uint32_t wait;        /* enum quire_wait: default of the handles; not stored */
    uint32_t checksum;    /* enum quire_checksum */
    uint32_t mode;        /* permission bits of new files, default 0600 (directories get x for r) */
    uint32_t durability;  /* enum quire_durability; not stored, as all that follows */
    uint32_t engine;      /* enum quire_engine */
    uint32_t keeper;      /* enum quire_keeper */
    uint32_t pages_ahead; /* pages kept ready beyond the next one, 1..64; default 1 */
    uint64_t sync_every;  /* INTERVAL: messages; default: not by count */
    uint64_t sync_delay_ns; /* INTERVAL: nanoseconds; default 100 ms */
    /* INTERVAL, EACH: how often the groups' places are made durable, in messages received (default:
     * not by count) and in nanoseconds (default 100 ms). After a power loss what was received since
     * comes again. */
    uint64_t commit_every;
    uint64_t commit_delay_ns;
    /* Messages, at most, that a required group has not finished; default: what the pages hold. Not
     * with DROP_OLDEST. See below. */
    uint64_t max_queued;
    uint64_t reserved[1]; /* zero */
};
#define QUIRE_OPTIONS_INIT                                                                  \
    {                                                                                       \
        sizeof(struct quire_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        {                                                                                   \
            0                                                                               \
        }                                                                                   \
    }

/*
 * max_queued = N bounds the channel by messages, too, exactly: no group that holds its messages
 * (QUIRE_HOLD_REQUIRED) ever has more than N that it has not finished. Finished is received in an
 * auto group and acknowledged in an ack group: what is leased, returned or a dead letter counts. As
 * long as there is no group at all, no more than N are held; lossy groups do not count. Where a
 * group has N, sending goes by full_policy as for want of a page: REJECT says QUIRE_FULL, BLOCK and
 * GROW wait; each message that the group furthest behind finishes makes room for one at once.
 *
 * A message counts from its claim on: while it is reserved, and, aborted, until the group has
 * stepped over it. A group that is made or moved to begin at an older place may find more than N
 * there; nothing is sent until it has fewer. Pages bound the channel as ever, so make room in them:
 * one that is not full is not reused. Senders take a slower way, about one more exchange each.
 */

/* What a channel of these options takes, exactly, before it is created. Bytes. */
struct quire_plan {
    uint64_t page_bytes;    /* one page file: header + slot index + data */
    uint64_t index_bytes;   /* slot index of one page */
    uint64_t control_bytes; /* the control file */
    uint64_t group_bytes;   /* one group file */
    uint64_t total_bytes;   /* control file + max_pages page files */
    uint64_t limit_bytes;   /* the same at the largest extent GROW or DROP_OLDEST may reach */
    uint64_t page_size;     /* the options after defaults were filled in ... */
    uint32_t max_pages;
    uint32_t max_messages;
    uint64_t message_bytes_max; /* the largest message that fits */
};

/*
 * Fills *plan for the options; directory != 0 for a directory channel. Creates nothing.
 * Returns 0, or QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_plan(const struct quire_options *options, int directory,
                                          struct quire_plan *plan);

/*
 * Opens a channel. path names a directory; NULL makes a new channel in memory, private to this
 * process. options may be NULL (all defaults, and no CREATE). Creation is all or nothing: the
 * files are made under a temporary name beside path and renamed when complete.
 *
 * Opening a directory that was not closed cleanly repairs it first: everything published is kept,
 * slots that were claimed and never published become void and are counted (quire_stat).
 *
 * *channel is owned by the caller: quire_close. Returns 0, or QUIRE_EINVAL, QUIRE_ENOENT,
 * QUIRE_EEXIST, QUIRE_ENOTQUIRE, QUIRE_EVERSION, QUIRE_EBADFILE, QUIRE_EBUSY, QUIRE_ENOSPC,
 * QUIRE_EPERM, QUIRE_EENGINE (the engine that was asked for is refused here: `quire doctor` says
 * why), or -errno. On failure *channel is NULL and nothing is left behind.
 * Threads: any. May block on the file system.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_open(quire_t **channel, const char *path,
                                          const struct quire_options *options);

/*
 * Closes the channel. Never blocks on other threads: a call that waits in another thread returns
 * QUIRE_CLOSED, and so does every later call on the channel's handles except close (a producer in
 * the middle of a send may still finish it). Memory and the lock go with the last handle, so
 * borrowed messages stay valid until their handle is closed. NULL is allowed.
 * Of the last handle or this call, whichever comes last, INTERVAL and EACH make a last commit.
 * Returns 0; QUIRE_EPOISONED or -errno when that commit failed; QUIRE_EFORKED in a child process.
 */
QUIRE_API int quire_close(quire_t *channel);

QUIRE_END_DECLS

#endif
