/* SPDX-License-Identifier: MIT */
/*
 * A plain loop over the hot path, for callgrind and perf: one thread, 16-byte messages, a channel
 * in memory. Each mode runs its loop in a function of its own name, so that
 *   valgrind --tool=callgrind --toggle-collect=loop_send quire_loop send 100000
 * counts the sends alone.
 */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 32u

struct loop {
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint64_t sent;
    uint64_t sum; /* of the first words received */
};

static int send_one(struct loop *loop)
{
    uint64_t words[2] = {loop->sent, ~loop->sent};

    loop->sent++;
    return quire_tx_send(loop->tx, words, sizeof(words));
}

static int recv_one(struct loop *loop)
{
    struct quire_msg msg;
    int rc = quire_rx_recv(loop->rx, &msg);

    while (rc == QUIRE_PAGE_END) {
        quire_rx_next_page(loop->rx);
        rc = quire_rx_recv(loop->rx, &msg);
    }
    if (rc == 0)
        loop->sum += *(const uint64_t *)msg.data;
    return rc;
}

__attribute__((noinline)) static int loop_send(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = send_one(loop);
    return rc;
}

__attribute__((noinline)) static int loop_recv(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = recv_one(loop);
    return rc;
}

__attribute__((noinline)) static int loop_both(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        rc = send_one(loop);
        if (rc == 0)
            rc = recv_one(loop);
    }
    return rc;
}

static int send_batch(struct loop *loop)
{
    uint64_t words[BATCH][2];
    struct quire_vec vec[BATCH];

    for (unsigned i = 0; i < BATCH; i++) {
        words[i][0] = loop->sent;
        words[i][1] = ~loop->sent++;
        vec[i] = (struct quire_vec){words[i], sizeof(words[i])};
    }
    long sent = quire_tx_send_batch(loop->tx, vec, BATCH, QUIRE_FOREVER);
    return sent == BATCH ? 0 : sent < 0 ? (int)sent : QUIRE_FULL;
}

static int recv_batch(struct loop *loop)
{
    struct quire_msg msgs[BATCH];

    for (unsigned left = BATCH; left > 0;) {
        long n = quire_rx_recv_batch(loop->rx, msgs, left, QUIRE_FOREVER);
        if (n == QUIRE_PAGE_END) {
            quire_rx_next_page(loop->rx);
            continue;
        }
        if (n < 0)
            return (int)n;
        for (long i = 0; i < n; i++)
            loop->sum += *(const uint64_t *)msgs[i].data;
        left -= (unsigned)n;
    }
    return 0;
}

__attribute__((noinline)) static int loop_batch(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i += BATCH) {
        rc = send_batch(loop);
        if (rc == 0)
            rc = recv_batch(loop);
    }
    return rc;
}

/* An unknown mode is QUIRE_EINVAL. */
static int run(struct loop *loop, const char *mode, uint64_t count)
{
    if (strcmp(mode, "both") == 0)
        return loop_both(loop, count);
    if (strcmp(mode, "batch") == 0)
        return loop_batch(loop, count);
    if (strcmp(mode, "send") != 0 && strcmp(mode, "recv") != 0)
        return QUIRE_EINVAL;
    int rc = loop_send(loop, count);
    return rc == 0 ? loop_recv(loop, count) : rc;
}

static int usage(void)
{
    fputs("usage: quire_loop send|recv|both|batch COUNT\n"
          "Sends and receives COUNT 16-byte messages in one thread. send and recv both send all\n"
          "messages, then receive them: collect in loop_send or loop_recv.\n",
          stderr);
    return 2;
}

static int open_all(uint64_t count, quire_t **channel, struct loop *loop)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_plan plan;
    int rc = quire_plan(&options, 0, &plan);

    /* Room for all, so that send never waits. */
    if (rc == 0)
        options.max_pages = (uint32_t)(count / plan.max_messages) + 4;
    if (rc == 0)
        rc = quire_open(channel, NULL, &options);
    if (rc == 0)
        rc = quire_tx_open(*channel, NULL, &loop->tx);
    if (rc == 0)
        rc = quire_rx_subscribe(*channel, "loop", NULL, NULL, &loop->rx);
    return rc;
}

int main(int argc, char **argv)
{
    struct loop loop = {0};
    quire_t *channel = NULL;
    char *end = NULL;
    uint64_t count = argc == 3 ? strtoull(argv[2], &end, 10) : 0;

    if (count == 0 || count > 100000000 || !end || *end != '\0')
        return usage();
    int rc = open_all(count, &channel, &loop);
    if (rc == 0)
        rc = run(&loop, argv[1], count);
    quire_rx_close(loop.rx);
    quire_tx_close(loop.tx);
    quire_close(channel);
    if (rc == QUIRE_EINVAL)
        return usage();
    if (rc == 0 && loop.sum != loop.sent * (loop.sent - 1) / 2)
        rc = QUIRE_CORRUPT;
    if (rc != 0) {
        fprintf(stderr, "quire_loop: %s\n", quire_strerror(rc));
        return 1;
    }
    return 0;
}
