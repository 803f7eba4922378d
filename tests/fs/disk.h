/* SPDX-License-Identifier: MIT */
/* A small file system of the chosen type, for one case: mounted in a namespace of the case's own,
 * gone with its process. */
#ifndef FS_DISK_H
#define FS_DISK_H

#include <stdint.h>
#include <tests/support/temp.h>

enum disk_type { DISK_TMPFS, DISK_EXT4, DISK_XFS, DISK_BTRFS };

/* 1 when the name is one of the types. */
int disk_choose(const char *name);
enum disk_type disk_type(void);

/* Makes and mounts it; ends the case as skipped where that cannot be. options: for mount, or NULL.
 */
void disk_mount(const char *options);

/* The path of name on it, into buffer (TEMP_PATH_MAX bytes), which is returned. */
char *disk_path(char *buffer, const char *name);

/* A file that takes bytes, or with UINT64_MAX all that is left. */
void disk_take(const char *name, uint64_t bytes);
/* Removes such a file; the space is there again when this returns. */
void disk_give(const char *name);
/* Writes all that is dirty to the device. */
void disk_sync(void);
/* Names on the disk but for lost+found, in all directories. */
int disk_names(void);
/* Bytes written to the device up to now. Not on tmpfs, nor btrfs. */
uint64_t disk_written(void);

/* Runs a command line in the disk's root: 1 when it succeeds. */
int disk_run(const char *command);

#endif
