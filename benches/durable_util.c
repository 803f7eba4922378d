/* SPDX-License-Identifier: MIT */
/* Channels whose messages are read back by another open, and percentiles. */
#include <benches/bench_message.h>
#include <benches/durable.h>
#include <stdio.h>
#include <stdlib.h>

int durable_open(const struct durable_options *options, const struct quire_options *how,
                 struct bench_channel *out)
{
    static unsigned number;
    struct quire_options all = *how;

    all.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    snprintf(out->path, sizeof(out->path), "%s/durable-%u", options->dir, number++);
    int rc = quire_open(&out->channel, out->path, &all);
    return rc == 0 ? 0 : bench_fail("quire_open", rc);
}

int durable_send(quire_tx_t *tx, uint64_t id, uint32_t size)
{
    uint64_t words[BENCH_SIZE_MAX / 8 + 1];

    bench_fill(words, id, size);
    words[size / 16 * 2] = id;
    return quire_tx_send(tx, words, size);
}

int durable_has_uring(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel;

    options.engine = QUIRE_ENGINE_URING;
    options.max_pages = 1;
    int rc = quire_open(&channel, NULL, &options);
    quire_close(channel);
    return rc == 0;
}

static int receive_all(quire_rx_t *rx, uint32_t size, struct bench_tally *tally)
{
    struct quire_msg msg;
    int rc;

    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END)
            rc = quire_rx_next_page(rx);
        else if (rc == 0 && msg.size == size)
            bench_tally_add(tally, msg.data, size);
        else
            return rc != 0 ? rc : QUIRE_CORRUPT;
    }
    return 0;
}

static int check(quire_t *channel, unsigned producers, uint64_t each, uint32_t size)
{
    struct bench_tally tally = {0};
    uint64_t expected = 0;
    quire_rx_t *rx;
    int rc = quire_rx_subscribe(channel, "read-back", NULL, NULL, &rx);

    if (rc != 0)
        return rc;
    rc = receive_all(rx, size, &tally);
    quire_rx_close(rx);
    for (unsigned i = 0; i < producers; i++)
        expected += bench_expected(BENCH_ID(i, 0), each, size);
    int whole = tally.count == producers * each && tally.sum == expected && tally.disorder == 0;
    return rc != 0 || whole ? rc : QUIRE_CORRUPT;
}

int durable_read_back(struct bench_channel *bench, unsigned producers, uint64_t each, uint32_t size)
{
    int rc = quire_close(bench->channel);

    if (rc == 0)
        rc = quire_open(&bench->channel, bench->path, NULL);
    if (rc != 0) {
        bench_dir_remove(bench->path);
        return bench_fail("opening the channel again", rc);
    }
    rc = check(bench->channel, producers, each, size);
    if (rc != 0)
        bench_fail("reading back what was durable", rc);
    int closed = bench_channel_close(bench);
    return rc != 0 ? rc : closed;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

double durable_percentile(uint64_t *ns, size_t count, double p)
{
    if (count == 0)
        return 0;
    int sorted = 1;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = ns[i - 1] <= ns[i];
    if (!sorted)
        qsort(ns, count, sizeof(*ns), compare);
    /* The smallest value that p percent of all do not exceed. */
    double rank = p / 100 * (double)count;
    size_t at = (size_t)rank;
    at -= at > 0 && (double)at >= rank;
    return (double)ns[at < count ? at : count - 1];
}
