/* SPDX-License-Identifier: MIT */
/*
 * 64 messages on their way to the disk at a time, from one thread: sent, asked for with
 * quire_sync_start, and known to be durable through quire_fd. Beside one producer of EACH, right
 * before.
 */
#include <benches/durable.h>
#include <errno.h>
#include <poll.h>

#define SIZE      128u
#define FLIGHT    64u
#define STUCK_MS  10000
#define PER_ROUND 16u /* messages for each single durable one: the times come out alike */

enum way { URING, THREADS, KEEPER, WAYS };

static struct bench_figure one_rate =
    DURABLE_FIGURE("flight.each.rate", "EACH, 1 producer, beside", "k/s");
static struct bench_figure rates[WAYS] = {
    DURABLE_FIGURE("flight.uring.rate", "64 in flight, io_uring, no keeper", "k/s"),
    DURABLE_FIGURE("flight.threads.rate", "64 in flight, threads, no keeper", "k/s"),
    DURABLE_FIGURE("flight.keeper.rate", "64 in flight, default engine, keeper", "k/s"),
};
static struct bench_figure per_commit =
    DURABLE_FIGURE("flight.uring.per_commit", "  messages of one commit, io_uring", "");
static struct bench_goal ratios[WAYS] = {
    DURABLE_GOAL("flight.uring_x", "64 in flight over one, io_uring", "times", BENCH_AT_LEAST, 20),
    DURABLE_GOAL("flight.threads_x", "64 in flight over one, threads", "times", BENCH_AT_LEAST, 20),
    DURABLE_GOAL("flight.keeper_x", "64 in flight over one, keeper", "times", BENCH_AT_LEAST, 20),
};

struct flight {
    quire_t *channel;
    quire_tx_t *tx;
    uint64_t sent;
    uint64_t durable;
    uint64_t positions[FLIGHT]; /* of message n at n modulo FLIGHT */
};

/* Fills up to 64 and asks for a commit. */
static int take_off(struct flight *f, uint64_t count)
{
    uint64_t before = f->sent;
    int rc = 0;

    while (f->sent < count && f->sent - f->durable < FLIGHT && rc == 0) {
        rc = durable_send(f->tx, f->sent, SIZE);
        f->positions[f->sent % FLIGHT] = quire_tx_position(f->tx);
        f->sent += rc == 0;
    }
    if (rc == 0 && f->sent > before)
        rc = quire_sync_start(f->channel);
    return rc;
}

static void land(struct flight *f)
{
    uint64_t position = quire_durable_position(f->channel);

    while (f->durable < f->sent && f->positions[f->durable % FLIGHT] < position)
        f->durable++;
}

static int wait_for_some(struct flight *f, int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    int ready = poll(&watched, 1, STUCK_MS);

    if (ready == 0 || (ready < 0 && errno != EINTR))
        return ready == 0 ? QUIRE_TIMEDOUT : -errno;
    int rc = quire_dispatch(f->channel);
    land(f);
    return rc < 0 ? rc : 0;
}

static int fly(struct flight *f, uint64_t count, double *rate)
{
    int watched = quire_fd(f->channel);
    uint64_t begin = bench_now_ns();

    if (watched < 0)
        return watched;
    while (f->durable < count) {
        int rc = take_off(f, count);
        land(f); /* it may have ended already */
        if (rc == 0 && f->durable < f->sent)
            rc = wait_for_some(f, watched);
        if (rc != 0)
            return rc;
    }
    *rate = (double)count / ((double)(bench_now_ns() - begin) / 1e9);
    return 0;
}

static int run_way(const struct durable_options *options, enum way way, double *rate)
{
    struct quire_options how = QUIRE_OPTIONS_INIT;
    struct flight flight = {0};
    struct bench_channel bench;
    struct quire_stat stat;
    uint64_t count = (uint64_t)options->commits * PER_ROUND;

    how.engine = way == URING     ? QUIRE_ENGINE_URING
                 : way == THREADS ? QUIRE_ENGINE_THREADS
                                  : QUIRE_ENGINE_AUTO;
    how.keeper = way == KEEPER ? QUIRE_KEEPER_THREAD : QUIRE_KEEPER_CALLER;
    int rc = durable_open(options, &how, &bench);
    if (rc != 0)
        return rc;
    flight.channel = bench.channel;
    rc = quire_tx_open(bench.channel, NULL, &flight.tx);
    if (rc == 0)
        rc = fly(&flight, count, rate);
    quire_tx_close(flight.tx);
    if (rc == 0)
        rc = quire_stat(bench.channel, &stat);
    if (rc != 0)
        bench_fail("64 in flight", rc);
    else if (way == URING && stat.commits > 0)
        bench_figure_add(&per_commit, (double)count / (double)stat.commits);
    int back = durable_read_back(&bench, 1, flight.sent, SIZE);
    return rc != 0 ? rc : back;
}

static int run_single(const struct durable_options *options, double *rate)
{
    struct quire_options how = QUIRE_OPTIONS_INIT;
    struct bench_channel bench;
    quire_tx_t *tx = NULL;
    uint64_t sent = 0;

    how.durability = QUIRE_DURABLE_EACH;
    int rc = durable_open(options, &how, &bench);
    if (rc != 0)
        return rc;
    rc = quire_tx_open(bench.channel, NULL, &tx);
    uint64_t begin = bench_now_ns();
    for (; sent < options->commits && rc == 0; sent += rc == 0)
        rc = durable_send(tx, sent, SIZE);
    *rate = (double)sent / ((double)(bench_now_ns() - begin) / 1e9);
    quire_tx_close(tx);
    if (rc != 0)
        bench_fail("quire_tx_send", rc);
    int back = durable_read_back(&bench, 1, sent, SIZE);
    return rc != 0 ? rc : back;
}

static int run(const void *opaque)
{
    const struct durable_options *options = opaque;
    int has_uring = durable_has_uring();
    double one, rate;
    int rc = 0;

    for (unsigned way = 0; way < WAYS && rc == 0; way++) {
        if (way == URING && !has_uring)
            continue;
        rc = run_single(options, &one);
        if (rc == 0)
            rc = run_way(options, way, &rate);
        if (rc != 0)
            break;
        bench_figure_add(&rates[way], rate / 1e3);
        bench_figure_add(&ratios[way].ratio, rate / one);
        if (way == KEEPER)
            bench_figure_add(&one_rate, one / 1e3);
    }
    return rc;
}

static struct bench_figure *const figures[] = {&one_rate,       &rates[URING],  &per_commit,
                                               &rates[THREADS], &rates[KEEPER], NULL};
static struct bench_goal *const goals[] = {&ratios[URING], &ratios[THREADS], &ratios[KEEPER], NULL};
const struct bench_part durable_flight = {"flight", run, figures, goals};
