/* SPDX-License-Identifier: MIT */
/*
 * What a channel holds, how far each group is and who holds which page. Figures are read while
 * the channel runs: each is right at some moment during the call, all together only when idle.
 * All functions: any thread, no lock that a producer or consumer needs, read-only opens too.
 */
#ifndef QUIRE_STAT_H
#define QUIRE_STAT_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

struct quire_stat {
    uint64_t page_size;
    uint32_t max_pages;
    uint32_t max_messages;
    uint32_t full_policy; /* enum quire_full_policy */
    uint32_t checksum;    /* enum quire_checksum: ON or OFF */
    uint32_t directory;   /* 1 for a directory, 0 for memory */
    uint32_t huge_pages;  /* 1 when pages lie in huge pages */
    uint8_t uuid[16];
    uint64_t first_page;   /* oldest page still held */
    uint64_t tail_page;    /* page that producers write */
    uint64_t end_position; /* where the next message will be (lower bound) */
    uint64_t messages;     /* positions ever claimed: messages and voids */
    uint64_t voids;        /* claimed and never published: aborted, or lost with their process */
    uint64_t damaged;      /* records that recovery refused; their slots are void too */
    uint64_t dropped;      /* messages given up by DROP_OLDEST before any group existed */
    uint64_t turns;        /* pages opened */
    uint64_t turns_waited; /* times a producer found no page ready and had to wait */
    uint64_t recoveries;   /* opens that had to repair */
    uint64_t bytes;        /* allocated now: control, pages, groups */
    uint32_t pages_used;   /* pages that hold messages somebody needs, or the tail */
    uint32_t pages_free;   /* pages that can be reused at once */
    uint32_t pages_made;   /* page files or memfds that exist */
    uint32_t groups;
    uint32_t handles;          /* open handles */
    uint32_t clean;            /* 1 when the last close was clean (read-only opens) */
    uint32_t poisoned;         /* 1: a sync failed, nothing more is taken */
    uint64_t durable_position; /* see quire_durable_position */
    /* This open's: zero for observers. */
    uint64_t commits;   /* that succeeded */
    uint64_t commit_ns; /* time they took, together */
    uint64_t pages_made_ahead;
    uint32_t durability;  /* enum quire_durability */
    uint32_t engine;      /* enum quire_engine: URING, THREADS; AUTO: none was needed yet */
    uint32_t keeper;      /* enum quire_keeper */
    int32_t engine_error; /* -errno that io_uring was refused with; 0: it was not */
    uint32_t no_space;    /* 1: the last page that was to be made found the disk full */
    uint32_t reserved;
    char engine_reason[160]; /* why it is the thread engine; empty: it is not */
};

struct quire_page_stat {
    uint64_t page_no;
    uint32_t frame_id;
    uint32_t state;    /* enum quire_page_state */
    uint32_t messages; /* slots claimed */
    uint32_t reserved;
    uint64_t bytes;     /* data bytes claimed, records with their headers */
    uint64_t opened_ns; /* CLOCK_REALTIME */
};
enum quire_page_state {
    QUIRE_PAGE_FREE = 0,     /* holds nothing anybody needs */
    QUIRE_PAGE_PREPARED = 1, /* next to be opened */
    QUIRE_PAGE_OPEN = 2,     /* producers write here */
    QUIRE_PAGE_SEALED = 3,   /* complete; some group still needs it */
    QUIRE_PAGE_EMPTY = 4     /* frame without storage: given back or not yet made */
};

struct quire_group_stat {
    char name[QUIRE_GROUP_NAME_MAX + 1];
    uint64_t position;     /* next position to be claimed */
    uint64_t lag_messages; /* positions between it and the end, and returned and leased ones */
    uint64_t lag_bytes;    /* data bytes, records with their headers; ack: behind position only */
    uint64_t lost;         /* messages lost to DROP_OLDEST in all */
    uint32_t members;      /* open handles */
    uint32_t returned;     /* auto: runs of closed or dead handles that wait for a member;
                              ack: messages that wait to be given again */
    uint32_t mode;         /* enum quire_group_mode */
    uint32_t max_attempts; /* ack: 0: no limit */
    uint32_t hold;         /* enum quire_group_hold, never DEFAULT */
    uint32_t paused;       /* 1: its members receive nothing new */
    uint64_t lease_ns;     /* ack: 0: leases do not end by themselves */
    uint64_t leased;       /* ack: messages claimed by members and not acknowledged */
    uint64_t dead;         /* ack: dead letters; they are not in the lag */
};

enum quire_handle_kind { QUIRE_HANDLE_TX = 1, QUIRE_HANDLE_RX = 2, QUIRE_HANDLE_RETURNED = 3 };

struct quire_handle_stat {
    uint32_t handle;  /* index */
    uint32_t kind;    /* enum quire_handle_kind */
    uint32_t pid;     /* of the process that opened it; a hint; 0 for RETURNED */
    uint32_t claimed; /* messages claimed and not yet delivered */
    char group[QUIRE_GROUP_NAME_MAX + 1]; /* empty for producers */
    uint64_t page_no;                     /* page it stands on; UINT64_MAX: none */
    uint64_t next;                        /* next position it will deliver, when claimed > 0 */
    uint64_t since_ns;                    /* when it was opened, CLOCK_REALTIME */
};

/* Who keeps a page that is over, or may not be reused yet. */
enum quire_holder_kind {
    QUIRE_HOLDER_GROUP = 1, /* has not finished it */
    QUIRE_HOLDER_HANDLE = 2 /* borrows from it, or has claimed messages in it */
};
struct quire_holder {
    uint64_t page_no;
    uint32_t kind;   /* enum quire_holder_kind */
    uint32_t handle; /* HANDLE: index */
    uint32_t pid;    /* HANDLE: of the process that opened it; a hint; 0: it was closed */
    uint32_t reserved;
    uint64_t
        messages; /* GROUP: of the page, that it has not finished; HANDLE: claimed, not given */
    uint64_t since_ns; /* CLOCK_REALTIME. GROUP: when the page was over, 0: it is not; HANDLE: when
                          the handle was opened */
    char group[QUIRE_GROUP_NAME_MAX + 1];
};

/* Returns 0 or QUIRE_EINVAL; for an observer also what opening a new group's file may return. */
QUIRE_API QUIRE_MUST_CHECK int quire_stat(quire_t *channel, struct quire_stat *stat);

/*
 * Fill up to count entries (pages by page_no ascending, groups by name, handles by index).
 * Return how many there are, which may be more than count; or -ENOMEM.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_stat_pages(quire_t *channel, struct quire_page_stat *stats,
                                                 size_t count);
QUIRE_API QUIRE_MUST_CHECK long quire_stat_groups(quire_t *channel, struct quire_group_stat *stats,
                                                  size_t count);
QUIRE_API QUIRE_MUST_CHECK long quire_stat_handles(quire_t *channel,
                                                   struct quire_handle_stat *stats, size_t count);

/*
 * Who keeps which page, since when: every group and handle that keeps one, pages ascending. Fills
 * up to count entries and returns how many there are; -ENOMEM; for an observer as quire_stat.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_holders(quire_t *channel, struct quire_holder *holders,
                                              size_t count);

QUIRE_END_DECLS

#endif
