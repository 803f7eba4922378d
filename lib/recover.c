/* SPDX-License-Identifier: MIT */
/*
 * Putting a channel right that was not closed: everything published stays, what was claimed and
 * never published becomes void, runs that were claimed and not delivered wait for a member.
 *
 * relaxed throughout: whoever repairs is alone in the channel (the lock). The repair may be killed
 * anywhere and repeated: each step makes something true that stays true when made true again, and
 * the channel stays marked as not clean until the end.
 */
#include <lib/account.h>
#include <lib/evict.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/recover.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <pages/base/checksum.h>
#include <string.h>

/* Nobody waits, locks or sleeps any more. */
static void clear_waiting(struct quire *ch)
{
    struct qr_live *live = ch->view.live;
    qr_store_relaxed(&live->attention, 0u);
    qr_store_relaxed(&live->space_sleepers, 0u);
    qr_store_relaxed(&live->evict_lock, 0u);
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++) {
        struct qr_group_block *b = list->group[i]->block;
        qr_store_relaxed(&b->sleepers, 0u);
        qr_store_relaxed(&b->ticket_sleepers, 0u);
        qr_store_relaxed(&b->loss_lock, 0u);
        qr_store_relaxed(&b->members, 0u);
    }
}

/* What of the frame can be believed: the page it is, or FREE, or ABSENT. */
static uint64_t true_page(struct quire *ch, uint32_t f, uint64_t page)
{
    const struct qr_frame *frame;
    if (page == QR_PAGE_ABSENT)
        return page;
    if (page == QR_PAGE_BUSY)
        return qr_store_frame_whole(ch->store, f) ? QR_PAGE_FREE : QR_PAGE_ABSENT;
    if (page >= QR_PAGE_MAX || qr_store_frame(ch->store, f, &frame) != 0)
        return QR_PAGE_FREE;

    uint64_t entry = qr_load_relaxed(&ch->view.directory[page & ch->directory_mask]);
    if (qr_load_relaxed(&frame->header->page_no) != page)
        return QR_PAGE_FREE;
    if (entry == qr_dirent(page, f))
        return page;
    return entry != QR_DIRENT_NONE && qr_dirent_page(entry) != page && qr_final(frame, page) >= 0
               ? page
               : QR_PAGE_FREE;
}

/* One after the highest slot that was published. */
static uint32_t published_end(const struct quire *ch, const struct qr_frame *frame,
                              uint64_t page_no)
{
    uint32_t end = ch->max_messages;

    while (end > 0 && !qr_slot_is(qr_load_relaxed(&frame->slots[end - 1]), qr_slot_tag(page_no)))
        end--;
    return end;
}

static int was_opened(const struct qr_frame *frame, uint64_t page_no)
{

    return qr_claim_tag(qr_load_relaxed(frame->claim)) == qr_claim_tag_of(page_no);
}

/* The same after a crash of the machine, when the claim word may be of any age. */
static int shows_claims(const struct quire *ch, const struct qr_frame *frame, uint64_t page_no)
{
    return qr_final(frame, page_no) >= 0 || published_end(ch, frame, page_no) > 0;
}

/* Was the page in the frame opened? told: the highest page that the control file says was. */
static int page_opened(const struct quire *ch, const struct qr_frame *frame, uint64_t page_no,
                       uint64_t told, int other_boot)
{
    if (other_boot)
        return page_no <= told || shows_claims(ch, frame, page_no);
    return was_opened(frame, page_no);
}

/*
 * Settles which frame holds which page. The tail is the highest page that was opened; its frame may
 * have gone already to the page after it, which was not opened yet: then only the word tells. After
 * a crash of the machine it is the highest that is there: of later ones nothing was durable.
 */
static void settle_frames(struct quire *ch, uint64_t *tail, int other_boot)
{
    uint64_t told = qr_load_relaxed(&ch->view.live->tail_page);
    int found = 0;
    *tail = told;
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        const struct qr_frame *frame;

        uint64_t page = true_page(ch, f, qr_life_page(qr_load_relaxed(&ch->view.life[f])));
        qr_store_relaxed(&ch->view.life[f], qr_life(page, 0));
        if (page >= QR_PAGE_MAX || qr_store_frame(ch->store, f, &frame) != 0 ||
            !page_opened(ch, frame, page, told, other_boot))
            continue;
        if (page > *tail || (other_boot && !found))
            *tail = page;
        found = 1;
    }
    qr_store_relaxed(&ch->view.live->tail_page, *tail);
}

static int record_valid(const struct quire *ch, const struct qr_frame *frame, uint64_t position,
                        uint64_t offset_units)
{
    struct qr_record record;
    if (offset_units >= ch->capacity_units)
        return 0;
    const unsigned char *at = frame->data + offset_units * 8;
    memcpy(&record, at, sizeof(record));
    if (record.length > (ch->capacity_units - offset_units) * 8 - sizeof(record))
        return 0;
    return !ch->checksum ||
           qr_record_crc(position, record.length, at + sizeof(record)) == record.crc;
}

/* Slots below count that were never published, or whose bytes did not survive, become void. */
static void settle_slots(struct quire *ch, const struct qr_frame *frame, uint64_t page_no,
                         uint32_t count, int other_boot)
{
    struct qr_live *live = ch->view.live;
    uint32_t tag = qr_slot_tag(page_no), voids = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = qr_load_relaxed(&frame->slots[i]);
        int published = qr_slot_is(word, tag);
        uint32_t is_void = published && qr_slot_offset(word) == QR_SLOT_VOID ? 1 : 0;
        voids += is_void;
        if (is_void ||
            (published && (!other_boot || record_valid(ch, frame, QUIRE_POSITION(page_no, i),
                                                       qr_slot_offset(word)))))
            continue;
        qr_store_relaxed(&frame->slots[i], qr_slot(page_no, QR_SLOT_VOID));
        qr_add_relaxed(&live->damaged, published ? 1u : 0u);
        voids++;
    }
    qr_void_set(frame->header, page_no, voids);
}

/* Units up to the end of the last record below final. */
static uint64_t data_end(const struct quire *ch, const struct qr_frame *frame, uint64_t page_no,
                         uint32_t final)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < final; i++) {
        uint64_t word = qr_load_relaxed(&frame->slots[i]);
        uint32_t offset = qr_slot_offset(word), length;
        if (!qr_slot_is(word, qr_slot_tag(page_no)) || offset >= ch->capacity_units)
            continue;
        memcpy(&length, frame->data + (uint64_t)offset * 8, sizeof(length));
        uint64_t after = offset + qr_claim_need(length);
        end = after > end ? after : end;
    }
    return end < ch->capacity_units ? end : ch->capacity_units;
}

/* Nothing that an earlier life left in a frame passes for something of the next, which may have a
 * page number that was in use before. */
static void make_blank(struct quire *ch, const struct qr_frame *frame)
{
    qr_store_relaxed(frame->claim, QR_CLAIM_CLOSED);
    qr_store_relaxed(&frame->header->page_no, QR_PAGE_NO_NONE);
    qr_store_relaxed(&frame->header->seal, 0u);
    for (uint32_t i = 0; i < ch->max_messages; i++)
        qr_store_relaxed(&frame->slots[i], 0u);
}

/*
 * After a crash of the machine claim words may be of any age, and heads and cursors ahead of the
 * slots. Every page up to the tail counts as over: what was claimed in it is not claimed again.
 * Pages after the tail were never opened.
 */
static void settle_claims(struct quire *ch, uint64_t tail)
{
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        const struct qr_frame *frame;
        uint64_t page = qr_life_page(qr_load_relaxed(&ch->view.life[f]));
        if (page == QR_PAGE_ABSENT || qr_store_frame(ch->store, f, &frame) != 0)
            continue;
        if (page <= tail) {
            uint64_t over = qr_claim_add(0, ch->max_messages + 1);
            qr_store_relaxed(frame->claim, qr_claim_open(page) + over);
            continue;
        }
        make_blank(ch, frame);
        qr_store_relaxed(&ch->view.life[f], qr_life(QR_PAGE_FREE, 0));
    }
}

/* No page after the tail is there, and the tail is known, if only as one that has come and gone. */
static void settle_directory(struct quire *ch, uint64_t tail)
{
    for (uint64_t i = 0; i <= ch->directory_mask; i++) {
        qr_atomic_u64 *word = &ch->view.directory[i];
        uint64_t entry = qr_load_relaxed(word);
        if (entry != QR_DIRENT_NONE && qr_dirent_page(entry) > tail)
            entry = QR_DIRENT_NONE;
        if ((tail & ch->directory_mask) == i &&
            (entry == QR_DIRENT_NONE || qr_dirent_page(entry) != tail))
            entry = qr_dirent(tail, 0);
        qr_store_relaxed(word, entry);
    }
}

static void settle_durable(struct quire *ch, uint64_t tail)
{
    qr_atomic_u64 *durable = &ch->view.live->durable_position;
    if (qr_load_relaxed(durable) > QUIRE_POSITION(tail + 1, 0))
        qr_store_relaxed(durable, QUIRE_POSITION(tail + 1, 0));
}

static void settle_page(struct quire *ch, const struct qr_frame *frame, uint64_t page_no,
                        uint64_t tail, int other_boot)
{
    struct qr_frame_header *header = frame->header;
    uint64_t word = qr_load_relaxed(frame->claim);
    int64_t final = qr_final(frame, page_no);
    int over = qr_claim_over(word, ch->max_messages, ch->capacity_units);
    if (final > (int64_t)ch->max_messages)
        final = -1;
    if (final < 0 && page_no == tail && !over) {
        settle_slots(ch, frame, page_no, (uint32_t)qr_claim_count(word), other_boot);
        return;
    }
    if (final < 0) {
        /* Its sealer died: claims above the last published one were never published. */
        final = published_end(ch, frame, page_no);
        qr_store_relaxed(&header->seal_units, data_end(ch, frame, page_no, (uint32_t) final));
        qr_store_relaxed(&header->seal, qr_seal(page_no, (uint64_t) final));
    }
    settle_slots(ch, frame, page_no, (uint32_t) final, other_boot);
}

static void settle_pages(struct quire *ch, uint64_t tail, int other_boot)
{
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        const struct qr_frame *frame;
        uint64_t page = qr_life_page(qr_load_relaxed(&ch->view.life[f]));
        if (page <= tail && qr_store_frame(ch->store, f, &frame) == 0 && was_opened(frame, page))
            settle_page(ch, frame, page, tail, other_boot);
    }
}

/* Does the run in the line's intent belong to the line? */
static int owns_run(struct quire *ch, uint32_t index, struct qr_group *group, uint64_t intent)
{
    struct qr_handle *line = qr_handle(ch, index);
    if (intent & QR_INTENT_CONFIRMED)
        return 1;
    if (intent & QR_INTENT_RETURNED) {
        uint32_t from = qr_load_relaxed(&line->adopting) - 1;
        uint32_t state = from < QR_HANDLES ? qr_load_relaxed(&qr_handle(ch, from)->state) : 0;
        return qr_handle_state_of(state) == QR_HANDLE_ADOPTED &&
               qr_handle_adopter_of(state) == index;
    }
    uint64_t head = qr_load_relaxed(&group->block->head);
    return qr_intent_ends_at(intent, head) && qr_head_owner(head) == index;
}

/* What a dead handle had claimed and not delivered waits for a member. */
static void settle_line(struct quire *ch, uint32_t index)
{
    struct qr_handle *line = qr_handle(ch, index);
    uint32_t state = qr_handle_state_of(qr_load_relaxed(&line->state));
    struct qr_group *group = qr_group_by_id(ch, qr_load_relaxed(&line->group_id));
    uint64_t intent = qr_load_relaxed(&line->intent);
    struct qr_holding run;
    qr_handle_holding(ch, index, &run);
    /* Of an ack group every message that was claimed and not acknowledged is given again. */
    int keeps = group && !qr_group_acks(group) && run.n > 0 && run.n <= QR_RUN_MAX &&
                (state == QR_HANDLE_ORPHAN ||
                 (state == QR_HANDLE_RX && owns_run(ch, index, group, intent)));
    qr_store_relaxed(&line->stand, 0u);
    if (!keeps) {
        /* An adopted line stays until every adopter has been looked at. */
        if (state != QR_HANDLE_ADOPTED)
            qr_handle_free(ch, index);
        return;
    }
    qr_store_relaxed(&line->intent, intent | QR_INTENT_CONFIRMED);
    qr_handle_publish(ch, index, QR_HANDLE_ORPHAN);
}

static void settle_lines(struct quire *ch)
{
    for (uint32_t i = 0; i < QR_HANDLES; i++)
        settle_line(ch, i);
    for (uint32_t i = 0; i < QR_HANDLES; i++)

        if (qr_handle_state_of(qr_load_relaxed(&qr_handle(ch, i)->state)) == QR_HANDLE_ADOPTED)
            qr_handle_free(ch, i);
}

static void count_orphans(struct quire *ch, struct qr_group *group)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);

        n += qr_handle_state_of(qr_load_relaxed(&line->state)) == QR_HANDLE_ORPHAN &&
             qr_load_relaxed(&line->group_id) == group->id;
    }
    qr_store_relaxed(&group->block->orphans, n);
}

/* A head lies on a page that is there, or at the beginning of the one after the tail. */
static void settle_head(struct quire *ch, struct qr_group_block *b, uint64_t tail)
{
    uint64_t head = qr_load_relaxed(&b->head);
    uint64_t page = qr_head_page(head, tail);
    uint32_t slot = qr_head_slot(head);
    struct qr_place place;
    if (qr_head_evicting(head))
        qr_evict_finish(b, page);
    if (slot == QR_SLOT_EVICTING) { /* or the end of a page of so many messages */
        page++;
        slot = 0;
    }
    if (page > tail) {
        page = tail + 1;
        slot = 0;
    }
    if (slot > ch->max_messages)
        slot = ch->max_messages;
    while (page <= tail && qr_locate(ch, page, &place) != 0) {
        page++; /* recycled, so it was done with it */
        slot = 0;
    }
    qr_store_relaxed(&b->head, qr_head(QUIRE_POSITION(page, slot), QR_OWNER_NOBODY));
}

/* Maps what there is first: a frame that cannot be mapped at the moment is not a damaged one, and
 * the repair would give up its page. */
static int map_frames(struct quire *ch)
{
    for (uint32_t f = 0; f < ch->frames_cap; f++) {
        const struct qr_frame *frame;
        int rc = qr_frame_there(ch, f, &frame);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int qr_recover(struct quire *ch, int other_boot)
{
    uint64_t tail;
    int rc = map_frames(ch);
    if (rc != 0)
        return rc;
    clear_waiting(ch);
    qr_void_refold(ch);
    settle_frames(ch, &tail, other_boot);
    if (other_boot) {
        settle_claims(ch, tail);
        settle_directory(ch, tail);
        settle_durable(ch, tail);
    }
    settle_pages(ch, tail, other_boot);
    if (other_boot)
        qr_account_rebuild(ch, tail);
    settle_lines(ch); /* looks at the owners in the heads, so before they are cleared */
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++) {
        settle_head(ch, list->group[i]->block, tail);
        count_orphans(ch, list->group[i]);
        if (qr_group_acks(list->group[i]))
            rc = qr_recover_leases(ch, list->group[i], tail, other_boot);
        if (rc != 0)
            return rc;
    }
    qr_account_advance(ch);
    qr_void_fold(ch);
    qr_add_relaxed(&ch->view.live->recoveries, 1u); /* relaxed: a counter */
    return 0;
}
