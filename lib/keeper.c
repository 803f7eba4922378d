/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/ahead.h>
#include <lib/commit.h>
#include <lib/due.h>
#include <lib/keeper.h>
#include <lib/pace.h>
#include <lib/recycle.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define LOOK_AGAIN_NS 1000000u /* the longest sleep of who helps */

enum engine_state { ENGINE_NONE, ENGINE_READY };
enum thread_state { THREAD_NONE, THREAD_RUNS, THREAD_OVER };

struct qr_keeper {
    struct qr_engine *engine; /* never changes once state says READY */
    struct qr_engine_report report;
    enum qr_engine_kind wanted;
    qr_atomic_u32 state;    /* enum engine_state */
    qr_atomic_u32 wants;    /* enum qr_want */
    qr_atomic_u32 user_fd;  /* 1 + the eventfd for the caller's loop; 0 none */
    qr_atomic_u32 owed;     /* ended, and the caller's loop was not told; written under the drive */
    pthread_mutex_t start;  /* engine, thread and eventfd are made */
    pthread_mutex_t drive;  /* submit, reap, and all below */
    qr_atomic_u32 threaded; /* enum thread_state; written under start, and at the end */
    pthread_t thread;
    struct qr_cpus cpus; /* of who opened the channel */
    int stopping;
    uint32_t in_flight; /* operations that must end before the end; not timers */
};

static int ready(struct qr_keeper *k)
{
    /* [A32 engine] pairs with R32: the engine is complete. */
    return k && qr_load_acquire(&k->state) == ENGINE_READY;
}

void qr_keeper_submit(struct quire *ch, struct qr_task *task)
{
    struct qr_keeper *k = ch->keeper;
    if (task->op.kind != QR_OP_TIMER)
        k->in_flight++;
    qr_engine_submit(k->engine, &task->op);
}

static int take_completions(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    struct qr_op *op;
    int n = 0;
    while ((op = qr_engine_reap(k->engine)) != NULL) {
        if (op->kind != QR_OP_TIMER)
            k->in_flight--;
        struct qr_task *task = (struct qr_task *)op;
        task->done(ch, task);
        n++;
    }
    return n;
}

static void serve(struct quire *ch, uint32_t wants)
{
    if (wants & QR_WANT_AHEAD)
        qr_ahead(ch);
    if (wants & QR_WANT_SHRINK)
        qr_give_back(ch);
    if (wants & QR_WANT_COMMIT)
        qr_commit_start(ch);
    if (wants & QR_WANT_PACE)
        qr_pace(ch);
    if (wants & QR_WANT_DUE)
        qr_due(ch);
}

/* With the drive. The wants are taken after the reap that has also taken the wake. */
static int drive(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    uint32_t wants;
    int n = 0;
    do {
        n += take_completions(ch);
        /* [A33 wants] pairs with R33: what the asker did before is seen. */
        wants = qr_exchange_acq_rel(&k->wants, 0u);
        serve(ch, wants);
    } while (wants != 0);
    return n;
}

int qr_keeper_enter(struct quire *ch)
{
    return ready(ch->keeper) && pthread_mutex_trylock(&ch->keeper->drive) == 0;
}

void qr_keeper_leave(struct quire *ch)
{
    pthread_mutex_unlock(&ch->keeper->drive);
}

int qr_keeper_dispatch(struct quire *ch)
{
    int rc = qr_keeper_start(ch);
    if (rc != 0)
        return rc;
    if (!qr_keeper_enter(ch))
        return 0; /* what there is to do is being done */
    /* relaxed, both: written under the drive only */
    int n = drive(ch) + (int)qr_load_relaxed(&ch->keeper->owed);
    qr_store_relaxed(&ch->keeper->owed, 0u);
    qr_keeper_leave(ch);
    return n;
}

/*
 * Driving makes the engine's descriptor unreadable. Where the caller's loop lives by it, what it
 * was not told of is owed: the descriptor is made readable again until the loop has dispatched.
 */
static int drive_aside(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    if (!qr_keeper_enter(ch))
        return 0;
    int n = drive(ch);
    if (n > 0 && ch->caller_keeps)
        qr_add_relaxed(&k->owed, (uint32_t)n); /* relaxed, both: under the drive only */
    if (qr_load_relaxed(&k->owed) > 0)
        qr_engine_wake(k->engine);
    qr_keeper_leave(ch);
    return n;
}

void qr_keeper_drive(struct quire *ch)
{
    if (qr_keeper_start(ch) == 0)
        (void)drive_aside(ch);
}

void qr_keeper_help(struct quire *ch)
{
    if (drive_aside(ch) == 0)
        sched_yield();
}

static void poll_until(int fd, uint64_t deadline_ns)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int timeout_ms = -1;
    if (deadline_ns != QUIRE_FOREVER) {
        uint64_t now = qr_now();
        uint64_t left = deadline_ns > now ? (deadline_ns - now + 999999) / 1000000 : 0;
        timeout_ms = left < INT32_MAX ? (int)left : INT32_MAX;
    }
    (void)poll(&p, 1, timeout_ms); /* interrupted or not: what is done is reaped */
}

void qr_keeper_help_until(struct quire *ch, uint64_t deadline_ns)
{
    if (!ready(ch->keeper)) {
        sched_yield();
        return;
    }
    uint64_t soon = qr_now() + LOOK_AGAIN_NS;
    uint64_t until = deadline_ns < soon ? deadline_ns : soon;
    /* Readable for the loop's sake, the descriptor is nothing to sleep on. relaxed: a hint */
    if (drive_aside(ch) == 0 && qr_load_relaxed(&ch->keeper->owed) != 0)
        poll_until(-1, until);
    else
        poll_until(qr_engine_fd(ch->keeper->engine), until);
}

static void *keep(void *argument)
{
    struct quire *ch = argument;
    struct qr_keeper *k = ch->keeper;
    int stop;
    do {
        poll_until(qr_engine_fd(k->engine), QUIRE_FOREVER);
        pthread_mutex_lock(&k->drive);
        (void)drive(ch);
        stop = k->stopping && k->in_flight == 0;
        pthread_mutex_unlock(&k->drive);
    } while (!stop);
    return NULL;
}

/* Under start. */
static int open_engine(struct qr_keeper *k)
{
    int rc = qr_engine_open(k->wanted, &k->engine, &k->report);
    if (rc != 0)
        return k->report.error != 0 ? QUIRE_EENGINE : rc;
    qr_store_release(&k->state, ENGINE_READY); /* [R32 engine] pairs with A32 */
    /* Either this sees what was wanted before, or who wanted it sees the engine: a fence on both
     * sides. */
    qr_full_fence();
    if (qr_load_relaxed(&k->wants) != 0) /* relaxed: behind the fence */
        qr_engine_wake(k->engine);
    return 0;
}

int qr_keeper_start(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    int rc = 0;
    if (ready(k))
        return 0;
    pthread_mutex_lock(&k->start);
    if (!ready(k))
        rc = open_engine(k);
    pthread_mutex_unlock(&k->start);
    return rc;
}

/* A thread that cannot be had now is asked for again with the next want; until then senders make
 * their pages themselves and those who wait drive. */
static void start_thread(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    pthread_mutex_lock(&k->start);
    if (!ready(k))
        (void)open_engine(k);
    /* relaxed: written under this lock only */
    if (ready(k) && qr_load_relaxed(&k->threaded) == THREAD_NONE &&
        qr_io_thread(&k->thread, &k->cpus, keep, ch) == 0)
        qr_store_relaxed(&k->threaded, THREAD_RUNS);
    pthread_mutex_unlock(&k->start);
}

void qr_keeper_want(struct quire *ch, uint32_t wants)
{
    struct qr_keeper *k = ch->keeper;
    /* relaxed: a hint; the lock decides */
    int keeps = ch->caller_keeps || qr_load_relaxed(&k->threaded) != THREAD_NONE;
    /* [R33 wants] pairs with A33. */
    uint32_t before = qr_or_acq_rel(&k->wants, wants);
    if (keeps && (before & wants) == wants)
        return; /* asked for already, and not yet taken */
    if (!keeps)
        start_thread(ch);
    qr_full_fence(); /* against open_engine: one of the two looks succeeds */
    if (ready(k))
        qr_engine_wake(k->engine);
}

int qr_keeper_runs(struct quire *ch)
{
    return qr_load_relaxed(&ch->keeper->threaded) == THREAD_RUNS; /* relaxed: never again not */
}

int qr_keeper_fd(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    int rc = qr_keeper_start(ch);
    if (rc != 0)
        return rc;
    if (ch->caller_keeps)
        return qr_engine_fd(k->engine);
    pthread_mutex_lock(&k->start);
    /* relaxed: made under this lock, and never another. */
    int fd = (int)qr_load_relaxed(&k->user_fd) - 1;
    if (fd < 0) {
        fd = qr_io_eventfd();
        if (fd >= 0)
            (void)eventfd_write(fd, 1); /* what happened before is news to its owner */
        if (fd >= 0)
            qr_store_release(&k->user_fd, (uint32_t)fd + 1); /* [R34 user_fd] pairs with A34 */
    }
    pthread_mutex_unlock(&k->start);
    return fd;
}

int qr_keeper_fd_clear(struct quire *ch)
{
    eventfd_t count;
    uint32_t fd = qr_load_acquire(&ch->keeper->user_fd); /* [A34 user_fd] pairs with R34 */
    return fd != 0 && eventfd_read((int)fd - 1, &count) == 0;
}

void qr_keeper_notify(struct quire *ch)
{
    /* [A34 user_fd] pairs with R34: who asks for it later finds out by looking. */
    uint32_t fd = qr_load_acquire(&ch->keeper->user_fd);
    if (fd != 0)
        (void)eventfd_write((int)fd - 1, 1); /* full: it is readable already */
}

void qr_keeper_report(struct quire *ch, struct qr_engine_report *report)
{
    memset(report, 0, sizeof(*report));
    if (ready(ch->keeper))
        *report = ch->keeper->report;
}

int qr_keeper_new(struct quire *ch, const struct quire_options *o)
{
    struct qr_keeper *k = qr_io_zalloc(sizeof(*k));
    if (!k)
        return -ENOMEM;
    pthread_mutex_init(&k->start, NULL);
    pthread_mutex_init(&k->drive, NULL);
    k->wanted = o->engine == QUIRE_ENGINE_URING     ? QR_ENGINE_URING
                : o->engine == QUIRE_ENGINE_THREADS ? QR_ENGINE_THREADS
                                                    : QR_ENGINE_AUTO;
    /* Whoever is the first to need the thread may be bound to a processor, and busy on it. */
    (void)qr_io_affinity(&k->cpus);
    ch->keeper = k;
    ch->caller_keeps = o->keeper == QUIRE_KEEPER_CALLER;
    /* In memory there may never be anything to do. */
    int rc = 0;
    if (ch->view.directory_backed || k->wanted != QR_ENGINE_AUTO)
        rc = qr_keeper_start(ch);
    return rc;
}

void qr_keeper_stop(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    /* relaxed, here and below: nobody else has the channel any more, and no thread begins now */
    uint32_t threaded = qr_load_relaxed(&k->threaded);
    qr_store_relaxed(&k->threaded, THREAD_OVER);
    if (!ready(k))
        return;
    pthread_mutex_lock(&k->drive);
    k->stopping = 1;
    pthread_mutex_unlock(&k->drive);
    if (threaded == THREAD_RUNS) {
        qr_engine_wake(k->engine);
        pthread_join(k->thread, NULL);
    }
    /* Without a thread the rest is driven here. */
    while (k->in_flight > 0)
        qr_keeper_help_until(ch, QUIRE_FOREVER);
}

void qr_keeper_free(struct quire *ch)
{
    struct qr_keeper *k = ch->keeper;
    if (!k)
        return;
    if (k->engine)
        qr_engine_close(k->engine);
    /* relaxed: alone again */
    uint32_t fd = qr_load_relaxed(&k->user_fd);
    if (fd != 0)
        qr_io_close((int)fd - 1);
    pthread_mutex_destroy(&k->drive);
    pthread_mutex_destroy(&k->start);
    free(k);
    ch->keeper = NULL;
}
