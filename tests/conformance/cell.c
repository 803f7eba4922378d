/* SPDX-License-Identifier: MIT */
/* Steps of the conformance cases. */
#include <stdlib.h>
#include <string.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>

struct cell cell;

struct quire_options cell_options(uint64_t page_size, uint32_t max_pages)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    options.flags = QUIRE_CREATE;
    options.page_size = page_size;
    options.max_pages = max_pages;
    options.wait = cell.wait;
    options.checksum = cell.checksum;
    cell_keeps(&options);
    return options;
}

void cell_keeps(struct quire_options *options)
{
    options->keeper = cell.keeper;
    if (cell.directory) {
        options->durability = cell.durability;
    }
}

const char *cell_path(char *buffer)
{
    return temp_path(buffer, "channel");
}

quire_t *cell_open(const struct quire_options *options)
{
    char path[TEMP_PATH_MAX];
    quire_t *channel = NULL;

    CHECK_OK(quire_open(&channel, cell.directory ? cell_path(path) : NULL, options));
    CHECK(channel != NULL);
    return channel;
}

quire_t *cell_policy(uint32_t max_pages, enum quire_full_policy policy)
{
    struct quire_options options = cell_options(SMALL_PAGE, max_pages);

    options.full_policy = policy;
    return cell_open(&options);
}

quire_t *cell_small(uint32_t max_pages)
{
    return cell_policy(max_pages, QUIRE_FULL_BLOCK);
}

quire_t *cell_still(uint32_t max_pages)
{
    struct quire_options options = cell_options(SMALL_PAGE, max_pages);

    options.keeper = QUIRE_KEEPER_CALLER;
    return cell_open(&options);
}

quire_t *cell_reopen(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;

    options.wait = cell.wait;
    cell_keeps(&options);
    return cell_open(&options);
}

quire_tx_t *open_tx(quire_t *channel)
{
    quire_tx_t *tx = NULL;

    CHECK_OK(quire_tx_open(channel, NULL, &tx));
    CHECK(tx != NULL);
    return tx;
}

quire_rx_t *open_rx_run(quire_t *channel, const char *group, uint32_t run_max)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx = NULL;

    options.run_max = run_max;
    CHECK_OK(quire_rx_subscribe(channel, group, NULL, &options, &rx));
    CHECK(rx != NULL);
    return rx;
}

quire_rx_t *open_rx(quire_t *channel, const char *group)
{
    return open_rx_run(channel, group, 0);
}

quire_rx_t *open_rx_at(quire_t *channel, const char *group, enum quire_where_kind kind,
                       uint64_t value)
{
    struct quire_where where = {.kind = kind, .value = value};
    quire_rx_t *rx = NULL;

    CHECK_OK(quire_rx_subscribe(channel, group, &where, NULL, &rx));
    CHECK(rx != NULL);
    return rx;
}

int try_put(quire_tx_t *tx, uint64_t stream, uint64_t number, size_t size)
{
    unsigned char data[SMALL_MAX];

    CHECK(size <= sizeof(data));
    content_fill(data, size, stream, number);
    return quire_tx_try_send(tx, data, size);
}

void put(quire_tx_t *tx, uint64_t stream, uint64_t number, size_t size)
{
    CHECK_OK(try_put(tx, stream, number, size));
}

uint64_t fill(quire_tx_t *tx, uint64_t stream, uint64_t from, size_t size)
{
    uint64_t number = from;
    int code;

    while ((code = try_put(tx, stream, number, size)) == 0) {
        number++;
        CHECK(number - from < 10000000);
    }
    CHECK_CODE(code, QUIRE_FULL);
    return number - from;
}

struct quire_msg take(quire_rx_t *rx)
{
    struct quire_msg msg = {0};
    int code = quire_rx_try_recv(rx, &msg);

    if (code == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
        code = quire_rx_try_recv(rx, &msg);
    }
    CHECK_CODE(code, 0);
    CHECK(msg.data != NULL);
    CHECK_EQ((uintptr_t)msg.data % 8, 0);
    return msg;
}

void is_number(const struct quire_msg *msg, uint64_t stream, uint64_t number, size_t size)
{
    CHECK_EQ(msg->size, size);
    if (!content_matches(msg->data, size, stream, number)) {
        test_fail(__FILE__, __LINE__, "message %llu of stream %llu is not what was sent",
                  (unsigned long long)number, (unsigned long long)stream);
    }
}

struct quire_msg take_number(quire_rx_t *rx, uint64_t stream, uint64_t number, size_t size)
{
    struct quire_msg msg = take(rx);

    is_number(&msg, stream, number, size);
    return msg;
}

void take_nothing(quire_rx_t *rx)
{
    struct quire_msg msg;
    int code = quire_rx_try_recv(rx, &msg);

    if (code == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
        code = quire_rx_try_recv(rx, &msg);
    }
    CHECK_CODE(code, QUIRE_EAGAIN);
}

struct quire_stat stat_of(quire_t *channel)
{
    struct quire_stat stat;

    CHECK_OK(quire_stat(channel, &stat));
    return stat;
}

struct quire_group_stat group_of(quire_t *channel, const char *name)
{
    struct quire_group_stat stats[64];
    long count = quire_stat_groups(channel, stats, 64);

    CHECK(count >= 0 && count <= 64);
    for (long i = 0; i < count; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return stats[i];
        }
    }
    test_fail(__FILE__, __LINE__, "there is no group %s", name);
}

struct quire_handle_stat handle_of(quire_t *channel, const char *group, enum quire_handle_kind kind)
{
    struct quire_handle_stat stats[64];
    struct quire_handle_stat found = {0};
    long count = quire_stat_handles(channel, stats, 64);
    int matches = 0;

    CHECK(count >= 0 && count <= 64);
    for (long i = 0; i < count; i++) {
        if (strcmp(stats[i].group, group) == 0 && stats[i].kind == (uint32_t)kind) {
            found = stats[i];
            matches++;
        }
    }
    CHECK_EQ(matches, 1);
    return found;
}

uint64_t claimed_of(quire_t *channel, const char *group)
{
    struct quire_handle_stat stats[64];
    long count = quire_stat_handles(channel, stats, 64);
    uint64_t claimed = 0;

    CHECK(count >= 0 && count <= 64);
    for (long i = 0; i < count; i++) {
        if (strcmp(stats[i].group, group) == 0 && stats[i].kind == QUIRE_HANDLE_RX) {
            claimed += stats[i].claimed;
        }
    }
    return claimed;
}

uint64_t record_bytes(size_t size)
{
    return RECORD_HEAD + (size + 7) / 8 * 8;
}

uint64_t page_room(uint64_t page_size, size_t size)
{
    return page_size / record_bytes(size);
}

uint64_t deadline_soon(void)
{
    return clock_now() + 5 * CLOCK_MS;
}

uint64_t deadline_far(void)
{
    return clock_now() + 600000 * CLOCK_MS;
}
