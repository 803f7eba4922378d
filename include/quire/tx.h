/* SPDX-License-Identifier: MIT */
/*
 * Producer handles. A handle belongs to one thread at a time; open one per producing thread.
 *
 * Order: if one send returned before another began (in any thread), its position is smaller. So
 * messages of one producer keep their order. A message is visible to every group when send
 * returns. In memory and after kill -9 it stays; what a power loss may take is the channel's
 * durability (enum quire_durability). With EACH a send, a batch and a commit return when durable.
 */
#ifndef QUIRE_TX_H
#define QUIRE_TX_H

#include <quire/channel.h>

QUIRE_BEGIN_DECLS

typedef struct quire_tx quire_tx_t;

enum quire_tx_flags {
    QUIRE_TX_ENDS = 1u << 0 /* be told when nobody is there to receive: QUIRE_ENDED */
};

struct quire_tx_options {
    uint32_t size;  /* sizeof(struct quire_tx_options) */
    uint32_t wait;  /* enum quire_wait: how to wait for a free page */
    uint32_t flags; /* enum quire_tx_flags */
    uint32_t reserved0;
    uint64_t reserved[3];
};
#define QUIRE_TX_OPTIONS_INIT                     \
    {                                             \
        sizeof(struct quire_tx_options), 0, 0, 0, \
        {                                         \
            0                                     \
        }                                         \
    }

/* One message of a batch. */
struct quire_vec {
    const void *data;
    size_t size; /* bytes */
};

/*
 * Opens a producer handle; options may be NULL. *tx is owned by the caller: quire_tx_close.
 * Returns 0, QUIRE_EINVAL, QUIRE_EHANDLES, QUIRE_ERDONLY, QUIRE_CLOSED, -ENOMEM. Any thread.
 */
QUIRE_API QUIRE_MUST_CHECK int
quire_tx_open(quire_t *channel, const struct quire_tx_options *options, quire_tx_t **tx);

/* Closes the handle; an open reservation is aborted. Never blocks. NULL is allowed. */
QUIRE_API void quire_tx_close(quire_tx_t *tx);

/*
 * Sends one message of size bytes (0 is a message too): copies it, then makes it visible.
 *
 * quire_tx_send waits for a free page when the policy is BLOCK (or GROW at its limit), and for room
 * in a channel with max_queued;
 * quire_tx_send_until waits until the deadline (absolute CLOCK_MONOTONIC ns); quire_tx_try_send
 * does not wait. With REJECT none of them waits.
 *
 * Returns 0; QUIRE_FULL (try_send, or REJECT); QUIRE_TIMEDOUT; QUIRE_EMSGSIZE; QUIRE_CLOSED;
 * QUIRE_ESTATE (a reservation is open); QUIRE_ENOSPC (GROW: the disk is full; sending goes on by
 * itself when there is room again); QUIRE_EPOISONED; or -errno. On these nothing was sent, but for
 * a QUIRE_EPOISONED of EACH: the message may have been seen, and is not known to be durable.
 * EACH, and the deadline passes while the message is on its way to the disk, or no commit can be
 * made: QUIRE_UNSYNCED. It was sent, at quire_tx_position. quire_tx_try_send waits for the disk,
 * not for a page. QUIRE_ENDED, to a handle with QUIRE_TX_ENDS: consumers were open since the
 * channel was opened, and none is now in any group; nothing was sent, and who waits for a page is
 * woken for it. Sending goes on when a consumer is opened. Progress: lock-free while pages are
 * free; no system call unless a page must be made or a sleeping consumer woken.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_tx_send(quire_tx_t *tx, const void *data, size_t size);
QUIRE_API QUIRE_MUST_CHECK int quire_tx_try_send(quire_tx_t *tx, const void *data, size_t size);
QUIRE_API QUIRE_MUST_CHECK int quire_tx_send_until(quire_tx_t *tx, const void *data, size_t size,
                                                   uint64_t deadline_ns);

/*
 * Sends count messages. They are claimed in runs, one fetch-add each, of at most 63 messages and
 * at most an eighth of a page; the messages of a run are adjacent.
 * Returns how many were sent: count, or fewer when the channel filled up, the deadline passed or
 * it was closed after the first; a code as quire_tx_send_until when none was. A message that can
 * never fit is reported (QUIRE_EMSGSIZE) before anything is sent. deadline_ns: QUIRE_FOREVER
 * waits, 0 does not. EACH waits once, for all that were sent; when that ends in QUIRE_UNSYNCED or
 * QUIRE_EPOISONED, the messages up to quire_tx_position were sent.
 */
QUIRE_API QUIRE_MUST_CHECK long quire_tx_send_batch(quire_tx_t *tx, const struct quire_vec *vec,
                                                    size_t count, uint64_t deadline_ns);

/*
 * Zero-copy: claims room for size bytes, to be written at *data (8-byte aligned, valid until
 * commit or abort), then commit with the size really used (<= reserved), or abort. Consumers wait
 * at the claimed slot until then, so keep it short. One reservation per handle at a time.
 * reserve returns as quire_tx_send_until. commit: 0, QUIRE_EINVAL (larger than reserved; the
 * reservation stays open), QUIRE_ESTATE; EACH: QUIRE_UNSYNCED, QUIRE_EPOISONED (it was sent).
 * abort: 0, QUIRE_ESTATE.
 */
QUIRE_API QUIRE_MUST_CHECK int quire_tx_reserve(quire_tx_t *tx, size_t size, void **data,
                                                uint64_t deadline_ns);
QUIRE_API QUIRE_MUST_CHECK int quire_tx_commit(quire_tx_t *tx, size_t size);
QUIRE_API int quire_tx_abort(quire_tx_t *tx);

/* Position of the last message this handle sent; UINT64_MAX before the first. */
QUIRE_API uint64_t quire_tx_position(const quire_tx_t *tx);

QUIRE_END_DECLS

#endif
