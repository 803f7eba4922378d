/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/due.h>
#include <lib/keeper.h>
#include <lib/lease.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <stdlib.h>

#define TIMERS 8u /* on their way at once; when one has ended the next is begun */

struct timer {
    struct qr_task task; /* first: the keeper hands this address back */
    int armed;
};

struct qr_due {
    struct timer timer[TIMERS]; /* under the drive */
};

static void rings(struct quire *ch, struct qr_task *task)
{
    ((struct timer *)task)->armed = 0;
    qr_due(ch);
}

int qr_due_new(struct quire *ch)
{
    ch->due = qr_io_zalloc(sizeof(*ch->due));
    if (!ch->due)
        return -ENOMEM;
    for (unsigned i = 0; i < TIMERS; i++) {
        ch->due->timer[i].task.op.kind = QR_OP_TIMER;
        ch->due->timer[i].task.done = rings;
    }
    return 0;
}

void qr_due_free(struct quire *ch)
{
    free(ch->due);
    ch->due = NULL;
}

void qr_due_ask(struct quire *ch, struct qr_group *group)
{
    uint64_t at = qr_leases_next(group, UINT64_MAX);
    if (at == UINT64_MAX)
        return;
    uint64_t seen = qr_load_relaxed(&group->ring_at); /* relaxed: the exchange decides */
    /* [R33 wants] the want that follows carries it. */
    while ((seen == 0 || at < seen) && !qr_cas_acq_rel(&group->ring_at, &seen, at))
        ;
    qr_keeper_want(ch, QR_WANT_DUE);
}

/* Rings the bells of groups whose time has come; when the next one's comes. */
static uint64_t ring_due(struct quire *ch, uint64_t now)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct qr_group *group = list->group[i];
        uint64_t at = qr_load_acquire(&group->ring_at); /* [A33 wants] as the want */
        if (at == 0)
            continue;
        if (at > now) {
            next = at < next ? at : next;
            continue;
        }
        /* [A33 wants] who asks meanwhile asks for a want again. */
        (void)qr_exchange_acq_rel(&group->ring_at, 0u);
        qr_full_fence(); /* against a sleeper's */
        qr_wake_group(ch, group, 1);
    }
    return next;
}

void qr_due(struct quire *ch)
{
    uint64_t next = ring_due(ch, qr_now());
    struct timer *idle = NULL;
    for (unsigned i = 0; next != UINT64_MAX && i < TIMERS; i++) {
        struct timer *timer = &ch->due->timer[i];
        if (timer->armed && timer->task.op.at_ns <= next)
            return;
        idle = timer->armed ? idle : timer;
    }
    if (next == UINT64_MAX || !idle)
        return;
    idle->armed = 1;
    idle->task.op.at_ns = next;
    qr_keeper_submit(ch, &idle->task);
}
