/* SPDX-License-Identifier: MIT */
/* Opening a channel: what has to be put right before anybody uses it. */
#ifndef QR_LIB_RECOVER_H
#define QR_LIB_RECOVER_H

#include <lib/channel.h>

/* Repairs the pages, the groups (loaded already) and the handle table. Alone in the channel. */
int qr_recover(struct quire *ch, int other_boot);
/* Its part for an ack group, whose head is settled. */
int qr_recover_leases(struct quire *ch, struct qr_group *group, uint64_t tail, int other_boot);

#endif
