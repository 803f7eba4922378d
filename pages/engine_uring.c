/* SPDX-License-Identifier: MIT */
/*
 * The engine over io_uring. No links, no drains, no polling thread; the descriptor is the ring's.
 *
 * The ring polls wake_fd once at a time (the poll operation below). Its completion leaves the ring
 * only after the next poll is in, so that a wake can always reach whoever waits for the ring:
 * either a poll is pending, or a completion is there and the descriptor readable.
 *
 * Timers stay in a list of their own; one timeout in the ring, the alarm, stands for the earliest
 * and is moved when an earlier one comes.
 *
 * Work that was queued by a thread is cancelled by the kernel when that thread exits; it is then
 * submitted again by whoever reaps.
 *
 * Where the kernel does not take submissions any more (a seccomp filter put on later, say) the
 * engine is stuck: operations are carried out by the submitter, the kernel is asked again at each
 * submit and reap, and one completion is kept in the ring so that its descriptor stays readable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pages/engine_list.h>
#include <pages/io.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ENTRIES     64
#define OWN         3               /* poll, alarm, move: each at most once in the ring */
#define USERS       (ENTRIES - OWN) /* so that the completion queue cannot overflow */
#define REFUSALS    64              /* passing refusals in a row until the engine is stuck */
#define IS_STUCK(e) ((e)->refusals >= REFUSALS)
#define RETRIES     16 /* cancelled so often: then it is the result */
#define WORKERS     4  /* kernel threads, of each of the two sorts */

/* A length in the ring has 32 bits: more is populated in steps. */
#ifdef QR_TESTING
#define POPULATE_STEP ((uint64_t)1 << 20)
#else
#define POPULATE_STEP ((uint64_t)1 << 30)
#endif

struct staged {
    struct qr_op *op;
    struct io_uring_sqe *sqe;
};

struct uring_engine {
    struct qr_engine base; /* first: the two addresses are one */
    struct io_uring ring;
    uint32_t able;              /* bit per qr_op_kind: the kernel's io_uring can do it */
    struct qr_op_queue waiting; /* for room in the ring */
    struct qr_op_queue done;    /* ended without the ring; awake is set while there are any */
    struct qr_op *timers;       /* the earliest first */
    unsigned pending;           /* file operations that have not ended */
    unsigned users;             /* user operations in the ring */

    /* In the submission queue, not taken by the kernel; a ring, in the order of the entries. */
    struct staged staged[ENTRIES];
    unsigned staged_first;
    unsigned staged_count;
    unsigned refusals;

    struct qr_op poll; /* the engine's own, known by address */
    struct qr_op alarm;
    struct qr_op move;
    struct qr_op nothing; /* in place of an operation that was carried out otherwise */
    struct qr_op kept;    /* a completion kept for the descriptor's sake */
    int poll_staged;
    int poll_spent; /* the completion at the head was dealt with, the next poll is not in yet */
    int alarm_set;
    int move_set;
    int no_move;
    uint64_t alarm_at;
    uint64_t move_at;
    struct __kernel_timespec alarm_time; /* read by the kernel when it takes the entry */
    struct __kernel_timespec move_time;
};

/* What the kernel is asked to do, and which call of io.h it stands for; -1: none. */
static const struct {
    uint8_t opcode;
    int call;
} translation[] = {
    [QR_OP_NOP] = {IORING_OP_NOP, -1},
    [QR_OP_ALLOCATE] = {IORING_OP_FALLOCATE, QR_IO_FALLOCATE},
    [QR_OP_PUNCH] = {IORING_OP_FALLOCATE, QR_IO_PUNCH},
    [QR_OP_POPULATE] = {IORING_OP_MADVISE, QR_IO_MADVISE},
    [QR_OP_SYNC] = {IORING_OP_FSYNC, QR_IO_FSYNC},
    [QR_OP_DATASYNC] = {IORING_OP_FSYNC, QR_IO_FDATASYNC},
    [QR_OP_CLOSE] = {IORING_OP_CLOSE, -1},
    [QR_OP_UNLINK] = {IORING_OP_UNLINKAT, QR_IO_UNLINK},
};
#define KINDS (sizeof translation / sizeof *translation)

/* --- into the ring --- */

static void prepare_file(const struct qr_op *op, struct io_uring_sqe *sqe)
{
    int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    uint64_t left = op->size - op->populated;
    switch (op->kind) {
    case QR_OP_ALLOCATE:
        io_uring_prep_fallocate(sqe, op->fd, 0, (off_t)op->offset, (off_t)op->size);
        break;
    case QR_OP_PUNCH:
        io_uring_prep_fallocate(sqe, op->fd, punch, (off_t)op->offset, (off_t)op->size);
        break;
    case QR_OP_POPULATE:
        left = left < POPULATE_STEP ? left : POPULATE_STEP;
        io_uring_prep_madvise(sqe, (char *)op->address + op->populated, (off_t)left,
                              MADV_POPULATE_WRITE);
        break;
    case QR_OP_SYNC:
        io_uring_prep_fsync(sqe, op->fd, 0);
        break;
    case QR_OP_DATASYNC:
        io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
        break;
    case QR_OP_CLOSE:
        io_uring_prep_close(sqe, op->fd);
        break;
    case QR_OP_UNLINK:
        io_uring_prep_unlinkat(sqe, op->fd, op->name, 0);
        break;
    default:
        io_uring_prep_nop(sqe);
    }
}

static void prepare(struct uring_engine *engine, const struct qr_op *op, struct io_uring_sqe *sqe)
{
    if (op == &engine->poll)
        io_uring_prep_poll_add(sqe, engine->base.wake_fd, POLLIN);
    else if (op == &engine->alarm)
        io_uring_prep_timeout(sqe, &engine->alarm_time, 0, 0);
    else if (op == &engine->move)
        io_uring_prep_timeout_update(sqe, &engine->move_time, (uint64_t)(uintptr_t)&engine->alarm,
                                     0);
    else if (op->decided)
        io_uring_prep_nop(sqe);
    else
        prepare_file(op, sqe);
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)op);
}

/* There is room: USERS and OWN see to it. */
static void stage(struct uring_engine *engine, struct qr_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&engine->ring);
    unsigned at = (engine->staged_first + engine->staged_count++) % ENTRIES;
    engine->staged[at] = (struct staged){op, sqe};
    engine->poll_staged |= op == &engine->poll;
    prepare(engine, op, sqe);
}

/* What need not or cannot go to the kernel passes through the ring as a no-operation, so that the
 * descriptor tells of it. Asked once for each operation. */
static void decide(struct uring_engine *engine, struct qr_op *op)
{
    unsigned kind = (unsigned)op->kind;
    int verdict = 0;
    if (kind >= KINDS)
        verdict = -EINVAL;
    else if (!(engine->able & 1u << kind))
        verdict = 1;
    else if (translation[kind].call >= 0)
        verdict = qr_io_verdict((enum qr_io_call)translation[kind].call);
    if (verdict == 0) {
        if (qr_op_is_sync(op))
            qr_io_note_sync(op->fd, 0);
        return;
    }
    op->decided = 1;
    op->result = verdict < 0 ? verdict : qr_engine_carry_out(op);
}

static void stage_waiting(struct uring_engine *engine)
{
    while (engine->waiting.first != NULL && engine->users < USERS) {
        struct qr_op *op = qr_op_take(&engine->waiting);
        engine->users++;
        stage(engine, op);
    }
}

/* Relative times: a time namespace gives the caller a monotonic clock of its own. */
static struct __kernel_timespec from_now(uint64_t at_ns)
{
    uint64_t now = qr_engine_now_ns();
    uint64_t wait = at_ns > now ? at_ns - now : 0;
    return (struct __kernel_timespec){.tv_sec = (long long)(wait / 1000000000u),
                                      .tv_nsec = (long long)(wait % 1000000000u)};
}

/* Sees to it that the alarm comes no later than the earliest timer. */
static void set_alarm(struct uring_engine *engine)
{
    if (engine->timers == NULL)
        return;
    uint64_t at = engine->timers->at_ns;
    if (!engine->alarm_set) {
        engine->alarm_set = 1;
        engine->alarm_at = at;
        engine->alarm_time = from_now(at);
        stage(engine, &engine->alarm);
    } else if (at < engine->alarm_at && !engine->move_set && !engine->no_move) {
        engine->move_set = 1;
        engine->move_at = at;
        engine->move_time = from_now(at);
        stage(engine, &engine->move);
    }
}

/* Ended, and the ring does not tell of it. */
static void end_here(struct uring_engine *engine, struct qr_op *op)
{
    if (!op->decided)
        op->result = qr_engine_carry_out(op);
    engine->pending--;
    qr_op_put(&engine->done, op);
}

/* Stuck: the submitter does what waits. Entries already in the queue come to nothing, should the
 * kernel ever take them; the engine's own stay as they are. */
static void carry_out_here(struct uring_engine *engine)
{
    for (unsigned i = 0; i < engine->staged_count; i++) {
        struct staged *staged = &engine->staged[(engine->staged_first + i) % ENTRIES];
        struct qr_op *op = staged->op;
        if (op == &engine->poll || op == &engine->alarm || op == &engine->move ||
            op == &engine->nothing)
            continue;
        io_uring_prep_nop(staged->sqe);
        io_uring_sqe_set_data64(staged->sqe, (uint64_t)(uintptr_t)&engine->nothing);
        staged->op = &engine->nothing;
        end_here(engine, op);
    }
    struct qr_op *op;
    while ((op = qr_op_take(&engine->waiting)) != NULL)
        end_here(engine, op);
}

static int passes(int error)
{
    return error == -EAGAIN || error == -EBUSY || error == -EINTR || error == -ENOMEM;
}

/* The driver is woken to try again at its next reap. */
static void refused(struct uring_engine *engine, int error)
{
    if (!passes(error) || engine->refusals >= REFUSALS)
        engine->refusals = REFUSALS;
    else
        engine->refusals++;
    if (IS_STUCK(engine))
        carry_out_here(engine);
    qr_engine_wake(&engine->base);
}

static void taken(struct uring_engine *engine, unsigned count)
{
    for (; count > 0; count--) {
        if (engine->staged[engine->staged_first].op == &engine->poll)
            engine->poll_staged = 0;
        engine->staged_first = (engine->staged_first + 1) % ENTRIES;
        engine->staged_count--;
    }
    engine->refusals = 0;
}

static void flush(struct uring_engine *engine)
{
    while (engine->staged_count > 0) {
        int rc = qr_io_verdict(QR_IO_URING_SUBMIT);
        if (rc == 0)
            rc = io_uring_submit(&engine->ring);
        if (rc <= 0 || (unsigned)rc > engine->staged_count) {
            refused(engine, rc == 0 ? -EAGAIN : rc);
            return;
        }
        taken(engine, (unsigned)rc);
    }
}

static void push(struct uring_engine *engine)
{
    if (IS_STUCK(engine))
        flush(engine);
    if (IS_STUCK(engine))
        return; /* refused() has carried out what waited */
    set_alarm(engine);
    stage_waiting(engine);
    flush(engine);
}

static void uring_submit(struct qr_engine *base, struct qr_op *op)
{
    struct uring_engine *engine = (struct uring_engine *)base;
    if (!qr_engine_is_ours(base)) {
        op->result = -EPERM;
        return;
    }
    op->held = 0;
    op->decided = 0;
    op->retries = 0;
    op->populated = 0;
    if (op->kind == QR_OP_TIMER) {
        qr_timer_put(&engine->timers, op);
    } else {
        decide(engine, op);
        engine->pending++;
        qr_op_put(&engine->waiting, op);
    }
    push(engine);
}

/* --- out of the ring --- */

/* 1 when the operation goes into the ring once more. A sync that was interrupted may have taken
 * the news of a failed write-back with it, and a descriptor is gone however its close ended:
 * neither is ever repeated unless it was not begun. */
static int goes_again(struct qr_op *op, int result)
{
    int interrupted = result == -EINTR && !qr_op_is_sync(op) && op->kind != QR_OP_CLOSE;
    if (result == -ECANCELED || interrupted)
        return ++op->retries <= RETRIES;
    if (op->kind != QR_OP_POPULATE || result != 0)
        return 0;
    uint64_t left = op->size - op->populated;
    op->populated += left < POPULATE_STEP ? left : POPULATE_STEP;
    op->retries = 0;
    return op->populated < op->size;
}

/* A completion of a user's operation. Returns 0 when it was no end. */
static int settle(struct uring_engine *engine, struct qr_op *op, int result)
{
    engine->users--;
    if (!op->decided) {
        int verdict = qr_io_verdict(QR_IO_URING_COMPLETE);
        result = verdict < 0 ? verdict : result;
        if (goes_again(op, result)) {
            qr_op_put(&engine->waiting, op);
            return 0;
        }
        op->result = result > 0 ? -EIO : result;
        if (op->kind == QR_OP_CLOSE && result == -EINTR)
            op->result = 0;
        if (qr_op_is_sync(op) && result == 0)
            qr_io_note_sync(op->fd, 1);
    }
    engine->pending--;
    return 1;
}

static void moved(struct uring_engine *engine, int result)
{
    engine->move_set = 0;
    if (result == 0)
        engine->alarm_at = engine->move_at;
    else if (result != -ENOENT && result != -EALREADY && result != -ECANCELED)
        engine->no_move = 1; /* the earlier timer is late, but never lost */
}

static int held_back(struct qr_op *op)
{
    if (op->held || !qr_io_take_late())
        return 0;
    op->held = 1;
    return 1;
}

enum step { GO_ON, NOTHING, TAKEN };

/* The wake ends here, with a NULL; what is behind it in the ring keeps the fd readable. */
static enum step on_poll(struct uring_engine *engine)
{
    int first = !engine->poll_spent;
    if (first) {
        (void)qr_engine_take_wake(&engine->base);
        engine->poll_spent = 1;
        stage(engine, &engine->poll);
        flush(engine);
    }
    if (engine->poll_staged)
        return NOTHING; /* not in: this completion stays */
    engine->poll_spent = 0;
    io_uring_cq_advance(&engine->ring, 1);
    return first ? NOTHING : GO_ON;
}

/* Sets the next alarm, which comes at once when more than one timer is due. */
static enum step on_alarm(struct uring_engine *engine, struct qr_op **out)
{
    struct qr_op *op = qr_timer_due(engine->timers);
    if (op != NULL && held_back(op))
        return NOTHING;
    if (op != NULL)
        *out = qr_timer_take(&engine->timers);
    engine->alarm_set = 0;
    io_uring_cq_advance(&engine->ring, 1);
    push(engine);
    return op != NULL ? TAKEN : GO_ON;
}

static enum step on_completion(struct uring_engine *engine, const struct io_uring_cqe *cqe,
                               struct qr_op **out)
{
    struct qr_op *op = (struct qr_op *)(uintptr_t)cqe->user_data;
    int result = cqe->res;
    if (op == &engine->poll)
        return on_poll(engine);
    if (op == &engine->alarm)
        return on_alarm(engine, out);
    int users = op != &engine->move && op != &engine->kept && op != &engine->nothing;
    if (users && held_back(op))
        return NOTHING;
    io_uring_cq_advance(&engine->ring, 1);
    if (users && settle(engine, op, result))
        *out = op;
    else if (op == &engine->move)
        moved(engine, result);
    else if (op == &engine->nothing)
        engine->users--;
    push(engine);
    return *out != NULL ? TAKEN : GO_ON;
}

/* Stuck: everything is taken out of the ring but one completion. */
static void collect(struct uring_engine *engine)
{
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&engine->ring, &cqe) == 0) {
        struct qr_op *op = (struct qr_op *)(uintptr_t)cqe->user_data;
        if (op == &engine->poll) {
            if (!engine->poll_spent)
                stage(engine, &engine->poll);
            engine->poll_spent = 0;
        } else if (op == &engine->alarm) {
            engine->alarm_set = 0;
        } else if (op == &engine->move) {
            moved(engine, cqe->res);
        } else if (op == &engine->nothing) {
            engine->users--;
        } else if (op != &engine->kept && settle(engine, op, cqe->res)) {
            qr_op_put(&engine->done, op);
        }
        cqe->user_data = (uint64_t)(uintptr_t)&engine->kept;
        if (io_uring_cq_ready(&engine->ring) == 1)
            break;
        io_uring_cq_advance(&engine->ring, 1);
    }
    carry_out_here(engine);
}

static struct qr_op *take_when_stuck(struct uring_engine *engine)
{
    collect(engine);
    struct qr_op *op = qr_timer_due(engine->timers);
    if (op != NULL)
        return held_back(op) ? NULL : qr_timer_take(&engine->timers);
    op = engine->done.first;
    if (op == NULL)
        (void)qr_engine_take_wake(&engine->base);
    else if (held_back(op))
        return NULL;
    return qr_op_take(&engine->done);
}

static struct qr_op *take(struct uring_engine *engine)
{
    struct io_uring_cqe *cqe;
    struct qr_op *op = engine->done.first;
    push(engine);
    if (IS_STUCK(engine))
        return take_when_stuck(engine);
    if (op != NULL)
        return held_back(op) ? NULL : qr_op_take(&engine->done);
    while (op == NULL && io_uring_peek_cqe(&engine->ring, &cqe) == 0) {
        if (on_completion(engine, cqe, &op) == NOTHING)
            return NULL;
        if (op == NULL && IS_STUCK(engine))
            return take_when_stuck(engine);
    }
    return op;
}

static struct qr_op *uring_reap(struct qr_engine *base)
{
    return qr_engine_is_ours(base) ? take((struct uring_engine *)base) : NULL;
}

static int uring_fd(struct qr_engine *base)
{
    return ((struct uring_engine *)base)->ring.ring_fd;
}

/* --- opening and closing --- */

static void uring_close(struct qr_engine *base)
{
    struct uring_engine *engine = (struct uring_engine *)base;
    struct pollfd ready = {.fd = engine->ring.ring_fd, .events = POLLIN};
    if (qr_engine_is_ours(base)) {
        while (engine->pending > 0)
            if (take(engine) == NULL && engine->pending > 0)
                (void)poll(&ready, 1, -1);
        io_uring_queue_exit(&engine->ring);
    } else {
        /* The child of a fork has the descriptor, but nothing at the ring's addresses. */
        qr_io_close(engine->ring.ring_fd);
    }
    qr_engine_base_close(base);
    free(engine);
}

static const struct qr_engine_ops uring_ops = {.name = "io_uring",
                                               .submit = uring_submit,
                                               .reap = uring_reap,
                                               .fd = uring_fd,
                                               .close = uring_close};

/* Which operations this kernel knows. Without these three there is no engine. */
static int probe(struct uring_engine *engine)
{
    int rc = qr_io_verdict(QR_IO_URING_PROBE);
    if (rc < 0)
        return rc;
    struct io_uring_probe *known = io_uring_get_probe_ring(&engine->ring);
    if (known == NULL)
        return -EOPNOTSUPP;
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (io_uring_opcode_supported(known, translation[kind].opcode))
            engine->able |= 1u << kind;
    if (!io_uring_opcode_supported(known, IORING_OP_POLL_ADD) ||
        !io_uring_opcode_supported(known, IORING_OP_TIMEOUT) ||
        !io_uring_opcode_supported(known, IORING_OP_TIMEOUT_REMOVE))
        rc = -EOPNOTSUPP;
    io_uring_free_probe(known);
    return rc;
}

static int start_ring(struct uring_engine *engine)
{
    unsigned workers[2] = {WORKERS, WORKERS};
    int rc = io_uring_ring_dontfork(&engine->ring);
    if (rc == 0)
        rc = probe(engine);
    if (rc < 0)
        return rc;
    /* Refused or not: more workers are a waste, not an error. */
    (void)io_uring_register_iowq_max_workers(&engine->ring, workers);
    stage(engine, &engine->poll);
    rc = qr_io_verdict(QR_IO_URING_SUBMIT);
    if (rc == 0)
        rc = io_uring_submit(&engine->ring);
    if (rc != 1)
        return rc < 0 ? rc : -EAGAIN;
    taken(engine, 1);
    return 0;
}

static int open_ring(struct uring_engine *engine)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CLAMP};
    int rc = qr_io_verdict(QR_IO_URING_SETUP);
    if (rc == 0)
        rc = io_uring_queue_init_params(ENTRIES, &engine->ring, &params);
    if (rc < 0)
        return rc;
    rc = start_ring(engine);
    if (rc < 0)
        io_uring_queue_exit(&engine->ring);
    return rc;
}

int qr_engine_uring_open(struct qr_engine **out)
{
    struct uring_engine *engine = qr_io_zalloc(sizeof *engine);
    *out = NULL;
    if (engine == NULL)
        return -ENOMEM;
    int rc = qr_engine_base_open(&engine->base, &uring_ops);
    if (rc == 0) {
        rc = open_ring(engine);
        if (rc < 0)
            qr_engine_base_close(&engine->base);
    }
    if (rc < 0) {
        free(engine);
        return rc;
    }
    *out = &engine->base;
    return 0;
}
