/* SPDX-License-Identifier: MIT */
/*
 * One message of 100 B every microsecond, by the clock, through page turns; beside a copy of the
 * same bytes into a ring of the same kind of memory, in the same loop. Two times of each: what the
 * call took, and from the moment it was due until it was done, which also counts the calls that
 * had to begin late.
 *
 * The consumer looks every millisecond: it keeps up, and it leaves its processor to the keeper.
 * The producer is pinned once it is warm: a keeper thread that it has started is not pinned with
 * it.
 */
#include <benches/bench_message.h>
#include <benches/durable.h>
#include <benches/durable_paced.h>
#include <errno.h>
#include <pages/base/atomic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WEIGHED   96u /* of the 100 bytes: whole words */
#define PERIOD_NS 1000u
#define LOOK_NS   1000000
#define WARM_UP   200000u /* more than one round of the ring */

struct pace {
    const struct paced_case *what;
    struct paced_ring ring;
    struct bench_channel bench;
    quire_tx_t *tx;
    uint64_t count; /* timed, after the warm-up */
    uint64_t *service_ns;
    uint64_t *due_ns;
    uint64_t expected; /* messages in all */
    struct bench_tally tally;
    struct quire_stat before, after;
    uint64_t faults;
    qr_atomic_u32 over; /* the producer sends no more, or has given up */
    int rc;
    int consumer_rc;
};

BENCH_INLINE int put_copy(struct pace *p, const uint64_t *words)
{
    paced_ring_put(&p->ring, words, PACED_SIZE);
    return 0;
}

BENCH_INLINE int put_send(struct pace *p, const uint64_t *words)
{
    return quire_tx_send(p->tx, words, PACED_SIZE);
}

/* The messages first .. first + count - 1. Times are kept from index 0 on; NULL: not at all. */
BENCH_INLINE int paced_loop(struct pace *p, uint64_t first, uint64_t count, uint64_t *service,
                            uint64_t *due, int (*put)(struct pace *, const uint64_t *))
{
    uint64_t words[WEIGHED / 8 + 1];
    uint64_t start = bench_now_ns() + PERIOD_NS;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = start + i * PERIOD_NS, begin, end;
        bench_fill(words, first + i, WEIGHED);
        words[WEIGHED / 8] = first + i;
        while ((begin = bench_now_ns()) < at)
            ;
        int rc = put(p, words);
        end = bench_now_ns();
        if (rc != 0)
            return bench_fail("quire_tx_send", rc);
        if (service) {
            service[i] = end - begin;
            due[i] = end - at;
        }
    }
    return 0;
}

static int run_loop(struct pace *p, uint64_t first, uint64_t count, uint64_t *service,
                    uint64_t *due)
{
    return p->what->bare ? paced_loop(p, first, count, service, due, put_copy)
                         : paced_loop(p, first, count, service, due, put_send);
}

static int look(struct pace *p, struct quire_stat *stat)
{
    return p->what->bare ? 0 : quire_stat(p->bench.channel, stat);
}

static int produce_timed(struct pace *p)
{
    int rc = run_loop(p, 0, WARM_UP, NULL, NULL);

    if (rc == 0)
        rc = bench_pin(0);
    if (rc == 0)
        rc = look(p, &p->before);
    if (rc != 0)
        return rc;
    p->faults = bench_faults();
    rc = run_loop(p, WARM_UP, p->count, p->service_ns, p->due_ns);
    p->faults = bench_faults() - p->faults;
    return rc != 0 ? rc : look(p, &p->after);
}

static void *produce(void *argument)
{
    struct pace *p = argument;

    p->rc = produce_timed(p);
    qr_store_release(&p->over, 1u); /* pairs with the consumer's look */
    return NULL;
}

static int take(struct pace *p, const struct quire_msg *msg)
{
    const uint64_t *words = msg->data;
    uint32_t tail;

    if (msg->size != PACED_SIZE)
        return QUIRE_CORRUPT;
    memcpy(&tail, &words[WEIGHED / 8], sizeof(tail));
    if (tail != (uint32_t)words[0])
        return QUIRE_CORRUPT;
    bench_tally_next(&p->tally, words, WEIGHED);
    return 0;
}

static int drain(struct pace *p, quire_rx_t *rx)
{
    struct quire_msg msg;
    int rc;

    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END)
            rc = quire_rx_next_page(rx);
        else if (rc == 0)
            rc = take(p, &msg);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int consume_all(struct pace *p)
{
    const struct timespec pause = {0, LOOK_NS};
    quire_rx_t *rx;
    int rc = quire_rx_subscribe(p->bench.channel, "paced", NULL, NULL, &rx);

    for (uint32_t over = 0; rc == 0 && !over;) {
        over = qr_load_acquire(&p->over); /* pairs with the producer's store: all that was sent */
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        rc = drain(p, rx);
    }
    quire_rx_close(rx);
    return rc;
}

static void *consume(void *argument)
{
    struct pace *p = argument;

    p->consumer_rc = consume_all(p);
    return NULL;
}

/* A consumer that fails leaves the producer waiting for a page: its end closes the channel. */
static int run_threads(struct pace *p)
{
    pthread_t producer, consumer;
    int error = pthread_create(&producer, NULL, produce, p);

    if (error != 0)
        return bench_fail("pthread_create", -error);
    if (!p->what->bare) {
        error = pthread_create(&consumer, NULL, consume, p);
        if (error == 0)
            pthread_join(consumer, NULL);
        if (error != 0 || p->consumer_rc != 0) {
            quire_close(p->bench.channel);
            p->bench.channel = NULL;
        }
    }
    pthread_join(producer, NULL);
    if (error != 0 || p->consumer_rc != 0)
        return bench_fail("the consumer", error != 0 ? -error : p->consumer_rc);
    return p->rc;
}

static int verify(struct pace *p)
{
    uint64_t sum = bench_expected(0, p->expected, WEIGHED);

    if (p->what->bare)
        return paced_ring_verify(&p->ring, p->expected, PACED_SIZE);
    if (p->tally.count != p->expected || p->tally.sum != sum || p->tally.disorder != 0)
        return bench_fail("paced: count, order or checksum is wrong", QUIRE_CORRUPT);
    return 0;
}

static int open_case(struct pace *p, const struct durable_options *options)
{
    struct quire_options how = QUIRE_OPTIONS_INIT;

    if (p->what->bare)
        return paced_ring_open(p->what->files ? options->dir : NULL, &p->ring);
    how.durability = p->what->durability;
    how.engine = p->what->engine;
    int rc = 0;
    if (p->what->files)
        rc = durable_open(options, &how, &p->bench);
    else if ((rc = quire_open(&p->bench.channel, NULL, &how)) != 0)
        rc = bench_fail("quire_open", rc);
    if (rc == 0)
        rc = quire_tx_open(p->bench.channel, NULL, &p->tx);
    return rc;
}

static int close_case(struct pace *p)
{
    int rc = 0;

    if (p->what->bare) {
        paced_ring_close(&p->ring);
        return 0;
    }
    quire_tx_close(p->tx);
    if (p->bench.channel)
        rc = bench_channel_close(&p->bench);
    return rc;
}

static int measure(struct pace *p, const struct durable_options *options)
{
    int rc = open_case(p, options);

    if (rc != 0)
        return rc;
    rc = run_threads(p);
    if (rc == 0)
        rc = verify(p);
    int closed = close_case(p);
    return rc != 0 ? rc : closed;
}

int paced_measure(const struct paced_case *what, const struct durable_options *options,
                  struct paced_result *result)
{
    struct pace p = {.what = what, .count = (uint64_t)options->paced_ms * 1000000 / PERIOD_NS};
    size_t bytes = p.count * sizeof(uint64_t);
    int rc = QUIRE_ENOSPC;

    p.expected = WARM_UP + p.count;
    p.service_ns = malloc(bytes);
    p.due_ns = malloc(bytes);
    if (p.service_ns && p.due_ns) {
        memset(p.service_ns, 1, bytes); /* no page fault of ours while the clock runs */
        memset(p.due_ns, 1, bytes);
        rc = measure(&p, options);
    }
    for (unsigned i = 0; i < PACED_POINTS && rc == 0; i++) {
        result->service_ns[i] = durable_percentile(p.service_ns, p.count, paced_points[i]);
        result->due_ns[i] = durable_percentile(p.due_ns, p.count, paced_points[i]);
    }
    result->faults = (double)p.faults / (double)p.count;
    result->turns = (double)(p.after.turns - p.before.turns);
    result->turns_waited = (double)(p.after.turns_waited - p.before.turns_waited);
    result->made_ahead = (double)(p.after.pages_made_ahead - p.before.pages_made_ahead);
    result->commits = (double)(p.after.commits - p.before.commits);
    free(p.service_ns);
    free(p.due_ns);
    return rc;
}
