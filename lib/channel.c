/* SPDX-License-Identifier: MIT */
/* Opening and closing, in this order: store, groups, repair, first page; and back. */
#include <errno.h>
#include <lib/account.h>
#include <lib/ahead.h>
#include <lib/bound.h>
#include <lib/commit.h>
#include <lib/due.h>
#include <lib/group.h>
#include <lib/keeper.h>
#include <lib/options.h>
#include <lib/pace.h>
#include <lib/recover.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <lib/tx.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_directory(struct qr_store **store, const char *path,
                          const struct quire_options *options, const struct qr_geometry *geometry)
{
    int read_only = (options->flags & QUIRE_READ_ONLY) != 0;
    int create = (options->flags & QUIRE_CREATE) != 0;
    int exclusive = (options->flags & QUIRE_EXCLUSIVE) != 0;
    int rc = exclusive ? QUIRE_ENOENT : qr_store_open(store, path, read_only, QR_CLAIM_CLOSED);
    if (rc != QUIRE_ENOENT || !create)
        return rc;
    rc = qr_store_create(path, geometry, options->mode, QR_CLAIM_CLOSED);
    if (rc != 0 && (exclusive || rc != QUIRE_EEXIST))
        return rc;
    return qr_store_open(store, path, 0, QR_CLAIM_CLOSED); /* also when another one made it */
}

static void take_view(struct quire *ch, const struct quire_options *o)
{
    ch->view = *qr_store_view(ch->store);
    const struct qr_superblock *sb = ch->view.sb;
    ch->capacity_units = sb->page_size / 8;
    ch->directory_mask = sb->directory_size - 1;
    ch->units_add_max = qr_claim_add_max(ch->capacity_units);
    ch->max_messages = sb->max_messages;
    ch->frames_cap = sb->frames_cap;
    ch->frames_base = sb->frames_base;
    ch->policy = sb->full_policy;
    /* relaxed: nobody else is in the channel yet */
    qr_store_relaxed(&ch->lossy, ch->policy == QUIRE_FULL_DROP_OLDEST);
    ch->checksum = (sb->incompat & QR_INCOMPAT_CHECKSUM) != 0;
    ch->wait = o->wait;
    ch->durability = o->durability;
    ch->pages_ahead = o->pages_ahead;
    ch->pid = getpid();
    ch->fence = qr_membarrier_register();
    ch->group_next_id = 1;
}

static void count_frames(struct quire *ch)
{
    uint32_t high = 0, extra = 0;
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        /* relaxed: nobody else is in the channel yet. */
        if (qr_life_page(qr_load_relaxed(&ch->view.life[f])) == QR_PAGE_ABSENT)
            continue;
        high = f + 1;
        extra += f >= ch->frames_base;
    }
    qr_store_relaxed(&ch->frames_high, high); /* relaxed: as above */
    qr_store_relaxed(&ch->frames_extra, extra);
}

/* Makes the channel ours: repaired if need be, marked as in use, with a page to write. */
static int enter(struct quire *ch)
{
    struct qr_live *live = ch->view.live;
    struct qr_place place;
    uint8_t boot[16];
    qr_boot_id(boot);
    int other_boot = memcmp(boot, live->boot_id, sizeof(boot)) != 0;
    /* After a crash of the machine the word may be on the disk and what it speaks for not; opens
     * says nothing either, which is of the same age. relaxed: alone in the channel. */
    int dirty = qr_load_relaxed(&live->clean) == 0 || other_boot;
    int rc = dirty ? qr_recover(ch, other_boot) : 0;
    if (rc != 0)
        return rc;
    /* relaxed, here and below: alone in the channel until quire_open returns. clean goes first:
     * whatever is changed from here on needs the repair if it is not finished. */
    qr_store_relaxed(&live->clean, 0u);
    qr_compiler_barrier();
    memcpy(live->boot_id, boot, sizeof(boot));
    qr_store_relaxed(&live->opens, qr_load_relaxed(&live->opens) + 1);
    struct qr_participant *me = &ch->view.participants[0]; /* relaxed, below: hints for people */
    qr_store_relaxed(&me->pid, (uint32_t)getpid());
    qr_store_relaxed(&me->start_ns, qr_wall());
    memcpy(me->boot_id, boot, sizeof(boot));
    qr_store_relaxed(&me->state, 1u);
    count_frames(ch);
    rc = ch->commit ? qr_commit_resume(ch) : 0;
    if (rc != 0)
        return rc;
    uint64_t tail = qr_load_relaxed(&live->tail_page); /* relaxed: as above */
    rc = qr_locate(ch, tail, &place);
    if (rc == QUIRE_EAGAIN)
        rc = tail == 0 ? qr_turn_first(ch) : QUIRE_EBADFILE;
    return rc == QUIRE_ENOENT ? 0 : rc; /* its frame has gone on: the next send turns the page */
}

/* Takes everything apart that open put together. */
static int tear_down(struct quire *ch, int clean)
{
    int rc = 0;
    if (ch->keeper)
        qr_keeper_stop(ch);
    if (clean && ch->durability != QUIRE_DURABLE_NONE)
        rc = qr_commit_last(ch); /* a failure poisons: the next open knows */
    qr_keeper_free(ch);
    qr_due_free(ch);
    qr_pace_free(ch);
    qr_commit_free(ch);
    qr_ahead_free(ch);
    qr_bound_free(ch);
    qr_groups_free(ch);
    if (clean) {
        (void)qr_attention_lower(ch, QR_ATTEND_COMMIT);
        qr_void_fold(ch);
        qr_store_relaxed(&ch->view.participants[0].state, 0u); /* relaxed: alone again */
        qr_compiler_barrier(); /* the last word of all: a process is killed, not reordered */
        qr_store_relaxed(&ch->view.live->clean, 1u); /* relaxed: read by the next open */
    }
    qr_store_close(ch->store);
    pthread_mutex_destroy(&ch->tx_lock);
    pthread_mutex_destroy(&ch->lock);
    free(ch);
    return rc;
}

int qr_forked(const struct quire *ch)
{
    return ch->pid == getpid() ? 0 : QUIRE_EFORKED;
}

static int keepers_new(struct quire *ch, const struct quire_options *o)
{
    int rc = qr_ahead_new(ch);
    if (rc == 0 && ch->view.directory_backed)
        rc = qr_commit_new(ch);
    if (rc == 0)
        rc = qr_pace_new(ch, o);
    if (rc == 0)
        rc = qr_due_new(ch);
    if (rc == 0)
        rc = qr_keeper_new(ch, o);
    if (rc == 0)
        rc = qr_bound_new(ch, ch->view.sb->max_queued);
    return rc;
}

static int open_store(struct quire *ch, const char *path, const struct quire_options *options)
{
    struct quire_options o;
    struct qr_geometry geometry;
    int rc = qr_options_resolve(options, path != NULL, &o, &geometry);
    if (rc != 0)
        return rc;
    if (path)
        rc = open_directory(&ch->store, path, &o, &geometry);
    else
        rc = qr_store_open_memory(&ch->store, &geometry, (o.flags & QUIRE_HUGE_PAGES) != 0,
                                  QR_CLAIM_CLOSED);
    if (rc == 0)
        take_view(ch, &o);
    if (rc == 0 && !ch->view.read_only)
        rc = keepers_new(ch, &o);
    return rc;
}

int quire_open(quire_t **out, const char *path, const struct quire_options *options)
{
    if (!out)
        return QUIRE_EINVAL;
    *out = NULL;
    struct quire *ch = qr_io_zalloc(sizeof(*ch));
    if (!ch)
        return -ENOMEM;
    pthread_mutex_init(&ch->lock, NULL);
    pthread_mutex_init(&ch->tx_lock, NULL);
    qr_store_relaxed(&ch->references, 1u); /* relaxed: not shared yet */
    int rc = open_store(ch, path, options);
    if (rc == 0)
        rc = qr_groups_load(ch);
    if (rc == 0 && !ch->view.read_only)
        rc = enter(ch);
    if (rc != 0) {
        (void)tear_down(ch, 0);
        return rc;
    }
    qr_bound_start(ch);
    qr_pace_start(ch);
    *out = ch;
    return 0;
}

void qr_channel_ref(struct quire *ch)
{
    qr_add_relaxed(&ch->references, 1u); /* relaxed: the caller has one, a counter */
}

int qr_channel_unref(struct quire *ch)
{
    /* [R22 references] [A22 references] the last one sees what all others did. */
    return qr_sub_acq_rel(&ch->references, 1u) == 1 ? tear_down(ch, !ch->view.read_only) : 0;
}

int quire_close(quire_t *ch)
{
    if (!ch)
        return 0;
    if (qr_forked(ch) != 0)
        return QUIRE_EFORKED; /* files, lock and words are the parent's */
    pthread_mutex_lock(&ch->lock);
    /* relaxed: who read seq before the wake below looks at it again, and it carries this (pair
     * 15). */
    qr_store_relaxed(&ch->closed, 1u);
    qr_tx_shut_all(ch);
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    if (!ch->view.read_only)
        qr_wake_everybody(ch);
    return qr_channel_unref(ch);
}
