/* SPDX-License-Identifier: MIT */
/*
 * Figures for people. All loads here are relaxed or acquire and change nothing; each figure is
 * right at some moment, all together only when the channel is idle.
 */
#include <errno.h>
#include <lib/account.h>
#include <lib/commit.h>
#include <lib/extent.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/keeper.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <stdlib.h>
#include <string.h>

/* Data units of a page before slot: where its record begins. */
static uint64_t units_before(struct quire *ch, const struct qr_frame *frame, uint64_t page_no,
                             uint32_t slot, const struct qr_claims *e)
{
    for (uint64_t i = slot; i < e->slots; i++) {
        uint64_t word = qr_load_acquire(&frame->slots[i]); /* [A2 slot] pairs with R2 */
        if (qr_slot_is(word, qr_slot_tag(page_no)) && qr_slot_offset(word) < ch->capacity_units)
            return qr_slot_offset(word);
    }
    return e->units;
}

static uint32_t page_state(struct quire *ch, uint32_t frame_id, uint64_t page, uint64_t tail)
{
    if (page == QR_PAGE_ABSENT || page == QR_PAGE_BUSY)
        return QUIRE_PAGE_EMPTY;
    if (page >= QR_PAGE_MAX)
        return QUIRE_PAGE_FREE;
    if (page > tail)
        return QUIRE_PAGE_PREPARED;
    if (page < tail && qr_recyclable(ch, frame_id, page))
        return QUIRE_PAGE_FREE;
    const struct qr_frame *frame;
    if (qr_store_frame(ch->store, frame_id, &frame) == 0 && qr_final(frame, page) >= 0)
        return QUIRE_PAGE_SEALED;
    return QUIRE_PAGE_OPEN;
}

/*
 * The page a frame has, and its state as that. Both looks see one life of the frame: one that goes
 * to another page meanwhile looks like the page that is being written. A frame that loses its page
 * to a rival has the number for a moment, and holds nothing.
 */
static uint32_t frame_state(struct quire *ch, uint32_t frame_id, uint64_t tail, uint64_t *page)
{
    uint64_t now = qr_life_page(qr_load_acquire(&ch->view.life[frame_id])); /* [A6 life] with R6 */
    uint64_t before;
    uint32_t state;
    do {
        before = now;
        *page = now <= tail && !qr_holds(ch, frame_id, now) ? QR_PAGE_FREE : now;
        state = page_state(ch, frame_id, *page, tail);
        now = qr_life_page(qr_load_acquire(&ch->view.life[frame_id])); /* [A6 life] with R6 */
    } while (now != before);
    return state;
}

static void stat_frames(struct quire *ch, struct quire_stat *s)
{
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        uint64_t page;
        uint32_t state = frame_state(ch, f, s->tail_page, &page);
        if (page == QR_PAGE_ABSENT)
            continue;
        s->pages_made += page != QR_PAGE_BUSY;
        s->pages_used += state == QUIRE_PAGE_OPEN || state == QUIRE_PAGE_SEALED;
        s->pages_free += state == QUIRE_PAGE_FREE;
    }
}

static uint32_t count_handles(struct quire *ch)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        uint32_t state =
            qr_handle_state_of(qr_load_acquire(&qr_handle(ch, i)->state)); /* [A7 line] */
        n += state == QR_HANDLE_TX || state == QR_HANDLE_RX;
    }
    return n;
}

/* Claims of all pages up to the tail. */
static uint64_t messages(struct quire *ch, uint64_t tail)
{
    uint64_t next, before, n = qr_account_messages(ch, &next);
    do {
        before = next;
        for (uint64_t page = next; page <= tail; page++) {
            struct qr_place place;
            if (qr_locate(ch, page, &place) == 0)
                n += qr_claims_of(ch, place.frame, page).slots;
        }
        /* A page that was not found had gone into the account first: look again. */
        uint64_t accounted = qr_account_messages(ch, &next);
        n = next == before ? n : accounted;
    } while (next != before);
    return n;
}

/* What this open does for durability and preparation. */
static void stat_keeper(struct quire *ch, struct quire_stat *s)
{
    struct qr_engine_report report;
    s->poisoned = qr_poisoned(ch) != 0;
    s->durable_position = quire_durable_position(ch);
    if (ch->view.read_only)
        return;
    qr_keeper_report(ch, &report);
    if (ch->commit)
        qr_commit_figures(ch, &s->commits, &s->commit_ns);
    s->pages_made_ahead = qr_load_relaxed(&ch->made_ahead); /* relaxed, both: figures */
    s->no_space = qr_load_relaxed(&ch->no_space);
    s->durability = ch->durability;
    s->keeper = ch->caller_keeps ? QUIRE_KEEPER_CALLER : QUIRE_KEEPER_THREAD;
    s->engine = report.kind == QR_ENGINE_URING     ? QUIRE_ENGINE_URING
                : report.kind == QR_ENGINE_THREADS ? QUIRE_ENGINE_THREADS
                                                   : QUIRE_ENGINE_AUTO;
    s->engine_error = report.error;
    memcpy(s->engine_reason, report.reason, sizeof(s->engine_reason));
}

int quire_stat(quire_t *ch, struct quire_stat *s)
{
    if (!ch || !s)
        return QUIRE_EINVAL;
    int rc = qr_groups_see(ch);
    if (rc != 0)
        return rc;
    struct qr_live *live = ch->view.live;
    struct qr_place place;
    memset(s, 0, sizeof(*s));
    s->page_size = ch->view.sb->page_size;
    s->max_pages = ch->frames_base;
    s->max_messages = ch->max_messages;
    s->full_policy = ch->policy;
    s->checksum = ch->checksum ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF;
    s->directory = ch->view.directory_backed != 0;
    s->huge_pages = ch->view.huge_pages != 0;
    memcpy(s->uuid, ch->view.sb->uuid, sizeof(s->uuid));
    s->tail_page = qr_load_acquire(&live->tail_page); /* [A10 tail] pairs with R10 */
    s->first_page = qr_oldest_page(ch, s->tail_page);
    /* relaxed: figures. */
    s->end_position = QUIRE_POSITION(s->tail_page, 0);
    rc = qr_locate(ch, s->tail_page, &place);
    if (rc == 0)
        s->end_position += qr_claims_of(ch, place.frame, s->tail_page).slots;
    s->turns = rc == QUIRE_EAGAIN ? 0 : s->tail_page + 1; /* nobody has opened it yet */
    s->messages = messages(ch, s->tail_page);
    s->voids = qr_void_total(ch);
    /* relaxed, here and below: figures. */
    s->damaged = qr_load_relaxed(&live->damaged);
    s->dropped = qr_load_relaxed(&live->dropped);
    s->turns_waited = qr_load_relaxed(&live->turns_waited);
    s->recoveries = qr_load_relaxed(&live->recoveries);
    s->clean = qr_load_relaxed(&live->clean);
    s->bytes = qr_store_bytes(ch->store);
    s->groups = qr_groups_live(ch);
    s->handles = count_handles(ch);
    stat_frames(ch, s);
    stat_keeper(ch, s);
    return 0;
}

static int by_page(const void *a, const void *b)
{
    uint64_t x = ((const struct quire_page_stat *)a)->page_no;
    uint64_t y = ((const struct quire_page_stat *)b)->page_no;
    return x < y ? -1 : x > y;
}

static void stat_page(struct quire *ch, uint32_t frame_id, uint64_t page, uint32_t state,
                      uint64_t tail, struct quire_page_stat *s)
{
    const struct qr_frame *frame;
    memset(s, 0, sizeof(*s));
    s->frame_id = frame_id;
    s->state = state;
    s->page_no = page < QR_PAGE_MAX ? page : UINT64_MAX;
    if (page > tail || qr_store_frame(ch->store, frame_id, &frame) != 0)
        return;
    struct qr_claims e = qr_claims_of(ch, frame, page);
    s->messages = (uint32_t)e.slots;
    s->bytes = e.units * 8;
    s->opened_ns = qr_load_relaxed(&frame->header->first_ns); /* relaxed: a figure */
}

/* Pages ascending; frames that hold none come last. */
long quire_stat_pages(quire_t *ch, struct quire_page_stat *stats, size_t count)
{
    if (!ch || (count > 0 && !stats))
        return QUIRE_EINVAL;
    struct quire_page_stat *all = calloc(ch->frames_cap, sizeof(*all));
    if (!all)
        return -ENOMEM;
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    size_t n = 0;
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        uint64_t page;
        uint32_t state = frame_state(ch, f, tail, &page);
        if (page != QR_PAGE_ABSENT)
            stat_page(ch, f, page, state, tail, &all[n++]);
    }
    qsort(all, n, sizeof(*all), by_page);
    if (count > 0)
        memcpy(stats, all, (n < count ? n : count) * sizeof(*all));
    free(all);
    return (long)n;
}

/* Adds the claims of all pages from position on. */
static void lag(struct quire *ch, uint64_t position, struct quire_group_stat *s)
{
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    for (uint64_t page = QUIRE_PAGE_OF(position); page <= tail; page++) {
        struct qr_place place;
        if (qr_locate(ch, page, &place) != 0)
            continue;
        struct qr_claims e = qr_claims_of(ch, place.frame, page);
        uint64_t from = page == QUIRE_PAGE_OF(position) ? QUIRE_SLOT_OF(position) : 0;
        if (from >= e.slots)
            continue;
        s->lag_messages += e.slots - from;
        s->lag_bytes += (e.units - units_before(ch, place.frame, page, (uint32_t)from, &e)) * 8;
    }
}

/* Runs that wait for a member lag too. */
static void lag_returned(struct quire *ch, const struct qr_group *group, struct quire_group_stat *s)
{
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        struct qr_holding run;
        struct qr_place place;
        /* [A7 line] pairs with R7. */
        if (qr_handle_state_of(qr_load_acquire(&line->state)) != QR_HANDLE_ORPHAN ||
            qr_load_relaxed(&line->group_id) != group->id) /* relaxed: ordered by the state */
            continue;
        qr_handle_holding(ch, i, &run);
        s->lag_messages += run.n;
        s->returned += run.n > 0;
        uint64_t page = QUIRE_PAGE_OF(run.start);
        if (run.n == 0 || qr_locate(ch, page, &place) != 0)
            continue;
        struct qr_claims e = qr_claims_of(ch, place.frame, page);
        uint32_t from = QUIRE_SLOT_OF(run.start);
        uint64_t end = units_before(ch, place.frame, page, from + run.n, &e);
        uint64_t begin = units_before(ch, place.frame, page, from, &e);
        s->lag_bytes += end > begin ? (end - begin) * 8 : 0;
    }
}

static void lag_leases(struct quire *ch, struct qr_group *group, struct quire_group_stat *s)
{
    struct qr_lease_counts n;
    qr_lease_count(ch, group, UINT64_MAX, QR_OWNER_NOBODY, &n);
    s->leased = n.leased;
    s->dead = n.dead;
    s->returned = (uint32_t)n.returned;
    s->lag_messages += n.leased + n.returned;
}

static void stat_group(struct quire *ch, struct qr_group *group, struct quire_group_stat *s)
{
    struct qr_group_block *b = group->block;
    memset(s, 0, sizeof(*s));
    memcpy(s->name, group->name, sizeof(s->name));
    uint64_t head = qr_load_acquire(&b->head);                  /* [A5 head] pairs with R5 */
    uint64_t hint = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: any resolves */
    s->position = qr_head_position(head, hint);
    s->lost = qr_load_relaxed(&b->lost_total); /* relaxed: figures */
    s->members = qr_load_relaxed(&b->members);
    s->mode = b->mode;
    s->max_attempts = b->max_attempts;
    s->hold = qr_group_lossy(ch, group) ? QUIRE_HOLD_LOSSY : QUIRE_HOLD_REQUIRED;
    s->paused = qr_load_relaxed(&b->paused); /* relaxed: a figure */
    s->lease_ns = (uint64_t)b->lease_ms * 1000000u;
    lag(ch, s->position, s);
    if (qr_group_acks(group))
        lag_leases(ch, group, s);
    else
        lag_returned(ch, group, s);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct quire_group_stat *)a)->name,
                  ((const struct quire_group_stat *)b)->name);
}

long quire_stat_groups(quire_t *ch, struct quire_group_stat *stats, size_t count)
{
    if (!ch || (count > 0 && !stats))
        return QUIRE_EINVAL;
    int rc = qr_groups_see(ch);
    if (rc != 0)
        return rc;
    uint32_t known = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    struct quire_group_stat *all = calloc(known + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    uint32_t n = 0;
    for (uint32_t i = 0; i < known; i++)
        if (!qr_group_deleted(list->group[i]))
            stat_group(ch, list->group[i], &all[n++]);
    qsort(all, n, sizeof(*all), by_name);
    if (count > 0)
        memcpy(stats, all, (n < count ? n : count) * sizeof(*all));
    free(all);
    return n;
}

static int stat_handle(struct quire *ch, uint32_t index, struct quire_handle_stat *s)
{
    struct qr_handle *line = qr_handle(ch, index);
    uint32_t state = qr_handle_state_of(qr_load_acquire(&line->state)); /* [A7 line] with R7 */
    memset(s, 0, sizeof(*s));
    if (state != QR_HANDLE_TX && state != QR_HANDLE_RX && state != QR_HANDLE_ORPHAN)
        return 0;
    s->handle = index;
    s->kind = state == QR_HANDLE_TX   ? QUIRE_HANDLE_TX
              : state == QR_HANDLE_RX ? QUIRE_HANDLE_RX
                                      : QUIRE_HANDLE_RETURNED;
    /* relaxed: ordered by the state; figures. */
    uint32_t participant = qr_load_relaxed(&line->participant);
    if (participant < QR_PARTICIPANTS && state != QR_HANDLE_ORPHAN)
        s->pid = qr_load_relaxed(&ch->view.participants[participant].pid);
    s->since_ns = qr_load_relaxed(&line->since_ns);
    s->page_no = UINT64_MAX;
    if (state == QR_HANDLE_TX)
        return 1;
    struct qr_holding run;
    qr_handle_holding(ch, index, &run);
    s->claimed = run.n;
    s->next = run.n > 0 ? run.start : 0;
    if (run.stand != 0)
        s->page_no = run.stand - 1;
    else if (run.n > 0)
        s->page_no = QUIRE_PAGE_OF(run.start);
    /* relaxed: ordered by the state */
    struct qr_group *group = qr_group_by_id(ch, qr_load_relaxed(&line->group_id));
    if (group)
        memcpy(s->group, group->name, sizeof(s->group));
    return 1;
}

long quire_stat_handles(quire_t *ch, struct quire_handle_stat *stats, size_t count)
{
    if (!ch || (count > 0 && !stats))
        return QUIRE_EINVAL;
    size_t n = 0;
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct quire_handle_stat s;
        if (!stat_handle(ch, i, &s))
            continue;
        if (n < count)
            stats[n] = s;
        n++;
    }
    return (long)n;
}
