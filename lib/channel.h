/* SPDX-License-Identifier: MIT */
/*
 * The channel object of this process: the store, what of it the hot paths need at hand, the groups
 * and handles that are open here.
 *
 * Lifetime: one reference for the caller of quire_open and one for each open handle; the last one
 * marks the channel clean and closes the store. So borrowed bytes outlive quire_close.
 */
#ifndef QR_LIB_CHANNEL_H
#define QR_LIB_CHANNEL_H

#include <lib/bell.h>
#include <lib/claim.h>
#include <lib/position.h>
#include <lib/run.h>
#include <lib/slot.h>
#include <pages/engine.h>
#include <pages/store.h>
#include <pthread.h>
#include <quire.h>
#include <sys/types.h>

/* One group that is open here. Never moves and never goes before the channel does. */
struct qr_group {
    struct qr_group_block *block;
    struct qr_group_map map;
    qr_atomic_u32 deleted; /* 1: it holds nothing, and nobody finds it */
    struct qr_bells bells;
    uint64_t synced_head; /* of the last commit; whoever has the commit in hand */
    /* Ack groups only: a struct qr_zone * for each frame, 0 until it is needed. */
    qr_atomic_u64 *zones;
    uint32_t zones_count;
    pthread_mutex_t zones_lock; /* zones are made */
    qr_atomic_u32 acked;        /* 1: something was acknowledged since the last commit */
    qr_atomic_u64 expire_at;    /* when somebody is to look for leases that have ended */
    qr_atomic_u64 ring_at;      /* when the bells are to be rung, CLOCK_MONOTONIC; 0: never */
    uint32_t id;
    char name[QR_GROUP_NAME];
    int counted;            /* what it has not finished counts for the bound of the channel */
    qr_atomic_u64 finished; /* see lib/bound.h */
};

/* An array of groups; when it is full a larger one takes its place and it stays until the end,
 * since readers may still walk it. */
struct qr_group_list {
    struct qr_group_list *older;
    uint32_t capacity;
    struct qr_group *group[];
};

struct quire {
    struct qr_store *store;
    struct qr_store_view view;
    /* Geometry, copied out of the checked superblock. */
    uint64_t capacity_units;
    uint64_t directory_mask;
    uint64_t units_add_max;
    uint32_t max_messages;
    uint32_t frames_cap;
    uint32_t frames_base;
    uint32_t policy; /* enum quire_full_policy */
    uint32_t wait;   /* enum quire_wait of handles that do not say */
    int checksum;
    int fence; /* 1: membarrier is refused, publishers fence themselves */

    qr_atomic_u32 closed; /* quire_close was called */
    qr_atomic_u32 references;
    qr_atomic_u32 producers;    /* handles open here, see lib/ends.h */
    qr_atomic_u32 consumers;    /* the same */
    qr_atomic_u32 frames_high;  /* 1 + the highest frame that has storage: bound of scans */
    qr_atomic_u32 frames_extra; /* frames beyond frames_base that have storage */
    qr_atomic_u32 group_count;
    qr_atomic_u64 group_list;    /* struct qr_group_list * */
    uint32_t group_next_id;      /* under lock */
    qr_atomic_u64 retain_age_ns; /* quire_retain; 0: any age */
    qr_atomic_u64 retain_bytes;  /* the same; 0: any size */
    qr_atomic_u64 done;   /* needs_seq:32 | page:32, all groups are done with pages before it */
    qr_atomic_u64 walked; /* the same: one of them walked every page from here on */
    qr_atomic_u32 lossy;  /* 1: pages may be given up: the policy, or a group, says so */

    pthread_mutex_t lock;    /* groups are made, handles opened and closed; never on a hot path */
    pthread_mutex_t tx_lock; /* a leaf: taken under lock, or under the drive */
    struct quire_tx *tx[QR_HANDLES]; /* under tx_lock: the producers open here */

    /* What the keeper does. None of them for observers. */
    struct qr_keeper *keeper;
    struct qr_ahead *ahead;
    struct qr_commit *commit; /* directories */
    struct qr_pace *pace;     /* INTERVAL and EACH */
    struct qr_due *due;
    struct qr_bound *bound;       /* max_queued; NULL: none */
    uint32_t durability;          /* enum quire_durability */
    uint32_t pages_ahead;         /* frames kept ready beyond the next page's */
    int caller_keeps;             /* enum quire_keeper is CALLER */
    pid_t pid;                    /* of the process that opened the channel */
    qr_atomic_u32 no_space;       /* 1: the last frame that was to be made found the disk full */
    qr_atomic_u32 names_unsynced; /* 1: files were made since their directory was synced */
    qr_atomic_u64 made_ahead;     /* a figure */
    qr_atomic_u32 opener_cpu;     /* lib/rotate.h: where a page was opened last */
    qr_atomic_u32 apart;          /* pages to come for which frames take turns */
};

static inline struct qr_group_list *qr_groups(const struct quire *ch)
{
    /* [A1 groups] pairs with R1 in group.c: the array and its groups are complete. */
    return (struct qr_group_list *)(uintptr_t)qr_load_acquire(&((struct quire *)ch)->group_list);
}
static inline uint32_t qr_group_count(const struct quire *ch)
{
    /* [A1 groups] pairs with R1 in group.c. Read before the list: the list then has them all. */
    return qr_load_acquire(&((struct quire *)ch)->group_count);
}
static inline int qr_group_deleted(const struct qr_group *group)
{
    /* relaxed: who sees it late waits for a group that holds nothing. */
    return (int)qr_load_relaxed(&((struct qr_group *)group)->deleted);
}
/* May pages of the group be given up? */
static inline int qr_group_lossy(const struct quire *ch, const struct qr_group *group)
{
    uint32_t hold = group->block->hold;
    return hold == QR_HOLD_LOSSY ||
           (hold == QR_HOLD_DEFAULT && ch->policy == QUIRE_FULL_DROP_OLDEST);
}
/* Are pages given up though there is room? */
static inline int qr_retains(struct quire *ch)
{
    /* relaxed: options */
    return qr_load_relaxed(&ch->retain_age_ns) != 0 || qr_load_relaxed(&ch->retain_bytes) != 0;
}
static inline int qr_gives_up(struct quire *ch)
{
    return (int)qr_load_relaxed(&ch->lossy); /* relaxed: set before the group is there */
}
static inline int qr_closed(struct quire *ch)
{
    /* relaxed: a hint on the fast path; sleepers look again after they registered (wait.c). */
    return (int)qr_load_relaxed(&ch->closed);
}

/* QUIRE_EFORKED in a child of the process that opened the channel, else 0. A system call. */
int qr_forked(const struct quire *ch);

void qr_channel_ref(struct quire *ch);
/* The last one closes the channel: 0, or what went wrong with it. */
int qr_channel_unref(struct quire *ch);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds. */
uint64_t qr_now(void);
uint64_t qr_wall(void);

#endif
