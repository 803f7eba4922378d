/* SPDX-License-Identifier: MIT */
/*
 * LMDB: one write transaction for each message, with the default flags, so that a commit returns
 * when data and meta page are on the disk. Keys are integers that only grow and are appended,
 * which is the cheapest way into its tree. Writers take turns, and no commit serves two of them:
 * a program that wants that has to gather messages itself. lmdb-writemap writes through the map,
 * which saves the copy of each page and lets the file have its full length from the beginning.
 * A file that was filled with zeros beforehand made neither of them faster.
 */
#include <benches/peers/durable/durable_peer.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

/* Address space, and with MDB_WRITEMAP the length of a sparse file: no run can fill it. */
#define MAP_BYTES ((size_t)64 << 30)

struct store {
    MDB_env *env;
    MDB_dbi dbi;
    size_t next; /* key; whoever holds the write transaction may use it */
};

static int fail(const char *what, int code)
{
    return code == 0 ? 0 : durable_fail(what, mdb_strerror(code));
}

static int open_database(struct store *store)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0)
        return fail("mdb_txn_begin", rc);
    rc = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &store->dbi);
    if (rc == 0)
        return fail("mdb_txn_commit", mdb_txn_commit(txn));
    mdb_txn_abort(txn);
    return fail("mdb_dbi_open", rc);
}

static int close_store(void *opaque)
{
    struct store *store = opaque;

    mdb_env_close(store->env);
    free(store);
    return 0;
}

static int open_env(const char *dir, unsigned flags, void **out)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store)
        return durable_fail("mdb_env_create", "no memory");
    int rc = fail("mdb_env_create", mdb_env_create(&store->env));
    if (rc != 0) {
        free(store);
        return rc;
    }
    rc = fail("mdb_env_set_mapsize", mdb_env_set_mapsize(store->env, MAP_BYTES));
    if (rc == 0)
        rc = fail("mdb_env_open", mdb_env_open(store->env, dir, flags, 0600));
    if (rc == 0)
        rc = open_database(store);
    if (rc == 0)
        *out = store;
    else
        close_store(store);
    return rc;
}

static int open_default(const char *dir, int fresh, uint32_t size, void **out)
{
    (void)fresh;
    (void)size;
    return open_env(dir, 0, out);
}

static int open_writemap(const char *dir, int fresh, uint32_t size, void **out)
{
    (void)fresh;
    (void)size;
    return open_env(dir, MDB_WRITEMAP, out);
}

static int send_message(void *handle, const void *data, uint32_t size)
{
    struct store *store = handle;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0)
        return fail("mdb_txn_begin", rc);
    MDB_val key = {sizeof(store->next), &store->next};
    MDB_val value = {size, (void *)(uintptr_t)data};
    rc = mdb_put(txn, store->dbi, &key, &value, MDB_APPEND);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return fail("mdb_put", rc);
    }
    store->next++;
    return fail("mdb_txn_commit", mdb_txn_commit(txn));
}

static int read_entries(MDB_cursor *cursor, struct durable_check *check)
{
    MDB_val key, value;
    int rc;

    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        if (durable_check_add(check, value.mv_data, value.mv_size) != 0)
            return -1;
    return rc == MDB_NOTFOUND ? 0 : fail("mdb_cursor_get", rc);
}

static int read_all(void *opaque, struct durable_check *check)
{
    struct store *store = opaque;
    MDB_cursor *cursor;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0)
        return fail("mdb_txn_begin", rc);
    rc = fail("mdb_cursor_open", mdb_cursor_open(txn, store->dbi, &cursor));
    if (rc == 0) {
        rc = read_entries(cursor, check);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc;
}

static const char *version(void)
{
    static char text[32];
    int major, minor, patch;

    mdb_version(&major, &minor, &patch);
    snprintf(text, sizeof(text), "%d.%d.%d", major, minor, patch);
    return text;
}

static const struct durable_peer lmdb = {
    .name = "lmdb",
    .open = open_default,
    .close = close_store,
    .send = send_message,
    .read_all = read_all,
};

static const struct durable_peer lmdb_writemap = {
    .name = "lmdb-writemap",
    .open = open_writemap,
    .close = close_store,
    .send = send_message,
    .read_all = read_all,
};

static const struct durable_peer *const peers[] = {&lmdb, &lmdb_writemap, NULL};
const struct durable_family durable_family = {"lmdb", "liblmdb-dev", version, peers};
