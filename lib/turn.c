/* SPDX-License-Identifier: MIT */
/*
 * Preparing and opening pages.
 *
 * Page k is prepared in three monotone steps, each of which any thread may do or find done:
 *   life[f]       page of an older, retired life -> k    (the frame changes hands)
 *   header.page_no                          older -> k
 *   directory[k]                            older -> (k, f)   decides between rival frames
 * and opened by a fourth: the claim word, closed since its last life, -> tag(k), 0, 0. Only who
 * found page k - 1 over opens k, so nobody claims in k before k - 1 is over.
 *
 * The opening compare-exchange expects the exact closed word, whose tag is the frame's last page
 * modulo 16383. It could be fooled only by a thread that sleeps between its load and its exchange
 * while that one frame goes through 16383 pages apart and ends with the same counts.
 */
#include <lib/account.h>
#include <lib/ahead.h>
#include <lib/evict.h>
#include <lib/keeper.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <lib/wait.h>

void qr_raise(qr_atomic_u64 *word, uint64_t value)
{
    uint64_t seen = qr_load_relaxed(word); /* relaxed: the exchange below decides */
    /* [R10 tail] pairs with A10: what the page needs was done before it is announced. */
    while (seen < value && !qr_cas_acq_rel(word, &seen, value))
        ;
}

int qr_locate(struct quire *ch, uint64_t page_no, struct qr_place *place)
{
    /* [A4 directory] pairs with R4 below. */
    uint64_t entry = qr_load_acquire(&ch->view.directory[page_no & ch->directory_mask]);
    if (entry == QR_DIRENT_NONE || qr_dirent_page(entry) < page_no)
        return QUIRE_EAGAIN;
    if (qr_dirent_page(entry) > page_no)
        return QUIRE_ENOENT;
    uint32_t frame_id = qr_dirent_frame(entry);
    if (frame_id >= ch->frames_cap)
        return QUIRE_EBADFILE;
    place->page_no = page_no;
    place->frame_id = frame_id;
    int rc = qr_store_frame(ch->store, frame_id, &place->frame);
    if (rc != 0)
        return rc; /* ENOENT: given back to the file system */
    /* [A12 page_no] pairs with R12 below. */
    return qr_load_acquire(&place->frame->header->page_no) == page_no ? 0 : QUIRE_ENOENT;
}

/* Raises header.page_no of the frame to page_no. 0 when the frame went to another page meanwhile.
 */
static int raise_page_no(struct quire *ch, const struct qr_frame *frame, uint32_t frame_id,
                         uint64_t page_no)
{
    qr_atomic_u64 *word = &frame->header->page_no;
    /* [A12 page_no] pairs with R12. */
    uint64_t seen = qr_load_acquire(word);
    while (seen == QR_PAGE_NO_NONE || seen < page_no) {
        /* [A6 life] pairs with R6: looked at after page_no, so an exchange that succeeds found
         * the frame assigned to this page and no later one. */
        if (qr_life_page(qr_load_acquire(&ch->view.life[frame_id])) != page_no)
            return 0;
        /* [R12 page_no] pairs with A12. */
        if (qr_cas_acq_rel(word, &seen, page_no))
            return 1;
    }
    return seen == page_no;
}

/*
 * A frame that lay idle for a multiple of 16383 pages has the new page's tag in its closed word. It
 * gets the tag that no page has, before page_no is raised: from then on the tag means an open page.
 */
static void neutral_tag(const struct qr_frame *frame, uint64_t page_no)
{
    /* [A13 open] pairs with R13: had the page been opened, page_no would be seen raised. */
    uint64_t word = qr_load_acquire(frame->claim);
    while (qr_claim_tag(word) == qr_claim_tag_of(page_no)) {
        /* [A12 page_no] pairs with R12. */
        uint64_t seen = qr_load_acquire(&frame->header->page_no);
        if ((seen != QR_PAGE_NO_NONE && seen >= page_no) ||
            /* [R13 open] [A13 open] the frame is still closed; only failed claims change the word.
             */
            qr_cas_acq_rel(frame->claim, &word, QR_CLAIM_CLOSED))
            return;
    }
}

/* The frame was taken for page_no in vain: it holds nothing. */
static void restore_free(struct quire *ch, uint32_t frame_id, uint64_t page_no)
{
    uint64_t mine = qr_life(page_no, 0);
    /* [R6 life] pairs with A6. */
    if (qr_cas_acq_rel(&ch->view.life[frame_id], &mine, qr_life(QR_PAGE_FREE, 0)))
        qr_freed(ch, ch->view.live);
}

/* Steps two and three for a frame whose life word says page_no. */
static int finish_assign(struct quire *ch, uint32_t frame_id, uint64_t page_no)
{
    const struct qr_frame *frame;
    int rc = qr_store_frame(ch->store, frame_id, &frame);
    if (rc != 0) {
        restore_free(ch, frame_id, page_no); /* not mappable: the page must go elsewhere */
        return rc;
    }
    qr_void_turn(ch, frame->header, frame_id, page_no);
    neutral_tag(frame, page_no);
    if (!raise_page_no(ch, frame, frame_id, page_no))
        return 0;
    qr_atomic_u64 *slot = &ch->view.directory[page_no & ch->directory_mask];
    /* [A4 directory] pairs with R4. */
    uint64_t entry = qr_load_acquire(slot);
    while (entry == QR_DIRENT_NONE || qr_dirent_page(entry) < page_no) {
        /* [R4 directory] pairs with A4: page_no of the frame is written. */
        if (qr_cas_acq_rel(slot, &entry, qr_dirent(page_no, frame_id)))
            return 0;
    }
    /* An entry of a later page says nothing about who won this one: qr_holds will tell. */
    if (qr_dirent_page(entry) == page_no && qr_dirent_frame(entry) != frame_id)
        restore_free(ch, frame_id, page_no);
    return 0;
}

/* A frame that somebody has taken for page_no already; -1 when there is none. */
static int64_t assigned_frame(struct quire *ch, uint64_t page_no)
{
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    for (uint32_t f = 0; f < high; f++)
        /* [A6 life] pairs with R6. */
        if (qr_life_page(qr_load_acquire(&ch->view.life[f])) == page_no)
            return f;
    return -1;
}

int qr_prepared(const struct quire *ch, uint64_t page_no)
{
    /* [A4 directory] pairs with R4. */
    uint64_t entry = qr_load_acquire(&ch->view.directory[page_no & ch->directory_mask]);
    return entry != QR_DIRENT_NONE && qr_dirent_page(entry) >= page_no;
}

static int prepare(struct quire *ch, uint64_t page_no, enum qr_pick_mode mode)
{
    while (!qr_prepared(ch, page_no)) {
        int64_t helped = assigned_frame(ch, page_no);
        uint32_t frame = (uint32_t)helped;
        uint64_t life;
        int rc = helped >= 0 ? 0 : qr_pick(ch, page_no, mode, &frame, &life);
        if (rc == QUIRE_EAGAIN && mode == QR_PICK_NEEDED) {
            qr_keeper_help(ch); /* storage is being made, or a page is being given up */
            continue;
        }
        if (rc != 0)
            return rc;
        /* [R6 life] [A6 life] the page number and the pins seen before its needs were looked at. */
        if (helped < 0 && !qr_cas_acq_rel(&ch->view.life[frame], &life, qr_life(page_no, 0)))
            continue;
        rc = finish_assign(ch, frame, page_no);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Opens page page_no, which is prepared. 1 when this call did it. */
static int open_page(struct quire *ch, const struct qr_place *place)
{
    struct qr_frame_header *header = place->frame->header;
    /* [A12 page_no] pairs with R12; [A13 open] pairs with R13 below. */
    uint64_t word = qr_load_acquire(place->frame->claim);
    int mine = 0;
    while (!mine && qr_claim_tag(word) != qr_claim_tag_of(place->page_no)) {
        if (qr_load_acquire(&header->page_no) != place->page_no)
            break; /* long since open, sealed and gone */
        /* [R13 open] pairs with A13 and with every claim: page_no is visible to who claims. */
        mine = qr_cas_acq_rel(place->frame->claim, &word, qr_claim_open(place->page_no));
    }
    qr_raise(&ch->view.live->tail_page, place->page_no);
    if (mine) {
        qr_store_relaxed(&header->first_ns, qr_wall()); /* relaxed: a figure for people */
        qr_freed(ch, ch->view.live); /* who found the pool full has a page to write now */
    }
    return mine;
}

/* Consumers have looked at the lines that opening writes, and each would be waited for in turn. */
static void fetch_lines(struct quire *ch, uint64_t page_no)
{
    /* relaxed: a hint. */
    uint64_t entry = qr_load_relaxed(&ch->view.directory[page_no & ch->directory_mask]);
    const struct qr_frame *frame = qr_dirent_page(entry) == page_no
                                       ? qr_store_frame_mapped(ch->store, qr_dirent_frame(entry))
                                       : NULL;
    if (!frame)
        return;
    qr_fetch_for_write(frame->claim);
    qr_fetch_for_write(&frame->header->page_no);
}

static void opened(struct quire *ch, uint64_t page_no, int was_ready)
{
    qr_ahead_opened(ch, page_no, was_ready); /* if it cannot be yet, the next turn does it */
    if (qr_unlikely(qr_retains(ch)))
        (void)qr_retain(ch);
}

static int next_page(struct quire *ch, uint64_t page_no)
{
    fetch_lines(ch, page_no);
    int was_ready = qr_prepared(ch, page_no);
    int rc = was_ready ? 0 : prepare(ch, page_no, QR_PICK_NEEDED);
    struct qr_place place;
    if (rc == 0)
        rc = qr_locate(ch, page_no, &place);
    if (rc == QUIRE_ENOENT)
        return 0; /* it has come and gone: the tail tells where things are */
    if (rc == 0 && open_page(ch, &place))
        opened(ch, page_no, was_ready);
    return rc;
}

int qr_prepare_ahead(struct quire *ch, uint64_t page_no)
{
    return prepare(ch, page_no, QR_PICK_AHEAD);
}

/* 1 when page tail is there, open and not over. */
static int writable(const struct quire *ch, const struct qr_place *place)
{
    /* [A13 open] pairs with R13. */
    uint64_t word = qr_load_acquire(place->frame->claim);
    return qr_claim_tag(word) == qr_claim_tag_of(place->page_no) &&
           !qr_claim_over(word, ch->max_messages, ch->capacity_units);
}

int qr_turn(struct quire *ch, struct qr_place *place)
{
    for (;;) {
        /* [A10 tail] pairs with R10. */
        uint64_t tail = qr_load_acquire(&ch->view.live->tail_page);
        int rc = qr_locate(ch, tail, place);
        if (rc == 0 && writable(ch, place))
            return 0;
        /* Over, or gone already to a later page, in which case the tail lags: help it on. */
        if (rc != 0 && rc != QUIRE_ENOENT)
            return rc;
        if (tail + 1 >= QR_PAGE_MAX)
            return QUIRE_FULL;
        rc = next_page(ch, tail + 1);
        if (rc != 0)
            return rc;
    }
}

int qr_turn_first(struct quire *ch)
{
    struct qr_place place;
    int rc = prepare(ch, 0, QR_PICK_NEEDED);
    if (rc == 0)
        rc = qr_locate(ch, 0, &place);
    if (rc == 0)
        (void)open_page(ch, &place);
    return rc;
}
