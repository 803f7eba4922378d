/* SPDX-License-Identifier: MIT */
/* Opens a channel directory: lock, superblock, control file, then the files of its frames. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/fs.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY)

/* Opens, locks and judges the control file. */
static int open_control(struct qr_store *store, int root_fd, int read_only)
{
    struct stat st;
    int fd = qr_file_open(root_fd, QR_CONTROL_NAME, read_only ? O_RDONLY : O_RDWR, &st);
    if (fd == -ENOENT || fd == QUIRE_EBADFILE)
        return QUIRE_ENOTQUIRE;
    if (fd < 0)
        return fd;
    store->control_fd = fd;
    store->mode = st.st_mode & 0777u;
    if (!read_only) {
        int rc = qr_io_lock(fd);
        if (rc < 0)
            return rc == -EAGAIN ? QUIRE_EBUSY : rc;
    }
    int rc = qr_control_read(fd, &store->sb, read_only);
    return rc < 0 || read_only ? rc : qr_fs_own_blocks(fd, store->sb.control_bytes);
}

static int open_directory(int root_fd, const char *name)
{
    int fd = qr_io_open(root_fd, name, DIRECTORY_FLAGS | O_NOFOLLOW, 0);
    return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? QUIRE_EBADFILE : fd;
}

/* Whether life[frame] promises a whole file. [A6 life] pairs with R6, the release that ends BUSY,
 * so that an observer sees the file of a frame that is being made meanwhile. */
static int frame_promised(const struct qr_store *store, uint32_t frame)
{
    uint64_t page = qr_life_page(qr_load_acquire(&store->view.life[frame]));
    return page != QR_PAGE_ABSENT && page != QR_PAGE_BUSY;
}

/* The size and identity of a frame's file, and for a writer that its blocks are its own: nobody
 * has mapped it yet. */
static int check_frame(const struct qr_store *store, uint32_t frame)
{
    int read_only = store->view.read_only;
    int fd = qr_frame_file_open(store, frame, read_only ? O_RDONLY : O_RDWR);
    if (fd < 0)
        return fd;
    int rc = read_only ? 0 : qr_fs_own_blocks(fd, store->sb.frame_bytes);
    qr_io_close(fd);
    return rc;
}

static int check_frames(const struct qr_store *store)
{
    for (uint32_t frame = 0; frame < store->sb.frames_cap; frame++) {
        if (!frame_promised(store, frame))
            continue;
        int rc = check_frame(store, frame);
        /* An observer looks on while the owner may give the frame back: look again. */
        if (rc < 0 && frame_promised(store, frame))
            return rc;
    }
    return 0;
}

static int open_tree(struct qr_store *store, int root_fd, int read_only)
{
    int rc = open_control(store, root_fd, read_only);
    if (rc < 0)
        return rc;
    store->pages_fd = open_directory(root_fd, QR_PAGES_NAME);
    if (store->pages_fd < 0)
        return store->pages_fd;
    store->groups_fd = open_directory(root_fd, QR_GROUPS_NAME);
    if (store->groups_fd < 0)
        return store->groups_fd;
    store->backing = QR_BACKING_DIRECTORY;
    store->map_bytes = store->sb.frame_bytes;
    rc = qr_store_attach(store, read_only);
    if (rc == 0)
        rc = check_frames(store);
    if (rc == 0 && !read_only) {
        qr_group_sweep(store);
        rc = qr_group_own_blocks(store);
    }
    return rc;
}

int qr_store_open(struct qr_store **out, const char *path, int read_only, uint64_t closed_claim)
{
    *out = NULL;
    int root_fd = qr_io_open(AT_FDCWD, path, DIRECTORY_FLAGS, 0);
    if (root_fd == -ENOENT)
        return QUIRE_ENOENT;
    if (root_fd == -ENOTDIR)
        return QUIRE_ENOTQUIRE;
    if (root_fd < 0)
        return qr_store_error(root_fd);
    struct qr_store *store = qr_store_new(closed_claim);
    int rc = store == NULL ? -ENOMEM : open_tree(store, root_fd, read_only);
    qr_io_close(root_fd);
    if (rc == 0)
        *out = store;
    else if (store != NULL)
        qr_store_free(store);
    return qr_store_error(rc);
}
