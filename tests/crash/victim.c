/* SPDX-License-Identifier: MIT */
/* The process that is killed: producers and consumers that note what they do. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <tests/crash/ledger.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>
#include <unistd.h>

#define BATCH 8u

struct worker {
    const struct plan *plan;
    struct ledger *ledger;
    quire_t *channel;
    struct thread thread;
    uint32_t index; /* stream, or number of the consumer */
    uint32_t group;
    struct random random;
};

/* Counts a call. One of them is the last: the other threads are killed wherever they are. */
static void step(struct worker *w)
{
    /* relaxed: a counter */
    if (qr_add_relaxed(&w->ledger->progress, 1) == w->ledger->target) {
        kill(getpid(), SIGKILL);
    }
}

/* --- producers --- */

static void say_started(struct worker *w, uint64_t number)
{
    /* release: pairs with ledger_note(): the note comes before the message */
    qr_store_release(&w->ledger->stream[w->index].started, number);
}

static void say_done(struct worker *w, uint64_t number)
{
    /* release: read when the victim has ended; the call has returned before */
    qr_store_release(&w->ledger->stream[w->index].done, number);
    step(w);
}

static uint64_t send_batch(struct worker *w, quire_tx_t *tx, uint64_t number)
{
    static _Thread_local unsigned char buffer[BATCH][1024];
    struct quire_vec vec[BATCH];
    uint64_t n = 1 + random_below(&w->random, BATCH);
    for (uint64_t i = 0; i < n; i++) {
        size_t size = ledger_size(w->plan, w->index, number + i);
        size = size < sizeof(buffer[i]) ? size : sizeof(buffer[i]);
        content_fill(buffer[i], size, w->index, number + i);
        vec[i].data = buffer[i];
        vec[i].size = size;
    }
    say_started(w, number + n);
    for (uint64_t sent = 0; sent < n;) {
        long rc = quire_tx_send_batch(tx, vec + sent, n - sent, QUIRE_FOREVER);
        if (rc == QUIRE_FULL) {
            CHECK_EQ(w->plan->policy, QUIRE_FULL_REJECT);
            step(w);
            sched_yield();
            continue;
        }
        CHECK(rc > 0);
        sent += (uint64_t)rc;
    }
    return number + n;
}

static uint64_t send_reserved(struct worker *w, quire_tx_t *tx, uint64_t number)
{
    size_t size = ledger_size(w->plan, w->index, number);
    void *data;
    int rc;
    say_started(w, number + 1);
    while ((rc = quire_tx_reserve(tx, size, &data, QUIRE_FOREVER)) == QUIRE_FULL) {
        step(w);
        sched_yield();
    }
    CHECK_OK(rc);
    step(w); /* a place to be killed at: the reservation is open */
    if (random_below(&w->random, 4) == 0) {
        qr_add_relaxed(&w->ledger->aborted, 1); /* before: never too few */
        CHECK_OK(quire_tx_abort(tx));
        return number; /* the number is used by the next message */
    }
    content_fill(data, size, w->index, number);
    step(w);
    CHECK_OK(quire_tx_commit(tx, size));
    return number + 1;
}

static uint64_t send_one(struct worker *w, quire_tx_t *tx, uint64_t number)
{
    unsigned char buffer[8192];
    size_t size = ledger_size(w->plan, w->index, number);
    CHECK(size <= sizeof(buffer));
    content_fill(buffer, size, w->index, number);
    say_started(w, number + 1);
    for (;;) {
        int rc = quire_tx_send(tx, buffer, size);
        if (rc == 0) {
            return number + 1;
        }
        CHECK_CODE(rc, QUIRE_FULL);
        CHECK_EQ(w->plan->policy, QUIRE_FULL_REJECT);
        step(w);
        sched_yield();
    }
}

static void produce(void *context)
{
    struct worker *w = context;
    quire_tx_t *tx;
    /* relaxed: written by an earlier life, or by this thread */
    uint64_t number = qr_load_relaxed(&w->ledger->stream[w->index].started);
    CHECK_OK(quire_tx_open(w->channel, NULL, &tx));
    while (number + 2 * BATCH < LEDGER_NUMBERS) {
        switch (random_below(&w->random, 4)) {
        case 0:
            number = send_batch(w, tx, number);
            break;
        case 1:
            number = send_reserved(w, tx, number);
            break;
        default:
            number = send_one(w, tx, number);
            break;
        }
        say_done(w, number);
        if (random_below(&w->random, 64) == 0) {
            quire_tx_close(tx);
            CHECK_OK(quire_tx_open(w->channel, NULL, &tx));
        }
    }
    for (;;) {
        pause(); /* the numbers have run out: wait for the end */
    }
}

/* --- consumers --- */

static quire_rx_t *join(struct worker *w)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;
    int rc;
    options.run_max = w->plan->run_max;
    while ((rc = quire_rx_subscribe(w->channel, ledger_group_name(w->group), NULL, &options,
                                    &rx)) == QUIRE_EBUSY) {
        step(w);
        sched_yield();
    }
    CHECK_OK(rc);
    step(w);
    return rx;
}

/* 1 when a message was received. */
static int receive(struct worker *w, quire_rx_t *rx)
{
    struct quire_msg msg;
    qr_atomic_u32 *inside = &w->ledger->inside[w->index];
    qr_store_release(inside, 1); /* before the call: read when the victim has ended */
    int rc = quire_rx_recv_until(rx, &msg, clock_now() + 5 * CLOCK_MS);
    if (rc == 0) {
        ledger_note(w->ledger, w->group, &msg);
    }
    qr_store_release(inside, 0); /* after the note */
    step(w);
    if (rc == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
    } else if (rc == QUIRE_LAPPED) {
        CHECK_EQ(w->plan->policy, QUIRE_FULL_DROP_OLDEST);
    } else if (rc != 0) {
        CHECK_CODE(rc, QUIRE_TIMEDOUT);
    }
    return rc == 0;
}

static void consume(void *context)
{
    struct worker *w = context;
    quire_rx_t *rx = join(w);
    uint64_t life = 0;
    for (;;) {
        life += receive(w, rx) ? 1u : 0u;
        if (w->plan->rx_life && life > random_below(&w->random, 2ull * w->plan->rx_life)) {
            quire_rx_close(rx);
            step(w);
            rx = join(w);
            life = 0;
        }
        if (random_below(&w->random, 32) == 0) {
            CHECK_OK(quire_rx_release(rx));
        }
    }
}

static void start(struct worker *w, const struct plan *plan, struct ledger *ledger,
                  quire_t *channel)
{
    w->plan = plan;
    w->ledger = ledger;
    w->channel = channel;
    w->random.state = plan->seed * 7919 + plan->life * 131 + w->index + 1000ull * w->group;
}

_Noreturn void victim(const struct plan *plan, struct ledger *ledger)
{
    static struct worker producers[LEDGER_STREAMS];
    static struct worker consumers[LEDGER_CONSUMERS];
    uint32_t groups = plan->groups + (plan->late ? 1u : 0u);
    uint32_t n = 0;
    quire_t *channel;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    qr_store_release(&ledger->stage, STAGE_OPENING); /* for the killer */
    CHECK_OK(quire_open(&channel, plan->path, NULL));
    qr_store_release(&ledger->stage, STAGE_RUNNING); /* for the killer */
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t members = g < plan->groups ? plan->consumers : 1;
        for (uint32_t i = 0; i < members; i++, n++) {
            CHECK(n < LEDGER_CONSUMERS);
            consumers[n].index = n;
            consumers[n].group = g < plan->groups ? g : LEDGER_GROUPS - 1;
            start(&consumers[n], plan, ledger, channel);
            thread_start(&consumers[n].thread, consume, &consumers[n]);
        }
    }
    for (uint32_t i = 0; i < plan->producers; i++) {
        producers[i].index = i;
        start(&producers[i], plan, ledger, channel);
        thread_start(&producers[i].thread, produce, &producers[i]);
    }
    for (;;) {
        pause();
    }
}
