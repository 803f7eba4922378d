/* SPDX-License-Identifier: MIT */
/* What the files of the store share; nobody else includes it. */
#ifndef QR_STORE_INTERNAL_H
#define QR_STORE_INTERNAL_H

#include <pages/store.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

struct stat;

#define QR_CONTROL_NAME    "control"
#define QR_PAGES_NAME      "pages"
#define QR_GROUPS_NAME     "groups"
#define QR_QUARANTINE_NAME "quarantine"

/* "00000.page" and its end; "NAME.group" and its end. */
#define QR_FRAME_NAME_SIZE  16u
#define QR_GROUP_SUFFIX     ".group"
#define QR_GROUP_FILE_SIZE  (QR_GROUP_NAME + sizeof QR_GROUP_SUFFIX)
#define QR_TEMPORARY_PREFIX ".tmp-" /* never a valid group name */

#define QR_HUGE_BYTES (2u << 20) /* the unit of huge pages that is asked for */

enum qr_backing {
    QR_BACKING_DIRECTORY,
    QR_BACKING_MEMORY,
    QR_BACKING_MEMORY_ADVISED, /* MADV_HUGEPAGE was accepted */
    QR_BACKING_MEMORY_HUGETLB
};

/* frame is written before mapped is set and never afterwards. */
struct qr_frame_entry {
    struct qr_frame frame;
    qr_atomic_u32 mapped;
    qr_atomic_u32 fd_plus_one; /* to sync its file; 0: not opened yet. Set under map_lock */
};

/* A group of a memory channel; lives as long as the store. */
struct qr_memory_group {
    struct qr_memory_group *next;
    struct qr_group_block *block;
    char name[QR_GROUP_NAME];
};

struct qr_store {
    struct qr_store_view view;
    struct qr_superblock sb;
    enum qr_backing backing;
    uint64_t closed_claim;
    mode_t mode;    /* of later files */
    int control_fd; /* holds the lock */
    int pages_fd;   /* directory pages/, or the memfd of all frames */
    int groups_fd;  /* directory groups/, or the memfd of all groups */
    void *control;
    struct qr_claim_line *claims;  /* in control, sb.frames_cap */
    struct qr_frame_entry *frames; /* sb.frames_cap; untouched parts cost nothing */
    uint64_t map_bytes;            /* of one frame's mapping; in memory also their distance */
    pthread_mutex_t map_lock;      /* directory: mapping a frame; memory: growing the memfd */
    uint64_t memory_bytes;         /* memory: size of the frames' memfd, under map_lock */
    pthread_mutex_t group_lock;    /* making and opening groups, and the list */
    struct qr_memory_group *groups;
    struct qr_memory_group *groups_last;
    uint64_t groups_count;
};

/* -errno as the code a caller of the store gets. */
int qr_store_error(int rc);
/* Random bytes from the kernel: 0 or -errno. */
int qr_random(void *out, size_t size);
/* A uuid and the time of creation. */
int qr_superblock_identify(struct qr_superblock *sb);

/* An empty store that qr_store_free() takes, or NULL. */
struct qr_store *qr_store_new(uint64_t closed_claim);
/* Unmaps, closes and frees; leaves the files alone. */
void qr_store_free(struct qr_store *store);
/* Maps the control file and sets up view and frames; sb and control_fd are set. */
int qr_store_attach(struct qr_store *store, int read_only);

/* Allocates the control file and writes all of it; frames below frames_made are FREE. */
int qr_control_write(int fd, const struct qr_superblock *sb, uint32_t frames_made,
                     uint64_t closed_claim);
/* Reads and checks the superblocks; repairs a damaged copy unless read_only. */
int qr_control_read(int fd, struct qr_superblock *sb, int read_only);

/*
 * Opens a file that must be a regular one, without following a link or waiting for a device, and
 * says what it is. flags: O_RDONLY or O_RDWR. -ENOENT as it is; QUIRE_EBADFILE when it is not a
 * regular file. Returns the descriptor.
 */
int qr_file_open(int dirfd, const char *name, int flags, struct stat *st);
/* Reads exactly one block: 0, QUIRE_EBADFILE when the file ends before, -errno. */
int qr_block_read(int fd, void *block, uint64_t offset);
/* Calls each(context, name) for every name in a directory until it returns non-zero. */
int qr_directory_list(int dirfd, int (*each)(void *context, const char *name), void *context);

void qr_frame_name(char out[QR_FRAME_NAME_SIZE], uint32_t frame);
/* The frame that a file name stands for; -1 when it is no page file's. */
int64_t qr_frame_of_name(const char *name);
/* Makes a new page file, empty: its descriptor. -EEXIST; on failure there is no new file. */
int qr_frame_file_create(int pages_fd, uint32_t frame, mode_t mode);
/* Writes the header of a new frame. */
int qr_frame_file_header(int fd, const struct qr_superblock *sb, uint32_t frame);
/* 0 when fd is what the frame's file should be, else QUIRE_EBADFILE or -errno. */
int qr_frame_file_check(int fd, const struct stat *st, const struct qr_superblock *sb,
                        uint32_t frame);
/* Opens the file of an existing frame and checks it: its descriptor, QUIRE_EBADFILE, -errno. */
int qr_frame_file_open(const struct qr_store *store, uint32_t frame, int flags);

/* Maps map_bytes of fd with the advice for the backing; touches nothing. */
int qr_frame_map_only(const struct qr_store *store, int fd, uint64_t offset, void **mapping);
/* Puts a mapping into entry, not yet for others to see. */
void qr_frame_fill(const struct qr_store *store, struct qr_frame_entry *entry, void *mapping);
/* Shows a mapped entry to everybody. */
void qr_frame_publish(struct qr_frame_entry *entry);
int qr_frame_is_mapped(const struct qr_frame_entry *entry);
/* Begins to read a range of a file: in large requests, but into pages of 4 KiB even where
 * read-ahead would make larger ones. Populating block by block takes 16 times as long. */
void qr_read_ahead(void *address, uint64_t size);
/* Faults a range in for writing, so that no later store can fail. */
int qr_populate(void *address, uint64_t size);
/* Closes the descriptor that qr_store_frame_fd() keeps. The caller owns the frame. */
void qr_frame_fd_forget(struct qr_store *store, uint32_t frame);
/* Where the index and data of a frame are: all of it that is ever given back. */
void qr_frame_body(const struct qr_store *store, uint32_t frame, uint64_t *offset, uint64_t *size);

/* Makes sure that no group file shares its blocks; before any is mapped. */
int qr_group_own_blocks(struct qr_store *store);
/* Unlinks group files that were never completed. */
void qr_group_sweep(struct qr_store *store);

#endif
