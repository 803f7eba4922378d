/* SPDX-License-Identifier: MIT */
/* A consumer handle, and the claiming of runs. */
#ifndef QR_LIB_RX_H
#define QR_LIB_RX_H

#include <lib/channel.h>

struct quire_rx {
    /* The run in hand: [next, end) in one page; [next, ready) may be delivered without a check of
     * where the handle stands. */
    uint64_t next;
    uint64_t plain; /* == ready when a message needs no checksum, else 0: the fast way */
    uint64_t ready;
    const qr_atomic_u64 *slots; /* of the run's page */
    const unsigned char *data;
    struct qr_handle *line;
    struct quire *channel;
    uint32_t tag;              /* of the run's page */
    uint32_t flags;            /* enum quire_msg_flags of the run */
    uint32_t record_units_max; /* last unit a record may begin in */
    int checksum;
    /* The slow half. */
    uint64_t end;
    uint64_t stand;               /* page + 1 this handle stands on; 0 none */
    uint64_t entered;             /* page + 1 it came to last */
    uint64_t page_no;             /* the page at hand: slots and data are its frame's */
    const struct qr_frame *frame; /* NULL before the first */
    struct qr_group *group;
    uint32_t index; /* of line */
    uint32_t run_max;
    uint32_t wait;
    int woken;              /* counted off by a waker: what is left over must be passed on */
    int borrowed;           /* a message of the page was handed out */
    int patient;            /* this receive may wait: a moment's patience may earn a longer run */
    uint32_t impatience;    /* claims to come that take what is there at once */
    uint32_t patience_lost; /* times in a row that patience earned nothing */
    struct quire_lost lost;
    struct qr_bell bell; /* for an event loop; fd -1: none */
};

/* How far the handle may deliver as it stands. */
static inline void qr_rx_set_ready(struct quire_rx *rx, uint64_t ready)
{
    rx->ready = ready;
    rx->plain = rx->checksum ? 0 : ready;
}

/*
 * Gets a run in hand that the handle may deliver from. 0; QUIRE_EAGAIN; QUIRE_PAGE_END;
 * QUIRE_LAPPED; QUIRE_CLOSED; or an error.
 */
int qr_run_fill(struct quire_rx *rx);
/* Claimed and not delivered. */
static inline int qr_run_held(const struct quire_rx *rx)
{
    return rx->next < rx->end;
}
/* Gives the run in hand to the group; the line becomes an orphan. 1 when there was one. */
int qr_run_return(struct quire_rx *rx);
/* Wakes another member when messages are left for it. */
void qr_run_pass_on(struct quire_rx *rx);
/* For a handle with a descriptor, that found nothing: makes it unreadable and has it rung. 1 when
 * the caller must look once more; 0 when that was done before, and nothing has come. */
int qr_rx_arm(struct quire_rx *rx);
void qr_rx_fd_close(struct quire_rx *rx);
/* Stands nowhere from here on. */
void qr_rx_leave(struct quire_rx *rx);

#endif
