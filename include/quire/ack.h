/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgement: at-least-once delivery by ack groups (QUIRE_GROUP_ACK).
 *
 * A receive gives a lease on the message: its position, its bytes, how often it was given before
 * (quire_msg_attempt). The lease ends when the message is acknowledged (it is finished then) or
 * returned (it is given again, before any other message). A handle that is closed returns what it
 * still has; so does a process that is killed. A message may therefore be received more than once:
 * what handles it must bear that.
 *
 * While a message is leased its bytes stay valid and its page is kept, so receive never says
 * QUIRE_PAGE_END to a handle of an ack group, unless the group is lossy. Positions come in any
 * order once something was returned.
 *
 * quire_rx_ack, _ack_range and _nack may be called from any thread, also while another one receives
 * with the handle; the handle only says which group is meant, and must not be closed meanwhile.
 * None of them blocks or makes a system call but to wake somebody. Progress: lock-free.
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
 * Acknowledges the message at position, which a handle of this group was given: it may be leased,
 * returned meanwhile, or a dead letter. Its bytes must not be used any more.
 * Returns 0; QUIRE_ENOLEASE (it was acknowledged before, or given up, or nobody was given it);
 * QUIRE_EINVAL (rx is of no ack group).
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_ack(quire_rx_t *rx, uint64_t position);

/*
 * Acknowledges every message from first to last, both included, that the members of the group have
 * claimed. Returns how many were not acknowledged before; QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_rx_ack_range(quire_rx_t *rx, uint64_t first, uint64_t last);

/*
 * Returns the message at position: the next receive of any member gets it, marked
 * QUIRE_MSG_RETURNED; when this was its last attempt (max_attempts) it becomes a dead letter.
 * Returns 0; QUIRE_ENOLEASE (nobody has it); QUIRE_EINVAL.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_rx_nack(quire_rx_t *rx, uint64_t position);

QUIRE_END_DECLS

#endif
