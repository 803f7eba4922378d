/* SPDX-License-Identifier: MIT */
/* One file of the power-loss recorder: what it is, and its bytes. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tests/durable/disk_file.h>
#include <tests/support/harness.h>
#include <tests/support/temp.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* Told by names only: a channel is made under another name than it has in the end. */
enum disk_kind disk_file_kind(const char *directory, const char *name)
{
    if (ends_with(name, ".page")) {
        return DISK_PAGE;
    }
    if (strcmp(name, "control") == 0) {
        return DISK_CONTROL;
    }
    return strcmp(directory, "groups") == 0 ? DISK_GROUP : DISK_OTHER;
}

int disk_file_identify(struct disk_file *file, int fd)
{
    char link[64];
    char path[1024];
    struct stat st;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    CHECK(size > 0);
    path[size] = '\0';
    if (strncmp(path, temp_directory(), strlen(temp_directory())) != 0) {
        return 0;
    }
    char *name = strrchr(path, '/') + 1;
    snprintf(file->name, sizeof(file->name), "%.80s", name);
    name[-1] = '\0';
    CHECK_EQ(fstat(fd, &st), 0);
    file->kind =
        S_ISDIR(st.st_mode) ? DISK_NAMES : disk_file_kind(strrchr(path, '/') + 1, file->name);
    return 1;
}

static void copy_names(struct disk_file *file, int fd)
{
    struct dirent *entry;
    DIR *directory = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    CHECK(directory != NULL);
    file->begun_size = 0;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue; /* the directories' own */
        }
        struct disk_name name = {.inode = (uint64_t)entry->d_ino};
        snprintf(name.name, sizeof(name.name), "%.80s", entry->d_name);
        CHECK(file->begun_size + sizeof(name) <= DISK_FILE_BYTES);
        memcpy(file->begun + file->begun_size, &name, sizeof(name));
        file->begun_size += sizeof(name);
    }
    closedir(directory);
}

void disk_file_copy(struct disk_file *file, int fd)
{
    if (file->kind == DISK_NAMES) {
        copy_names(file, fd);
    } else {
        ssize_t size = pread(fd, file->begun, DISK_FILE_BYTES, 0);
        CHECK(size >= 0 && size < (ssize_t)DISK_FILE_BYTES);
        file->begun_size = (uint64_t)size;
    }
    file->pending = 1;
}

static uint64_t wanted_inode;
static int found_fd;

static int open_wanted(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)at;
    if (type == FTW_F && (uint64_t)st->st_ino == wanted_inode) {
        found_fd = open(path, O_RDONLY | O_CLOEXEC);
        return 1;
    }
    return 0;
}

void *disk_file_read(const struct disk_file *file)
{
    void *bytes = calloc(1, DISK_FILE_BYTES);
    CHECK(bytes != NULL);
    wanted_inode = file->inode;
    found_fd = -1;
    nftw(temp_directory(), open_wanted, 16, FTW_PHYS);
    if (found_fd >= 0) {
        CHECK(pread(found_fd, bytes, DISK_FILE_BYTES, 0) >= 0);
        close(found_fd);
    }
    return bytes;
}
