/* SPDX-License-Identifier: MIT */
/* Messages a second: one thread, P producers and C consumers, several groups. */
#include <benches/peers/crew.h>
#include <benches/peers/message.h>
#include <benches/peers/workload.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WARM_UP 0.2 /* of the time that is measured */

static int measure(const struct peer_run *run, const struct peer *peer,
                   struct workload_result *result)
{
    static struct crew crew;
    uint64_t messages = 0, ns = 0;
    int rc = crew_open(&crew, run, peer);

    if (rc == 0)
        rc = crew_pass(&crew, run->seconds * WARM_UP, &messages, &ns);
    if (rc == 0)
        rc = crew_pass(&crew, run->seconds, &messages, &ns);
    if (rc != 0)
        return rc; /* threads may still be there: main ends the process */
    result->messages = messages * run->groups;
    result->seconds = (double)ns / 1e9;
    result->rate = (double)result->messages / result->seconds;
    result->resident_kib = workload_resident_kib();
    crew_close(&crew);
    return 0;
}

int workload_throughput(const struct peer_run *run, struct workload_result *result)
{
    if (run->groups != 1)
        return peer_fail("throughput: one group", -EINVAL);
    return measure(run, run->peer, result);
}

/* --- one queue for each group, where the peer knows no groups ------------------------------- */

struct fan {
    const struct peer_run *run;
    void *queues[PEER_GROUPS_MAX];
    void *producers[PEER_GROUPS_MAX]; /* of the one producer */
};

static int fan_open(const struct peer_run *run, void **out)
{
    static struct fan fan;
    int rc = 0;

    fan.run = run;
    for (uint32_t g = 0; g < run->groups && rc == 0; g++)
        rc = run->peer->open(run, &fan.queues[g]);
    *out = &fan;
    return rc;
}

static void fan_close(void *queue)
{
    struct fan *fan = queue;

    for (uint32_t g = 0; g < fan->run->groups; g++)
        fan->run->peer->close(fan->queues[g]);
}

static int fan_producer(void *queue, void **handle)
{
    struct fan *fan = queue;
    int rc = 0;

    for (uint32_t g = 0; g < fan->run->groups && rc == 0; g++) {
        fan->producers[g] = fan->queues[g];
        if (fan->run->peer->producer)
            rc = fan->run->peer->producer(fan->queues[g], &fan->producers[g]);
    }
    *handle = fan;
    return rc;
}

static int fan_consumer(void *queue, uint32_t group, void **handle)
{
    struct fan *fan = queue;

    *handle = fan->queues[group];
    return fan->run->peer->consumer ? fan->run->peer->consumer(fan->queues[group], 0, handle) : 0;
}

/* A chunk to one queue, the same to the next, and so on. */
static int fan_produce(void *handle, struct peer_source *source)
{
    struct fan *fan = handle;
    int rc = 0;

    do {
        uint64_t left = source->end - source->id;
        struct peer_source part = *source;
        part.end = source->id + (left < 32 ? left : 32);
        for (uint32_t g = 0; g < fan->run->groups && rc == 0; g++) {
            part.id = source->id;
            rc = fan->run->peer->produce(fan->producers[g], &part);
            while (rc == 0 && part.id != part.end) /* it was told to stop in the middle */
                rc = fan->run->peer->produce(fan->producers[g], &part);
        }
        source->id = part.end;
        /* relaxed: as in peer_stopped. */
    } while (rc == 0 && source->id != source->end &&
             __atomic_load_n(source->stop, __ATOMIC_RELAXED) == 0);
    return rc;
}

int workload_fanout(const struct peer_run *run, struct workload_result *result)
{
    struct peer fan = *run->peer;

    if ((run->peer->traits & PEER_GROUPS) != 0)
        return measure(run, run->peer, result);
    if (run->producers != 1) {
        fprintf(stderr, "%s: fanout with one producer only\n", run->peer->name);
        return WORKLOAD_SKIPPED;
    }
    fan.open = fan_open;
    fan.close = fan_close;
    fan.producer = fan_producer;
    fan.consumer = fan_consumer;
    fan.produce = fan_produce;
    return measure(run, &fan, result);
}

/* --- one thread: messages are sent, then received ------------------------------------------- */

#define BLOCK_BYTES 65536u /* sent before they are received: they stay in the nearest cache */
#define BLOCK_MIN   64u

static uint32_t block_of(const struct peer_run *run)
{
    uint32_t block = BLOCK_BYTES / (run->size == PEER_MIXED ? 512 : run->size);
    return block > BLOCK_MIN ? block : BLOCK_MIN;
}

static int one_block(struct crew *crew, uint64_t count)
{
    struct peer_source *source = &crew->producer[0].source;
    struct peer_tally *tally = crew->consumer[0].tally;
    int rc = 0;

    source->end = source->id + count;
    while (source->id != source->end && rc == 0)
        rc = crew->peer->produce(crew->producer[0].handle, source);
    tally->limit = tally->count + count;
    return rc == 0 ? crew->peer->consume(crew->consumer[0].handle, tally) : rc;
}

/* Until the time is over, which is looked at now and then, or that many were sent. */
static int one_pass(struct crew *crew, double seconds, uint64_t messages, uint64_t *ns)
{
    uint64_t begin = peer_now_ns(), block = block_of(crew->run), left = messages;
    int rc = 0;

    crew->producer[0].first = crew->producer[0].source.id;
    crew->consumer[0].tally->count = crew->consumer[0].tally->sum = 0;
    do {
        for (unsigned i = 0; i < 16 && rc == 0 && left > 0; i++) {
            uint64_t count = left < block ? left : block;
            rc = one_block(crew, count);
            left -= count;
        }
        *ns = peer_now_ns() - begin;
    } while (rc == 0 && left > 0 && (double)*ns < seconds * 1e9);
    return rc == 0 ? crew_verify(crew) : rc;
}

/* A warm-up, then what is measured. */
static int one_passes(struct crew *crew, uint64_t *ns)
{
    const struct peer_run *run = crew->run;
    int rc;

    if (run->messages > 0) {
        rc = one_pass(crew, HUGE_VAL, peer_capacity(run), ns);
        return rc == 0 ? one_pass(crew, HUGE_VAL, run->messages, ns) : rc;
    }
    rc = one_pass(crew, run->seconds * WARM_UP, UINT64_MAX, ns);
    return rc == 0 ? one_pass(crew, run->seconds, UINT64_MAX, ns) : rc;
}

int workload_one(const struct peer_run *run, struct workload_result *result)
{
    static struct crew crew;
    uint64_t ns = 0;

    if (run->producers != 1 || run->consumers != 1 || run->groups != 1)
        return peer_fail("one: one thread is both", -EINVAL);
    if (run->capacity < block_of(run))
        return peer_fail("one: the capacity is too small", -EINVAL);
    if (run->pinned && peer_pin(0) != 0)
        return -EINVAL;
    int rc = crew_open(&crew, run, run->peer);
    if (rc == 0)
        rc = one_passes(&crew, &ns);
    if (rc != 0)
        return rc;
    result->messages = crew.consumer[0].tally->count;
    result->seconds = (double)ns / 1e9;
    result->rate = (double)result->messages / result->seconds;
    result->resident_kib = workload_resident_kib();
    crew_close(&crew);
    return 0;
}
