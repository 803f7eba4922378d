/* SPDX-License-Identifier: MIT */
/* quire behind the interface of bench_threads.c. */
#include <benches/bench_message.h>
#include <stdlib.h>

struct queue {
    const struct bench_shape *shape;
    struct bench_channel bench;
    struct handle *handles; /* all that were opened, closed with the queue */
};

struct handle {
    const struct bench_shape *shape;
    quire_tx_t *tx;
    quire_rx_t *rx;
    struct handle *link;
};

static int queue_open(const struct bench_shape *shape, void **out)
{
    struct queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return bench_fail("memory", QUIRE_ENOSPC);
    queue->shape = shape;
    int rc = bench_channel_open(shape, &queue->bench);
    if (rc != 0) {
        free(queue);
        return rc;
    }
    *out = queue;
    return 0;
}

static void queue_close(void *opaque)
{
    struct queue *queue = opaque;

    while (queue->handles) {
        struct handle *handle = queue->handles;
        queue->handles = handle->link;
        quire_tx_close(handle->tx);
        quire_rx_close(handle->rx);
        free(handle);
    }
    bench_channel_close(&queue->bench);
    free(queue);
}

static struct handle *handle_new(struct queue *queue)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (!handle)
        return NULL;
    handle->shape = queue->shape;
    handle->link = queue->handles;
    queue->handles = handle;
    return handle;
}

static int queue_producer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = handle_new(queue);

    if (!handle)
        return bench_fail("memory", QUIRE_ENOSPC);
    *out = handle;
    int rc = quire_tx_open(queue->bench.channel, NULL, &handle->tx);
    return rc == 0 ? 0 : bench_fail("quire_tx_open", rc);
}

/* With a producer of its own: it passes the stop message on. */
static int queue_consumer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    int rc = queue_producer(opaque, out);
    struct handle *handle = *out;

    if (rc != 0)
        return rc;
    rc = quire_rx_subscribe(queue->bench.channel, "bench", NULL, NULL, &handle->rx);
    return rc == 0 ? 0 : bench_fail("quire_rx_subscribe", rc);
}

BENCH_INLINE int produce_singles(quire_tx_t *tx, uint64_t first, uint64_t count, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8];

    for (uint64_t id = first; id != first + count; id++) {
        bench_fill(words, id, size);
        int rc = quire_tx_send(tx, words, size);
        if (rc != 0)
            return bench_fail("quire_tx_send", rc);
    }
    return 0;
}

BENCH_INLINE int produce_batches(const struct handle *handle, uint64_t first, uint64_t count,
                                 uint32_t size)
{
    uint64_t words[BENCH_BATCH_MAX][BENCH_SIZE_MAX / 8];
    struct quire_vec vec[BENCH_BATCH_MAX];

    for (uint32_t i = 0; i < BENCH_BATCH_MAX; i++)
        vec[i] = (struct quire_vec){words[i], size};
    for (uint64_t done = 0; done < count;) {
        uint64_t n = count - done < handle->shape->batch ? count - done : handle->shape->batch;
        for (uint64_t i = 0; i < n; i++)
            bench_fill(words[i], first + done + i, size);
        long sent = quire_tx_send_batch(handle->tx, vec, n, QUIRE_FOREVER);
        if (sent != (long)n)
            return bench_fail("quire_tx_send_batch", (int)sent);
        done += n;
    }
    return 0;
}

static int queue_produce(void *opaque, uint64_t first, uint64_t count)
{
    struct handle *handle = opaque;
    uint32_t size = handle->shape->size;

    if (handle->shape->batch > 1)
        return BENCH_BY_SIZE(size, produce_batches, handle, first, count);
    return BENCH_BY_SIZE(size, produce_singles, handle->tx, first, count);
}

/* 1: that was the stop message. */
BENCH_INLINE int take(struct bench_tally *tally, const struct quire_msg *msg, uint32_t size)
{
    const uint64_t *words = msg->data;

    if (msg->size != size)
        return bench_fail("a message of another size", QUIRE_CORRUPT);
    if (words[0] == BENCH_ID_STOP)
        return 1;
    bench_tally_add(tally, words, size);
    return 0;
}

BENCH_INLINE int consume_singles(quire_rx_t *rx, struct bench_tally *tally, uint32_t size)
{
    struct quire_msg msg;
    int rc;

    do {
        rc = quire_rx_recv(rx, &msg);
        if (rc == 0)
            rc = take(tally, &msg, size);
        else if (rc == QUIRE_PAGE_END)
            rc = quire_rx_next_page(rx);
        else
            rc = bench_fail("quire_rx_recv", rc);
    } while (rc == 0);
    return rc == 1 ? 0 : rc;
}

BENCH_INLINE int consume_batches(const struct handle *handle, struct bench_tally *tally,
                                 uint32_t size)
{
    struct quire_msg msgs[BENCH_BATCH_MAX];

    for (;;) {
        long n = quire_rx_recv_batch(handle->rx, msgs, handle->shape->batch, QUIRE_FOREVER);
        if (n == QUIRE_PAGE_END) {
            quire_rx_next_page(handle->rx);
            continue;
        }
        if (n < 1)
            return bench_fail("quire_rx_recv_batch", (int)n);
        for (long i = 0; i < n; i++) {
            int rc = take(tally, &msgs[i], size);
            if (rc != 0)
                return rc == 1 ? 0 : rc;
        }
    }
}

static int queue_consume(void *opaque, struct bench_tally *tally)
{
    struct handle *handle = opaque;
    uint32_t size = handle->shape->size;

    if (handle->shape->batch > 1)
        return BENCH_BY_SIZE(size, consume_batches, handle, tally);
    return BENCH_BY_SIZE(size, consume_singles, handle->rx, tally);
}

const struct bench_queue_ops bench_queue_quire = {
    .open = queue_open,
    .close = queue_close,
    .producer = queue_producer,
    .consumer = queue_consumer,
    .produce = queue_produce,
    .consume = queue_consume,
};
