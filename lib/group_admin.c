/* SPDX-License-Identifier: MIT */
/* What an operator does with groups: make, delete, move, pause them; dead letters. Under ch->lock.
 */
#include <lib/bound.h>
#include <lib/evict.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/wait.h>
#include <sched.h>
#include <string.h>

static const struct quire_where from_oldest = {QUIRE_OLDEST, 0, 0};

/* 0 with the lock, or why the channel cannot be changed. */
static int begin(struct quire *ch, const char *name)
{
    if (!ch || !name)
        return QUIRE_EINVAL;
    if (ch->view.read_only)
        return QUIRE_ERDONLY;
    if (qr_forked(ch) != 0)
        return QUIRE_EFORKED;
    pthread_mutex_lock(&ch->lock);
    if (!qr_closed(ch))
        return 0;
    pthread_mutex_unlock(&ch->lock);
    return QUIRE_CLOSED;
}

/* The same with the group. */
static int begin_with(struct quire *ch, const char *name, struct qr_group **group)
{
    int rc = begin(ch, name);
    if (rc != 0)
        return rc;
    *group = qr_group_find(ch, name);
    if (*group)
        return 0;
    pthread_mutex_unlock(&ch->lock);
    return QUIRE_ENOENT;
}

int quire_group_create(quire_t *ch, const char *name, const struct quire_where *where,
                       const struct quire_group_options *options)
{
    where = where ? where : &from_oldest;
    if (!name || !qr_group_name_valid(name) || !qr_where_valid(where) ||
        (options && qr_group_options_check(options) != 0))
        return QUIRE_EINVAL;
    int rc = begin(ch, name);
    if (rc != 0)
        return rc;
    struct qr_group *group = qr_group_find(ch, name);
    /* The line of a handle protects the pages meanwhile. */
    int line = group ? QUIRE_EEXIST : qr_handle_take(ch);
    rc = line < 0 ? line : qr_group_join(ch, name, where, options, (uint32_t)line, &group);
    if (line >= 0)
        qr_handle_free(ch, (uint32_t)line);
    pthread_mutex_unlock(&ch->lock);
    return rc;
}

/* The runs of closed handles go with their group's place. */
static void free_orphans(struct quire *ch, struct qr_group *group)
{
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        /* [A7 line] pairs with R7; relaxed: ordered by the state. */
        if (qr_handle_state_of(qr_load_acquire(&line->state)) == QR_HANDLE_ORPHAN &&
            qr_load_relaxed(&line->group_id) == group->id)
            qr_handle_free(ch, i);
    }
    qr_store_relaxed(&group->block->orphans, 0u); /* relaxed: nobody is in the group */
}

static int is_empty(const struct qr_group *group)
{
    /* relaxed: changed under the lock */
    return qr_load_relaxed(&group->block->members) == 0;
}

int quire_group_delete(quire_t *ch, const char *name)
{
    struct qr_group *group;
    int rc = begin_with(ch, name, &group);
    if (rc != 0)
        return rc;
    int gone = 0;
    rc = is_empty(group) ? qr_store_group_delete(ch->store, name, &gone) : QUIRE_EBUSY;
    if (gone) {
        qr_bound_stop(ch);
        qr_store_relaxed(&group->deleted, 1u); /* relaxed: who sees it late is late */
        free_orphans(ch, group);
        qr_bound_settle(ch);
    }
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    if (gone)
        qr_freed(ch, ch->view.live);
    return rc;
}

/* No slot of any page was ever given. Nobody is in the group. */
static int forget_leases(struct quire *ch, struct qr_group *group)
{
    struct qr_lease_layout l;
    qr_lease_layout(&l, ch->max_messages);
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        const struct qr_zone *zone = qr_zone_at(group, f);
        if (!zone && !qr_store_zone_there(ch->store, &group->map, f))
            continue;
        int rc = qr_zone_get(ch, group, f, &zone);
        if (rc != 0)
            return rc;
        memset(zone->words, 0, l.who - l.words);
        /* relaxed, all: nobody is in the group, and recyclers look at begin and head. */
        qr_store_relaxed(&zone->head->full, 0u);
        qr_store_relaxed(&zone->head->back, 0u);
    }
    qr_store_relaxed(&group->block->returned, 0u);
    return 0;
}

static int seek(struct quire *ch, struct qr_group *group, const struct quire_where *where,
                uint32_t line)
{
    struct qr_group_block *b = group->block;
    uint64_t position, walked;
    int rc = qr_group_secure(ch, where, line, &position, &walked);
    if (rc == 0 && qr_group_acks(group))
        rc = forget_leases(ch, group);
    if (rc != 0)
        return rc;
    free_orphans(ch, group);
    qr_bound_stop(ch);
    /* relaxed, all: carried by head. */
    qr_store_relaxed(&b->given_up, 0u);
    qr_store_relaxed(&b->walked_from, walked);
    qr_store_relaxed(&b->begin, position);
    /* [R5 head] pairs with A5. */
    qr_store_release(&b->head, qr_head(position, QR_OWNER_NOBODY));
    /* [R8 needs] pairs with A8: before the line stops protecting. */
    qr_add_acq_rel(&ch->view.live->needs_seq, 1u);
    qr_bound_place(ch, group);
    qr_bound_settle(ch);
    return 0;
}

int quire_group_seek(quire_t *ch, const char *name, const struct quire_where *where)
{
    struct qr_group *group;
    if (!where || !qr_where_valid(where))
        return QUIRE_EINVAL;
    int rc = begin_with(ch, name, &group);
    if (rc != 0)
        return rc;
    /* A page is not given up while its group moves. */
    int locked = qr_gives_up(ch);
    while (locked && !qr_evict_try_lock(ch))
        sched_yield();
    int line = is_empty(group) ? qr_handle_take(ch) : QUIRE_EBUSY;
    rc = line < 0 ? line : seek(ch, group, where, (uint32_t)line);
    if (locked)
        qr_evict_unlock(ch);
    if (line >= 0)
        qr_handle_free(ch, (uint32_t)line);
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    qr_freed(ch, ch->view.live);
    return rc;
}

long quire_retain(quire_t *ch, uint64_t max_age_ns, uint64_t max_bytes)
{
    int rc = begin(ch, "");
    if (rc != 0)
        return rc;
    /* relaxed, all: under the lock; who looks late keeps more. */
    qr_store_relaxed(&ch->lossy, 1u); /* from here on who makes a group locks out who gives up */
    qr_store_relaxed(&ch->retain_age_ns, max_age_ns);
    qr_store_relaxed(&ch->retain_bytes, max_bytes);
    uint32_t n = qr_retains(ch) ? qr_retain(ch) : 0;
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    qr_freed(ch, ch->view.live);
    return n;
}

static int set_paused(struct quire *ch, const char *name, uint32_t paused)
{
    struct qr_group *group;
    int rc = begin_with(ch, name, &group);
    if (rc != 0)
        return rc;
    qr_store_relaxed(&group->block->paused, paused); /* relaxed: the fence follows */
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence: it sees this, or is seen */
    if (!paused)
        qr_wake_group(ch, group, 1);
    return 0;
}

int quire_group_pause(quire_t *ch, const char *name)
{
    return set_paused(ch, name, 1);
}

int quire_group_resume(quire_t *ch, const char *name)
{
    return set_paused(ch, name, 0);
}
