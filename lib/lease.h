/* SPDX-License-Identifier: MIT */
/*
 * Leases: what an ack group knows of each message it was given (docs/protocol.md).
 *
 *   word  tag:32 | back:16 | done:16     sixteen slots of a page; another tag: not of this page
 *   who   tag:32 | owner:16 | attempts:16 one slot: who was given it last, and how often
 *
 *   back done
 *     0    0    leased (below the group's head)       1    0    returned, to be given again
 *     0    1    acknowledged                          1    1    dead letter
 *
 * Only an exact tag counts. Who claims a run knows that its page is this life of the frame, and
 * gives the words its tag; everybody else leaves a word with another tag alone.
 */
#ifndef QR_LIB_LEASE_H
#define QR_LIB_LEASE_H

#include <lib/channel.h>

#define QR_LEASE_SLOTS    16u
#define QR_LEASE_ALL      0xffffu
#define QR_LEASE_ATTEMPTS 255u /* counted no further */

static inline uint64_t qr_lease_word(uint32_t tag, uint32_t back, uint32_t done)
{
    return (uint64_t)tag << 32 | (uint64_t)back << 16 | done;
}
static inline uint32_t qr_lease_tag(uint64_t word)
{
    return (uint32_t)(word >> 32);
}
static inline uint32_t qr_lease_back(uint64_t word)
{
    return (uint32_t)(word >> 16 & 0xffffu);
}
static inline uint32_t qr_lease_done(uint64_t word)
{
    return (uint32_t)(word & 0xffffu);
}
/* Acknowledged, and no dead letters. */
static inline uint32_t qr_lease_acked(uint64_t word)
{
    return qr_lease_done(word) & ~qr_lease_back(word);
}
/* Neither: with a member, or to be claimed. */
static inline uint32_t qr_lease_open_slots(uint64_t word)
{
    return ~(qr_lease_done(word) | qr_lease_back(word)) & QR_LEASE_ALL;
}
/* A word of a page that was given up keeps its bits, under the tag of a page that is far away. */
static inline uint32_t qr_lease_frozen(uint32_t tag)
{
    return tag ^ 0x80000000u;
}

/* Is tag that of a later page than other? A frozen one counts as what it was; blank is never later.
 */
static inline int qr_lease_later(uint32_t tag, uint32_t other)
{
    return tag != 0 && (int32_t)((tag << 1) - (other << 1)) > 0;
}

static inline uint64_t qr_lease_who(uint32_t tag, uint32_t owner, uint32_t attempts)
{
    return (uint64_t)tag << 32 | owner << 16 | attempts;
}
static inline int qr_lease_who_is(uint64_t who, uint32_t tag)
{
    return (uint32_t)(who >> 32) == tag;
}
static inline uint32_t qr_lease_owner(uint64_t who)
{
    return (uint32_t)who >> 16;
}
static inline uint32_t qr_lease_attempts(uint64_t who)
{
    return (uint32_t)who & 0xffffu;
}
/* Does the handle have what who is about? */
static inline int qr_lease_is_of(uint64_t who, uint32_t tag, uint32_t owner)
{
    return who >> 16 == ((uint64_t)tag << 16 | owner);
}

/* A page of an ack group: where its leases are. */
struct qr_lease_page {
    const struct qr_zone *zone;
    uint64_t page_no;
    uint32_t tag;
};

int qr_leases_new(struct quire *ch, struct qr_group *group);
void qr_leases_free(struct quire *ch, struct qr_group *group);
static inline int qr_group_acks(const struct qr_group *group)
{
    return group->zones != NULL;
}

/* The zone of a frame, if this process has it at hand. */
const struct qr_zone *qr_zone_at(const struct qr_group *group, uint32_t frame);
/* The same, made if need be. 0, QUIRE_ENOSPC, -errno; for observers QUIRE_ENOENT. */
int qr_zone_get(struct quire *ch, struct qr_group *group, uint32_t frame,
                const struct qr_zone **zone);
/* The zone, which is there, gets times. */
int qr_zone_add_times(struct quire *ch, struct qr_group *group, const struct qr_zone *zone);

/*
 * Gives the words of a run the tag of its page. 1; 0 when the run was given up meanwhile. The
 * caller has claimed it, so nobody recycles the page.
 */
int qr_lease_open(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                  uint32_t n);

/*
 * Acknowledges slots of word index: those of own if they are leased, which only whoever has them
 * may ask for, and those of back if they are returned or dead. How many; or QUIRE_ENOLEASE when the
 * word is not of this page. Any thread.
 *
 * Nobody else's lease: its holder reads the message until it says that it is done, and nothing but
 * the lease keeps the page.
 */
int qr_lease_ack(struct qr_group *group, const struct qr_lease_page *page, uint32_t index,
                 uint32_t own, uint32_t back);

/*
 * Returns the slot, if owner has it (QR_OWNER_NOBODY: whoever has it), to be had from not_before_ns
 * of qr_boot_now() on (0: at once; else the zone has times). 0, or QUIRE_ENOLEASE. The caller wakes
 * a member (qr_lease_wake). Any thread.
 */
int qr_lease_return(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                    uint32_t owner, uint64_t not_before_ns);
/* The same for a lease that has ended by its time; QUIRE_ENOLEASE also when it was extended. */
int qr_lease_expire(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot,
                    uint64_t now_ns);
/* Gives a lease of owner until until_ns. 0 or QUIRE_ENOLEASE. */
int qr_lease_extend(const struct qr_lease_page *page, uint32_t slot, uint32_t owner,
                    uint64_t until_ns);
/* The same for a slot that was claimed by the caller and given to nobody. */
void qr_lease_give_up(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot);
/* Returns all that owner has. How many. */
uint32_t qr_lease_return_all(struct quire *ch, struct qr_group *group, uint32_t owner);
/* CLOCK_BOOTTIME: the same for every process until the machine restarts. Nanoseconds. */
uint64_t qr_boot_now(void);

/* due: ms:48 | changes:16. Until then no returned position is to be had; 0: look. */
static inline uint64_t qr_due_ms(uint64_t due)
{
    return due >> 16;
}
/* Something was returned: look again. */
void qr_lease_due_now(struct qr_group *group);
/* A look that began when due was seen found nothing to be had before at_ns. */
void qr_lease_due_at(struct qr_group *group, uint64_t seen, uint64_t at_ns);

/* 1 when what is returned is to be looked at; *seen is for qr_lease_due_at(). */
int qr_lease_due(const struct qr_group *group, uint64_t *seen);
/* Returns the leases that have ended, if it is time to look for them. */
void qr_leases_expire(struct quire *ch, struct qr_group *group);
/* How long a member may sleep that would sleep until deadline_ns. CLOCK_MONOTONIC. */
uint64_t qr_leases_next(const struct qr_group *group, uint64_t deadline_ns);

/* A returned position is there: somebody may sleep for one. */
void qr_lease_wake(struct quire *ch, struct qr_group *group);

/* Takes the returned slot: 1 when it is the caller's now, and owned by nobody yet. */
int qr_lease_take(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot);

/*
 * The page is given up: freezes its words, so that nothing of it is opened, acknowledged or
 * returned any more, and counts what was claimed (slots below to) and not acknowledged, voids
 * apart. Done twice it finds the same. 1; 0 when the group has finished the page meanwhile and its
 * frame has gone on: nothing is lost.
 */
int qr_lease_freeze(struct quire *ch, struct qr_group *group, const struct qr_lease_page *page,
                    const struct qr_frame *frame, uint32_t to, struct quire_lost *lost);

/* A dead letter is returned, as if it had never been given. 0 or QUIRE_ENOLEASE. */
int qr_lease_revive(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot);
/* Gives back what was taken and handed to nobody. */
void qr_lease_untake(struct qr_group *group, const struct qr_lease_page *page, uint32_t slot);

/* 1 when the group is done with the page, whose head is past it. */
int qr_lease_finished(struct quire *ch, struct qr_group *group, uint32_t frame, uint64_t page_no,
                      uint32_t final);

/* What the group has claimed and not acknowledged. */
struct qr_lease_counts {
    uint64_t leased, returned, dead;
    uint64_t voids; /* slots that would be leased or returned if they held messages */
};
/* Of positions before until; except: a handle whose leases do not count, or QR_OWNER_NOBODY. */
void qr_lease_count(struct quire *ch, struct qr_group *group, uint64_t until, uint32_t except,
                    struct qr_lease_counts *counts);
/* The same of one frame. */
void qr_lease_count_frame(struct quire *ch, struct qr_group *group, uint32_t frame, uint64_t until,
                          uint32_t except, struct qr_lease_counts *counts);
static inline uint64_t qr_lease_left(struct quire *ch, struct qr_group *group, uint64_t until,
                                     uint32_t except)
{
    struct qr_lease_counts n;
    qr_lease_count(ch, group, until, except, &n);
    return n.leased + n.returned;
}

/* The pages before it were given up, as group->given_up says. */
static inline uint64_t qr_given_up(uint64_t word)
{
    return word >> 1;
}
/* In the same word: the account of the last one is written, and not valid yet (lib/evict.c). */
#define QR_GIVEN_UP_PENDING 1ull

/* Where the leases of page_no are, if it is held: 0, or QUIRE_ENOENT. */
int qr_lease_find(struct quire *ch, struct qr_group *group, uint64_t page_no,
                  struct qr_lease_page *page);

#endif
