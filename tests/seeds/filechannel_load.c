/* SPDX-License-Identifier: MIT */
/*
 * filechannel's cases of many messages: random strings for one reader and for four independent
 * ones, through far less room than they take; two million short messages, and the memory they cost.
 *
 *   filechannel_load memory|directory
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/seeds/steps.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define READERS    4u
#define STRING_MAX 512u

struct reader {
    struct thread thread;
    quire_t *channel;
    quire_rx_t *rx;
    uint64_t count;
};

/* All of them, in order, to the byte; then nothing comes, and that takes its time. */
static void read_all(void *context)
{
    const struct reader *r = context;
    struct quire_msg msg;
    uint64_t until;

    for (uint64_t i = 0; i < r->count; i++) {
        await_number(r->rx, 1, i, content_size(1, i, 0, STRING_MAX));
    }
    until = deadline_soon();
    CHECK_CODE(receive(r->rx, &msg, until), QUIRE_TIMEDOUT);
    CHECK(clock_now() >= until);
}

static void random_strings(uint64_t count, uint32_t readers, uint64_t page_size)
{
    /* 10 MiB, which is where filechannel begins another file. */
    struct quire_options options = cell_options(page_size, (uint32_t)((10u << 20) / page_size));
    static struct reader reader[READERS];
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);

    for (uint32_t i = 0; i < readers; i++) {
        char name[] = {'g', (char)('0' + i), '\0'};

        reader[i].rx = open_rx(channel, name);
        reader[i].count = count;
        thread_start(&reader[i].thread, read_all, &reader[i]);
    }
    for (uint64_t i = 0; i < count; i++) {
        unsigned char data[STRING_MAX];
        size_t size = content_size(1, i, 0, STRING_MAX);

        content_fill(data, size, 1, i);
        CHECK_OK(quire_tx_send(tx, data, size));
    }
    for (uint32_t i = 0; i < readers; i++) {
        thread_join(&reader[i].thread);
        quire_rx_close(reader[i].rx);
    }
    CHECK_EQ(stat_of(channel).messages, count);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        temp_remove(cell_path(path));
    }
}

static void some_random_strings(void)
{
    random_strings(test_scale(32u << 10), 1, 1u << 20);
    random_strings(test_scale(32u << 10), READERS, 64u << 10);
}

static void many_for_one(void)
{
    random_strings(test_scale(1u << 20), 1, 1u << 20);
}

static void many_for_four(void)
{
    random_strings(test_scale(1u << 20), READERS, 1u << 20);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Kibibytes of the process that are not of a file, nor shared. */
static uint64_t anonymous_kib(const char *when)
{
    FILE *file = fopen("/proc/self/status", "r");
    unsigned long resident = 0, anonymous = 0;
    char line[256];

    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "VmRSS: %lu", &resident);
        (void)sscanf(line, "RssAnon: %lu", &anonymous);
    }
    fclose(file);
    printf("     %s: resident %lu KiB, of which anonymous %lu KiB\n", when, resident, anonymous);
    return anonymous;
}

/* All wait at once. What grows is the files' cache, which the kernel takes back when it must. */
static void two_million_short_messages(void)
{
    struct quire_options options = cell_options(1u << 20, 64);
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");
    uint64_t count = test_scale(2u << 20), before = anonymous_kib("before"), after;

    for (uint64_t i = 0; i < count; i++) {
        unsigned char data[12];

        content_fill(data, sizeof(data), 1, i);
        CHECK_OK(quire_tx_try_send(tx, data, sizeof(data)));
    }
    (void)anonymous_kib("sent");
    for (uint64_t i = 0; i < count; i++) {
        await_number(rx, 1, i, 12);
    }
    after = anonymous_kib("received");
    if (!SANITIZED) { /* its shadow is anonymous memory */
        CHECK(after < before + 2048);
    }
    take_nothing(rx);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"filechannel: random strings, one reader and four, then a timed-out read", some_random_strings,
     0},
    {"filechannel: a million random strings, one reader", many_for_one, 120},
    {"filechannel: a million random strings, four readers", many_for_four, 120},
    {"filechannel: two million messages of 12 bytes take no memory of the process",
     two_million_short_messages, 120},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
