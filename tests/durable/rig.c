/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <quire/loop.h>
#include <string.h>
#include <tests/durable/rig.h>

struct cell cell;

struct quire_options rig_options(enum quire_durability durability, uint32_t max_pages)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    options.flags = QUIRE_CREATE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = PER_PAGE;
    options.max_pages = max_pages;
    options.durability = durability;
    options.engine = cell.engine;
    options.keeper = cell.keeper;
    return options;
}

void rig_reopen(struct rig *rig, const struct quire_options *options)
{
    CHECK_OK(quire_open(&rig->channel, rig->path, options));
    CHECK_OK(quire_tx_open(rig->channel, NULL, &rig->tx));
}

void rig_reopen_when_free(struct rig *rig, const struct quire_options *options)
{
    int rc;
    do {
        rc = quire_open(&rig->channel, rig->path, options);
    } while (rc == QUIRE_EBUSY);
    CHECK_OK(rc);
    CHECK_OK(quire_tx_open(rig->channel, NULL, &rig->tx));
}

void rig_open(struct rig *rig, const struct quire_options *options)
{
    memset(rig, 0, sizeof(*rig));
    temp_path(rig->path, "channel");
    rig_reopen(rig, options);
}

void rig_close(struct rig *rig)
{
    struct quire_stat stat = rig_stat(rig->channel);
    int fails = stat.poisoned && stat.durability != QUIRE_DURABLE_NONE;
    quire_tx_close(rig->tx);
    CHECK_CODE(quire_close(rig->channel), fails ? QUIRE_EPOISONED : 0);
    rig->channel = NULL;
    rig->tx = NULL;
}

size_t rig_size(uint64_t stream, uint64_t number)
{
    return content_size(stream, number, CONTENT_NAMED_MIN, SIZE_MAX_OF_MESSAGE);
}

int rig_send(struct rig *rig)
{
    unsigned char bytes[SIZE_MAX_OF_MESSAGE];
    size_t size = rig_size(0, rig->sent);
    content_fill(bytes, size, 0, rig->sent);
    int rc = quire_tx_send(rig->tx, bytes, size);
    rig->sent += rc == 0;
    return rc;
}

void rig_pump(quire_t *channel)
{
    struct pollfd ready = {.fd = quire_fd(channel), .events = POLLIN};
    CHECK(ready.fd >= 0);
    (void)poll(&ready, 1, 1);
    int n = quire_dispatch(channel);
    CHECK(n >= 0 || n == QUIRE_EPOISONED);
}

void rig_await_durable(quire_t *channel, uint64_t position)
{
    while (quire_durable_position(channel) < position) {
        rig_pump(channel);
    }
}

void rig_await_commits(quire_t *channel, uint64_t commits)
{
    while (rig_commits(channel) < commits) {
        rig_pump(channel);
    }
}

struct quire_stat rig_stat(quire_t *channel)
{
    struct quire_stat stat;
    CHECK_OK(quire_stat(channel, &stat));
    return stat;
}

uint64_t rig_commits(quire_t *channel)
{
    return rig_stat(channel).commits;
}

uint64_t rig_receive(quire_t *channel, const char *group, uint64_t number)
{
    quire_rx_t *rx;
    struct quire_msg msg;
    int rc;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, NULL, &rx));
    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(rc);
        CHECK_EQ(msg.size, rig_size(0, number));
        CHECK(content_matches(msg.data, msg.size, 0, number));
        number++;
    }
    quire_rx_close(rx);
    return number;
}
