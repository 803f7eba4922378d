/* SPDX-License-Identifier: MIT */
/*
 * Choosing the frame of a new page.
 *
 * The order of the looks is what makes recycling safe (I8):
 *   1. the life word of the frame (a subscriber that begins to need an old page adds a pin to it);
 *   2. the head of every group: is it done with the page?
 *   3. the line of every handle: a claim writes its intent before it moves head, so a run that
 *      step 2 saw behind head is seen here;
 *   4. needs_seq again: a run that moves from one line to another, or a group that is made while
 *      its maker's line protects the page, bumps it between the two.
 * Then the life word changes hands by compare-exchange from the value of step 1.
 */
#include <lib/account.h>
#include <lib/ahead.h>
#include <lib/evict.h>
#include <lib/handles.h>
#include <lib/keeper.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/rotate.h>
#include <lib/turn.h>
#include <lib/wait.h>

int64_t qr_final(const struct qr_frame *frame, uint64_t page_no)
{
    /* [A3 seal] pairs with R3 in tx.c: the page accepts nothing more. */
    uint64_t seal = qr_load_acquire(&frame->header->seal);
    return qr_slot_is(seal, qr_slot_tag(page_no)) ? (int64_t)qr_seal_final(seal) : -1;
}

int qr_locate_held(struct quire *ch, uint64_t page_no, struct qr_place *place)
{
    int rc = qr_locate(ch, page_no, place);
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    for (uint32_t f = 0; rc == QUIRE_ENOENT && f < high; f++) {
        /* [A6 life] pairs with R6. */
        if (qr_life_page(qr_load_acquire(&ch->view.life[f])) != page_no ||
            qr_store_frame(ch->store, f, &place->frame) != 0 || qr_final(place->frame, page_no) < 0)
            continue;
        place->page_no = page_no;
        place->frame_id = f;
        rc = 0;
    }
    return rc;
}

int qr_next_held(const struct quire *ch, uint64_t from, uint64_t last, uint64_t *page_no,
                 uint32_t *frame)
{
    int found = 0;
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        uint64_t page = qr_life_page(qr_load_acquire(&ch->view.life[f])); /* [A6 life] with R6 */
        if (page < from || page > last || page >= QR_PAGE_MAX || (found && page >= *page_no))
            continue;
        *page_no = page;
        *frame = f;
        found = 1;
    }
    return found;
}

int qr_complete(const struct qr_frame *frame, uint64_t page_no, uint32_t final)
{
    uint32_t tag = qr_slot_tag(page_no);
    for (uint32_t i = 0; i < final; i++) {
        /* [A2 slot] pairs with R2: the record of the slot is complete, its producer is gone. */
        if (!qr_slot_is(qr_load_acquire(&frame->slots[i]), tag))
            return 0;
    }
    return 1;
}

int qr_frame_there(struct quire *ch, uint32_t frame_id, const struct qr_frame **out)
{
    uint64_t page = qr_life_page(qr_load_acquire(&ch->view.life[frame_id])); /* [A6 life] with R6 */
    if (page == QR_PAGE_ABSENT || page == QR_PAGE_BUSY)
        return 0;
    int rc = qr_store_frame(ch->store, frame_id, out);
    if (rc == 0)
        return 1;
    return rc == QUIRE_EBADFILE || rc == QUIRE_ENOENT ? 0 : rc;
}

int qr_holds(struct quire *ch, uint32_t frame_id, uint64_t page_no)
{
    /* [A4 directory] pairs with R4 in turn.c. */
    uint64_t entry = qr_load_acquire(&ch->view.directory[page_no & ch->directory_mask]);
    if (entry == QR_DIRENT_NONE || qr_dirent_page(entry) < page_no)
        return 1; /* being assigned */
    if (qr_dirent_page(entry) == page_no)
        return qr_dirent_frame(entry) == frame_id;
    /* The entry has gone to a later page, as it may while a handle still borrows from this one.
     * A frame that lost the page to a rival never was sealed as it. */
    const struct qr_frame *frame;
    return qr_store_frame(ch->store, frame_id, &frame) == 0 && qr_final(frame, page_no) >= 0;
}

/* Is the group done with the page in frame? Sets *walked when it looked at every slot of it. */
static int group_done(struct quire *ch, struct qr_group *group, uint32_t frame, uint64_t page_no,
                      uint32_t final, int *walked)
{
    struct qr_group_block *b = group->block;
    /* [A5 head] pairs with R5 in run.c and evict.c: the intent of whoever moved it is written. */
    uint64_t head = qr_load_acquire(&b->head);
    uint64_t page = qr_head_page(head, page_no);
    if (page < page_no || (page == page_no && qr_head_slot(head) < final))
        return 0;
    if (qr_group_acks(group) && !qr_lease_finished(ch, group, frame, page_no, final))
        return 0;
    /* relaxed: written before the head was stored that says so. */
    *walked |= qr_load_relaxed(&b->walked_from) <= page_no;
    return 1;
}

uint32_t qr_groups_live(const struct quire *ch)
{
    uint32_t count = qr_group_count(ch), live = 0;
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        live += !qr_group_deleted(list->group[i]);
    return live;
}

int qr_group_done(struct quire *ch, struct qr_group *group, uint32_t frame, uint64_t page_no,
                  uint32_t final)
{
    int walked = 0;
    return group_done(ch, group, frame, page_no, final, &walked);
}

/* The oldest page before below that the group has not finished; below when there is none. */
static uint64_t oldest_leased(struct quire *ch, struct qr_group *group, uint64_t below)
{
    const struct qr_frame *frame;
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    for (uint32_t f = 0; f < high; f++) {
        uint64_t page = qr_life_page(qr_load_acquire(&ch->view.life[f])); /* [A6 life] with R6 */
        if (page >= below || !qr_holds(ch, f, page) || qr_store_frame(ch->store, f, &frame) != 0)
            continue;
        int64_t final = qr_final(frame, page);
        if (final > 0 && final <= (int64_t)ch->max_messages &&
            !qr_lease_finished(ch, group, f, page, (uint32_t) final))
            below = page;
    }
    return below;
}

uint64_t qr_group_oldest(struct quire *ch, struct qr_group *group, uint64_t tail)
{
    uint64_t head = qr_load_acquire(&group->block->head); /* [A5 head] pairs with R5 */
    uint64_t page = qr_head_page(head, tail);
    struct qr_place place;
    int rc = qr_locate(ch, page, &place);
    if (rc == QUIRE_ENOENT)
        page++; /* recycled: it was done with it */
    if (rc == 0) {
        int64_t final = qr_final(place.frame, page);
        page += final >= 0 && qr_head_slot(head) >= final;
    }
    return qr_group_acks(group) ? oldest_leased(ch, group, page) : page;
}

#define MANY_GROUPS 16u /* more of them are not asked one by one at every turn */

/* Looks how far all groups are done, for those who look at a page before that later. */
static uint64_t look_at_all(struct quire *ch, uint64_t tail)
{
    /* [A8 needs] pairs with R8: who makes a group, or moves one back, does so before or after. */
    uint32_t seq = qr_load_acquire(&ch->view.live->needs_seq);
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    uint64_t done = UINT64_MAX, walked = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (qr_group_deleted(list->group[i]))
            continue;
        uint64_t page = qr_group_oldest(ch, list->group[i], tail);
        /* relaxed: written before the head that was read. */
        uint64_t from = qr_load_relaxed(&list->group[i]->block->walked_from);
        done = page < done ? page : done;
        walked = from < walked ? from : walked;
    }
    if (done == UINT64_MAX)
        return 0; /* without a group everything is kept */
    done = done < tail ? done : tail;
    qr_store_relaxed(&ch->walked, walked); /* relaxed: carried by the next */
    /* [R60 done] pairs with A60. */
    qr_store_release(&ch->done, (uint64_t)seq << 32 | (uint32_t)done);
    return done;
}

/* What was found then, if it holds for seq: all groups are done with pages before it. 0: nothing is
 * known. near: any page that is held. */
static uint64_t known_done(struct quire *ch, uint32_t seq, uint64_t near)
{
    uint64_t done = qr_load_acquire(&ch->done); /* [A60 done] pairs with R60 */
    if (done >> 32 != seq || done == 0)
        return 0;
    int32_t distance = (int32_t)((uint32_t)done - (uint32_t)near);
    return distance < 0 && near < (uint64_t) - (int64_t)distance ? 0 : near + (uint64_t)distance;
}

static int groups_done(struct quire *ch, uint32_t frame, uint64_t page_no, uint32_t final,
                       int *walked)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    uint32_t live = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (qr_group_deleted(list->group[i]))
            continue;
        live++;
        if (!group_done(ch, list->group[i], frame, page_no, final, walked))
            return 0;
    }
    /* Without a group everything is kept, unless it was given up.
     * [A11 retain] pairs with R11 in evict.c. */
    return live > 0 || page_no < qr_load_acquire(&ch->view.live->retain_from);
}

int qr_protected(struct quire *ch, uint64_t page_no)
{
    /* [A7 line] pairs with R7 in handles.c: a line that is not free has its fields. */
    uint32_t high = qr_load_acquire(&ch->view.live->handles_high);
    for (uint32_t i = 0; i < high && i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        /* [A7 line] pairs with R7. */
        uint32_t state = qr_handle_state_of(qr_load_acquire(&line->state));
        if (state == QR_HANDLE_FREE || state == QR_HANDLE_TX)
            continue;
        struct qr_holding holding;
        qr_handle_holding(ch, i, &holding);
        if (holding.n > 0 && QUIRE_PAGE_OF(holding.start) == page_no)
            return 1;
        /* A subscriber that makes a group (SETUP) protects the later pages too. */
        if (holding.stand == page_no + 1 ||
            (state == QR_HANDLE_SETUP && holding.stand != 0 && holding.stand <= page_no))
            return 1;
    }
    return 0;
}

/* Steps 2 and 3 for a page with that final count. */
static int needed(struct quire *ch, uint32_t frame_id, const struct qr_frame *frame,
                  uint64_t page_no, uint32_t final, uint32_t seq)
{
    int walked = 0;
    /* Heads only grow, but when needs_seq does. relaxed: ordered by done. */
    int known = qr_group_count(ch) > MANY_GROUPS && page_no < known_done(ch, seq, page_no);
    if (known)
        walked = qr_load_relaxed(&ch->walked) <= page_no;
    return (!known && !groups_done(ch, frame_id, page_no, final, &walked)) ||
           (!walked && !qr_complete(frame, page_no, final)) || qr_protected(ch, page_no);
}

int qr_recyclable(struct quire *ch, uint32_t frame_id, uint64_t page_no)
{
    const struct qr_frame *frame;
    if (qr_store_frame(ch->store, frame_id, &frame) != 0)
        return 0;
    int64_t final = qr_final(frame, page_no);
    if (final < 0 || final > (int64_t)ch->max_messages || !qr_accounted(ch, page_no))
        return 0;
    /* [A8 needs] pairs with R8 in run.c and group.c, as does the second look below. */
    uint32_t seq = qr_load_acquire(&ch->view.live->needs_seq), before;
    do {
        before = seq;
        if (needed(ch, frame_id, frame, page_no, (uint32_t) final, before))
            return 0;
        /* [A8 needs] pairs with R8: what moved behind our back moved before this. */
        seq = qr_load_acquire(&ch->view.live->needs_seq);
    } while (seq != before);
    return 1;
}

uint64_t qr_groups_floor(struct quire *ch, uint64_t tail)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    uint64_t floor = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (qr_group_deleted(list->group[i]))
            continue;
        uint64_t head = qr_load_relaxed(&list->group[i]->block->head); /* relaxed: a hint here */
        uint64_t page = qr_head_page(head, tail);
        /* At the end of a page the group may be done with it too. */
        uint64_t done = qr_head_slot(head) > 0 ? page + 1 : page;
        floor = done < floor ? done : floor;
    }
    /* relaxed: a hint here */
    return floor != UINT64_MAX ? floor : qr_load_relaxed(&ch->view.live->retain_from);
}

/* Retired pages that may still be chosen. */
struct range {
    uint64_t from;
    uint64_t below;
    int oldest; /* the one that was retired first is wanted, else the last */
};

struct candidates {
    uint64_t page_no; /* of the retired page that is wanted most; none: frame < 0 */
    int64_t frame;
    uint64_t life;
    int64_t free; /* a frame that holds nothing; one that is mapped if there is one */
    int free_mapped;
    uint64_t free_life;
};

/* One pass over the life words: the page of the range that is wanted most, and a free frame. */
static void survey(struct quire *ch, uint64_t page_no, const struct range *range,
                   struct candidates *c)
{
    c->frame = c->free = -1;
    c->free_mapped = 0;
    c->page_no = 0;
    c->life = c->free_life = 0;
    /* relaxed: a bound that only grows; a frame missed now is seen next time. */
    uint32_t high = qr_load_relaxed(&ch->frames_high);
    for (uint32_t f = 0; f < high; f++) {
        /* [A6 life] pairs with R6: a pin added before this is in the value. */
        uint64_t life = qr_load_acquire(&ch->view.life[f]);
        uint64_t page = qr_life_page(life);
        int free = page == QR_PAGE_FREE || (page < page_no && !qr_holds(ch, f, page));
        if (free && !c->free_mapped) {
            c->free = f;
            c->free_mapped = qr_store_frame_mapped(ch->store, f) != NULL;
            c->free_life = life;
        }
        if (free || page >= range->below || page < range->from ||
            (c->frame >= 0 && (page < c->page_no) != range->oldest))
            continue;
        c->frame = f;
        c->page_no = page;
        c->life = life;
    }
}

void qr_frame_made(struct quire *ch, uint32_t frame, int rc)
{
    if (rc == 0 && frame >= ch->frames_base)
        qr_add_relaxed(&ch->frames_extra, 1u); /* relaxed: a counter */
    if (rc == 0) /* relaxed: ordered by life: who sends into the frame has its name synced */
        qr_store_relaxed(&ch->names_unsynced, 1u);
    /* [R6 life] pairs with A6: the storage is there. */
    qr_store_release(&ch->view.life[frame], qr_life(rc == 0 ? QR_PAGE_FREE : QR_PAGE_ABSENT, 0));
    qr_store_relaxed(&ch->no_space, rc == QUIRE_ENOSPC); /* relaxed: a figure */
    if (rc != 0)
        return;
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    while (high < frame + 1 &&
           !qr_cas_acq_rel(&ch->frames_high, &high, frame + 1)) /* [R6 life] [A6 life] */
        ;
    qr_ahead_renew(ch);
    qr_freed(ch, ch->view.live);
}

static int being_made(struct quire *ch, uint32_t from, uint32_t to)
{
    for (uint32_t f = from; f < to; f++)
        /* [A6 life] pairs with R6. */
        if (qr_life_page(qr_load_acquire(&ch->view.life[f])) == QR_PAGE_BUSY)
            return 1;
    return 0;
}

/*
 * Gives an absent frame of [from, to) storage. 0; QUIRE_FULL when there is none; QUIRE_EAGAIN when
 * somebody is making or giving back one this moment, or has done so since the survey; or an error.
 */
static int make_frame(struct quire *ch, uint64_t page_no, uint32_t from, uint32_t to,
                      uint32_t *frame, uint64_t *life)
{
    int none = QUIRE_FULL;
    for (uint32_t f = from; f < to; f++) {
        if (f == ch->frames_base && none == QUIRE_EAGAIN)
            return none; /* the pool does not grow for want of a frame that is about to be there */
        /* [A6 life] pairs with R6. */
        uint64_t old = qr_load_acquire(&ch->view.life[f]);
        if (qr_life_page(old) == QR_PAGE_BUSY || qr_life_page(old) == QR_PAGE_FREE ||
            qr_life_page(old) == page_no)
            none = QUIRE_EAGAIN;
        if (qr_life_page(old) != QR_PAGE_ABSENT)
            continue;
        /* [A6 life] [R6 life] the frame is ours alone while BUSY. */
        if (!qr_cas_acq_rel(&ch->view.life[f], &old, qr_life(QR_PAGE_BUSY, 0))) {
            none = QUIRE_EAGAIN;
            continue;
        }
        int rc = qr_store_frame_make(ch->store, f);
        const struct qr_frame *mapped;
        if (rc == 0)
            rc = qr_store_frame(ch->store, f, &mapped);
        *life = qr_life(QR_PAGE_FREE, 0);
        qr_frame_made(ch, f, rc);
        if (rc == QUIRE_ENOSPC && being_made(ch, from, to))
            return QUIRE_EAGAIN; /* with the room that this one lacked */
        if (rc != 0)
            return rc;
        *frame = f;
        return 0;
    }
    return none;
}

/* 1 when a spare frame is being given back, or came free or went to the page since the survey. */
static int spare_moves(struct quire *ch, uint64_t page_no)
{
    for (uint32_t f = ch->frames_base; f < ch->frames_cap; f++) {
        /* [A6 life] pairs with R6. */
        uint64_t page = qr_life_page(qr_load_acquire(&ch->view.life[f]));
        if (page == QR_PAGE_BUSY || page == QR_PAGE_FREE || page == page_no)
            return 1;
    }
    return 0;
}

/* What a full pool does beyond its retired and free frames. */
static int extend(struct quire *ch, uint64_t page_no, uint32_t blocked, uint32_t *frame,
                  uint64_t *life)
{
    uint32_t end = ch->policy == QUIRE_FULL_GROW ? ch->frames_cap : ch->frames_base;
    int rc = make_frame(ch, page_no, 0, end, frame, life);
    if (rc != QUIRE_FULL || !qr_gives_up(ch) || page_no == 0)
        return rc;
    /* Pages given up but still borrowed from are replaced, up to the spare frames, of which none
     * must count that is on its way back. */
    if (blocked > 0)
        qr_keeper_help(ch);
    uint32_t extra = qr_load_relaxed(&ch->frames_extra); /* relaxed, both: a counter */
    if (blocked > extra) {
        rc = make_frame(ch, page_no, ch->frames_base, ch->frames_cap, frame, life);
        if (rc == 0 || rc == QUIRE_EAGAIN)
            return rc;
    }
    rc = qr_evict(ch, page_no - 1);
    /* Full, unless a spare frame that counted above has gone since. */
    int moved = extra != qr_load_relaxed(&ch->frames_extra) || /* relaxed: a counter */
                spare_moves(ch, page_no);
    return rc == 0 || (rc == QUIRE_FULL && moved) ? QUIRE_EAGAIN : rc;
}

static uint32_t spares_below(struct quire *ch, uint64_t below, uint32_t enough)
{
    /* relaxed: hints, as all of this is: what is counted may be gone the next moment. */
    uint32_t n = 0, high = qr_load_relaxed(&ch->frames_high);
    for (uint32_t f = 0; f < high && n < enough; f++) {
        uint64_t page = qr_life_page(qr_load_acquire(&ch->view.life[f])); /* [A6 life] with R6 */
        if (!qr_store_frame_mapped(ch->store, f))
            continue;
        n += page == QR_PAGE_FREE ||
             (page < below && qr_holds(ch, f, page) && qr_recyclable(ch, f, page));
    }
    return n;
}

uint32_t qr_spares(struct quire *ch, uint32_t enough)
{
    uint64_t tail = qr_load_relaxed(&ch->view.live->tail_page); /* relaxed: a hint */
    if (qr_group_count(ch) > MANY_GROUPS) {
        /* [A8 needs] pairs with R8. */
        uint64_t known = known_done(ch, qr_load_acquire(&ch->view.live->needs_seq), tail);
        uint32_t n = spares_below(ch, known < tail ? known : tail, enough);
        if (n >= enough)
            return n;
    }
    uint64_t below = qr_groups_floor(ch, tail);
    return spares_below(ch, below < tail ? below : tail, enough);
}

/* A recyclable page below a bound, see lib/rotate.h: 1. 0: *blocked pages of those are needed. */
static int pick_retired(struct quire *ch, uint64_t page_no, uint64_t below, struct candidates *c,
                        uint32_t *blocked)
{
    struct range range = {0, below < page_no ? below : page_no, qr_rotates(ch)};
    *blocked = 0;
    for (;;) {
        survey(ch, page_no, &range, c);
        if (c->frame < 0)
            return 0;
        if (qr_recyclable(ch, (uint32_t)c->frame, c->page_no))
            return 1;
        ++*blocked;
        if (range.oldest)
            range.from = c->page_no + 1;
        else
            range.below = c->page_no;
    }
}

/* The same; with many groups first among the pages that all of them were seen to be done with. */
static int pick_any(struct quire *ch, uint64_t page_no, struct candidates *c, uint32_t *blocked)
{
    if (qr_group_count(ch) > MANY_GROUPS) {
        /* [A8 needs] pairs with R8. */
        uint64_t known = known_done(ch, qr_load_acquire(&ch->view.live->needs_seq), page_no);
        if (known != 0 && pick_retired(ch, page_no, known, c, blocked))
            return 1;
        if (pick_retired(ch, page_no, look_at_all(ch, page_no), c, blocked))
            return 1;
    }
    return pick_retired(ch, page_no, qr_groups_floor(ch, page_no), c, blocked);
}

int qr_pick(struct quire *ch, uint64_t page_no, enum qr_pick_mode mode, uint32_t *frame,
            uint64_t *life)
{
    struct candidates c;
    uint32_t blocked;
    int found = pick_any(ch, page_no, &c, &blocked);
    /* One that was made to take turns comes before any that was used. */
    if (found && !(c.free_mapped && qr_rotates(ch))) {
        *frame = (uint32_t)c.frame;
        *life = c.life;
        return 0;
    }
    if (c.free >= 0) {
        *frame = (uint32_t)c.free;
        *life = c.free_life;
        return 0;
    }
    if (mode == QR_PICK_AHEAD)
        return QUIRE_FULL;
    return extend(ch, page_no, blocked, frame, life);
}
