/* SPDX-License-Identifier: MIT */
/*
 * What the kernel has: a POSIX message queue and a pipe. Both are written and read whole by any
 * number of threads. A write to a pipe of up to PIPE_BUF bytes is one piece, and a reader takes
 * what it asks for under the lock of the pipe; so where all messages are of one size none is ever
 * read in parts. Mixed ones go as packets (O_DIRECT), each of which takes a page of the pipe.
 */
#include <benches/peers/loops.h>
#include <benches/peers/workload.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PAGE     4096u
#define PIPE_MAX (1u << 20) /* bytes, what every user may ask for */
#define BLOCK    512u       /* what workload one sends before it receives */

struct queue {
    int in; /* the ends of the pipe; both are the message queue */
    int out;
    enum peer_wait wait;
    uint32_t room; /* for one message */
};

static struct queue *queue_new(const struct peer_run *run)
{
    struct queue *queue = calloc(1, sizeof(*queue));

    if (queue)
        *queue = (struct queue){
            .in = -1,
            .out = -1,
            .wait = run->wait,
            .room = run->size == PEER_MIXED ? TRACE_SIZE_MAX : run->size,
        };
    return queue;
}

static int check_depth(const struct peer_run *run, uint64_t depth)
{
    peer_holds(depth);
    if (depth >= BLOCK || strcmp(run->workload, "one") != 0)
        return 0;
    fprintf(stderr, "%s: holds %llu messages only\n", run->peer->name, (unsigned long long)depth);
    return WORKLOAD_SKIPPED;
}

/* --- message queue ---------------------------------------------------------------------------- */

static long mq_depth_max(void)
{
    FILE *in = fopen("/proc/sys/fs/mqueue/msg_max", "r");
    char line[32] = "";
    long depth = in && fgets(line, sizeof(line), in) ? strtol(line, NULL, 10) : 10;

    if (in)
        fclose(in);
    return depth;
}

/* As deep as was asked for, or as the limits of the system and then of the user let it be. */
static mqd_t mq_create(const struct peer_run *run, struct mq_attr *attr)
{
    static unsigned number;
    long depth = run->capacity, limit = mq_depth_max();
    int flags = O_CREAT | O_EXCL | O_RDWR | (run->wait == PEER_BLOCK ? 0 : O_NONBLOCK);
    char name[64];
    mqd_t mq;

    snprintf(name, sizeof(name), "/peer-%d-%u", (int)getpid(), number++);
    do {
        attr->mq_maxmsg = depth;
        mq = mq_open(name, flags, 0600, attr);
        depth = depth > limit ? limit : depth / 2;
    } while (mq < 0 && depth > 0 && (errno == EINVAL || errno == EMFILE));
    if (mq >= 0)
        mq_unlink(name);
    return mq;
}

static int mq_open_peer(const struct peer_run *run, void **out)
{
    struct queue *queue = *out = queue_new(run);

    if (!queue)
        return peer_fail("memory", -ENOMEM);
    struct mq_attr attr = {.mq_msgsize = queue->room};
    queue->in = queue->out = mq_create(run, &attr);
    if (queue->in >= 0)
        return check_depth(run, (uint64_t)attr.mq_maxmsg);
    if (errno != EINVAL && errno != EMFILE)
        return peer_fail("mq_open", -errno);
    fprintf(stderr, "%s: the system allows no message of %u bytes\n", run->peer->name, queue->room);
    return WORKLOAD_SKIPPED;
}

static void mq_close_peer(void *opaque)
{
    struct queue *queue = opaque;

    mq_close(queue->in);
    free(queue);
}

/* Whether to try again. */
PEER_INLINE int again(const struct queue *queue)
{
    if (errno != EAGAIN && errno != EINTR)
        return 0;
    if (errno == EAGAIN)
        peer_pause(queue->wait);
    return 1;
}

PEER_INLINE int mq_send_one(void *handle, const void *data, uint32_t size)
{
    struct queue *queue = handle;

    while (mq_send(queue->in, data, size, 0) != 0)
        if (!again(queue))
            return peer_fail("mq_send", -errno);
    return 0;
}

PEER_INLINE int mq_recv_one(void *handle, struct peer_msg *msg, struct peer_tally *tally)
{
    struct queue *queue = handle;
    ssize_t got;

    peer_msg_set(msg, tally->copy, 0);
    while ((got = mq_receive(queue->out, (char *)tally->copy, queue->room, NULL)) < 0)
        if (!again(queue))
            return peer_fail("mq_receive", -errno);
    msg->size = (uint32_t)got;
    return 0;
}

static const struct peer_calls mq_calls = {mq_send_one, mq_recv_one, NULL, NULL, NULL};

static int mq_produce(void *handle, struct peer_source *source)
{
    return peer_produce_any(handle, source, &mq_calls);
}

static int mq_consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &mq_calls);
}

/* --- pipe ------------------------------------------------------------------------------------- */

static int pipe_open_peer(const struct peer_run *run, void **out)
{
    struct queue *queue = *out = queue_new(run);
    int mixed = run->size == PEER_MIXED, ends[2];

    if (!queue)
        return peer_fail("memory", -ENOMEM);
    if (pipe2(ends, (mixed ? O_DIRECT : 0) | (run->wait == PEER_BLOCK ? 0 : O_NONBLOCK)) != 0)
        return peer_fail("pipe2", -errno);
    queue->out = ends[0];
    queue->in = ends[1];
    uint64_t a_page = mixed ? 1 : PAGE / queue->room;
    uint64_t bytes = (run->capacity + a_page - 1) / a_page * PAGE;
    int size = fcntl(queue->in, F_SETPIPE_SZ, (int)(bytes < PIPE_MAX ? bytes : PIPE_MAX));
    return size > 0 ? check_depth(run, (uint64_t)size / PAGE * a_page)
                    : peer_fail("F_SETPIPE_SZ", -errno);
}

static void pipe_close_peer(void *opaque)
{
    struct queue *queue = opaque;

    close(queue->in);
    close(queue->out);
    free(queue);
}

PEER_INLINE int pipe_write(struct queue *queue, const void *data, size_t size)
{
    ssize_t put;

    while ((put = write(queue->in, data, size)) < 0)
        if (!again(queue))
            return peer_fail("write", -errno);
    return put == (ssize_t)size ? 0 : peer_fail("a part was written", -EIO);
}

PEER_INLINE int pipe_send_one(void *handle, const void *data, uint32_t size)
{
    return pipe_write(handle, data, size);
}

/* As many at once as are one piece. */
PEER_INLINE int pipe_send_many(void *handle, const struct peer_vec *vec, uint32_t n)
{
    const char *data = vec[0].data;
    size_t size = vec[0].size, left = n * size, most = PIPE_BUF / size * size;
    int rc = 0;

    for (; left > 0 && rc == 0; data += most, left -= left < most ? left : most)
        rc = pipe_write(handle, data, left < most ? left : most);
    return rc;
}

PEER_INLINE ssize_t pipe_read(struct queue *queue, void *to, size_t most)
{
    ssize_t got;

    while ((got = read(queue->out, to, most)) < 0)
        if (!again(queue))
            return peer_fail("read", -errno);
    return got;
}

PEER_INLINE int pipe_recv_one(void *handle, struct peer_msg *msg, struct peer_tally *tally)
{
    struct queue *queue = handle;
    ssize_t got = pipe_read(queue, tally->copy, queue->room);

    peer_msg_set(msg, tally->copy, (uint32_t)got);
    return got >= 8 ? 0 : peer_fail("less than a message was read", -EIO);
}

PEER_INLINE int pipe_recv_many(void *handle, struct peer_msg *msgs, uint32_t n,
                               struct peer_tally *tally)
{
    struct queue *queue = handle;
    uint32_t size = queue->room;
    ssize_t got = pipe_read(queue, tally->copy, (size_t)n * size);

    if (got <= 0 || (size_t)got % size != 0)
        return peer_fail("a part of a message was read", -EIO);
    for (uint32_t i = 0; i < (uint32_t)got / size; i++)
        peer_msg_set(&msgs[i], tally->copy + (size_t)i * size, size);
    return (int)((size_t)got / size);
}

static const struct peer_calls pipe_calls = {pipe_send_one, pipe_recv_one, pipe_send_many,
                                             pipe_recv_many, NULL};
static const struct peer_calls packet_calls = {pipe_send_one, pipe_recv_one, NULL, NULL, NULL};

static int pipe_produce(void *handle, struct peer_source *source)
{
    return peer_produce_any(handle, source, &pipe_calls);
}

static int pipe_consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &pipe_calls);
}

static int packet_produce(void *handle, struct peer_source *source)
{
    return peer_produce_any(handle, source, &packet_calls);
}

static int packet_consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &packet_calls);
}

#define TRAITS (PEER_MPMC | PEER_MIXES | PEER_YIELDS | PEER_BLOCKS | PEER_ORDERED)

#define PIPE(size, traits, produce, consume)                                                      \
    {                                                                                             \
        "pipe", size, traits, pipe_open_peer, pipe_close_peer, NULL, NULL, produce, consume, NULL \
    }
#define STREAM(size) PIPE(size, TRAITS | PEER_BATCHES, pipe_produce, pipe_consume)

const struct peer peer_all[] = {
    {"mq", PEER_ANY, TRAITS, mq_open_peer, mq_close_peer, NULL, NULL, mq_produce, mq_consume, NULL},
    STREAM(16),
    STREAM(64),
    STREAM(512),
    STREAM(4096),
    PIPE(PEER_MIXED, TRAITS, packet_produce, packet_consume),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "kernel";
const char *const peer_package = "";

const char *peer_version(void)
{
    static struct utsname name;

    return uname(&name) == 0 ? name.release : "";
}
