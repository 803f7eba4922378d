/* SPDX-License-Identifier: MIT */
/*
 * What a file system may do to blocks that were allocated: share them with a copy, or write
 * elsewhere what is stored into them. Either needs new blocks when the disk is full, and a store
 * through a mapping would then raise SIGBUS. Results are 0, a QUIRE_* code or -errno.
 */
#ifndef QR_FS_H
#define QR_FS_H

#include <stdint.h>

/*
 * For a new directory or an empty file: on btrfs, makes sure that stores go to the blocks that
 * are there (NOCOW), which files inherit from their directory. -EOPNOTSUPP when that cannot be
 * had. Other file systems have no such flag and pass.
 */
int qr_fs_forbid_copy(int fd);

/* Begins to write what is dirty, and waits for nothing: a sync later finds less to do. */
void qr_fs_begin_write(int fd);

/*
 * For a file of size bytes that nobody has mapped for writing: makes sure that every block is
 * allocated and belongs to this file alone. Holes are filled; shared blocks get a copy of their
 * own, by the file system or, where it cannot, by writing the same bytes again. A file system that
 * does not tell (FIEMAP) is taken as it is. QUIRE_ENOSPC, QUIRE_ESHARED, -errno.
 */
int qr_fs_own_blocks(int fd, uint64_t size);
/* The same, but holes stay: whoever stores there allocates first. */
int qr_fs_unshare(int fd, uint64_t size);

/* What qr_fs_look finds. */
enum qr_fs_found {
    QR_FS_SHARED = 1, /* a copy or snapshot has some of the blocks, too */
    QR_FS_SPARSE = 2, /* holes */
    QR_FS_COPIED = 4  /* stores are written elsewhere: btrfs without NOCOW */
};
/* Looks at a file as it is, and mends nothing: an or of the above, or -errno (-EOPNOTSUPP: the file
 * system does not tell). */
int qr_fs_look(int fd, uint64_t size);

#endif
