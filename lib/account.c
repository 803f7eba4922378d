/* SPDX-License-Identifier: MIT */
#include <lib/account.h>
#include <lib/recycle.h>
#include <lib/turn.h>

#define SUM_MASK   ((1ull << 48) - 1)
#define FOLD_LOOKS 1000u

/* live.account: sum:48 | page:16. Pages from that page to the tail all have frames, so there are
 * fewer than 2^16 of them and the low bits tell which it is. */
static uint64_t account_page(struct quire *ch, uint64_t word)
{
    /* [A10 tail] pairs with R10. A page is sealed at most one turn before the tail tells of it. */
    uint64_t high = qr_load_acquire(&ch->view.live->tail_page) + 2;
    return high - ((high - word) & 0xffffu);
}

/* The word with the sealed pages in it that follow those it has. *next: the page after them. */
static uint64_t advanced(struct quire *ch, uint64_t word, uint64_t *next)
{
    uint64_t sum = word >> 16;
    struct qr_place place;
    int64_t final;
    *next = account_page(ch, word);
    while (qr_locate(ch, *next, &place) == 0 && (final = qr_final(place.frame, *next)) >= 0) {
        sum += (uint64_t) final;
        ++*next;
    }
    return sum << 16 | (*next & 0xffffu);
}

void qr_account_advance(struct quire *ch)
{
    qr_atomic_u64 *account = &ch->view.live->account;
    uint64_t next;
    /* [A23 account] pairs with R23. */
    uint64_t word = qr_load_acquire(account), after;
    do
        after = advanced(ch, word, &next);
    /* [R23 account] pairs with A23: the pages' frames may change hands from here on. */
    while (after != word && !qr_cas_acq_rel(account, &word, after));
}

void qr_account_rebuild(struct quire *ch, uint64_t tail)
{
    qr_atomic_u64 *account = &ch->view.live->account;
    /* relaxed: alone in the channel. */
    uint64_t word = qr_load_relaxed(account), sum = word >> 16;
    struct qr_place place;
    for (uint64_t p = account_page(ch, word); p <= tail; p++) {
        int64_t final = qr_locate(ch, p, &place) == 0 ? qr_final(place.frame, p) : -1;
        sum += final > 0 ? (uint64_t) final : 0;
    }
    qr_store_relaxed(account, sum << 16 | ((tail + 1) & 0xffffu)); /* relaxed: alone */
}

uint64_t qr_account_messages(struct quire *ch, uint64_t *next)
{
    uint64_t word = qr_load_acquire(&ch->view.live->account); /* [A23 account] pairs with R23 */
    *next = account_page(ch, word);
    return word >> 16;
}

int qr_accounted(struct quire *ch, uint64_t page_no)
{
    uint64_t next;
    uint64_t word = qr_load_acquire(&ch->view.live->account); /* [A23 account] pairs with R23 */
    if (page_no < account_page(ch, word))
        return 1;
    if (ch->view.read_only) { /* what it would be */
        (void)advanced(ch, word, &next);
        return page_no < next;
    }
    qr_account_advance(ch);
    (void)qr_account_messages(ch, &next);
    return page_no < next;
}

/*
 * Voids of a frame: void_past, sum:48 | page:16, of its lives before that page; void_now,
 * tag:32 | count:32, of the page with that tag. void_now counts when it is the page void_past
 * names. The words are relaxed: figures, whose steps are ordered by what surrounds them.
 */
static uint32_t now_count(uint64_t past, uint64_t now)
{
    uint32_t page = (uint32_t)(now >> 32) - 1; /* low bits of the page number */
    return now != 0 && (page & 0xffffu) == (past & 0xffffu) ? (uint32_t)now : 0;
}

void qr_void_add(struct qr_frame_header *header, uint64_t page_no, uint32_t n)
{
    uint64_t now = qr_load_relaxed(&header->void_now); /* relaxed: a figure */
    uint64_t more;
    do
        more = qr_slot_is(now, qr_slot_tag(page_no)) ? now + n : qr_slot(page_no, n);
    /* [A26 void] the exchange alone matters here. */
    while (!qr_cas_acquire(&header->void_now, &now, more));
}

void qr_void_set(struct qr_frame_header *header, uint64_t page_no, uint32_t n)
{
    qr_store_relaxed(&header->void_now, qr_slot(page_no, n)); /* relaxed: alone */
}

static int low_bits_are(uint64_t now, uint64_t page_no)
{
    uint32_t page = (uint32_t)(now >> 32) - 1; /* low bits of the page number */
    return now != 0 && ((page ^ page_no) & 0xffffu) == 0;
}

/*
 * Only low bits of the page stand in void_past. A count of a page 65536 pages ago would pass for
 * one of page_no; and so would one of page_no itself, when the frame held that page before and a
 * producer that slept has taken it for the page once more, in vain. So before void_past says
 * page_no, such a count has gone into the sum and void_now is cleared. Each step leaves the
 * frame's count as it was.
 */
void qr_void_turn(struct quire *ch, struct qr_frame_header *header, uint32_t frame_id,
                  uint64_t page_no)
{
    uint64_t bits = page_no & 0xffffu;
    /* [A26 void] pairs with R26; the life word is looked at after it, as in raise_page_no: who
     * comes late finds another page there, or void_past changed. */
    uint64_t past = qr_load_acquire(&header->void_past);
    /* [A6 life] pairs with R6. */
    while (qr_life_page(qr_load_acquire(&ch->view.life[frame_id])) == page_no) {
        uint64_t now = qr_load_acquire(&header->void_now);    /* [A26 void] before the look below */
        uint64_t again = qr_load_acquire(&header->void_past); /* [A26 void] pairs with R26 */
        int same = low_bits_are(now, page_no);
        int alias = same && !qr_slot_is(now, qr_slot_tag(page_no));
        if (again != past) {
            past = again;
            continue;
        }
        if ((past & 0xffffu) == bits && !alias)
            return;
        if ((past & 0xffffu) != bits && same) {
            /* [A26 void] not counted where it stands, and not page_no's yet: that is counted only
             * once void_past says page_no. */
            (void)qr_cas_acquire(&header->void_now, &now, 0u);
            continue;
        }
        /* An alias that void_past names goes by way of a page that is neither. */
        uint64_t sum = (past >> 16) + now_count(past, now);
        uint64_t to = alias ? bits ^ 0x8000u : bits;
        /* [R26 void] pairs with A26. Fails against a rival for an older page, too: once more. */
        if (qr_cas_acq_rel(&header->void_past, &past, sum << 16 | to))
            past = sum << 16 | to;
    }
}

static uint64_t frame_voids(const struct qr_frame_header *header)
{
    struct qr_frame_header *h = (struct qr_frame_header *)header;
    uint64_t past = qr_load_acquire(&h->void_past); /* [A26 void] pairs with R26 */
    return (past >> 16) + now_count(past, qr_load_relaxed(&h->void_now)); /* relaxed: a figure */
}

/* The frames that can hold a count: what is not mapped was folded at the last close or repair. */
static const struct qr_frame *counting_frame(struct quire *ch, uint32_t f)
{
    const struct qr_frame *frame = NULL;
    if (!ch->view.read_only)
        return qr_store_frame_mapped(ch->store, f);
    return qr_store_frame(ch->store, f, &frame) == 0 ? frame : NULL;
}

static uint64_t frames_voids(struct quire *ch)
{
    uint64_t n = 0;
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        const struct qr_frame *frame = counting_frame(ch, f);
        n += frame ? frame_voids(frame->header) : 0;
    }
    return n;
}

/* While a fold goes on its count is in two places. It is a matter of a few stores, but one that
 * was cut short stays until the repair: an observer does not wait for ever. */
uint64_t qr_void_total(struct quire *ch)
{
    struct qr_live *live = ch->view.live;
    uint64_t folded, n;
    uint32_t tries = FOLD_LOOKS;
    do {
        /* relaxed, all: figures; a fold changes the sum. */
        folded = qr_load_relaxed(&live->voids);
        n = folded + frames_voids(ch);
    } while (--tries > 0 &&
             (qr_load_relaxed(&live->fold_frame) != 0 || qr_load_relaxed(&live->voids) != folded));
    return n & SUM_MASK;
}

void qr_void_refold(struct quire *ch)
{
    struct qr_live *live = ch->view.live;
    const struct qr_frame *frame;
    /* relaxed, here and below: alone in the channel. */
    uint32_t folding = qr_load_relaxed(&live->fold_frame);
    if (folding == 0 || folding > ch->frames_cap)
        return;
    qr_store_relaxed(&live->voids, qr_load_relaxed(&live->fold_voids));
    if (qr_store_frame(ch->store, folding - 1, &frame) == 0)
        qr_store_relaxed(&frame->header->void_past, qr_load_relaxed(&live->fold_past));
    qr_compiler_barrier();
    qr_store_relaxed(&live->fold_frame, 0u); /* relaxed: as above, and last */
}

/*
 * A frame's count goes to the channel: its past becomes the negative of its present, so that the
 * present page may still be counted anew from its slots.
 */
void qr_void_fold_frame(struct quire *ch, uint32_t frame_id)
{
    struct qr_live *live = ch->view.live;
    const struct qr_frame *frame = qr_store_frame_mapped(ch->store, frame_id);
    uint64_t n = frame ? frame_voids(frame->header) & SUM_MASK : 0;
    if (n == 0)
        return;
    /* relaxed, here and below: the frame and the fold are the caller's alone. */
    uint64_t past = qr_load_relaxed(&frame->header->void_past);
    qr_store_relaxed(&live->fold_voids, (qr_load_relaxed(&live->voids) + n) & SUM_MASK);
    qr_store_relaxed(&live->fold_past, ((past >> 16) - n) << 16 | (past & 0xffffu));
    qr_compiler_barrier(); /* a kill leaves a prefix of these stores: in this order */
    qr_store_relaxed(&live->fold_frame, frame_id + 1);
    qr_compiler_barrier();
    qr_void_refold(ch);
}

void qr_void_fold(struct quire *ch)
{
    for (uint32_t f = 0; f < ch->frames_cap; f++)
        qr_void_fold_frame(ch, f);
}
