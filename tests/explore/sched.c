/* SPDX-License-Identifier: MIT */
/* Coroutines, the scheduling point, and who may run. See sched.h. */
#include <tests/explore/sched.h>

#include <pages/base/atomic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/explore/wraps.h>
#include <ucontext.h>

#define STACK_BYTES (256u * 1024u)
/* Loads of words that were loaded already, without a write between: a wait loop. */
#define SPIN_LOADS 120u
#define SPIN_TABLE 4096u
/* Points without any end of a wait: an unbounded retry loop. */
#define SPIN_POINTS 20000u
/* A run longer than this makes no progress. Ordinary runs take hundreds of points. */
#define STEPS_MAX 400000u
/* Rounds in which every waiting coroutine was tried again in vain. */
#define STUCK_ROUNDS 3u
#define NOTES_BYTES  65536u

enum co_state { CO_READY, CO_WAITING, CO_SPINNING, CO_SLEEPING, CO_DONE };

struct co {
    ucontext_t context;
    void (*entry)(void *);
    void *argument;
    enum co_state state;
    uint64_t seen;     /* WAITING: progress, SPINNING: writes, when it began to wait */
    const void *sleep; /* SLEEPING: the futex */
    uint32_t bitset;   /* SLEEPING */
    uint32_t loads;    /* of words loaded before, since the last write */
    uint32_t points;   /* since the last wait or call */
    uint32_t era;      /* counts the writes: what seen_in holds is of this era or old */
    uint32_t seen_in[SPIN_TABLE];
    _Alignas(64) unsigned char stack[STACK_BYTES];
};

static struct {
    ucontext_t home;
    struct co co[SCHED_THREADS];
    uint32_t threads;
    uint32_t current;
    int running;
    uint32_t step;
    uint32_t stuck;
    uint64_t progress;
    uint64_t writes;
    uint64_t tick;
    sched_choose *choose;
    void *context;
    struct sched_result *result;
    size_t notes_used;
    char notes[NOTES_BYTES];
} sched;

/* Only the OS thread that explores is scheduled: helper threads of the library run freely. */
static _Thread_local int exploring;

void (*sched_on_fail)(const struct sched_result *result);

/* Readers and writers of a word, by its offset in a 4096-byte block: equal in every run. */
static struct {
    uint8_t readers;
    uint8_t writers;
    uint8_t frozen; /* counts as shared while frozen is set below */
} touched[4096];
static int frozen;

int sched_active(void)
{
    return exploring && sched.running;
}

uint32_t sched_self(void)
{
    return sched.current;
}

uint64_t sched_tick(void)
{
    return ++sched.tick;
}

void sched_forget(void)
{
    memset(touched, 0, sizeof touched);
    frozen = 0;
}

void sched_share_all(void)
{
    memset(touched, 0xff, sizeof touched);
    frozen = 1;
}

static int word_shared(size_t word)
{
    unsigned all = touched[word].readers | touched[word].writers;
    return touched[word].writers && (all & (all - 1u));
}

static int may_switch_at(size_t word)
{
    return frozen ? touched[word].frozen : word_shared(word);
}

uint32_t sched_freeze(void)
{
    uint32_t fresh = 0;
    for (size_t i = 0; i < sizeof touched / sizeof touched[0]; i++) {
        uint8_t now = word_shared(i) ? 1 : 0;
        fresh += now && !touched[i].frozen ? 1u : 0u;
        touched[i].frozen = now;
    }
    frozen = 1;
    return fresh;
}

void sched_note(const char *format, ...)
{
    va_list list;
    if (sched.notes_used + 256 > NOTES_BYTES) {
        return;
    }
    char *at = sched.notes + sched.notes_used;
    int n = snprintf(at, 64, "%6u t%u ", sched.step, sched.current);
    va_start(list, format);
    n += vsnprintf(at + n, 160, format, list);
    va_end(list);
    n = n < 220 ? n : 220;
    at[n] = '\n';
    sched.notes_used += (size_t)n + 1;
}

void sched_notes_clear(void)
{
    sched.notes_used = 0;
}

void sched_notes_print(void)
{
    fwrite(sched.notes, 1, sched.notes_used, stdout);
}

_Noreturn void sched_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("FAIL: ");
    vprintf(format, list);
    printf("\n");
    va_end(list);
    sched_notes_print();
    if (sched_on_fail && sched.result) {
        sched.result->steps = sched.step;
        sched_on_fail(sched.result);
    }
    fflush(stdout);
    _Exit(1);
}

static void on_signal(int number)
{
    sched_fail("signal %d: memory was used that is not there (any more)", number);
}

/* A wild access is a finding like any other. The stack may be what is wild: take another. */
static void catch_signals(void)
{
    static unsigned char stack[65536];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    if (sigaltstack(&other, NULL) || sigaction(SIGSEGV, &action, NULL) ||
        sigaction(SIGBUS, &action, NULL)) {
        abort();
    }
}

/* Bit mask of the coroutines that could run now. */
static uint32_t runnable_now(void)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < sched.threads; i++) {
        const struct co *co = &sched.co[i];
        int ready = co->state == CO_READY ||
                    (co->state == CO_WAITING && co->seen != sched.progress) ||
                    (co->state == CO_SPINNING && co->seen != sched.writes);
        mask |= ready ? 1u << i : 0u;
    }
    return mask;
}

/* Coroutines in a state, as a bit mask. */
static uint32_t those_that(enum co_state state)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < sched.threads; i++) {
        mask |= sched.co[i].state == state ? 1u << i : 0u;
    }
    return mask;
}

static int all_done(void)
{
    for (uint32_t i = 0; i < sched.threads; i++) {
        if (sched.co[i].state != CO_DONE) {
            return 0;
        }
    }
    return 1;
}

static _Noreturn void fail_stuck(void)
{
    static const char *const names[] = {"ready", "waits for progress", "spins", "sleeps", "done"};
    for (uint32_t i = 0; i < sched.threads; i++) {
        sched_note("thread %u %s", i, names[sched.co[i].state]);
    }
    sched_fail("nobody can go on (deadlock, lost message or lost wake-up, I7)");
}

/* Who waits for others is tried again a few times, who only seems to spin as long as it likes. */
static uint32_t runnable_or_retry(void)
{
    uint32_t mask = runnable_now();
    if (!mask) {
        mask = those_that(CO_SPINNING);
    }
    if (!mask) {
        mask = those_that(CO_WAITING);
        if (!mask || sched.stuck++ >= STUCK_ROUNDS) {
            fail_stuck();
        }
        for (uint32_t i = 0; i < sched.threads; i++) {
            if (mask & 1u << i) {
                sched.co[i].state = CO_READY; /* each of them has its try in this round */
            }
        }
    }
    return mask;
}

/* The next runnable one after the current: round robin, so that nobody is starved. */
static uint32_t after(uint32_t current, uint32_t mask)
{
    for (uint32_t i = 1; i <= sched.threads; i++) {
        uint32_t next = (current + i) % sched.threads;
        if (mask & 1u << next) {
            return next;
        }
    }
    return current;
}

static uint32_t choose(enum sched_why why)
{
    struct sched_point point;
    point.why = why;
    point.step = sched.step;
    point.current = sched.current;
    point.runnable = why == SCHED_ACCESS ? runnable_now() : runnable_or_retry();
    if (why == SCHED_ACCESS) {
        point.preferred = sched.current;
    } else {
        point.preferred = after(sched.current, point.runnable);
    }
    if (!(point.runnable & (point.runnable - 1u))) {
        return point.preferred;
    }
    uint32_t next = sched.choose(sched.context, &point);
    if (next >= sched.threads || !(point.runnable & 1u << next)) {
        next = point.preferred;
    }
    if (next != point.preferred && sched.result->turns < SCHED_TRACE) {
        sched.result->turn[sched.result->turns].step = sched.step;
        sched.result->turn[sched.result->turns].thread = next;
        sched.result->turns++;
    }
    return next;
}

static void switch_to(uint32_t next)
{
    uint32_t from = sched.current;
    sched.co[next].state = CO_READY;
    if (next == from) {
        return;
    }
    sched.current = next;
    if (swapcontext(&sched.co[from].context, &sched.co[next].context)) {
        abort();
    }
}

static void count_step(void)
{
    if (++sched.step > STEPS_MAX) {
        sched_fail("%u steps and no end (livelock)", STEPS_MAX);
    }
}

static void new_era(struct co *co)
{
    co->loads = 0;
    co->era++;
}

/* The current coroutine cannot go on in this state: others run first. */
static void block(enum co_state state, uint64_t seen)
{
    struct co *co = &sched.co[sched.current];
    co->state = state;
    co->seen = seen;
    new_era(co);
    co->points = 0;
    count_step();
    switch_to(choose(SCHED_BLOCKED));
}

void sched_wait(void)
{
    block(CO_WAITING, sched.progress);
}

void sched_progress(void)
{
    sched.progress++;
    sched.stuck = 0;
    if (sched_active()) {
        sched.co[sched.current].points = 0;
    }
}

static void count_load(struct co *co, uintptr_t address)
{
    uint32_t *seen = &co->seen_in[(address >> 2) * 2654435761u % SPIN_TABLE];
    co->loads += *seen == co->era ? 1u : 0u;
    *seen = co->era;
}

void qr_sched_point(enum qr_access kind, const volatile void *address)
{
    if (!sched_active()) {
        return;
    }
    struct co *co = &sched.co[sched.current];
    size_t word = (uintptr_t)address & 4095u;
    count_step();
    if (kind == QR_LOAD) {
        touched[word].readers |= (uint8_t)(1u << sched.current);
        count_load(co, (uintptr_t)address);
    } else if (kind != QR_FENCE) {
        touched[word].writers |= (uint8_t)(1u << sched.current);
        new_era(co);
        sched.writes++;
    }
    co->points++;
    if (co->loads > SPIN_LOADS || co->points > SPIN_POINTS) {
        block(CO_SPINNING, sched.writes);
    } else if (kind != QR_FENCE && may_switch_at(word)) {
        switch_to(choose(SCHED_ACCESS));
    }
}

/* --- what the wrapped calls of the library need (wraps.c) --- */

void sched_spin(void)
{
    block(CO_SPINNING, sched.writes);
}

void sched_wrote(void)
{
    sched.writes++;
}

void sched_sleep(const void *address, uint32_t bitset)
{
    sched.co[sched.current].sleep = address;
    sched.co[sched.current].bitset = bitset;
    block(CO_SLEEPING, 0);
}

int sched_wake(const void *address, uint32_t count, uint32_t bitset)
{
    int woken = 0;
    for (uint32_t i = 0; i < sched.threads && (uint32_t)woken < count; i++) {
        struct co *co = &sched.co[i];
        if (co->state == CO_SLEEPING && co->sleep == address && (co->bitset & bitset)) {
            co->state = CO_READY;
            woken++;
        }
    }
    return woken;
}

/* --- a run --- */

static void co_main(void)
{
    struct co *co = &sched.co[sched.current];
    co->entry(co->argument);
    co->state = CO_DONE;
    sched_progress();
    if (all_done()) {
        setcontext(&sched.home);
    }
    uint32_t next = choose(SCHED_EXIT);
    sched.co[next].state = CO_READY;
    sched.current = next;
    setcontext(&sched.co[next].context);
    abort();
}

void sched_spawn(void (*entry)(void *), void *argument)
{
    if (sched.threads == SCHED_THREADS) {
        abort();
    }
    struct co *co = &sched.co[sched.threads++];
    if (getcontext(&co->context)) {
        abort();
    }
    co->entry = entry;
    co->argument = argument;
    co->state = CO_READY;
    new_era(co);
    co->points = 0;
    co->context.uc_stack.ss_sp = co->stack;
    co->context.uc_stack.ss_size = STACK_BYTES;
    co->context.uc_link = NULL;
    makecontext(&co->context, co_main, 0);
}

void sched_run(sched_choose *policy, void *context, struct sched_result *result)
{
    if (!exploring) {
        catch_signals();
    }
    sched.choose = policy;
    sched.context = context;
    sched.result = result;
    sched.step = 0;
    sched.stuck = 0;
    sched.progress = 0;
    sched.writes = 0;
    result->turns = 0;
    sched.current = sched.threads - 1;
    uint32_t first = choose(SCHED_EXIT);
    sched.current = first;
    exploring = 1;
    sched.running = 1;
    if (swapcontext(&sched.home, &sched.co[first].context)) {
        abort();
    }
    sched.running = 0;
    sched.threads = 0;
    result->steps = sched.step;
}
