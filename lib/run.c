/* SPDX-License-Identifier: MIT */
/*
 * Claiming a run of messages for one member of a group.
 *
 * Only published slots are claimed, so a claimed run can be delivered at once; the exception is a
 * hole at the head with messages behind it, which one member claims alone and waits for.
 */
#include <lib/ahead.h>
#include <lib/evict.h>
#include <lib/handles.h>
#include <lib/pace.h>
#include <lib/recycle.h>
#include <lib/rx.h>
#include <lib/turn.h>
#include <lib/wait.h>
#include <string.h>

#define HOLE_LOOK_AHEAD   16u
#define WATCH_LOOKS       16u
#define GATHER_BELOW      64u /* a run shorter than this is given a moment to grow */
#define GATHER_PAUSES     16u
#define GATHER_PAUSES_MAX 256u /* as long as four pauses bring a message */
#define GATHER_LOST_MAX   16u  /* 65536 claims without, at most */

/* Head is about to name somebody else. */
static void help_owner(struct quire_rx *rx, uint64_t head)
{
    if (qr_head_owner(head) != rx->index) /* the own intent was confirmed at once */
        qr_handle_confirm(rx->channel, head);
}

void qr_rx_stand_on(struct quire_rx *rx, uint64_t page_no)
{
    if (rx->stand == page_no + 1)
        return;
    rx->stand = page_no + 1;
    /* [R19 stand] pairs with A19: stored before next moves past what is borrowed. */
    qr_store_release(&rx->line->stand, page_no + 1);
}

/* A claim that failed protects nothing any more; a producer may have seen that it did. */
static void drop_intent(struct quire_rx *rx)
{
    /* [R17 intent] pairs with A17. */
    qr_store_release(&rx->line->intent, QR_INTENT_NONE);
    qr_freed(rx->channel, rx->channel->view.live);
}

static void take_in_hand(struct quire_rx *rx, uint64_t position, uint32_t n, uint32_t flags)
{
    rx->next = position;
    rx->end = position + n;
    qr_rx_set_ready(rx, rx->end);
    rx->flags = flags;
    qr_rx_stand_on(rx, QUIRE_PAGE_OF(position));
    if (rx->entered == rx->stand)
        return;
    rx->entered = rx->stand;
    qr_ahead_entered(rx->channel, QUIRE_PAGE_OF(position));
}

void qr_run_drop(struct quire_rx *rx)
{
    rx->next = rx->end;
    qr_rx_set_ready(rx, rx->end);
    /* [R18 next] pairs with A18: nothing of the run is to be delivered. */
    qr_store_release(&rx->line->next, rx->end);
    qr_freed(rx->channel, rx->channel->view.live);
}

/* Moves head over n messages. 1 when they are ours. */
static inline int move_head(struct quire_rx *rx, uint64_t head, uint64_t position, uint32_t n)
{
    struct qr_group_block *b = rx->group->block;
    uint64_t intent = qr_intent(position, n, 0);
    /* [R17 intent] pairs with A17: written before head says that the run is taken. */
    qr_store_release(&rx->line->intent, intent);
    /* [R5 head] pairs with A5: whoever sees the run taken sees whose it is. */
    if (!qr_cas_acq_rel(&b->head, &head, qr_head(position + n, rx->index))) {
        drop_intent(rx);
        return 0;
    }
    /* [R17 intent] pairs with A17; a helper may have stored the same value. */
    qr_store_release(&rx->line->intent, intent | QR_INTENT_CONFIRMED);
    return 1;
}

static int claim(struct quire_rx *rx, uint64_t head, uint64_t position, uint32_t n)
{
    help_owner(rx, head);
    if (!move_head(rx, head, position, n))
        return 0;
    take_in_hand(rx, position, n, 0);
    if (qr_unlikely(rx->leases.zone != NULL)) {
        if (!qr_lease_open(rx->group, &rx->leases, QUIRE_SLOT_OF(position), n))
            qr_run_drop(rx);
    } else if (rx->channel->pace) {
        qr_pace_received(rx->channel, n);
    }
    return 1;
}

/* For quire_rx_ack in other threads: a page_no that is read before and after the words is theirs.
 */
static void have_leases(struct quire_rx *rx, uint64_t page_no)
{
    rx->leases.page_no = page_no;
    rx->leases.tag = rx->tag;
    rx->who_word = qr_lease_who(rx->tag, rx->index, 1);
    qr_rx_set_who(rx);
    /* relaxed: ordered by the next store. */
    qr_store_relaxed(&rx->at_page, QR_PAGE_NO_NONE);
    /* [R45 at] pairs with A45 in rx_lease.c, both. */
    qr_store_release(&rx->at_words, (uint64_t)(uintptr_t)rx->leases.zone->words);
    qr_store_release(&rx->at_page, page_no);
    qr_shrink(rx->channel); /* such a handle is not told of page ends */
}

static void have_page(struct quire_rx *rx, const struct qr_frame *frame, uint64_t page_no)
{
    rx->frame = frame;
    rx->page_no = page_no;
    rx->slots = frame->slots;
    rx->data = frame->data;
    rx->tag = qr_slot_tag(page_no);
    if (rx->leases.zone)
        have_leases(rx, page_no);
}

/* Where page_no is; what is at hand already is not looked up again. */
static int at_page(struct quire_rx *rx, uint64_t page_no)
{
    if (rx->frame && rx->page_no == page_no)
        return 0;
    struct qr_place place;
    int rc = qr_locate(rx->channel, page_no, &place);
    if (rc == 0 && qr_group_acks(rx->group))
        rc = qr_zone_get(rx->channel, rx->group, place.frame_id, &rx->leases.zone);
    if (rc != 0)
        return rc;
    have_page(rx, place.frame, page_no);
    return 0;
}

/* Has the page been recycled? Then every group was done with it. */
static int page_gone(struct quire_rx *rx, uint64_t page_no)
{
    struct qr_place place;
    return qr_locate(rx->channel, page_no, &place) == QUIRE_ENOENT;
}

/* Moves head from the end of page_no to the page after it. 0, or QUIRE_EAGAIN: there is none yet.
 */
static int next_head(struct quire_rx *rx, uint64_t head, uint64_t page_no)
{
    struct quire *ch = rx->channel;
    /* [A4 directory] pairs with R4: a head is never beyond the page prepared last. */
    uint64_t entry = qr_load_acquire(&ch->view.directory[(page_no + 1) & ch->directory_mask]);
    if (entry == QR_DIRENT_NONE || qr_dirent_page(entry) < page_no + 1)
        return QUIRE_EAGAIN;
    help_owner(rx, head);
    /* [R5 head] pairs with A5. Lost to another member: as good. */
    (void)qr_cas_acq_rel(&rx->group->block->head, &head,
                         qr_head(QUIRE_POSITION(page_no + 1, 0), QR_OWNER_NOBODY));
    return 0;
}

/* Published slots from slot on, at most run_max and, when others want some too, a fair share. */
static uint32_t run_at(const struct quire_rx *rx, uint32_t slot)
{
    /* Locals: an acquire load makes the compiler read everything behind it anew. */
    const qr_atomic_u64 *at = rx->slots + slot;
    uint32_t tag = rx->tag, last = rx->channel->max_messages, n = 0;
    uint32_t limit = last - slot < rx->run_max ? last - slot : rx->run_max;
    /* [A2 slot] pairs with R2 in tx.c: the records are complete. */
    while (n < limit && qr_slot_is(qr_load_acquire(&at[n]), tag))
        n++;
    /* relaxed: a hint, for fairness alone. */
    uint32_t members = qr_load_relaxed(&rx->group->block->members);
    if (n == rx->run_max || members <= 1 || n <= 1)
        return n;
    return n / members > 0 ? n / members : 1;
}

/*
 * A consumer on its producer's heels pays a transfer of the slot's cache line for every message. So
 * a short run is given a moment to grow, and a longer one while messages keep coming; when none
 * comes, the next claims do without, twice as many each time.
 */
static uint32_t gather(struct quire_rx *rx, uint32_t slot, uint32_t n)
{
    if (rx->impatience > 0) {
        rx->impatience--;
        return n;
    }
    uint32_t more = n, before, pauses = GATHER_PAUSES;
    do {
        for (uint32_t i = 0; i < pauses; i++)
            qr_pause();
        before = more;
        more = run_at(rx, slot);
        pauses *= 2;
    } while (more < rx->run_max && more >= before + pauses / 8 && pauses <= GATHER_PAUSES_MAX);
    if (more > n)
        rx->patience_lost = 0;
    else if (rx->patience_lost < GATHER_LOST_MAX)
        rx->patience_lost++;
    rx->impatience = more > n ? 0 : 1u << rx->patience_lost;
    return more;
}

/* Where the record of the slot will begin: a claim takes slot and bytes together, so right behind
 * the record before. NULL: that is not known, or the page may be gone. */
static const unsigned char *record_to_come(const struct quire_rx *rx, uint32_t slot)
{
    uint32_t length;
    if (rx->stand != rx->page_no + 1)
        return NULL;
    if (slot == 0)
        return rx->data;
    /* [A2 slot] pairs with R2: that record is complete. */
    uint64_t word = qr_load_acquire(&rx->slots[slot - 1]);
    uint32_t offset = qr_slot_offset(word);
    if (!qr_slot_is(word, rx->tag) || offset > rx->record_units_max)
        return NULL;
    memcpy(&length, rx->data + (uint64_t)offset * 8, sizeof(length));
    uint64_t next = offset + qr_claim_need(length);
    return next <= rx->record_units_max ? rx->data + next * 8 : NULL;
}

int qr_run_watch(const struct quire_rx *rx)
{
    /* relaxed: a hint; whoever claims reads it in order. */
    uint64_t head = qr_load_relaxed(&rx->group->block->head);
    uint32_t slot = qr_head_slot(head);
    if (!rx->frame || slot >= rx->channel->max_messages)
        return 0;
    const unsigned char *record = record_to_come(rx, slot);
    for (uint32_t i = 0; i < WATCH_LOOKS; i++) {
        /* relaxed: as above. */
        if (qr_slot_is(qr_load_relaxed(&rx->slots[slot]), rx->tag))
            return 1;
        /* Both lines come from the producer at once, not one after the other. */
        if (record)
            __builtin_prefetch(record);
        qr_pause();
    }
    return 0;
}

/* Is the unpublished slot a hole with messages behind it that other members could take? */
static int hole_at(const struct quire_rx *rx, const struct qr_frame *frame, uint64_t page_no,
                   uint32_t slot)
{
    uint32_t last = rx->channel->max_messages;
    /* relaxed: a hint; alone, a member gains nothing by claiming early. */
    if (slot >= last || qr_load_relaxed(&rx->group->block->members) <= 1)
        return 0;
    if (qr_final(frame, page_no) > (int64_t)slot)
        return 1; /* the page is sealed: what follows is in the next one */
    for (uint32_t i = slot + 1; i < last && i <= slot + HOLE_LOOK_AHEAD; i++)
        /* [A2 slot] pairs with R2. */
        if (qr_slot_is(qr_load_acquire(&frame->slots[i]), qr_slot_tag(page_no)))
            return 1;
    return 0;
}

/* A handle that borrows must be told before it moves to another page. */
int qr_rx_may_stand_on(struct quire_rx *rx, uint64_t page_no)
{
    if (rx->stand == 0 || rx->stand == page_no + 1)
        return 0;
    if (rx->borrowed && !rx->keeps)
        return QUIRE_PAGE_END;
    qr_rx_leave(rx);
    return 0;
}

/* Nothing is published at the head. 0: look again; QUIRE_EAGAIN; QUIRE_PAGE_END. */
static int at_end(struct quire_rx *rx, uint64_t head, uint64_t page_no)
{
    int64_t final = qr_final(rx->frame, page_no);
    if (final >= 0 && qr_head_slot(head) >= final) {
        /* The page is over for this group: whoever stands here must get off before the next page
         * may exist at all. */
        int rc = qr_rx_may_stand_on(rx, page_no + 1);
        if (rc != 0)
            return rc;
    } else if (!page_gone(rx, page_no)) /* after the seal: that of a later page is no seal here */
        return QUIRE_EAGAIN;
    return next_head(rx, head, page_no);
}

static int claim_run(struct quire_rx *rx)
{
    struct quire *ch = rx->channel;
    for (;;) {
        /* [A5 head] pairs with R5. */
        uint64_t head = qr_load_acquire(&rx->group->block->head);
        uint64_t hint = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: any resolves */
        uint64_t page_no = qr_head_page(head, hint);
        uint32_t slot = qr_head_slot(head);
        if (qr_head_evicting(head))
            return QUIRE_EAGAIN; /* a page is being given up: a moment */
        int rc = qr_rx_may_stand_on(rx, page_no);
        if (rc != 0)
            return rc;
        rc = at_page(rx, page_no);
        if (rc == QUIRE_ENOENT)
            rc = next_head(rx, head, page_no);
        else if (rc == 0) {
            uint32_t n = run_at(rx, slot);
            if (n > 0 && n < GATHER_BELOW && n < rx->run_max && rx->patient)
                n = gather(rx, slot, n);
            if (n == 0 && hole_at(rx, rx->frame, page_no, slot))
                n = 1;
            if (n > 0 && claim(rx, head, QUIRE_POSITION(page_no, slot), n))
                return 0;
            rc = n > 0 ? 0 : at_end(rx, head, page_no);
        }
        if (rc != 0)
            return rc;
    }
}

/* A page that a run lies in, though the directory may have forgotten it. */
static int at_held_page(struct quire_rx *rx, uint64_t page_no)
{
    struct qr_place place;
    int rc = at_page(rx, page_no);
    if (rc != QUIRE_ENOENT)
        return rc;
    rc = qr_locate_held(rx->channel, page_no, &place);
    if (rc == 0)
        have_page(rx, place.frame, page_no);
    return rc;
}

/* Takes over the run of orphan, whose state word was seen. 1 when it is ours. */
static int adopt(struct quire_rx *rx, uint32_t orphan, uint32_t state, const struct qr_holding *run)
{
    struct qr_live *live = rx->channel->view.live;
    struct qr_handle *from = qr_handle(rx->channel, orphan);
    uint64_t intent = qr_intent(run->start, run->n, QR_INTENT_RETURNED);
    qr_store_release(&rx->line->intent, QR_INTENT_NONE); /* [R17 intent] pairs with A17 */
    /* [R18 next] pairs with A18: an older run lies before what was delivered last. */
    qr_store_release(&rx->line->next, run->start);
    /* relaxed: read only once this thread is dead. */
    qr_store_relaxed(&rx->line->adopting, orphan + 1);
    qr_store_release(&rx->line->intent, intent); /* [R17 intent] pairs with A17 */
    uint32_t adopted = (state & QR_HANDLE_GENERATION) | rx->index << 8 | QR_HANDLE_ADOPTED;
    /* [A7 line] [R7 line] one adopter; the generation tells an orphan from a later one. */
    if (!qr_cas_acq_rel(&from->state, &state, adopted)) {
        drop_intent(rx);
        return 0;
    }
    /* [R8 needs] pairs with A8: a recycler that saw neither line looks again. */
    qr_add_acq_rel(&live->needs_seq, 1u);
    qr_store_release(&rx->line->intent, intent | QR_INTENT_CONFIRMED); /* [R17 intent] */
    qr_handle_free(rx->channel, orphan);
    qr_store_relaxed(&rx->line->adopting, 0u);      /* relaxed: own */
    qr_sub_relaxed(&rx->group->block->orphans, 1u); /* relaxed: a hint, never too low */
    take_in_hand(rx, run->start, run->n, QUIRE_MSG_RETURNED);
    return 1;
}

/* 0: a returned run is in hand; QUIRE_EAGAIN: there is none; QUIRE_PAGE_END; or an error. */
static int adopt_any(struct quire_rx *rx)
{
    struct quire *ch = rx->channel;
    /* [A7 line] pairs with R7 in handles.c. */
    uint32_t high = qr_load_acquire(&ch->view.live->handles_high);
    for (uint32_t i = 0; i < high && i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        uint32_t state = qr_load_acquire(&line->state); /* [A7 line] pairs with R7 */
        /* relaxed: ordered by the state. */
        if (qr_handle_state_of(state) != QR_HANDLE_ORPHAN ||
            qr_load_relaxed(&line->group_id) != rx->group->id)
            continue;
        struct qr_holding run;
        qr_handle_holding(ch, i, &run);
        if (run.n == 0)
            continue; /* another member was faster */
        int rc = qr_rx_may_stand_on(rx, QUIRE_PAGE_OF(run.start));
        if (rc == 0)
            rc = at_held_page(rx, QUIRE_PAGE_OF(run.start));
        if (rc == QUIRE_ENOENT)
            continue; /* adopted meanwhile, and its page recycled */
        if (rc != 0)
            return rc;
        if (adopt(rx, i, state, &run))
            return 0;
    }
    return QUIRE_EAGAIN;
}

/* What is announced to the group comes before the next message. relaxed: hints, see qr_run_fill. */
static inline int announced(const struct qr_group_block *b)
{
    return (qr_load_relaxed(&b->orphans) | qr_load_relaxed(&b->lost_pending) |
            qr_load_relaxed(&b->paused)) != 0;
}

int qr_run_next(struct quire_rx *rx, uint64_t deadline_ns)
{
    const struct qr_group_block *b = rx->group->block;
    /* [A5 head] pairs with R5. */
    uint64_t head = qr_load_acquire(&b->head);
    uint32_t slot = qr_head_slot(head);
    if (((head >> 26) ^ rx->page_no) << 26 != 0 || slot >= rx->channel->max_messages ||
        rx->stand != rx->page_no + 1 || rx->entered != rx->stand || rx->next != rx->end ||
        qr_head_owner(head) != rx->index || announced(b))
        return 0;
    uint32_t n = run_at(rx, slot);
    if (n == 0)
        return 0;
    if (n < GATHER_BELOW && n < rx->run_max && deadline_ns != 0) {
        if (rx->impatience == 0)
            return 0; /* it is gathered where there is time to */
        rx->impatience--;
    }
    uint64_t position = QUIRE_POSITION(rx->page_no, slot);
    if (!move_head(rx, head, position, n))
        return 0;
    rx->next = position;
    rx->end = position + n;
    rx->flags = 0;
    qr_rx_set_ready(rx, rx->end);
    if (qr_unlikely(rx->channel->pace != NULL))
        qr_pace_received(rx->channel, n);
    return 1;
}

int qr_run_fill(struct quire_rx *rx)
{
    struct qr_group_block *b = rx->group->block;
    if (qr_closed(rx->channel))
        return QUIRE_CLOSED;
    if (qr_run_held(rx)) {
        /* Between two of its messages the handle may have borrowed a returned one. */
        int rc = qr_rx_may_stand_on(rx, QUIRE_PAGE_OF(rx->next));
        if (rc != 0)
            return rc;
        qr_rx_stand_on(rx, QUIRE_PAGE_OF(rx->next));
        qr_rx_set_ready(rx, rx->end);
        return 0;
    }
    /* relaxed: hints; what they announce is taken under its own order. */
    if (qr_unlikely(qr_load_relaxed(&b->lost_pending) != 0) && qr_loss_take(b, &rx->lost))
        return QUIRE_LAPPED;
    if (qr_unlikely(qr_load_relaxed(&b->paused) != 0))
        return QUIRE_EAGAIN; /* who resumes wakes all; relaxed: as above */
    if (qr_unlikely(qr_load_relaxed(&b->orphans) != 0)) {
        int rc = adopt_any(rx);
        if (rc != QUIRE_EAGAIN)
            return rc;
    }
    return claim_run(rx);
}

void qr_rx_leave(struct quire_rx *rx)
{
    qr_rx_set_ready(rx,
                    rx->next); /* what is left of the run is delivered only after standing again */
    rx->borrowed = 0;
    if (rx->stand == 0)
        return;
    rx->stand = 0;
    /* [R19 stand] pairs with A19: the last access to what was borrowed lies before. */
    qr_store_release(&rx->line->stand, 0u);
    qr_freed(rx->channel, rx->channel->view.live);
}

/* Nobody may be asked to help a handle that is gone: another may get its index. */
static void leave_head(struct quire_rx *rx)
{
    qr_atomic_u64 *word = &rx->group->block->head;
    /* [A5 head] pairs with R5. */
    uint64_t head = qr_load_acquire(word);
    while (qr_head_owner(head) == rx->index) {
        uint64_t left = head | QR_OWNER_NOBODY;
        if (qr_head_evicting(left))
            left = qr_head(QUIRE_POSITION((head >> 26) + 1, 0), QR_OWNER_NOBODY);
        /* [R5 head] pairs with A5. */
        if (qr_cas_acq_rel(word, &head, left))
            break;
    }
}

int qr_run_return(struct quire_rx *rx)
{
    if (qr_group_acks(rx->group))
        qr_rx_return_leases(rx);
    int held = qr_run_held(rx);
    qr_rx_leave(rx);
    leave_head(rx);
    if (!held)
        return 0;
    /* relaxed: a hint, raised first: a member that sees the orphan finds what led it there. */
    qr_add_relaxed(&rx->group->block->orphans, 1u);
    qr_handle_publish(rx->channel, rx->index, QR_HANDLE_ORPHAN);
    return 1;
}

void qr_run_pass_on(struct quire_rx *rx)
{
    struct quire *ch = rx->channel;
    struct qr_group_block *b = rx->group->block;
    struct qr_place place;
    /* [A14 sleepers] pairs with R14 in wait.c. */
    if (qr_load_acquire(&b->sleepers) == 0)
        return;
    uint64_t head = qr_load_acquire(&b->head); /* [A5 head] pairs with R5 */
    uint64_t page_no = qr_head_page(head, qr_load_relaxed(&ch->view.live->tail_page)); /* relaxed */
    uint32_t slot = qr_head_slot(head);
    int left = qr_load_relaxed(&b->orphans) != 0 || qr_load_relaxed(&b->returned) != 0 ||
               qr_load_relaxed(&b->lost_pending) != 0; /* relaxed, all: hints */
    if (!left && qr_locate(ch, page_no, &place) == 0) {
        int64_t final = qr_final(place.frame, page_no);
        /* [A2 slot] pairs with R2. */
        left = (final >= 0 && slot >= final) ||
               (slot < ch->max_messages &&
                qr_slot_is(qr_load_acquire(&place.frame->slots[slot]), qr_slot_tag(page_no))) ||
               hole_at(rx, place.frame, page_no, slot);
    }
    if (left)
        qr_wake_group(ch, rx->group, 0);
}
