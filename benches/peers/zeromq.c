/* SPDX-License-Identifier: MIT */
/*
 * PUSH and PULL of ZeroMQ over inproc in one context. A socket is for one thread at a time: each
 * consumer has a PULL of its own, each producer a PUSH that is connected to all of them and goes
 * round. Of one producer's messages each consumer gets its share in their order.
 */
#include <benches/peers/loops.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

struct handle {
    struct queue *queue;
    void *socket;
    int flags; /* of its calls: ZMQ_DONTWAIT, or 0 to block */
    zmq_msg_t msg;
    struct handle *link;
};

struct queue {
    void *context;
    struct peer_run run;
    struct handle *handles;
    uint32_t consumers;
    uint32_t stops;               /* sent */
    void *stop[PEER_THREADS_MAX]; /* a PUSH for each consumer */
};

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    return zmq_errno() > 0 ? -zmq_errno() : -EIO;
}

static int open_queue(const struct peer_run *run, void **out)
{
    struct queue *queue = *out = calloc(1, sizeof(*queue));

    if (!queue)
        return peer_fail("memory", -ENOMEM);
    queue->run = *run;
    queue->context = zmq_ctx_new();
    if (!queue->context)
        return fail("zmq_ctx_new");
    /* inproc needs none of its threads. */
    return zmq_ctx_set(queue->context, ZMQ_IO_THREADS, 0) == 0 ? 0 : fail("ZMQ_IO_THREADS");
}

static void close_queue(void *opaque)
{
    struct queue *queue = opaque;

    while (queue->handles) {
        struct handle *handle = queue->handles;
        queue->handles = handle->link;
        zmq_msg_close(&handle->msg);
        zmq_close(handle->socket);
        free(handle);
    }
    for (uint32_t i = 0; i < queue->consumers; i++)
        zmq_close(queue->stop[i]);
    zmq_ctx_term(queue->context);
    free(queue);
}

static const char *endpoint(uint32_t consumer, char *text, size_t size)
{
    snprintf(text, size, "inproc://consumer-%u", consumer);
    return text;
}

/* What both ends may hold adds up to what a connection holds. */
static void *socket_new(struct queue *queue, int type)
{
    void *socket = zmq_socket(queue->context, type);
    int hwm = (int)(queue->run.capacity / 2), linger = 0;

    if (!socket)
        return NULL;
    if (zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) == 0 &&
        zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof(hwm)) == 0 &&
        zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof(hwm)) == 0)
        return socket;
    zmq_close(socket);
    return NULL;
}

static struct handle *handle_new(struct queue *queue, int type)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (!handle)
        return NULL;
    handle->queue = queue;
    handle->flags = queue->run.wait == PEER_BLOCK ? 0 : ZMQ_DONTWAIT;
    handle->socket = socket_new(queue, type);
    zmq_msg_init(&handle->msg);
    handle->link = queue->handles;
    queue->handles = handle;
    return handle;
}

static int consumer(void *opaque, uint32_t group, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue, ZMQ_PULL);
    uint32_t i = queue->consumers;
    char name[64];

    (void)group;
    if (!handle || !handle->socket)
        return fail("zmq_socket");
    if (zmq_bind(handle->socket, endpoint(i, name, sizeof(name))) != 0)
        return fail("zmq_bind");
    queue->stop[i] = socket_new(queue, ZMQ_PUSH);
    queue->consumers++;
    return queue->stop[i] && zmq_connect(queue->stop[i], name) == 0 ? 0 : fail("zmq_connect");
}

/* After the consumers. */
static int producer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue, ZMQ_PUSH);
    char name[64];

    if (!handle || !handle->socket)
        return fail("zmq_socket");
    for (uint32_t i = 0; i < queue->consumers; i++)
        if (zmq_connect(handle->socket, endpoint(i, name, sizeof(name))) != 0)
            return fail("zmq_connect");
    return 0;
}

/* Whether to try again. */
PEER_INLINE int again(const struct handle *handle)
{
    if (zmq_errno() == EINTR)
        return 1;
    if (zmq_errno() != EAGAIN)
        return 0;
    peer_pause(handle->queue->run.wait);
    return 1;
}

PEER_INLINE int send_one(void *opaque, const void *data, uint32_t size)
{
    struct handle *handle = opaque;

    while (zmq_send(handle->socket, data, size, handle->flags) < 0)
        if (!again(handle))
            return fail("zmq_send");
    return 0;
}

/* What was received before is given up by the next call. */
PEER_INLINE int recv_one(void *opaque, struct peer_msg *msg, struct peer_tally *tally)
{
    struct handle *handle = opaque;
    int got;

    (void)tally;
    peer_msg_set(msg, NULL, 0);
    while ((got = zmq_msg_recv(&handle->msg, handle->socket, handle->flags)) < 0)
        if (!again(handle))
            return fail("zmq_msg_recv");
    peer_msg_set(msg, zmq_msg_data(&handle->msg), (uint32_t)got);
    return 0;
}

static const struct peer_calls calls = {send_one, recv_one, NULL, NULL, NULL};

/* To one consumer after the other: where a PUSH goes next depends on what it sent before. */
static int send_stop(struct queue *queue, struct peer_source *source)
{
    uint64_t words[PEER_SIZE_MAX / 8] = {PEER_ID_STOP};
    void *socket = queue->stop[queue->stops++ % queue->consumers];

    source->id++;
    return zmq_send(socket, words, source->size, 0) >= 0 ? 0 : fail("zmq_send");
}

static int produce(void *handle, struct peer_source *source)
{
    if (source->id == PEER_ID_STOP)
        return send_stop(((struct handle *)handle)->queue, source);
    return peer_produce_any(handle, source, &calls);
}

static int consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &calls);
}

const struct peer peer_all[] = {
    {"zeromq", PEER_ANY, PEER_MPMC | PEER_MIXES | PEER_YIELDS | PEER_BLOCKS | PEER_ORDERED,
     open_queue, close_queue, producer, consumer, produce, consume, NULL},
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "zeromq";
const char *const peer_package = "libzmq3-dev";

const char *peer_version(void)
{
    static char text[32];
    int major, minor, patch;

    zmq_version(&major, &minor, &patch);
    snprintf(text, sizeof(text), "%d.%d.%d", major, minor, patch);
    return text;
}
