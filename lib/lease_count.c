/* SPDX-License-Identifier: MIT */
/* How an ack group stands with each message: figures, as of now. */
#include <lib/lease.h>
#include <lib/recycle.h>

static uint32_t bits(uint32_t set)
{
    return (uint32_t)__builtin_popcount(set);
}

/* Slots [from, to) of one page, in words that may not be opened yet. */
static void count_page(const struct qr_lease_page *page, const struct qr_frame *frame,
                       uint32_t from, uint32_t to, uint32_t except, struct qr_lease_counts *n)
{
    for (uint32_t slot = from; slot < to;) {
        uint32_t first = slot / QR_LEASE_SLOTS * QR_LEASE_SLOTS;
        uint32_t end = to - first < QR_LEASE_SLOTS ? to - first : QR_LEASE_SLOTS;
        uint32_t in = ((1u << end) - 1) & ~((1u << (slot - first)) - 1);
        /* [A41 word] pairs with R41. */
        uint64_t word = qr_load_acquire(&page->zone->words[slot / QR_LEASE_SLOTS]);
        if (qr_lease_tag(word) != page->tag)
            word = qr_lease_word(page->tag, 0, 0);
        n->returned += bits(qr_lease_back(word) & ~qr_lease_done(word) & in);
        n->dead += bits(qr_lease_back(word) & qr_lease_done(word) & in);
        for (uint32_t open = qr_lease_open_slots(word) & in; open != 0; open &= open - 1) {
            uint32_t at = first + (uint32_t)__builtin_ctz(open);
            uint64_t published = qr_load_relaxed(&frame->slots[at]); /* relaxed: a figure */
            uint32_t who = qr_load_acquire(&page->zone->who[at]);    /* [A42 who] pairs with R42 */
            if (except != QR_OWNER_NOBODY && qr_lease_who_is(who, page->tag) &&
                qr_lease_owner(who) == except)
                continue;
            n->leased +=
                !qr_slot_is(published, page->tag) || qr_slot_offset(published) != QR_SLOT_VOID;
        }
        slot = first + QR_LEASE_SLOTS;
    }
}

void qr_lease_count(struct quire *ch, struct qr_group *group, uint64_t until, uint32_t except,
                    struct qr_lease_counts *n)
{
    uint32_t high = qr_load_relaxed(&ch->frames_high);          /* relaxed: figures, all of it */
    uint64_t head = qr_load_acquire(&group->block->head);       /* [A5 head] pairs with R5 */
    uint64_t hint = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: any resolves */
    uint64_t begin = qr_load_relaxed(&group->block->begin);
    uint64_t given_up = qr_given_up(qr_load_relaxed(&group->block->given_up));
    uint64_t last = qr_head_page(head, hint);
    *n = (struct qr_lease_counts){0};
    if (ch->view.read_only)
        high = ch->frames_cap;
    for (uint32_t f = 0; f < high; f++) {
        struct qr_lease_page page = {0};
        const struct qr_frame *frame;
        page.page_no = qr_life_page(qr_load_acquire(&ch->view.life[f])); /* [A6 life] with R6 */
        page.tag = qr_slot_tag(page.page_no);
        if (page.page_no > last || page.page_no < QUIRE_PAGE_OF(begin) || page.page_no < given_up ||
            qr_store_frame(ch->store, f, &frame) != 0 || qr_zone_get(ch, group, f, &page.zone) != 0)
            continue;
        int64_t final = qr_final(frame, page.page_no);
        uint32_t to = page.page_no == last ? qr_head_slot(head) : final < 0 ? 0 : (uint32_t) final;
        if (page.page_no >= QUIRE_PAGE_OF(until)) {
            uint32_t end = page.page_no == QUIRE_PAGE_OF(until) ? QUIRE_SLOT_OF(until) : 0;
            to = end < to ? end : to;
        }
        uint32_t from = page.page_no == QUIRE_PAGE_OF(begin) ? QUIRE_SLOT_OF(begin) : 0;
        count_page(&page, frame, from, to < ch->max_messages ? to : ch->max_messages, except, n);
    }
}
