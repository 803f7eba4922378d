/* SPDX-License-Identifier: MIT */
/*
 * RocksDB: a put whose write-ahead log is synced before it returns. Writers that come together
 * share one write and one sync of the log (its write group), which is on by itself. Keys are
 * numbers that only grow, in the one column family there always is. Nothing is compressed: the
 * payload has no use for it and the log never is. The log is preallocated, which is the default.
 * Pipelined writes made no difference, and log files cannot be recycled: with the default mode of
 * recovery RocksDB sets recycle_log_file_num back to 0.
 */
#include <benches/peers/durable/durable_peer.h>
#include <endian.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdlib.h>

struct store {
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write;
    rocksdb_t *db;
    atomic_uint_fast64_t next; /* key */
};

/* 0 when there is no message; frees it. */
static int fail(const char *what, char *message)
{
    if (!message)
        return 0;
    int rc = durable_fail(what, message);
    rocksdb_free(message);
    return rc;
}

static int close_store(void *opaque)
{
    struct store *store = opaque;

    if (store->db)
        rocksdb_close(store->db);
    rocksdb_writeoptions_destroy(store->write);
    rocksdb_options_destroy(store->options);
    free(store);
    return 0;
}

static int open_store(const char *dir, int fresh, uint32_t size, void **out)
{
    struct store *store = calloc(1, sizeof(*store));
    char *message = NULL;

    (void)size;
    if (!store)
        return durable_fail("rocksdb_open", "no memory");
    store->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(store->options, fresh != 0);
    rocksdb_options_set_compression(store->options, rocksdb_no_compression);
    store->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->write, 1);
    store->db = rocksdb_open(store->options, dir, &message);
    if (message) {
        close_store(store);
        return fail("rocksdb_open", message);
    }
    *out = store;
    return 0;
}

static int send_message(void *handle, const void *data, uint32_t size)
{
    struct store *store = handle;
    /* Keys are compared as bytes. */
    uint64_t key = htobe64(atomic_fetch_add_explicit(&store->next, 1, memory_order_relaxed));
    char *message = NULL;

    rocksdb_put(store->db, store->write, (const char *)&key, sizeof(key), data, size, &message);
    return fail("rocksdb_put", message);
}

static int read_entries(rocksdb_iterator_t *at, struct durable_check *check)
{
    char *message = NULL;
    size_t size;

    for (rocksdb_iter_seek_to_first(at); rocksdb_iter_valid(at); rocksdb_iter_next(at)) {
        const char *data = rocksdb_iter_value(at, &size);
        if (durable_check_add(check, data, size) != 0)
            return -1;
    }
    rocksdb_iter_get_error(at, &message);
    return fail("reading back", message);
}

static int read_all(void *opaque, struct durable_check *check)
{
    struct store *store = opaque;
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_iterator_t *at = rocksdb_create_iterator(store->db, read);
    int rc = read_entries(at, check);

    rocksdb_iter_destroy(at);
    rocksdb_readoptions_destroy(read);
    return rc;
}

static const char *version(void)
{
    return ROCKSDB_VERSION;
}

static const struct durable_peer rocksdb = {
    .name = "rocksdb-wal",
    .open = open_store,
    .close = close_store,
    .send = send_message,
    .read_all = read_all,
};

static const struct durable_peer *const peers[] = {&rocksdb, NULL};
const struct durable_family durable_family = {"rocksdb", "librocksdb-dev", version, peers};
