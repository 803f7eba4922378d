/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <lib/lease.h>
#include <lib/wait.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS       32u /* looks before the first yield */
#define SPINS_YIELD 2u
#define YIELDS      16u /* yields before the sleep */
#define CLOCK_EVERY 16u

uint64_t qr_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t qr_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t qr_boot_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int qr_membarrier_register(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 ? 0 : 1;
}

/* The sleeper's side of the fence that publishers do without. */
static void heavy_fence(struct quire *ch)
{
    qr_full_fence();
    if (!ch->fence)
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* The words lie in shared mappings: no private futex. */
static int futex_wake(qr_atomic_u32 *word, int n)
{
    long rc = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
    return rc > 0 ? (int)rc : 0;
}

/* 0 only when a FUTEX_WAKE took this thread off the queue. */
static int futex_wait(qr_atomic_u32 *word, uint32_t seen, uint64_t deadline_ns)
{
    struct timespec at = {(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen,
                      deadline_ns == QUIRE_FOREVER ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
    return rc == 0 ? 0 : -errno;
}

void qr_wake_futex(qr_atomic_u32 *word)
{
    (void)futex_wake(word, INT_MAX);
}

void qr_wait_futex(qr_atomic_u32 *word, uint32_t seen, uint64_t deadline_ns)
{
    (void)futex_wait(word, seen, deadline_ns);
}

void qr_attention_raise(struct quire *ch, uint32_t bit)
{
    /* [R16 attention] pairs with A16 and with the plain look of publishers. */
    qr_or_acq_rel(&ch->view.live->attention, bit);
    heavy_fence(ch);
}

int qr_attention_lower(struct quire *ch, uint32_t bit)
{
    /* [A16 attention] pairs with R16. */
    return (qr_and_acq_rel(&ch->view.live->attention, ~bit) & bit) != 0;
}

static void count_off(qr_atomic_u32 *sleepers, uint32_t n)
{
    uint32_t have = qr_load_relaxed(sleepers); /* relaxed: the exchange decides */
    /* [R14 sleepers] pairs with A14. */
    while (have > 0 && !qr_cas_acq_rel(sleepers, &have, have > n ? have - n : 0))
        ;
}

static void wake(qr_atomic_u32 *seq, qr_atomic_u32 *sleepers, int n)
{
    /* [R15 seq] pairs with A15: who read seq before will not sleep. */
    qr_add_acq_rel(seq, 1u);
    int woken = futex_wake(seq, n);
    if (woken > 0)
        count_off(sleepers, (uint32_t)woken);
}

void qr_wake_group(struct quire *ch, struct qr_group *group, int all)
{
    (void)ch;
    struct qr_group_block *b = group->block;
    /* [A14 sleepers] pairs with R14: those that registered before they raised attention. */
    if (qr_load_acquire(&b->sleepers) == 0)
        return;
    uint32_t rung = qr_bells_ring(&group->bells);
    if (rung > 0)
        count_off(&b->sleepers, rung);
    /* Whose slot was published is not known here: all who wait for one look.
     * [A14 sleepers] pairs with R14. */
    if (qr_load_acquire(&b->ticket_sleepers) != 0)
        all = 1;
    wake(&b->wait_seq, &b->sleepers, all ? INT_MAX : 1);
}

static int group_sleeps(struct quire *ch)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        /* [A14 sleepers] pairs with R14. */
        if (qr_load_acquire(&list->group[i]->block->sleepers) != 0)
            return 1;
    return 0;
}

/*
 * Lowers an attention bit that nobody needs. A sleeper raises its count before the bit: if the bit
 * it raised is the one lowered here, its count is seen in the second look. What was published
 * between the two has then woken nobody, so all who are counted are woken to look for themselves.
 */
static void lower_attention(struct quire *ch, uint32_t bit, int (*needed)(struct quire *),
                            void (*wake_all)(struct quire *))
{
    if (needed(ch))
        return;
    /* [A16 attention] pairs with R16. */
    qr_and_acq_rel(&ch->view.live->attention, ~bit);
    if (!needed(ch))
        return;
    qr_or_acq_rel(&ch->view.live->attention, bit); /* [R16 attention] pairs with A16 */
    wake_all(ch);
}

static void wake_groups(struct quire *ch, int all)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        qr_wake_group(ch, list->group[i], all);
}

static void wake_all_groups(struct quire *ch)
{
    wake_groups(ch, 1);
}

static void attend_consumers(struct quire *ch, int all)
{
    wake_groups(ch, all);
    lower_attention(ch, QR_ATTEND_CONSUMERS, group_sleeps, wake_all_groups);
}

void qr_wake_consumers(struct quire *ch)
{
    qr_compiler_barrier();
    if (ch->fence)
        qr_full_fence(); /* where membarrier is refused */
    /* relaxed: ordered by the barrier, as in qr_published. */
    if (qr_load_relaxed(&ch->view.live->attention) & QR_ATTEND_CONSUMERS)
        attend_consumers(ch, 1);
}

static int space_sleeps(struct quire *ch)
{
    /* [A14 sleepers] pairs with R14. */
    return qr_load_acquire(&ch->view.live->space_sleepers) != 0;
}

static void wake_all_producers(struct quire *ch)
{
    wake(&ch->view.live->space_seq, &ch->view.live->space_sleepers, INT_MAX);
}

void qr_wake_space(struct quire *ch)
{
    if (space_sleeps(ch))
        wake_all_producers(ch);
    lower_attention(ch, QR_ATTEND_SPACE, space_sleeps, wake_all_producers);
}

void qr_attend_consumers(struct quire *ch)
{
    attend_consumers(ch, 0);
}

void qr_wake_everybody(struct quire *ch)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++) {
        struct qr_group_block *b = list->group[i]->block;
        uint32_t rung = qr_bells_ring(&list->group[i]->bells);
        if (rung > 0)
            count_off(&b->sleepers, rung);
        wake(&b->wait_seq, &b->sleepers, INT_MAX);
    }
    wake_all_producers(ch);
}

int qr_pause_step(struct qr_pause *p)
{
    uint32_t round = p->rounds++;
    /* Who yields shares the processor with somebody that is to have it soon: what one processor
     * sends and receives itself is not fetched from another. */
    uint32_t spins = p->strategy == QUIRE_WAIT_YIELD ? SPINS_YIELD : SPINS;
    if (p->deadline_ns != QUIRE_FOREVER && (round >= spins || round % CLOCK_EVERY == 0) &&
        qr_now() >= p->deadline_ns)
        return QUIRE_TIMEDOUT;
    if (p->strategy == QUIRE_WAIT_BUSY || round < spins) {
        qr_pause();
        return 0;
    }
    if (p->strategy == QUIRE_WAIT_YIELD || round < spins + YIELDS) {
        sched_yield();
        return 0;
    }
    return 1;
}

static void sleep_begin(struct quire *ch, struct qr_sleep *sleep, uint32_t bit)
{
    if (sleep->holders)
        qr_add_acq_rel(sleep->holders, 1u); /* [R14 sleepers] pairs with A14 */
    /* [R14 sleepers] pairs with A14. */
    qr_add_acq_rel(sleep->sleepers, 1u);
    /* [A15 seq] pairs with R15: read before the last look. */
    sleep->seen = qr_load_acquire(sleep->seq);
    qr_attention_raise(ch, bit);
}

void qr_sleep_consumer(struct quire *ch, struct qr_group *group, int holds_ticket,
                       struct qr_sleep *sleep)
{
    sleep->seq = &group->block->wait_seq;
    sleep->sleepers = &group->block->sleepers;
    sleep->holders = holds_ticket ? &group->block->ticket_sleepers : NULL;
    sleep_begin(ch, sleep, QR_ATTEND_CONSUMERS);
}

void qr_sleep_space(struct quire *ch, struct qr_sleep *sleep)
{
    sleep->seq = &ch->view.live->space_seq;
    sleep->sleepers = &ch->view.live->space_sleepers;
    sleep->holders = NULL;
    sleep_begin(ch, sleep, QR_ATTEND_SPACE);
}

void qr_sleep_bell(struct quire *ch, struct qr_group *group, struct qr_bell *bell)
{
    /* [R14 sleepers] pairs with A14. Before the bell can be rung, which counts it off. */
    qr_add_acq_rel(&group->block->sleepers, 1u);
    qr_bell_arm(&group->bells, bell);
    qr_attention_raise(ch, QR_ATTEND_CONSUMERS);
}

void qr_sleep_bell_cancel(struct qr_group *group, struct qr_bell *bell)
{
    if (qr_bell_disarm(&group->bells, bell))
        count_off(&group->block->sleepers, 1);
}

int qr_sleep_wait(struct qr_sleep *sleep, uint64_t deadline_ns)
{
    int woken = futex_wait(sleep->seq, sleep->seen, deadline_ns) == 0;
    if (woken) {
        if (sleep->holders)
            qr_sub_relaxed(sleep->holders, 1u); /* relaxed: its own count */
        return 1;
    }
    qr_sleep_cancel(sleep);
    return 0;
}

void qr_sleep_cancel(struct qr_sleep *sleep)
{
    count_off(sleep->sleepers, 1);
    if (sleep->holders)
        qr_sub_relaxed(sleep->holders, 1u); /* relaxed: its own count */
}
