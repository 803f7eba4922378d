/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/commit.h>
#include <lib/keeper.h>
#include <lib/pace.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <stdlib.h>

#define STRIDE_MAX 32768u

/* A timer of the engine; under the drive. */
struct timer {
    struct qr_task task; /* first: the keeper hands this address back */
    int armed;
};

struct qr_pace {
    int interval; /* commits are due by what is published */
    uint64_t mask;
    uint64_t sync_every; /* less what the stride leaves uncounted */
    uint64_t sync_delay_ns;
    uint64_t cursor_every;
    uint64_t cursor_delay_ns;
    qr_atomic_u64 published; /* counted since the last commit began */
    qr_atomic_u64 received;  /* since the cursors were last synced */
    qr_atomic_u64 began_ns;  /* of the last commit */
    struct timer sync;
    struct timer cursors;
    int idle; /* under the drive: everything was durable when last looked at */
    int cursors_due;
};

static void sync_due(struct quire *ch, struct qr_task *task)
{
    ch->pace->sync.armed = 0;
    (void)task;
    qr_commit_start(ch);
}

static void cursors_due(struct quire *ch, struct qr_task *task)
{
    ch->pace->cursors.armed = 0;
    ch->pace->cursors_due = 1;
    (void)task;
    qr_commit_start(ch);
}

int qr_pace_new(struct quire *ch, const struct quire_options *o)
{
    struct qr_pace *p;
    if (ch->durability == QUIRE_DURABLE_NONE)
        return 0;
    p = qr_io_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    uint64_t stride = 1;
    while (stride < STRIDE_MAX && stride * 8 <= o->sync_every)
        stride *= 2;
    p->interval = ch->durability == QUIRE_DURABLE_INTERVAL;
    /* Without a limit by count nobody needs to count. */
    p->mask = p->interval && o->sync_every != UINT64_MAX ? stride - 1 : UINT64_MAX;
    p->sync_every = o->sync_every - (stride - 1);
    p->sync_delay_ns = o->sync_delay_ns;
    p->cursor_every = o->commit_every;
    p->cursor_delay_ns = o->commit_delay_ns;
    p->sync.task.op.kind = p->cursors.task.op.kind = QR_OP_TIMER;
    p->sync.task.done = sync_due;
    p->cursors.task.done = cursors_due;
    p->idle = 1;
    ch->pace = p;
    return 0;
}

void qr_pace_free(struct quire *ch)
{
    free(ch->pace);
    ch->pace = NULL;
}

uint64_t qr_pace_mask(const struct quire *ch)
{
    return ch->pace ? ch->pace->mask : UINT64_MAX;
}

int qr_pace_writes_back(const struct quire *ch)
{
    return ch->pace && ch->pace->interval;
}

void qr_pace_start(struct quire *ch)
{
    if (ch->pace && ch->pace->interval)
        qr_keeper_want(ch, QR_WANT_PACE);
}

void qr_pace_attend(struct quire *ch)
{
    if (ch->pace)
        qr_keeper_want(ch, QR_WANT_PACE);
}

/* Adds n; 1 when that takes the count to limit. */
static int counts_to(qr_atomic_u64 *count, uint64_t n, uint64_t limit, uint64_t *before)
{
    *before = qr_add_relaxed(count, n); /* relaxed: a counter; the want carries what it counts */
    return *before < limit && *before + n >= limit;
}

void qr_pace_published(struct quire *ch, uint64_t messages)
{
    uint64_t before;
    if (messages > 0 && counts_to(&ch->pace->published, messages, ch->pace->sync_every, &before))
        qr_keeper_want(ch, QR_WANT_COMMIT);
}

void qr_pace_received(struct quire *ch, uint32_t messages)
{
    uint64_t before;
    int due = counts_to(&ch->pace->received, messages, ch->pace->cursor_every, &before);
    if (due)
        qr_keeper_want(ch, QR_WANT_COMMIT);
    else if (before == 0)
        qr_keeper_want(ch, QR_WANT_PACE);
}

int qr_pace_cursors(struct quire *ch)
{
    struct qr_pace *p = ch->pace;
    /* relaxed, both: counters */
    if (!p || (!p->cursors_due && qr_load_relaxed(&p->received) < p->cursor_every))
        return 0;
    p->cursors_due = 0;
    qr_store_relaxed(&p->received, 0u);
    return 1;
}

void qr_pace_cursors_again(struct quire *ch)
{
    if (ch->pace)
        qr_pace_received(ch, 1);
}

void qr_pace_begun(struct quire *ch)
{
    if (!ch->pace)
        return;
    /* relaxed, both: a counter; messages counted before are published, and covered. */
    qr_store_relaxed(&ch->pace->published, 0u);
    qr_store_relaxed(&ch->pace->began_ns, qr_now());
}

void qr_pace_ended(struct quire *ch)
{
    if (ch->pace && ch->pace->interval)
        qr_keeper_want(ch, QR_WANT_PACE);
}

static void arm(struct quire *ch, struct timer *timer, uint64_t at_ns)
{
    timer->armed = 1;
    timer->task.op.at_ns = at_ns;
    qr_keeper_submit(ch, &timer->task);
}

/* 1 when all is durable, and the next publisher will say so when it is not. */
static int rests(struct quire *ch)
{
    if (!qr_commit_idle(ch))
        return 0;
    qr_attention_raise(ch, QR_ATTEND_COMMIT);
    if (qr_commit_idle(ch))
        return 1;
    (void)qr_attention_lower(ch, QR_ATTEND_COMMIT);
    return 0;
}

void qr_pace(struct quire *ch)
{
    struct qr_pace *p = ch->pace;
    if (!p || qr_poisoned(ch))
        return;
    /* relaxed: a counter */
    if (!p->cursors.armed && qr_load_relaxed(&p->received) > 0)
        arm(ch, &p->cursors, qr_now() + p->cursor_delay_ns);
    if (!p->interval || p->sync.armed || qr_commit_busy(ch))
        return; /* its end asks again */
    int was_idle = p->idle;
    p->idle = rests(ch);
    if (p->idle)
        return;
    uint64_t from = was_idle ? qr_now() : qr_load_relaxed(&p->began_ns); /* relaxed: a figure */
    arm(ch, &p->sync, from + p->sync_delay_ns);
}
