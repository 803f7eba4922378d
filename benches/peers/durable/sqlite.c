/* SPDX-License-Identifier: MIT */
/*
 * SQLite with a write-ahead log and synchronous=FULL, under which a commit returns when its frames
 * in the log are synced. One insert, prepared once, is one transaction: as an implicit one it takes
 * the write lock like BEGIN IMMEDIATE and saves two statements. The log is checkpointed by
 * whoever makes it 1000 pages long, the default, and then written again from its beginning.
 *
 * sqlite-wal-shared: all threads share one connection under a mutex, and nobody else has the file,
 * so it is locked once and for all (locking_mode=EXCLUSIVE). sqlite-wal: each thread has a
 * connection of its own, and one that finds the file locked tries again after 50 us: yielding takes
 * the processor from whoever commits, and the sleeps of sqlite3_busy_timeout, 1 ms and more, are
 * longer than a commit. It was the slower one wherever there were several threads.
 */
#include <benches/peers/durable/durable_peer.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_US 50u

struct connection {
    sqlite3 *db;
    sqlite3_stmt *insert;
    pthread_mutex_t lock; /* SHARED: the turn to use the connection */
};

struct store {
    char path[512];
    int shared;
    struct connection first;
};

static int fail(const char *what, sqlite3 *db, int code)
{
    return durable_fail(what, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

static int try_again(void *context, int tries)
{
    (void)context;
    (void)tries;
    usleep(RETRY_US);
    return 1;
}

static int execute(sqlite3 *db, const char *statement)
{
    int rc = sqlite3_exec(db, statement, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail(statement, db, rc);
}

static int close_connection(struct connection *c)
{
    sqlite3 *db = c->db;
    int rc;

    sqlite3_finalize(c->insert);
    rc = sqlite3_close(db);
    c->db = NULL;
    pthread_mutex_destroy(&c->lock);
    return rc == SQLITE_OK ? 0 : fail("sqlite3_close", db, rc);
}

static int set_up(const struct store *store, struct connection *c)
{
    int rc = 0;

    sqlite3_busy_handler(c->db, try_again, NULL);
    if (store->shared)
        rc = execute(c->db, "PRAGMA locking_mode=EXCLUSIVE");
    if (rc == 0)
        rc = execute(c->db, "PRAGMA journal_mode=WAL");
    if (rc == 0)
        rc = execute(c->db, "PRAGMA synchronous=FULL");
    if (rc == 0)
        rc = execute(c->db, "CREATE TABLE IF NOT EXISTS messages"
                            " (number INTEGER PRIMARY KEY, body BLOB NOT NULL)");
    if (rc != 0)
        return rc;
    rc = sqlite3_prepare_v3(c->db, "INSERT INTO messages (body) VALUES (?1)", -1,
                            SQLITE_PREPARE_PERSISTENT, &c->insert, NULL);
    return rc == SQLITE_OK ? 0 : fail("sqlite3_prepare_v3", c->db, rc);
}

static int open_connection(const struct store *store, struct connection *c)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(store->path, &c->db, flags, NULL);

    pthread_mutex_init(&c->lock, NULL);
    rc = rc == SQLITE_OK ? set_up(store, c) : fail("sqlite3_open_v2", c->db, rc);
    if (rc != 0)
        close_connection(c);
    return rc;
}

static int open_store(const char *dir, int shared, void **out)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store)
        return durable_fail("sqlite3_open_v2", "no memory");
    store->shared = shared;
    snprintf(store->path, sizeof(store->path), "%s/messages.db", dir);
    int rc = open_connection(store, &store->first);
    if (rc == 0)
        *out = store;
    else
        free(store);
    return rc;
}

static int open_shared(const char *dir, int fresh, uint32_t size, void **out)
{
    (void)fresh;
    (void)size;
    return open_store(dir, 1, out);
}

static int open_separate(const char *dir, int fresh, uint32_t size, void **out)
{
    (void)fresh;
    (void)size;
    return open_store(dir, 0, out);
}

static int close_store(void *opaque)
{
    struct store *store = opaque;
    int rc = close_connection(&store->first);

    free(store);
    return rc;
}

static int lend(void *opaque, void **handle)
{
    struct store *store = opaque;

    *handle = &store->first;
    return 0;
}

static int give_back(void *handle)
{
    (void)handle;
    return 0;
}

static int open_producer(void *store, void **handle)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (!c)
        return durable_fail("sqlite3_open_v2", "no memory");
    int rc = open_connection(store, c);
    if (rc == 0)
        *handle = c;
    else
        free(c);
    return rc;
}

static int close_producer(void *handle)
{
    int rc = close_connection(handle);

    free(handle);
    return rc;
}

static int send_message(void *handle, const void *data, uint32_t size)
{
    struct connection *c = handle;
    int rc = sqlite3_bind_blob(c->insert, 1, data, (int)size, SQLITE_STATIC);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(c->insert);
    if (rc == SQLITE_DONE)
        rc = sqlite3_reset(c->insert);
    return rc == SQLITE_OK ? 0 : fail("INSERT", c->db, rc);
}

static int send_shared(void *handle, const void *data, uint32_t size)
{
    struct connection *c = handle;

    pthread_mutex_lock(&c->lock);
    int rc = send_message(c, data, size);
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static int read_all(void *opaque, struct durable_check *check)
{
    struct store *store = opaque;
    sqlite3 *db = store->first.db;
    sqlite3_stmt *select;
    int rc = sqlite3_prepare_v2(db, "SELECT body FROM messages ORDER BY number", -1, &select, NULL);

    if (rc != SQLITE_OK)
        return fail("SELECT", db, rc);
    while ((rc = sqlite3_step(select)) == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(select, 0);
        if (durable_check_add(check, data, (uint64_t)sqlite3_column_bytes(select, 0)) != 0)
            break;
    }
    if (rc == SQLITE_ROW)
        rc = -1;
    else
        rc = rc == SQLITE_DONE ? 0 : fail("SELECT", db, rc);
    sqlite3_finalize(select);
    return rc;
}

static const struct durable_peer sqlite_shared = {
    .name = "sqlite-wal-shared",
    .open = open_shared,
    .close = close_store,
    .producer = lend,
    .producer_close = give_back,
    .send = send_shared,
    .read_all = read_all,
};

static const struct durable_peer sqlite_separate = {
    .name = "sqlite-wal",
    .open = open_separate,
    .close = close_store,
    .producer = open_producer,
    .producer_close = close_producer,
    .send = send_message,
    .read_all = read_all,
};

static const struct durable_peer *const peers[] = {&sqlite_shared, &sqlite_separate, NULL};
const struct durable_family durable_family = {"sqlite", "libsqlite3-dev", sqlite3_libversion,
                                              peers};
