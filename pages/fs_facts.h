/* SPDX-License-Identifier: MIT */
/* What there is to know of a file system before anything is entrusted to it. Results are 0 or
 * -errno. */
#ifndef QR_FS_FACTS_H
#define QR_FS_FACTS_H

#include <stdint.h>

/* What a sync that succeeded says. */
enum qr_fs_trust {
    QR_FS_BELIEVED, /* the file system waits for its device */
    QR_FS_UNKNOWN,  /* a server, a host or another file system decides */
    QR_FS_IGNORED,  /* mounted so that it does not wait */
    QR_FS_MEMORY    /* the files lie in memory */
};

struct qr_fs_facts {
    enum qr_fs_trust trust;
    char name[32];   /* as the mount table says, else by the type's number */
    char option[32]; /* IGNORED: the mount option */
    uint64_t bytes;
    uint64_t free_bytes; /* for this user */
    int read_only;
};

int qr_fs_facts(int fd, struct qr_fs_facts *facts);

/*
 * Whether blocks can be allocated beforehand in the directory: in a file without a name, or, where
 * there are none, with one that is gone when this returns. *copies is 1 when stores to such a file
 * would be written elsewhere and nothing can be done about it.
 */
int qr_fs_try_allocate(int dirfd, int *copies);

#endif
