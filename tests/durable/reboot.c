/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tests/durable/disk_file.h>
#include <tests/durable/reboot.h>
#include <tests/support/harness.h>
#include <tests/support/random.h>
#include <tests/support/temp.h>
#include <unistd.h>

struct reboot {
    const char *path;
    struct random random;
    int mixed;
};

static void make_directory(const char *path, const char *name)
{
    char full[TEMP_PATH_MAX * 2];
    snprintf(full, sizeof(full), "%s/%s", path, name);
    CHECK_EQ(mkdir(full, 0700), 0);
}

/* Blocks that were stored after the last sync began may have been written, too. */
static void mix(struct reboot *reboot, const struct disk_file *file, unsigned char *bytes)
{
    unsigned char *now = disk_file_read(file);
    for (uint64_t at = 0; at < file->disk_size; at += QR_BLOCK) {
        uint64_t size = file->disk_size - at < QR_BLOCK ? file->disk_size - at : QR_BLOCK;
        if (random_below(&reboot->random, 2)) {
            memcpy(bytes + at, now + at, size);
        }
    }
    free(now);
}

static void write_file(const struct disk_file *file, void *context)
{
    static const char *const folders[DISK_KINDS] = {
        [DISK_PAGE] = "pages", [DISK_CONTROL] = ".", [DISK_GROUP] = "groups"};
    static unsigned char bytes[DISK_FILE_BYTES];
    struct reboot *reboot = context;
    char path[TEMP_PATH_MAX * 2];
    if (!folders[file->kind] || !file->named || file->name[0] == '.') {
        return;
    }
    CHECK(file->synced);
    memcpy(bytes, file->disk, file->disk_size);
    if (reboot->mixed) {
        mix(reboot, file, bytes);
    }
    if (file->kind == DISK_CONTROL) { /* of a boot that is over */
        memset(bytes + QR_LIVE_OFFSET + offsetof(struct qr_live, boot_id), 0xa5, 16);
    }
    snprintf(path, sizeof(path), "%s/%s/%s", reboot->path, folders[file->kind], file->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, bytes, file->disk_size, 0), file->disk_size);
    close(fd);
}

void reboot_write(const char *path, uint64_t seed)
{
    struct reboot reboot = {.path = path, .random = {seed}, .mixed = seed != 0};
    CHECK_EQ(mkdir(path, 0700), 0);
    make_directory(path, "pages");
    make_directory(path, "groups");
    make_directory(path, "quarantine");
    disk_visit(write_file, &reboot);
}
