/* SPDX-License-Identifier: MIT */
/* Threads of tests. */
#define _GNU_SOURCE 1
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/thread.h>
#include <time.h>
#include <unistd.h>

static void *thread_main(void *context)
{
    struct thread *thread = context;

    /* Relaxed: only a hint for thread_settle. */
    qr_store_relaxed(&thread->task, (uint32_t)syscall(SYS_gettid));
    thread->run(thread->context);
    /* Pairs with thread_done: what run wrote is visible to who sees done. */
    qr_store_release(&thread->done, 1);
    return NULL;
}

void thread_start(struct thread *thread, void (*run)(void *context), void *context)
{
    thread->run = run;
    thread->context = context;
    qr_store_relaxed(&thread->task, 0);
    qr_store_relaxed(&thread->done, 0);
    CHECK_EQ(pthread_create(&thread->id, NULL, thread_main, thread), 0);
}

void thread_join(struct thread *thread)
{
    CHECK_EQ(pthread_join(thread->id, NULL), 0);
}

int thread_done(struct thread *thread)
{
    /* Pairs with the release in thread_main. */
    return qr_load_acquire(&thread->done) != 0;
}

/* 1 when the kernel has put the thread to sleep. */
static int is_asleep(uint32_t task)
{
    char path[64];
    char text[256];
    const char *state;
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%u/stat", task);
    file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    state = strrchr(text, ')');
    return state && state[1] == ' ' && state[2] == 'S';
}

static uint64_t processor_ns(struct thread *thread)
{
    struct timespec spent;
    clockid_t clock;

    if (pthread_getcpuclockid(thread->id, &clock) != 0 || clock_gettime(clock, &spent) != 0) {
        return 0;
    }
    return (uint64_t)spent.tv_sec * 1000000000ull + (uint64_t)spent.tv_nsec;
}

void thread_settle(struct thread *thread)
{
    uint64_t give_up = clock_now() + 300 * CLOCK_MS;
    uint64_t begin;
    uint32_t task;

    /* Relaxed: see thread_main. */
    while ((task = qr_load_relaxed(&thread->task)) == 0 && clock_now() < give_up) {
        sched_yield();
    }
    begin = processor_ns(thread);
    while (!thread_done(thread) && clock_now() < give_up) {
        if (is_asleep(task) || processor_ns(thread) > begin + CLOCK_MS) {
            return;
        }
        sched_yield();
    }
}
