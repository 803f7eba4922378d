/* SPDX-License-Identifier: MIT */
/*
 * Calls of the library that the linker redirects here (--wrap), so that a run depends on nothing
 * but the choices of the scheduler:
 *   a mutex that is taken makes the coroutine wait for others, a futex wait makes it sleep until
 *   a coroutine wakes it; outside a run these are the real calls
 *   nobody spins before he sleeps: the looks of a spin differ in nothing but their number
 *   memory comes from an arena that is emptied before each run: the same addresses every time
 *   the engine does what it is asked at once, and hands it back at the next reap
 */
#include <tests/explore/wraps.h>

#include <errno.h>
#include <lib/wait.h>
#include <linux/futex.h>
#include <pages/engine.h>
#include <pages/io.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <tests/explore/durable.h>
#include <tests/explore/sched.h>
#include <unistd.h>

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __real_sched_yield(void);
long __real_syscall(long number, ...);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_sched_yield(void);
int __wrap_sched_getcpu(void);
long __wrap_syscall(long number, ...);

int wraps_apart;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (!sched_active()) {
        return __real_pthread_mutex_lock(mutex);
    }
    int rc = pthread_mutex_trylock(mutex);
    while (rc == EBUSY) {
        sched_spin();
        rc = pthread_mutex_trylock(mutex);
    }
    return rc;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (sched_active()) {
        sched_wrote();
    }
    return __real_pthread_mutex_unlock(mutex);
}

int __wrap_sched_getcpu(void)
{
    return wraps_apart && sched_active() ? (int)sched_self() + 1 : 0;
}

int __wrap_sched_yield(void)
{
    if (!sched_active()) {
        return __real_sched_yield();
    }
    sched_spin();
    return 0;
}

/* FUTEX_WAIT and FUTEX_WAKE with or without bitset; a time-out never comes. */
static long futex_in_run(const uint32_t *word, int operation, uint32_t value, uint32_t bitset)
{
    int command = operation & FUTEX_CMD_MASK;
    if (command == FUTEX_WAIT || command == FUTEX_WAKE) {
        bitset = FUTEX_BITSET_MATCH_ANY;
    }
    if (command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET) {
        return sched_wake(word, value, bitset);
    }
    if (command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET) {
        sched_fail("futex operation %d is not known to the explorer", operation);
    }
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) {
        errno = EAGAIN;
        return -1;
    }
    sched_sleep(word, bitset);
    return 0;
}

long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long);
    long b = va_arg(list, long);
    long c = va_arg(list, long);
    long d = va_arg(list, long);
    long e = va_arg(list, long);
    long f = va_arg(list, long);
    va_end(list);
    if (number == SYS_futex && sched_active()) {
        return futex_in_run((const uint32_t *)a, (int)b, (uint32_t)c, (uint32_t)f);
    }
    if (number == SYS_membarrier) {
        return 0; /* every access is in one order already */
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

int __real_qr_pause_step(struct qr_pause *pause);
int __wrap_qr_pause_step(struct qr_pause *pause);

int __wrap_qr_pause_step(struct qr_pause *pause)
{
    if (!sched_active() || pause->deadline_ns != QUIRE_FOREVER) {
        return __real_qr_pause_step(pause);
    }
    pause->rounds++;
    if (pause->strategy == QUIRE_WAIT_BLOCK) {
        return 1;
    }
    sched_spin();
    return 0;
}

/* --- memory --- */

#define ARENA_BYTES (4u << 20)
#define ARENA_ALIGN 128u

static _Alignas(ARENA_ALIGN) unsigned char arena[ARENA_BYTES];
static size_t arena_used;

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *memory);

void wraps_reset(void)
{
    memset(arena, 0, arena_used);
    arena_used = 0;
    files_reset();
}

/* Zeroed, since the arena is, and never used twice in a run. The size stands before it. */
void *__wrap_malloc(size_t size)
{
    size_t room = (size + 2 * ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (room < size || room > ARENA_BYTES - arena_used) {
        return NULL;
    }
    unsigned char *memory = arena + arena_used + ARENA_ALIGN;
    memcpy(memory - sizeof size, &size, sizeof size);
    arena_used += room;
    return memory;
}

void *__wrap_calloc(size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : __wrap_malloc(bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return align > ARENA_ALIGN ? NULL : __wrap_malloc(size);
}

/* What is freed becomes garbage: whoever uses it still goes wrong at once. */
void __wrap_free(void *memory)
{
    size_t size;
    if (memory) {
        memcpy(&size, (unsigned char *)memory - sizeof size, sizeof size);
        memset(memory, 0xdb, size);
    }
}

/* --- the engine --- */

int __wrap_qr_engine_open(enum qr_engine_kind wanted, struct qr_engine **engine,
                          struct qr_engine_report *report);

static struct {
    struct qr_engine engine;
    struct qr_op *done;
    int fd;
} at_once;

static void submit(struct qr_engine *engine, struct qr_op *op)
{
    (void)engine;
    op->result = op->kind == QR_OP_PUNCH      ? qr_io_punch(op->fd, op->offset, op->size)
                 : op->kind == QR_OP_ALLOCATE ? qr_io_fallocate(op->fd, op->offset, op->size)
                 : op->kind == QR_OP_DATASYNC ? durable_sync(op->fd)
                                              : 0;
    op->link = at_once.done;
    at_once.done = op;
}

static struct qr_op *reap(struct qr_engine *engine)
{
    (void)engine;
    struct qr_op *op = at_once.done;
    if (op) {
        at_once.done = op->link;
    }
    return op;
}

/* Always readable: whoever waits for a completion finds it at once. */
static int ready_fd(struct qr_engine *engine)
{
    (void)engine;
    return at_once.fd;
}

static void close_engine(struct qr_engine *engine)
{
    (void)engine;
    at_once.done = NULL;
}

int __wrap_qr_engine_open(enum qr_engine_kind wanted, struct qr_engine **engine,
                          struct qr_engine_report *report)
{
    static const struct qr_engine_ops ops = {"at once", submit, reap, ready_fd, close_engine};
    (void)wanted;
    memset(report, 0, sizeof(*report));
    at_once.engine.ops = &ops; /* pid 0 is nobody's: wakes do nothing */
    at_once.done = NULL;
    if (!at_once.fd) {
        at_once.fd = eventfd(1, EFD_CLOEXEC); /* one for all runs; 0 is taken */
    }
    if (at_once.fd < 0) {
        return -errno;
    }
    *engine = &at_once.engine;
    return 0;
}
