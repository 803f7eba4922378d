/* SPDX-License-Identifier: MIT */
/*
 * Frames as mappings. Each frame has an entry that is filled once and never changes until the
 * store is closed; `mapped` says that it is filled.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/*
 * Write-faults every block without changing it, where the kernel cannot do it in one call. A
 * compare-exchange of a word with itself: a load would map the shared zero page or a read-only
 * one, and compilers turn an atomic add of 0 into a load. Other threads and processes may be at
 * work on these words.
 */
void qr_store_touch(void *address, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += QR_BLOCK) {
        qr_atomic_u64 *word = (qr_atomic_u64 *)((unsigned char *)address + at);
        uint64_t value = qr_load_relaxed(word); /* relaxed: any value will do */
        /* [A6 life] [R6 life] orders nothing of its own; it must only be a write. */
        while (!qr_cas_acq_rel(word, &value, value))
            ;
    }
}

int qr_populate(void *address, uint64_t size)
{
    if (size == 0)
        return 0;
    int rc = qr_io_madvise(address, size, MADV_POPULATE_WRITE);
    if (rc == -EINVAL) { /* before Linux 5.14. A disk that is full now would raise SIGBUS here */
        qr_store_touch(address, size);
        return 0;
    }
    /* EFAULT is what would have been a SIGBUS: a block, or a page of the pool, is not there. */
    return rc == -EFAULT ? QUIRE_ENOSPC : rc;
}

int qr_frame_is_mapped(const struct qr_frame_entry *entry)
{
    /* [A24 mapped] pairs with R24 in qr_frame_publish(): the pointers before the flag. */
    return qr_load_acquire(&entry->mapped) != 0;
}

void qr_frame_publish(struct qr_frame_entry *entry)
{
    /* [R24 mapped] pairs with A24 in qr_frame_is_mapped(). */
    qr_store_release(&entry->mapped, 1u);
}

int qr_store_populate(void *address, uint64_t bytes)
{
    return qr_store_error(qr_populate(address, bytes));
}

int qr_frame_map_only(const struct qr_store *store, int fd, uint64_t offset, void **mapping)
{
    int prot = store->view.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    int rc = qr_io_mmap(mapping, store->map_bytes, prot, MAP_SHARED, fd, offset);
    if (rc < 0)
        return rc;
    /* Advice may be refused: then it is slower and nothing else. RANDOM: read-ahead would bring
     * large folios, and one small store then writes a whole one back. */
    if (store->backing == QR_BACKING_DIRECTORY)
        qr_io_madvise(*mapping, store->map_bytes, MADV_RANDOM);
    if (store->backing == QR_BACKING_MEMORY_ADVISED)
        qr_io_madvise(*mapping, store->map_bytes, MADV_HUGEPAGE);
    return 0;
}

void qr_read_ahead(void *address, uint64_t size)
{
    qr_io_madvise(address, size, MADV_WILLNEED);
}

void qr_frame_fill(const struct qr_store *store, struct qr_frame_entry *entry, void *mapping)
{
    unsigned char *base = mapping;
    entry->frame.claim = &store->claims[entry - store->frames].word;
    entry->frame.header = mapping;
    entry->frame.slots = (qr_atomic_u64 *)(base + QR_BLOCK);
    entry->frame.data = base + store->sb.data_offset;
}

/* Maps and populates a frame's file into entry, not yet for others to see. */
static int map_populated(const struct qr_store *store, struct qr_frame_entry *entry, int fd)
{
    void *mapping;
    int rc = qr_frame_map_only(store, fd, 0, &mapping);
    if (rc < 0)
        return rc;
    if (!store->view.read_only) {
        qr_read_ahead(mapping, store->sb.frame_bytes);
        rc = qr_populate(mapping, store->sb.frame_bytes);
    }
    if (rc < 0) {
        qr_io_munmap(mapping, store->map_bytes);
        return rc;
    }
    qr_frame_fill(store, entry, mapping);
    return 0;
}

static int map_file(struct qr_store *store, uint32_t frame)
{
    int fd = qr_frame_file_open(store, frame, store->view.read_only ? O_RDONLY : O_RDWR);
    if (fd < 0)
        return fd;
    int rc = map_populated(store, &store->frames[frame], fd);
    qr_io_close(fd); /* the mapping keeps the file; a descriptor per frame would be too many */
    return rc;
}

/* Directory only: one thread maps, the others find it done. */
static int map_once(struct qr_store *store, uint32_t frame)
{
    struct qr_frame_entry *entry = &store->frames[frame];
    /* [A6 life] pairs with R6, the release that ends BUSY, after the frame's file is made. A caller
     * that comes late, with a frame that was given back, must not fill its holes, nor take a file
     * that is being made for a damaged one. */
    uint64_t page = qr_life_page(qr_load_acquire(&store->view.life[frame]));
    if (page == QR_PAGE_ABSENT || page == QR_PAGE_BUSY)
        return QUIRE_ENOENT;
    pthread_mutex_lock(&store->map_lock);
    int rc = qr_frame_is_mapped(entry) ? 0 : map_file(store, frame);
    if (rc == 0)
        qr_frame_publish(entry);
    pthread_mutex_unlock(&store->map_lock);
    return rc;
}

int qr_store_frame(struct qr_store *store, uint32_t frame, const struct qr_frame **out)
{
    if (qr_unlikely(frame >= store->sb.frames_cap))
        return QUIRE_EBADFILE; /* the number came from a file */
    struct qr_frame_entry *entry = &store->frames[frame];
    if (qr_unlikely(!qr_frame_is_mapped(entry))) {
        /* In memory whoever makes a frame maps it: what is not mapped was never made. */
        int rc = store->view.directory_backed ? map_once(store, frame) : QUIRE_ENOENT;
        if (rc < 0)
            return qr_store_error(rc);
    }
    *out = &entry->frame;
    return 0;
}

const struct qr_frame *qr_store_frame_mapped(const struct qr_store *store, uint32_t frame)
{
    if (frame >= store->sb.frames_cap || !qr_frame_is_mapped(&store->frames[frame]))
        return NULL;
    return &store->frames[frame].frame;
}

/* [A30 fd] pairs with R30 in keep_fd(): the file is open before others use its descriptor. */
static int kept_fd(const struct qr_frame_entry *entry)
{
    return (int)qr_load_acquire(&entry->fd_plus_one) - 1;
}

/* Under map_lock. */
static int keep_fd(struct qr_store *store, uint32_t frame)
{
    struct qr_frame_entry *entry = &store->frames[frame];
    int fd = kept_fd(entry);
    if (fd >= 0)
        return fd;
    fd = qr_frame_file_open(store, frame, store->view.read_only ? O_RDONLY : O_RDWR);
    if (fd >= 0)
        qr_store_release(&entry->fd_plus_one, (uint32_t)fd + 1u); /* [R30 fd] pairs with A30 */
    return fd;
}

int qr_store_frame_fd(struct qr_store *store, uint32_t frame)
{
    if (!store->view.directory_backed)
        return QUIRE_EINVAL;
    if (frame >= store->sb.frames_cap)
        return QUIRE_EBADFILE;
    int fd = kept_fd(&store->frames[frame]);
    if (qr_likely(fd >= 0))
        return fd;
    pthread_mutex_lock(&store->map_lock);
    fd = keep_fd(store, frame);
    pthread_mutex_unlock(&store->map_lock);
    return fd < 0 ? qr_store_error(fd) : fd;
}

void qr_frame_fd_forget(struct qr_store *store, uint32_t frame)
{
    struct qr_frame_entry *entry = &store->frames[frame];
    int fd = kept_fd(entry);
    if (fd < 0)
        return; /* writes nothing: an entry that was never used has no memory of its own */
    qr_io_close(fd);
    qr_store_relaxed(&entry->fd_plus_one, 0u); /* relaxed: the frame is its caller's alone */
}

int qr_store_control_fd(const struct qr_store *store)
{
    return store->view.directory_backed ? store->control_fd : QUIRE_EINVAL;
}

int qr_store_pages_fd(const struct qr_store *store)
{
    return store->view.directory_backed ? store->pages_fd : QUIRE_EINVAL;
}
