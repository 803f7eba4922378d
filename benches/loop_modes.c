/* SPDX-License-Identifier: MIT */
#include <benches/loop.h>

/* Called by main through the table alone, so the compiler makes no copies under other names. */
#define MEASURED __attribute__((noinline)) static int

static int send_one(struct loop *loop)
{
    uint64_t words[2] = {loop->sent, ~loop->sent};

    loop->sent++;
    return quire_tx_send(loop->tx, words, sizeof(words));
}

static void take(struct loop *loop, const struct quire_msg *msg)
{
    const uint64_t *words = msg->data;
    uint64_t expected = loop->received++;

    if (msg->size != 2 * sizeof(*words) || words[0] != expected || words[1] != ~expected)
        loop->wrong++;
    loop->positions[expected] = msg->position;
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
        take(loop, &msg);
    return rc;
}

static int send_batch(struct loop *loop)
{
    uint64_t words[LOOP_BATCH][2];
    struct quire_vec vec[LOOP_BATCH];

    for (unsigned i = 0; i < LOOP_BATCH; i++) {
        words[i][0] = loop->sent;
        words[i][1] = ~loop->sent++;
        vec[i] = (struct quire_vec){words[i], sizeof(words[i])};
    }
    long sent = quire_tx_send_batch(loop->tx, vec, LOOP_BATCH, QUIRE_FOREVER);
    return sent == LOOP_BATCH ? 0 : sent < 0 ? (int)sent : QUIRE_FULL;
}

static int recv_batch(struct loop *loop)
{
    struct quire_msg msgs[LOOP_BATCH];

    for (unsigned left = LOOP_BATCH; left > 0;) {
        long n = quire_rx_recv_batch(loop->rx, msgs, left, QUIRE_FOREVER);
        if (n == QUIRE_PAGE_END) {
            quire_rx_next_page(loop->rx);
            continue;
        }
        if (n < 0)
            return (int)n;
        for (long i = 0; i < n; i++)
            take(loop, &msgs[i]);
        left -= (unsigned)n;
    }
    return 0;
}

static int reserve_one(struct loop *loop)
{
    void *data;
    int rc = quire_tx_reserve(loop->tx, 2 * sizeof(uint64_t), &data, QUIRE_FOREVER);

    if (rc != 0)
        return rc;
    uint64_t *words = data;
    words[0] = loop->sent;
    words[1] = ~loop->sent++;
    return quire_tx_commit(loop->tx, 2 * sizeof(*words));
}

MEASURED loop_send(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = send_one(loop);
    return rc;
}

MEASURED loop_recv(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = recv_one(loop);
    return rc;
}

MEASURED loop_both(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        rc = send_one(loop);
        if (rc == 0)
            rc = recv_one(loop);
    }
    return rc;
}

MEASURED loop_send_batch(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i += LOOP_BATCH)
        rc = send_batch(loop);
    return rc;
}

MEASURED loop_recv_batch(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i += LOOP_BATCH)
        rc = recv_batch(loop);
    return rc;
}

MEASURED loop_reserve(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = reserve_one(loop);
    return rc;
}

MEASURED loop_ack(struct loop *loop, uint64_t count)
{
    int rc = 0;

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        rc = quire_rx_ack(loop->rx, loop->positions[i]);
        loop->acked += rc == 0;
    }
    return rc;
}

MEASURED loop_ack_range(struct loop *loop, uint64_t count)
{
    for (uint64_t i = 0; i < count; i += LOOP_BATCH) {
        long n =
            quire_rx_ack_range(loop->rx, loop->positions[i], loop->positions[i + LOOP_BATCH - 1]);
        if (n < 0)
            return (int)n;
        loop->acked += (uint64_t)n;
    }
    return 0;
}

static int send_and_recv(struct loop *loop, uint64_t count)
{
    int rc = loop_send(loop, count);

    return rc == 0 ? loop_recv(loop, count) : rc;
}

/* Each was acknowledged before, once. */
static int all_acked(struct loop *loop, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (quire_rx_ack(loop->rx, loop->positions[i]) != QUIRE_ENOLEASE)
            return QUIRE_CORRUPT;
    return loop->acked == count ? 0 : QUIRE_CORRUPT;
}

#define MODE(name, traits, before, measured, after)      \
    {                                                    \
        name, #measured, before, measured, after, traits \
    }

const struct loop_mode loop_modes[] = {
    MODE("send", 0, NULL, loop_send, loop_recv),
    MODE("recv", 0, loop_send, loop_recv, NULL),
    MODE("both", 0, NULL, loop_both, NULL),
    MODE("send-batch", 0, NULL, loop_send_batch, loop_recv_batch),
    MODE("recv-batch", 0, loop_send_batch, loop_recv_batch, NULL),
    MODE("send-checksum", LOOP_CHECKSUM, NULL, loop_send, loop_recv),
    MODE("recv-checksum", LOOP_CHECKSUM, loop_send, loop_recv, NULL),
    MODE("reserve", 0, NULL, loop_reserve, loop_recv),
    MODE("send-turn", LOOP_TURN, NULL, loop_send, loop_recv),
    MODE("recv-turn", LOOP_TURN, loop_send, loop_recv, NULL),
    MODE("recv-ack", LOOP_ACK, loop_send, loop_recv, NULL),
    MODE("ack", LOOP_ACK, send_and_recv, loop_ack, all_acked),
    MODE("ack-range", LOOP_ACK, send_and_recv, loop_ack_range, all_acked),
};
const unsigned loop_modes_count = sizeof(loop_modes) / sizeof(loop_modes[0]);
