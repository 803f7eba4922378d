/* SPDX-License-Identifier: MIT */
/*
 * Groups as files: one block each, made complete or not at all. In memory they share one memfd,
 * are mapped once and stay until the store is closed.
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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY_SIZE 32

static void fill_block(const struct qr_store *store, const char *name, uint32_t group_id,
                       const struct qr_group_traits *traits, struct qr_group_block *block)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    qr_group_block_init(block, &store->sb, name, group_id,
                        (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, traits);
}

static int map_block(struct qr_store *store, int fd, uint64_t offset, struct qr_group_block **out)
{
    int read_only = store->view.read_only;
    int prot = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void *address;
    int rc = qr_io_mmap(&address, QR_BLOCK, prot, MAP_SHARED, fd, offset);
    if (rc < 0)
        return rc;
    rc = read_only ? 0 : qr_populate(address, QR_BLOCK);
    if (rc < 0) {
        qr_io_munmap(address, QR_BLOCK);
        return rc;
    }
    *out = address;
    return 0;
}

static void file_name(char out[QR_GROUP_FILE_SIZE], const char *name)
{
    snprintf(out, QR_GROUP_FILE_SIZE, "%s" QR_GROUP_SUFFIX, name);
}

/* Writes and maps the temporary file, then gives it its name. */
static int complete_file(struct qr_store *store, const char *temporary, const char *name,
                         const struct qr_group_block *block, struct qr_group_map *map)
{
    int rc = qr_fs_forbid_copy(map->fd);
    if (rc == 0)
        rc = qr_io_fallocate(map->fd, 0, sizeof *block);
    if (rc < 0)
        return rc;
    ssize_t n = qr_io_pwrite(map->fd, block, sizeof *block, 0);
    if (n < 0)
        return (int)n;
    rc = qr_io_fsync(map->fd);
    if (rc == 0)
        rc = map_block(store, map->fd, 0, &map->block);
    if (rc < 0)
        return rc;
    rc = qr_io_rename_noreplace(store->groups_fd, temporary, store->groups_fd, name);
    if (rc < 0)
        return rc == -EEXIST ? QUIRE_EEXIST : rc;
    rc = qr_io_fsync(store->groups_fd);
    if (rc < 0)
        qr_io_unlink(store->groups_fd, name);
    return rc;
}

static int create_file(struct qr_store *store, const char *name, const struct qr_group_block *block,
                       struct qr_group_map *map)
{
    char final[QR_GROUP_FILE_SIZE];
    char temporary[TEMPORARY_SIZE];
    uint64_t random;
    int rc = qr_random(&random, sizeof random);
    if (rc < 0)
        return rc;
    file_name(final, name);
    snprintf(temporary, sizeof temporary, QR_TEMPORARY_PREFIX "%016llx",
             (unsigned long long)random);
    int fd = qr_io_open(store->groups_fd, temporary, O_RDWR | O_CREAT | O_EXCL, store->mode);
    if (fd < 0)
        return fd;
    map->fd = fd;
    rc = complete_file(store, temporary, final, block, map);
    if (rc < 0) {
        qr_io_unlink(store->groups_fd, temporary);
        qr_store_group_close(store, map);
    }
    return rc;
}

static int open_file(struct qr_store *store, const char *name, struct qr_group_map *map)
{
    char final[QR_GROUP_FILE_SIZE];
    struct stat st;
    struct qr_group_block block;
    file_name(final, name);
    int fd = qr_file_open(store->groups_fd, final, store->view.read_only ? O_RDONLY : O_RDWR, &st);
    if (fd < 0)
        return fd == -ENOENT ? QUIRE_ENOENT : fd;
    int rc = st.st_size >= QR_BLOCK ? qr_block_read(fd, &block, 0) : QUIRE_EBADFILE;
    if (rc == 0)
        rc = qr_group_block_check(&block, &store->sb, name);
    if (rc == 0 && block.mode == QR_GROUP_AUTO && st.st_size != QR_BLOCK)
        rc = QUIRE_EBADFILE;
    if (rc == 0)
        rc = map_block(store, fd, 0, &map->block);
    if (rc < 0)
        qr_io_close(fd);
    else
        map->fd = fd;
    return rc;
}

static struct qr_memory_group *find_memory(const struct qr_store *store, const char *name)
{
    struct qr_memory_group *group = store->groups;
    while (group != NULL && strcmp(group->name, name) != 0)
        group = group->next;
    return group;
}

static int create_memory(struct qr_store *store, const char *name,
                         const struct qr_group_block *block, struct qr_group_map *map)
{
    if (find_memory(store, name) != NULL)
        return QUIRE_EEXIST;
    struct qr_memory_group *group = qr_io_zalloc(sizeof *group);
    if (group == NULL)
        return -ENOMEM;
    uint64_t unit = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t offset = store->groups_count * unit;
    int rc = qr_io_fallocate(store->groups_fd, offset, unit);
    if (rc == 0)
        rc = map_block(store, store->groups_fd, offset, &group->block);
    if (rc < 0) {
        free(group);
        return rc; /* the place is used by the next group */
    }
    memcpy(group->block, block, sizeof *block);
    memcpy(group->name, name, strlen(name) + 1);
    store->groups_count++;
    if (store->groups_last == NULL)
        store->groups = group;
    else
        store->groups_last->next = group;
    store->groups_last = group;
    map->block = group->block;
    return 0;
}

static int open_memory(struct qr_store *store, const char *name, struct qr_group_map *map)
{
    struct qr_memory_group *group = find_memory(store, name);
    if (group == NULL)
        return QUIRE_ENOENT;
    map->block = group->block;
    return 0;
}

int qr_store_group_create(struct qr_store *store, const char *name, uint32_t group_id,
                          const struct qr_group_traits *traits, struct qr_group_map *map)
{
    *map = (struct qr_group_map){.fd = -1};
    if (store->view.read_only)
        return QUIRE_ERDONLY;
    if (!qr_group_name_valid(name))
        return QUIRE_EINVAL;
    struct qr_group_block block;
    fill_block(store, name, group_id, traits, &block);
    pthread_mutex_lock(&store->group_lock);
    int rc = store->view.directory_backed ? create_file(store, name, &block, map)
                                          : create_memory(store, name, &block, map);
    pthread_mutex_unlock(&store->group_lock);
    return qr_store_error(rc);
}

int qr_store_group_open(struct qr_store *store, const char *name, struct qr_group_map *map)
{
    *map = (struct qr_group_map){.fd = -1};
    if (!qr_group_name_valid(name))
        return QUIRE_EINVAL;
    pthread_mutex_lock(&store->group_lock);
    int rc =
        store->view.directory_backed ? open_file(store, name, map) : open_memory(store, name, map);
    pthread_mutex_unlock(&store->group_lock);
    return qr_store_error(rc);
}

/* The block stays with whoever has it mapped, until the store is closed. */
static int delete_memory(struct qr_store *store, const char *name)
{
    struct qr_memory_group *group = find_memory(store, name);
    if (group == NULL)
        return QUIRE_ENOENT;
    group->name[0] = '\0';
    return 0;
}

static int delete_file(struct qr_store *store, const char *name, int *gone)
{
    char final[QR_GROUP_FILE_SIZE];
    file_name(final, name);
    int rc = qr_io_unlink(store->groups_fd, final);
    if (rc < 0)
        return rc == -ENOENT ? QUIRE_ENOENT : rc;
    *gone = 1;
    return qr_io_fsync(store->groups_fd);
}

int qr_store_group_delete(struct qr_store *store, const char *name, int *gone)
{
    *gone = 0;
    if (store->view.read_only)
        return QUIRE_ERDONLY;
    if (!qr_group_name_valid(name))
        return QUIRE_ENOENT;
    pthread_mutex_lock(&store->group_lock);
    int rc =
        store->view.directory_backed ? delete_file(store, name, gone) : delete_memory(store, name);
    *gone |= rc == 0;
    pthread_mutex_unlock(&store->group_lock);
    return qr_store_error(rc);
}

void qr_store_group_close(struct qr_store *store, struct qr_group_map *map)
{
    if (store->view.directory_backed && map->block != NULL)
        qr_io_munmap(map->block, QR_BLOCK);
    if (map->fd >= 0)
        qr_io_close(map->fd);
    *map = (struct qr_group_map){.fd = -1};
}

struct listing {
    int (*each)(void *context, const char *name);
    void *context;
};

static int list_file(void *context, const char *file)
{
    const struct listing *listing = context;
    char name[QR_GROUP_NAME];
    size_t size = strlen(file);
    size_t suffix = strlen(QR_GROUP_SUFFIX);
    if (size <= suffix || size - suffix >= sizeof name)
        return 0;
    if (strcmp(file + size - suffix, QR_GROUP_SUFFIX) != 0)
        return 0;
    memcpy(name, file, size - suffix);
    name[size - suffix] = '\0';
    return qr_group_name_valid(name) ? listing->each(listing->context, name) : 0;
}

/* The lock covers each step, not the caller's function: groups are added at the end only. */
static int list_memory(struct qr_store *store, const struct listing *listing)
{
    pthread_mutex_lock(&store->group_lock);
    struct qr_memory_group *group = store->groups;
    pthread_mutex_unlock(&store->group_lock);
    while (group != NULL) {
        int rc = group->name[0] != '\0' ? listing->each(listing->context, group->name) : 0;
        if (rc != 0)
            return rc;
        pthread_mutex_lock(&store->group_lock);
        group = group->next;
        pthread_mutex_unlock(&store->group_lock);
    }
    return 0;
}

int qr_store_group_list(struct qr_store *store, int (*each)(void *context, const char *name),
                        void *context)
{
    struct listing listing = {each, context};
    if (!store->view.directory_backed)
        return list_memory(store, &listing);
    return qr_directory_list(store->groups_fd, list_file, &listing);
}

static int sweep_one(void *context, const char *name)
{
    const struct qr_store *store = context;
    if (strncmp(name, QR_TEMPORARY_PREFIX, strlen(QR_TEMPORARY_PREFIX)) == 0)
        qr_io_unlink(store->groups_fd, name);
    return 0;
}

void qr_group_sweep(struct qr_store *store)
{
    qr_directory_list(store->groups_fd, sweep_one, store);
}

/* What is no whole file is refused when the group is opened, not here. */
static int own_blocks(void *context, const char *name)
{
    const struct qr_store *store = context;
    char file[QR_GROUP_FILE_SIZE];
    struct stat st;
    file_name(file, name);
    int fd = qr_file_open(store->groups_fd, file, O_RDWR, &st);
    if (fd < 0)
        return 0;
    int rc = st.st_size >= QR_BLOCK ? qr_fs_own_blocks(fd, QR_BLOCK) : 0;
    /* Lease zones that were never used are holes. */
    if (rc == 0 && st.st_size > QR_BLOCK)
        rc = qr_fs_unshare(fd, (uint64_t)st.st_size);
    qr_io_close(fd);
    return rc;
}

int qr_group_own_blocks(struct qr_store *store)
{
    return qr_store_group_list(store, own_blocks, store);
}
