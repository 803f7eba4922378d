/* SPDX-License-Identifier: MIT */
/*
 * The only way to an atomic. The order stands in the name of each operation, so that every access
 * can be found with grep; there is no implicit seq_cst and no bare fence but the two named below.
 *
 * Built with -DQR_SCHED=1 every access first calls qr_sched_point(), so that a scheduler may run
 * another thread there: the real code, explored under chosen interleavings.
 */
#ifndef QR_BASE_ATOMIC_H
#define QR_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic(uint64_t) qr_atomic_u64;
typedef _Atomic(uint32_t) qr_atomic_u32;

/* Words in mapped files are shared between processes: they must be lock-free (address-free). */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must be lock-free");
_Static_assert(sizeof(qr_atomic_u64) == 8 && sizeof(qr_atomic_u32) == 4, "atomics add no bytes");

enum qr_access { QR_LOAD, QR_STORE, QR_RMW, QR_FENCE };

#ifdef QR_SCHED
void qr_sched_point(enum qr_access kind, const volatile void *address);
#define QR_POINT(kind, address) qr_sched_point((kind), (address))
#else
#define QR_POINT(kind, address) ((void)0)
#endif

#define qr_load_relaxed(p) (QR_POINT(QR_LOAD, p), atomic_load_explicit((p), memory_order_relaxed))
#define qr_load_acquire(p) (QR_POINT(QR_LOAD, p), atomic_load_explicit((p), memory_order_acquire))
#define qr_store_relaxed(p, v) \
    (QR_POINT(QR_STORE, p), atomic_store_explicit((p), (v), memory_order_relaxed))
#define qr_store_release(p, v) \
    (QR_POINT(QR_STORE, p), atomic_store_explicit((p), (v), memory_order_release))
#define qr_add_relaxed(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_add_explicit((p), (v), memory_order_relaxed))
#define qr_add_acquire(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_add_explicit((p), (v), memory_order_acquire))
#define qr_add_release(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_add_explicit((p), (v), memory_order_release))
#define qr_add_acq_rel(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_add_explicit((p), (v), memory_order_acq_rel))
#define qr_sub_relaxed(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_sub_explicit((p), (v), memory_order_relaxed))
#define qr_sub_acq_rel(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel))
#define qr_or_acq_rel(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_or_explicit((p), (v), memory_order_acq_rel))
#define qr_and_acq_rel(p, v) \
    (QR_POINT(QR_RMW, p), atomic_fetch_and_explicit((p), (v), memory_order_acq_rel))
#define qr_exchange_acq_rel(p, v) \
    (QR_POINT(QR_RMW, p), atomic_exchange_explicit((p), (v), memory_order_acq_rel))
/* Strong compare-exchange; on failure *expected holds the value seen, with acquire order. */
#define qr_cas_acquire(p, expected, desired)                                                   \
    (QR_POINT(QR_RMW, p),                                                                      \
     atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acquire, \
                                             memory_order_acquire))
#define qr_cas_acq_rel(p, expected, desired)                                                   \
    (QR_POINT(QR_RMW, p),                                                                      \
     atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel, \
                                             memory_order_acquire))

/* Keeps the compiler from moving accesses across; the processor is ordered by membarrier. */
#define qr_compiler_barrier() atomic_signal_fence(memory_order_seq_cst)
/* The store-load fence for where membarrier is refused. Slow paths only. */
#define qr_full_fence() (QR_POINT(QR_FENCE, 0), atomic_thread_fence(memory_order_seq_cst))

static inline void qr_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

/*
 * Asks for the line to write to it, and goes on: lines that are needed one after the other come
 * together. Where x86 does not know the instruction it does nothing.
 */
static inline void qr_fetch_for_write(const volatile void *line)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" ::"m"(*(const volatile char *)line));
#else
    __builtin_prefetch((const void *)line, 1);
#endif
}

#define qr_likely(x)   __builtin_expect(!!(x), 1)
#define qr_unlikely(x) __builtin_expect(!!(x), 0)

#endif
