/* SPDX-License-Identifier: MIT */
/*
 * One thread sends and receives through a warm channel: one message in alternation (block 1), or
 * blocks of messages sent, then received. Batches use send_batch and recv_batch.
 */
#include <benches/bench_message.h>

/* Enough to live through several lives of every frame that is in use. */
#define WARM_UP 300000u

struct one {
    const struct bench_shape *shape;
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint64_t id; /* of the next message to send */
    struct bench_tally tally;
    uint64_t send_ns;
    uint64_t recv_ns;
};

BENCH_INLINE int send_singles(struct one *one, uint32_t count, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8];

    for (uint32_t i = 0; i < count; i++) {
        bench_fill(words, one->id++, size);
        int rc = quire_tx_send(one->tx, words, size);
        if (rc != 0)
            return bench_fail("quire_tx_send", rc);
    }
    return 0;
}

/* The next message, counted into tally. */
BENCH_INLINE int recv_one(quire_rx_t *rx, struct bench_tally *tally, uint32_t size)
{
    struct quire_msg msg;
    int rc;

    while ((rc = quire_rx_recv(rx, &msg)) == QUIRE_PAGE_END)
        quire_rx_next_page(rx);
    if (rc != 0)
        return bench_fail("quire_rx_recv", rc);
    if (msg.size != size)
        return bench_fail("a message of another size", QUIRE_CORRUPT);
    bench_tally_next(tally, msg.data, size);
    return 0;
}

BENCH_INLINE int recv_singles(struct one *one, uint32_t count, uint32_t size)
{
    struct bench_tally tally = one->tally;
    int rc = 0;

    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = recv_one(one->rx, &tally, size);
    one->tally = tally;
    return rc;
}

BENCH_INLINE int alternate(struct one *one, uint64_t messages, uint32_t size)
{
    struct bench_tally tally = one->tally;
    uint64_t words[BENCH_SIZE_MAX / 8];
    int rc = 0;

    for (uint64_t i = 0; i < messages && rc == 0; i++) {
        bench_fill(words, one->id++, size);
        rc = quire_tx_send(one->tx, words, size);
        if (rc != 0)
            return bench_fail("quire_tx_send", rc);
        rc = recv_one(one->rx, &tally, size);
    }
    one->tally = tally;
    return rc;
}

BENCH_INLINE int send_batches(struct one *one, uint32_t count, uint32_t size)
{
    uint64_t words[BENCH_BATCH_MAX][BENCH_SIZE_MAX / 8];
    struct quire_vec vec[BENCH_BATCH_MAX];

    for (uint32_t i = 0; i < BENCH_BATCH_MAX; i++)
        vec[i] = (struct quire_vec){words[i], size};
    while (count > 0) {
        uint32_t n = count < one->shape->batch ? count : one->shape->batch;
        for (uint32_t i = 0; i < n; i++)
            bench_fill(words[i], one->id++, size);
        long sent = quire_tx_send_batch(one->tx, vec, n, QUIRE_FOREVER);
        if (sent != (long)n)
            return bench_fail("quire_tx_send_batch", (int)sent);
        count -= n;
    }
    return 0;
}

BENCH_INLINE int recv_batches(struct one *one, uint32_t count, uint32_t size)
{
    struct bench_tally tally = one->tally;
    struct quire_msg msgs[BENCH_BATCH_MAX];

    while (count > 0) {
        uint32_t most = count < one->shape->batch ? count : one->shape->batch;
        long n = quire_rx_recv_batch(one->rx, msgs, most, QUIRE_FOREVER);
        if (n == QUIRE_PAGE_END) {
            quire_rx_next_page(one->rx);
            continue;
        }
        if (n < 1)
            return bench_fail("quire_rx_recv_batch", (int)n);
        for (long i = 0; i < n; i++) {
            if (msgs[i].size != size)
                return bench_fail("a message of another size", QUIRE_CORRUPT);
            bench_tally_next(&tally, msgs[i].data, size);
        }
        count -= (uint32_t)n;
    }
    one->tally = tally;
    return 0;
}

/* The halves are told apart by the clock on the wall, which is cheap to read. */
BENCH_INLINE int blocks(struct one *one, uint64_t messages, uint32_t size)
{
    uint32_t block = one->shape->block;
    int batches = one->shape->batch > 1;

    for (uint64_t done = 0; done < messages; done += block) {
        uint64_t begin = bench_now_ns();
        int rc = batches ? send_batches(one, block, size) : send_singles(one, block, size);
        uint64_t middle = bench_now_ns();
        if (rc == 0)
            rc = batches ? recv_batches(one, block, size) : recv_singles(one, block, size);
        if (rc != 0)
            return rc;
        one->send_ns += middle - begin;
        one->recv_ns += bench_now_ns() - middle;
    }
    return 0;
}

static int run(struct one *one, uint64_t messages)
{
    if (one->shape->block == 1)
        return BENCH_BY_SIZE(one->shape->size, alternate, one, messages);
    return BENCH_BY_SIZE(one->shape->size, blocks, one, messages);
}

static int measure(struct one *one, struct bench_result *result)
{
    uint64_t messages = one->shape->messages / one->shape->block * one->shape->block;
    uint64_t faults, first, begin, end;
    int rc = run(one, WARM_UP);

    if (rc != 0)
        return rc;
    one->tally = (struct bench_tally){.next = {one->id}};
    one->send_ns = one->recv_ns = 0;
    first = one->id;
    faults = bench_faults();
    begin = bench_cpu_ns();
    rc = run(one, messages);
    end = bench_cpu_ns();
    faults = bench_faults() - faults;
    if (rc != 0)
        return rc;
    if (one->tally.count != messages || one->tally.disorder != 0 ||
        one->tally.sum != bench_expected(first, messages, one->shape->size))
        return bench_fail("one thread: count, order or checksum is wrong", QUIRE_CORRUPT);
    result->ns = (double)(end - begin) / (double)messages;
    /* Their shares of the time on the wall, of the processor time. */
    double halves = (double)(one->send_ns + one->recv_ns);
    result->send_ns = halves > 0 ? result->ns * (double)one->send_ns / halves : 0;
    result->recv_ns = halves > 0 ? result->ns * (double)one->recv_ns / halves : 0;
    result->faults = (double)faults / (double)messages;
    return 0;
}

int bench_one(const struct bench_shape *shape, struct bench_result *result)
{
    struct one one = {.shape = shape};
    struct bench_channel bench;
    int rc = bench_channel_open(shape, &bench);

    if (rc != 0)
        return rc;
    rc = quire_tx_open(bench.channel, NULL, &one.tx);
    if (rc == 0)
        rc = quire_rx_subscribe(bench.channel, "bench", NULL, NULL, &one.rx);
    rc = rc == 0 ? measure(&one, result) : bench_fail("opening the handles", rc);
    quire_rx_close(one.rx);
    quire_tx_close(one.tx);
    int closed = bench_channel_close(&bench);
    return rc != 0 ? rc : closed;
}
