/* SPDX-License-Identifier: MIT */
/*
 * The words of leases. Each step is one compare-exchange, so that whoever is killed anywhere leaves
 * a message leased, returned, acknowledged or dead, and nothing between.
 *
 * The right to return a lease is the owner in who: it is exchanged for nobody before the word says
 * that the slot is back. Only a slot without an owner is ever back, and who takes it writes the
 * owner last; so nobody returns a lease that has meanwhile become somebody else's.
 */
#include <errno.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <stdlib.h>

/*
 * Adds one to a count of this page: tag:32 | n:32. Who is slow may come when the frame has a later
 * page, whose count is left alone; tags of the lives of one frame are near each other.
 */
static void count_up(qr_atomic_u64 *count, uint32_t tag)
{
    uint64_t seen = qr_load_relaxed(count); /* relaxed: the exchange decides */
    uint64_t next;
    do {
        if ((uint32_t)seen != 0 && (int32_t)(qr_lease_tag(seen) - tag) > 0)
            return;
        uint32_t n = qr_lease_tag(seen) == tag ? (uint32_t)seen : 0;
        next = (uint64_t)tag << 32 | (n + 1);
        /* [R40 lease] pairs with A40. */
    } while (!qr_cas_acq_rel(count, &seen, next));
}

static void count_down(qr_atomic_u64 *count, uint32_t tag)
{
    uint64_t seen = qr_load_relaxed(count); /* relaxed: the exchange decides */
    /* [R40 lease] pairs with A40. */
    while (qr_lease_tag(seen) == tag && (uint32_t)seen > 0 &&
           !qr_cas_acq_rel(count, &seen, seen - 1))
        ;
}

/* Before the word says so: who finds no count looks for nothing. */
static void returned_up(struct qr_group *group, const struct qr_lease_page *page)
{
    count_up(&page->zone->head->back, page->tag);
    qr_add_acq_rel(&group->block->returned, 1u); /* [R40 lease] pairs with A40 */
}

static void returned_down(struct qr_group *group, const struct qr_lease_page *page)
{
    count_down(&page->zone->head->back, page->tag);
    qr_sub_acq_rel(&group->block->returned, 1u); /* [R40 lease] pairs with A40 */
}

int qr_lease_open(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                  uint32_t n)
{
    uint64_t begin = qr_load_relaxed(&group->block->begin); /* relaxed: ordered by head */
    for (uint32_t i = slot / QR_LEASE_SLOTS; i <= (slot + n - 1) / QR_LEASE_SLOTS; i++) {
        qr_atomic_u64 *at = &page->zone->words[i];
        uint64_t word = qr_load_relaxed(at); /* relaxed: only its tag counts */
        uint32_t done = 0;
        /* What lies before the group's beginning is none of its own. */
        if (QUIRE_PAGE_OF(begin) == page->page_no && QUIRE_SLOT_OF(begin) > i * QR_LEASE_SLOTS)
            done = (1u << (QUIRE_SLOT_OF(begin) - i * QR_LEASE_SLOTS)) - 1;
        /* [R41 word] pairs with A41: another member's run may begin in the same word. */
        while (qr_lease_tag(word) != page->tag) {
            if (qr_lease_tag(word) == qr_lease_frozen(page->tag))
                return 0;
            if (qr_cas_acq_rel(at, &word, qr_lease_word(page->tag, 0, done)))
                break;
        }
    }
    return 1;
}

/* Of slots that are acknowledged now and were returned before: nobody is to look for them. */
static __attribute__((noinline)) void take_back(struct qr_group *group,
                                                const struct qr_lease_page *page, uint32_t returned)
{
    for (; returned != 0; returned &= returned - 1)
        returned_down(group, page);
}

int qr_lease_ack(struct qr_group *group, const struct qr_lease_page *page, uint32_t index,
                 uint32_t own, uint32_t back)
{
    qr_atomic_u64 *at = &page->zone->words[index];
    uint64_t word = qr_load_relaxed(at), next; /* relaxed: the exchange decides */
    uint32_t fresh;
    do {
        if (qr_unlikely(qr_lease_tag(word) != page->tag))
            return QUIRE_ENOLEASE;
        fresh = (own & qr_lease_open_slots(word)) | (back & qr_lease_back(word));
        if (qr_unlikely(fresh == 0))
            return 0;
        next = (word | fresh) & ~((uint64_t)fresh << 16);
        /* [R41 word] pairs with A41: what its holder read of the message was read before. */
    } while (qr_unlikely(!qr_cas_acq_rel(at, &word, next)));
    if (qr_lease_acked(next) == QR_LEASE_ALL)
        count_up(&page->zone->head->full, page->tag);
    uint32_t returned = fresh & qr_lease_back(word) & ~qr_lease_done(word);
    if (qr_unlikely(returned != 0))
        take_back(group, page, returned);
    return __builtin_popcount(fresh);
}

void qr_lease_due_now(struct qr_group *group)
{
    qr_atomic_u64 *due = &group->block->due;
    uint64_t seen = qr_load_relaxed(due); /* relaxed: the exchange decides */
    /* [R46 due] pairs with A46: the word says that something is back. */
    while (!qr_cas_acq_rel(due, &seen, (seen + 1) & 0xffffu))
        ;
}

void qr_lease_due_at(struct qr_group *group, uint64_t seen, uint64_t at_ns)
{
    uint64_t ms = at_ns / 1000000u + 1;
    /* [R46 due] [A46 due] fails when something was returned since. */
    (void)qr_cas_acq_rel(&group->block->due, &seen, ms << 16 | ((seen + 1) & 0xffffu));
}

/* The slot has no owner any more: it is back, or dead, or was acknowledged meanwhile. */
static int put_back(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                    uint32_t attempts, uint64_t not_before_ns)
{
    qr_atomic_u64 *times = qr_zone_times(page->zone);
    qr_atomic_u64 *at = &page->zone->words[slot / QR_LEASE_SLOTS];
    uint32_t bit = 1u << slot % QR_LEASE_SLOTS;
    uint32_t limit = group->block->max_attempts;
    int dead = limit != 0 && attempts >= limit;
    if (times)
        qr_store_relaxed(&times[slot], not_before_ns); /* relaxed: carried by the word */
    if (!dead)
        returned_up(group, page);
    uint64_t word = qr_load_relaxed(at); /* relaxed: the exchange decides */
    while (qr_lease_tag(word) == page->tag && (qr_lease_open_slots(word) & bit) != 0) {
        /* [R41 word] pairs with A41: the owner is gone, the counts are up. */
        if (qr_cas_acq_rel(at, &word, word | (uint64_t)bit << 16 | (dead ? bit : 0))) {
            qr_lease_due_now(group);
            return 1;
        }
    }
    if (!dead)
        returned_down(group, page);
    return 0;
}

/* Takes the lease from its owner. 1, and *had is what who was. */
static int disown(const struct qr_lease_page *page, uint32_t slot, uint32_t owner, uint64_t *had)
{
    qr_atomic_u64 *at = &page->zone->who[slot];
    *had = qr_load_acquire(at); /* [A42 who] pairs with R42 */
    for (;;) {
        uint32_t has = qr_lease_owner(*had);
        if (!qr_lease_who_is(*had, page->tag) || has == QR_OWNER_NOBODY ||
            (owner != QR_OWNER_NOBODY && has != owner))
            return 0;
        uint64_t nobody = qr_lease_who(page->tag, QR_OWNER_NOBODY, qr_lease_attempts(*had));
        /* [R42 who] [A42 who] one returns it; not a lease that was given again meanwhile. */
        if (qr_cas_acq_rel(at, had, nobody))
            return 1;
    }
}

int qr_lease_return(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                    uint32_t owner, uint64_t not_before_ns)
{
    uint64_t had;
    if (!disown(page, slot, owner, &had) ||
        !put_back(group, page, slot, qr_lease_attempts(had), not_before_ns))
        return QUIRE_ENOLEASE;
    return 0;
}

int qr_lease_expire(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                    uint64_t now_ns)
{
    qr_atomic_u64 *until = &qr_zone_times(page->zone)[slot];
    uint64_t had;
    /* relaxed: looked at again when the owner is gone. */
    if (qr_load_relaxed(until) > now_ns || !disown(page, slot, QR_OWNER_NOBODY, &had))
        return QUIRE_ENOLEASE;
    /* Against the fence of qr_lease_extend: either it finds the owner gone, or this the new time.
     */
    qr_full_fence();
    if (qr_load_relaxed(until) > now_ns) { /* relaxed: behind the fence */
        uint64_t nobody = qr_lease_who(page->tag, QR_OWNER_NOBODY, qr_lease_attempts(had));
        /* [R42 who] pairs with A42: the lease goes on. */
        (void)qr_cas_acq_rel(&page->zone->who[slot], &nobody, had);
        return QUIRE_ENOLEASE;
    }
    return put_back(group, page, slot, qr_lease_attempts(had), 0) ? 0 : QUIRE_ENOLEASE;
}

int qr_lease_extend(const struct qr_lease_page *page, uint32_t slot, uint32_t owner,
                    uint64_t until_ns)
{
    uint32_t bit = 1u << slot % QR_LEASE_SLOTS;
    uint64_t word = qr_load_acquire(&page->zone->words[slot / QR_LEASE_SLOTS]); /* [A41 word] */
    uint64_t who = qr_load_acquire(&page->zone->who[slot]); /* [A42 who] pairs with R42 */
    if (qr_lease_tag(word) != page->tag || (qr_lease_open_slots(word) & bit) == 0 ||
        !qr_lease_is_of(who, page->tag, owner))
        return QUIRE_ENOLEASE;
    qr_store_relaxed(&qr_zone_times(page->zone)[slot], until_ns); /* relaxed: the fence follows */
    qr_full_fence(); /* against that of qr_lease_expire */
    /* relaxed: behind the fence */
    return qr_load_relaxed(&page->zone->who[slot]) == who ? 0 : QUIRE_ENOLEASE;
}

void qr_lease_give_up(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot)
{
    /* [R42 who] pairs with A42: nobody was given it, so nobody else writes here. */
    qr_store_release(&page->zone->who[slot], qr_lease_who(page->tag, QR_OWNER_NOBODY, 0));
    (void)put_back(group, page, slot, 0, 0);
}

static uint32_t return_word(const struct quire *ch, struct qr_group *group,
                            const struct qr_lease_page *page, uint32_t index, uint32_t owner)
{
    uint64_t word = qr_load_acquire(&page->zone->words[index]); /* [A41 word] pairs with R41 */
    uint32_t n = 0;
    if (qr_lease_tag(word) != page->tag)
        return 0;
    for (uint32_t open = qr_lease_open_slots(word); open != 0; open &= open - 1) {
        uint32_t slot = index * QR_LEASE_SLOTS + (uint32_t)__builtin_ctz(open);
        n += slot < ch->max_messages && qr_lease_return(group, page, slot, owner, 0) == 0;
    }
    return n;
}

uint32_t qr_lease_return_all(struct quire *ch, struct qr_group *group, uint32_t owner)
{
    uint32_t words = (ch->max_messages + QR_LEASE_SLOTS - 1) / QR_LEASE_SLOTS, n = 0;
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    for (uint32_t f = 0; f < high; f++) {
        const struct qr_zone *zone = qr_zone_at(group, f);
        /* [A6 life] pairs with R6. */
        uint64_t page_no = qr_life_page(qr_load_acquire(&ch->view.life[f]));
        if (!zone || page_no >= QR_PAGE_MAX)
            continue;
        struct qr_lease_page page = {zone, page_no, qr_slot_tag(page_no)};
        for (uint32_t i = 0; i < words; i++)
            n += return_word(ch, group, &page, i, owner);
    }
    return n;
}

void qr_lease_wake(struct quire *ch, struct qr_group *group)
{
    qr_full_fence(); /* against a sleeper's fence: either it sees the count, or is seen here */
    qr_wake_group(ch, group, 0);
}

int qr_lease_take(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot)
{
    qr_atomic_u64 *at = &page->zone->words[slot / QR_LEASE_SLOTS];
    uint64_t bit = 1ull << slot % QR_LEASE_SLOTS;
    uint64_t word = qr_load_relaxed(at); /* relaxed: the exchange decides */
    while (qr_lease_tag(word) == page->tag && (word & (bit << 16 | bit)) == bit << 16) {
        /* [R41 word] [A41 word] one takes it. */
        if (!qr_cas_acq_rel(at, &word, word & ~(bit << 16)))
            continue;
        returned_down(group, page);
        return 1;
    }
    return 0;
}

int qr_lease_revive(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot)
{
    qr_atomic_u64 *at = &page->zone->words[slot / QR_LEASE_SLOTS];
    uint64_t bits = 0x10001ull << slot % QR_LEASE_SLOTS;
    uint64_t who = qr_load_acquire(&page->zone->who[slot]); /* [A42 who] pairs with R42 */
    uint64_t word = qr_load_acquire(at);                    /* [A41 word] pairs with R41 */
    /* [R42 who] pairs with A42: its attempts, unless it is dead no more, or of a later page. */
    if (!qr_lease_is_of(who, page->tag, QR_OWNER_NOBODY) || (word & bits) != bits ||
        !qr_cas_acq_rel(&page->zone->who[slot], &who, qr_lease_who(page->tag, QR_OWNER_NOBODY, 0)))
        return QUIRE_ENOLEASE;
    returned_up(group, page);
    while (qr_lease_tag(word) == page->tag && (word & bits) == bits) {
        /* [R41 word] pairs with A41. */
        if (!qr_cas_acq_rel(at, &word, word & ~(1ull << slot % QR_LEASE_SLOTS)))
            continue;
        qr_lease_due_now(group);
        return 0;
    }
    returned_down(group, page);
    return QUIRE_ENOLEASE;
}

/*
 * 1: the word was frozen by this call; 0: before; -1: it belongs to a later page of the frame,
 * since the group has finished this one meanwhile.
 */
static int freeze_word(qr_atomic_u64 *at, uint32_t tag, uint64_t *word)
{
    uint32_t frozen = qr_lease_frozen(tag);
    *word = qr_load_relaxed(at); /* relaxed: the exchange decides */
    while (qr_lease_tag(*word) != frozen) {
        if (qr_lease_later(qr_lease_tag(*word), tag))
            return -1;
        /* A word of an earlier life was never opened in this one. */
        uint64_t bits = qr_lease_tag(*word) == tag ? *word & 0xffffffffu : 0;
        /* [R41 word] [A41 word] the last change of the word in this life. */
        if (qr_cas_acq_rel(at, word, (uint64_t)frozen << 32 | bits)) {
            *word = (uint64_t)frozen << 32 | bits;
            return 1;
        }
    }
    return 0;
}

int qr_lease_freeze(struct quire *ch, struct qr_group *group, const struct qr_lease_page *page,
                    const struct qr_frame *frame, uint32_t to, struct quire_lost *lost)
{
    uint64_t begin = qr_load_relaxed(&group->block->begin); /* relaxed: ordered by head */
    uint32_t from = QUIRE_PAGE_OF(begin) == page->page_no ? QUIRE_SLOT_OF(begin) : 0;
    uint32_t words = (ch->max_messages + QR_LEASE_SLOTS - 1) / QR_LEASE_SLOTS;
    for (uint32_t i = 0; i < words; i++) {
        uint64_t word;
        int rc = freeze_word(&page->zone->words[i], page->tag, &word);
        if (rc < 0) {
            *lost = (struct quire_lost){0, 0, 0};
            return 0;
        }
        if (rc == 1)
            take_back(group, page, qr_lease_back(word) & ~qr_lease_done(word));
        uint32_t open = QR_LEASE_ALL & ~qr_lease_acked(word);
        for (; open != 0; open &= open - 1) {
            uint32_t slot = i * QR_LEASE_SLOTS + (uint32_t)__builtin_ctz(open);
            if (slot < from || slot >= to ||
                /* relaxed: the page is complete */
                qr_slot_offset(qr_load_relaxed(&frame->slots[slot])) == QR_SLOT_VOID)
                continue;
            if (lost->count++ == 0)
                lost->first = QUIRE_POSITION(page->page_no, slot);
            lost->last = QUIRE_POSITION(page->page_no, slot);
        }
    }
    return 1;
}

void qr_lease_untake(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot)
{
    uint64_t who = qr_load_relaxed(&page->zone->who[slot]); /* relaxed: taken, so ours */
    int given = qr_lease_who_is(who, page->tag);
    (void)put_back(group, page, slot, given ? qr_lease_attempts(who) : 0, 0);
}

int qr_lease_finished(struct quire *ch, struct qr_group *group, uint32_t frame, uint64_t page_no,
                      uint32_t final)
{
    /* relaxed, both: ordered by the head that was read before. */
    uint64_t begin = qr_load_relaxed(&group->block->begin);
    uint64_t given_up = qr_load_relaxed(&group->block->given_up);
    uint32_t before = page_no == QUIRE_PAGE_OF(begin) ? QUIRE_SLOT_OF(begin) : 0;
    const struct qr_zone *zone;
    if (final == 0 || page_no < qr_given_up(given_up) || page_no < QUIRE_PAGE_OF(begin) ||
        before >= final)
        return 1;
    if (qr_zone_get(ch, group, frame, &zone) != 0)
        return 0;
    uint32_t tag = qr_slot_tag(page_no), words = final / QR_LEASE_SLOTS;
    uint32_t rest = final % QR_LEASE_SLOTS;
    /* [A40 lease] pairs with R40: every word that is counted is complete. */
    uint64_t full = qr_load_acquire(&zone->head->full);
    uint32_t n = qr_lease_tag(full) == tag ? (uint32_t)full : 0;
    if (n + before / QR_LEASE_SLOTS < words)
        return 0;
    if (rest == 0)
        return 1;
    /* [A41 word] pairs with R41: what was acknowledged is not read any more. */
    uint64_t word = qr_load_acquire(&zone->words[words]);
    uint32_t want = (1u << rest) - 1;
    return qr_lease_tag(word) == tag && (qr_lease_acked(word) & want) == want;
}

int qr_lease_find(struct quire *ch, struct qr_group *group, uint64_t page_no,
                  struct qr_lease_page *page)
{
    struct qr_place place;
    /* A page that was there at the open may not be at hand yet. */
    if (qr_locate_held(ch, page_no, &place) != 0 ||
        qr_zone_get(ch, group, place.frame_id, &page->zone) != 0)
        return QUIRE_ENOENT;
    page->page_no = page_no;
    page->tag = qr_slot_tag(page_no);
    return 0;
}

const struct qr_zone *qr_zone_at(const struct qr_group *group, uint32_t frame)
{
    if (qr_unlikely(frame >= group->zones_count))
        return NULL; /* the number came from a file */
    /* [A43 zone] pairs with R43. */
    return (const struct qr_zone *)(uintptr_t)qr_load_acquire(&group->zones[frame]);
}

static int zone_make(struct quire *ch, struct qr_group *group, uint32_t frame)
{
    struct qr_zone *zone = qr_io_zalloc(sizeof(*zone));
    if (!zone)
        return -ENOMEM;
    int timed = group->block->lease_ms != 0;
    int rc = qr_store_zone_open(ch->store, &group->map, frame, timed, zone);
    if (rc != 0) {
        qr_store_zone_close(ch->store, zone);
        free(zone);
        return rc;
    }
    zone->frame = frame;
    /* [R43 zone] pairs with A43: it is mapped. */
    qr_store_release(&group->zones[frame], (uint64_t)(uintptr_t)zone);
    return 0;
}

int qr_zone_get(struct quire *ch, struct qr_group *group, uint32_t frame,
                const struct qr_zone **zone)
{
    *zone = qr_zone_at(group, frame);
    if (qr_likely(*zone != NULL))
        return 0;
    if (frame >= group->zones_count)
        return QUIRE_EBADFILE;
    pthread_mutex_lock(&group->zones_lock);
    int rc = qr_zone_at(group, frame) ? 0 : zone_make(ch, group, frame);
    pthread_mutex_unlock(&group->zones_lock);
    *zone = qr_zone_at(group, frame);
    return rc;
}

int qr_zone_add_times(struct quire *ch, struct qr_group *group, const struct qr_zone *zone)
{
    if (qr_zone_times(zone))
        return 0;
    pthread_mutex_lock(&group->zones_lock);
    int rc = qr_store_zone_open(ch->store, &group->map, zone->frame, 1, (struct qr_zone *)zone);
    pthread_mutex_unlock(&group->zones_lock);
    return rc;
}

int qr_leases_new(struct quire *ch, struct qr_group *group)
{
    group->zones = qr_io_zalloc(ch->frames_cap * sizeof(group->zones[0]));
    if (!group->zones)
        return -ENOMEM;
    group->zones_count = ch->frames_cap;
    pthread_mutex_init(&group->zones_lock, NULL);
    return 0;
}

void qr_leases_free(struct quire *ch, struct qr_group *group)
{
    if (!group->zones)
        return;
    for (uint32_t f = 0; f < group->zones_count; f++) {
        struct qr_zone *zone = (struct qr_zone *)qr_zone_at(group, f);
        if (zone)
            qr_store_zone_close(ch->store, zone);
        free(zone);
    }
    free(group->zones);
    group->zones = NULL;
    pthread_mutex_destroy(&group->zones_lock);
}
