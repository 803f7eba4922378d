/* SPDX-License-Identifier: MIT */
/*
 * A frame gets its storage and its mapping in steps, so that the slow ones can be handed to
 * somebody else. What begin() found out stays true until finish(): the caller owns the frame, or
 * it has storage that nobody takes away. Only the mapping may appear meanwhile, by a
 * qr_store_frame() that is late or a racer; that is looked at under map_lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/fs.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <sys/stat.h>

#define READ_AHEAD_MAX (16u << 20) /* to begin it takes a millisecond */

static int is_mapped(const struct qr_store *store, const struct qr_frame_prep *prep)
{
    return qr_frame_is_mapped(&store->frames[prep->frame]);
}

/* Where the frame lies in prep->fd. */
static uint64_t base_of(const struct qr_store *store, uint32_t frame)
{
    return store->view.directory_backed ? 0 : frame * store->map_bytes;
}

static int create_file(struct qr_store *store, struct qr_frame_prep *prep)
{
    int fd = qr_frame_file_create(store->pages_fd, prep->frame, store->mode);
    if (fd < 0)
        return fd;
    prep->fd = fd;
    prep->created = 1;
    prep->size = store->sb.frame_bytes;
    return 0;
}

/* A file that is not what the frame's should be: another takes its place, unless it is mapped and
 * so was ours. */
static int replace_file(struct qr_store *store, struct qr_frame_prep *prep)
{
    char name[QR_FRAME_NAME_SIZE];
    if (is_mapped(store, prep))
        return QUIRE_EBADFILE;
    qr_frame_name(name, prep->frame);
    qr_frame_fd_forget(store, prep->frame);
    int rc = qr_io_unlink(store->pages_fd, name);
    return rc < 0 && rc != -ENOENT ? rc : create_file(store, prep);
}

/* The file of a frame without storage: what was given back lacks its body only. */
static int begin_absent_file(struct qr_store *store, struct qr_frame_prep *prep)
{
    char name[QR_FRAME_NAME_SIZE];
    struct stat st;
    qr_frame_name(name, prep->frame);
    int fd = qr_file_open(store->pages_fd, name, O_RDWR, &st);
    if (fd == -ENOENT || fd == QUIRE_EBADFILE)
        return replace_file(store, prep);
    if (fd < 0)
        return fd;
    int rc = qr_frame_file_check(fd, &st, &store->sb, prep->frame);
    /* A crash may have left it, and a copy of the channel may share what it kept. */
    if (rc == 0 && !is_mapped(store, prep) && qr_fs_own_blocks(fd, QR_BLOCK) < 0)
        rc = QUIRE_EBADFILE;
    if (rc == 0) {
        prep->fd = fd;
        qr_frame_body(store, prep->frame, &prep->offset, &prep->size);
        return 0;
    }
    qr_io_close(fd);
    return rc == QUIRE_EBADFILE ? replace_file(store, prep) : rc;
}

static int begin_stored_file(const struct qr_store *store, struct qr_frame_prep *prep)
{
    int fd = qr_frame_file_open(store, prep->frame, O_RDWR);
    if (fd < 0)
        return fd;
    prep->fd = fd;
    return 0;
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

static int begin_memory(struct qr_store *store, struct qr_frame_prep *prep)
{
    prep->fd = store->pages_fd;
    if (!prep->absent)
        return is_mapped(store, prep) ? 0 : QUIRE_EBADFILE; /* who made it has mapped it */
    int rc = 0;
    if (is_mapped(store, prep)) {
        qr_frame_body(store, prep->frame, &prep->offset, &prep->size);
    } else {
        rc = grow_memory(store, prep->frame);
        prep->offset = base_of(store, prep->frame);
        prep->size = store->sb.frame_bytes;
    }
    /* With advice the pages must come by a fault of the mapping: allocated here they would be
     * small ones. */
    if (store->backing == QR_BACKING_MEMORY_ADVISED)
        prep->size = 0;
    return rc;
}

int qr_store_prep_begin(struct qr_store *store, uint32_t frame, struct qr_frame_prep *prep)
{
    *prep = (struct qr_frame_prep){.frame = frame, .fd = -1};
    if (frame >= store->sb.frames_cap)
        return QUIRE_EBADFILE;
    if (store->view.read_only)
        return QUIRE_ERDONLY;
    /* [A6 life] pairs with R6: with the end of BUSY the frame's file is made. The caller's own
     * store when it says BUSY. */
    uint64_t page = qr_life_page(qr_load_acquire(&store->view.life[frame]));
    if (page == QR_PAGE_ABSENT)
        return QUIRE_ENOENT;
    prep->absent = page == QR_PAGE_BUSY;
    int rc;
    if (!store->view.directory_backed)
        rc = begin_memory(store, prep);
    else
        rc = prep->absent ? begin_absent_file(store, prep) : begin_stored_file(store, prep);
    return qr_store_error(rc);
}

/* The frame is mapped already: its body is what may be missing. */
static void populate_again(const struct qr_store *store, struct qr_frame_prep *prep)
{
    uint64_t offset;
    uint64_t size;
    if (!prep->absent)
        return;
    qr_frame_body(store, prep->frame, &offset, &size);
    unsigned char *base = (void *)store->frames[prep->frame].frame.header;
    prep->address = base + (offset - base_of(store, prep->frame));
    prep->bytes = size;
}

int qr_store_prep_map(struct qr_store *store, struct qr_frame_prep *prep)
{
    /* Into allocated blocks, before anything is mapped: no fault can fail, no page is larger. */
    int rc = prep->created ? qr_frame_file_header(prep->fd, &store->sb, prep->frame) : 0;
    if (rc < 0)
        return qr_store_error(rc);
    /* relaxed: life makes the frame known. Nobody claims in a file that was not there. */
    if (prep->created)
        qr_store_relaxed(&store->claims[prep->frame].word, store->closed_claim);
    if (is_mapped(store, prep)) {
        populate_again(store, prep);
        return 0;
    }
    rc = qr_frame_map_only(store, prep->fd, base_of(store, prep->frame), &prep->mapping);
    if (rc < 0)
        return qr_store_error(rc);
    prep->address = prep->mapping;
    prep->bytes = store->sb.frame_bytes;
    if (!prep->absent)
        qr_read_ahead(prep->address, prep->bytes < READ_AHEAD_MAX ? prep->bytes : READ_AHEAD_MAX);
    return 0;
}

/* Under map_lock. Whose mapping is shown: ours, unless there is one. */
static void show(struct qr_store *store, struct qr_frame_prep *prep)
{
    struct qr_frame_entry *entry = &store->frames[prep->frame];
    if (prep->mapping == NULL || qr_frame_is_mapped(entry))
        return;
    qr_frame_fill(store, entry, prep->mapping);
    if (!store->view.directory_backed)
        qr_frame_header_init(entry->frame.header, &store->sb, prep->frame);
    qr_frame_publish(entry);
    prep->mapping = NULL;
}

/* Under map_lock: a late caller maps the file before it is judged here, or finds it gone. */
static void take_away(struct qr_store *store, const struct qr_frame_prep *prep)
{
    uint64_t offset;
    uint64_t size;
    int mapped = is_mapped(store, prep);
    if (prep->created && !mapped) {
        char name[QR_FRAME_NAME_SIZE];
        qr_frame_name(name, prep->frame);
        qr_frame_fd_forget(store, prep->frame);
        qr_io_unlink(store->pages_fd, name);
        return;
    }
    /* A mapping needs this very file next time, and the header page in it. */
    qr_frame_body(store, prep->frame, &offset, &size);
    if (!store->view.directory_backed && !mapped) {
        offset = base_of(store, prep->frame);
        size = store->map_bytes;
    }
    if (size != 0)
        qr_io_punch(prep->fd, offset, size);
}

int qr_store_prep_finish(struct qr_store *store, struct qr_frame_prep *prep, int result)
{
    pthread_mutex_lock(&store->map_lock);
    if (result >= 0)
        show(store, prep);
    pthread_mutex_unlock(&store->map_lock);
    if (prep->mapping != NULL)
        qr_io_munmap(prep->mapping, store->map_bytes);
    if (result < 0 && prep->absent) {
        pthread_mutex_lock(&store->map_lock);
        take_away(store, prep);
        pthread_mutex_unlock(&store->map_lock);
    }
    if (store->view.directory_backed && prep->fd >= 0)
        qr_io_close(prep->fd);
    *prep = (struct qr_frame_prep){.frame = prep->frame, .fd = -1};
    if (result >= 0)
        return 0;
    /* EFAULT is what would have been a SIGBUS: a block, or a page of the pool, is not there. */
    return result == -EFAULT ? QUIRE_ENOSPC : qr_store_error(result);
}
