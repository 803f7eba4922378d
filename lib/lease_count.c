/* SPDX-License-Identifier: MIT */
/* How an ack group stands with each message: figures, as of now. */
#include <lib/lease.h>
#include <lib/recycle.h>

/* Of slots of a word: those that are not void, published yet or not. */
static uint32_t messages_of(const struct qr_lease_page *page, const struct qr_frame *frame,
                            uint32_t first, uint32_t set)
{
    uint32_t n = 0;
    for (; set != 0; set &= set - 1) {
        /* relaxed: a figure */
        uint64_t slot = qr_load_relaxed(&frame->slots[first + (uint32_t)__builtin_ctz(set)]);
        n += !qr_slot_is(slot, page->tag) || qr_slot_offset(slot) != QR_SLOT_VOID;
    }
    return n;
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
        uint32_t back = qr_lease_back(word) & in;
        uint32_t returned = back & ~qr_lease_done(word);
        uint32_t messages = messages_of(page, frame, first, returned);
        n->returned += messages;
        n->voids += (uint32_t)__builtin_popcount(returned) - messages;
        n->dead += (uint32_t)__builtin_popcount(back & qr_lease_done(word));
        uint32_t leased = 0;
        for (uint32_t open = qr_lease_open_slots(word) & in; open != 0; open &= open - 1) {
            uint32_t i = (uint32_t)__builtin_ctz(open);
            /* [A42 who] pairs with R42. */
            uint64_t who = qr_load_acquire(&page->zone->who[first + i]);
            if (except == QR_OWNER_NOBODY || !qr_lease_is_of(who, page->tag, except))
                leased |= 1u << i;
        }
        messages = messages_of(page, frame, first, leased);
        n->leased += messages;
        n->voids += (uint32_t)__builtin_popcount(leased) - messages;
        slot = first + QR_LEASE_SLOTS;
    }
}

void qr_lease_count_frame(struct quire *ch, struct qr_group *group, uint32_t f, uint64_t until,
                          uint32_t except, struct qr_lease_counts *n)
{
    uint64_t head = qr_load_acquire(&group->block->head); /* [A5 head] pairs with R5 */
    /* relaxed, all: any tail resolves; figures. */
    uint64_t last = qr_head_page(head, qr_load_relaxed(&ch->view.live->tail_page));
    uint64_t begin = qr_load_relaxed(&group->block->begin);
    uint64_t given_up = qr_given_up(qr_load_relaxed(&group->block->given_up));
    struct qr_lease_page page = {0};
    const struct qr_frame *frame;
    page.page_no = qr_life_page(qr_load_acquire(&ch->view.life[f])); /* [A6 life] with R6 */
    page.tag = qr_slot_tag(page.page_no);
    /* A frame that loses the page to a rival has its number for a moment. */
    if (page.page_no > last || page.page_no < QUIRE_PAGE_OF(begin) || page.page_no < given_up ||
        !qr_holds(ch, f, page.page_no) || qr_store_frame(ch->store, f, &frame) != 0 ||
        qr_zone_get(ch, group, f, &page.zone) != 0)
        return;
    int64_t final = qr_final(frame, page.page_no);
    uint32_t to = page.page_no == last ? qr_head_slot(head) : final < 0 ? 0 : (uint32_t) final;
    if (page.page_no >= QUIRE_PAGE_OF(until)) {
        uint32_t end = page.page_no == QUIRE_PAGE_OF(until) ? QUIRE_SLOT_OF(until) : 0;
        to = end < to ? end : to;
    }
    uint32_t from = page.page_no == QUIRE_PAGE_OF(begin) ? QUIRE_SLOT_OF(begin) : 0;
    count_page(&page, frame, from, to < ch->max_messages ? to : ch->max_messages, except, n);
}

void qr_lease_count(struct quire *ch, struct qr_group *group, uint64_t until, uint32_t except,
                    struct qr_lease_counts *n)
{
    /* relaxed: a bound that only grows */
    uint32_t high = ch->view.read_only ? ch->frames_cap : qr_load_relaxed(&ch->frames_high);
    *n = (struct qr_lease_counts){0};
    for (uint32_t f = 0; f < high; f++)
        qr_lease_count_frame(ch, group, f, until, except, n);
}
