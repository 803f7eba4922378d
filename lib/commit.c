/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/commit.h>
#include <lib/keeper.h>
#include <lib/pace.h>
#include <lib/recycle.h>
#include <lib/sync_set.h>
#include <lib/turn.h>
#include <lib/tx.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <sched.h>
#include <stdlib.h>

#define ENGINE_SYNCS  16u      /* at once, at the most */
#define ENGINE_BEGINS 1u       /* at once, at first */
#define GATHER_MAX_NS 1000000u /* a stalled device is no reason to stall */

enum committer { COMMITTER_NONE, COMMITTER_CALLER, COMMITTER_ENGINE };

/* One file of a commit that the engine makes. */
struct file_task {
    struct qr_task task; /* first: the keeper hands this address back */
    struct qr_sync_file file;
    int busy;
};

struct qr_commit {
    qr_atomic_u64 begun;      /* number of the commit begun last */
    qr_atomic_u64 done;       /* of the last that succeeded */
    qr_atomic_u32 seq;        /* futex: a commit ended */
    qr_atomic_u32 waiting[2]; /* threads that wait for an even, an odd one */
    qr_atomic_u32 busy;       /* enum committer: who has all that is below in hand */
    qr_atomic_u32 again;      /* the keeper found it busy */
    qr_atomic_u64 commits;    /* figures */
    qr_atomic_u64 ns;
    struct qr_sync_set set;
    uint64_t number;
    uint64_t began_ns;
    uint64_t took_ns; /* the last one */
    uint32_t crowd;   /* that waited when the last one ended */
    uint32_t in_flight;
    uint32_t window; /* that may be in flight */
    int result;
    int more; /* files of the set are left */
    struct file_task tasks[ENGINE_SYNCS];
};

static void file_synced(struct quire *ch, struct qr_task *task);

int qr_commit_new(struct quire *ch)
{
    struct qr_commit *c = qr_io_zalloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    ch->commit = c;
    for (uint32_t i = 0; i < ENGINE_SYNCS; i++)
        c->tasks[i].task.done = file_synced;
    return qr_sync_set_init(ch, &c->set);
}

void qr_commit_free(struct quire *ch)
{
    if (ch->commit)
        qr_sync_set_free(&ch->commit->set);
    free(ch->commit);
    ch->commit = NULL;
}

void qr_commit_figures(struct quire *ch, uint64_t *commits, uint64_t *ns)
{
    *commits = qr_load_relaxed(&ch->commit->commits); /* relaxed, both: figures */
    *ns = qr_load_relaxed(&ch->commit->ns);
}

void qr_poison(struct quire *ch, int error)
{
    uint32_t clean = 0;
    /* [R37 poisoned] pairs with A37. The first error stays. */
    if (!qr_cas_acq_rel(&ch->view.live->poisoned, &clean, error < 0 ? (uint32_t)-error : EIO))
        return;
    qr_tx_shut_all(ch);
    qr_wake_everybody(ch);
}

/* --- one commit, by whoever has it in hand ------------------------------------------------- */

static void begin(struct quire *ch, int cursors)
{
    struct qr_commit *c = ch->commit;
    c->began_ns = qr_now();
    c->result = 0;
    /* [R35 begun] pairs with A35; only who has the commit in hand writes it. The fence pairs with
     * that of qr_commit_covering: who still read the older number has published before the looks
     * and syncs below. */
    c->number = qr_add_acq_rel(&c->begun, 1u) + 1;
    qr_full_fence();
    /* relaxed: read after this process is gone. Before the first sync: a committer that is killed
     * between a failed sync and the poison is found out by the next open. */
    qr_store_relaxed(&ch->view.live->commit_intent, c->number);
    qr_compiler_barrier();
    qr_pace_begun(ch);
    qr_sync_begin(ch, &c->set, cursors);
}

static int sync_file(const struct qr_sync_file *file)
{
    return file->names ? qr_io_fsync(file->fd) : qr_io_fdatasync(file->fd);
}

static void wake_waiters(struct qr_commit *c)
{
    /* [R15 seq] pairs with A15: who read it before looks at done and poisoned once more. */
    qr_add_acq_rel(&c->seq, 1u);
    qr_wake_futex(&c->seq);
}

/* After the last sync of the commit. */
static void end(struct quire *ch)
{
    struct qr_commit *c = ch->commit;
    c->took_ns = qr_now() - c->began_ns;
    if (c->result == 0) {
        qr_sync_end(ch, &c->set);
        qr_compiler_barrier();
        qr_store_relaxed(&ch->view.live->commit_intent, 0u); /* relaxed: as above */
        /* [R36 done] pairs with A36: all syncs have succeeded. */
        qr_store_release(&c->done, c->number);
        qr_add_relaxed(&c->commits, 1u); /* relaxed, both: figures */
        qr_add_relaxed(&c->ns, c->took_ns);
    } else {
        qr_sync_failed(ch, &c->set);
    }
    /* relaxed, both: hints */
    c->crowd = qr_load_relaxed(&c->waiting[0]) + qr_load_relaxed(&c->waiting[1]);
}

static int take(struct qr_commit *c, uint32_t who)
{
    uint32_t none = COMMITTER_NONE;
    /* [A38 busy] pairs with R38: the set as the last committer left it. */
    return qr_cas_acquire(&c->busy, &none, who);
}

/* Lets go of the commit. What the keeper wanted meanwhile is asked for again. */
static void let_go(struct quire *ch)
{
    struct qr_commit *c = ch->commit;
    /* [R38 busy] pairs with A38. */
    qr_store_release(&c->busy, COMMITTER_NONE);
    wake_waiters(c);
    /* The fence pairs with that of qr_commit_start: either it sees the commit free, or this sees
     * that one is wanted. */
    qr_full_fence();
    if (qr_load_relaxed(&c->again) != 0 &&  /* relaxed: behind the fence */
        qr_exchange_acq_rel(&c->again, 0u)) /* [A33 wants] as a want: carries what was published */
        qr_keeper_want(ch, QR_WANT_COMMIT);
}

/* After a commit, whatever became of it. */
static void finish(struct quire *ch)
{
    end(ch);
    let_go(ch);
    qr_keeper_notify(ch);
    qr_pace_ended(ch);
}

void qr_commit_needs(struct quire *ch, uint64_t page_no)
{
    if (!ch->commit)
        return;
    qr_sync_again(&ch->commit->set, page_no);
    qr_pace_attend(ch);
}

uint64_t qr_commit_begun(struct quire *ch)
{
    return qr_load_relaxed(&ch->commit->begun); /* relaxed: a hint */
}

int qr_commit_busy(struct quire *ch)
{
    return qr_load_relaxed(&ch->commit->busy) != COMMITTER_NONE; /* relaxed: its end asks again */
}

int qr_commit_idle(struct quire *ch)
{
    struct qr_commit *c = ch->commit;
    if (!take(c, COMMITTER_CALLER))
        return 0;
    int idle = c->result == 0 && qr_sync_idle(ch, &c->set);
    let_go(ch);
    return idle;
}

/* --- in the thread that waits -------------------------------------------------------------- */

/*
 * Those who were released together send again together. The first of them back gives the others a
 * moment, half of what the last commit took at most, so that one commit covers all of them.
 */
static void gather(struct qr_commit *c, uint64_t deadline_ns)
{
    /* relaxed, all: hints. Not those whose commit was the last one: they are on their way back. */
    const qr_atomic_u32 *come = &c->waiting[(qr_load_relaxed(&c->begun) + 1) & 1];
    if (c->crowd <= 1 || qr_load_relaxed(come) >= c->crowd)
        return;
    uint64_t most = c->took_ns / 2 < GATHER_MAX_NS ? c->took_ns / 2 : GATHER_MAX_NS;
    uint64_t until = qr_now() + most;
    until = until < deadline_ns ? until : deadline_ns;
    while (qr_load_relaxed(come) < c->crowd && qr_now() < until) /* relaxed: a hint */
        sched_yield();
}

/* With the commit in hand. */
static int lead(struct quire *ch, int cursors)
{
    struct qr_commit *c = ch->commit;
    struct qr_sync_file file;
    int rc = 0, more;
    /* Not before it is in hand: the commit that has just ended may have failed, and the error is
     * reported once only. */
    if (qr_poisoned(ch)) {
        let_go(ch);
        return QUIRE_EPOISONED;
    }
    begin(ch, cursors);
    while ((more = qr_sync_next(ch, &c->set, &file)) == 1) {
        rc = sync_file(&file);
        if (rc != 0) {
            qr_poison(ch, rc);
            rc = QUIRE_EPOISONED;
            break;
        }
        qr_sync_done(&c->set, &file);
    }
    if (rc == 0)
        rc = more; /* a file that cannot be opened: nothing is lost yet */
    c->result = rc;
    finish(ch);
    return rc;
}

uint64_t qr_commit_covering(struct quire *ch)
{
    qr_full_fence();                                /* the fence pairs with that of begin */
    return qr_load_acquire(&ch->commit->begun) + 1; /* [A35 begun] pairs with R35 */
}

/* Somebody else has the commit in hand. 0: look again. */
static int rest(struct quire *ch, uint32_t seen, uint64_t deadline_ns)
{
    struct qr_commit *c = ch->commit;
    if (deadline_ns == 0)
        return QUIRE_EAGAIN;
    if (deadline_ns != QUIRE_FOREVER && qr_now() >= deadline_ns)
        return QUIRE_TIMEDOUT;
    /* relaxed: a hint. The engine's commit ends only when somebody drives. Another driver may take
     * the completion between this look and the sleep, which is short for that. */
    if (!qr_keeper_runs(ch) && qr_load_relaxed(&c->busy) == COMMITTER_ENGINE)
        qr_keeper_help_until(ch, deadline_ns);
    else
        qr_wait_futex(&c->seq, seen, deadline_ns);
    return 0;
}

static int wait_for(struct quire *ch, uint64_t number, uint64_t deadline_ns)
{
    struct qr_commit *c = ch->commit;
    for (;;) {
        /* [A15 seq] pairs with R15: read before the looks. */
        uint32_t seen = qr_load_acquire(&c->seq);
        if (qr_load_acquire(&c->done) >= number) /* [A36 done] pairs with R36 */
            return 0;
        if (qr_poisoned(ch))
            return QUIRE_EPOISONED;
        int rc;
        if (take(c, COMMITTER_CALLER)) {
            gather(c, deadline_ns);
            rc = lead(ch, 0);
        } else {
            rc = rest(ch, seen, deadline_ns);
        }
        if (rc != 0)
            return rc;
    }
}

int qr_commit_wait(struct quire *ch, uint64_t number, uint64_t deadline_ns)
{
    struct qr_commit *c = ch->commit;
    qr_add_relaxed(&c->waiting[number & 1], 1u); /* relaxed, both: a hint for who leads */
    int rc = wait_for(ch, number, deadline_ns);
    qr_sub_relaxed(&c->waiting[number & 1], 1u);
    return rc;
}

int qr_commit_last(struct quire *ch)
{
    struct qr_commit *c = ch->commit;
    if (!c || !take(c, COMMITTER_CALLER))
        return 0;
    return lead(ch, 1);
}

/* --- by the keeper, through the engine ----------------------------------------------------- */

/*
 * More at once with every file that is done: consumers that are close behind the producers finish
 * the other pages meanwhile, which then need no sync. Those that are far behind leave many, and
 * the window opens.
 */
static void submit_files(struct quire *ch)
{
    struct qr_commit *c = ch->commit;
    for (uint32_t i = 0; i < ENGINE_SYNCS && c->more && c->in_flight < c->window; i++) {
        struct file_task *t = &c->tasks[i];
        if (t->busy)
            continue;
        int more = c->result == 0 ? qr_sync_next(ch, &c->set, &t->file) : 0;
        c->more = more == 1;
        if (more < 0)
            c->result = more;
        if (more != 1)
            break;
        t->busy = 1;
        t->task.op.kind = t->file.names ? QR_OP_SYNC : QR_OP_DATASYNC;
        t->task.op.fd = t->file.fd;
        c->in_flight++;
        qr_keeper_submit(ch, &t->task);
    }
    if (c->in_flight > 0)
        return;
    if (c->result != 0 && c->set.cursors)
        qr_pace_cursors_again(ch);
    finish(ch);
}

static void file_synced(struct quire *ch, struct qr_task *task)
{
    struct qr_commit *c = ch->commit;
    struct file_task *t = (struct file_task *)task;
    t->busy = 0;
    c->in_flight--;
    c->window += c->window < ENGINE_SYNCS;
    if (task->op.result == 0) {
        qr_sync_done(&c->set, &t->file);
    } else {
        qr_poison(ch, task->op.result);
        c->result = QUIRE_EPOISONED;
    }
    submit_files(ch);
}

void qr_commit_start(struct quire *ch)
{
    struct qr_commit *c = ch->commit;
    if (!c)
        return;
    if (!take(c, COMMITTER_ENGINE)) {
        /* [R33 wants] as a want. */
        (void)qr_exchange_acq_rel(&c->again, 1u);
        qr_full_fence(); /* pairs with that of let_go */
        if (!take(c, COMMITTER_ENGINE))
            return;
        qr_store_relaxed(&c->again, 0u); /* relaxed: who lets go later asks in vain */
    }
    if (qr_poisoned(ch)) { /* as in lead */
        let_go(ch);
        return;
    }
    begin(ch, qr_pace_cursors(ch));
    c->more = 1;
    c->window = ENGINE_BEGINS;
    submit_files(ch);
}

/* --- after a crash ------------------------------------------------------------------------- */

/* Every block is new to the kernel again: what the failed sync dropped is written once more. */
static int touch_all(struct quire *ch)
{
    const struct qr_frame *frame;
    uint32_t count = qr_group_count(ch), high = qr_load_relaxed(&ch->frames_high); /* relaxed */
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t f = 0; f < high; f++) {
        int rc = qr_frame_there(ch, f, &frame);
        if (rc < 0)
            return rc;
        if (rc == 1)
            qr_store_touch(frame->header, ch->view.sb->frame_bytes);
    }
    qr_store_touch((unsigned char *)ch->view.live - QR_LIVE_OFFSET, ch->view.sb->control_bytes);
    for (uint32_t i = 0; i < count; i++)
        qr_store_touch(list->group[i]->block, sizeof(struct qr_group_block));
    return 0;
}

int qr_commit_resume(struct quire *ch)
{
    /* relaxed, all: alone in the channel. */
    if (qr_load_relaxed(&ch->view.live->commit_intent) == 0 || qr_poisoned(ch))
        return 0;
    int rc = touch_all(ch);
    if (rc != 0)
        return rc;
    struct qr_sync_set *set = &ch->commit->set;
    set->first_page = 0; /* nothing is taken for durable */
    set->named_pages = 0;
    rc = qr_commit_last(ch);
    return rc == QUIRE_EPOISONED ? 0 : rc;
}
