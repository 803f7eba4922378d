/* SPDX-License-Identifier: MIT */
/*
 * rte_ring of DPDK in its four modes, on plain memory and without the environment of DPDK. rts
 * and hts are meant for more threads than processors: in the others a thread that is preempted
 * in the middle of a call stops all others. Messages of 16 bytes lie in the ring itself, others in
 * a pool with pointers in the ring: the ring copies its elements 4 bytes at a time.
 */
#include <benches/peers/loops.h>
#include <benches/peers/pool.h>
#include <rte_ring_elem.h>

enum mode { MT, RTS, HTS, ST };

struct queue {
    struct rte_ring *ring;
    struct peer_run run;
    struct handle *handles;
};

struct handle {
    struct rte_ring *ring;
    enum peer_wait wait;
    uint32_t count;                              /* being read, of held */
    struct pool_buffer *held[PEER_BATCH_MAX];    /* consumers of pointers */
    struct pool_buffer *to_send[PEER_BATCH_MAX]; /* producers of pointers */
    struct pool pool;                            /* as well */
    struct handle *link;
};

static int open_mode(const struct peer_run *run, unsigned flags, void **out)
{
    unsigned size = run->peer->size == PEER_ANY ? sizeof(void *) : run->size;
    ssize_t bytes = rte_ring_get_memsize_elem(size, run->capacity);
    struct queue *queue = *out = calloc(1, sizeof(*queue));

    if (bytes < 0)
        return peer_fail("rte_ring_get_memsize_elem", (int)bytes);
    if (!queue)
        return peer_fail("memory", -ENOMEM);
    queue->run = *run;
    queue->ring = aligned_alloc(128, ((size_t)bytes + 127) / 128 * 128);
    if (!queue->ring)
        return peer_fail("memory", -ENOMEM);
    memset(queue->ring, 0, (size_t)bytes);
    int rc = rte_ring_init(queue->ring, "peer", run->capacity, flags);
    return rc == 0 ? 0 : peer_fail("rte_ring_init", rc);
}

static int open_mt(const struct peer_run *run, void **out)
{
    return open_mode(run, 0, out);
}

static int open_rts(const struct peer_run *run, void **out)
{
    return open_mode(run, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ, out);
}

static int open_hts(const struct peer_run *run, void **out)
{
    return open_mode(run, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ, out);
}

static int open_st(const struct peer_run *run, void **out)
{
    return open_mode(run, RING_F_SP_ENQ | RING_F_SC_DEQ, out);
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
    free(queue->ring);
    free(queue);
}

static struct handle *handle_new(struct queue *queue)
{
    struct handle *handle = aligned_alloc(128, (sizeof(*handle) + 127) / 128 * 128);

    if (!handle)
        return NULL;
    *handle = (struct handle){.ring = queue->ring, .wait = queue->run.wait, .link = queue->handles};
    queue->handles = handle;
    return handle;
}

static int consumer(void *opaque, uint32_t group, void **out)
{
    (void)group;
    *out = handle_new(opaque);
    return *out ? 0 : peer_fail("memory", -ENOMEM);
}

static int producer_of_values(void *opaque, void **out)
{
    return consumer(opaque, 0, out);
}

static int producer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue);

    return handle ? pool_open(&handle->pool, &queue->run) : peer_fail("memory", -ENOMEM);
}

/* One call for n elements, for a mode that is a constant: how many went in. */
PEER_INLINE unsigned put(struct rte_ring *ring, enum mode mode, const void *table, unsigned size,
                         unsigned n)
{
    switch (mode) {
    case MT:
        return rte_ring_mp_enqueue_burst_elem(ring, table, size, n, NULL);
    case RTS:
        return rte_ring_mp_rts_enqueue_burst_elem(ring, table, size, n, NULL);
    case HTS:
        return rte_ring_mp_hts_enqueue_burst_elem(ring, table, size, n, NULL);
    default:
        return rte_ring_sp_enqueue_burst_elem(ring, table, size, n, NULL);
    }
}

PEER_INLINE unsigned take(struct rte_ring *ring, enum mode mode, void *table, unsigned size,
                          unsigned n)
{
    switch (mode) {
    case MT:
        return rte_ring_mc_dequeue_burst_elem(ring, table, size, n, NULL);
    case RTS:
        return rte_ring_mc_rts_dequeue_burst_elem(ring, table, size, n, NULL);
    case HTS:
        return rte_ring_mc_hts_dequeue_burst_elem(ring, table, size, n, NULL);
    default:
        return rte_ring_sc_dequeue_burst_elem(ring, table, size, n, NULL);
    }
}

PEER_INLINE int put_all(struct handle *handle, enum mode mode, const void *table, unsigned size,
                        unsigned n)
{
    for (unsigned in = 0; in < n;) {
        unsigned more =
            put(handle->ring, mode, (const char *)table + (size_t)in * size, size, n - in);
        if (more == 0)
            peer_pause(handle->wait);
        in += more;
    }
    return 0;
}

PEER_INLINE int take_some(struct handle *handle, enum mode mode, void *table, unsigned size,
                          unsigned most)
{
    unsigned n;

    while ((n = take(handle->ring, mode, table, size, most)) == 0)
        peer_pause(handle->wait);
    return (int)n;
}

PEER_INLINE int take_values(void *handle, enum mode mode, struct peer_msg *msgs, unsigned size,
                            unsigned most, struct peer_tally *tally)
{
    unsigned char *copy = tally->copy;
    int n = take_some(handle, mode, copy, size, most);

    for (int i = 0; i < n; i++)
        peer_msg_set(&msgs[i], copy + (size_t)i * size, size);
    return n;
}

PEER_INLINE int put_pointers(struct handle *handle, enum mode mode, const struct peer_vec *vec,
                             unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        handle->to_send[i] = pool_fill(&handle->pool, vec[i].data, (uint32_t)vec[i].size);
    return put_all(handle, mode, handle->to_send, sizeof(void *), n);
}

PEER_INLINE int take_pointers(struct handle *handle, enum mode mode, struct peer_msg *msgs,
                              unsigned most)
{
    int n = take_some(handle, mode, handle->held, sizeof(void *), most);

    for (int i = 0; i < n; i++)
        peer_msg_set(&msgs[i], handle->held[i] + 1, handle->held[i]->size);
    handle->count = (uint32_t)n;
    return n;
}

PEER_INLINE void release(void *opaque)
{
    struct handle *handle = opaque;

    for (uint32_t i = 0; i < handle->count; i++)
        pool_release(handle->held[i]);
}

#define BY_VALUE(mode, bytes)                                                                     \
    PEER_INLINE int send_##mode##_##bytes(void *handle, const void *data, uint32_t size)          \
    {                                                                                             \
        (void)size;                                                                               \
        return put_all(handle, mode, data, bytes, 1);                                             \
    }                                                                                             \
    PEER_INLINE int send_n_##mode##_##bytes(void *handle, const struct peer_vec *vec, uint32_t n) \
    {                                                                                             \
        return put_all(handle, mode, vec[0].data, bytes, n);                                      \
    }                                                                                             \
    PEER_INLINE int recv_##mode##_##bytes(void *handle, struct peer_msg *msg,                     \
                                          struct peer_tally *tally)                               \
    {                                                                                             \
        return take_values(handle, mode, msg, bytes, 1, tally);                                   \
    }                                                                                             \
    PEER_INLINE int recv_n_##mode##_##bytes(void *handle, struct peer_msg *msgs, uint32_t n,      \
                                            struct peer_tally *tally)                             \
    {                                                                                             \
        return take_values(handle, mode, msgs, bytes, n, tally);                                  \
    }                                                                                             \
    static const struct peer_calls calls_##mode##_##bytes = {                                     \
        send_##mode##_##bytes, recv_##mode##_##bytes, send_n_##mode##_##bytes,                    \
        recv_n_##mode##_##bytes, NULL};                                                           \
    static int produce_##mode##_##bytes(void *handle, struct peer_source *source)                 \
    {                                                                                             \
        return peer_produce_size(handle, source, bytes, &calls_##mode##_##bytes);                 \
    }                                                                                             \
    static int consume_##mode##_##bytes(void *handle, struct peer_tally *tally)                   \
    {                                                                                             \
        return peer_consume_size(handle, tally, bytes, &calls_##mode##_##bytes);                  \
    }

#define BY_POINTER(mode)                                                                      \
    PEER_INLINE int send_##mode(void *handle, const void *data, uint32_t size)                \
    {                                                                                         \
        return put_pointers(handle, mode, &(struct peer_vec){data, size}, 1);                 \
    }                                                                                         \
    PEER_INLINE int send_n_##mode(void *handle, const struct peer_vec *vec, uint32_t n)       \
    {                                                                                         \
        return put_pointers(handle, mode, vec, n);                                            \
    }                                                                                         \
    PEER_INLINE int recv_##mode(void *handle, struct peer_msg *msg, struct peer_tally *tally) \
    {                                                                                         \
        (void)tally;                                                                          \
        return take_pointers(handle, mode, msg, 1);                                           \
    }                                                                                         \
    PEER_INLINE int recv_n_##mode(void *handle, struct peer_msg *msgs, uint32_t n,            \
                                  struct peer_tally *tally)                                   \
    {                                                                                         \
        (void)tally;                                                                          \
        return take_pointers(handle, mode, msgs, n);                                          \
    }                                                                                         \
    static const struct peer_calls calls_##mode = {send_##mode, recv_##mode, send_n_##mode,   \
                                                   recv_n_##mode, release};                   \
    static int produce_##mode(void *handle, struct peer_source *source)                       \
    {                                                                                         \
        return peer_produce_any(handle, source, &calls_##mode);                               \
    }                                                                                         \
    static int consume_##mode(void *handle, struct peer_tally *tally)                         \
    {                                                                                         \
        return peer_consume_any(handle, tally, &calls_##mode);                                \
    }

#define MODE(mode)     \
    BY_VALUE(mode, 16) \
    BY_POINTER(mode)

MODE(MT)
MODE(RTS)
MODE(HTS)
MODE(ST)

#define TRAITS (PEER_MIXES | PEER_BATCHES | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED)

#define VALUES(name, trait, open, mode, bytes)                                          \
    {                                                                                   \
        name, bytes, TRAITS | (trait), open, close_queue, producer_of_values, consumer, \
            produce_##mode##_##bytes, consume_##mode##_##bytes, NULL                    \
    }

#define POINTERS(name, trait, open, mode, bytes)                                              \
    {                                                                                         \
        name, bytes, TRAITS | (trait), open, close_queue, producer, consumer, produce_##mode, \
            consume_##mode, NULL                                                              \
    }

#define RING(name, trait, open, mode) \
    VALUES(name, trait, open, mode, 16), POINTERS(name, trait, open, mode, PEER_ANY)

const struct peer peer_all[] = {
    RING("rte_ring", PEER_MPMC, open_mt, MT),
    RING("rte_ring-rts", PEER_MPMC, open_rts, RTS),
    RING("rte_ring-hts", PEER_MPMC, open_hts, HTS),
    RING("rte_ring-spsc", PEER_SPSC, open_st, ST),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "dpdk";
const char *const peer_package = "libdpdk-dev";

const char *peer_version(void)
{
    return PEER_PACKAGE_VERSION;
}
