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
        struct qr_group *group = qr_group_by_id(ch, qr_load_relaxed(&line->group_id));
        if (group)
            memcpy(holder.group, group->name, sizeof(holder.group));
        add(list, &holder);
    }
}

long quire_holders(quire_t *ch, struct quire_holder *holders, size_t count)
{
    struct list list = {0};
    struct qr_place place = {0};
    if (!ch || (count > 0 && !holders))
        return QUIRE_EINVAL;
    int rc = qr_groups_see(ch);
    if (rc != 0)
        return rc;
    uint64_t tail = qr_load_acquire(&ch->view.live->tail_page); /* [A10 tail] pairs with R10 */
    for (uint64_t p = 0; list.rc == 0 && qr_next_held(ch, p, tail, &place.page_no, &place.frame_id);
         p = place.page_no + 1) {
        if (!qr_holds(ch, place.frame_id, place.page_no) ||
            qr_store_frame(ch->store, place.frame_id, &place.frame) != 0)
            continue;
        groups_of(ch, &place, &list);
        handles_of(ch, place.page_no, &list);
    }
    long n = list.rc != 0 ? list.rc : (long)list.count;
    if (list.rc == 0 && list.count > 0 && count > 0)
        memcpy(holders, list.holder, (list.count < count ? list.count : count) * sizeof(*holders));
    free(list.holder);
    return n;
}
