/* SPDX-License-Identifier: MIT */
/*
 * What opening costs: time to open a channel, pass one message and close it, and the memory that
 * an idle channel keeps resident beyond its frames.
 */
#include <benches/bench_message.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void fill_options(const struct bench_shape *shape, struct quire_options *options)
{
    *options = (struct quire_options)QUIRE_OPTIONS_INIT;
    options->flags = shape->backing == BENCH_DIRECTORY ? QUIRE_CREATE : 0;
    options->page_size = shape->page_size;
    options->max_pages = shape->max_pages;
    options->checksum = shape->checksum;
}

/* One message through new handles. */
static int pass_one(quire_t *channel, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8];
    struct bench_tally tally = {0};
    struct quire_msg msg = {0};
    quire_tx_t *tx = NULL;
    quire_rx_t *rx = NULL;
    int rc = quire_tx_open(channel, NULL, &tx);

    bench_fill(words, 1, size);
    if (rc == 0)
        rc = quire_rx_subscribe(channel, "bench", NULL, NULL, &rx);
    if (rc == 0)
        rc = quire_tx_send(tx, words, size);
    if (rc == 0)
        rc = quire_rx_recv(rx, &msg);
    if (rc == QUIRE_PAGE_END) {
        quire_rx_next_page(rx);
        rc = quire_rx_recv(rx, &msg);
    }
    if (rc == 0 && msg.size == size)
        bench_tally_add(&tally, msg.data, size);
    if (rc == 0 && tally.sum != bench_expected(1, 1, size))
        rc = QUIRE_CORRUPT;
    quire_rx_close(rx);
    quire_tx_close(tx);
    return rc;
}

static int open_use_close(const struct bench_shape *shape, const char *path,
                          struct bench_open_result *result)
{
    struct quire_options options;
    quire_t *channel;
    uint64_t begin, opened;

    fill_options(shape, &options);
    begin = bench_now_ns();
    int rc = quire_open(&channel, path, &options);
    opened = bench_now_ns();
    if (rc != 0)
        return bench_fail("quire_open", rc);
    rc = pass_one(channel, shape->size);
    int closed = quire_close(channel);
    result->total_ms = (double)(bench_now_ns() - begin) / 1e6;
    result->open_ms = (double)(opened - begin) / 1e6;
    rc = rc != 0 ? rc : closed;
    return rc == 0 ? 0 : bench_fail("one message through a new channel", rc);
}

int bench_open(const struct bench_shape *shape, int existing, struct bench_open_result *result)
{
    char path[512];
    int rc = 0;

    if (shape->backing == BENCH_MEMORY)
        return open_use_close(shape, NULL, result);
    snprintf(path, sizeof(path), "%s/opened", shape->dir);
    if (existing)
        rc = open_use_close(shape, path, result);
    if (rc == 0)
        rc = open_use_close(shape, path, result);
    bench_dir_remove(path);
    return rc;
}

/* Frames are told by the names of their files: NNNNN.page, or the memfd of all frames. */
static int is_frame(const char *mapping)
{
    return strstr(mapping, ".page\n") != NULL || strstr(mapping, "memfd:quire-frames") != NULL;
}

/* Resident bytes of this process but for frames. */
static int resident_bytes(double *bytes)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    unsigned long long from, to, kib;
    uint64_t total = 0;
    char line[1024];
    int frame = 0;

    if (!file)
        return bench_fail("/proc/self/smaps", -errno);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            frame = is_frame(line);
        else if (sscanf(line, "Rss: %llu kB", &kib) == 1 && !frame)
            total += kib * 1024;
    }
    fclose(file);
    *bytes = (double)total;
    return 0;
}

int bench_resident(const struct bench_shape *shape, double *bytes)
{
    struct quire_options options;
    quire_t *channel;
    char path[512];
    double before, after = 0;

    fill_options(shape, &options);
    snprintf(path, sizeof(path), "%s/resident", shape->dir ? shape->dir : "");
    int directory = shape->backing == BENCH_DIRECTORY;
    int rc = resident_bytes(&before);
    if (rc == 0)
        rc = quire_open(&channel, directory ? path : NULL, &options);
    if (rc != 0)
        return bench_fail("opening an idle channel", rc);
    rc = pass_one(channel, shape->size);
    if (rc == 0)
        rc = resident_bytes(&after);
    int closed = quire_close(channel);
    if (directory)
        bench_dir_remove(path);
    *bytes = after - before;
    rc = rc != 0 ? rc : closed;
    return rc == 0 ? 0 : bench_fail("an idle channel", rc);
}
