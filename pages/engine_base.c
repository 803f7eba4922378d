/* SPDX-License-Identifier: MIT */
/*
 * What all engines share: the wake, the guard against use after fork, and operations carried out
 * in the calling thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pages/engine.h>
#include <pages/io.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* The page that a child of fork finds empty. Where the kernel cannot do that, the pid serves. */
static void guard_open(struct qr_engine *engine)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page;
    engine->alive = NULL;
    engine->pid = getpid();
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (qr_io_mmap(&page, size, PROT_READ | PROT_WRITE, flags, -1, 0) != 0)
        return;
    if (qr_io_madvise(page, size, MADV_WIPEONFORK) != 0) {
        munmap(page, size); /* past the seam: undoing is no call that a test fails */
        return;
    }
    *(uint32_t *)page = 1;
    engine->alive = page;
}

int qr_engine_base_open(struct qr_engine *engine, const struct qr_engine_ops *ops)
{
    int rc = qr_io_eventfd();
    if (rc < 0)
        return rc;
    engine->ops = ops;
    engine->wake_fd = rc;
    qr_store_relaxed(&engine->awake, 0u); /* relaxed: nobody else has the engine yet */
    guard_open(engine);
    return 0;
}

void qr_engine_base_close(struct qr_engine *engine)
{
    if (engine->alive != NULL)
        munmap((void *)(uintptr_t)engine->alive, (size_t)sysconf(_SC_PAGESIZE));
    qr_io_close(engine->wake_fd);
}

int qr_engine_is_ours(const struct qr_engine *engine)
{
    return engine->alive != NULL ? *engine->alive != 0 : engine->pid == getpid();
}

void qr_engine_wake(struct qr_engine *engine)
{
    if (!qr_engine_is_ours(engine))
        return;
    /* [R31 awake] [A31 awake] pair with themselves and with the exchange in take_wake(): whoever
     * finds 1 has published before the driver's exchange, or the 1 in wake_fd is still to be taken.
     */
    if (qr_exchange_acq_rel(&engine->awake, 1u) == 0)
        (void)eventfd_write(engine->wake_fd, 1); /* cannot fail: the counter stays below 3 */
}

/*
 * awake goes back to 0 only after its 1 was taken from wake_fd: the other way round a wake between
 * the two would have its 1 taken while awake stays, and no wake would ever write again.
 */
int qr_engine_take_wake(struct qr_engine *engine)
{
    eventfd_t count;
    /* relaxed: only spares the system call; a wake not seen here has its 1 still to come. */
    if (qr_load_relaxed(&engine->awake) == 0)
        return 0;
    if (eventfd_read(engine->wake_fd, &count) != 0)
        return 0; /* about to be written: the fd becomes readable then */
    (void)qr_exchange_acq_rel(&engine->awake, 0u); /* [A31 awake] [R31 awake] */
    return 1;
}

int qr_engine_carry_out(const struct qr_op *op)
{
    switch (op->kind) {
    case QR_OP_NOP:
        return 0;
    case QR_OP_ALLOCATE:
        return qr_io_fallocate(op->fd, op->offset, op->size);
    case QR_OP_PUNCH:
        return qr_io_punch(op->fd, op->offset, op->size);
    case QR_OP_POPULATE:
        return qr_io_madvise(op->address, (size_t)op->size, MADV_POPULATE_WRITE);
    case QR_OP_SYNC:
        return qr_io_fsync(op->fd);
    case QR_OP_DATASYNC:
        return qr_io_fdatasync(op->fd);
    case QR_OP_CLOSE:
        return qr_io_close_checked(op->fd);
    case QR_OP_UNLINK:
        return qr_io_unlink(op->fd, op->name);
    case QR_OP_TIMER:
        break;
    }
    return -EINVAL;
}
