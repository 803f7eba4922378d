/* SPDX-License-Identifier: MIT */
/* A consumer handle, and the claiming of runs. */
#ifndef QR_LIB_RX_H
#define QR_LIB_RX_H

#include <lib/channel.h>
#include <lib/lease.h>
#include <lib/turn.h>

/* A returned message that the handle has taken and not handed out. */
struct qr_rx_back {
    struct qr_lease_page page;
    const struct qr_frame *frame;
    uint32_t slot;
    int held;
};

struct quire_rx {
    /* The run in hand: [next, end) in one page; [next, ready) may be delivered without a check of
     * where the handle stands. */
    uint64_t next;
    uint64_t plain; /* == ready when a message needs a look alone, else 0: the fast way */
    uint64_t ready;
    const qr_atomic_u64 *slots; /* of the run's page */
    const unsigned char *data;
    struct qr_handle *line;
    struct quire *channel;
    uint32_t tag;              /* of the run's page */
    uint32_t flags;            /* enum quire_msg_flags of the run */
    uint32_t record_units_max; /* last unit a record may begin in */
    int checksum;
    int careful; /* checksums are to be checked, leases to be noted, or messages to be counted */
    /* Ack groups: who of the run's page when a message needs a look and its lease alone, else
     * NULL; and what is stored there. */
    qr_atomic_u64 *who;
    const qr_atomic_u32 *returned;
    uint64_t who_word;
    int quiet; /* ack groups: an acknowledgement is counted by nobody, and needs no fence */
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
    int ends;               /* it is told when the last producer has gone */
    int counts;             /* auto: what was received is counted, see lib/bound.h */
    uint64_t told;          /* end of the run that others were told is received */
    struct quire_lost lost;
    /* Ack groups only. */
    struct qr_lease_page leases; /* of the page at hand */
    /* The same for whoever acknowledges, in any thread: page_no, and where its words are; who_at is
     * from there to who. */
    qr_atomic_u64 at_page;
    qr_atomic_u64 at_words;
    uint64_t who_at;
    struct qr_rx_back back;
    int keeps;            /* a page cannot go while a message of it is leased: no need to stand */
    int timed;            /* leases end by themselves */
    int lossy;            /* pages may be given up while they are leased */
    uint64_t first_lease; /* no message before it is leased by this handle */
    struct qr_bell bell;  /* for an event loop; fd -1: none */
    struct qr_member *member; /* of a set; NULL: of none */
};

/* How far the handle may deliver as it stands. */
static inline void qr_rx_set_ready(struct quire_rx *rx, uint64_t ready)
{
    rx->ready = ready;
    rx->plain = rx->careful ? 0 : ready;
}

/*
 * Gets a run in hand that the handle may deliver from. 0; QUIRE_EAGAIN; QUIRE_PAGE_END;
 * QUIRE_LAPPED; QUIRE_CLOSED; or an error.
 */
int qr_run_fill(struct quire_rx *rx);
/* Nothing was found: looks at the next slot for a moment, which is quicker to see a message than
 * looking for everything that may have happened. 1 when there is one. */
int qr_run_watch(const struct quire_rx *rx);
/* For an auto group: the next run, when the last one is received, the page is the same and nothing
 * else is to be done. 1 when it is in hand; 0: qr_run_fill() says what there is. */
int qr_run_next(struct quire_rx *rx, uint64_t deadline_ns);
/* Claimed and not delivered. */
static inline int qr_run_held(const struct quire_rx *rx)
{
    return rx->next < rx->end;
}
/* Gives the run in hand to the group; the line becomes an orphan. 1 when there was one. */
int qr_run_return(struct quire_rx *rx);
/* The run in hand was given up with its page, and is counted as lost. */
void qr_run_drop(struct quire_rx *rx);
/* Wakes another member when messages are left for it. */
void qr_run_pass_on(struct quire_rx *rx);
/* For a handle with a descriptor, that found nothing: makes it unreadable and has it rung. 1 when
 * the caller must look once more; 0 when that was done before, and nothing has come. */
int qr_rx_arm(struct quire_rx *rx);
/* That look has found something: makes it readable again. */
void qr_rx_disarm(struct quire_rx *rx);
void qr_rx_fd_close(struct quire_rx *rx);
/* Stands nowhere from here on. */
void qr_rx_leave(struct quire_rx *rx);
/* 0 when the handle may go to page_no; QUIRE_PAGE_END when it borrows from another. */
int qr_rx_may_stand_on(struct quire_rx *rx, uint64_t page_no);
void qr_rx_stand_on(struct quire_rx *rx, uint64_t page_no);

/* --- ack groups: lib/rx_lease.c --- */

/* Takes a returned message in hand. 0; QUIRE_EAGAIN: there is none now; QUIRE_PAGE_END; an error.
 */
int qr_rx_take_back(struct quire_rx *rx);
/* It goes to the caller; its flags say how often it was given before. */
void qr_rx_hand_back(struct quire_rx *rx);
uint32_t qr_rx_back_flags(const struct quire_rx *rx);
/* 1 when the page of the run in hand was given up since the run was claimed. */
int qr_rx_run_lost(const struct quire_rx *rx);
/* It is finished without going to the caller. */
void qr_rx_drop_back(struct quire_rx *rx);
/* It is returned: the handle will not stand on its page any more. */
void qr_rx_untake(struct quire_rx *rx);
void qr_rx_leases_init(struct quire_rx *rx);
static inline void qr_rx_set_who(struct quire_rx *rx)
{
    int plain = rx->leases.zone && !rx->checksum && !rx->timed && !rx->lossy && !rx->back.held;
    rx->who = plain ? rx->leases.zone->who : NULL;
}
/* The slot at next goes to the caller; n slots from there on; or it is stepped over, and finished.
 */
void qr_rx_lease_one(struct quire_rx *rx);
void qr_rx_lease(struct quire_rx *rx, uint32_t n);
void qr_rx_pass_over(struct quire_rx *rx);
/* The handle is being closed: returns what it has. */
void qr_rx_return_leases(struct quire_rx *rx);

#endif
