/* SPDX-License-Identifier: MIT */
/*
 * Times of leases: those that end by themselves, and what was returned for later. Nobody keeps a
 * list: members look, no more often than a quarter of a lease, and when the earliest of what they
 * saw is due.
 */
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/rx.h>
#include <lib/wait.h>

#define LOOKS_PER_LEASE 4u
#define MS              1000000u

/* Returns the leases of a word that have ended. */
static uint32_t expire_word(const struct quire *ch, struct qr_group *group,
                            const struct qr_lease_page *page, uint32_t index, uint64_t now_ns)
{
    uint64_t word = qr_load_acquire(&page->zone->words[index]); /* [A41 word] pairs with R41 */
    uint32_t n = 0;
    if (qr_lease_tag(word) != page->tag)
        return 0;
    for (uint32_t open = qr_lease_open_slots(word); open != 0; open &= open - 1) {
        uint32_t slot = index * QR_LEASE_SLOTS + (uint32_t)__builtin_ctz(open);
        n += slot < ch->max_messages && qr_lease_expire(group, page, slot, now_ns) == 0;
    }
    return n;
}

static uint32_t expire_all(struct quire *ch, struct qr_group *group, uint64_t now_ns)
{
    uint32_t words = (ch->max_messages + QR_LEASE_SLOTS - 1) / QR_LEASE_SLOTS, n = 0;
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    for (uint32_t f = 0; f < high; f++) {
        const struct qr_zone *zone = qr_zone_at(group, f);
        /* [A6 life] pairs with R6. */
        uint64_t page_no = qr_life_page(qr_load_acquire(&ch->view.life[f]));
        if (!zone || page_no >= QR_PAGE_MAX || !qr_zone_times(zone))
            continue;
        struct qr_lease_page page = {zone, page_no, qr_slot_tag(page_no)};
        for (uint32_t i = 0; i < words; i++)
            n += expire_word(ch, group, &page, i, now_ns);
    }
    return n;
}

void qr_leases_expire(struct quire *ch, struct qr_group *group)
{
    uint64_t lease_ns = (uint64_t)group->block->lease_ms * MS;
    uint64_t at = qr_load_relaxed(&group->expire_at); /* relaxed: the exchange decides who looks */
    uint64_t now = lease_ns != 0 ? qr_boot_now() : 0;
    if (lease_ns == 0 || now < at)
        return;
    /* [R46 due] [A46 due] orders nothing here. */
    if (!qr_cas_acq_rel(&group->expire_at, &at, now + lease_ns / LOOKS_PER_LEASE))
        return;
    if (expire_all(ch, group, now) > 1)
        qr_lease_wake(ch, group); /* more than the caller is about to take */
}

int qr_lease_due(const struct qr_group *group, uint64_t *seen)
{
    *seen = qr_load_acquire(&group->block->due); /* [A46 due] pairs with R46 */
    return qr_due_ms(*seen) == 0 || qr_boot_now() >= qr_due_ms(*seen) * MS;
}

uint64_t qr_leases_next(const struct qr_group *group, uint64_t deadline_ns)
{
    /* relaxed, all: hints for how long to sleep; what changes them wakes. */
    uint64_t at = UINT64_MAX, due = qr_due_ms(qr_load_relaxed(&group->block->due));
    if (group->block->lease_ms != 0)
        at = qr_load_relaxed(&group->expire_at);
    if (qr_load_relaxed(&group->block->returned) != 0 && due != 0 && due * MS < at)
        at = due * MS;
    if (at == UINT64_MAX)
        return deadline_ns;
    uint64_t boot = qr_boot_now(), now = qr_now();
    uint64_t look = at > boot ? now + (at - boot) : now;
    return look < deadline_ns ? look : deadline_ns;
}
