/* SPDX-License-Identifier: MIT */
/*
 * The lease zones of ack groups. In a group's file zone f lies behind the block at a fixed place;
 * in memory zones are appended to the memfd of all groups as they are made, since nobody but this
 * process ever looks for them.
 */
#include <pages/fs.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the zone is to be mapped from. */
static void place(struct qr_store *store, const struct qr_group_map *map, uint32_t frame,
                  uint64_t bytes, struct qr_zone *zone)
{
    if (store->view.directory_backed) {
        zone->fd = map->fd;
        zone->offset = QR_BLOCK + frame * bytes;
        return;
    }
    uint64_t unit = (uint64_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_lock(&store->group_lock);
    zone->fd = store->groups_fd;
    zone->offset = store->groups_count * unit;
    store->groups_count += (bytes + unit - 1) / unit;
    pthread_mutex_unlock(&store->group_lock);
}

/* An observer allocates nothing: is the part of the zone in the file? */
static int is_there(const struct qr_zone *zone, uint64_t end)
{
    struct stat st;
    int rc = qr_io_fstat(zone->fd, &st);
    if (rc < 0)
        return rc;
    return (uint64_t)st.st_size >= zone->offset + end ? 0 : QUIRE_ENOENT;
}

/* Makes [from, to) of the zone safe to store to. The file's length must reach all of a mapping. */
static int secure(struct qr_store *store, struct qr_zone *zone, uint64_t from, uint64_t to)
{
    if (store->view.read_only)
        return is_there(zone, to);
    int rc = qr_io_fallocate(zone->fd, zone->offset + from, to - from);
    return rc < 0 ? rc : qr_populate((unsigned char *)zone->mapping + from, to - from);
}

static int map_zone(struct qr_store *store, struct qr_zone *zone, const struct qr_lease_layout *l)
{
    int prot = store->view.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    int rc = qr_io_mmap(&zone->mapping, l->bytes, prot, MAP_SHARED, zone->fd, zone->offset);
    if (rc < 0)
        return rc;
    /* Refused or not: see qr_frame_map_only(). */
    if (store->view.directory_backed)
        qr_io_madvise(zone->mapping, l->bytes, MADV_RANDOM);
    rc = secure(store, zone, 0, l->times);
    if (rc < 0) {
        qr_io_munmap(zone->mapping, l->bytes);
        return rc;
    }
    unsigned char *base = zone->mapping;
    zone->head = zone->mapping;
    zone->words = (qr_atomic_u64 *)(base + l->words);
    zone->who = (qr_atomic_u64 *)(base + l->who);
    return 0;
}

/* In memory nobody will ask for the place again. */
static void undo(struct qr_store *store, const struct qr_zone *zone,
                 const struct qr_lease_layout *l)
{
    if (zone->head)
        qr_io_munmap(zone->mapping, l->bytes);
    if (!store->view.directory_backed)
        qr_io_punch(zone->fd, zone->offset, l->bytes);
}

/* Times for a zone that is mapped, and that others may have at hand. */
static int add_times(struct qr_store *store, struct qr_zone *zone, const struct qr_lease_layout *l)
{
    int rc = secure(store, zone, l->times, l->bytes);
    if (rc < 0)
        return rc;
    if (!store->view.read_only)
        qr_store_relaxed(&zone->head->timed, 1u); /* relaxed: one thread at a time opens a zone */
    /* [R43 zone] pairs with A43. */
    qr_store_release(&zone->times, (uint64_t)(uintptr_t)((char *)zone->mapping + l->times));
    return 0;
}

int qr_store_zone_open(struct qr_store *store, const struct qr_group_map *map, uint32_t frame,
                       int times, struct qr_zone *zone)
{
    struct qr_lease_layout l;
    if (frame >= store->sb.frames_cap)
        return QUIRE_EBADFILE; /* the number came from a file */
    qr_lease_layout(&l, store->sb.max_messages);
    if (zone->head) {
        int rc = times && !qr_zone_times(zone) ? add_times(store, zone, &l) : 0;
        return qr_store_error(rc);
    }
    struct qr_zone made = {0};
    place(store, map, frame, l.bytes, &made);
    int rc = map_zone(store, &made, &l);
    /* relaxed: as in add_times. */
    if (rc == 0 && (times || qr_load_relaxed(&made.head->timed) != 0))
        rc = add_times(store, &made, &l);
    if (rc == 0)
        *zone = made;
    else
        undo(store, &made, &l);
    return qr_store_error(rc);
}

int qr_store_zone_there(struct qr_store *store, const struct qr_group_map *map, uint32_t frame)
{
    struct qr_lease_layout l;
    struct qr_zone zone = {0};
    if (!store->view.directory_backed)
        return 0;
    qr_lease_layout(&l, store->sb.max_messages);
    place(store, map, frame, l.bytes, &zone);
    return is_there(&zone, l.times) == 0;
}

void qr_store_zone_close(struct qr_store *store, struct qr_zone *zone)
{
    struct qr_lease_layout l;
    qr_lease_layout(&l, store->sb.max_messages);
    if (zone->head)
        qr_io_munmap(zone->mapping, l.bytes);
    *zone = (struct qr_zone){0};
}
