/* SPDX-License-Identifier: MIT */
/* Lease zones: made when asked for, found again, apart from each other, in both backings. */
#include "store_fixture.h"

TestSuite(group_zone, .init = scratch_make, .fini = scratch_remove);

#define BACKINGS 2
#define MESSAGES 1000u /* as in small */
#define WORDS    ((MESSAGES + 15) / 16)
#define FILE_G   "groups/g.group"

static struct qr_store *open_backing(int backing)
{
    if (backing > 0)
        return open_in_memory(0);
    make_channel();
    return open_channel(0);
}

static struct qr_lease_layout layout(void)
{
    struct qr_lease_layout l;
    qr_lease_layout(&l, MESSAGES);
    return l;
}

static struct qr_group_map group_make(struct qr_store *store, const char *name, uint8_t mode)
{
    struct qr_group_map map;
    const struct qr_group_traits traits = {.mode = mode};
    cr_assert_eq(qr_store_group_create(store, name, 1, &traits, &map), 0);
    return map;
}

static struct qr_group_map group_open(struct qr_store *store, const char *name)
{
    struct qr_group_map map;
    cr_assert_eq(qr_store_group_open(store, name, &map), 0);
    return map;
}

static struct qr_zone zone_open(struct qr_store *store, const struct qr_group_map *map,
                                uint32_t frame, int times)
{
    struct qr_zone zone = {0};
    cr_assert_eq(qr_store_zone_open(store, map, frame, times, &zone), 0);
    cr_assert_not_null(zone.head);
    return zone;
}

/* Stores to every field of the zone what no other zone has, or finds it there. */
static void visit(const struct qr_zone *zone, uint32_t mark, int write)
{
    uint64_t wide = (uint64_t)mark << 32 | 7u;
    if (write) {
        qr_store_release(&zone->head->full, wide + 1);
        qr_store_release(&zone->head->back, wide + 2);
    }
    cr_assert_eq(qr_load_acquire(&zone->head->full), wide + 1);
    cr_assert_eq(qr_load_acquire(&zone->head->back), wide + 2);
    for (uint32_t i = 0; i < WORDS; i++) {
        if (write)
            qr_store_release(&zone->words[i], wide + 1000 + i);
        cr_assert_eq(qr_load_acquire(&zone->words[i]), wide + 1000 + i);
    }
    for (uint32_t i = 0; i < MESSAGES; i++) {
        if (write)
            qr_store_release(&zone->who[i], wide + 200000 + i);
        cr_assert_eq(qr_load_acquire(&zone->who[i]), wide + 200000 + i);
        if (write && qr_zone_times(zone))
            qr_store_release(&qr_zone_times(zone)[i], wide + 100000 + i);
        cr_assert(!qr_zone_times(zone) ||
                  qr_load_acquire(&qr_zone_times(zone)[i]) == wide + 100000 + i);
    }
}

static void check_blank(const struct qr_zone *zone)
{
    cr_assert_eq(qr_load_acquire(&zone->head->full), 0u);
    cr_assert_eq(qr_load_acquire(&zone->head->back), 0u);
    for (uint32_t i = 0; i < WORDS; i++)
        cr_assert_eq(qr_load_acquire(&zone->words[i]), 0u);
    for (uint32_t i = 0; i < MESSAGES; i++)
        cr_assert_eq(qr_load_acquire(&zone->who[i]), 0u);
    for (uint32_t i = 0; qr_zone_times(zone) && i < MESSAGES; i++)
        cr_assert_eq(qr_load_acquire(&qr_zone_times(zone)[i]), 0u);
}

Test(group_zone, its_parts_do_not_overlap)
{
    const uint32_t counts[] = {1, 15, 16, 17, 999, 1000, 1024, 65535};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct qr_lease_layout l;
        uint64_t n = counts[i];
        qr_lease_layout(&l, counts[i]);
        cr_assert_geq(l.words, sizeof(struct qr_lease_head));
        cr_assert_geq(l.who, l.words + 8 * ((n + 15) / 16));
        cr_assert_geq(l.times, l.who + 8 * n);
        cr_assert_geq(l.bytes, l.times + 8 * n);
        cr_assert_eq(l.words % 8, 0u);
        cr_assert_eq(l.who % QR_LINE, 0u);
        cr_assert_eq(l.times % QR_BLOCK, 0u);             /* allocated apart */
        cr_assert_eq(l.bytes % QR_BLOCK, 0u);             /* mapped from there */
        cr_assert_lt(l.bytes, n * 33 / 2 + 3 * QR_BLOCK); /* and nothing wasted */
    }
}

Test(group_zone, zones_are_apart_in_both_backings)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_group_map g = group_make(store, "g", QR_GROUP_ACK);
        struct qr_group_map h = group_make(store, "h", QR_GROUP_ACK);
        uint64_t mapped = mapped_bytes(NULL);
        int descriptors = open_descriptors();
        struct qr_zone zones[2 * CAP];
        for (uint32_t i = 0; i < 2 * CAP; i++) { /* from the last on: behind a hole */
            zones[i] = zone_open(store, i < CAP ? &g : &h, CAP - 1 - i % CAP, i % 2 == 0);
            check_blank(&zones[i]);
            visit(&zones[i], i + 1, 1);
        }
        /* In memory groups and zones share a file. */
        struct qr_group_map late = group_make(store, "late", QR_GROUP_AUTO);
        cr_assert_eq(qr_group_block_check(late.block, qr_store_view(store)->sb, "late"), 0);
        cr_assert_eq(qr_group_block_check(g.block, qr_store_view(store)->sb, "g"), 0);
        cr_assert_eq(qr_group_block_check(h.block, qr_store_view(store)->sb, "h"), 0);
        qr_store_group_close(store, &late);
        for (uint32_t i = 0; i < 2 * CAP; i++)
            visit(&zones[i], i + 1, 0);
        cr_assert_eq(open_descriptors(), descriptors);
        for (uint32_t i = 0; i < 2 * CAP; i++) {
            qr_store_zone_close(store, &zones[i]);
            cr_assert_null(zones[i].head);
            qr_store_zone_close(store, &zones[i]); /* empty: nothing happens */
        }
        /* What a group in memory has mapped stays. */
        cr_assert_eq(mapped_bytes(NULL), mapped + (backing > 0 ? QR_BLOCK : 0));
        qr_store_group_close(store, &g);
        qr_store_group_close(store, &h);
        qr_store_close(store);
        cr_assert_eq(mapped_bytes(NULL), 0u);
    }
}

Test(group_zone, is_found_again_after_a_reopen)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    struct qr_group_map map = group_make(store, "g", QR_GROUP_ACK);
    struct qr_lease_layout l = layout();
    cr_assert_eq(stat_of(in(FILE_G)).st_size, QR_BLOCK);
    cr_assert_eq(qr_store_zone_there(store, &map, 0), 0);
    struct qr_zone zone = zone_open(store, &map, 2, 0);
    visit(&zone, 5, 1);
    cr_assert_eq((uint64_t)stat_of(in(FILE_G)).st_size, QR_BLOCK + 2 * l.bytes + l.times);
    cr_assert_geq(allocated(in(FILE_G)), QR_BLOCK + l.times); /* no store can meet a full disk */
    for (uint32_t f = 0; f < CAP; f++)
        cr_assert_eq(qr_store_zone_there(store, &map, f), f <= 2, "frame %u", f);
    qr_store_zone_close(store, &zone);
    qr_store_group_close(store, &map);
    qr_store_close(store);

    store = open_channel(0);
    map = group_open(store, "g");
    cr_assert_eq(qr_store_zone_there(store, &map, 2), 1);
    zone = zone_open(store, &map, 2, 0);
    visit(&zone, 5, 0);
    struct qr_zone other = zone_open(store, &map, 1, 1); /* in the hole */
    check_blank(&other);
    visit(&other, 6, 1);
    visit(&zone, 5, 0);
    qr_store_zone_close(store, &zone);
    qr_store_zone_close(store, &other);
    qr_store_group_close(store, &map);
    qr_store_close(store);
}

Test(group_zone, times_are_made_when_they_are_asked_for)
{
    struct qr_lease_layout l = layout();
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_group_map map = group_make(store, "g", QR_GROUP_ACK);
        struct qr_zone zone = zone_open(store, &map, 1, 0);
        uint64_t mapped = mapped_bytes(NULL), bytes = qr_store_bytes(store);
        const struct qr_zone before = zone;
        cr_assert_null(qr_zone_times(&zone));
        visit(&zone, 3, 1);
        cr_assert_eq(qr_store_zone_open(store, &map, 1, 0, &zone), 0); /* nothing to do */
        cr_assert_null(qr_zone_times(&zone));
        cr_assert_eq(qr_store_bytes(store), bytes);
        cr_assert_eq(qr_store_zone_open(store, &map, 1, 1, &zone), 0);
        cr_assert_not_null(qr_zone_times(&zone));
        cr_assert_eq((const void *)zone.words, (const void *)before.words); /* others use them */
        cr_assert_eq(mapped_bytes(NULL), mapped);
        cr_assert_geq(qr_store_bytes(store), bytes + l.bytes - l.times);
        for (uint32_t i = 0; i < MESSAGES; i++)
            cr_assert_eq(qr_load_acquire(&qr_zone_times(&zone)[i]), 0u);
        visit(&zone, 3, 1);
        const qr_atomic_u64 *times = qr_zone_times(&zone);
        cr_assert_eq(qr_store_zone_open(store, &map, 1, 0, &zone), 0);
        cr_assert_eq((const void *)qr_zone_times(&zone), (const void *)times); /* they stay */
        qr_store_zone_close(store, &zone);
        cr_assert_null(qr_zone_times(&zone));
        if (backing == 0) {
            cr_assert_eq((uint64_t)stat_of(in(FILE_G)).st_size, QR_BLOCK + 2 * l.bytes);
            zone = zone_open(store, &map, 1, 1);
            visit(&zone, 3, 0);
            qr_store_zone_close(store, &zone);
        }
        qr_store_group_close(store, &map);
        qr_store_close(store);
    }
}

/* An observer's look at a zone that is not there: nothing changes. */
static void check_not_there(struct qr_store *observer, const struct qr_group_map *map,
                            uint32_t frame, int times, struct qr_zone *zone)
{
    const struct qr_zone before = *zone;
    uint64_t mapped = mapped_bytes(NULL);
    off_t size = stat_of(in(FILE_G)).st_size;
    cr_assert_eq(qr_store_zone_open(observer, map, frame, times, zone), QUIRE_ENOENT);
    cr_assert_eq(memcmp(zone, &before, sizeof before), 0);
    cr_assert_eq(mapped_bytes(NULL), mapped);
    cr_assert_eq(stat_of(in(FILE_G)).st_size, size);
}

Test(group_zone, observers_see_what_is_there_and_make_nothing)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    struct qr_group_map map = group_make(store, "g", QR_GROUP_ACK);
    struct qr_store *observer = open_channel(1);
    struct qr_group_map seen_map = group_open(observer, "g");
    struct qr_zone seen = {0};
    check_not_there(observer, &seen_map, 1, 0, &seen);
    struct qr_zone zone = zone_open(store, &map, 1, 0);
    visit(&zone, 9, 1);
    uint64_t readable = mapped_bytes("r--s");
    cr_assert_eq(qr_store_zone_open(observer, &seen_map, 1, 0, &seen), 0);
    cr_assert_eq(mapped_bytes("r--s"), readable + layout().bytes);
    visit(&seen, 9, 0);
    check_not_there(observer, &seen_map, 1, 1, &seen); /* no times */
    cr_assert_eq(qr_store_zone_open(store, &map, 1, 1, &zone), 0);
    cr_assert_eq(qr_store_zone_open(observer, &seen_map, 1, 1, &seen), 0);
    visit(&zone, 10, 1);
    visit(&seen, 10, 0); /* the same block behind both */
    struct qr_zone beyond = {0};
    check_not_there(observer, &seen_map, 2, 0, &beyond);
    cr_assert_eq(qr_store_zone_there(observer, &seen_map, 1), 1);
    cr_assert_eq(qr_store_zone_there(observer, &seen_map, 2), 0);
    qr_store_zone_close(observer, &seen);
    qr_store_group_close(observer, &seen_map);
    qr_store_close(observer);
    qr_store_zone_close(store, &zone);
    qr_store_group_close(store, &map);
    qr_store_close(store);
}

Test(group_zone, frames_that_cannot_be_are_refused)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_group_map map = group_make(store, "g", QR_GROUP_ACK);
        uint64_t bytes = qr_store_bytes(store);
        const uint32_t frames[] = {CAP, CAP + 1, 65535, UINT32_MAX};
        for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
            struct qr_zone zone = {0};
            cr_assert_eq(qr_store_zone_open(store, &map, frames[i], 1, &zone), QUIRE_EBADFILE);
            cr_assert_null(zone.head);
        }
        cr_assert_eq(qr_store_bytes(store), bytes);
        struct qr_zone last = zone_open(store, &map, CAP - 1, 1);
        qr_store_zone_close(store, &last);
        cr_assert_eq(qr_store_zone_there(store, &map, CAP - 1), backing == 0);
        qr_store_group_close(store, &map);
        qr_store_close(store);
    }
}

static int open_result(struct qr_store *store, const char *name)
{
    struct qr_group_map map;
    int before = open_descriptors();
    int rc = qr_store_group_open(store, name, &map);
    qr_store_group_close(store, &map);
    cr_assert_eq(open_descriptors(), before);
    return rc;
}

Test(group_zone, length_of_a_group_file)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    struct qr_lease_layout l = layout();
    struct qr_group_map g = group_make(store, "g", QR_GROUP_ACK);
    struct qr_group_map plain = group_make(store, "plain", QR_GROUP_AUTO);
    qr_store_group_close(store, &g);
    qr_store_group_close(store, &plain);
    const uint64_t longer[] = {QR_BLOCK + 1, 2 * QR_BLOCK, QR_BLOCK + l.times, QR_BLOCK + l.bytes,
                               QR_BLOCK + CAP * l.bytes + 1};
    for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
        cr_assert_eq(truncate(in(FILE_G), (off_t)longer[i]), 0);
        cr_assert_eq(truncate(in("groups/plain.group"), (off_t)longer[i]), 0);
        cr_assert_eq(open_result(store, "g"), 0, "%lu bytes", (unsigned long)longer[i]);
        cr_assert_eq(open_result(store, "plain"), QUIRE_EBADFILE);
    }
    cr_assert_eq(truncate(in("groups/plain.group"), QR_BLOCK), 0);
    cr_assert_eq(open_result(store, "plain"), 0);
    /* Shorter: what is cut off reads as zero and is made again. */
    for (uint64_t cut = QR_BLOCK; cut < QR_BLOCK + 2 * l.bytes; cut += QR_BLOCK / 2) {
        cr_assert_eq(truncate(in(FILE_G), (off_t)cut), 0);
        struct qr_group_map map = group_open(store, "g");
        cr_assert_eq(qr_store_zone_there(store, &map, 0), cut >= QR_BLOCK + l.times);
        cr_assert_eq(qr_store_zone_there(store, &map, 1), cut >= QR_BLOCK + l.bytes + l.times);
        struct qr_zone zone = zone_open(store, &map, 1, 1);
        visit(&zone, 1 + (uint32_t)(cut / 2048), 1);
        qr_store_zone_close(store, &zone);
        qr_store_group_close(store, &map);
    }
    cr_assert_eq(truncate(in(FILE_G), QR_BLOCK - 1), 0);
    cr_assert_eq(open_result(store, "g"), QUIRE_EBADFILE);
    qr_store_close(store);
}
