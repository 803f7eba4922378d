/* SPDX-License-Identifier: MIT */
/* One file of the power-loss recorder. */
#ifndef TEST_DURABLE_DISK_FILE_H
#define TEST_DURABLE_DISK_FILE_H

#include <pages/format.h>
#include <tests/durable/disk.h>

#define DISK_FILES      192u
#define DISK_FILE_BYTES (384u << 10) /* of the largest, which is the control file */

struct disk_name {
    uint64_t inode;
    char name[88];
};

struct disk_file {
    uint64_t inode;
    uint64_t stamp;  /* of the last sync that began: files that are no more are older */
    uint64_t parent; /* inode of the directory, once named */
    enum disk_kind kind;
    uint32_t pending; /* begun is the copy of a sync under way */
    uint32_t synced;  /* disk is what one that succeeded left */
    uint32_t named;   /* its directory was synced with its name in it */
    char name[88];    /* in its directory */
    uint64_t begun_size;
    uint64_t disk_size;
    uint64_t begun_mark; /* disk_set_mark, before it was copied */
    uint64_t disk_mark;
    /* Of a directory: struct disk_name of each file in it. */
    unsigned char begun[DISK_FILE_BYTES];
    unsigned char disk[DISK_FILE_BYTES];
};

/* Fills in kind and name; 0 when fd is no file below the test's directory. */
int disk_file_identify(struct disk_file *file, int fd);
/* What a file of that name in that directory is. */
enum disk_kind disk_file_kind(const char *directory, const char *name);
/* Into begun, as the kernel has it. */
void disk_file_copy(struct disk_file *file, int fd);
/* The bytes as they are now, DISK_FILE_BYTES of them, to be freed. */
void *disk_file_read(const struct disk_file *file);

#endif
