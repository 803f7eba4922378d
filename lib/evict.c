/* SPDX-License-Identifier: MIT */
/*
 * A full channel gives up the oldest page that lossy groups need and no required one does; with
 * DROP_OLDEST every group that does not say otherwise is lossy.
 *
 * For each group that is not done with it, in this order:
 *   1. the account as it will be is written beside the account as it is (next_*);
 *   2. head goes to (page, 65535), which names no message: from here on nobody claims in the page,
 *      and what was claimed before belongs to its claimers and is not lost;
 *   3. the new account replaces the old one;
 *   4. head goes on to (page + 1, 0).
 * A process that dies between 2 and 4 leaves slot 65535 in head, and recovery does 3 and 4. So a
 * loss is neither hidden nor told of twice.
 *
 * An ack group loses what it has not acknowledged, too. Its words of the page are frozen first, so
 * that the count stays true; a head that is past the page stays where it is, and the pending bit of
 * given_up stands for steps 2 to 4. Before step 2 nothing was given up, and recovery thaws.
 */
#include <lib/evict.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <lib/wait.h>
#include <sched.h>

int qr_evict_try_lock(struct quire *ch)
{
    uint32_t free = 0;
    /* [A20 evict] pairs with R20. */
    return qr_cas_acquire(&ch->view.live->evict_lock, &free, 1u);
}

void qr_evict_unlock(struct quire *ch)
{
    /* [R20 evict] pairs with A20. */
    qr_store_release(&ch->view.live->evict_lock, 0u);
}

static void loss_lock(struct qr_group_block *b)
{
    uint32_t free = 0;
    /* [A21 loss] pairs with R21. */
    while (!qr_cas_acquire(&b->loss_lock, &free, 1u)) {
        free = 0;
        sched_yield();
    }
}

static void loss_unlock(struct qr_group_block *b)
{
    /* [R21 loss] pairs with A21. */
    qr_store_release(&b->loss_lock, 0u);
}

/* Adds the messages, not voids, of [from, final): how many, the first and the last. */
static uint64_t count_messages(const struct qr_frame *frame, uint64_t page_no, uint32_t from,
                               uint32_t final, struct quire_lost *lost)
{
    for (uint32_t i = from; i < final; i++) {
        uint64_t word = qr_load_relaxed(&frame->slots[i]); /* relaxed: the page is complete */
        if (qr_slot_offset(word) == QR_SLOT_VOID)
            continue;
        if (lost->count++ == 0)
            lost->first = QUIRE_POSITION(page_no, i);
        lost->last = QUIRE_POSITION(page_no, i);
    }
    return lost->count;
}

/* Step 1. Under the loss lock. */
static void write_next(struct qr_group_block *b, const struct quire_lost *lost)
{
    /* relaxed: under the loss lock. */
    uint64_t count = qr_load_relaxed(&b->lost_count);
    uint64_t first = count > 0 ? qr_load_relaxed(&b->lost_first) : lost->first;
    uint64_t last = lost->count > 0 ? lost->last : qr_load_relaxed(&b->lost_last);
    /* relaxed: carried by the head that follows. */
    qr_store_relaxed(&b->next_first, first);
    qr_store_relaxed(&b->next_last, last);
    qr_store_relaxed(&b->next_count, count + lost->count);
    qr_store_relaxed(&b->next_total, qr_load_relaxed(&b->lost_total) + lost->count);
}

/* Step 3. */
static void make_valid(struct qr_group_block *b)
{
    /* relaxed, here and below: under the loss lock, or alone. */
    uint64_t count = qr_load_relaxed(&b->next_count);
    qr_store_relaxed(&b->lost_first, qr_load_relaxed(&b->next_first));
    qr_store_relaxed(&b->lost_last, qr_load_relaxed(&b->next_last));
    qr_store_relaxed(&b->lost_count, count);
    qr_store_relaxed(&b->lost_total, qr_load_relaxed(&b->next_total));
    qr_store_relaxed(&b->lost_pending, count > 0 ? 1u : 0u);
}

void qr_evict_finish(struct qr_group_block *b, uint64_t page_no)
{
    make_valid(b);
    /* relaxed: carried by head. Auto groups do not ask for it. */
    qr_store_relaxed(&b->given_up, (page_no + 1) << 1);
    /* Slots before were not all looked at by this group: no evidence that pages are complete.
     * relaxed: carried by head. */
    qr_store_relaxed(&b->walked_from, page_no + 1);
    /* [R5 head] pairs with A5: the account and walked_from are written. */
    qr_store_release(&b->head, qr_head(QUIRE_POSITION(page_no + 1, 0), QR_OWNER_NOBODY));
}

int qr_loss_take(struct qr_group_block *b, struct quire_lost *lost)
{
    loss_lock(b);
    /* relaxed: under the loss lock. */
    int pending = qr_load_relaxed(&b->lost_pending) != 0;
    if (pending) { /* relaxed: under the loss lock */
        lost->first = qr_load_relaxed(&b->lost_first);
        lost->last = qr_load_relaxed(&b->lost_last);
        lost->count = qr_load_relaxed(&b->lost_count);
        qr_store_relaxed(&b->lost_pending, 0u);
        qr_store_relaxed(&b->lost_count, 0u);
    }
    loss_unlock(b);
    return pending;
}

void qr_evict_settle(struct qr_group_block *b)
{
    uint64_t given_up = qr_load_relaxed(&b->given_up); /* relaxed: under the loss lock, or alone */
    if ((given_up & QR_GIVEN_UP_PENDING) == 0)
        return;
    make_valid(b);
    /* relaxed, both: as above */
    qr_store_relaxed(&b->given_up, given_up & ~QR_GIVEN_UP_PENDING);
}

/* Leases of a page that head is past. Under the loss lock. */
static void take_leases(struct qr_group_block *b, uint64_t page_no, const struct quire_lost *lost)
{
    write_next(b, lost);
    /* [R5 head] as head: the account to come is written. */
    qr_store_release(&b->given_up, (page_no + 1) << 1 | QR_GIVEN_UP_PENDING);
    qr_evict_settle(b);
}

/*
 * Takes the page, whole when nobody has begun it, from one group. Under the evict lock. 0; or why
 * its leases cannot be looked at: then they cannot be counted, and nothing is taken.
 */
static int take_from(struct quire *ch, struct qr_group *group, const struct qr_place *place,
                     uint32_t final, const struct quire_lost *whole)
{
    struct qr_group_block *b = group->block;
    uint64_t page_no = place->page_no;
    struct qr_lease_page page = {NULL, page_no, qr_slot_tag(page_no)};
    int rc = qr_group_acks(group) ? qr_zone_get(ch, group, place->frame_id, &page.zone) : 0;
    if (rc != 0)
        return rc;
    loss_lock(b);
    uint64_t head = qr_load_acquire(&b->head); /* [A5 head] pairs with R5 */
    for (;;) {
        struct quire_lost lost = {0, 0, 0};
        uint64_t at = qr_head_page(head, page_no);
        uint32_t from = at < page_no ? 0 : at > page_no ? final : qr_head_slot(head);
        int leased = page.zone && !qr_lease_finished(ch, group, place->frame_id, page_no, final);
        if (leased && from > 0)
            leased =
                qr_lease_freeze(ch, group, &page, place->frame, from < final ? from : final, &lost);
        if (from >= final) {
            if (leased)
                take_leases(b, page_no, &lost);
            break; /* the group is done with it by itself */
        }
        if (from == 0)
            lost = *whole;
        else
            (void)count_messages(place->frame, page_no, from, final, &lost);
        write_next(b, &lost);
        qr_handle_confirm(ch, head);
        uint64_t gone = QUIRE_POSITION(page_no, QR_SLOT_EVICTING);
        /* [R5 head] pairs with A5: the account to come is written. */
        if (qr_cas_acq_rel(&b->head, &head, qr_head(gone, QR_OWNER_NOBODY))) {
            qr_evict_finish(b, page_no);
            break;
        }
    }
    loss_unlock(b);
    return 0;
}

/* Nobody reads: what is given up is only counted. */
static void drop_unread(struct quire *ch, const struct qr_frame *frame, uint64_t page_no,
                        uint32_t final)
{
    struct quire_lost lost = {0, 0, 0};
    uint64_t n = count_messages(frame, page_no, 0, final, &lost);
    qr_add_relaxed(&ch->view.live->dropped, n); /* relaxed: a counter */
    /* [R11 retain] pairs with A11 in recycle.c. */
    qr_raise(&ch->view.live->retain_from, page_no + 1);
}

/* Without a group: the oldest page that is held, where pages may go that nobody has read. */
static uint64_t oldest_unread(struct quire *ch, uint64_t tail)
{
    struct qr_place place;
    uint64_t page =
        qr_load_relaxed(&ch->view.live->retain_from); /* relaxed: under the evict lock */
    if (ch->policy != QUIRE_FULL_DROP_OLDEST && !qr_retains(ch))
        return UINT64_MAX;
    /* What groups that are deleted had finished may be gone. */
    while (page < tail && qr_locate_held(ch, page, &place) == QUIRE_ENOENT)
        page++;
    return page;
}

/* The oldest page that some lossy group is not done with; UINT64_MAX when there is none. */
static uint64_t oldest_needed(struct quire *ch, uint64_t tail)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    uint64_t oldest = UINT64_MAX;
    if (qr_groups_live(ch) == 0)
        return oldest_unread(ch, tail);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t page = UINT64_MAX;
        if (!qr_group_deleted(list->group[i]) && qr_group_lossy(ch, list->group[i]))
            page = qr_group_oldest(ch, list->group[i], tail);
        oldest = page < oldest ? page : oldest;
    }
    return oldest;
}

/* Does a group need the page that must have it? */
static int is_required(struct quire *ch, const struct qr_place *place, uint32_t final)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        if (!qr_group_deleted(list->group[i]) && !qr_group_lossy(ch, list->group[i]) &&
            !qr_group_done(ch, list->group[i], place->frame_id, place->page_no, final))
            return 1;
    return 0;
}

/*
 * The page that goes first: 0, and *place and *final; QUIRE_FULL when none may go; or why it cannot
 * be looked at.
 */
static int first_to_go(struct quire *ch, uint64_t tail, struct qr_place *place, uint32_t *final)
{
    uint64_t page_no = oldest_needed(ch, tail);
    if (page_no > tail)
        return QUIRE_FULL;
    int rc = qr_locate_held(ch, page_no, place);
    if (rc != 0)
        return rc;
    int64_t sealed = qr_final(place->frame, page_no);
    if (sealed < 0 || sealed > (int64_t)ch->max_messages ||
        !qr_complete(place->frame, page_no, (uint32_t)sealed))
        return QUIRE_FULL; /* a producer is still at it: its publish wakes who waits */
    *final = (uint32_t)sealed;
    return is_required(ch, place, *final) ? QUIRE_FULL : 0;
}

static int give_up(struct quire *ch, const struct qr_place *place, uint32_t final)
{
    int rc = 0;
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    struct quire_lost whole = {0, 0, 0};
    (void)count_messages(place->frame, place->page_no, 0, final, &whole);
    for (uint32_t i = 0; i < count && rc == 0; i++)
        if (!qr_group_deleted(list->group[i]) && qr_group_lossy(ch, list->group[i]))
            rc = take_from(ch, list->group[i], place, final, &whole);
    if (qr_groups_live(ch) == 0)
        drop_unread(ch, place->frame, place->page_no, final);
    /* A consumer may wait where the head was. */
    qr_wake_consumers(ch);
    return rc;
}

static int evict_locked(struct quire *ch, uint64_t tail)
{
    struct qr_place place;
    uint32_t final;
    int rc = first_to_go(ch, tail, &place, &final);
    return rc == 0 ? give_up(ch, &place, final) : rc;
}

/* Is the page older, or are there more bytes from it on, than are to be kept? */
static int is_over(struct quire *ch, const struct qr_place *place, uint64_t tail)
{
    /* relaxed, all: options; the time was written before the seal that was seen. */
    uint64_t age = qr_load_relaxed(&ch->retain_age_ns), now = age != 0 ? qr_wall() : 0;
    uint64_t bytes = qr_load_relaxed(&ch->retain_bytes);
    uint64_t sealed = qr_load_relaxed(&place->frame->header->last_ns);
    return (age != 0 && sealed < now && now - sealed > age) ||
           (bytes != 0 && (tail - place->page_no + 1) > bytes / (ch->capacity_units * 8));
}

uint32_t qr_retain(struct quire *ch)
{
    struct qr_place place;
    uint32_t final, n = 0;
    if (!qr_evict_try_lock(ch))
        return 0; /* whoever has it is giving up pages, too, or will be followed by a turn */
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    while (first_to_go(ch, tail, &place, &final) == 0 && is_over(ch, &place, tail) &&
           give_up(ch, &place, final) == 0)
        n++;
    qr_evict_unlock(ch);
    return n;
}

int qr_evict(struct quire *ch, uint64_t tail)
{
    if (!qr_evict_try_lock(ch)) {
        sched_yield();
        return QUIRE_EAGAIN;
    }
    int rc = evict_locked(ch, tail);
    qr_evict_unlock(ch);
    return rc;
}
