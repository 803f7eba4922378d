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
static void touch(void *address, uint64_t size)
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
        touch(address, size);
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

static int prepare_mapping(const struct qr_store *store, void *address)
{
    /* Advice may be refused: then it is slower and nothing else. RANDOM: read-ahead would bring
     * large folios, and one small store then writes a whole one back. */
    if (store->backing == QR_BACKING_DIRECTORY)
        qr_io_madvise(address, store->map_bytes, MADV_RANDOM);
    if (store->backing == QR_BACKING_MEMORY_ADVISED)
        qr_io_madvise(address, store->map_bytes, MADV_HUGEPAGE);
    return store->view.read_only ? 0 : qr_populate(address, store->sb.frame_bytes);
}

int qr_frame_map(struct qr_store *store, struct qr_frame_entry *entry, int fd, uint64_t offset)
{
    int prot = store->view.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void *address;
    int rc = qr_io_mmap(&address, store->map_bytes, prot, MAP_SHARED, fd, offset);
    if (rc < 0)
        return rc;
    rc = prepare_mapping(store, address);
    if (rc < 0) {
        qr_io_munmap(address, store->map_bytes);
        return rc;
    }
    unsigned char *base = address;
    entry->frame.header = address;
    entry->frame.slots = (qr_atomic_u64 *)(base + QR_BLOCK);
    entry->frame.data = base + store->sb.data_offset;
    return 0;
}

static int map_file(struct qr_store *store, uint32_t frame)
{
    int fd = qr_frame_file_open(store, frame, store->view.read_only ? O_RDONLY : O_RDWR);
    if (fd < 0)
        return fd;
    int rc = qr_frame_map(store, &store->frames[frame], fd, 0);
    qr_io_close(fd); /* the mapping keeps the file; a descriptor per frame would be too many */
    return rc;
}

/* Directory only: one thread maps, the others find it done. */
static int map_once(struct qr_store *store, uint32_t frame)
{
    struct qr_frame_entry *entry = &store->frames[frame];
    /* [A6 life] pairs with R6, the release that takes the frame out of ABSENT, after its file is
     * made. A caller that comes late, with a frame that was given back, must not fill its holes. */
    uint64_t life = qr_load_acquire(&store->view.life[frame]);
    if (qr_life_page(life) == QR_PAGE_ABSENT)
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
