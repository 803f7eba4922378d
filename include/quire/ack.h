/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgement: at-least-once delivery by ack groups (QUIRE_GROUP_ACK).
 *
 * A receive gives a lease on the message: its position, its bytes, how often it was given before
 * (quire_msg_attempt). The lease ends when the message is acknowledged (it is finished then) or
 * returned (it is given again, before any other message). A handle that is closed returns what it
 * still has; so does a process that is killed; and a lease of a group with a lease_ns ends by
 * itself when it was not extended, up to a quarter of lease_ns late. A message may therefore be
 * received more than once: what handles it must bear that.
 *
 * While a message is leased its bytes stay valid and its page is kept, so receive never says
 * QUIRE_PAGE_END to a handle of an ack group, unless the group is lossy or its leases end by
 * themselves: then what is borrowed stays valid as in an auto group. Positions come in any order
 * once something was returned.
 *
 * A lease belongs to the handle that was given the message, and it is by this handle that it is
 * acknowledged, returned, extended. All but quire_rx_ack_first may be called from any thread, also
 * while another one receives with the handle, which must not be closed meanwhile. None of them
 * blocks; the only system calls are to wake somebody and, for nack_later, to make room once.
 * Progress: lock-free, but for that. Two calls that end the same lease must not overlap: of an
 * acknowledgement and a return at once, both may succeed, and the former may then end the lease of
 * whoever was given the message next.
 *
 * What is acknowledged stays so when the process is killed. A power loss takes acknowledgements
 * back that were made since the group's file was last synced (commit_every, commit_delay_ns of
 * quire_open): those messages come again.
 */
#ifndef QUIRE_ACK_H
#define QUIRE_ACK_H

#include <quire/rx.h>

QUIRE_BEGIN_DECLS

/* Which delivery of the message this is: 1 for the first; counted to 255, across restarts. */
static inline uint32_t quire_msg_attempt(const struct quire_msg *msg)
{
    return (msg->flags >> 8) + 1;
}

/*
 * Acknowledges the message at position, which this handle was given; or one that was returned
 * meanwhile and nobody has, or a dead letter of the group. Its bytes must not be used any more.
 * Returns 0; QUIRE_ENOLEASE (it was acknowledged before, or given up; another handle has it, or
 * nobody was given it yet); QUIRE_EINVAL (rx is of no ack group).
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_ack(quire_rx_t *rx, uint64_t position);

/*
 * The same for every message from first to last, both included, that the handle has or nobody has.
 * Returns how many there were; QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_rx_ack_range(quire_rx_t *rx, uint64_t first, uint64_t last);

/*
 * Returns the message at position: the next receive of any member gets it, marked
 * QUIRE_MSG_RETURNED; when this was its last attempt (max_attempts) it becomes a dead letter.
 * Returns 0; QUIRE_ENOLEASE (this handle does not have it); QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_nack(quire_rx_t *rx, uint64_t position);

/*
 * The same, but nobody gets it before delay_ns nanoseconds have passed (two years at most). The
 * delay goes on when the channel is closed and opened, and ends when the machine restarts.
 * Returns as quire_rx_nack; QUIRE_ENOSPC, -ENOMEM, -errno: the times of the page need room in the
 * group's file, the first time one is used. Then the message is still leased.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_nack_later(quire_rx_t *rx, uint64_t position,
                                                   uint64_t delay_ns);

/*
 * Groups with a lease_ns: the lease on position lasts lease_ns nanoseconds from now.
 * Returns 0; QUIRE_ENOLEASE (it has ended); QUIRE_EINVAL (leases of the group do not end).
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_extend(quire_rx_t *rx, uint64_t position,
                                               uint64_t lease_ns);

/*
 * Acknowledges the count oldest messages that this handle was given and has not acknowledged nor
 * returned. For the thread that receives with the handle. Returns how many there were, up to count;
 * QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_rx_ack_first(quire_rx_t *rx, size_t count);

/*
 * A lease that ends with its scope (a GNU extension of C; in C++ write a destructor):
 *
 *     QUIRE_AUTO_ACK struct quire_lease lease = {rx, msg.position};
 *
 * acknowledges the message however the scope is left; QUIRE_AUTO_NACK returns it, unless
 * quire_lease_ack() was called before: for work that can fail half way. After quire_lease_ack(),
 * _nack() or _keep() nothing happens at the end.
 */
struct quire_lease {
    quire_rx_t *rx; /* NULL: it was ended, or is kept */
    uint64_t position;
};
static inline int quire_lease_ack(struct quire_lease *lease)
{
    int rc = lease->rx ? quire_rx_ack(lease->rx, lease->position) : QUIRE_ENOLEASE;
    lease->rx = NULL;
    return rc;
}
static inline int quire_lease_nack(struct quire_lease *lease)
{
    int rc = lease->rx ? quire_rx_nack(lease->rx, lease->position) : QUIRE_ENOLEASE;
    lease->rx = NULL;
    return rc;
}
static inline void quire_lease_keep(struct quire_lease *lease)
{
    lease->rx = NULL;
}
static inline void quire_lease_end_ack(struct quire_lease *lease)
{
    int rc = quire_lease_ack(lease);
    (void)rc;
}
static inline void quire_lease_end_nack(struct quire_lease *lease)
{
    int rc = quire_lease_nack(lease);
    (void)rc;
}
#define QUIRE_AUTO_ACK  __attribute__((cleanup(quire_lease_end_ack)))
#define QUIRE_AUTO_NACK __attribute__((cleanup(quire_lease_end_nack)))

QUIRE_END_DECLS

#endif
