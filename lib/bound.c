/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/bound.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <sched.h>
#include <stdlib.h>

/* sent:53 | stop:1 | claiming:10 */
#define CLAIMING_MASK 1023ull /* producers that have places and no claim yet */
#define STOP          1024ull
#define SENT_SHIFT    11u
#define SENT_FIRST    (1ull << 33) /* more than a group can have left: no count is negative */
#define BOUND_MAX     (1ull << 52) /* as good as none; no sum overflows */
#define NO_LIMIT      UINT64_MAX
#define LOOKS_MAX     100u /* for who has a place and is not running */

_Static_assert(QR_HANDLES <= CLAIMING_MASK, "a handle claims once at a time");
_Static_assert(SENT_FIRST > (uint64_t)QR_FRAMES_MAX * QR_MESSAGES_MAX, "see SENT_FIRST");

struct qr_bound {
    uint64_t max;
    int stopped; /* under ch->lock, as whoever writes the words below but for word */
    uint8_t pad0[QR_LINE - 12];
    qr_atomic_u64 word;
    uint8_t pad1[QR_LINE - 8];
    qr_atomic_u64 changes; /* of the groups; what was computed before one counts no more */
    qr_atomic_u64 coming;  /* as finished, of a group that is being made; NO_LIMIT: none is */
    qr_atomic_u64 unread;  /* as finished, of the group that is not there, when there is none */
    uint8_t pad2[QR_LINE - 24];
};

static uint64_t sent_of(uint64_t word)
{
    return word >> SENT_SHIFT;
}

int qr_bound_new(struct quire *ch, uint64_t max)
{
    struct qr_bound *b = max != 0 ? qr_io_zalloc(sizeof(*b)) : NULL;
    if (max == 0)
        return 0;
    if (!b)
        return -ENOMEM;
    b->max = max < BOUND_MAX ? max : BOUND_MAX;
    /* relaxed, all: not shared yet */
    qr_store_relaxed(&b->word, SENT_FIRST << SENT_SHIFT);
    qr_store_relaxed(&b->changes, 1u);
    qr_store_relaxed(&b->coming, NO_LIMIT);
    ch->bound = b;
    return 0;
}

void qr_bound_free(struct quire *ch)
{
    free(ch->bound);
    ch->bound = NULL;
}

/* What the group that is furthest behind has finished; NO_LIMIT when none counts. */
static uint64_t least_finished(struct quire *ch)
{
    struct qr_bound *b = ch->bound;
    uint64_t least = qr_load_relaxed(&b->coming); /* relaxed: ordered by changes */
    uint32_t count = qr_group_count(ch), live = 0;
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++) {
        struct qr_group *group = list->group[i];
        if (qr_group_deleted(group))
            continue;
        live++;
        if (!group->counted)
            continue;
        /* [A49 finished] pairs with R49: the sender comes after what made room for it. */
        uint64_t finished = qr_load_acquire(&group->finished);
        least = finished < least ? finished : least;
    }
    /* relaxed: ordered by changes */
    uint64_t unread = live == 0 ? qr_load_relaxed(&b->unread) : NO_LIMIT;
    return unread < least ? unread : least;
}

static void look_anew(struct quire *ch, struct qr_room *room)
{
    struct qr_bound *b = ch->bound;
    /* [A51 changes] pairs with R51. Before the groups are looked at: a change meanwhile shows. */
    room->changes = qr_load_acquire(&b->changes);
    uint64_t least = least_finished(ch);
    room->limit = least == NO_LIMIT ? NO_LIMIT : least + b->max;
}

/* Groups have changed, or are being changed, since the room was computed. */
static int is_stale(struct qr_bound *b, const struct qr_room *room)
{
    /* [A50 bound] pairs with R50; relaxed: ordered by it. */
    return (qr_load_acquire(&b->word) & STOP) != 0 || qr_load_relaxed(&b->changes) != room->changes;
}

static int fits(struct quire *ch, struct qr_room *room, uint64_t sent, uint32_t n)
{
    /* relaxed: looked at once more when the places are taken. */
    if (qr_load_relaxed(&ch->bound->changes) != room->changes || sent + n > room->limit)
        look_anew(ch, room);
    return sent + n <= room->limit;
}

void qr_bound_claimed(struct quire *ch)
{
    /* [R50 bound] pairs with A50: who stops the takers sees the claim. */
    qr_sub_acq_rel(&ch->bound->word, 1u);
}

void qr_bound_failed(struct quire *ch, uint32_t n)
{
    /* [R50 bound] pairs with A50: a page that was found over is sealed. */
    qr_sub_acq_rel(&ch->bound->word, ((uint64_t)n << SENT_SHIFT) + 1);
    qr_freed(ch, ch->view.live);
}

int qr_bound_take(struct quire *ch, struct qr_room *room, uint32_t n)
{
    struct qr_bound *b = ch->bound;
    uint32_t looks = 0;
    for (;;) {
        uint64_t word = qr_load_acquire(&b->word); /* [A50 bound] pairs with R50 */
        if ((word & STOP) != 0) {
            sched_yield();
            continue;
        }
        if (!fits(ch, room, sent_of(word), n)) {
            if (is_stale(b, room))
                continue;
            /* Who has places and no claim may give them back. */
            if ((word & CLAIMING_MASK) == 0 || ++looks > LOOKS_MAX)
                return QUIRE_FULL;
            sched_yield();
            continue;
        }
        /* [A50 bound] [R50 bound] what the groups have finished was read before. */
        if (!qr_cas_acq_rel(&b->word, &word, word + ((uint64_t)n << SENT_SHIFT) + 1))
            continue;
        /* relaxed: nobody changes it from here to the claim; ordered by the exchange. */
        if (qr_load_relaxed(&b->changes) == room->changes)
            return 0;
        qr_bound_failed(ch, n);
    }
}

uint64_t qr_bound_room(struct quire *ch, struct qr_room *room)
{
    uint64_t sent = sent_of(qr_load_acquire(&ch->bound->word)); /* [A50 bound] pairs with R50 */
    return fits(ch, room, sent, 1) ? room->limit - sent : 0;
}

void qr_bound_finish(struct quire *ch, struct qr_group *group, uint32_t n)
{
    /* [R49 finished] pairs with A49. */
    qr_add_acq_rel(&group->finished, n);
    qr_freed(ch, ch->view.live);
}

void qr_bound_stop(struct quire *ch)
{
    struct qr_bound *b = ch->bound;
    if (!b || b->stopped)
        return;
    b->stopped = 1;
    /* [A50 bound] [R50 bound] who takes places from here on sees the stop. */
    uint64_t word = qr_or_acq_rel(&b->word, STOP);
    while ((word & CLAIMING_MASK) != 0) {
        sched_yield();
        word = qr_load_acquire(&b->word); /* [A50 bound] pairs with R50 */
    }
}

/* Slots that are claimed from position on. Stopped: every page that is over is sealed. */
static uint64_t claims_from(struct quire *ch, uint64_t position)
{
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    uint64_t n = 0, from = QUIRE_SLOT_OF(position);
    for (uint64_t page = QUIRE_PAGE_OF(position);; page++, from = 0) {
        struct qr_place place;
        uint64_t slots = 0;
        if (qr_locate(ch, page, &place) == 0) {
            int64_t final = qr_final(place.frame, page);
            /* relaxed: fixed while the takers are stopped. */
            uint64_t word = qr_load_relaxed(place.frame->claim);
            if (final >= 0)
                slots = (uint64_t) final;
            else if (qr_claim_tag(word) == qr_claim_tag_of(page) &&
                     !qr_claim_over(word, ch->max_messages, ch->capacity_units))
                slots = qr_claim_count(word);
        }
        /* The tail may lag by one. */
        if (page > tail && slots == 0)
            return n;
        n += slots > from ? slots - from : 0;
    }
}

/* Slots that are in runs of handles that were closed. */
static uint64_t orphaned(struct quire *ch, const struct qr_group *group)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        struct qr_holding run;
        /* [A7 line] pairs with R7; relaxed: ordered by the state. */
        if (qr_handle_state_of(qr_load_acquire(&line->state)) != QR_HANDLE_ORPHAN ||
            qr_load_relaxed(&line->group_id) != group->id)
            continue;
        qr_handle_holding(ch, i, &run);
        n += run.n;
    }
    return n;
}

static uint64_t not_finished(struct quire *ch, struct qr_group *group)
{
    uint64_t head = qr_load_acquire(&group->block->head);       /* [A5 head] pairs with R5 */
    uint64_t hint = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: any resolves */
    uint64_t n = claims_from(ch, qr_head_position(head, hint));
    if (!qr_group_acks(group))
        return n + orphaned(ch, group);
    struct qr_lease_counts leases;
    qr_lease_count(ch, group, UINT64_MAX, QR_OWNER_NOBODY, &leases);
    return n + leases.leased + leases.returned + leases.dead + leases.voids;
}

void qr_bound_admit(struct quire *ch, struct qr_group *group)
{
    group->counted = ch->bound && !qr_group_lossy(ch, group);
    /* As if it had nothing left, until it has its place. relaxed: nobody sees it yet */
    qr_store_relaxed(&group->finished, NO_LIMIT);
}

void qr_bound_place(struct quire *ch, struct qr_group *group)
{
    if (!ch->bound)
        return;
    uint64_t sent = sent_of(qr_load_relaxed(&ch->bound->word)); /* relaxed: stopped */
    /* [R49 finished] pairs with A49. */
    qr_store_release(&group->finished, sent - not_finished(ch, group));
}

void qr_bound_expect(struct quire *ch)
{
    struct qr_bound *b = ch->bound;
    if (!b)
        return;
    qr_bound_stop(ch);
    /* relaxed, both: stopped; carried by changes. */
    qr_store_relaxed(&b->coming, sent_of(qr_load_relaxed(&b->word)));
    qr_add_acq_rel(&b->changes, 1u); /* [R51 changes] pairs with A51 */
    b->stopped = 0;
    qr_and_acq_rel(&b->word, ~STOP); /* [R50 bound] pairs with A50 */
}

void qr_bound_settle(struct quire *ch)
{
    struct qr_bound *b = ch->bound;
    if (!b)
        return;
    qr_bound_stop(ch);
    qr_store_relaxed(&b->coming, NO_LIMIT); /* relaxed: carried by changes */
    if (qr_groups_live(ch) == 0) {
        /* Whoever comes first may begin with the oldest message. relaxed, all: as above. */
        uint64_t tail = qr_load_relaxed(&ch->view.live->tail_page);
        uint64_t held = claims_from(ch, QUIRE_POSITION(qr_oldest_page(ch, tail), 0));
        qr_store_relaxed(&b->unread, sent_of(qr_load_relaxed(&b->word)) - held);
    }
    qr_add_acq_rel(&b->changes, 1u); /* [R51 changes] pairs with A51 */
    b->stopped = 0;
    qr_and_acq_rel(&b->word, ~STOP); /* [R50 bound] pairs with A50 */
}

void qr_bound_start(struct quire *ch)
{
    if (!ch->bound)
        return;
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        qr_bound_place(ch, list->group[i]);
    qr_bound_settle(ch);
}
