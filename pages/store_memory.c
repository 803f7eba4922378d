/* SPDX-License-Identifier: MIT */
/*
 * A channel in memory: three memfds, for the control file, for all frames and for all groups.
 * Frame f lies at f * map_bytes of its memfd, which grows as frames are made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

static int open_control(struct qr_store *store)
{
    store->control_fd = qr_io_memfd("quire-control", 0);
    if (store->control_fd < 0)
        return store->control_fd;
    int rc = qr_control_write(store->control_fd, &store->sb, 0, store->closed_claim);
    return rc < 0 ? rc : qr_store_attach(store, 0);
}

/* Maps the first size bytes, gives advice unless 0, and unmaps: whether that works. */
static int try_mapping(int fd, uint64_t size, int advice)
{
    void *address;
    int rc = qr_io_mmap(&address, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (rc < 0)
        return rc;
    if (advice != 0)
        rc = qr_io_madvise(address, size, advice);
    qr_io_munmap(address, size);
    return rc;
}

/*
 * Frames in pages of the machine's huge page pool. The mapping reserves what the preset frames
 * need, and the memfd keeps the reservation; without it the pool may be empty when it counts.
 */
static int open_frames_hugetlb(struct qr_store *store)
{
    int fd = qr_io_memfd("quire-frames", MFD_HUGETLB | MFD_HUGE_2MB);
    if (fd < 0)
        return fd;
    uint64_t bytes = store->map_bytes * store->sb.frames_base;
    int rc = qr_io_ftruncate(fd, bytes);
    if (rc == 0)
        rc = try_mapping(fd, bytes, 0);
    if (rc < 0) {
        qr_io_close(fd);
        return rc;
    }
    store->pages_fd = fd;
    store->memory_bytes = bytes;
    store->backing = QR_BACKING_MEMORY_HUGETLB;
    return 0;
}

static int open_frames(struct qr_store *store, int huge_pages)
{
    uint64_t unit = huge_pages ? QR_HUGE_BYTES : (uint64_t)sysconf(_SC_PAGESIZE);
    store->map_bytes = qr_round_up(store->sb.frame_bytes, unit);
    if (huge_pages && open_frames_hugetlb(store) == 0)
        return 0;
    store->pages_fd = qr_io_memfd("quire-frames", 0);
    if (store->pages_fd < 0)
        return store->pages_fd;
    if (huge_pages && try_mapping(store->pages_fd, store->map_bytes, MADV_HUGEPAGE) == 0)
        store->backing = QR_BACKING_MEMORY_ADVISED;
    return 0;
}

static int open_memory(struct qr_store *store, const struct qr_geometry *geometry, int huge_pages)
{
    store->backing = QR_BACKING_MEMORY;
    qr_superblock_layout(&store->sb, geometry);
    int rc = qr_superblock_identify(&store->sb);
    qr_superblock_finish(&store->sb);
    if (rc == 0)
        rc = open_control(store);
    if (rc == 0)
        rc = open_frames(store, huge_pages);
    if (rc < 0)
        return rc;
    store->view.huge_pages = store->backing != QR_BACKING_MEMORY;
    store->groups_fd = qr_io_memfd("quire-groups", 0);
    return store->groups_fd < 0 ? store->groups_fd : 0;
}

int qr_store_open_memory(struct qr_store **out, const struct qr_geometry *geometry, int huge_pages,
                         uint64_t closed_claim)
{
    *out = NULL;
    struct qr_store *store = qr_store_new(closed_claim);
    int rc = store == NULL ? -ENOMEM : open_memory(store, geometry, huge_pages);
    if (rc == 0)
        *out = store;
    else if (store != NULL)
        qr_store_free(store);
    return qr_store_error(rc);
}
