/* SPDX-License-Identifier: MIT */
/*
 * What is known for certain of a process that is killed: written by the victim into anonymous
 * shared memory just before and just after each call, read by the one who kills it.
 *
 *   send    started is raised before the call, done after it: a number in [done, started) at the
 *           moment of the kill may have been published or not, all below done are
 *   recv    inside is set before the call and cleared after the delivery was noted: a victim
 *           killed in between may have been given one message that nobody noted
 */
#ifndef CRASH_LEDGER_H
#define CRASH_LEDGER_H

#include <pages/base/atomic.h>
#include <quire.h>

#define LEDGER_STREAMS   4u
#define LEDGER_GROUPS    4u
#define LEDGER_CONSUMERS 8u
#define LEDGER_NUMBERS   262144u /* messages of one stream, at most */

enum ledger_stage { STAGE_FORKED, STAGE_OPENING, STAGE_RUNNING };

struct ledger_stream {
    qr_atomic_u64 started;
    qr_atomic_u64 done;
    /* Numbers in doubt after some kill: a bit each. Written by the killer alone. */
    uint8_t doubtful[LEDGER_NUMBERS / 8];
    uint64_t doubts;
};

struct ledger_group {
    /* Deliveries noted, a bit each, for every stream. */
    qr_atomic_u32 noted[LEDGER_STREAMS][LEDGER_NUMBERS / 32];
    qr_atomic_u64 deliveries;
    uint64_t doubts; /* deliveries that may have gone unnoted. Written by the killer alone */
};

struct ledger {
    qr_atomic_u32 stage;    /* enum ledger_stage */
    qr_atomic_u64 progress; /* calls made in this life */
    uint64_t target;        /* the call after which the victim kills itself */
    qr_atomic_u32 inside[LEDGER_CONSUMERS];
    qr_atomic_u64 aborted; /* reservations given up, over all lives */
    struct ledger_stream stream[LEDGER_STREAMS];
    struct ledger_group group[LEDGER_GROUPS];
};

/* What the victim does in all its lives. */
struct plan {
    const char *path;
    uint32_t producers;
    uint32_t groups;
    uint32_t consumers; /* of each group */
    uint64_t page_size;
    uint32_t max_messages;
    uint32_t max_pages;
    uint32_t policy;
    uint32_t rx_life; /* messages after which a member leaves and joins; 0 never */
    uint32_t run_max;
    int late; /* one more group, made by the victim whenever it is not there */
    uint64_t seed;
    uint64_t life; /* number of this life */
};

/* The process to be killed: opens the channel and works until then. */
_Noreturn void victim(const struct plan *plan, struct ledger *ledger);

/* Notes a delivery. Ends the case when it was noted before, or was never sent. */
void ledger_note(struct ledger *ledger, uint32_t group, const struct quire_msg *msg);
/* Size of a message: follows from what it is. */
size_t ledger_size(const struct plan *plan, uint64_t stream, uint64_t number);
const char *ledger_group_name(uint32_t group);

#endif
