/* SPDX-License-Identifier: MIT */
/* The power-loss recorder. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <lib/slot.h>
#include <pages/base/checksum.h>
#include <pages/io.h>
#include <pthread.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tests/durable/disk.h>
#include <tests/durable/disk_file.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>

struct record {
    pthread_mutex_t lock;
    qr_atomic_u64 syncs[DISK_KINDS][2];
    uint32_t count;
    uint64_t stamp;
    struct disk_file files[DISK_FILES];
};

static struct record *record;
static void (*hook)(enum disk_kind kind, int phase);
static const qr_atomic_u64 *mark;

static void lock(void)
{
    /* A child may have been killed with the lock: it was at a copy, which is of no use then. */
    if (pthread_mutex_lock(&record->lock) == EOWNERDEAD) {
        pthread_mutex_consistent(&record->lock);
    }
}

static void unlock(void)
{
    pthread_mutex_unlock(&record->lock);
}

static struct disk_file *file_of_inode(uint64_t inode)
{
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->files[i].inode == inode) {
            return &record->files[i];
        }
    }
    return NULL;
}

/* The record of the inode; begun anew when that has been used again, for another kind of file. */
static struct disk_file *file_for(uint64_t inode, enum disk_kind kind, const char *name)
{
    struct disk_file *file = file_of_inode(inode);
    if (file && file->kind == kind) {
        return file;
    }
    if (!file) {
        CHECK(record->count < DISK_FILES);
        file = &record->files[record->count++];
    }
    file->inode = inode;
    file->kind = kind;
    file->pending = file->synced = file->named = 0;
    file->disk_mark = 0;
    memcpy(file->name, name, sizeof(file->name));
    return file;
}

/* The file behind fd; NULL: none of the channel's. */
static struct disk_file *file_of(int fd)
{
    static struct disk_file fresh;
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    if (!disk_file_identify(&fresh, fd)) {
        return NULL;
    }
    return file_for((uint64_t)st.st_ino, fresh.kind, fresh.name);
}

/* The names in a directory are on the disk now, and no others: those of its copy. */
static void names_synced(const struct disk_file *directory)
{
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->files[i].parent == directory->inode) {
            record->files[i].named = 0;
        }
    }
    for (size_t at = 0; at < directory->disk_size; at += sizeof(struct disk_name)) {
        struct disk_name name;
        memcpy(&name, directory->disk + at, sizeof(name));
        enum disk_kind kind = disk_file_kind(directory->name, name.name);
        if (kind == DISK_OTHER) {
            continue; /* or a directory */
        }
        struct disk_file *file = file_for(name.inode, kind, name.name);
        file->named = 1;
        file->parent = directory->inode;
        memcpy(file->name, name.name, sizeof(file->name));
    }
}

static void synced(struct disk_file *file)
{
    if (!file->pending) {
        return;
    }
    memcpy(file->disk, file->begun, file->begun_size);
    file->disk_size = file->begun_size;
    file->disk_mark = file->begun_mark;
    file->pending = 0;
    file->synced = 1;
    if (file->kind == DISK_NAMES) {
        names_synced(file);
    }
}

static void watch(void *context, int fd, int phase)
{
    (void)context;
    lock();
    struct disk_file *file = file_of(fd);
    unlock();
    if (!file) {
        return;
    }
    qr_add_relaxed(&record->syncs[file->kind][phase], 1u); /* relaxed: a figure */
    if (hook) {
        hook(file->kind, phase);
    }
    lock();
    if (phase == 0) {
        file->stamp = ++record->stamp;
        file->begun_mark = mark ? qr_load_acquire(mark) : 0; /* with what it counts */
        disk_file_copy(file, fd);
    } else {
        synced(file);
    }
    unlock();
}

void disk_set_hook(void (*wanted)(enum disk_kind kind, int phase))
{
    hook = wanted;
}

void disk_set_mark(const qr_atomic_u64 *wanted)
{
    mark = wanted;
}

void disk_hold(void)
{
    lock();
}

void disk_let_go(void)
{
    unlock();
}

void disk_begin(void)
{
    pthread_mutexattr_t attributes;
    void *at = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(at != MAP_FAILED);
    record = at;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    CHECK_EQ(pthread_mutex_init(&record->lock, &attributes), 0);
    pthread_mutexattr_destroy(&attributes);
    qr_io_set_sync_watch(watch, NULL);
}

void disk_end(void)
{
    qr_io_set_sync_watch(NULL, NULL);
    hook = NULL;
    mark = NULL;
    munmap(record, sizeof(*record));
    record = NULL;
}

uint64_t disk_syncs(enum disk_kind kind, int phase)
{
    return qr_load_relaxed(&record->syncs[kind][phase]); /* relaxed: a figure */
}

/* --- is it there? -------------------------------------------------------------------------- */

/* The youngest: a channel that could not be made may have left others. */
static struct disk_file *youngest(enum disk_kind kind, uint32_t frame)
{
    struct disk_file *found = NULL;
    for (uint32_t i = 0; i < record->count; i++) {
        struct disk_file *file = &record->files[i];
        if (file->kind != kind || (found && found->stamp > file->stamp)) {
            continue;
        }
        if (kind != DISK_PAGE || strtoul(file->name, NULL, 10) == frame) {
            found = file;
        }
    }
    return found;
}

uint64_t disk_mark(enum disk_kind kind)
{
    lock();
    const struct disk_file *file = youngest(kind, 0);
    uint64_t marked = file ? file->disk_mark : 0;
    unlock();
    return marked;
}

void disk_visit(void (*visit)(const struct disk_file *file, void *context), void *context)
{
    lock();
    for (uint32_t i = 0; i < record->count; i++) {
        visit(&record->files[i], context);
    }
    unlock();
}

static uint64_t word_at(const void *base, uint64_t offset)
{
    uint64_t word;
    memcpy(&word, (const char *)base + offset, sizeof(word));
    return word;
}

/* The frame that a control file names for a page; -1: none. */
static int64_t frame_of(const void *control, uint64_t page_no)
{
    struct qr_superblock sb;
    memcpy(&sb, control, sizeof(sb));
    if (sb.directory_size == 0) {
        return -1;
    }
    uint64_t entry = word_at(control, sb.directory_offset + page_no % sb.directory_size * 8);
    uint32_t frame = qr_dirent_frame(entry);
    if (entry == QR_DIRENT_NONE || qr_dirent_page(entry) != page_no || frame >= sb.frames_cap) {
        return -1;
    }
    return qr_life_page(word_at(control, sb.life_offset + frame * 8ull)) == page_no ? (int64_t)frame
                                                                                    : -1;
}

/* Copies out the frame that must hold the page. What is missing, or NULL. */
static const char *find_frame(uint64_t page_no, struct qr_superblock *sb, struct disk_file **frame)
{
    struct disk_file *control = youngest(DISK_CONTROL, 0);
    if (!control || !control->synced) {
        return "the control file was never synced";
    }
    if (!control->named) {
        return "the control file has no name";
    }
    memcpy(sb, control->disk, sizeof(*sb));
    int64_t id = frame_of(control->disk, page_no);
    if (id < 0) {
        return "the control file names no frame for the page";
    }
    *frame = youngest(DISK_PAGE, (uint32_t)id);
    if (!*frame || !(*frame)->named) {
        return "the frame's file has no name";
    }
    if (!(*frame)->synced || (*frame)->disk_size < sb->frame_bytes) {
        return "the frame's file was never synced";
    }
    uint64_t held = word_at((*frame)->disk, offsetof(struct qr_frame_header, page_no));
    return held == page_no ? NULL : "the frame does not say that it holds the page";
}

static const char *look(uint64_t position, const void *wanted, size_t size)
{
    struct qr_superblock sb;
    struct disk_file *frame;
    struct qr_record head;
    uint64_t page_no = QUIRE_PAGE_OF(position);
    const char *lack = find_frame(page_no, &sb, &frame);
    if (lack) {
        return lack;
    }
    uint64_t word = word_at(frame->disk, QR_BLOCK + QUIRE_SLOT_OF(position) * 8ull);
    if (!qr_slot_is(word, qr_slot_tag(page_no))) {
        return "the slot is not published";
    }
    if (!wanted) {
        return qr_slot_offset(word) == QR_SLOT_VOID ? NULL : "the slot is no void";
    }
    uint64_t offset = sb.data_offset + qr_slot_offset(word) * 8ull;
    if (offset + sizeof(head) + size > sb.frame_bytes) {
        return "the slot points out of the frame";
    }
    memcpy(&head, frame->disk + offset, sizeof(head));
    if (head.length != size) {
        return "the record has another length";
    }
    if (head.crc != qr_record_crc(position, head.length, frame->disk + offset + sizeof(head))) {
        return "the checksum is another";
    }
    return memcmp(frame->disk + offset + sizeof(head), wanted, size) == 0
               ? NULL
               : "the payload is another";
}

/* Does the channel, as it is in memory, still hold the page? */
static int held_now(uint64_t page_no)
{
    struct disk_file *control = youngest(DISK_CONTROL, 0);
    if (!control) {
        return 1;
    }
    void *now = disk_file_read(control);
    int held = frame_of(now, page_no) >= 0;
    free(now);
    return held;
}

static const char *lacks(uint64_t position, const void *wanted, size_t size)
{
    lock();
    const char *lack = look(position, wanted, size);
    if (lack && !held_now(QUIRE_PAGE_OF(position))) {
        lack = NULL;
    }
    unlock();
    return lack;
}

const char *disk_lacks(uint64_t position, uint64_t stream, uint64_t number, size_t size)
{
    unsigned char wanted[QUIRE_PAGE_SIZE_MIN];
    CHECK(size <= sizeof(wanted));
    content_fill(wanted, size, stream, number);
    return lacks(position, wanted, size);
}

const char *disk_lacks_void(uint64_t position)
{
    return lacks(position, NULL, 0);
}
