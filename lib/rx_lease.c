/* SPDX-License-Identifier: MIT */
/* A consumer handle of an ack group: what it is given, and what it takes that was returned. */
#include <lib/bound.h>
#include <lib/pace.h>
#include <lib/recycle.h>
#include <lib/rx.h>
#include <lib/wait.h>

#define ATTEMPT_SHIFT 8u                 /* of the count in the flags of a message */
#define DELAY_MAX     (1000000ull << 36) /* ns: two years, so that no sum overflows */

void qr_rx_leases_init(struct quire_rx *rx)
{
    struct qr_lease_layout l;
    qr_store_relaxed(&rx->at_page, QR_PAGE_NO_NONE); /* relaxed: not shared yet */
    qr_lease_layout(&l, rx->channel->max_messages);
    rx->who_at = l.who - l.words;
    rx->returned = &rx->group->block->returned;
    if (!qr_group_acks(rx->group))
        return;
    rx->timed = rx->group->block->lease_ms != 0;
    rx->lossy = qr_group_lossy(rx->channel, rx->group);
    rx->keeps = !rx->timed && !rx->lossy;
    if (rx->timed)
        rx->run_max = 1; /* what waits behind a message has no time of its own */
    rx->quiet = !rx->channel->pace && !rx->channel->fence && !rx->group->counted;
}

void qr_rx_lease(struct quire_rx *rx, uint32_t n)
{
    qr_atomic_u64 *at = &rx->leases.zone->who[QUIRE_SLOT_OF(rx->next)];
    /* relaxed: before next moves past the slot nobody else looks; that is a release (R18). */
    for (uint32_t i = 0; i < n; i++)
        qr_store_relaxed(&at[i], rx->who_word);
}

/* Acknowledges a slot that is the handle's and goes to nobody. */
static void finish_slot(struct quire_rx *rx, const struct qr_lease_page *page, uint32_t slot)
{
    uint32_t bit = 1u << slot % QR_LEASE_SLOTS;
    if (qr_lease_ack(rx->group, page, slot / QR_LEASE_SLOTS, bit, 0) == 1 && rx->group->counted)
        qr_bound_finish(rx->channel, rx->group, 1);
}

void qr_rx_pass_over(struct quire_rx *rx)
{
    finish_slot(rx, &rx->leases, QUIRE_SLOT_OF(rx->next));
}

int qr_rx_run_lost(const struct quire_rx *rx)
{
    /* [A41 word] pairs with R41: whoever freezes it later counts what is given now as lost, and its
     * acknowledgement is refused. */
    return qr_lease_tag(qr_load_acquire(
               &rx->leases.zone->words[QUIRE_SLOT_OF(rx->next) / QR_LEASE_SLOTS])) !=
           rx->leases.tag;
}

static uint64_t lease_end(const struct quire_rx *rx)
{
    return qr_boot_now() + (uint64_t)rx->group->block->lease_ms * 1000000u;
}

void qr_rx_lease_one(struct quire_rx *rx)
{
    uint32_t slot = QUIRE_SLOT_OF(rx->next);
    /* relaxed, both: before next moves past the slot nobody else looks; that is a release (R18). */
    if (rx->timed)
        qr_store_relaxed(&qr_zone_times(rx->leases.zone)[slot], lease_end(rx));
    qr_store_relaxed(&rx->leases.zone->who[slot], rx->who_word);
}

/* The published returned slots of a word; those of a producer that is still at it wait for it. */
static uint32_t to_be_had(const struct qr_frame *frame, const struct qr_lease_page *page,
                          uint32_t index)
{
    uint64_t word = qr_load_acquire(&page->zone->words[index]); /* [A41 word] pairs with R41 */
    uint32_t had = 0;
    if (qr_lease_tag(word) != page->tag)
        return 0;
    uint32_t back = qr_lease_back(word) & ~qr_lease_done(word);
    for (; back != 0; back &= back - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(back);
        /* [A2 slot] pairs with R2. */
        if (qr_slot_is(qr_load_acquire(&frame->slots[index * QR_LEASE_SLOTS + i]), page->tag))
            had |= 1u << i;
    }
    return had;
}

/* 1 when the slot is not to be had yet; *at becomes the time when it is, if that is earlier. */
static int is_later(const struct qr_lease_page *page, uint32_t slot, uint64_t now_ns, uint64_t *at)
{
    const qr_atomic_u64 *times = qr_zone_times(page->zone);
    /* relaxed: carried by the word. */
    uint64_t not_before = times ? qr_load_relaxed(&times[slot]) : 0;
    if (not_before <= now_ns)
        return 0;
    *at = not_before < *at ? not_before : *at;
    return 1;
}

/* Takes the first of the page that is to be had. 1 when it is in hand. */
static int take_of_page(struct quire_rx *rx, const struct qr_frame *frame,
                        const struct qr_lease_page *page, uint64_t now_ns, uint64_t *at)
{
    uint32_t words = (rx->channel->max_messages + QR_LEASE_SLOTS - 1) / QR_LEASE_SLOTS;
    /* From where the last one was: they are mostly returned together. */
    uint32_t from = page->page_no == rx->back.page.page_no ? rx->back.slot / QR_LEASE_SLOTS : 0;
    for (uint32_t n = 0; n < words; n++) {
        uint32_t index = (from + n) % words;
        for (uint32_t had = to_be_had(frame, page, index); had != 0; had &= had - 1) {
            uint32_t slot = index * QR_LEASE_SLOTS + (uint32_t)__builtin_ctz(had);
            if (slot >= rx->channel->max_messages || is_later(page, slot, now_ns, at) ||
                !qr_lease_take(rx->group, page, slot))
                continue; /* another member was faster */
            rx->back = (struct qr_rx_back){*page, frame, slot, 1};
            qr_rx_set_who(rx);
            /* relaxed: it was seen to be published. */
            if (qr_slot_offset(qr_load_relaxed(&frame->slots[slot])) != QR_SLOT_VOID)
                return 1;
            qr_rx_drop_back(rx);
        }
    }
    return 0;
}

/* The oldest page, of those from from on, with returned messages: 1, 0, or an error. */
static int next_page(struct quire_rx *rx, uint64_t from, struct qr_lease_page *page,
                     uint32_t *frame)
{
    struct quire *ch = rx->channel;
    uint32_t high = qr_load_relaxed(&ch->frames_high);        /* relaxed: a bound that only grows */
    uint64_t head = qr_load_acquire(&rx->group->block->head); /* [A5 head] pairs with R5 */
    /* relaxed: any tail resolves */
    uint64_t last = qr_head_page(head, qr_load_relaxed(&ch->view.live->tail_page));
    int found = 0;
    for (uint32_t f = 0; f < high; f++) {
        const struct qr_zone *zone;
        /* [A6 life] pairs with R6. */
        uint64_t page_no = qr_life_page(qr_load_acquire(&ch->view.life[f]));
        if (page_no < from || page_no > last || (found && page_no >= page->page_no))
            continue;
        int rc = qr_zone_get(ch, rx->group, f, &zone);
        if (rc != 0)
            return rc;
        /* [A40 lease] pairs with R40. */
        uint64_t back = qr_load_acquire(&zone->head->back);
        if (qr_lease_tag(back) != qr_slot_tag(page_no) || (uint32_t)back == 0)
            continue;
        *page = (struct qr_lease_page){zone, page_no, qr_slot_tag(page_no)};
        *frame = f;
        found = 1;
    }
    return found;
}

int qr_rx_take_back(struct quire_rx *rx)
{
    struct qr_lease_page page = {0};
    const struct qr_frame *frame;
    uint32_t f = 0;
    int rc;
    uint64_t seen, at = UINT64_MAX;
    if (!qr_lease_due(rx->group, &seen))
        return QUIRE_EAGAIN;
    uint64_t now = qr_boot_now();
    for (uint64_t from = 0; (rc = next_page(rx, from, &page, &f)) == 1 && page.zone;
         from = page.page_no + 1) {
        rc = qr_store_frame(rx->channel->store, f, &frame);
        if (rc == 0)
            rc = qr_rx_may_stand_on(rx, page.page_no);
        if (rc != 0)
            return rc;
        /* Before it is taken: a page that may be given up is kept by nothing else. */
        qr_rx_stand_on(rx, page.page_no);
        if (take_of_page(rx, frame, &page, now, &at))
            return 0;
    }
    if (rc == 0 && at != UINT64_MAX)
        qr_lease_due_at(rx->group, seen, at);
    return rc < 0 ? rc : QUIRE_EAGAIN;
}

uint32_t qr_rx_back_flags(const struct quire_rx *rx)
{
    /* relaxed: taken, so nobody else writes it. */
    uint64_t who = qr_load_relaxed(&rx->back.page.zone->who[rx->back.slot]);
    uint32_t before = qr_lease_who_is(who, rx->back.page.tag) ? qr_lease_attempts(who) : 0;
    return QUIRE_MSG_RETURNED | before << ATTEMPT_SHIFT;
}

void qr_rx_hand_back(struct quire_rx *rx)
{
    uint32_t before = qr_rx_back_flags(rx) >> ATTEMPT_SHIFT;
    uint32_t attempts = before < QR_LEASE_ATTEMPTS ? before + 1 : before;
    /* relaxed: carried by who. */
    if (rx->timed)
        qr_store_relaxed(&qr_zone_times(rx->back.page.zone)[rx->back.slot], lease_end(rx));
    /* [R42 who] pairs with A42: from here on it can be returned. */
    qr_store_release(&rx->back.page.zone->who[rx->back.slot],
                     qr_lease_who(rx->back.page.tag, rx->index, attempts));
    uint64_t position = QUIRE_POSITION(rx->back.page.page_no, rx->back.slot);
    rx->first_lease = position < rx->first_lease ? position : rx->first_lease;
    rx->back.held = 0;
    qr_rx_set_who(rx);
}

void qr_rx_drop_back(struct quire_rx *rx)
{
    finish_slot(rx, &rx->back.page, rx->back.slot);
    rx->back.held = 0;
    qr_rx_set_who(rx);
}

void qr_rx_untake(struct quire_rx *rx)
{
    qr_lease_untake(rx->group, &rx->back.page, rx->back.slot);
    rx->back.held = 0;
    qr_rx_set_who(rx);
    qr_lease_wake(rx->channel, rx->group);
}

void qr_rx_return_leases(struct quire_rx *rx)
{
    uint64_t returned = rx->end - rx->next + (uint64_t)rx->back.held;
    if (rx->back.held)
        qr_lease_untake(rx->group, &rx->back.page, rx->back.slot);
    rx->back.held = 0;
    for (uint64_t p = rx->next; p < rx->end; p++)
        qr_lease_give_up(rx->group, &rx->leases, QUIRE_SLOT_OF(p));
    rx->next = rx->end;
    /* [R18 next] pairs with A18: the words say that they are returned. */
    qr_store_release(&rx->line->next, rx->end);
    returned += qr_lease_return_all(rx->channel, rx->group, rx->index);
    if (returned != 0)
        qr_lease_wake(rx->channel, rx->group);
}

/* --- the public calls: any thread ---------------------------------------------------------- */

static __attribute__((noinline)) void count_acked(struct quire_rx *rx, uint32_t n)
{
    struct quire *ch = rx->channel;
    if (ch->pace) {
        /* [R44 acked] pairs with A44 in sync_set.c: a commit that takes the mark has the words. */
        qr_store_release(&rx->group->acked, 1u);
        qr_pace_received(ch, n);
    }
    if (rx->group->counted)
        qr_bound_finish(ch, rx->group, n);
    if (ch->fence)
        qr_full_fence(); /* where membarrier is refused */
}

/*
 * A producer sleeps for a page: only what finishes one is news to it. Of those who acknowledge the
 * last messages of a page at once, the last to change word and count sees all of it.
 */
static __attribute__((noinline)) void wake_if_finished(struct quire_rx *rx, uint64_t page_no)
{
    struct quire *ch = rx->channel;
    struct qr_place place;
    int64_t final = -1;
    if (qr_locate_held(ch, page_no, &place) == 0)
        final = qr_final(place.frame, page_no);
    if (final >= 0 && final <= (int64_t)ch->max_messages &&
        qr_lease_finished(ch, rx->group, place.frame_id, page_no, (uint32_t) final))
        qr_wake_space(ch);
}

/* n messages were acknowledged, the last of them in page_no; several: not all of them there. */
static inline void was_acked(struct quire_rx *rx, uint32_t n, uint64_t page_no, int several)
{
    struct quire *ch = rx->channel;
    if (qr_unlikely(!rx->quiet))
        count_acked(rx, n);
    qr_compiler_barrier();
    /* relaxed: as in qr_freed. */
    if (qr_likely((qr_load_relaxed(&ch->view.live->attention) & QR_ATTEND_SPACE) == 0))
        return;
    if (several)
        qr_wake_space(ch);
    else
        wake_if_finished(rx, page_no);
}

/* The slots of a word, of those in mask, of which who says owner. For a whole word the loop's
 * bounds are known to the compiler. */
static inline __attribute__((always_inline)) uint32_t
slots_of(const qr_atomic_u64 *who, uint32_t mask, uint32_t tag, uint32_t owner)
{
    uint32_t found = 0;
    uint32_t first = mask == QR_LEASE_ALL ? 0 : (uint32_t)__builtin_ctz(mask);
    uint32_t end = mask == QR_LEASE_ALL ? QR_LEASE_SLOTS : 32 - (uint32_t)__builtin_clz(mask);
    for (uint32_t i = first; i < end; i++)
        /* [A42 who] pairs with R42; before the word: who is given it meanwhile has changed that. */
        found |= (uint32_t)qr_lease_is_of(qr_load_acquire(&who[i]), tag, owner) << i;
    return found & mask;
}

/* The slots of mask that the handle has; *back: those that nobody has. mask is within the page. */
static uint32_t own_slots(const struct quire_rx *rx, const struct qr_lease_page *page,
                          uint32_t index, uint32_t mask, uint32_t *back)
{
    const qr_atomic_u64 *who = &page->zone->who[index * QR_LEASE_SLOTS];
    uint32_t own = mask == QR_LEASE_ALL ? slots_of(who, QR_LEASE_ALL, page->tag, rx->index)
                   : mask != 0          ? slots_of(who, mask, page->tag, rx->index)
                                        : 0;
    uint32_t others = mask & ~own;
    *back = others != 0 ? slots_of(who, others, page->tag, QR_OWNER_NOBODY) : 0;
    return own;
}

/* What of a word lies in the page. */
static uint32_t word_mask(const struct quire_rx *rx, uint32_t index)
{
    uint32_t left = rx->channel->max_messages - index * QR_LEASE_SLOTS;
    return left < QR_LEASE_SLOTS ? (1u << left) - 1 : QR_LEASE_ALL;
}

/* In every case that is not the ordinary one. */
static __attribute__((noinline)) int ack_any(struct quire_rx *rx, uint64_t position)
{
    struct qr_lease_page page;
    uint32_t slot = QUIRE_SLOT_OF(position), back;
    if (!rx || !qr_group_acks(rx->group))
        return QUIRE_EINVAL;
    if (slot >= rx->channel->max_messages ||
        qr_lease_find(rx->channel, rx->group, QUIRE_PAGE_OF(position), &page) != 0)
        return QUIRE_ENOLEASE;
    uint32_t own = own_slots(rx, &page, slot / QR_LEASE_SLOTS, 1u << slot % QR_LEASE_SLOTS, &back);
    if (qr_lease_ack(rx->group, &page, slot / QR_LEASE_SLOTS, own, back) <= 0)
        return QUIRE_ENOLEASE;
    was_acked(rx, 1, page.page_no, 0);
    return 0;
}

/*
 * A leased message of the page that the handle is at, which completes no word: one exchange, and
 * nothing of the page can come free by it but when its last word is not a whole one.
 */
int quire_rx_ack(quire_rx_t *rx, uint64_t position)
{
    uint64_t page_no = QUIRE_PAGE_OF(position);
    uint32_t slot = QUIRE_SLOT_OF(position), tag = qr_slot_tag(page_no);
    /* [A45 at] pairs with R45 in run.c: the words of the page, if it is named before and after. */
    if (qr_unlikely(!rx || qr_load_acquire(&rx->at_page) != page_no ||
                    slot >= rx->channel->max_messages))
        return ack_any(rx, position);
    qr_atomic_u64 *words = (qr_atomic_u64 *)(uintptr_t)qr_load_acquire(&rx->at_words);
    if (qr_unlikely(qr_load_relaxed(&rx->at_page) != page_no)) /* relaxed: ordered by the last */
        return ack_any(rx, position);
    const qr_atomic_u64 *who = (const qr_atomic_u64 *)((const char *)words + rx->who_at);
    uint64_t bit = 1ull << slot % QR_LEASE_SLOTS;
    /* relaxed: the exchange decides. */
    uint64_t word = qr_load_relaxed(&words[slot / QR_LEASE_SLOTS]), next = word | bit;
    /* relaxed: the handle's own, or it is not the ordinary case. */
    if (qr_unlikely(!qr_lease_is_of(qr_load_relaxed(&who[slot]), tag, rx->index) ||
                    qr_lease_tag(word) != tag || (word & (bit << 16 | bit)) != 0 ||
                    (uint32_t)next == QR_LEASE_ALL ||
                    /* [R41 word] pairs with A41 */
                    !qr_cas_acq_rel(&words[slot / QR_LEASE_SLOTS], &word, next)))
        return ack_any(rx, position);
    was_acked(rx, 1, page_no, 0);
    return 0;
}

/* Slots [from, to) of a page. */
static long ack_slots(struct quire_rx *rx, uint64_t page_no, uint32_t from, uint32_t to)
{
    struct qr_lease_page page;
    long n = 0;
    to = to < rx->channel->max_messages ? to : rx->channel->max_messages;
    if (from >= to || qr_lease_find(rx->channel, rx->group, page_no, &page) != 0)
        return 0;
    for (uint32_t i = from / QR_LEASE_SLOTS; i <= (to - 1) / QR_LEASE_SLOTS; i++) {
        uint32_t first = i * QR_LEASE_SLOTS, mask = QR_LEASE_ALL;
        if (from > first)
            mask &= QR_LEASE_ALL << (from - first);
        if (to < first + QR_LEASE_SLOTS)
            mask &= (1u << (to - first)) - 1;
        uint32_t back, own = own_slots(rx, &page, i, mask, &back);
        int done = qr_lease_ack(rx->group, &page, i, own, back);
        n += done > 0 ? done : 0;
    }
    return n;
}

long quire_rx_ack_range(quire_rx_t *rx, uint64_t first, uint64_t last)
{
    if (!rx || !qr_group_acks(rx->group) || first > last)
        return QUIRE_EINVAL;
    uint64_t tail = qr_load_acquire(&rx->channel->view.live->tail_page); /* [A10 tail] with R10 */
    uint64_t page = QUIRE_PAGE_OF(first);
    long n = 0;
    uint32_t frame;
    if (page < QUIRE_PAGE_OF(last) && !qr_next_held(rx->channel, page, tail, &page, &frame))
        return 0;
    for (; page <= QUIRE_PAGE_OF(last) && page <= tail; page++) {
        uint32_t from = page == QUIRE_PAGE_OF(first) ? QUIRE_SLOT_OF(first) : 0;
        uint32_t to = page == QUIRE_PAGE_OF(last) ? QUIRE_SLOT_OF(last) + 1 : QUIRE_MESSAGES_MAX;
        n += ack_slots(rx, page, from, to);
    }
    if (n > 0)
        was_acked(rx, (uint32_t)n, QUIRE_PAGE_OF(last),
                  QUIRE_PAGE_OF(first) != QUIRE_PAGE_OF(last));
    return n;
}

/* Where the lease on position is, of which somebody has something to say. */
static int find_lease(struct quire_rx *rx, uint64_t position, struct qr_lease_page *page)
{
    if (!rx || !qr_group_acks(rx->group))
        return QUIRE_EINVAL;
    if (QUIRE_SLOT_OF(position) >= rx->channel->max_messages ||
        qr_lease_find(rx->channel, rx->group, QUIRE_PAGE_OF(position), page) != 0)
        return QUIRE_ENOLEASE;
    return 0;
}

int quire_rx_nack(quire_rx_t *rx, uint64_t position)
{
    return quire_rx_nack_later(rx, position, 0);
}

int quire_rx_nack_later(quire_rx_t *rx, uint64_t position, uint64_t delay_ns)
{
    struct qr_lease_page page;
    uint64_t at = 0;
    int rc = find_lease(rx, position, &page);
    if (rc == 0 && delay_ns > 0)
        rc = qr_zone_add_times(rx->channel, rx->group, page.zone);
    if (rc != 0)
        return rc;
    if (delay_ns > 0)
        at = qr_boot_now() + (delay_ns < DELAY_MAX ? delay_ns : DELAY_MAX);
    rc = qr_lease_return(rx->group, &page, QUIRE_SLOT_OF(position), rx->index, at);
    if (rc == 0)
        qr_lease_wake(rx->channel, rx->group);
    return rc;
}

int quire_rx_extend(quire_rx_t *rx, uint64_t position, uint64_t lease_ns)
{
    struct qr_lease_page page;
    int rc = find_lease(rx, position, &page);
    if (rc != 0)
        return rc;
    if (!rx->timed)
        return QUIRE_EINVAL;
    return qr_lease_extend(&page, QUIRE_SLOT_OF(position), rx->index,
                           qr_boot_now() + (lease_ns < DELAY_MAX ? lease_ns : DELAY_MAX));
}

/* Acknowledges up to n of the slots of a word that the handle has. */
static size_t ack_own(struct quire_rx *rx, const struct qr_lease_page *page, uint32_t index,
                      size_t n)
{
    uint64_t word = qr_load_acquire(&page->zone->words[index]); /* [A41 word] pairs with R41 */
    uint32_t back, mask = 0;
    if (qr_lease_tag(word) != page->tag)
        return 0;
    uint32_t open = qr_lease_open_slots(word) & word_mask(rx, index);
    uint32_t own = own_slots(rx, page, index, open, &back);
    for (; own != 0 && n > 0; own &= own - 1, n--)
        mask |= own & -own;
    int done = mask != 0 ? qr_lease_ack(rx->group, page, index, mask, 0) : 0;
    return done > 0 ? (size_t)done : 0;
}

/* Of one page, from word i on. Before what was acknowledged now nothing is the handle's: it is
 * given later messages only, or returned ones (qr_rx_hand_back). */
static size_t ack_own_page(struct quire_rx *rx, const struct qr_lease_page *page, uint32_t i,
                           size_t count)
{
    uint32_t words = (rx->channel->max_messages + QR_LEASE_SLOTS - 1) / QR_LEASE_SLOTS;
    size_t n = 0;
    for (; i < words && n < count; i++) {
        size_t done = ack_own(rx, page, i, count - n);
        if (done > 0)
            rx->first_lease = QUIRE_POSITION(page->page_no, i * QR_LEASE_SLOTS);
        n += done;
    }
    return n;
}

long quire_rx_ack_first(quire_rx_t *rx, size_t count)
{
    if (!rx || !qr_group_acks(rx->group))
        return QUIRE_EINVAL;
    struct quire *ch = rx->channel;
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    uint64_t first = rx->first_lease, p = QUIRE_PAGE_OF(first);
    uint32_t frame;
    size_t n = 0;
    if (!qr_next_held(ch, p, tail, &p, &frame))
        return 0;
    uint64_t begin = p;
    for (; p <= tail && n < count; p++) {
        struct qr_lease_page page;
        uint32_t i = p == QUIRE_PAGE_OF(first) ? QUIRE_SLOT_OF(first) / QR_LEASE_SLOTS : 0;
        if (qr_lease_find(ch, rx->group, p, &page) == 0)
            n += ack_own_page(rx, &page, i, count - n);
    }
    if (n > 0)
        was_acked(rx, (uint32_t)n, QUIRE_PAGE_OF(rx->first_lease),
                  QUIRE_PAGE_OF(rx->first_lease) != begin);
    return (long)n;
}
