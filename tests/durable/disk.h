/* SPDX-License-Identifier: MIT */
/*
 * What a power loss would leave of one channel, at least: of every file the bytes that the kernel
 * had when the last sync began that succeeded, under the names that the last sync of their
 * directory saw. What was stored later may be on the disk too, and is not counted.
 *
 * The record lies in memory that is shared with children, so that it outlives a process that is
 * killed. One channel at a time, below temp_directory(), from its creation on.
 */
#ifndef TEST_DURABLE_DISK_H
#define TEST_DURABLE_DISK_H

#include <pages/base/atomic.h>
#include <stddef.h>
#include <stdint.h>

enum disk_kind { DISK_OTHER, DISK_PAGE, DISK_CONTROL, DISK_GROUP, DISK_NAMES, DISK_KINDS };

/* Begins to watch all syncs of this process and of children that are forked from it. */
void disk_begin(void);
void disk_end(void);
/* Called in each sync before it is recorded, in the thread that makes it; NULL: nobody. Set while
 * no sync is under way. */
void disk_set_hook(void (*hook)(enum disk_kind kind, int phase));

/* A figure of the test's that only grows: each file is recorded with what it was when the sync
 * began. Set while no sync is under way; NULL: none. */
void disk_set_mark(const qr_atomic_u64 *mark);
/* Between these two no sync begins, so that a figure and what it counts change together. */
void disk_hold(void);
void disk_let_go(void);
/* The mark that the youngest file of the kind is on the disk with. */
uint64_t disk_mark(enum disk_kind kind);

/* Syncs of a kind of file that began (phase 0) or succeeded (phase 1) since disk_begin. */
uint64_t disk_syncs(enum disk_kind kind, int phase);

/*
 * NULL when the disk holds the message, whole and where it is to be found: content_fill(stream,
 * number) of size bytes at position; else what is missing. A position whose page was given to
 * somebody else meanwhile is held by nobody, and nothing is missing.
 */
const char *disk_lacks(uint64_t position, uint64_t stream, uint64_t number, size_t size);
/* The same for a void. */
const char *disk_lacks_void(uint64_t position);

struct disk_file;
/* Calls visit for each file; none of them changes meanwhile. */
void disk_visit(void (*visit)(const struct disk_file *file, void *context), void *context);

#endif
