/* SPDX-License-Identifier: MIT */
/*
 * What this machine and a place on it do for a channel: which engine will do the slow work, what
 * stands in the way of io_uring, and whether what is synced there is durable. `quire doctor` prints
 * it with what to do about each finding.
 */
#ifndef QUIRE_DOCTOR_H
#define QUIRE_DOCTOR_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

/* What stands in the way of io_uring. */
enum quire_blocker {
    QUIRE_BLOCKER_NONE = 0,
    QUIRE_BLOCKER_SYSCTL = 1,  /* kernel.io_uring_disabled */
    QUIRE_BLOCKER_SECCOMP = 2, /* a filter, as in most containers */
    QUIRE_BLOCKER_MEMLOCK = 3, /* RLIMIT_MEMLOCK */
    QUIRE_BLOCKER_KERNEL = 4,  /* built without it */
    QUIRE_BLOCKER_OTHER = 5    /* uring_error says what */
};

/* What a sync that succeeded there says. */
enum quire_sync_trust {
    QUIRE_SYNC_BELIEVED = 0, /* the file system waits for its device */
    QUIRE_SYNC_UNKNOWN = 1,  /* a server, a host or another file system decides */
    QUIRE_SYNC_IGNORED = 2,  /* mounted so that it does not wait (nobarrier, volatile) */
    QUIRE_SYNC_MEMORY = 3    /* nothing: the files lie in memory */
};

enum quire_place {
    QUIRE_PLACE_NONE = 0,     /* no path was given: all that follows is zero */
    QUIRE_PLACE_CHANNEL = 1,  /* a channel */
    QUIRE_PLACE_DIRECTORY = 2 /* a directory that may hold one */
};

struct quire_doctor {
    uint32_t engine;          /* enum quire_engine that AUTO takes here; AUTO: none can be had */
    int32_t engine_error;     /* what an open that needs it would return: 0 or a code */
    uint32_t asked;           /* enum quire_engine: what QUIRE_ENGINE of the environment says */
    uint32_t uring_blocker;   /* enum quire_blocker */
    int32_t uring_error;      /* -errno that io_uring is refused with, or 0 */
    uint32_t membarrier;      /* 1: consumers may sleep without costing producers a fence */
    char uring_reason[160];   /* the blocker in words */
    char kernel[72];          /* its release */
    uint64_t memlock_bytes;   /* RLIMIT_MEMLOCK; UINT64_MAX: no limit */
    uint64_t huge_page_bytes; /* of one huge page of the machine's pool; 0: it has none */
    uint64_t huge_pages;      /* in the pool */
    uint64_t huge_pages_free;

    uint32_t place;         /* enum quire_place */
    uint32_t sync;          /* enum quire_sync_trust */
    char file_system[32];   /* e.g. "ext4" */
    char sync_option[32];   /* IGNORED: the mount option that says so */
    uint64_t bytes;         /* of the file system */
    uint64_t free_bytes;    /* of these, for us */
    uint32_t read_only;     /* 1: mounted read-only */
    int32_t allocate_error; /* -errno of a block that was to be allocated beforehand, or 0 */
    uint32_t copy_on_write; /* 1: btrfs writes elsewhere what is stored, and cannot be kept from
                               it (a directory), or does so for some file (a channel) */
    uint32_t files;         /* CHANNEL: files looked at */
    uint32_t files_shared;  /* of these, with blocks that a copy or snapshot shares */
    uint32_t files_sparse;  /* with holes */
    uint32_t files_unknown; /* of which the file system or a permission does not tell */
    uint32_t reserved;
};

/*
 * Fills *report. path: a channel, or a directory that is to hold one; NULL: only the machine is
 * looked at. Opens an engine and closes it again, allocates a block in an unnamed file (where there
 * are none, in a named one that is removed at once); changes nothing else. The channel may be open.
 * Returns 0, whatever was found; QUIRE_EINVAL; QUIRE_ENOENT, QUIRE_EPERM or -errno when path cannot
 * be looked at (-ENOTDIR: no directory). Any thread. May block on the file system.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_doctor(const char *path, struct quire_doctor *report);

QUIRE_END_DECLS

#endif
