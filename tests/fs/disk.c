/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <tests/fs/disk.h>
#include <tests/support/harness.h>
#include <unistd.h>

#define COMMAND_MAX (4 * TEMP_PATH_MAX)

/* No mkfs makes a smaller one, or none that is of use. */
static const struct {
    const char *name;
    unsigned mib;
    const char *mkfs;
} types[] = {
    [DISK_TMPFS] = {"tmpfs", 24, NULL},
    [DISK_EXT4] = {"ext4", 64, "mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0"},
    [DISK_XFS] = {"xfs", 320, "mkfs.xfs -q -m reflink=1"},
    [DISK_BTRFS] = {"btrfs", 256, "mkfs.btrfs -q"},
};
static enum disk_type chosen;
static char root[TEMP_PATH_MAX];

int disk_choose(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) == 0) {
            chosen = (enum disk_type)i;
            return 1;
        }
    }
    return 0;
}

enum disk_type disk_type(void)
{
    return chosen;
}

/* 1 when the command line succeeds. */
static int shell(const char *line)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void mount_image(const char *options)
{
    char image[TEMP_PATH_MAX];
    char command[COMMAND_MAX];
    temp_path(image, "image");
    int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)types[chosen].mib << 20) == 0);
    close(fd);
    snprintf(command, sizeof command, "%s %s >/dev/null 2>&1", types[chosen].mkfs, image);
    if (!shell(command))
        test_skip("mkfs for this type is not installed, or refuses");
    snprintf(command, sizeof command, "mount -t %s -o loop%s%s %s %s 2>/dev/null",
             types[chosen].name, options ? "," : "", options ? options : "", image, root);
    if (!shell(command))
        test_skip("loop mounts are not allowed here");
}

void disk_mount(const char *options)
{
    temp_path(root, "disk");
    CHECK(mkdir(root, 0700) == 0);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        test_skip("needs the right to mount");
    if (chosen != DISK_TMPFS) {
        mount_image(options);
        return;
    }
    char size[32];
    snprintf(size, sizeof size, "size=%um", types[chosen].mib);
    if (mount("tmpfs", root, "tmpfs", 0, size) < 0)
        test_skip("needs the right to mount");
}

char *disk_path(char *buffer, const char *name)
{
    int size = snprintf(buffer, TEMP_PATH_MAX, "%s/%s", root, name);
    CHECK(size > 0 && size < TEMP_PATH_MAX);
    return buffer;
}

static int take(int fd, uint64_t from, uint64_t bytes)
{
    return fallocate(fd, 0, (off_t)from, (off_t)bytes) == 0 ? 0 : errno;
}

/* All that is left: large pieces, then ever smaller ones. Twice, since space that was promised to
 * dirty pages comes back when they are written. */
static void take_all(int fd)
{
    uint64_t at = 0;
    for (int round = 0; round < 2; round++) {
        for (uint64_t piece = 16u << 20; piece >= 4096; piece /= 2)
            while (take(fd, at, piece) == 0)
                at += piece;
        disk_sync();
    }
    CHECK_EQ(take(fd, at, 4096), ENOSPC);
}

void disk_take(const char *name, uint64_t bytes)
{
    char path[TEMP_PATH_MAX];
    int fd = open(disk_path(path, name), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    if (bytes == UINT64_MAX)
        take_all(fd);
    else
        CHECK_EQ(take(fd, 0, bytes), 0);
    close(fd);
}

void disk_give(const char *name)
{
    char path[TEMP_PATH_MAX];
    CHECK(unlink(disk_path(path, name)) == 0);
    disk_sync(); /* xfs and btrfs give blocks back with the transaction */
}

void disk_sync(void)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0 && syncfs(fd) == 0);
    close(fd);
}

static int names;
static int count_name(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    names += at->level > 0 && strcmp(path + at->base, "lost+found") != 0;
    return 0;
}

int disk_names(void)
{
    names = 0;
    CHECK(nftw(root, count_name, 16, FTW_PHYS) == 0);
    return names;
}

uint64_t disk_written(void)
{
    struct stat st;
    char text[256];
    CHECK(stat(root, &st) == 0);
    snprintf(text, sizeof text, "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    FILE *file = fopen(text, "re");
    CHECK(file != NULL && fgets(text, sizeof text, file) != NULL);
    fclose(file);
    char *field = text;
    for (int i = 0; i < 6; i++) /* the seventh counts sectors written */
        (void)strtoull(field, &field, 10);
    return strtoull(field, NULL, 10) * 512;
}

int disk_run(const char *command)
{
    char line[COMMAND_MAX];
    snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", root, command);
    return shell(line);
}
