/* SPDX-License-Identifier: MIT */
/* What a group has still to receive, so exactly that somebody may go by it. */
#include <lib/extent.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/left.h>
#include <lib/recycle.h>
#include <lib/turn.h>

/* Slots from .. to - 1 of the page that hold messages; no further than most. */
static uint64_t messages_in(const struct qr_frame *frame, uint64_t page_no, uint64_t from,
                            uint64_t to, uint64_t most)
{
    uint32_t tag = qr_slot_tag(page_no);
    uint64_t n = 0;
    for (uint64_t i = from; i < to && n < most; i++) {
        uint64_t word = qr_load_acquire(&frame->slots[i]); /* [A2 slot] pairs with R2 */
        n += qr_slot_is(word, tag) && qr_slot_offset(word) != QR_SLOT_VOID;
    }
    return n;
}

/* How far the page is of interest to who looks for messages before until. */
static uint64_t slots_before(uint64_t until, uint64_t page_no, uint64_t slots)
{
    if (page_no != QUIRE_PAGE_OF(until))
        return page_no < QUIRE_PAGE_OF(until) ? slots : 0;
    return QUIRE_SLOT_OF(until) < slots ? QUIRE_SLOT_OF(until) : slots;
}

/* Messages behind a head. */
static uint64_t left_behind(struct quire *ch, uint64_t head, uint64_t until, uint64_t most)
{
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    uint64_t n = 0, from = QUIRE_SLOT_OF(head);
    for (uint64_t page = QUIRE_PAGE_OF(head); n < most && page <= QUIRE_PAGE_OF(until); page++) {
        struct qr_place place;
        int rc = qr_locate(ch, page, &place);
        uint64_t slots = rc == 0 ? qr_claims_of(ch, place.frame, page).slots : 0;
        /* The tail may lag by one: the page after it is there when it has messages. */
        if (page > tail && slots == 0)
            break;
        if (rc == 0)
            n += messages_in(place.frame, page, from, slots_before(until, page, slots), most - n);
        else if (rc != QUIRE_ENOENT && rc != QUIRE_EAGAIN)
            n++; /* it cannot be mapped now: nobody knows that it holds nothing */
        from = 0;
    }
    return n;
}

uint64_t qr_claims_end(struct quire *ch)
{
    uint64_t page = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    struct qr_place place;
    uint64_t slots =
        qr_locate(ch, page, &place) == 0 ? qr_claims_of(ch, place.frame, page).slots : 0;
    /* The tail may lag by one. */
    while (qr_locate(ch, page + 1, &place) == 0) {
        uint64_t next = qr_claims_of(ch, place.frame, page + 1).slots;
        if (next == 0)
            break;
        page++;
        slots = next;
    }
    return QUIRE_POSITION(page, slots);
}

/* The intent of a line, and what of it is not delivered. */
static uint64_t read_run(struct quire *ch, uint32_t index, struct qr_holding *run)
{
    struct qr_handle *line = qr_handle(ch, index);
    uint64_t intent;
    do {
        intent = qr_load_acquire(&line->intent); /* [A17 intent] pairs with R17 */
        qr_handle_holding(ch, index, run);
        /* [A17 intent] next goes back when a returned run is taken over. */
    } while (intent != qr_load_acquire(&line->intent));
    return intent;
}

/*
 * Does the run belong to the handle whose line names it? When it is not confirmed: once head, which
 * was read before, names its claimer; or, of a returned run, once the line that it comes from does.
 */
static int owns(struct quire *ch, uint32_t index, uint64_t intent, uint64_t head)
{
    struct qr_handle *line = qr_handle(ch, index);
    if (intent & QR_INTENT_CONFIRMED)
        return 1;
    if ((intent & QR_INTENT_RETURNED) == 0)
        return qr_head_owner(head) == index && qr_intent_ends_at(intent, head);
    uint32_t from = qr_load_relaxed(&line->adopting); /* relaxed: ordered by the intent */
    uint32_t state = from ? qr_load_acquire(&qr_handle(ch, from - 1)->state) : 0; /* [A7 line] */
    if (qr_handle_state_of(state) == QR_HANDLE_ADOPTED && qr_handle_adopter_of(state) == index)
        return 1;
    /* Before the other line is free, this one is confirmed. [A17 intent] pairs with R17. */
    return (qr_load_acquire(&line->intent) & QR_INTENT_CONFIRMED) != 0;
}

/* Messages that members have claimed and not delivered, and those that wait for a new owner. */
static uint64_t left_in_runs(struct quire *ch, uint32_t group_id, uint64_t head, uint64_t until,
                             uint64_t most)
{
    uint64_t n = 0;
    /* [A7 line] pairs with R7 in handles.c. */
    uint32_t high = qr_load_acquire(&ch->view.live->handles_high);
    for (uint32_t i = 0; i < high && i < QR_HANDLES && n < most; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        struct qr_holding run;
        struct qr_place place;
        /* [A7 line] pairs with R7. */
        uint32_t state = qr_handle_state_of(qr_load_acquire(&line->state));
        if (state == QR_HANDLE_FREE || state == QR_HANDLE_TX || state == QR_HANDLE_SETUP ||
            qr_load_relaxed(&line->group_id) != group_id) /* relaxed: ordered by the state */
            continue;
        uint64_t intent = read_run(ch, i, &run);
        uint64_t page = QUIRE_PAGE_OF(run.start), from = QUIRE_SLOT_OF(run.start);
        uint64_t to = slots_before(until, page, from + run.n);
        if (from >= to || !owns(ch, i, intent, head))
            continue;
        /* A page that the directory has forgotten is held by the run alone. */
        n += qr_locate(ch, page, &place) == 0 ? messages_in(place.frame, page, from, to, most - n)
                                              : to - from;
    }
    return n;
}

uint64_t qr_group_left(struct quire *ch, struct qr_group *group, uint64_t until, uint64_t most,
                       uint32_t except)
{
    uint64_t n;
    uint32_t seq;
    if (qr_group_deleted(group))
        return 0;
    do {
        seq = qr_load_acquire(&ch->view.live->needs_seq); /* [A8 needs] pairs with R8 in run.c */
        /* [A5 head] pairs with R5: who moved it this far has its run in its line, and what is
         * claimed after this lies behind it. */
        uint64_t head = qr_load_acquire(&group->block->head);
        uint64_t hint = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: any resolves */
        n = left_behind(ch, qr_head_position(head, hint), until, most);
        if (qr_group_acks(group))
            n += n < most ? qr_lease_left(ch, group, until, except) : 0;
        else
            n += n < most ? left_in_runs(ch, group->id, head, until, most - n) : 0;
        /* [A8 needs] a run that went from a line not read yet to one already read. */
    } while (seq != qr_load_acquire(&ch->view.live->needs_seq));
    return n;
}
