/* SPDX-License-Identifier: MIT */
/*
 * Which files a commit must sync, and what is durable once it has.
 *
 * A page needs no more syncs once it was complete (sealed, every slot published) before a sync of
 * its file began that succeeded. Until then every commit syncs it: the tail, and pages in which a
 * producer dawdles. All calls: whoever has the commit in hand, see lib/commit.h.
 */
#ifndef QR_LIB_SYNC_SET_H
#define QR_LIB_SYNC_SET_H

#include <lib/channel.h>

struct qr_sync_set {
    uint64_t *whole;      /* of each frame: 1 + the page that is on the disk whole; 0 none */
    uint64_t first_page;  /* pages before it are durable */
    uint64_t walked;      /* first position that was not published when last looked at */
    uint64_t named_pages; /* pages before it stand in the control file on the disk */
    qr_atomic_u64 again;  /* first page that a new group needs; UINT64_MAX: none */
    /* Of the commit under way. */
    uint64_t target; /* durable position when it has succeeded */
    uint64_t claims; /* position behind the last claim when it began; never falls */
    uint64_t seen;   /* 1 + the last page that was looked at */
    uint32_t newest; /* frame of the last claim */
    uint32_t frame;  /* frames looked at; see next_frame() */
    uint32_t step;
    uint32_t group;
    int cursors; /* the groups' files too */
    int error;   /* a frame could not be looked at */
};

/* A file to sync, and what follows when that has succeeded. */
struct qr_sync_file {
    int fd;
    int names; /* fsync: a directory */
    int whole; /* the page was complete before */
    uint32_t frame;
    uint64_t page_no;
    struct qr_group *group; /* NULL: no group's file */
    uint64_t head;          /* of the group, before */
};

int qr_sync_set_init(struct quire *ch, struct qr_sync_set *set);
void qr_sync_set_free(struct qr_sync_set *set);

/* Pages from page_no on, some of which may have been left out, are needed by a new group: the next
 * commit looks at them once more. Any thread. */
void qr_sync_again(struct qr_sync_set *set, uint64_t page_no);

/* Begins a commit: looks how far everything is published. */
void qr_sync_begin(struct quire *ch, struct qr_sync_set *set, int cursors);
/* The next file: 1; 0: that was all; < 0: one cannot be opened or mapped. */
int qr_sync_next(struct quire *ch, struct qr_sync_set *set, struct qr_sync_file *file);
/* The file was synced. */
void qr_sync_done(struct qr_sync_set *set, const struct qr_sync_file *file);
/* Not all of them: what was acknowledged is to be synced again. */
void qr_sync_failed(struct quire *ch, struct qr_sync_set *set);
/* All were synced. */
void qr_sync_end(struct quire *ch, struct qr_sync_set *set);

/* 1 when everything that was ever claimed is published and covered by the last commit. */
int qr_sync_idle(struct quire *ch, struct qr_sync_set *set);

#endif
