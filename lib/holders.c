/* SPDX-License-Identifier: MIT */
/* Who keeps which page: what an operator asks when space does not come back. Figures, as of now. */
#include <errno.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <pages/io.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct quire_holder *holder;
    size_t count; /* there are */
    size_t room;
    int rc;
};

static void add(struct list *list, const struct quire_holder *holder)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        struct quire_holder *more = realloc(list->holder, room * sizeof(*more));
        if (!more) {
            list->rc = -ENOMEM;
            return;
        }
        list->holder = more;
        list->room = room;
    }
    list->holder[list->count++] = *holder;
}

/* Messages of the page that the group has not finished. */
static uint64_t unfinished(struct quire *ch, struct qr_group *group, const struct qr_place *place)
{
    uint64_t head = qr_load_acquire(&group->block->head); /* [A5 head] pairs with R5 */
    uint64_t page = qr_head_page(head, place->page_no);
    int64_t final = qr_final(place->frame, place->page_no);
    uint32_t from = page < place->page_no   ? 0
                    : page > place->page_no ? ch->max_messages
                                            : qr_head_slot(head);
    uint32_t to =
        final >= 0 && final < (int64_t)ch->max_messages ? (uint32_t) final : ch->max_messages;
    uint64_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        uint64_t word = qr_load_acquire(&place->frame->slots[i]); /* [A2 slot] pairs with R2 */
        int published = qr_slot_is(word, qr_slot_tag(place->page_no));
        if (!published && final < 0)
            break;
        n += !published || qr_slot_offset(word) != QR_SLOT_VOID;
    }
    if (qr_group_acks(group)) {
        struct qr_lease_counts leases = {0};
        qr_lease_count_frame(ch, group, place->frame_id, UINT64_MAX, QR_OWNER_NOBODY, &leases);
        n += leases.leased + leases.returned + leases.dead;
    }
    return n;
}

static void groups_of(struct quire *ch, const struct qr_place *place, struct list *list)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *groups = qr_groups(ch);
    int64_t final = qr_final(place->frame, place->page_no);
    for (uint32_t i = 0; i < count; i++) {
        struct quire_holder holder = {.page_no = place->page_no, .kind = QUIRE_HOLDER_GROUP};
        if (qr_group_deleted(groups->group[i]))
            continue;
        holder.messages = unfinished(ch, groups->group[i], place);
        if (holder.messages == 0)
            continue;
        /* relaxed: written before the seal. */
        if (final >= 0)
            holder.since_ns = qr_load_relaxed(&place->frame->header->last_ns);
        memcpy(holder.group, groups->group[i]->name, sizeof(holder.group));
        add(list, &holder);
    }
}

static void name_group(struct quire *ch, uint32_t id, char *name)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *groups = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        if (groups->group[i]->id == id)
            memcpy(name, groups->group[i]->name, QUIRE_GROUP_NAME_MAX + 1);
}

static void handles_of(struct quire *ch, uint64_t page_no, struct list *list)
{
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        struct quire_holder holder = {.page_no = page_no, .kind = QUIRE_HOLDER_HANDLE, .handle = i};
        struct qr_holding run;
        /* [A7 line] pairs with R7. */
        uint32_t state = qr_handle_state_of(qr_load_acquire(&line->state));
        if (state != QR_HANDLE_RX && state != QR_HANDLE_ORPHAN)
            continue;
        qr_handle_holding(ch, i, &run);
        int claims = run.n > 0 && QUIRE_PAGE_OF(run.start) == page_no;
        if (!claims && run.stand != page_no + 1)
            continue;
        holder.messages = claims ? run.n : 0;
        /* relaxed, all: ordered by the state; figures. */
        holder.since_ns = qr_load_relaxed(&line->since_ns);
        uint32_t participant = qr_load_relaxed(&line->participant);
        if (state == QR_HANDLE_RX && participant < QR_PARTICIPANTS)
            holder.pid = qr_load_relaxed(&ch->view.participants[participant].pid);
        name_group(ch, qr_load_relaxed(&line->group_id), holder.group);
        add(list, &holder);
    }
}

/* The next page from page_no on that a frame holds. */
static int next_held(struct quire *ch, uint64_t page_no, uint64_t tail, struct qr_place *place)
{
    int found = 0;
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        uint64_t page = qr_life_page(qr_load_acquire(&ch->view.life[f])); /* [A6 life] with R6 */
        if (page < page_no || page > tail || (found && page >= place->page_no) ||
            !qr_holds(ch, f, page) || qr_store_frame(ch->store, f, &place->frame) != 0)
            continue;
        place->page_no = page;
        place->frame_id = f;
        found = 1;
    }
    return found && qr_store_frame(ch->store, place->frame_id, &place->frame) == 0;
}

long quire_holders(quire_t *ch, struct quire_holder *holders, size_t count)
{
    struct list list = {0};
    struct qr_place place = {0};
    if (!ch || (count > 0 && !holders))
        return QUIRE_EINVAL;
    if (ch->view.read_only) {
        pthread_mutex_lock(&ch->lock);
        int rc = qr_groups_load(ch);
        pthread_mutex_unlock(&ch->lock);
        if (rc != 0)
            return rc;
    }
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    for (uint64_t page = 0; list.rc == 0 && next_held(ch, page, tail, &place);
         page = place.page_no + 1) {
        groups_of(ch, &place, &list);
        handles_of(ch, place.page_no, &list);
    }
    long n = list.rc != 0 ? list.rc : (long)list.count;
    if (list.rc == 0 && list.count > 0 && count > 0)
        memcpy(holders, list.holder, (list.count < count ? list.count : count) * sizeof(*holders));
    free(list.holder);
    return n;
}
