/* SPDX-License-Identifier: MIT */
/* Which page is needed by nobody, and which frame a new page may have. */
#ifndef QR_LIB_RECYCLE_H
#define QR_LIB_RECYCLE_H

#include <lib/channel.h>
#include <lib/turn.h>

/* The final count of a sealed page: >= 0; -1 when the page is not sealed (or not page_no). */
int64_t qr_final(const struct qr_frame *frame, uint64_t page_no);

/* As qr_locate, of a page that is held though the directory may have forgotten it. */
int qr_locate_held(struct quire *ch, uint64_t page_no, struct qr_place *place);

/* The lowest page of [from, last] that a frame holds: 1, and *page_no and *frame; 0: there is none.
 */
int qr_next_held(const struct quire *ch, uint64_t from, uint64_t last, uint64_t *page_no,
                 uint32_t *frame);

/* 1 when every slot below final is published or void. */
int qr_complete(const struct qr_frame *frame, uint64_t page_no, uint32_t final);

/*
 * The frame, mapped, for who looks at every frame of the channel: 1; 0 when there is none, or no
 * file to believe in; or why it cannot be mapped at the moment, which makes nothing damaged.
 */
int qr_frame_there(struct quire *ch, uint32_t frame, const struct qr_frame **out);

/*
 * 1 when a frame whose life word says page_no is that page; 0 when it lost the page to a rival
 * frame and holds nothing.
 */
int qr_holds(struct quire *ch, uint32_t frame, uint64_t page_no);

/*
 * 1 when page page_no in frame is sealed, complete, finished by every group (or given up) and no
 * handle protects it. The caller has read life[frame] before (acquire), and changes hands by
 * compare-exchange from that very value.
 */
int qr_recyclable(struct quire *ch, uint32_t frame, uint64_t page_no);

/* Groups that are there. */
uint32_t qr_groups_live(const struct quire *ch);

/* 1 when the group is done with the page in frame, whose final count is final. */
int qr_group_done(struct quire *ch, struct qr_group *group, uint32_t frame, uint64_t page_no,
                  uint32_t final);

/* 1 when a handle borrows from the page or has claimed messages in it. */
int qr_protected(struct quire *ch, uint64_t page_no);

/* Pages below are finished by every group: a first sieve, decided by qr_recyclable. */
uint64_t qr_groups_floor(struct quire *ch, uint64_t tail);

/* The oldest page that the group is not done with. */
uint64_t qr_group_oldest(struct quire *ch, struct qr_group *group, uint64_t tail);

enum qr_pick_mode {
    QR_PICK_AHEAD, /* only what is there for the taking */
    QR_PICK_NEEDED /* make storage, grow, give up pages: as the policy allows */
};

/*
 * Picks a frame for page page_no: *frame and the life word it had, to be exchanged. 0; QUIRE_FULL;
 * QUIRE_EAGAIN when the state changed underfoot (look again); QUIRE_ENOSPC; -errno.
 */
int qr_pick(struct quire *ch, uint64_t page_no, enum qr_pick_mode mode, uint32_t *frame,
            uint64_t *life);

/* The making of a frame that was BUSY has ended with rc: it is free, or absent again. */
void qr_frame_made(struct quire *ch, uint32_t frame, int rc);

/* Mapped frames that a new page could have at once; counts no further than enough. */
uint32_t qr_spares(struct quire *ch, uint32_t enough);

/* GROW: asks for surplus frames to be given back. Cheap when there are none. */
void qr_shrink(struct quire *ch);
/* The keeper's part of it. */
void qr_give_back(struct quire *ch);

#endif
