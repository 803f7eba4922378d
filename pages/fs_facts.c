/* SPDX-License-Identifier: MIT */
/* Names, mount options and promises of file systems. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/fs.h>
#include <pages/fs_facts.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

struct kind {
    uint32_t magic;
    enum qr_fs_trust trust;
    const char *name;
};

/* Whatever is not here is not believed. */
static const struct kind kinds[] = {
    {0xef53u, QR_FS_BELIEVED, "ext4"},       {0x58465342u, QR_FS_BELIEVED, "xfs"},
    {0x9123683eu, QR_FS_BELIEVED, "btrfs"},  {0xf2f52010u, QR_FS_BELIEVED, "f2fs"},
    {0x2fc12fc1u, QR_FS_BELIEVED, "zfs"},    {0xca451a4eu, QR_FS_BELIEVED, "bcachefs"},
    {0x3153464au, QR_FS_BELIEVED, "jfs"},    {0x01021994u, QR_FS_MEMORY, "tmpfs"},
    {0x858458f6u, QR_FS_MEMORY, "ramfs"},    {0x958458f6u, QR_FS_MEMORY, "hugetlbfs"},
    {0x794c7630u, QR_FS_UNKNOWN, "overlay"}, {0x6969u, QR_FS_UNKNOWN, "nfs"},
    {0x01021997u, QR_FS_UNKNOWN, "9p"},      {0x65735546u, QR_FS_UNKNOWN, "fuse"},
    {0xff534d42u, QR_FS_UNKNOWN, "cifs"},    {0xfe534d42u, QR_FS_UNKNOWN, "smb3"},
    {0x00c36400u, QR_FS_UNKNOWN, "ceph"},    {0x786f4256u, QR_FS_UNKNOWN, "vboxsf"},
};

/* Mount options under which a sync returns before the device has the data. */
static const char *const hasty[] = {"nobarrier", "fsync_mode=nobarrier", "volatile",
                                    "fsync=volatile"};

static int has_option(const char *options, const char *option)
{
    size_t length = strlen(option);
    for (const char *at = options; (at = strstr(at, option)) != NULL; at += length) {
        char after = at[length];
        if ((at == options || at[-1] == ',') &&
            (after == '\0' || after == ',' || after == '\n' || after == ' '))
            return 1;
    }
    return 0;
}

/* A line of the mount table that is this mount's: takes type and options from it. */
static int read_line(const char *line, uint64_t mount, struct qr_fs_facts *facts)
{
    char name[32], options[1024];
    const char *rest = strstr(line, " - ");
    if (strtoull(line, NULL, 10) != mount || rest == NULL)
        return 0;
    if (sscanf(rest, " - %31s %*s %1023[^\n]", name, options) != 2)
        return 0;
    memcpy(facts->name, name, sizeof name);
    for (size_t i = 0; i < sizeof hasty / sizeof hasty[0]; i++) {
        if (facts->trust == QR_FS_MEMORY || !has_option(options, hasty[i]))
            continue;
        facts->trust = QR_FS_IGNORED;
        (void)snprintf(facts->option, sizeof facts->option, "%s", hasty[i]);
    }
    return 1;
}

/* Without a mount table, or the mount's number, the type's own name stays. */
static void read_mount(int fd, struct qr_fs_facts *facts)
{
    struct statx info;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0 || !(info.stx_mask & STATX_MNT_ID))
        return;
    FILE *table = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t room = 0;
    while (table != NULL && getline(&line, &room, table) > 0) {
        if (read_line(line, info.stx_mnt_id, facts))
            break;
    }
    free(line);
    if (table != NULL)
        (void)fclose(table);
}

int qr_fs_facts(int fd, struct qr_fs_facts *facts)
{
    struct statvfs room;
    struct statfs type;
    memset(facts, 0, sizeof *facts);
    if (fstatfs(fd, &type) < 0 || fstatvfs(fd, &room) < 0)
        return -errno;
    facts->trust = QR_FS_UNKNOWN;
    (void)snprintf(facts->name, sizeof facts->name, "type %#x", (unsigned)type.f_type);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].magic != (uint32_t)type.f_type)
            continue;
        facts->trust = kinds[i].trust;
        (void)snprintf(facts->name, sizeof facts->name, "%s", kinds[i].name);
    }
    facts->bytes = (uint64_t)room.f_blocks * room.f_frsize;
    facts->free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    facts->read_only = (room.f_flag & ST_RDONLY) != 0;
    read_mount(fd, facts);
    return 0;
}

/* A file in the directory that nobody else sees for longer than this call, or -errno. */
static int open_unseen(int dirfd)
{
    char name[48];
    int fd = qr_io_open(dirfd, ".", O_TMPFILE | O_RDWR, 0600);
    if (fd != -EOPNOTSUPP && fd != -EISDIR && fd != -EINVAL && fd != -ENOENT)
        return fd;
    (void)snprintf(name, sizeof name, ".quire-doctor-%ld", (long)getpid());
    fd = qr_io_open(dirfd, name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd >= 0)
        (void)qr_io_unlink(dirfd, name);
    return fd;
}

int qr_fs_try_allocate(int dirfd, int *copies)
{
    *copies = 0;
    int fd = open_unseen(dirfd);
    if (fd < 0)
        return fd;
    *copies = qr_fs_forbid_copy(fd) != 0;
    int rc = qr_io_fallocate(fd, 0, QR_BLOCK);
    qr_io_close(fd);
    return rc;
}
