/* SPDX-License-Identifier: MIT */
/* One open store: what all ways of opening share, and the end of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct qr_store *qr_store_new(uint64_t closed_claim)
{
    struct qr_store *store = qr_io_zalloc(sizeof *store);
    if (store == NULL)
        return NULL;
    store->closed_claim = closed_claim;
    store->control_fd = store->pages_fd = store->groups_fd = -1;
    pthread_mutex_init(&store->map_lock, NULL);
    pthread_mutex_init(&store->group_lock, NULL);
    return store;
}

static void *at(const struct qr_store *store, uint64_t offset)
{
    return (unsigned char *)store->control + offset;
}

int qr_store_attach(struct qr_store *store, int read_only)
{
    const struct qr_superblock *sb = &store->sb;
    int prot = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    int rc = qr_io_mmap(&store->control, sb->control_bytes, prot, MAP_SHARED, store->control_fd, 0);
    if (rc < 0)
        return rc;
    if (store->backing == QR_BACKING_DIRECTORY)
        qr_io_madvise(store->control, sb->control_bytes, MADV_RANDOM); /* as for frames */
    if (!read_only) {
        if (store->backing == QR_BACKING_DIRECTORY)
            qr_read_ahead(store->control, sb->control_bytes);
        rc = qr_populate(store->control, sb->control_bytes);
    }
    if (rc < 0)
        return rc;
    store->frames = qr_io_zalloc(sb->frames_cap * sizeof *store->frames);
    if (store->frames == NULL)
        return -ENOMEM;
    store->claims = at(store, sb->claims_offset);
    store->view = (struct qr_store_view){
        .sb = sb,
        .live = at(store, QR_LIVE_OFFSET),
        .life = at(store, sb->life_offset),
        .directory = at(store, sb->directory_offset),
        .handles = at(store, sb->handles_offset),
        .participants = at(store, sb->participants_offset),
        .directory_backed = store->backing == QR_BACKING_DIRECTORY,
        .read_only = read_only,
    };
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        qr_io_close(fd);
}

static void free_groups(struct qr_store *store)
{
    struct qr_memory_group *group = store->groups;
    while (group != NULL) {
        struct qr_memory_group *next = group->next;
        qr_io_munmap(group->block, QR_BLOCK);
        free(group);
        group = next;
    }
}

void qr_store_free(struct qr_store *store)
{
    for (uint32_t i = 0; store->frames != NULL && i < store->sb.frames_cap; i++) {
        if (qr_frame_is_mapped(&store->frames[i]))
            qr_io_munmap(store->frames[i].frame.header, store->map_bytes);
        qr_frame_fd_forget(store, i);
    }
    free(store->frames);
    free_groups(store);
    if (store->control != NULL)
        qr_io_munmap(store->control, store->sb.control_bytes);
    close_fd(store->groups_fd);
    close_fd(store->pages_fd);
    close_fd(store->control_fd); /* last: the lock goes with it */
    pthread_mutex_destroy(&store->map_lock);
    pthread_mutex_destroy(&store->group_lock);
    free(store);
}

static int unlink_absent(void *context, const char *name)
{
    struct qr_store *store = context;
    int64_t frame = qr_frame_of_name(name);
    if (frame < 0 || frame >= store->sb.frames_cap)
        return 0;
    /* [A6 life] pairs with R6, the release that made the frame ABSENT; its owner is done with it.
     */
    uint64_t life = qr_load_acquire(&store->view.life[frame]);
    if (qr_life_page(life) == QR_PAGE_ABSENT)
        qr_io_unlink(store->pages_fd, name);
    return 0;
}

void qr_store_close(struct qr_store *store)
{
    if (store == NULL)
        return;
    /* What cannot be unlinked now is used again, or unlinked by a later close. */
    if (store->view.directory_backed && !store->view.read_only)
        qr_directory_list(store->pages_fd, unlink_absent, store);
    qr_store_free(store);
}

const struct qr_store_view *qr_store_view(const struct qr_store *store)
{
    return &store->view;
}

static uint64_t bytes_of(int fd)
{
    struct stat st;
    return qr_io_fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512u : 0;
}

struct tally {
    int dirfd;
    uint64_t bytes;
};

static int add_bytes(void *context, const char *name)
{
    struct tally *tally = context;
    int fd = qr_io_open(tally->dirfd, name, O_PATH | O_NOFOLLOW, 0);
    if (fd >= 0) {
        tally->bytes += bytes_of(fd);
        qr_io_close(fd);
    }
    return 0;
}

uint64_t qr_store_bytes(const struct qr_store *store)
{
    uint64_t bytes = bytes_of(store->control_fd);
    if (!store->view.directory_backed)
        return bytes + bytes_of(store->pages_fd) + bytes_of(store->groups_fd);
    struct tally pages = {store->pages_fd, 0};
    struct tally groups = {store->groups_fd, 0};
    qr_directory_list(pages.dirfd, add_bytes, &pages);
    qr_directory_list(groups.dirfd, add_bytes, &groups);
    return bytes + pages.bytes + groups.bytes;
}
