/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/recycle.h>
#include <lib/sync_set.h>
#include <lib/turn.h>
#include <pages/io.h>
#include <stdlib.h>

enum step { STEP_PAGES, STEP_CONTROL, STEP_NAMES, STEP_GROUPS, STEP_END };

int qr_sync_set_init(struct quire *ch, struct qr_sync_set *set)
{
    set->whole = qr_io_zalloc(ch->frames_cap * sizeof(set->whole[0]));
    if (!set->whole)
        return -ENOMEM;
    /* relaxed, all: nobody else is in the channel yet. Who had it before may have made files and
     * synced nothing. */
    qr_store_relaxed(&ch->names_unsynced, 1u);
    /* A position beyond the end is none: then nothing is known to be durable. */
    qr_atomic_u64 *durable = &ch->view.live->durable_position;
    if (QUIRE_PAGE_OF(qr_load_relaxed(durable)) > qr_load_relaxed(&ch->view.live->tail_page) + 1)
        qr_store_relaxed(durable, 0u);
    set->walked = qr_load_relaxed(durable);
    set->first_page = QUIRE_PAGE_OF(set->walked);
    qr_store_relaxed(&set->again, UINT64_MAX); /* relaxed: as above */
    return 0;
}

void qr_sync_set_free(struct qr_sync_set *set)
{
    free(set->whole);
    set->whole = NULL;
}

/* Claims in a page; -1 when it is not open yet. */
static int64_t claimed(struct quire *ch, const struct qr_place *place)
{
    int64_t final = qr_final(place->frame, place->page_no);
    if (final >= 0)
        return final;
    /* [A13 open] pairs with R13. */
    uint64_t word = qr_load_acquire(place->frame->claim);
    if (qr_claim_tag(word) != qr_claim_tag_of(place->page_no))
        return -1;
    uint64_t count = qr_claim_count(word);
    return (int64_t)(count < ch->max_messages ? count : ch->max_messages);
}

/*
 * The page that frame holds, if it was opened and is not before from: 1; 0; or why the frame cannot
 * be mapped. The life word is asked and not the directory, whose entry may have gone to a later
 * page while a claim in this one is still open. A frame that changes hands meanwhile held a page
 * that every group had finished.
 */
static int held(struct quire *ch, uint32_t frame, uint64_t from, struct qr_place *place)
{
    place->frame_id = frame;
    place->page_no = qr_life_page(qr_load_acquire(&ch->view.life[frame])); /* [A6 life] with R6 */
    if (place->page_no < from || place->page_no >= QR_PAGE_MAX)
        return 0;
    int rc = qr_store_frame(ch->store, frame, &place->frame);
    if (rc != 0)
        return rc == QUIRE_ENOENT ? 0 : rc; /* given back this moment */
    /* [A12 page_no] pairs with R12. */
    return qr_load_acquire(&place->frame->header->page_no) == place->page_no &&
           claimed(ch, place) >= 0;
}

/* The first opened page from page_no on that a frame holds: 1; 0; or an error. */
static int first_held(struct quire *ch, uint64_t page_no, struct qr_place *first)
{
    struct qr_place place;
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    int found = 0;
    for (uint32_t f = 0; f < high; f++) {
        int rc = held(ch, f, page_no, &place);
        if (rc < 0)
            return rc;
        if (rc == 0 || (found && place.page_no >= first->page_no))
            continue;
        *first = place;
        found = 1;
    }
    return found;
}

/* The same: most often the page is where the directory says. Those between are recycled. */
static int seek(struct quire *ch, uint64_t page_no, struct qr_place *first)
{
    if (qr_locate(ch, page_no, first) == 0 && claimed(ch, first) >= 0)
        return 1;
    return first_held(ch, page_no, first);
}

/* Raises *end to the position behind the last claim there is now, which is in *frame. */
static int claims_end(struct quire *ch, uint64_t from, uint64_t *end, uint32_t *frame)
{
    struct qr_place place;
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    for (uint32_t f = 0; f < high; f++) {
        int rc = held(ch, f, from, &place);
        if (rc < 0)
            return rc;
        int64_t count = rc == 1 ? claimed(ch, &place) : -1;
        if (count < 0 || QUIRE_POSITION(place.page_no, count) <= *end)
            continue;
        *end = QUIRE_POSITION(place.page_no, count);
        *frame = f;
    }
    return 0;
}

/* Published slots of a page from slot on. */
static uint32_t published(const struct qr_place *place, uint32_t slot, uint32_t end)
{
    uint32_t tag = qr_slot_tag(place->page_no);
    /* [A2 slot] pairs with R2. */
    while (slot < end && qr_slot_is(qr_load_acquire(&place->frame->slots[slot]), tag))
        slot++;
    return slot;
}

/*
 * Takes *position on to the first that is not published, no further than end, behind the last
 * claim. All pages up to that were open before: those that no frame holds any more are finished,
 * and later ones are none of this commit's, which is not going to sync them.
 */
static int walk(struct quire *ch, uint64_t *position, uint64_t end)
{
    struct qr_place place;
    while (*position < end) {
        int rc = seek(ch, QUIRE_PAGE_OF(*position), &place);
        if (rc < 0)
            return rc;
        if (rc == 0 || place.page_no > QUIRE_PAGE_OF(end)) {
            *position = end;
            return 0;
        }
        if (place.page_no > QUIRE_PAGE_OF(*position))
            *position = QUIRE_POSITION(place.page_no, 0);
        int64_t count = claimed(ch, &place);
        uint32_t slot =
            published(&place, QUIRE_SLOT_OF(*position), count > 0 ? (uint32_t)count : 0);
        int64_t final = qr_final(place.frame, place.page_no);
        /* [A12 page_no] pairs with R12: recycled meanwhile, so every slot was published. */
        int gone = qr_load_acquire(&place.frame->header->page_no) != place.page_no;
        if (!gone && (final < 0 || slot < final)) {
            *position = QUIRE_POSITION(place.page_no, slot);
            return 0;
        }
        *position = QUIRE_POSITION(place.page_no + 1, 0);
    }
    return 0;
}

void qr_sync_again(struct qr_sync_set *set, uint64_t page_no)
{
    uint64_t seen = qr_load_relaxed(&set->again); /* relaxed: the exchange decides */
    /* [R39 again] pairs with A39: the group that needs the page is in the list. */
    while (page_no < seen && !qr_cas_acq_rel(&set->again, &seen, page_no))
        ;
}

void qr_sync_begin(struct quire *ch, struct qr_sync_set *set, int cursors)
{
    uint64_t again = qr_exchange_acq_rel(&set->again, UINT64_MAX); /* [A39 again] with R39 */
    if (again < set->first_page)
        set->first_page = again;
    set->error = claims_end(ch, set->first_page, &set->claims, &set->newest);
    if (set->error == 0)
        set->error = walk(ch, &set->walked, set->claims);
    set->target = set->walked;
    set->frame = 0;
    set->seen = 0;
    set->step = STEP_PAGES;
    set->group = 0;
    set->cursors = cursors;
}

int qr_sync_idle(struct quire *ch, struct qr_sync_set *set)
{
    uint64_t end = set->claims;
    uint32_t frame;
    return qr_load_relaxed(&set->again) == UINT64_MAX && /* relaxed: who raises it asks again */
           claims_end(ch, set->first_page, &end, &frame) == 0 && end == set->claims &&
           set->target >= end;
}

/* Was every slot of the page published before this look? */
static int complete(const struct qr_place *place, uint64_t published_below)
{
    int64_t final = qr_final(place->frame, place->page_no);
    return final >= 0 && (place->page_no < QUIRE_PAGE_OF(published_below) ||
                          qr_complete(place->frame, place->page_no, (uint32_t) final));
}

/* The frames one after the other, from the newest page's on; UINT32_MAX: that was all. */
static uint32_t next_frame(struct quire *ch, struct qr_sync_set *set)
{
    uint32_t high = qr_load_relaxed(&ch->frames_high); /* relaxed: a bound that only grows */
    uint32_t i = set->frame++;
    if (i == 0)
        return set->newest;
    if (i - 1 == set->newest)
        i = set->frame++;
    return i - 1 < high ? i - 1 : UINT32_MAX;
}

/*
 * The next frame whose page is not whole on the disk. The newest page first: it is the one that
 * consumers will finish last, and what they have finished when its turn comes needs no sync.
 */
static int next_page(struct quire *ch, struct qr_sync_set *set, struct qr_sync_file *file)
{
    struct qr_place place;
    uint32_t f;
    while ((f = next_frame(ch, set)) != UINT32_MAX) {
        int rc = held(ch, f, set->first_page, &place);
        if (rc < 0)
            return rc;
        /* What was opened since is the next commit's. */
        if (rc == 0 || set->whole[f] == place.page_no + 1 ||
            place.page_no > QUIRE_PAGE_OF(set->claims))
            continue;
        /* Every group has finished it: nobody is going to read it, here or after a power loss. */
        if (qr_recyclable(ch, f, place.page_no))
            continue;
        if (place.page_no >= set->seen)
            set->seen = place.page_no + 1;
        file->frame = f;
        file->page_no = place.page_no;
        file->whole = complete(&place, set->target);
        file->fd = qr_store_frame_fd(ch->store, f);
        if (file->fd >= 0)
            return 1;
        /* [A6 life] pairs with R6: given back this moment, it needs no sync. */
        if (qr_life_page(qr_load_acquire(&ch->view.life[f])) == place.page_no)
            return file->fd;
    }
    return 0;
}

/* The next group whose cursor has moved since it was last synced. */
static int next_group(struct quire *ch, struct qr_sync_set *set, struct qr_sync_file *file)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    while (set->cursors && set->group < count) {
        struct qr_group *group = list->group[set->group++];
        if (qr_group_deleted(group))
            continue;
        uint64_t head = qr_load_acquire(&group->block->head); /* [A5 head] pairs with R5 */
        /* [A44 acked] pairs with R44: the sync that follows has what was acknowledged. */
        uint32_t acked = qr_exchange_acq_rel(&group->acked, 0u);
        if (head == group->synced_head && acked == 0)
            continue;
        file->group = group;
        file->head = head;
        file->fd = group->map.fd;
        return 1;
    }
    return 0;
}

int qr_sync_next(struct quire *ch, struct qr_sync_set *set, struct qr_sync_file *file)
{
    int rc = set->error;
    while (rc == 0 && set->step < STEP_END) {
        *file = (struct qr_sync_file){.fd = -1};
        switch (set->step) {
        case STEP_PAGES:
            rc = next_page(ch, set, file);
            break;
        case STEP_CONTROL:
            /* Where the pages are: once for each page, not for each commit. */
            file->fd = qr_store_control_fd(ch->store);
            rc = set->seen > set->named_pages;
            break;
        case STEP_NAMES:
            file->names = 1;
            file->fd = qr_store_pages_fd(ch->store);
            /* relaxed: set when the file was made, before a message of it was published. */
            rc = qr_load_relaxed(&ch->names_unsynced) != 0;
            if (rc == 1)
                qr_store_relaxed(&ch->names_unsynced, 0u);
            break;
        default:
            rc = next_group(ch, set, file);
        }
        if (rc == 0 || set->step == STEP_CONTROL || set->step == STEP_NAMES)
            set->step++;
    }
    return rc;
}

void qr_sync_done(struct qr_sync_set *set, const struct qr_sync_file *file)
{
    if (file->group)
        file->group->synced_head = file->head;
    else if (file->whole)
        set->whole[file->frame] = file->page_no + 1;
}

void qr_sync_failed(struct quire *ch, struct qr_sync_set *set)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; set->cursors && i < count; i++)
        qr_store_release(&list->group[i]->acked, 1u); /* [R44 acked] pairs with A44 */
}

void qr_sync_end(struct quire *ch, struct qr_sync_set *set)
{
    if (set->seen > set->named_pages)
        set->named_pages = set->seen;
    set->first_page = QUIRE_PAGE_OF(set->target);
    qr_raise(&ch->view.live->durable_position, set->target);
}
