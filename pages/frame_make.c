/* SPDX-License-Identifier: MIT */
/*
 * Storage for frames that come and go while the channel runs. A frame that is given back keeps
 * its header page and its mapping: a producer that slept may still look at its claim word.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <sys/stat.h>

void qr_frame_body(const struct qr_store *store, uint32_t frame, uint64_t *offset, uint64_t *size)
{
    uint64_t base = store->view.directory_backed ? 0 : frame * store->map_bytes;
    /* A huge page goes back whole or not at all, so the first one stays with the header. */
    int hugetlb = store->backing == QR_BACKING_MEMORY_HUGETLB;
    uint64_t kept = hugetlb ? QR_HUGE_BYTES : QR_BLOCK;
    uint64_t end = hugetlb ? store->map_bytes : store->sb.frame_bytes;
    *offset = base + kept;
    *size = end - kept;
}

/* Populates the body of a frame that is mapped already. */
static int populate_body(const struct qr_store *store, uint32_t frame)
{
    uint64_t offset;
    uint64_t size;
    qr_frame_body(store, frame, &offset, &size);
    uint64_t base = store->view.directory_backed ? 0 : frame * store->map_bytes;
    return qr_populate((unsigned char *)store->frames[frame].frame.header + (offset - base), size);
}

static int allocate_body(const struct qr_store *store, int fd, uint32_t frame)
{
    uint64_t offset;
    uint64_t size;
    qr_frame_body(store, frame, &offset, &size);
    return size == 0 ? 0 : qr_io_fallocate(fd, offset, size);
}

static void punch_body(const struct qr_store *store, int fd, uint32_t frame)
{
    uint64_t offset;
    uint64_t size;
    qr_frame_body(store, frame, &offset, &size);
    if (size != 0)
        qr_io_punch(fd, offset, size);
}

/*
 * Populates the body of a mapped frame, or maps it. A late caller of qr_store_frame() may map it
 * at this moment: under the lock that comes before, and is populated here, or finds it done.
 */
static int show_file(struct qr_store *store, int fd, uint32_t frame)
{
    struct qr_frame_entry *entry = &store->frames[frame];
    pthread_mutex_lock(&store->map_lock);
    int rc =
        qr_frame_is_mapped(entry) ? populate_body(store, frame) : qr_frame_map(store, entry, fd, 0);
    if (rc == 0)
        qr_frame_publish(entry);
    pthread_mutex_unlock(&store->map_lock);
    return rc;
}

/* The file of a frame that was given back: its body again. */
static int refill_file(struct qr_store *store, int fd, uint32_t frame)
{
    int rc = allocate_body(store, fd, frame);
    if (rc == 0)
        rc = show_file(store, fd, frame);
    if (rc < 0)
        punch_body(store, fd, frame);
    return rc;
}

static int create_file(struct qr_store *store, uint32_t frame, const char *name)
{
    int fd =
        qr_frame_file_create(store->pages_fd, &store->sb, frame, store->mode, store->closed_claim);
    if (fd < 0)
        return fd;
    int rc = show_file(store, fd, frame);
    if (rc < 0 && qr_frame_is_mapped(&store->frames[frame]))
        punch_body(store, fd, frame); /* the mapping needs this very file next time */
    else if (rc < 0)
        qr_io_unlink(store->pages_fd, name);
    qr_io_close(fd);
    return rc;
}

/* A file that is not what the frame's should be: another takes its place, unless it is mapped and
 * so was ours. */
static int replace_file(struct qr_store *store, uint32_t frame, const char *name)
{
    if (qr_frame_is_mapped(&store->frames[frame]))
        return QUIRE_EBADFILE;
    int rc = qr_io_unlink(store->pages_fd, name);
    return rc < 0 && rc != -ENOENT ? rc : create_file(store, frame, name);
}

static int make_in_directory(struct qr_store *store, uint32_t frame)
{
    char name[QR_FRAME_NAME_SIZE];
    struct stat st;
    qr_frame_name(name, frame);
    int fd = qr_file_open(store->pages_fd, name, O_RDWR, &st);
    if (fd == -ENOENT || fd == QUIRE_EBADFILE)
        return replace_file(store, frame, name);
    if (fd < 0)
        return fd;
    int rc = qr_frame_file_check(fd, &st, &store->sb, frame);
    if (rc == 0)
        rc = refill_file(store, fd, frame);
    else if (rc == QUIRE_EBADFILE)
        rc = replace_file(store, frame, name);
    qr_io_close(fd);
    return rc;
}

/* The memfd reaches to the end of the frame. It only grows: frames are made in any order. */
static int grow_memory(struct qr_store *store, uint32_t frame)
{
    uint64_t bytes = (frame + 1) * store->map_bytes;
    int rc = 0;
    pthread_mutex_lock(&store->map_lock);
    if (store->memory_bytes < bytes) {
        rc = qr_io_ftruncate(store->pages_fd, bytes);
        if (rc == 0)
            store->memory_bytes = bytes;
    }
    pthread_mutex_unlock(&store->map_lock);
    return rc;
}

static int make_new_in_memory(struct qr_store *store, uint32_t frame)
{
    struct qr_frame_entry *entry = &store->frames[frame];
    uint64_t offset = frame * store->map_bytes;
    /* With advice the pages must come by a fault of the mapping: allocated here they would be
     * small ones. */
    int rc = grow_memory(store, frame);
    if (rc == 0 && store->backing != QR_BACKING_MEMORY_ADVISED)
        rc = qr_io_fallocate(store->pages_fd, offset, store->sb.frame_bytes);
    if (rc == 0)
        rc = qr_frame_map(store, entry, store->pages_fd, offset);
    if (rc < 0) {
        qr_io_punch(store->pages_fd, offset, store->map_bytes);
        return rc;
    }
    qr_frame_header_init(entry->frame.header, &store->sb, frame, store->closed_claim);
    qr_frame_publish(entry);
    return 0;
}

/* Only the owner of the frame comes here, and nobody else maps frames in memory: no lock. */
static int make_in_memory(struct qr_store *store, uint32_t frame)
{
    if (!qr_frame_is_mapped(&store->frames[frame]))
        return make_new_in_memory(store, frame);
    int rc = 0;
    if (store->backing != QR_BACKING_MEMORY_ADVISED)
        rc = allocate_body(store, store->pages_fd, frame);
    if (rc == 0)
        rc = populate_body(store, frame);
    if (rc < 0)
        punch_body(store, store->pages_fd, frame);
    return rc;
}

int qr_store_frame_make(struct qr_store *store, uint32_t frame)
{
    if (frame >= store->sb.frames_cap)
        return QUIRE_EBADFILE;
    if (store->view.read_only)
        return QUIRE_ERDONLY;
    return qr_store_error(store->view.directory_backed ? make_in_directory(store, frame)
                                                       : make_in_memory(store, frame));
}

int qr_store_frame_extent(const struct qr_store *store, uint32_t frame, struct qr_extent *extent)
{
    *extent = (struct qr_extent){.fd = -1};
    if (frame >= store->sb.frames_cap)
        return QUIRE_EBADFILE;
    if (store->view.read_only)
        return QUIRE_ERDONLY;
    int fd =
        store->view.directory_backed ? qr_frame_file_open(store, frame, O_RDWR) : store->pages_fd;
    if (fd < 0)
        return qr_store_error(fd);
    extent->fd = fd;
    qr_frame_body(store, frame, &extent->offset, &extent->size);
    return 0;
}

void qr_store_extent_done(const struct qr_store *store, struct qr_extent *extent)
{
    /* In memory the descriptor is the store's own. */
    if (store->view.directory_backed && extent->fd >= 0)
        qr_io_close(extent->fd);
    extent->fd = -1;
}
