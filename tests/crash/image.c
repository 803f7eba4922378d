/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tests/crash/image.h>
#include <tests/support/harness.h>
#include <tests/support/temp.h>
#include <unistd.h>

#define FILES_MAX 64u
#define NAME_SIZE 320u

struct file {
    char name[NAME_SIZE]; /* below the channel's directory */
    ino_t inode;
    size_t size;
    unsigned char *map;  /* as it is */
    unsigned char *look; /* as it was */
    int there;           /* met in this scan */
};

struct image {
    char path[TEMP_PATH_MAX];
    struct file file[FILES_MAX];
    size_t files;
};

static const char *const folders[] = {"", "pages", "groups"};
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

static void forget(struct file *file)
{
    if (file->size) {
        CHECK_EQ(munmap(file->map, file->size), 0);
    }
    free(file->look);
    memset(file, 0, sizeof(*file));
}

static struct file *find(struct image *image, const char *name, const struct stat *st)
{
    for (size_t i = 0; i < image->files; i++) {
        struct file *file = &image->file[i];
        if (strcmp(file->name, name) == 0 && file->inode == st->st_ino &&
            file->size == (size_t)st->st_size) {
            return file;
        }
    }
    return NULL;
}

static void add(struct image *image, const char *name, int fd, const struct stat *st)
{
    CHECK(image->files < FILES_MAX);
    struct file *file = &image->file[image->files++];
    memset(file, 0, sizeof(*file));
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->inode = st->st_ino;
    file->size = (size_t)st->st_size;
    file->there = 1;
    if (file->size) {
        file->map = mmap(NULL, file->size, PROT_READ, MAP_SHARED, fd, 0);
        CHECK(file->map != MAP_FAILED);
        file->look = malloc(file->size);
        CHECK(file->look != NULL);
        memcpy(file->look, file->map, file->size);
    }
}

/* 1 when the file is new. */
static int meet(struct image *image, const char *name)
{
    char path[2 * TEMP_PATH_MAX];
    struct stat st;
    struct file *file;
    int fresh = 0;
    snprintf(path, sizeof(path), "%s/%s", image->path, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    if (S_ISREG(st.st_mode)) {
        file = find(image, name, &st);
        if (file) {
            file->there = 1;
        } else {
            add(image, name, fd, &st);
            fresh = 1;
        }
    }
    close(fd);
    return fresh;
}

static int scan_folder(struct image *image, const char *folder)
{
    char path[2 * TEMP_PATH_MAX];
    char name[NAME_SIZE];
    struct dirent *entry;
    int fresh = 0;
    snprintf(path, sizeof(path), "%s/%s", image->path, folder);
    DIR *dir = opendir(path);
    if (!dir) {
        return 0;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(name, sizeof(name), "%s%s%s", folder, folder[0] ? "/" : "", entry->d_name);
            fresh |= meet(image, name);
        }
    }
    closedir(dir);
    return fresh;
}

int image_rescan(struct image *image)
{
    int changed = 0;
    for (size_t i = 0; i < image->files; i++) {
        image->file[i].there = 0;
    }
    for (size_t i = 0; i < FOLDERS; i++) {
        changed |= scan_folder(image, folders[i]);
    }
    for (size_t i = 0; i < image->files;) {
        if (image->file[i].there) {
            i++;
            continue;
        }
        forget(&image->file[i]);
        image->file[i] = image->file[--image->files];
        changed = 1;
    }
    return changed;
}

int image_changed(struct image *image)
{
    int changed = 0;
    for (size_t i = 0; i < image->files; i++) {
        struct file *file = &image->file[i];
        if (file->size && memcmp(file->look, file->map, file->size) != 0) {
            memcpy(file->look, file->map, file->size);
            changed = 1;
        }
    }
    return changed;
}

struct image *image_open(const char *path)
{
    struct image *image = calloc(1, sizeof(*image));
    CHECK(image != NULL);
    snprintf(image->path, sizeof(image->path), "%s", path);
    image_rescan(image);
    CHECK(image->files > 0);
    return image;
}

void image_close(struct image *image)
{
    while (image->files) {
        forget(&image->file[--image->files]);
    }
    free(image);
}

void image_write(const struct image *image, const char *path)
{
    char name[2 * TEMP_PATH_MAX];
    for (size_t i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, folders[i]);
        CHECK_EQ(mkdir(name, 0700), 0);
    }
    for (size_t i = 0; i < image->files; i++) {
        const struct file *file = &image->file[i];
        snprintf(name, sizeof(name), "%s/%s", path, file->name);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        CHECK_EQ(write(fd, file->look, file->size), file->size);
        CHECK_EQ(close(fd), 0);
    }
}
