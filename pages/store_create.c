/* SPDX-License-Identifier: MIT */
/*
 * Makes a channel directory, all or nothing. Everything is made and synced under a temporary name
 * beside the path, then renamed. The lock is held until the end, so that nobody opens a channel
 * that a failed sync of its parent is about to take away again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/fs.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY)
#define BASE_SHOWN      180 /* of the name, in the temporary one: the whole stays under 255 */
#define TEMPORARY_SIZE  (BASE_SHOWN + 48)

struct maker {
    struct qr_superblock sb;
    uint64_t closed_claim;
    mode_t mode;
    mode_t directory_mode;
    char *path;                     /* a copy of the caller's, cut in two */
    const char *base;               /* last component, in path */
    char temporary[TEMPORARY_SIZE]; /* the name beside it */
    const char *name;               /* what the tree is called now; NULL: there is none */
    int parent_fd;
    int root_fd;
    int pages_fd;
    int control_fd;
    uint32_t frames; /* whose files may exist */
};

/* Cuts path into parent and base; "a//b///" is a and b. Returns the parent. */
static const char *split(struct maker *m, const char *path)
{
    size_t size = strlen(path);
    memcpy(m->path, path, size + 1);
    while (size > 1 && m->path[size - 1] == '/')
        m->path[--size] = '\0';
    char *slash = strrchr(m->path, '/');
    if (slash == NULL) {
        m->base = m->path;
        return ".";
    }
    m->base = slash + 1;
    if (slash == m->path)
        return "/";
    *slash = '\0';
    return m->path;
}

/* Opens the parent and refuses a path that exists, before anything is allocated. */
static int look(struct maker *m, const char *path)
{
    if (path[0] == '\0')
        return QUIRE_ENOENT;
    m->path = qr_io_zalloc(strlen(path) + 1);
    if (m->path == NULL)
        return -ENOMEM;
    const char *parent = split(m, path);
    if (m->base[0] == '\0')
        return QUIRE_EEXIST; /* "/" */
    m->parent_fd = qr_io_open(AT_FDCWD, parent, DIRECTORY_FLAGS, 0);
    if (m->parent_fd < 0)
        return m->parent_fd == -ENOENT ? QUIRE_ENOENT : m->parent_fd;
    int fd = qr_io_open(m->parent_fd, m->base, O_PATH | O_NOFOLLOW, 0);
    if (fd >= 0) {
        qr_io_close(fd);
        return QUIRE_EEXIST;
    }
    return fd == -ENOENT ? 0 : fd;
}

static int make_root(struct maker *m)
{
    uint64_t random;
    int rc = qr_random(&random, sizeof random);
    if (rc < 0)
        return rc;
    snprintf(m->temporary, sizeof m->temporary, ".%.*s.%ld.%016llx", BASE_SHOWN, m->base,
             (long)getpid(), (unsigned long long)random);
    rc = qr_io_mkdir(m->parent_fd, m->temporary, m->directory_mode);
    if (rc < 0)
        return rc;
    m->name = m->temporary;
    m->root_fd = qr_io_open(m->parent_fd, m->temporary, DIRECTORY_FLAGS | O_NOFOLLOW, 0);
    if (m->root_fd < 0)
        return m->root_fd;
    return qr_fs_forbid_copy(m->root_fd); /* what is made in it inherits that */
}

static int make_directories(struct maker *m)
{
    static const char *const names[] = {QR_PAGES_NAME, QR_GROUPS_NAME, QR_QUARANTINE_NAME};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int rc = qr_io_mkdir(m->root_fd, names[i], m->directory_mode);
        if (rc < 0)
            return rc;
    }
    m->pages_fd = qr_io_open(m->root_fd, QR_PAGES_NAME, DIRECTORY_FLAGS, 0);
    return m->pages_fd < 0 ? m->pages_fd : 0;
}

static int make_control(struct maker *m)
{
    m->control_fd = qr_io_open(m->root_fd, QR_CONTROL_NAME, O_RDWR | O_CREAT | O_EXCL, m->mode);
    if (m->control_fd < 0)
        return m->control_fd;
    int rc = qr_fs_forbid_copy(m->control_fd);
    if (rc == 0)
        rc = qr_io_lock(m->control_fd);
    return rc < 0 ? rc
                  : qr_control_write(m->control_fd, &m->sb, m->sb.frames_base, m->closed_claim);
}

/* Write-faults every block of a frame, so that they stop being unwritten ones: the first messages
 * would pay for that. Neither by write(2) nor with read-ahead, which leave large folios in the page
 * cache, and every small store later would write a whole one back. */
static int touch_frame(const struct maker *m, int fd)
{
    void *address;
    int prot = PROT_READ | PROT_WRITE;
    int rc = qr_io_mmap(&address, m->sb.frame_bytes, prot, MAP_SHARED, fd, 0);
    if (rc < 0)
        return rc;
    qr_io_madvise(address, m->sb.frame_bytes, MADV_RANDOM);
    rc = qr_populate(address, m->sb.frame_bytes);
    qr_io_munmap(address, m->sb.frame_bytes);
    return rc;
}

static int make_frame(struct maker *m)
{
    uint32_t frame = m->frames;
    int fd = qr_frame_file_create(m->pages_fd, frame, m->mode);
    if (fd < 0)
        return fd;
    m->frames++;
    int rc = qr_io_fallocate(fd, 0, m->sb.frame_bytes);
    if (rc == 0)
        rc = qr_frame_file_header(fd, &m->sb, frame);
    if (rc == 0)
        rc = touch_frame(m, fd);
    if (rc == 0)
        qr_fs_begin_write(fd);
    qr_io_close(fd);
    return rc;
}

static int make_frames(struct maker *m)
{
    int rc = 0;
    while (rc == 0 && m->frames < m->sb.frames_base)
        rc = make_frame(m);
    return rc;
}

static int sync_at(int dirfd, const char *name, int flags)
{
    int fd = qr_io_open(dirfd, name, flags, 0);
    if (fd < 0)
        return fd;
    int rc = qr_io_fsync(fd);
    qr_io_close(fd);
    return rc;
}

/* Files in a pass of their own: the first sync commits what all of them need, the rest are cheap.
 */
static int sync_tree(struct maker *m)
{
    int rc = 0;
    for (uint32_t frame = 0; frame < m->frames && rc == 0; frame++) {
        char name[QR_FRAME_NAME_SIZE];
        qr_frame_name(name, frame);
        rc = sync_at(m->pages_fd, name, O_RDWR);
    }
    if (rc == 0)
        rc = qr_io_fsync(m->control_fd);
    if (rc == 0)
        rc = qr_io_fsync(m->pages_fd);
    if (rc == 0)
        rc = sync_at(m->root_fd, QR_GROUPS_NAME, DIRECTORY_FLAGS);
    if (rc == 0)
        rc = sync_at(m->root_fd, QR_QUARANTINE_NAME, DIRECTORY_FLAGS);
    return rc == 0 ? qr_io_fsync(m->root_fd) : rc;
}

static int make_tree(struct maker *m)
{
    int rc = make_root(m);
    if (rc == 0)
        rc = make_directories(m);
    if (rc == 0)
        rc = make_control(m);
    if (rc == 0)
        rc = make_frames(m);
    return rc == 0 ? sync_tree(m) : rc;
}

static int show_tree(struct maker *m)
{
    int rc = qr_io_rename_noreplace(m->parent_fd, m->name, m->parent_fd, m->base);
    if (rc < 0)
        return rc == -EEXIST || rc == -ENOTEMPTY || rc == -ENOTDIR ? QUIRE_EEXIST : rc;
    m->name = m->base;
    return qr_io_fsync(m->parent_fd);
}

/* What was never made cannot be removed: those failures are expected. */
static void remove_tree(struct maker *m)
{
    if (m->name == NULL)
        return;
    for (uint32_t frame = 0; frame < m->frames; frame++) {
        char name[QR_FRAME_NAME_SIZE];
        qr_frame_name(name, frame);
        qr_io_unlink(m->pages_fd, name);
    }
    if (m->root_fd >= 0) {
        qr_io_unlink(m->root_fd, QR_CONTROL_NAME);
        qr_io_rmdir(m->root_fd, QR_PAGES_NAME);
        qr_io_rmdir(m->root_fd, QR_GROUPS_NAME);
        qr_io_rmdir(m->root_fd, QR_QUARANTINE_NAME);
    }
    qr_io_rmdir(m->parent_fd, m->name);
}

static void release(struct maker *m)
{
    const int fds[] = {m->pages_fd, m->root_fd, m->parent_fd, m->control_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            qr_io_close(fds[i]);
    free(m->path);
}

int qr_store_create(const char *path, const struct qr_geometry *geometry, uint32_t mode,
                    uint64_t closed_claim)
{
    struct maker m = {.parent_fd = -1, .root_fd = -1, .pages_fd = -1, .control_fd = -1};
    m.closed_claim = closed_claim;
    m.mode = (mode == 0 ? 0600u : mode) & 0777u;
    m.directory_mode = m.mode | (m.mode & 0444u) >> 2;
    qr_superblock_layout(&m.sb, geometry);
    int rc = qr_superblock_identify(&m.sb);
    qr_superblock_finish(&m.sb);
    if (rc == 0)
        rc = look(&m, path);
    if (rc == 0)
        rc = make_tree(&m);
    if (rc == 0)
        rc = show_tree(&m);
    if (rc < 0)
        remove_tree(&m);
    release(&m);
    return qr_store_error(rc);
}
