/* SPDX-License-Identifier: MIT */
/*
 * Waiting without a word on the fast path.
 *
 * A publisher stores its slot and then looks at live.attention with a plain load. A sleeper
 * registers, raises attention, issues a membarrier, and looks once more before it sleeps. The
 * membarrier stands for the fence the publisher does not have: either the publisher sees the
 * attention or the sleeper sees the slot (I7, tests/model/wait.pml).
 *
 * sleepers counts those registered and neither woken nor gone: the waker takes off as many as the
 * futex call woke, a sleeper that was not woken takes itself off.
 */
#ifndef QR_LIB_WAIT_H
#define QR_LIB_WAIT_H

#include <lib/channel.h>

/* Asks the kernel for membarrier; 0 when publishers need no fence. */
int qr_membarrier_register(void);

/* The slow half of a publish: somebody sleeps, or wants to know (lib/attend.c). */
void qr_attend(struct quire *ch);
/* Its part for consumers: wakes one of each group, and all that wait by a bell. */
void qr_attend_consumers(struct quire *ch);
/* A seal or anything else that every consumer may be waiting for. */
void qr_wake_consumers(struct quire *ch);
/* Wakes one sleeper of the group, or all when some wait for a slot of their own. */
void qr_wake_group(struct quire *ch, struct qr_group *group, int all);
/* Wakes every sleeper of the channel: it is being closed. */
void qr_wake_everybody(struct quire *ch);
/* A page may have become free: wakes producers that sleep for one. */
void qr_wake_space(struct quire *ch);

/* To be called after every publish. */
static inline void qr_published(struct quire *ch, struct qr_live *live)
{
    /* The sleeper's membarrier turns this compiler barrier into a fence when it matters. */
    qr_compiler_barrier();
    if (qr_unlikely(ch->fence))
        qr_full_fence();
    /* relaxed: ordered after the publish by the barrier above; pairs with the OR of a sleeper. */
    if (qr_unlikely(qr_load_relaxed(&live->attention) != 0))
        qr_attend(ch);
}
/* The same after something that may free a page. */
static inline void qr_freed(struct quire *ch, struct qr_live *live)
{
    qr_compiler_barrier();
    if (qr_unlikely(ch->fence))
        qr_full_fence(); /* where membarrier is refused */
    /* relaxed: as in qr_published. */
    if (qr_unlikely((qr_load_relaxed(&live->attention) & QR_ATTEND_SPACE) != 0))
        qr_wake_space(ch);
}

/* One wait: spin, then yield, then say that it is time to sleep, as the strategy wants. */
struct qr_pause {
    uint64_t deadline_ns;
    uint32_t strategy; /* enum quire_wait */
    uint32_t rounds;
};
/* 0: look again; 1: sleep now (BLOCK only); QUIRE_TIMEDOUT. */
int qr_pause_step(struct qr_pause *pause);

/* A sleeper: begin, look once more, then sleep or leave. */
struct qr_sleep {
    qr_atomic_u32 *seq;
    qr_atomic_u32 *sleepers;
    qr_atomic_u32 *holders; /* NULL unless the sleeper waits for a slot of its own */
    uint32_t seen;
};
void qr_sleep_consumer(struct quire *ch, struct qr_group *group, int holds_ticket,
                       struct qr_sleep *sleep);
void qr_sleep_space(struct quire *ch, struct qr_sleep *sleep);
/* Sleeps until woken or the deadline. 1: woken by a waker that counted this sleeper off. */
int qr_sleep_wait(struct qr_sleep *sleep, uint64_t deadline_ns);
/* Leaves without sleeping. */
void qr_sleep_cancel(struct qr_sleep *sleep);

/* The same for a consumer that will poll a descriptor: registered until the bell is rung or the
 * handle closed. It looks once more after this. */
void qr_sleep_bell(struct quire *ch, struct qr_group *group, struct qr_bell *bell);
void qr_sleep_bell_cancel(struct qr_group *group, struct qr_bell *bell);

/* An attention bit of one's own: raised, with the fence that makes the look that follows safe; and
 * lowered: 1 when it was up. */
void qr_attention_raise(struct quire *ch, uint32_t bit);
int qr_attention_lower(struct quire *ch, uint32_t bit);

/* A futex of this process: wakes all; sleeps while it holds seen, until the deadline. */
void qr_wake_futex(qr_atomic_u32 *word);
void qr_wait_futex(qr_atomic_u32 *word, uint32_t seen, uint64_t deadline_ns);

#endif
