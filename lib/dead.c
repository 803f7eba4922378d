/* SPDX-License-Identifier: MIT */
/* Dead letters of ack groups, and looking at a message without receiving it. */
#include <lib/bound.h>
#include <lib/group.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/wait.h>
#include <pages/base/checksum.h>
#include <string.h>

/* The ack group of that name. Observers may not know it yet. */
static int find(struct quire *ch, const char *name, struct qr_group **group)
{
    if (!ch || !name)
        return QUIRE_EINVAL;
    int rc = qr_groups_see(ch);
    pthread_mutex_lock(&ch->lock);
    *group = qr_group_find(ch, name);
    pthread_mutex_unlock(&ch->lock);
    if (rc == 0 && !*group)
        rc = QUIRE_ENOENT;
    if (rc == 0 && !qr_group_acks(*group))
        rc = QUIRE_EINVAL;
    return rc;
}

/* Dead letters of one page, slots from on; up to count. */
static size_t dead_of(struct quire *ch, const struct qr_lease_page *page, uint32_t from,
                      uint64_t *positions, size_t count)
{
    size_t n = 0;
    for (uint32_t slot = from; slot < ch->max_messages && n < count; slot++) {
        /* [A41 word] pairs with R41. */
        uint64_t word = qr_load_acquire(&page->zone->words[slot / QR_LEASE_SLOTS]);
        uint32_t dead = qr_lease_back(word) & qr_lease_done(word);
        if (qr_lease_tag(word) == page->tag && (dead >> slot % QR_LEASE_SLOTS & 1) != 0)
            positions[n++] = QUIRE_POSITION(page->page_no, slot);
    }
    return n;
}

long quire_group_dead(quire_t *ch, const char *name, uint64_t from, uint64_t *positions,
                      size_t count)
{
    struct qr_group *group;
    struct qr_lease_page page;
    uint32_t f = 0;
    size_t n = 0;
    int rc = positions || count == 0 ? find(ch, name, &group) : QUIRE_EINVAL;
    if (rc != 0)
        return rc;
    for (uint64_t p = QUIRE_PAGE_OF(from);
         n < count && qr_next_held(ch, p, UINT64_MAX, &page.page_no, &f); p = page.page_no + 1) {
        rc = qr_zone_get(ch, group, f, &page.zone);
        page.tag = qr_slot_tag(page.page_no);
        if (rc == QUIRE_ENOENT)
            continue; /* an observer: nothing was given of the page */
        if (rc != 0)
            return rc;
        uint32_t slot = page.page_no == QUIRE_PAGE_OF(from) ? QUIRE_SLOT_OF(from) : 0;
        n += dead_of(ch, &page, slot, positions + n, count - n);
    }
    return (long)n;
}

/* Where the dead letter is. */
static int find_dead(struct quire *ch, const char *name, uint64_t position, struct qr_group **group,
                     struct qr_lease_page *page)
{
    uint64_t one = 0;
    if (ch && ch->view.read_only)
        return QUIRE_ERDONLY;
    if (ch && qr_forked(ch) != 0)
        return QUIRE_EFORKED;
    long n = quire_group_dead(ch, name, position, &one, 1);
    if (n < 0)
        return (int)n;
    if (n == 0 || one != position)
        return QUIRE_ENOLEASE;
    int rc = find(ch, name, group);
    /* Acknowledged meanwhile, its page may be gone: no dead letter, but the group there is. */
    if (rc == 0 && qr_lease_find(ch, *group, QUIRE_PAGE_OF(position), page) != 0)
        rc = QUIRE_ENOLEASE;
    return rc;
}

int quire_group_requeue(quire_t *ch, const char *name, uint64_t position)
{
    struct qr_group *group;
    struct qr_lease_page page;
    int rc = find_dead(ch, name, position, &group, &page);
    if (rc != 0)
        return rc;
    rc = qr_lease_revive(group, &page, QUIRE_SLOT_OF(position));
    if (rc == 0)
        qr_lease_wake(ch, group);
    return rc;
}

int quire_group_discard(quire_t *ch, const char *name, uint64_t position)
{
    struct qr_group *group;
    struct qr_lease_page page;
    uint32_t slot = QUIRE_SLOT_OF(position);
    int rc = find_dead(ch, name, position, &group, &page);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&ch->lock); /* the group is not moved between the two */
    rc = qr_lease_ack(group, &page, slot / QR_LEASE_SLOTS, 0, 1u << slot % QR_LEASE_SLOTS);
    if (rc == 1 && group->counted)
        qr_bound_finish(ch, group, 1);
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    qr_freed(ch, ch->view.live);
    return rc == 1 ? 0 : QUIRE_ENOLEASE;
}

int quire_peek(quire_t *ch, uint64_t position, const void **data, uint32_t *size)
{
    struct qr_place place;
    struct qr_record record;
    uint64_t page_no = QUIRE_PAGE_OF(position);
    uint32_t slot = QUIRE_SLOT_OF(position);
    if (!ch || !data || !size)
        return QUIRE_EINVAL;
    if (slot >= ch->max_messages || qr_locate_held(ch, page_no, &place) != 0)
        return QUIRE_ENOENT;
    /* [A2 slot] pairs with R2 in tx.c. */
    uint64_t word = qr_load_acquire(&place.frame->slots[slot]);
    int64_t final = qr_final(place.frame, page_no);
    if (!qr_slot_is(word, qr_slot_tag(page_no)))
        return final >= 0 && slot >= final ? QUIRE_ENOENT : QUIRE_EAGAIN;
    uint64_t offset = qr_slot_offset(word);
    if (offset == QR_SLOT_VOID)
        return QUIRE_ENOENT;
    if (offset >= ch->capacity_units)
        return QUIRE_CORRUPT;
    const unsigned char *at = place.frame->data + offset * 8;
    memcpy(&record, at, sizeof(record));
    if (record.length > (ch->capacity_units - offset) * 8 - sizeof(record) ||
        (ch->checksum && qr_record_crc(position, record.length, at + sizeof(record)) != record.crc))
        return QUIRE_CORRUPT;
    /* [A12 page_no] pairs with R12: what was looked at is of this page. */
    if (qr_load_acquire(&place.frame->header->page_no) != page_no)
        return QUIRE_ENOENT;
    *data = at + sizeof(record);
    *size = record.length;
    return 0;
}
