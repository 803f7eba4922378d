/* SPDX-License-Identifier: MIT */
/*
 * The leases of an ack group after a crash. Nobody has anything any more: what was claimed and not
 * acknowledged is returned, or dead when it was its last attempt; voids are finished; counts are
 * made anew. relaxed throughout: whoever repairs is alone in the channel.
 */
#include <lib/evict.h>
#include <lib/lease.h>
#include <lib/recover.h>
#include <lib/recycle.h>
#include <string.h>

/* What a page of the group is to become. */
struct settling {
    struct quire *ch;
    struct qr_group *group;
    struct qr_lease_page page;
    const struct qr_frame *frame;
    int other_boot;   /* times are of another clock */
    int finished;     /* the frame had gone on: nothing of the page is to be given again */
    uint32_t begin;   /* slots before are none of the group's */
    uint32_t claimed; /* slots before were claimed */
    uint32_t full;    /* of the words settled so far: complete ones, */
    uint32_t back;    /* and returned slots */
};

/* The bits of a slot below the head that is not acknowledged. */
static void settle_slot(struct settling *s, uint32_t slot, uint32_t bit, uint32_t *back,
                        uint32_t *done)
{
    uint64_t word = qr_load_relaxed(&s->frame->slots[slot]);
    qr_atomic_u64 *at = &s->page.zone->who[slot];
    uint64_t who = qr_load_relaxed(at);
    uint32_t limit = s->group->block->max_attempts;
    uint32_t attempts = qr_lease_who_is(who, s->page.tag) ? qr_lease_attempts(who) : 0;
    qr_atomic_u64 *times = qr_zone_times(s->page.zone);
    /* What was returned for later waits on; what somebody had waits for nothing. */
    if (times && ((*back & bit) == 0 || s->other_boot))
        qr_store_relaxed(&times[slot], 0u);
    *back &= ~bit;
    if (qr_slot_is(word, s->page.tag) && qr_slot_offset(word) == QR_SLOT_VOID) {
        *done |= bit;
        return;
    }
    qr_store_relaxed(at, qr_lease_who(s->page.tag, QR_OWNER_NOBODY, attempts));
    *back |= bit;
    *done = limit != 0 && attempts >= limit ? *done | bit : *done & ~bit;
}

static void settle_word(struct settling *s, uint32_t index)
{
    qr_atomic_u64 *at = &s->page.zone->words[index];
    uint64_t word = qr_load_relaxed(at);
    uint32_t tag = qr_lease_tag(word), back = 0, done = 0;
    /* A frozen word: the page was to be given up, and was not. */
    if (tag == s->page.tag || tag == qr_lease_frozen(s->page.tag)) {
        back = qr_lease_back(word);
        done = qr_lease_done(word);
    }
    for (uint32_t i = 0; i < QR_LEASE_SLOTS; i++) {
        uint32_t slot = index * QR_LEASE_SLOTS + i, bit = 1u << i;
        if (slot >= s->claimed) {
            back &= ~bit;
            done &= ~bit;
        } else if (slot < s->begin || s->finished) {
            back &= ~bit;
            done |= bit;
        } else if ((done & ~back & bit) == 0) {
            settle_slot(s, slot, bit, &back, &done);
        }
    }
    s->full += (done & ~back) == QR_LEASE_ALL;
    s->back += (uint32_t)__builtin_popcount(back & ~done);
    qr_store_relaxed(at, qr_lease_word(s->page.tag, back, done));
}

/*
 * After a crash of the machine the group's file may be younger than what says which page the frame
 * holds. A frame goes on only when every group has finished its page; so words of a later page tell
 * that this one was.
 */
static int has_gone_on(const struct settling *s, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++)
        if (qr_lease_later(qr_lease_tag(qr_load_relaxed(&s->page.zone->words[i])), s->page.tag))
            return 1;
    return 0;
}

static void settle_page(struct settling *s)
{
    uint32_t words = (s->ch->max_messages + QR_LEASE_SLOTS - 1) / QR_LEASE_SLOTS;
    struct qr_lease_head *head = s->page.zone->head;
    uint64_t tag = (uint64_t)s->page.tag << 32;
    s->finished = s->other_boot && has_gone_on(s, words);
    for (uint32_t i = 0; i < words; i++)
        settle_word(s, i);
    /* Words before the group's beginning are not counted: finished() adds them. */
    uint32_t before = s->begin / QR_LEASE_SLOTS;
    qr_store_relaxed(&head->full, tag | (s->full > before ? s->full - before : 0));
    qr_store_relaxed(&head->back, tag | s->back);
    qr_add_relaxed(&s->group->block->returned, s->back);
}

/* Slots of the page that the group has claimed. */
static uint32_t claimed(struct quire *ch, const struct qr_group *group, const struct qr_place *at,
                        uint64_t tail)
{
    uint64_t head = qr_load_relaxed(&group->block->head);
    uint64_t page = qr_head_page(head, tail);
    int64_t final = qr_final(at->frame, at->page_no);
    uint32_t n =
        final >= 0 && final <= (int64_t)ch->max_messages ? (uint32_t) final : ch->max_messages;
    if (page > at->page_no)
        return n;
    return page < at->page_no ? 0 : qr_head_slot(head) < n ? qr_head_slot(head) : n;
}

/* What an earlier page of the frame, or one that never came to be, has left. */
static int blank(struct quire *ch, struct qr_group *group, uint32_t frame)
{
    const struct qr_zone *zone;
    struct qr_lease_layout l;
    if (!qr_store_zone_there(ch->store, &group->map, frame))
        return 0;
    int rc = qr_zone_get(ch, group, frame, &zone);
    qr_lease_layout(&l, ch->max_messages);
    if (rc == 0)
        memset(zone->mapping, 0, l.times);
    return rc;
}

static int settle_frame(struct quire *ch, struct qr_group *group, uint32_t f, uint64_t tail,
                        int other_boot)
{
    struct qr_place at = {NULL, f, qr_life_page(qr_load_relaxed(&ch->view.life[f]))};
    uint64_t begin = qr_load_relaxed(&group->block->begin);
    uint64_t given_up = qr_given_up(qr_load_relaxed(&group->block->given_up));
    int held = at.page_no <= tail && qr_store_frame(ch->store, f, &at.frame) == 0;
    uint32_t n = held ? claimed(ch, group, &at, tail) : 0;
    /* Words may be of any age after a crash of the machine, of pages that never came to be too. */
    if (n == 0 || at.page_no < given_up || at.page_no < QUIRE_PAGE_OF(begin))
        return other_boot ? blank(ch, group, f) : 0;
    struct settling s = {
        .ch = ch, .group = group, .frame = at.frame, .other_boot = other_boot, .claimed = n};
    s.page.page_no = at.page_no;
    s.page.tag = qr_slot_tag(at.page_no);
    s.begin = at.page_no == QUIRE_PAGE_OF(begin) ? QUIRE_SLOT_OF(begin) : 0;
    int rc = qr_zone_get(ch, group, f, &s.page.zone);
    if (rc == 0)
        settle_page(&s);
    return rc;
}

int qr_recover_leases(struct quire *ch, struct qr_group *group, uint64_t tail, int other_boot)
{
    qr_evict_settle(group->block);
    qr_store_relaxed(&group->block->returned, 0u);
    qr_store_relaxed(&group->block->due, 0u); /* look at once */
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        int rc = settle_frame(ch, group, f, tail, other_boot);
        if (rc != 0)
            return rc;
    }
    return 0;
}
