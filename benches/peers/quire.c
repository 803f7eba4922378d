/* SPDX-License-Identifier: MIT */
/* quire, in memory and in a directory. */
#include <benches/peers/loops.h>
#include <benches/peers/quire.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct handle {
    quire_tx_t *tx;
    quire_rx_t *rx;
    struct handle *link;
};

struct queue {
    quire_t *channel;
    struct handle *handles;
    char path[512];
};

static int fail(const char *what, int code)
{
    fprintf(stderr, "%s: %s\n", what, quire_strerror(code));
    return code < 0 ? code : -EIO;
}

int quire_adopt(quire_t *channel, const char *path, void **out)
{
    struct queue *queue = *out = calloc(1, sizeof(*queue));

    if (!queue)
        return peer_fail("memory", -ENOMEM);
    queue->channel = channel;
    snprintf(queue->path, sizeof(queue->path), "%s", path);
    return 0;
}

#define PAGES 16u

/* Room for as many messages as the other queues have. */
static void room_for(const struct peer_run *run, struct quire_options *options)
{
    uint64_t size = run->size == PEER_MIXED ? TRACE_SIZE_MAX : run->size;
    uint32_t each = run->capacity / PAGES > 16 ? run->capacity / PAGES : 16;

    options->max_pages = PAGES;
    options->max_messages = each < 65535 ? each : 65535;
    options->page_size = (each * (size + 8) + 4095) / 4096 * 4096;
}

static int open_with(const struct peer_run *run, struct quire_options *options, int file,
                     void **out)
{
    static const uint32_t waits[] = {QUIRE_WAIT_BUSY, QUIRE_WAIT_YIELD, QUIRE_WAIT_BLOCK};
    static unsigned number;
    char path[512] = "";
    quire_t *channel;

    options->wait = waits[run->wait];
    room_for(run, options);
    if (file) {
        options->flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
        snprintf(path, sizeof(path), "%s/peer-%ld-%u", run->dir, (long)getpid(), number++);
    }
    int rc = quire_open(&channel, file ? path : NULL, options);
    return rc == 0 ? quire_adopt(channel, path, out) : fail("quire_open", rc);
}

static int open_memory(const struct peer_run *run, void **out)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    return open_with(run, &options, 0, out);
}

static int open_file(const struct peer_run *run, void **out)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    options.checksum = QUIRE_CHECKSUM_OFF;
    return open_with(run, &options, 1, out);
}

static int open_file_checked(const struct peer_run *run, void **out)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    return open_with(run, &options, 1, out);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void close_queue(void *opaque)
{
    struct queue *queue = opaque;

    while (queue->handles) {
        struct handle *handle = queue->handles;
        queue->handles = handle->link;
        quire_tx_close(handle->tx);
        quire_rx_close(handle->rx);
        free(handle);
    }
    quire_close(queue->channel);
    if (queue->path[0] != '\0')
        nftw(queue->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(queue);
}

static struct handle *handle_new(struct queue *queue)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (handle) {
        handle->link = queue->handles;
        queue->handles = handle;
    }
    return handle;
}

static int producer(void *opaque, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue);

    if (!handle)
        return peer_fail("memory", -ENOMEM);
    int rc = quire_tx_open(queue->channel, NULL, &handle->tx);
    return rc == 0 ? 0 : fail("quire_tx_open", rc);
}

static int consumer(void *opaque, uint32_t group, void **out)
{
    struct queue *queue = opaque;
    struct handle *handle = *out = handle_new(queue);
    char name[16];

    if (!handle)
        return peer_fail("memory", -ENOMEM);
    snprintf(name, sizeof(name), "group-%u", group);
    int rc = quire_rx_subscribe(queue->channel, name, NULL, NULL, &handle->rx);
    return rc == 0 ? 0 : fail("quire_rx_subscribe", rc);
}

_Static_assert(sizeof(struct peer_msg) == sizeof(struct quire_msg) &&
                   offsetof(struct peer_msg, data) == offsetof(struct quire_msg, data) &&
                   offsetof(struct peer_msg, size) == offsetof(struct quire_msg, size) &&
                   sizeof(struct peer_vec) == sizeof(struct quire_vec) &&
                   offsetof(struct peer_vec, size) == offsetof(struct quire_vec, size),
               "messages and vectors are handed on as they are");

PEER_INLINE int send_one(void *handle, const void *data, uint32_t size)
{
    int rc = quire_tx_send(((struct handle *)handle)->tx, data, size);
    return rc == 0 ? 0 : fail("quire_tx_send", rc);
}

PEER_INLINE int recv_one(void *handle, struct peer_msg *out, struct peer_tally *tally)
{
    quire_rx_t *rx = ((struct handle *)handle)->rx;
    int rc;

    (void)tally;
    while ((rc = quire_rx_recv(rx, (struct quire_msg *)out)) == QUIRE_PAGE_END)
        quire_rx_next_page(rx);
    return rc == 0 ? 0 : fail("quire_rx_recv", rc);
}

PEER_INLINE int send_many(void *handle, const struct peer_vec *vec, uint32_t n)
{
    long sent = quire_tx_send_batch(((struct handle *)handle)->tx, (const struct quire_vec *)vec, n,
                                    QUIRE_FOREVER);
    return sent == (long)n ? 0 : fail("quire_tx_send_batch", (int)sent);
}

PEER_INLINE int recv_many(void *handle, struct peer_msg *out, uint32_t most,
                          struct peer_tally *tally)
{
    quire_rx_t *rx = ((struct handle *)handle)->rx;
    long n;

    (void)tally;
    while ((n = quire_rx_recv_batch(rx, (struct quire_msg *)out, most, QUIRE_FOREVER)) ==
           QUIRE_PAGE_END)
        quire_rx_next_page(rx);
    return n > 0 ? (int)n : fail("quire_rx_recv_batch", (int)n);
}

static const struct peer_calls calls = {send_one, recv_one, send_many, recv_many, NULL};

static int produce(void *handle, struct peer_source *source)
{
    return peer_produce_any(handle, source, &calls);
}

static int consume(void *handle, struct peer_tally *tally)
{
    return peer_consume_any(handle, tally, &calls);
}

#define TRAITS                                                                        \
    PEER_MPMC | PEER_BATCHES | PEER_MIXES | PEER_BUSIES | PEER_YIELDS | PEER_BLOCKS | \
        PEER_ORDERED | PEER_GROUPS
#define QUIRE(name, open, more)                                                                   \
    {                                                                                             \
        name, PEER_ANY, TRAITS | (more), open, close_queue, producer, consumer, produce, consume, \
            NULL                                                                                  \
    }

const struct peer peer_all[] = {
    QUIRE("quire", open_memory, 0),
    QUIRE("quire-file", open_file, PEER_STEADY),
    QUIRE("quire-file-checksum", open_file_checked, PEER_STEADY),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "quire";
const char *const peer_package = "";

const char *peer_version(void)
{
    return quire_version();
}
