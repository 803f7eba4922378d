/* SPDX-License-Identifier: MIT */
/* What the machine and a place on it do for a channel. */
#define _GNU_SOURCE
#include <quire/doctor.h>

#include <errno.h>
#include <fcntl.h>
#include <lib/wait.h>
#include <pages/engine.h>
#include <pages/fs.h>
#include <pages/fs_facts.h>
#include <pages/io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* One list each of the words that the storage layer and the public have for the same. */
static const uint32_t engines[] = {
    [QR_ENGINE_AUTO] = QUIRE_ENGINE_AUTO,
    [QR_ENGINE_URING] = QUIRE_ENGINE_URING,
    [QR_ENGINE_THREADS] = QUIRE_ENGINE_THREADS,
};
static const uint32_t blockers[] = {
    [QR_BLOCKER_NONE] = QUIRE_BLOCKER_NONE,       [QR_BLOCKER_SYSCTL] = QUIRE_BLOCKER_SYSCTL,
    [QR_BLOCKER_SECCOMP] = QUIRE_BLOCKER_SECCOMP, [QR_BLOCKER_MEMLOCK] = QUIRE_BLOCKER_MEMLOCK,
    [QR_BLOCKER_KERNEL] = QUIRE_BLOCKER_KERNEL,   [QR_BLOCKER_OTHER] = QUIRE_BLOCKER_OTHER,
    [QR_BLOCKER_ASKED] = QUIRE_BLOCKER_NONE,
};
static const uint32_t trusts[] = {
    [QR_FS_BELIEVED] = QUIRE_SYNC_BELIEVED,
    [QR_FS_UNKNOWN] = QUIRE_SYNC_UNKNOWN,
    [QR_FS_IGNORED] = QUIRE_SYNC_IGNORED,
    [QR_FS_MEMORY] = QUIRE_SYNC_MEMORY,
};

static void look_at_engines(struct quire_doctor *d)
{
    struct qr_engine_report report;
    struct qr_engine *engine;
    d->uring_error = qr_engine_probe(&report);
    d->uring_blocker = blockers[report.blocker];
    (void)snprintf(d->uring_reason, sizeof(d->uring_reason), "%s", report.reason);
    int rc = qr_engine_open(QR_ENGINE_AUTO, &engine, &report);
    if (rc == 0)
        qr_engine_close(engine);
    else /* as quire_open: a word that is no engine's name is no refusal */
        d->engine_error = report.error != 0 ? QUIRE_EENGINE : rc;
    d->engine = engines[report.kind];
    const char *value = secure_getenv("QUIRE_ENGINE");
    if (value != NULL && strcmp(value, "uring") == 0)
        d->asked = QUIRE_ENGINE_URING;
    else if (value != NULL && strcmp(value, "threads") == 0)
        d->asked = QUIRE_ENGINE_THREADS;
}

/* The number behind a name in the text of /proc/meminfo; 0 when it is not there. */
static uint64_t number_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void look_at_memory(struct quire_doctor *d)
{
    char text[4096];
    struct rlimit limit;
    d->memlock_bytes = UINT64_MAX;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        d->memlock_bytes = limit.rlim_cur;
    int fd = qr_io_open(AT_FDCWD, "/proc/meminfo", O_RDONLY, 0);
    if (fd < 0)
        return;
    ssize_t got = qr_io_pread(fd, text, sizeof text - 1, 0);
    qr_io_close(fd);
    text[got > 0 ? got : 0] = '\0';
    d->huge_page_bytes = number_of(text, "\nHugepagesize:") * 1024;
    d->huge_pages = number_of(text, "\nHugePages_Total:");
    d->huge_pages_free = number_of(text, "\nHugePages_Free:");
}

static void look_at_machine(struct quire_doctor *d)
{
    struct utsname name;
    if (uname(&name) == 0)
        (void)snprintf(d->kernel, sizeof(d->kernel), "%s", name.release);
    d->membarrier = qr_membarrier_register() == 0;
    look_at_engines(d);
    look_at_memory(d);
}

/* One file of a channel. One that is gone by now was given back. size: what of it must be there;
 * the rest may have holes. */
static void look_at_file(struct quire_doctor *d, int dirfd, const char *name, uint64_t size)
{
    struct stat info;
    int fd = qr_io_open(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd == -ENOENT)
        return;
    int found = fd < 0 ? fd : qr_io_fstat(fd, &info);
    if (found == 0)
        found = S_ISREG(info.st_mode) ? qr_fs_look(fd, (uint64_t)info.st_size) : -EINVAL;
    int holes = found >= 0 && (uint64_t)info.st_size > size ? qr_fs_look(fd, size) : found;
    if (fd >= 0)
        qr_io_close(fd);
    d->files++;
    if (found < 0) {
        d->files_unknown++;
        return;
    }
    d->files_shared += (found & QR_FS_SHARED) != 0;
    d->files_sparse += holes >= 0 && (holes & QR_FS_SPARSE) != 0;
    d->copy_on_write |= (found & QR_FS_COPIED) != 0;
}

static void look_at_files(struct quire_doctor *d, int channel, const char *folder,
                          const char *suffix, uint64_t size)
{
    DIR *directory;
    if (qr_io_opendir(channel, folder, &directory) < 0) {
        d->files_unknown++;
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name), tail = strlen(suffix);
        if (length > tail && strcmp(entry->d_name + length - tail, suffix) == 0)
            look_at_file(d, dirfd(directory), entry->d_name, size);
    }
    closedir(directory);
}

static int is_channel(int fd)
{
    int control = qr_io_open(fd, "control", O_PATH | O_NOFOLLOW, 0);
    if (control < 0)
        return 0;
    qr_io_close(control);
    return 1;
}

static void look_at_place(struct quire_doctor *d, int fd)
{
    int copies;
    d->place = is_channel(fd) ? QUIRE_PLACE_CHANNEL : QUIRE_PLACE_DIRECTORY;
    d->allocate_error = qr_fs_try_allocate(fd, &copies);
    if (d->place == QUIRE_PLACE_DIRECTORY) {
        d->copy_on_write = copies != 0;
        return;
    }
    look_at_file(d, fd, "control", UINT64_MAX);
    look_at_files(d, fd, "pages", ".page", UINT64_MAX);
    /* Lease zones are made as they are needed. */
    look_at_files(d, fd, "groups", ".group", QR_BLOCK);
}

static int look_at_path(struct quire_doctor *d, const char *path)
{
    struct qr_fs_facts facts;
    int fd = qr_io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -ENOENT ? QUIRE_ENOENT : fd == -EACCES || fd == -EPERM ? QUIRE_EPERM : fd;
    int rc = qr_fs_facts(fd, &facts);
    if (rc == 0) {
        d->sync = trusts[facts.trust];
        memcpy(d->file_system, facts.name, sizeof(d->file_system));
        memcpy(d->sync_option, facts.option, sizeof(d->sync_option));
        d->bytes = facts.bytes;
        d->free_bytes = facts.free_bytes;
        d->read_only = facts.read_only != 0;
        look_at_place(d, fd);
    }
    qr_io_close(fd);
    return rc;
}

int quire_doctor(const char *path, struct quire_doctor *d)
{
    if (d == NULL)
        return QUIRE_EINVAL;
    memset(d, 0, sizeof(*d));
    look_at_machine(d);
    return path != NULL ? look_at_path(d, path) : 0;
}
