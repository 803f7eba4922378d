/* SPDX-License-Identifier: MIT */
/*
 * Sets of handles under load: one thread serves several channels and groups. A wake-up that is
 * lost meets the watchdog.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/content.h>
#include <tests/support/process.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>

#define SIZE 24u

enum { CHANNELS = 3, GROUPS = 2, PRODUCERS = 2, HANDLES = CHANNELS * GROUPS };

/* Channel number i of a case; every backing that the cell has, by turns. */
static quire_t *open_channel(unsigned i)
{
    struct quire_options options = cell_options(SMALL_PAGE, 4 + i);
    char name[16], path[TEMP_PATH_MAX];
    quire_t *channel = NULL;

    snprintf(name, sizeof(name), "channel%u", i);
    options.wait = QUIRE_WAIT_BLOCK + (cell.wait - QUIRE_WAIT_BLOCK + i) % 3;
    CHECK_OK(quire_open(&channel, cell.directory ? temp_path(path, name) : NULL, &options));
    return channel;
}

struct producer {
    quire_t *channel;
    uint64_t stream, count;
    uint64_t hash; /* of what was sent, whatever the order */
};

static uint64_t hash_of(uint64_t stream, uint64_t number)
{
    return random_mix(stream << 40 ^ number);
}

/* Bursts of messages, with pauses in which the consumer falls asleep. */
static void produce(void *context)
{
    struct producer *producer = context;
    quire_tx_t *tx = open_tx(producer->channel);
    struct random random = {producer->stream};
    unsigned char data[600];

    for (uint64_t n = 0; n < producer->count; n++) {
        size_t size = content_size(producer->stream, n, SIZE, sizeof(data));

        content_fill(data, size, producer->stream, n);
        CHECK_OK(quire_tx_send(tx, data, size));
        producer->hash += hash_of(producer->stream, n);
        if (random_below(&random, 50) == 0) {
            for (uint64_t spins = random_below(&random, 4000); spins > 0; spins--) {
                qr_pause();
            }
        }
    }
    quire_tx_close(tx);
}

struct served {
    uint64_t next[CHANNELS * PRODUCERS]; /* of each stream */
    uint64_t hash;
    uint64_t count;
    unsigned channel;
};

/* One receive. 1: there may be more. */
static int serve_one(quire_rx_t *rx, struct served *served)
{
    struct quire_msg msg;
    uint64_t stream, number;
    int code = quire_rx_try_recv(rx, &msg);

    if (code == QUIRE_EAGAIN) {
        return 0;
    }
    if (code == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(rx));
        return 1;
    }
    CHECK_OK(code);
    CHECK(content_read(msg.data, msg.size, &stream, &number));
    CHECK_EQ(stream / PRODUCERS, served->channel);
    CHECK_EQ(number, served->next[stream]++); /* once, and in its producer's order */
    served->hash += hash_of(stream, number);
    served->count++;
    return 1;
}

/*
 * every: 0 receives from a handle until it has nothing, else up to so many times. ready: how many
 * handles one wait reports at most.
 */
static void serve(uint64_t every, size_t ready_count)
{
    struct producer producers[CHANNELS * PRODUCERS];
    struct thread threads[CHANNELS * PRODUCERS];
    struct served served[HANDLES] = {0};
    quire_t *channels[CHANNELS];
    quire_rx_t *rx[HANDLES];
    struct quire_ready ready[HANDLES];
    uint64_t left = 0, count = test_scale(4000);
    quire_set_t *set;

    CHECK_OK(quire_set_new(&set));
    for (unsigned i = 0; i < HANDLES; i++) {
        if (i % GROUPS == 0) {
            channels[i / GROUPS] = open_channel(i / GROUPS);
        }
        rx[i] = open_rx(channels[i / GROUPS], i % GROUPS ? "one" : "two");
        served[i].channel = i / GROUPS;
        CHECK_OK(quire_set_add(set, rx[i], &served[i]));
    }
    for (unsigned i = 0; i < CHANNELS * PRODUCERS; i++) {
        producers[i] = (struct producer){channels[i / PRODUCERS], i, count / (1 + i % 3), 0};
        left += GROUPS * producers[i].count;
        thread_start(&threads[i], produce, &producers[i]);
    }
    while (left > 0) {
        long n = quire_set_wait(set, ready, ready_count, QUIRE_FOREVER);

        CHECK(n >= 1 && (size_t)n <= ready_count);
        for (long k = 0; k < n; k++) {
            struct served *of = ready[k].user;
            uint64_t before = of->count;

            for (uint64_t i = 0; (every == 0 || i < every) && serve_one(ready[k].rx, of); i++) {
            }
            left -= of->count - before;
        }
    }
    for (unsigned i = 0; i < CHANNELS * PRODUCERS; i++) {
        thread_join(&threads[i]);
    }
    for (unsigned i = 0; i < HANDLES; i++) {
        const struct producer *of = &producers[i / GROUPS * PRODUCERS];

        take_nothing(rx[i]);
        CHECK_EQ(served[i].count, of[0].count + of[1].count);
        CHECK_EQ(served[i].hash, of[0].hash + of[1].hash);
        quire_rx_close(rx[i]);
    }
    quire_set_free(set);
    for (unsigned i = 0; i < CHANNELS; i++) {
        CHECK_OK(quire_close(channels[i]));
    }
}

static void serve_until_nothing(void)
{
    serve(0, HANDLES);
}

static void serve_one_by_one(void)
{
    serve(1, 1);
}

static void serve_some(void)
{
    serve(7, 2);
}

/* What a sleeping set is woken by. */
enum event { BY_SEND, BY_COMMIT, BY_RETURNED_RUN, BY_CLOSE, EVENTS };

struct server {
    quire_set_t *set;
    quire_rx_t *rx; /* expected */
    enum event event;
    uint64_t number, count; /* of the messages expected */
};

/* The first message of the handle that is reported. It may have nothing when it is: the page may
 * have ended, and the message that is waited for come after that. */
static int first_of(const struct server *server, struct quire_msg *msg)
{
    struct quire_ready ready[HANDLES];
    int code;

    do {
        CHECK_EQ(quire_set_wait(server->set, ready, HANDLES, deadline_far()), 1);
        CHECK(ready[0].rx == server->rx);
        while ((code = quire_rx_try_recv(server->rx, msg)) == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(server->rx));
        }
    } while (code == QUIRE_EAGAIN);
    return code;
}

static void wait_and_receive(void *context)
{
    const struct server *server = context;
    struct quire_msg msg;
    int code = first_of(server, &msg);

    if (server->event == BY_CLOSE) {
        CHECK_CODE(code, QUIRE_CLOSED);
        return;
    }
    CHECK_OK(code);
    for (uint64_t i = 0; i < server->count; i++) {
        if (i > 0) {
            msg = take(server->rx);
        }
        is_number(&msg, 1, server->number + i, SIZE);
        CHECK_EQ(msg.flags, server->event == BY_RETURNED_RUN ? QUIRE_MSG_RETURNED : 0);
    }
    take_nothing(server->rx);
    CHECK_OK(quire_rx_release(server->rx));
}

/* A member that has claimed some messages and not received them; all others were received. */
static quire_rx_t *open_holder(quire_t *channel, quire_tx_t *tx, struct server *server)
{
    enum { SENT = 8 };
    quire_rx_t *holder = open_rx(channel, "g");

    for (uint64_t i = 0; i < SENT; i++) {
        put(tx, 1, i, SIZE);
    }
    take_number(holder, 1, 0, SIZE);
    server->number = 1;
    server->count = claimed_of(channel, "g");
    CHECK(server->count > 0);
    for (uint64_t i = 1 + server->count; i < SENT; i++) {
        take_number(server->rx, 1, i, SIZE);
    }
    take_nothing(server->rx);
    return holder;
}

/* While or before the set sleeps: what it waits for. */
static void wake_once(struct server *server, quire_t *channel, quire_tx_t *tx, int settle)
{
    quire_rx_t *holder = NULL;
    struct thread thread;
    void *room;

    if (server->event == BY_COMMIT) {
        CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
        content_fill(room, SIZE, 1, server->number);
    } else if (server->event == BY_RETURNED_RUN) {
        holder = open_holder(channel, tx, server);
    }
    thread_start(&thread, wait_and_receive, server);
    if (settle) { /* otherwise it races with going to sleep */
        thread_settle(&thread);
    }
    if (server->event == BY_SEND) {
        put(tx, 1, server->number, SIZE);
    } else if (server->event == BY_COMMIT) {
        CHECK_OK(quire_tx_commit(tx, SIZE));
    } else if (server->event == BY_RETURNED_RUN) {
        quire_rx_close(holder);
    } else {
        CHECK_OK(quire_close(channel));
    }
    thread_join(&thread);
}

static void wake(enum event event, uint64_t turns)
{
    quire_t *channels[2] = {open_channel(0), open_channel(1)};
    quire_tx_t *tx = open_tx(channels[1]);
    quire_rx_t *rx[2] = {open_rx(channels[0], "g"), open_rx(channels[1], "g")};
    quire_set_t *set;

    CHECK_OK(quire_set_new(&set));
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(quire_set_add(set, rx[i], NULL));
        take_nothing(rx[i]);
    }
    for (uint64_t turn = 0; turn < turns; turn++) {
        struct server server = {set, rx[1], event, turn, 1};

        wake_once(&server, channels[1], tx, turn % 4 != 3);
    }
    quire_set_free(set);
    quire_rx_close(rx[0]);
    quire_rx_close(rx[1]);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channels[0]));
    if (event != BY_CLOSE) {
        CHECK_OK(quire_close(channels[1]));
    }
}

static void woken_by_send(void)
{
    wake(BY_SEND, test_scale(60));
}

static void woken_by_commit(void)
{
    wake(BY_COMMIT, test_scale(60));
}

static void woken_by_returned_run(void)
{
    wake(BY_RETURNED_RUN, test_scale(60));
}

static void woken_by_close(void)
{
    wake(BY_CLOSE, 1);
}

struct echo {
    quire_t *there[CHANNELS], *back;
    uint64_t count;
};

static void echo(void *context)
{
    const struct echo *echo = context;
    quire_tx_t *tx = open_tx(echo->back);
    quire_rx_t *rx[CHANNELS];
    unsigned char buffer[SIZE];
    quire_set_t *set;
    size_t size = 0;

    CHECK_OK(quire_set_new(&set));
    for (unsigned i = 0; i < CHANNELS; i++) {
        rx[i] = open_rx(echo->there[i], "g");
        CHECK_OK(quire_set_add(set, rx[i], NULL));
    }
    for (uint64_t n = 0; n < echo->count;) {
        struct quire_ready ready;
        int code;

        CHECK_EQ(quire_set_wait(set, &ready, 1, QUIRE_FOREVER), 1);
        code = quire_rx_recv_copy(ready.rx, buffer, sizeof(buffer), &size, 0);
        if (code != QUIRE_EAGAIN) {
            CHECK_OK(code);
            CHECK_OK(quire_tx_send(tx, buffer, size));
            n++;
        }
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        quire_rx_close(rx[i]);
    }
    quire_set_free(set);
    quire_tx_close(tx);
}

/* One message at a time, there by one of several channels and back. */
static void ping_pong(void)
{
    struct echo context = {
        {open_channel(0), open_channel(1), open_channel(2)}, open_channel(3), test_scale(6000)};
    quire_rx_t *rx = open_rx(context.back, "g");
    quire_tx_t *tx[CHANNELS];
    struct thread thread;

    for (unsigned i = 0; i < CHANNELS; i++) {
        tx[i] = open_tx(context.there[i]);
    }
    thread_start(&thread, echo, &context);
    for (uint64_t n = 0; n < context.count; n++) {
        unsigned char buffer[SIZE];
        size_t size = 0;

        put(tx[n * n % CHANNELS], 1, n, SIZE);
        CHECK_OK(quire_rx_recv_copy(rx, buffer, sizeof(buffer), &size, QUIRE_FOREVER));
        CHECK(content_matches(buffer, size, 1, n));
    }
    thread_join(&thread);
    quire_rx_close(rx);
    for (unsigned i = 0; i < CHANNELS; i++) {
        quire_tx_close(tx[i]);
        CHECK_OK(quire_close(context.there[i]));
    }
    CHECK_OK(quire_close(context.back));
}

enum { MANY = 200 };

/* Each of the handles has message number, and is reported once for it, count at a time. */
static void each_once(quire_set_t *set, size_t count, uint64_t number, int *taken)
{
    static struct quire_ready ready[MANY];
    long left = MANY;

    memset(taken, 0, MANY * sizeof(*taken));
    while (left > 0) {
        long n = quire_set_wait(set, ready, count, 0);

        CHECK_EQ(n, (size_t)left < count ? (size_t)left : count);
        left -= n;
        for (long k = 0; k < n; k++) {
            CHECK_EQ((*(int *)ready[k].user)++, 0);
            take_number(ready[k].rx, 1, number, SIZE);
            take_nothing(ready[k].rx);
            CHECK_OK(quire_rx_release(ready[k].rx));
        }
    }
    CHECK_CODE(quire_set_wait(set, ready, count, 0), QUIRE_EAGAIN);
}

/* More handles than the set has room for at first; all are rung at once. */
static void many_handles(void)
{
    static quire_rx_t *rx[MANY];
    static int taken[MANY];
    static const size_t counts[] = {1, 3, 64, MANY};
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    struct quire_ready ready;
    quire_set_t *set;
    char name[16];

    CHECK_OK(quire_set_new(&set));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        rx[i] = open_rx(channel, name);
        CHECK_OK(quire_set_add(set, rx[i], &taken[i]));
        take_nothing(rx[i]);
    }
    for (unsigned turn = 0; turn < sizeof(counts) / sizeof(counts[0]); turn++) {
        put(tx, 1, turn, SIZE);
        each_once(set, counts[turn], turn, taken);
    }
    for (unsigned i = 0; i < MANY; i++) {
        quire_rx_close(rx[i]); /* in the set, and asleep */
    }
    CHECK_CODE(quire_set_wait(set, &ready, 1, QUIRE_FOREVER), QUIRE_ENOENT);
    quire_set_free(set);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"serving: each handle until it has nothing", serve_until_nothing, 0},
    {"serving: one message at a time", serve_one_by_one, 0},
    {"serving: some messages of two handles at a time", serve_some, 0},
    {"serving: woken by a send", woken_by_send, 0},
    {"serving: woken by a commit", woken_by_commit, 0},
    {"serving: woken by a returned run", woken_by_returned_run, 0},
    {"serving: woken by the end of a channel", woken_by_close, 0},
    {"serving: ping pong", ping_pong, 0},
    {"serving: many handles", many_handles, 0},
};
const struct test_table serve_table = TEST_TABLE(cases);
