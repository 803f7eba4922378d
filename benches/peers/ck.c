/* SPDX-License-Identifier: MIT */
/*
 * ck_ring of Concurrency Kit, for several threads at both ends and for one at each. Small messages
 * lie in the ring itself, others in a pool with pointers in the ring: a consumer copies out what
 * it may then not get.
 */
#include <benches/peers/loops.h>
#include <benches/peers/pool.h>
#include <ck_ring.h>

struct handle;

struct queue {
    ck_ring_t ring __attribute__((aligned(128)));
    void *cells __attribute__((aligned(128)));
    enum peer_wait wait;
    struct peer_run run;
    struct handle *handles;
};

/* For pointers. */
struct handle {
    struct queue *queue;
    struct pool_buffer *held; /* being read */
    struct pool pool;         /* producers */
    struct handle *link;
};

static int open_queue(const struct peer_run *run, void **out)
{
    size_t bytes =
        (size_t)run->capacity * (run->peer->size == PEER_ANY ? sizeof(void *) : run->size);
    struct queue *queue = *out = aligned_alloc(128, sizeof(*queue));

    if ((run->capacity & (run->capacity - 1)) != 0)
        return peer_fail("a capacity that is no power of two", -EINVAL);
    if (!queue)
        return peer_fail("memory", -ENOMEM);
    memset(queue, 0, sizeof(*queue));
    ck_ring_init(&queue->ring, run->capacity);
    queue->run = *run;
    queue->wait = run->wait;
    queue->cells = aligned_alloc(128, (bytes + 127) / 128 * 128);
    if (!queue->cells)
        return peer_fail("memory", -ENOMEM);
    memset(queue->cells, 0, bytes);
    return 0;
}

static void close_queue(void *opaque)
{
    struct queue *queue = opaque;

    while (queue->handles) {
        struct handle *handle = queue->handles;
        queue->handles = handle->link;
        pool_close(&handle->pool);
        free(handle);
    }
    free(queue->cells);
    free(queue);
}

static struct handle *handle_new(struct queue *queue)
{
    struct handle *handle = aligned_alloc(128, (sizeof(*handle) + 127) / 128 * 128);

    if (!handle)
        return NULL;
    *handle = (struct handle){.queue = queue, .link = queue->handles};
    queue->handles = handle;
    return handle;
}

static int consumer(void *opaque, uint32_t group, void **out)
{
    (void)group;
    *out = handle_new(opaque);
    return *out ? 0 : peer_fail("memory", -ENOMEM);
}

static int producer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue);

    return handle ? pool_open(&handle->pool, &queue->run) : peer_fail("memory", -ENOMEM);
}

/* The calls for messages of one size at one kind of ring: spsc or mpmc. */
#define BY_VALUE(kind, bytes)                                                            \
    PEER_INLINE int send_##kind##_##bytes(void *handle, const void *data, uint32_t size) \
    {                                                                                    \
        struct queue *queue = handle;                                                    \
        (void)size;                                                                      \
        while (!ck_ring_enqueue_##kind##_##bytes(&queue->ring, queue->cells,             \
                                                 (struct message_##bytes *)data))        \
            peer_pause(queue->wait);                                                     \
        return 0;                                                                        \
    }                                                                                    \
    PEER_INLINE int recv_##kind##_##bytes(void *handle, struct peer_msg *msg,            \
                                          struct peer_tally *tally)                      \
    {                                                                                    \
        struct queue *queue = handle;                                                    \
        while (!ck_ring_dequeue_##kind##_##bytes(&queue->ring, queue->cells,             \
                                                 (struct message_##bytes *)tally->copy)) \
            peer_pause(queue->wait);                                                     \
        peer_msg_set(msg, tally->copy, bytes);                                           \
        return 0;                                                                        \
    }                                                                                    \
    static const struct peer_calls calls_##kind##_##bytes = {                            \
        send_##kind##_##bytes, recv_##kind##_##bytes, NULL, NULL, NULL};                 \
    static int produce_##kind##_##bytes(void *handle, struct peer_source *source)        \
    {                                                                                    \
        return peer_produce_size(handle, source, bytes, &calls_##kind##_##bytes);        \
    }                                                                                    \
    static int consume_##kind##_##bytes(void *handle, struct peer_tally *tally)          \
    {                                                                                    \
        return peer_consume_size(handle, tally, bytes, &calls_##kind##_##bytes);         \
    }

#define MESSAGE(bytes)                                            \
    struct message_##bytes {                                      \
        uint64_t words[(bytes) / 8] __attribute__((aligned(16))); \
    };                                                            \
    CK_RING_PROTOTYPE(bytes, message_##bytes)                     \
    BY_VALUE(spsc, bytes)                                         \
    BY_VALUE(mpmc, bytes)

MESSAGE(16)
MESSAGE(64)

#define BY_POINTER(kind)                                                                        \
    PEER_INLINE int send_##kind(void *opaque, const void *data, uint32_t size)                  \
    {                                                                                           \
        struct handle *handle = opaque;                                                         \
        struct queue *queue = handle->queue;                                                    \
        struct pool_buffer *buffer = pool_fill(&handle->pool, data, size);                      \
        while (!ck_ring_enqueue_##kind(&queue->ring, queue->cells, buffer))                     \
            peer_pause(queue->wait);                                                            \
        return 0;                                                                               \
    }                                                                                           \
    PEER_INLINE int recv_##kind(void *opaque, struct peer_msg *msg, struct peer_tally *tally)   \
    {                                                                                           \
        struct handle *handle = opaque;                                                         \
        struct queue *queue = handle->queue;                                                    \
        (void)tally;                                                                            \
        while (!ck_ring_dequeue_##kind(&queue->ring, queue->cells, &handle->held))              \
            peer_pause(queue->wait);                                                            \
        peer_msg_set(msg, handle->held + 1, handle->held->size);                                \
        return 0;                                                                               \
    }                                                                                           \
    static const struct peer_calls calls_##kind = {send_##kind, recv_##kind, NULL, NULL, done}; \
    static int produce_##kind(void *handle, struct peer_source *source)                         \
    {                                                                                           \
        return peer_produce_any(handle, source, &calls_##kind);                                 \
    }                                                                                           \
    static int consume_##kind(void *handle, struct peer_tally *tally)                           \
    {                                                                                           \
        return peer_consume_any(handle, tally, &calls_##kind);                                  \
    }

PEER_INLINE void done(void *opaque)
{
    pool_release(((struct handle *)opaque)->held);
}

BY_POINTER(spsc)
BY_POINTER(mpmc)

#define TRAITS (PEER_MIXES | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED)
#define RING_VALUE(name, trait, kind, bytes)                                \
    {                                                                       \
        name, bytes, TRAITS | (trait), open_queue, close_queue, NULL, NULL, \
            produce_##kind##_##bytes, consume_##kind##_##bytes, NULL        \
    }
#define RING(name, trait, kind)                                                        \
    RING_VALUE(name, trait, kind, 16), RING_VALUE(name, trait, kind, 64),              \
    {                                                                                  \
        name, PEER_ANY, TRAITS | (trait), open_queue, close_queue, producer, consumer, \
            produce_##kind, consume_##kind, NULL                                       \
    }

const struct peer peer_all[] = {
    RING("ck_ring", PEER_MPMC, mpmc),
    RING("ck_ring-spsc", PEER_SPSC, spsc),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "ck";
const char *const peer_package = "libck-dev";

const char *peer_version(void)
{
    return PEER_PACKAGE_VERSION;
}
