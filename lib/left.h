/* SPDX-License-Identifier: MIT */
/* What is left to be received. */
#ifndef QR_LIB_LEFT_H
#define QR_LIB_LEFT_H

#include <lib/channel.h>

/*
 * Messages before position until that were published and that the group has not received: those
 * behind its head, those a member has claimed and not delivered, and returned ones; of an ack group
 * also those that members have leased, but for the handle except (QR_OWNER_NOBODY: no exception).
 * Counts no further than most, leases apart; may count one twice that changes hands meanwhile. 0 is
 * certain: of what was published before the call, nothing before until is left or comes back, if
 * except does not return it.
 */
uint64_t qr_group_left(struct quire *ch, struct qr_group *group, uint64_t until, uint64_t most,
                       uint32_t except);

/* The position behind every message that was claimed before the call. */
uint64_t qr_claims_end(struct quire *ch);

#endif
