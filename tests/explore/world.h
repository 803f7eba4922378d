/* SPDX-License-Identifier: MIT */
/*
 * One small channel and everything that happened to it: what was sent, what was delivered to whom
 * and when. Scenarios act through these functions; world_finish() drains what is left and holds
 * the record against the invariants. Ticks order the calls of different coroutines.
 */
#ifndef EXPLORE_WORLD_H
#define EXPLORE_WORLD_H

#include <quire.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_SENT   128u
#define WORLD_GOT    512u
#define WORLD_EMPTY  512u
#define WORLD_RX     12u
#define WORLD_TX     8u
#define WORLD_GROUPS 3u
#define WORLD_BORROW 64u
#define WORLD_DRAINS 8u

/* A call that took or may have taken one slot. Aborted reservations have published == 0. */
struct world_sent {
    uint32_t producer;
    uint32_t seq;
    uint32_t size;
    int published;
    uint64_t first;    /* ticks: of the first try, */
    uint64_t begin;    /* of the try that went well: what failed before took nothing, */
    uint64_t end;      /* and of the return */
    uint64_t position; /* UINT64_MAX: not known */
};

struct world_got {
    uint32_t group;
    uint32_t rx;
    uint32_t producer;
    uint32_t seq;
    uint32_t flags;
    uint64_t position;
    uint64_t begin; /* of the receive, where it is known */
    uint64_t tick;
};

/* A receive that found nothing. */
struct world_empty {
    uint32_t group;
    uint64_t begin;
    uint64_t end;
};

struct world_borrow {
    const void *data;
    uint32_t size;
    uint32_t producer;
    uint32_t seq;
    uint64_t position;
};

/* A message of an ack group. */
struct world_lease {
    uint64_t position;
    uint32_t group;
    uint32_t rx;      /* who was given it last */
    uint32_t given;   /* how often, */
    uint32_t before;  /* and how often before it was queued again */
    int dead;         /* for certain */
    uint32_t returns; /* begun, and not followed by a delivery */
    uint32_t acks;    /* that were accepted */
    uint32_t acking;  /* calls under way */
    uint32_t queueing;
    uint32_t acker; /* whose was */
    uint64_t acked; /* tick when that was done */
    uint64_t back;  /* tick when it was returned for certain and not given again; else 0 */
    uint32_t calls[WORLD_RX]; /* to acknowledge or return it, by handle: begun, */
    uint32_t over[WORLD_RX];  /* and over */
    int unsure;               /* a range may have acknowledged it, which does not say what it did */
};

struct world_rx {
    quire_rx_t *rx;
    uint32_t group;
    int leaving;       /* its close has begun */
    uint64_t begin;    /* of its last receive */
    uint64_t end;      /* and the tick when that was over; smaller: it is in it */
    uint64_t next_min; /* I2: positions below it have been passed */
    uint64_t last;     /* ack groups: position of what it was given last */
    uint32_t borrows;
    struct world_borrow borrow[WORLD_BORROW];
};

struct world_group {
    char name[8];
    int used;
    int late;          /* made during the run: where it begins is checked, not known */
    uint32_t members;  /* handles ever opened by the scenario */
    uint64_t asked;    /* tick when the first subscribe began */
    uint64_t answered; /* tick when it returned */
    struct quire_where where;
    uint64_t lost;      /* as told by LAPPED */
    uint32_t delivered; /* ack groups: acknowledged, */
    uint32_t unnamed;   /* and of these by ranges, which do not say which messages they were */
    int ended;          /* a member was told that nothing will come */
    int acks;
    uint32_t attempts; /* ack groups: then a message is dead; 0: never */
    int alone; /* ack groups: one coroutine receives, so that it must find what was returned */
};

/* A look that found nothing left. */
struct world_drain {
    uint64_t begin;
    uint64_t end;
};

struct world {
    quire_t *channel;
    struct quire_options options;
    uint32_t planned;   /* messages that the scenario will publish */
    uint32_t published; /* so far */
    int closed;         /* the scenario closed the channel itself */
    int abandoned;      /* it did so while messages were on their way */
    int finishing;      /* what runs now is world_finish */
    int durable;        /* sends return when durable, or a sync fails: the pool is not tried */
    int rx_ends;        /* consumers are told when the producers have gone */
    int tx_ends;        /* producers, when the consumers have */
    quire_tx_t *tx[WORLD_TX];
    uint32_t tx_seq[WORLD_TX];
    struct world_rx rx[WORLD_RX];
    uint32_t rxs;
    struct world_group group[WORLD_GROUPS];
    struct world_sent sent[WORLD_SENT];
    uint32_t sents;
    struct world_got got[WORLD_GOT];
    uint32_t gots;
    struct world_empty empty[WORLD_EMPTY];
    uint32_t empties;
    struct world_drain drain[WORLD_DRAINS];
    uint32_t drains;
    struct world_lease lease[WORLD_SENT];
    uint32_t leases;
    uint64_t full;  /* sends that found no page */
    uint32_t again; /* sends that were tried again */
};

/* Geometry: messages per page, pages, policy. Memory backing, 4096 bytes a page. With
 * WORLD_CHECKED in policy records have checksums, and sends take the long way. */
#define WORLD_CHECKED 0x100u
void world_open(struct world *w, uint32_t max_messages, uint32_t max_pages, uint32_t policy);
/* Says how many more messages will be published in all. */
void world_plan(struct world *w, uint32_t messages);
/* Checks everything and closes what is open. Outside a run. */
void world_finish(struct world *w);

/* --- producers; tx is an index 0..WORLD_TX-1 that is also the producer's name --- */
void world_tx_open(struct world *w, uint32_t tx);
void world_tx_close(struct world *w, uint32_t tx);
/* Sends one message, waiting for others while the channel is full. */
void world_send(struct world *w, uint32_t tx, uint32_t size);
/* The same where a sync may fail: 0, or QUIRE_EPOISONED, whether or not it was published. */
int world_send_or_poisoned(struct world *w, uint32_t tx, uint32_t size);
/* The same with the call that sleeps (BLOCK). */
void world_send_sleeping(struct world *w, uint32_t tx, uint32_t size);
/* The same where tx_ends is set: 0 when nobody is left to receive it. */
int world_send_ended(struct world *w, uint32_t tx, uint32_t size);
/* One try. Returns 1 when it was sent, 0 when the channel was full. */
int world_try_send(struct world *w, uint32_t tx, uint32_t size);
/* The same where a page must be free: nobody waits for a producer that stands still. */
void world_must_send(struct world *w, uint32_t tx, uint32_t size);
void world_send_batch(struct world *w, uint32_t tx, uint32_t count, uint32_t size);
/* Reserves, then commits used bytes, or aborts (used == WORLD_ABORT). */
#define WORLD_ABORT UINT32_MAX
void world_reserve(struct world *w, uint32_t tx, uint32_t size, uint32_t used);

/* --- consumers; named by an index into rx[] --- */
/* WORLD_NONE: the place asked for is no longer held (only where says a page or a position). */
#define WORLD_NONE UINT32_MAX
uint32_t world_subscribe(struct world *w, uint32_t group, const struct quire_where *where,
                         uint32_t run_max, uint32_t wait);
void world_rx_close(struct world *w, uint32_t rx);
void world_release(struct world *w, uint32_t rx);
/*
 * One try: 1 a message, 0 nothing (EAGAIN), -1 something else was said (PAGE_END was answered
 * with next_page, LAPPED was recorded): try again at once.
 */
int world_try_recv(struct world *w, uint32_t rx);
/* As world_try_recv with the calls that take several messages, or copy one. */
int world_try_recv_batch(struct world *w, uint32_t rx, uint32_t count);
int world_try_recv_copy(struct world *w, uint32_t rx);
/* One try without room for any message, which stays in hand then. */
void world_try_recv_small(struct world *w, uint32_t rx);
/* Receives until it has count messages or its group has all that is planned. */
void world_recv(struct world *w, uint32_t rx, uint32_t count);
/* One message with the call that sleeps; 0: the channel is closed. */
int world_recv_one_sleeping(struct world *w, uint32_t rx);
/* All until then. */
void world_recv_sleeping(struct world *w, uint32_t rx);
/* The same where rx_ends is set: ends when it is told the end. */
void world_recv_ended(struct world *w, uint32_t rx);
/* Looks what is left; the record is held against the answer. */
void world_drain(struct world *w);
/* 1 when the group was given, or told the loss of, everything planned. */
int world_group_done(const struct world *w, uint32_t group);
/* Waits until every group is done. */
void world_wait_done(struct world *w);
/* Closes the channel itself; handles stay. */
void world_close_channel(struct world *w);

/* --- ack groups, leases.c --- */
/* Before the group's first subscribe. */
void world_ack_group(struct world *w, uint32_t group);
/* Any message of the group that was given to anybody; as quire_rx_ack and quire_rx_nack. */
int world_ack(struct world *w, uint32_t rx, uint64_t position);
int world_nack(struct world *w, uint32_t rx, uint64_t position);
/* As quire_rx_ack_range, by who receives with the handle: what another thread is being given by
 * it could not be read. */
void world_ack_range(struct world *w, uint32_t rx, uint64_t first, uint64_t last);
/* A dead letter of the group, or one that was; as quire_group_requeue. */
void world_requeue(struct world *w, uint32_t group, uint64_t position);
/* Acknowledges all that rx was given and has. */
void world_leases_ack(struct world *w, uint32_t rx);
/* For consume.c and world.c: a message was given by a receive that began at the tick, or none; the
 * handle closes; the group has acknowledged all. */
void world_lease_given(struct world *w, uint32_t rx, const struct quire_msg *msg, uint64_t begin);
void world_lease_none(struct world *w, uint32_t rx, uint64_t begin);
void world_leases_close(struct world *w, uint32_t rx);
void world_leases_check(struct world *w, uint32_t group);
/* I6: what is borrowed has not changed. */
void world_check_borrows(struct world *w, uint32_t rx);

/* --- the payload: who, which, how long, then a pattern of these --- */
#define WORLD_SIZE_MIN 8u
void world_payload_fill(void *data, uint32_t producer, uint32_t seq, uint32_t size);
/* Reads the names; returns 0 when the bytes are not exactly what fill wrote. */
int world_payload_check(const void *data, uint32_t size, uint32_t *producer, uint32_t *seq);

/* oracle.c */
void world_check_record(struct world *w);

#endif
