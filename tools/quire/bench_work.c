/* SPDX-License-Identifier: MIT */
/* What the threads of quire bench do with each message; this is the code that is timed. */
#define _GNU_SOURCE
#include <tools/quire/bench.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <tools/quire/clock.h>
#include <tools/quire/signals.h>

#define BUFFERS_MIN      8u           /* so that neighbouring messages differ */
#define BUFFERS_MANY_MAX (64u << 10)  /* larger messages have one buffer each of a batch only */
#define STOP_EVERY       (1u << 20)   /* messages between two looks at signals */
#define NAP_NS           (60 * 1000u) /* with --rate: due later than this, sleep, else yield */

static uint64_t identity_of(uint64_t producer, uint64_t number)
{
    return producer << 48 | number;
}

/* What the consumer will compute from a message of this identity. */
static uint64_t hash_of(uint64_t size, uint64_t identity, uint64_t body_sum)
{
    if (size < 8) /* all of the message is body: the identity's low bytes */
        return size == 0 ? cli_bench_hash(0, 0)
                         : cli_bench_hash(0, identity & ((1ull << (8 * size)) - 1));
    return cli_bench_hash(identity, body_sum);
}

static void fill_bodies(struct cli_bench_thread *thread)
{
    const uint64_t size = thread->bench->size;
    for (size_t s = 0; s < thread->slots; s++) {
        unsigned char *data = thread->buffers + s * ((size + 15) & ~15ull);
        uint64_t word = (uint64_t)thread->index << 32 | s;
        for (size_t i = 0; i < size; i++) {
            if (i % 8 == 0)
                word = cli_hash_mix(word + CLI_HASH_ODD);
            data[i] = (unsigned char)(word >> (8 * (i % 8)));
        }
        thread->vec[s] = (struct quire_vec){data, size};
        thread->body_sums[s] = cli_bench_body_sum(data, size);
    }
}

static int prepare_producer(struct cli_bench_thread *thread)
{
    const struct cli_bench *bench = thread->bench;
    size_t slots = bench->batch;
    if (slots < BUFFERS_MIN && bench->size <= BUFFERS_MANY_MAX)
        slots *= (BUFFERS_MIN + slots - 1) / slots;
    size_t bytes = slots * ((bench->size + 15) & ~15ull);
    thread->slots = slots;
    thread->buffers = malloc(bytes > 0 ? bytes : 1);
    thread->vec = calloc(slots, sizeof(*thread->vec));
    thread->body_sums = calloc(slots, sizeof(*thread->body_sums));
    if (thread->buffers == NULL || thread->vec == NULL || thread->body_sums == NULL)
        return -ENOMEM;
    fill_bodies(thread);
    return 0;
}

int cli_bench_prepare(struct cli_bench *bench)
{
    bench->threads = calloc(bench->producers + bench->consumers, sizeof(*bench->threads));
    if (bench->threads == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < bench->producers + bench->consumers; i++) {
        struct cli_bench_thread *thread = &bench->threads[i];
        thread->bench = bench;
        thread->producer = i < bench->producers;
        thread->index = thread->producer ? i : i - bench->producers;
        int error = thread->producer ? prepare_producer(thread) : 0;
        if (error != 0)
            return error;
    }
    return 0;
}

void cli_bench_unprepare(struct cli_bench *bench)
{
    for (uint32_t i = 0; bench->threads != NULL && i < bench->producers; i++) {
        free(bench->threads[i].buffers);
        free(bench->threads[i].vec);
        free(bench->threads[i].body_sums);
    }
    free(bench->threads);
    bench->threads = NULL;
}

void cli_bench_expect(struct cli_bench_thread *thread)
{
    const struct cli_bench *bench = thread->bench;
    uint64_t share = cli_bench_share(bench, thread->index);
    size_t slot = 0;
    thread->expected = (struct cli_account){0};
    for (uint64_t n = 0; n < share; n++) {
        if (n % STOP_EVERY == 0 && cli_signals_stop() != 0)
            return; /* the run will not come to be compared */
        uint64_t identity = identity_of(thread->index, n);
        cli_account_add(&thread->expected, bench->size,
                        hash_of(bench->size, identity, thread->body_sums[slot]));
        slot = slot + 1 == thread->slots ? 0 : slot + 1;
    }
}

/* Writes identity and time; a message with a time says when it was sent, or due to be sent. */
static void stamp(struct cli_bench_thread *thread, size_t slot, uint64_t number, uint64_t time)
{
    const uint64_t size = thread->bench->size;
    unsigned char *data = (unsigned char *)(uintptr_t)thread->vec[slot].data;
    uint64_t identity = identity_of(thread->index, number);
    memcpy(data, &identity, size < 8 ? size : 8);
    if (size >= 16)
        memcpy(data + 8, &time, 8);
}

/* With --rate: when a message of this producer is to be sent. */
static uint64_t due_ns(const struct cli_bench *bench, uint64_t number)
{
    double interval = (double)bench->producers * (double)CLI_SECOND / (double)bench->rate;
    return bench->crew.started_ns + (uint64_t)((double)number * interval);
}

static void wait_until(uint64_t due)
{
    for (uint64_t now = cli_now(); now < due; now = cli_now()) {
        if (due - now <= NAP_NS) {
            sched_yield();
            continue;
        }
        struct timespec time = {.tv_sec = (time_t)((due - NAP_NS / 2) / CLI_SECOND),
                                .tv_nsec = (long)((due - NAP_NS / 2) % CLI_SECOND)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
    }
}

/*
 * The time that a message carries, 0 for none. With --rate it is when the message was due, so that
 * a sender that was held up counts as latency instead of being left out.
 */
static uint64_t time_of(const struct cli_bench *bench, uint64_t number, uint64_t share)
{
    if (!cli_bench_sampled(bench, number, share))
        return 0;
    return bench->rate != 0 ? due_ns(bench, number) : cli_now();
}

static int send_slots(quire_tx_t *tx, const struct quire_vec *vec, size_t count)
{
    if (count == 1)
        return quire_tx_send(tx, vec->data, vec->size);
    for (size_t sent = 0; sent < count;) {
        long n = quire_tx_send_batch(tx, vec + sent, count - sent, QUIRE_FOREVER);
        if (n < 0)
            return (int)n;
        sent += (size_t)n;
    }
    return 0;
}

int cli_bench_produce(struct cli_bench_thread *thread, quire_tx_t *tx)
{
    const struct cli_bench *bench = thread->bench;
    const uint64_t share = cli_bench_share(bench, thread->index);
    size_t slot = 0;
    for (uint64_t n = 0; n < share;) {
        size_t count = share - n < bench->batch ? (size_t)(share - n) : bench->batch;
        if (bench->rate != 0)
            wait_until(due_ns(bench, n + count - 1)); /* a batch goes when its last is due */
        for (size_t i = 0; i < count; i++)
            stamp(thread, slot + i, n + i, time_of(bench, n + i, share));
        int error = send_slots(tx, &thread->vec[slot], count);
        if (error != 0)
            return error;
        n += count;
        slot = slot + count >= thread->slots ? 0 : slot + count;
    }
    return 0;
}

static inline void take(struct cli_bench_thread *thread, const struct quire_msg *msg)
{
    const uint64_t size = thread->bench->size;
    const unsigned char *data = msg->data;
    if (msg->size != size) {
        thread->wrong_size++;
        return;
    }
    uint64_t sum = cli_bench_body_sum(data, size);
    if (size < 8) {
        cli_account_add(&thread->account, size, cli_bench_hash(0, sum));
        return;
    }
    cli_account_add(&thread->account, size, cli_bench_hash(cli_hash_load(data, 8), sum));
    if (size < 16)
        return;
    uint64_t sent_ns = cli_hash_load(data + 8, 8);
    if (sent_ns != 0) {
        uint64_t now = cli_now();
        cli_histogram_add(&thread->latency, now > sent_ns ? now - sent_ns : 0);
        thread->last_ns = now;
        thread->last_count = thread->account.count;
    }
}

/* Received nothing for a while: the last message came before now. */
static void note_time(struct cli_bench_thread *thread, uint64_t now)
{
    if (thread->account.count != thread->last_count) {
        thread->last_ns = now;
        thread->last_count = thread->account.count;
    }
}

int cli_bench_consume(struct cli_bench_thread *thread, quire_rx_t *rx)
{
    struct quire_msg msgs[CLI_BENCH_BATCH_MAX];
    const size_t batch = thread->bench->batch;
    uint64_t unreported = 0, deadline = 0;
    for (;;) {
        long got = batch == 1 ? quire_rx_recv_until(rx, msgs, deadline)
                              : quire_rx_recv_batch(rx, msgs, batch, deadline);
        if (got >= 0) {
            got += batch == 1; /* recv_until does not count */
            for (long i = 0; i < got; i++)
                take(thread, &msgs[i]);
            unreported += (uint64_t)got;
            if (unreported < CLI_CREW_PORTION)
                continue;
        } else if (got == QUIRE_PAGE_END) {
            quire_rx_next_page(rx);
            continue;
        } else if (got == QUIRE_TIMEDOUT || got == QUIRE_EAGAIN) {
            /* A consumer that stays idle holds no page, so that it can be used again. */
            if (unreported == 0)
                quire_rx_release(rx);
            uint64_t now = cli_now();
            note_time(thread, now);
            deadline = now + CLI_CREW_TICK_NS;
        } else {
            return (int)got;
        }
        if (cli_crew_report(&thread->bench->crew, 0, unreported))
            return 0;
        unreported = 0;
    }
}
