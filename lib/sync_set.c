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
    set->walked = qr_load_relaxed(&ch->view.live->durable_position);
    uint64_t tail = qr_load_relaxed(&ch->view.live->tail_page);
    uint64_t oldest = tail > ch->directory_mask ? tail - ch->directory_mask : 0;
    if (QUIRE_PAGE_OF(set->walked) < oldest)
        set->walked = QUIRE_POSITION(oldest, 0); /* the pages before are not even named any more */
    set->first_page = QUIRE_PAGE_OF(set->walked);
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
    uint64_t word = qr_load_acquire(&place->frame->header->claim);
    if (qr_claim_tag(word) != qr_claim_tag_of(place->page_no))
        return -1;
    uint64_t count = qr_claim_count(word);
    return (int64_t)(count < ch->max_messages ? count : ch->max_messages);
}

/* Position behind the last claim there is now. */
static uint64_t claims_end(struct quire *ch)
{
    struct qr_place place;
    /* [A10 tail] pairs with R10; it may lag, so later pages are looked at too. */
    uint64_t page = qr_load_acquire(&ch->view.live->tail_page);
    uint64_t end = QUIRE_POSITION(page, 0);
    int rc;
    for (; (rc = qr_locate(ch, page, &place)) == 0 || rc == QUIRE_ENOENT; page++) {
        int64_t count = rc == 0 ? claimed(ch, &place) : 0;
        if (count < 0)
            break;
        end = QUIRE_POSITION(page, count);
    }
    return end;
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
 * First position from position on that is not published, no further than end. Of a page that is
 * recycled every slot was published, whatever its frame holds now.
 */
static uint64_t walk(struct quire *ch, uint64_t position, uint64_t end)
{
    while (position < end) {
        struct qr_place place;
        uint64_t page = QUIRE_PAGE_OF(position);
        int rc = qr_locate(ch, page, &place);
        if (rc == 0) {
            int64_t count = claimed(ch, &place);
            uint32_t stop = count > 0 ? (uint32_t)count : 0;
            uint32_t slot = published(&place, QUIRE_SLOT_OF(position), stop);
            position = QUIRE_POSITION(page, slot);
            int64_t final = qr_final(place.frame, page);
            if (final < 0 || slot < final)
                /* [A12 page_no] pairs with R12: still the page it was. */
                rc = qr_load_acquire(&place.frame->header->page_no) == page ? QUIRE_EAGAIN
                                                                            : QUIRE_ENOENT;
        }
        if (rc != 0 && rc != QUIRE_ENOENT)
            break;
        position = QUIRE_POSITION(page + 1, 0);
    }
    return position;
}

void qr_sync_begin(struct quire *ch, struct qr_sync_set *set, int cursors)
{
    set->claims = claims_end(ch);
    set->walked = walk(ch, set->walked, set->claims);
    set->target = set->walked;
    set->page = set->first_page;
    set->seen = 0;
    set->step = STEP_PAGES;
    set->group = 0;
    set->cursors = cursors;
}

int qr_sync_idle(struct quire *ch, struct qr_sync_set *set)
{
    uint64_t end = claims_end(ch);
    return set->claims == end && set->target >= end;
}

/* Was every slot of the page published before this look? */
static int complete(const struct qr_place *place, uint64_t published_below)
{
    int64_t final = qr_final(place->frame, place->page_no);
    return final >= 0 && (place->page_no < QUIRE_PAGE_OF(published_below) ||
                          qr_complete(place->frame, place->page_no, (uint32_t) final));
}

/* The next page that is open and not whole on the disk. */
static int next_page(struct quire *ch, struct qr_sync_set *set, struct qr_sync_file *file)
{
    for (;; set->page++) {
        struct qr_place place;
        int rc = qr_locate(ch, set->page, &place);
        if (rc == QUIRE_ENOENT)
            continue; /* finished by every group */
        if (rc != 0)
            return rc == QUIRE_EAGAIN ? 0 : rc;
        if (claimed(ch, &place) < 0)
            return 0;
        set->seen = set->page + 1;
        if (set->whole[place.frame_id] == set->page + 1)
            continue;
        file->frame = place.frame_id;
        file->page_no = set->page++;
        file->whole = complete(&place, set->target);
        file->fd = qr_store_frame_fd(ch->store, place.frame_id);
        if (file->fd >= 0)
            return 1;
        if (qr_locate(ch, file->page_no, &place) == 0)
            return file->fd;
        set->page--; /* given back this moment */
    }
}

/* The next group whose cursor has moved since it was last synced. */
static int next_group(struct quire *ch, struct qr_sync_set *set, struct qr_sync_file *file)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    while (set->cursors && set->group < count) {
        struct qr_group *group = list->group[set->group++];
        uint64_t head = qr_load_acquire(&group->block->head); /* [A5 head] pairs with R5 */
        if (head == group->synced_head)
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
    int rc = 0;
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

void qr_sync_end(struct quire *ch, struct qr_sync_set *set)
{
    struct qr_place place;
    int rc;
    if (set->seen > set->named_pages)
        set->named_pages = set->seen;
    while (set->first_page + 1 < set->seen &&
           ((rc = qr_locate(ch, set->first_page, &place)) == QUIRE_ENOENT ||
            (rc == 0 && set->whole[place.frame_id] == set->first_page + 1)))
        set->first_page++;
    qr_raise(&ch->view.live->durable_position, set->target);
}
