/* SPDX-License-Identifier: MIT */
/* Round trips between two threads, and the age of messages that are sent by the clock. */
#include <benches/peers/crew.h>
#include <benches/peers/message.h>
#include <benches/peers/workload.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES_MAX 4000000u
#define WARM_UP     1000u
#define EARLY_S     0.1

/* --- ping-pong: there on one queue, back on another ------------------------------------------ */

struct rally {
    struct crew there;
    struct crew back;
    uint64_t *ns;
    size_t count; /* of round trips, warm-up included */
    int rc;       /* of the thread that returns */
};

static int out(struct crew *crew, uint64_t messages)
{
    struct crew_worker *worker = &crew->producer[0];

    worker->source.end = worker->source.id + messages;
    return crew->peer->produce(worker->handle, &worker->source);
}

static int in(struct crew *crew, uint64_t messages)
{
    struct crew_worker *worker = &crew->consumer[0];

    worker->tally->limit = worker->tally->count + messages;
    return crew->peer->consume(worker->handle, worker->tally);
}

static void *give_back(void *argument)
{
    struct rally *rally = argument;

    rally->rc = rally->there.run->pinned ? peer_pin(1) : 0;
    for (size_t i = 0; i < rally->count && rally->rc == 0; i++) {
        rally->rc = in(&rally->there, 1);
        if (rally->rc == 0)
            rally->rc = out(&rally->back, 1);
    }
    return NULL;
}

static int serve(struct rally *rally)
{
    int rc = rally->there.run->pinned ? peer_pin(0) : 0;

    for (size_t i = 0; i < rally->count && rc == 0; i++) {
        uint64_t begin = peer_now_ns();
        rc = out(&rally->there, 1);
        if (rc == 0)
            rc = in(&rally->back, 1);
        rally->ns[i] = peer_now_ns() - begin;
    }
    return rc;
}

/* count round trips; the time they took. */
static int play(struct rally *rally, size_t count, uint64_t *ns)
{
    pthread_t thread;
    uint64_t begin = peer_now_ns();

    rally->count = count;
    int error = pthread_create(&thread, NULL, give_back, rally);
    if (error != 0)
        return peer_fail("pthread_create", -error);
    int rc = serve(rally);
    if (rc != 0)
        return rc; /* the other may wait for ever: main ends the process */
    pthread_join(thread, NULL);
    *ns = peer_now_ns() - begin;
    return rally->rc;
}

/* As many as fit in the time that was asked for, by the pace of the warm-up. */
static size_t trips_for(const struct peer_run *run, size_t trips, uint64_t ns)
{
    double count = run->seconds * 1e9 * (double)trips / (double)(ns + 1);

    return count > SAMPLES_MAX ? SAMPLES_MAX : count < WARM_UP ? WARM_UP : (size_t)count;
}

static int floor_trips(const struct peer_run *run, uint64_t *ns, struct workload_result *result)
{
    uint64_t begin = peer_now_ns();
    int rc = run->peer->trips(run, ns, WARM_UP);
    size_t count = trips_for(run, WARM_UP, peer_now_ns() - begin);

    begin = peer_now_ns();
    if (rc == 0)
        rc = run->peer->trips(run, ns, count);
    result->messages = count;
    result->seconds = (double)(peer_now_ns() - begin) / 1e9;
    return rc;
}

static int queue_trips(const struct peer_run *run, uint64_t *samples,
                       struct workload_result *result)
{
    static struct rally rally;
    uint64_t ns = 0;
    size_t count = 0;

    rally.ns = samples;
    int rc = crew_open(&rally.there, run, run->peer);
    if (rc == 0)
        rc = crew_open(&rally.back, run, run->peer);
    if (rc == 0)
        rc = play(&rally, WARM_UP, &ns);
    if (rc == 0) {
        count = trips_for(run, WARM_UP, ns);
        rc = play(&rally, count, &ns);
    }
    if (rc == 0)
        rc = crew_verify(&rally.there);
    if (rc == 0)
        rc = crew_verify(&rally.back);
    if (rc != 0)
        return rc;
    result->resident_kib = workload_resident_kib();
    crew_close(&rally.there);
    crew_close(&rally.back);
    result->messages = count;
    result->seconds = (double)ns / 1e9;
    return 0;
}

int workload_pingpong(const struct peer_run *run, struct workload_result *result)
{
    uint64_t *ns = malloc(SAMPLES_MAX * sizeof(*ns));

    if (!ns)
        return peer_fail("memory", -ENOMEM);
    int rc = run->peer->trips ? floor_trips(run, ns, result) : queue_trips(run, ns, result);
    if (rc == 0)
        workload_percentiles(result, ns, result->messages);
    result->rate = (double)result->messages / result->seconds;
    free(ns);
    return rc;
}

/*
 * By the clock: how late each message is, measured from when it was due. Before that as many as go
 * twice around the queue, as fast as they go, so that nothing is used for the first time; and some
 * by the clock that are not counted, while whatever those have caused comes to an end.
 */

struct clocked {
    struct crew crew;
    pthread_barrier_t warm;
    uint64_t warm_up; /* messages, as all that follow */
    uint64_t early;   /* the first by the clock, that are not counted */
    uint64_t count;
    uint64_t begin_ns;
    double period_ns;
    uint64_t *late_ns; /* of all by the clock */
    int rc;            /* of the consumer */
};

/* A producer that falls behind sends at once what is overdue: nothing is left out. */
static void wait_until(uint64_t ns, enum peer_wait wait)
{
    if (wait == PEER_BLOCK) {
        struct timespec at = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    while (peer_now_ns() < ns)
        peer_pause(wait);
}

static uint64_t due(const struct clocked *clocked, uint64_t i)
{
    return clocked->begin_ns + (uint64_t)((double)i * clocked->period_ns);
}

/* All of the warm-up is received; then the sender sets the hour, and all have it. */
static void meet(struct clocked *clocked, int sets)
{
    pthread_barrier_wait(&clocked->warm);
    if (sets)
        clocked->begin_ns = peer_now_ns() + 1000000;
    pthread_barrier_wait(&clocked->warm);
}

static void *take(void *argument)
{
    struct clocked *clocked = argument;

    clocked->rc = clocked->crew.run->pinned ? peer_pin(1) : 0;
    if (clocked->rc == 0)
        clocked->rc = in(&clocked->crew, clocked->warm_up);
    meet(clocked, 0);
    for (uint64_t i = 0; i < clocked->early + clocked->count && clocked->rc == 0; i++) {
        clocked->rc = in(&clocked->crew, 1);
        clocked->late_ns[i] = peer_now_ns() - due(clocked, i);
    }
    return NULL;
}

static int send_by_the_clock(struct clocked *clocked)
{
    const struct peer_run *run = clocked->crew.run;
    pthread_t thread;
    int rc = run->pinned ? peer_pin(0) : 0;

    pthread_barrier_init(&clocked->warm, NULL, 2);
    int error = pthread_create(&thread, NULL, take, clocked);
    if (error != 0)
        return peer_fail("pthread_create", -error);
    if (rc == 0)
        rc = out(&clocked->crew, clocked->warm_up);
    if (rc != 0)
        return rc; /* as in play */
    meet(clocked, 1);
    for (uint64_t i = 0; i < clocked->early + clocked->count && rc == 0; i++) {
        wait_until(due(clocked, i), run->wait);
        rc = out(&clocked->crew, 1);
    }
    if (rc != 0)
        return rc; /* as in play */
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&clocked->warm);
    return clocked->rc != 0 ? clocked->rc : crew_verify(&clocked->crew);
}

int workload_loaded(const struct peer_run *run, struct workload_result *result)
{
    static struct clocked clocked;
    double count = run->rate * run->seconds, early = run->rate * EARLY_S;

    if (run->producers != 1 || run->consumers != 1 || count + early > SAMPLES_MAX)
        return peer_fail("loaded: one producer, one consumer, at most 4000000 messages", -EINVAL);
    clocked.count = (uint64_t)count;
    clocked.early = (uint64_t)early;
    clocked.warm_up = 2 * (uint64_t)run->capacity;
    clocked.period_ns = 1e9 / run->rate;
    clocked.late_ns = malloc(SAMPLES_MAX * sizeof(*clocked.late_ns));
    if (!clocked.late_ns)
        return peer_fail("memory", -ENOMEM);
    memset(clocked.late_ns, 0, SAMPLES_MAX * sizeof(*clocked.late_ns)); /* no faults later */
    int rc = crew_open(&clocked.crew, run, run->peer);
    if (rc == 0)
        rc = send_by_the_clock(&clocked);
    if (rc != 0)
        return rc;
    result->messages = clocked.count;
    result->seconds = (double)(peer_now_ns() - due(&clocked, clocked.early)) / 1e9;
    result->rate = (double)clocked.count / result->seconds;
    workload_add(result, "asked", run->rate);
    workload_percentiles(result, clocked.late_ns + clocked.early, clocked.count);
    result->resident_kib = workload_resident_kib();
    crew_close(&clocked.crew);
    free(clocked.late_ns);
    return 0;
}
