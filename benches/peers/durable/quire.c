/* SPDX-License-Identifier: MIT */
/*
 * quire with QUIRE_DURABLE_EACH, otherwise as it comes: checksums, the default engine, a handle
 * for each producer. Nobody receives while messages are sent, and all of them are read back, so
 * the channel begins with 64 MiB, which is what RocksDB writes between two flushes, and grows from
 * there. Sending first and asking later (quire_sync_start) is faster and another promise.
 */
#include <benches/peers/durable/durable_peer.h>
#include <stdio.h>

#define PAGES       64u
#define PAGES_AHEAD 4u

static int channel_open(const char *dir, int fresh, uint32_t size, void **store)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[512];
    quire_t *channel;

    (void)size;
    snprintf(path, sizeof(path), "%s/channel", dir);
    options.flags = fresh ? QUIRE_CREATE | QUIRE_EXCLUSIVE : 0;
    options.max_pages = PAGES;
    options.pages_ahead = PAGES_AHEAD;
    options.full_policy = QUIRE_FULL_GROW;
    options.durability = QUIRE_DURABLE_EACH;
    int rc = quire_open(&channel, path, &options);
    *store = channel;
    return rc == 0 ? 0 : durable_fail("quire_open", quire_strerror(rc));
}

static int channel_close(void *store)
{
    int rc = quire_close(store);

    return rc == 0 ? 0 : durable_fail("quire_close", quire_strerror(rc));
}

static int open_producer(void *store, void **handle)
{
    quire_tx_t *tx;
    int rc = quire_tx_open(store, NULL, &tx);

    *handle = tx;
    return rc == 0 ? 0 : durable_fail("quire_tx_open", quire_strerror(rc));
}

static int close_producer(void *handle)
{
    quire_tx_close(handle);
    return 0;
}

static int send_message(void *handle, const void *data, uint32_t size)
{
    int rc = quire_tx_send(handle, data, size);

    return rc == 0 ? 0 : durable_fail("quire_tx_send", quire_strerror(rc));
}

static int receive_all(quire_rx_t *rx, struct durable_check *check)
{
    struct quire_msg msg;
    int rc;

    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END)
            quire_rx_next_page(rx);
        else if (rc != 0)
            return durable_fail("quire_rx_try_recv", quire_strerror(rc));
        else if (durable_check_add(check, msg.data, msg.size) != 0)
            return -1;
    }
    return 0;
}

static int read_all(void *store, struct durable_check *check)
{
    quire_rx_t *rx;
    int rc = quire_rx_subscribe(store, "read-back", NULL, NULL, &rx);

    if (rc != 0)
        return durable_fail("quire_rx_subscribe", quire_strerror(rc));
    rc = receive_all(rx, check);
    quire_rx_close(rx);
    return rc;
}

static const struct durable_peer quire_each = {
    .name = "quire",
    .open = channel_open,
    .close = channel_close,
    .producer = open_producer,
    .producer_close = close_producer,
    .send = send_message,
    .read_all = read_all,
};

static const struct durable_peer *const peers[] = {&quire_each, NULL};
const struct durable_family durable_family = {"quire", "", quire_version, peers};
