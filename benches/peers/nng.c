/* SPDX-License-Identifier: MIT */
/*
 * nng over inproc, blocking calls: PUSH and PULL, and PAIR for one producer and one consumer.
 * Each consumer has a PULL of its own, each producer a PUSH that dials all of them and gives a
 * message to whichever is ready; of one producer's messages each consumer gets its share in their
 * order. Buffers are as deep as was asked for but at most what nng allows; a PULL has none.
 */
#include <benches/peers/loops.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 8192u

struct handle {
    struct queue *queue;
    nng_socket socket;
    nng_msg *held; /* being read */
    struct handle *link;
};

struct queue {
    unsigned number;
    struct peer_run run;
    struct handle *handles;
    uint32_t consumers;
    uint32_t stops;                    /* sent */
    nng_socket stop[PEER_THREADS_MAX]; /* a PUSH for each consumer */
};

static int fail(const char *what, int code)
{
    fprintf(stderr, "%s: %s\n", what, nng_strerror(code));
    return -EIO;
}

static int is_pair(const struct queue *queue)
{
    return (queue->run.peer->traits & PEER_MPMC) == 0;
}

static int open_queue(const struct peer_run *run, void **out)
{
    static unsigned number;
    struct queue *queue = *out = calloc(1, sizeof(*queue));

    if (!queue)
        return peer_fail("memory", -ENOMEM);
    queue->run = *run;
    queue->number = number++;
    peer_holds(DEPTH_MAX);
    return 0;
}

static void close_queue(void *opaque)
{
    struct queue *queue = opaque;

    while (queue->handles) {
        struct handle *handle = queue->handles;
        queue->handles = handle->link;
        nng_close(handle->socket);
        free(handle);
    }
    for (uint32_t i = 0; i < queue->consumers && !is_pair(queue); i++)
        nng_close(queue->stop[i]);
    free(queue);
}

static const char *endpoint(const struct queue *queue, uint32_t consumer, char *text, size_t size)
{
    snprintf(text, size, "inproc://peer-%u-%u", queue->number, consumer);
    return text;
}

static struct handle *handle_new(struct queue *queue)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (!handle)
        return NULL;
    handle->queue = queue;
    handle->link = queue->handles;
    queue->handles = handle;
    return handle;
}

static int dial(struct queue *queue, nng_socket socket, uint32_t consumer)
{
    char name[64];

    return nng_dial(socket, endpoint(queue, consumer, name, sizeof(name)), NULL, 0);
}

static int depth(const struct queue *queue)
{
    return (int)(queue->run.capacity < DEPTH_MAX ? queue->run.capacity : DEPTH_MAX);
}

static int consumer(void *opaque, uint32_t group, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue);
    uint32_t i = queue->consumers;
    char name[64];

    (void)group;
    if (!handle)
        return peer_fail("memory", -ENOMEM);
    int rc = is_pair(queue) ? nng_pair0_open(&handle->socket) : nng_pull0_open(&handle->socket);
    if (rc == 0 && is_pair(queue))
        rc = nng_socket_set_int(handle->socket, NNG_OPT_RECVBUF, depth(queue));
    if (rc == 0)
        rc = nng_listen(handle->socket, endpoint(queue, i, name, sizeof(name)), NULL, 0);
    if (rc == 0 && !is_pair(queue))
        rc = nng_push0_open(&queue->stop[i]);
    if (rc == 0 && !is_pair(queue))
        rc = dial(queue, queue->stop[i], i);
    queue->consumers++;
    return rc == 0 ? 0 : fail("a consumer's socket", rc);
}

/* After the consumers. */
static int producer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue);

    if (!handle)
        return peer_fail("memory", -ENOMEM);
    int rc = is_pair(queue) ? nng_pair0_open(&handle->socket) : nng_push0_open(&handle->socket);
    if (rc == 0)
        rc = nng_socket_set_int(handle->socket, NNG_OPT_SENDBUF, depth(queue));
    for (uint32_t i = 0; i < queue->consumers && rc == 0; i++)
        rc = dial(queue, handle->socket, i);
    return rc == 0 ? 0 : fail("a producer's socket", rc);
}

/* The message is the library's own from here on: nothing is copied after this. */
PEER_INLINE int send_to(nng_socket socket, const void *data, uint32_t size)
{
    nng_msg *msg;
    int rc = nng_msg_alloc(&msg, size);

    if (rc != 0)
        return fail("nng_msg_alloc", rc);
    memcpy(nng_msg_body(msg), data, size);
    rc = nng_sendmsg(socket, msg, 0);
    if (rc == 0)
        return 0;
    nng_msg_free(msg);
    return fail("nng_sendmsg", rc);
}

PEER_INLINE int send_one(void *handle, const void *data, uint32_t size)
{
    return send_to(((struct handle *)handle)->socket, data, size);
}

PEER_INLINE int recv_one(void *opaque, struct peer_msg *msg, struct peer_tally *tally)
{
    struct handle *handle = opaque;
    int rc = nng_recvmsg(handle->socket, &handle->held, 0);

    (void)tally;
    if (rc != 0) {
        peer_msg_set(msg, NULL, 0);
        return fail("nng_recvmsg", rc);
    }
    peer_msg_set(msg, nng_msg_body(handle->held), (uint32_t)nng_msg_len(handle->held));
    return 0;
}

PEER_INLINE void done(void *handle)
{
    nng_msg_free(((struct handle *)handle)->held);
}

static const struct peer_calls calls = {send_one, recv_one, NULL, NULL, done};

/* To one consumer after the other: a PUSH asks nobody which of them has had one. */
static int send_stop(struct queue *queue, struct peer_source *source)
{
    uint64_t words[PEER_SIZE_MAX / 8] = {PEER_ID_STOP};

    source->id++;
    return send_to(queue->stop[queue->stops++ % queue->consumers], words, source->size);
}

static int produce(void *handle, struct peer_source *source)
{
    struct queue *queue = ((struct handle *)handle)->queue;

    if (source->id == PEER_ID_STOP && !is_pair(queue))
        return send_stop(queue, source);
    return peer_produce_any(handle, source, &calls);
}

static int consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &calls);
}

#define TRAITS (PEER_MIXES | PEER_BLOCKS | PEER_ORDERED)

const struct peer peer_all[] = {
    {"nng", PEER_ANY, TRAITS | PEER_MPMC, open_queue, close_queue, producer, consumer, produce,
     consume, NULL},
    {"nng-pair", PEER_ANY, TRAITS | PEER_SPSC, open_queue, close_queue, producer, consumer, produce,
     consume, NULL},
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "nng";
const char *const peer_package = "libnng-dev";

const char *peer_version(void)
{
    return nng_version();
}
