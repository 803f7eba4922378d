/* SPDX-License-Identifier: MIT */
/*
 * qb_rb of libqb: one writer, one reader, chunks that are read in place. Busy and yielding runs
 * are without its semaphore, blocking ones with it. Only its reader can sleep: a writer that finds
 * the ring full yields.
 */
#include <benches/peers/loops.h>
#include <errno.h>
#include <qb/qbrb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_HEADER 16u /* no less than what the library puts around a chunk */

struct queue {
    qb_ringbuffer_t *ring;
    enum peer_wait wait;      /* of the writer */
    enum peer_wait read_wait; /* PEER_BLOCK: in the library */
};

/* The names are given up at once: a run that ends badly leaves nothing behind. */
static void unlink_files(const char *name)
{
    static const char *const parts[] = {"header", "data"};
    char path[128];

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        snprintf(path, sizeof(path), "/dev/shm/qb-%s-%s", name, parts[i]);
        unlink(path);
    }
}

static int open_queue(const struct peer_run *run, void **out)
{
    static unsigned number;
    struct queue *queue = *out = calloc(1, sizeof(*queue));
    uint32_t flags = QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_THREAD;
    size_t size = run->size == PEER_MIXED ? TRACE_SIZE_MAX : run->size;
    char name[64];

    if (!queue)
        return peer_fail("memory", -ENOMEM);
    queue->wait = run->wait == PEER_BUSY ? PEER_BUSY : PEER_YIELD;
    queue->read_wait = run->wait;
    if (run->wait != PEER_BLOCK)
        flags |= QB_RB_FLAG_NO_SEMAPHORE;
    snprintf(name, sizeof(name), "peer-%d-%u", (int)getpid(), number++);
    queue->ring = qb_rb_open(name, run->capacity * (size + CHUNK_HEADER), flags, 0);
    if (!queue->ring)
        return peer_fail("qb_rb_open", -errno);
    unlink_files(name);
    return 0;
}

static void close_queue(void *opaque)
{
    struct queue *queue = opaque;

    qb_rb_close(queue->ring);
    free(queue);
}

PEER_INLINE int send_one(void *handle, const void *data, uint32_t size)
{
    struct queue *queue = handle;
    void *chunk;

    while (!(chunk = qb_rb_chunk_alloc(queue->ring, size))) {
        if (errno != EAGAIN)
            return peer_fail("qb_rb_chunk_alloc", -errno);
        peer_pause(queue->wait);
    }
    memcpy(chunk, data, size);
    int rc = qb_rb_chunk_commit(queue->ring, size);
    return rc >= 0 ? 0 : peer_fail("qb_rb_chunk_commit", rc);
}

PEER_INLINE int recv_one(void *handle, struct peer_msg *msg, struct peer_tally *tally)
{
    struct queue *queue = handle;
    void *data = NULL;
    ssize_t got;

    (void)tally;
    peer_msg_set(msg, NULL, 0);
    while ((got = qb_rb_chunk_peek(queue->ring, &data, -1)) <= 0) {
        if (got < 0 && got != -ENOMSG && got != -ETIMEDOUT && got != -EAGAIN && got != -EINTR &&
            got != -EBADMSG)
            return peer_fail("qb_rb_chunk_peek", (int)got);
        if (queue->read_wait != PEER_BLOCK)
            peer_pause(queue->wait);
    }
    peer_msg_set(msg, data, (uint32_t)got);
    return 0;
}

PEER_INLINE void done(void *handle)
{
    qb_rb_chunk_reclaim(((struct queue *)handle)->ring);
}

static const struct peer_calls calls = {send_one, recv_one, NULL, NULL, done};

static int produce(void *handle, struct peer_source *source)
{
    return peer_produce_any(handle, source, &calls);
}

static int consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &calls);
}

const struct peer peer_all[] = {
    {"qb_rb", PEER_ANY,
     PEER_SPSC | PEER_MIXES | PEER_BUSIES | PEER_YIELDS | PEER_BLOCKS | PEER_ORDERED, open_queue,
     close_queue, NULL, NULL, produce, consume, NULL},
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "qb";
const char *const peer_package = "libqb-dev";

const char *peer_version(void)
{
    return PEER_PACKAGE_VERSION;
}
