/* SPDX-License-Identifier: MIT */
/* Threads of tests, and a way to let one run until it waits. */
#ifndef TEST_THREAD_H
#define TEST_THREAD_H

#include <pages/base/atomic.h>
#include <pthread.h>

struct thread {
    pthread_t id;
    void (*run)(void *context);
    void *context;
    qr_atomic_u32 task; /* thread id of the kernel; 0 before it runs */
    qr_atomic_u32 done; /* 1 when run has returned */
};

/* A thread that cannot be started ends the case. */
void thread_start(struct thread *thread, void (*run)(void *context), void *context);
void thread_join(struct thread *thread);
int thread_done(struct thread *thread);

/*
 * Lets the thread get to where it can go no further: returns when it sleeps in the kernel, has
 * spent a millisecond of processor time since the call (it spins), or has ended; on a busy machine
 * also when it had no time to do any of these. It makes a wait likely, never certain: the test must
 * be right either way.
 */
void thread_settle(struct thread *thread);

#endif
