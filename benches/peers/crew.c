/* SPDX-License-Identifier: MIT */
#include <benches/peers/crew.h>
#include <benches/peers/message.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int crew_source(struct peer_source *source, const struct peer_run *run, const uint32_t *stop)
{
    *source = (struct peer_source){
        .end = UINT64_MAX, .stop = stop, .size = run->size, .batch = run->batch};
    if (run->size != PEER_MIXED)
        return 0;
    source->text = malloc(TRACE_BYTES_MAX);
    if (!source->text)
        return peer_fail("memory", -ENOMEM);
    memcpy(source->text, trace_text(), TRACE_BYTES_MAX);
    return 0;
}

static int open_producer(struct crew *crew, unsigned i)
{
    struct crew_worker *worker = &crew->producer[i];

    *worker = (struct crew_worker){.crew = crew, .cpu = i, .handle = crew->queue};
    int rc = crew_source(&worker->source, crew->run, &crew->stop);
    worker->source.id = PEER_ID(i, 0);
    if (rc == 0 && crew->peer->producer)
        rc = crew->peer->producer(crew->queue, &worker->handle);
    return rc;
}

static int open_consumer(struct crew *crew, unsigned i)
{
    struct crew_worker *worker = &crew->consumer[i];

    *worker =
        (struct crew_worker){.crew = crew, .cpu = crew->run->producers + i, .handle = crew->queue};
    worker->tally = aligned_alloc(128, sizeof(*worker->tally));
    if (!worker->tally)
        return peer_fail("memory", -ENOMEM);
    memset(worker->tally, 0, sizeof(*worker->tally));
    worker->tally->size = crew->run->size;
    worker->tally->batch = crew->run->batch;
    worker->tally->limit = UINT64_MAX;
    worker->tally->ordered = (crew->peer->traits & PEER_ORDERED) != 0;
    return crew->peer->consumer
               ? crew->peer->consumer(crew->queue, i % crew->run->groups, &worker->handle)
               : 0;
}

int crew_open(struct crew *crew, const struct peer_run *run, const struct peer *peer)
{
    (void)peer_cpus(); /* before any thread is pinned, and before several ask at once */
    memset(crew, 0, sizeof(*crew));
    crew->run = run;
    crew->peer = peer;
    crew->consumers = run->consumers * run->groups;
    if (crew->consumers > PEER_THREADS_MAX || run->producers > PEER_THREADS_MAX)
        return peer_fail("threads", -E2BIG);
    int rc = peer->open(run, &crew->queue);
    for (unsigned i = 0; i < crew->consumers && rc == 0; i++)
        rc = open_consumer(crew, i);
    for (unsigned i = 0; i < run->producers && rc == 0; i++)
        rc = open_producer(crew, i);
    return rc;
}

void crew_close(struct crew *crew)
{
    crew->peer->close(crew->queue);
    for (unsigned i = 0; i < crew->run->producers; i++)
        free(crew->producer[i].source.text);
    for (unsigned i = 0; i < crew->consumers; i++)
        free(crew->consumer[i].tally);
}

static void begin(struct crew_worker *worker)
{
    if (worker->crew->run->pinned)
        worker->rc = peer_pin(worker->cpu);
    pthread_barrier_wait(&worker->crew->start);
    worker->begin_ns = peer_now_ns();
}

static void *produce(void *argument)
{
    struct crew_worker *worker = argument;

    begin(worker);
    int rc = worker->crew->peer->produce(worker->handle, &worker->source);
    worker->rc = worker->rc != 0 ? worker->rc : rc;
    return NULL;
}

static void *consume(void *argument)
{
    struct crew_worker *worker = argument;

    begin(worker);
    int rc = worker->crew->peer->consume(worker->handle, worker->tally);
    worker->rc = worker->rc != 0 ? worker->rc : rc;
    /* release: pairs with the acquire of whoever counts those that are left. */
    __atomic_fetch_sub(&worker->crew->consumers_left, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 50000}, NULL);
}

static int spawn(struct crew_worker *worker, void *(*body)(void *))
{
    worker->rc = 0;
    int error = pthread_create(&worker->thread, NULL, body, worker);
    return error == 0 ? 0 : peer_fail("pthread_create", -error);
}

/* A thread that cannot be started leaves the others at the barrier: main ends the process. */
static int spawn_all(struct crew *crew, uint64_t each)
{
    int rc = 0;

    pthread_barrier_init(&crew->start, NULL, crew->run->producers + crew->consumers + 1);
    crew->stop = 0;
    crew->consumers_left = crew->consumers;
    for (unsigned i = 0; i < crew->consumers && rc == 0; i++) {
        struct peer_tally *tally = crew->consumer[i].tally;
        tally->count = tally->sum = 0;
        rc = spawn(&crew->consumer[i], consume);
    }
    for (unsigned i = 0; i < crew->run->producers && rc == 0; i++) {
        struct peer_source *source = &crew->producer[i].source;
        crew->producer[i].first = source->id;
        source->end = each == UINT64_MAX ? each : source->id + each;
        rc = spawn(&crew->producer[i], produce);
    }
    return rc;
}

static uint64_t received(const struct crew *crew)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < crew->consumers; i++)
        /* acquire: pairs with the release of the count. */
        count += __atomic_load_n(&crew->consumer[i].tally->count, __ATOMIC_ACQUIRE);
    return count;
}

static uint64_t sent(const struct crew *crew)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < crew->run->producers; i++)
        count += crew->producer[i].source.id - crew->producer[i].first;
    return count;
}

/*
 * One stop at a time, when nothing else is under way: a consumer that takes several messages at
 * once must not take another one's, and where producers have no common order a stop could overtake.
 */
static int stop_consumers(struct crew *crew)
{
    uint32_t producers = crew->run->producers;
    uint32_t stopped;
    int rc = 0;
    struct peer_source source = crew->producer[producers - 1].source;

    source.size = source.size == PEER_MIXED ? 16 : source.size;
    source.batch = 1;
    for (uint32_t left = crew->consumers; left > 0 && rc == 0; left -= crew->run->groups) {
        source.id = PEER_ID_STOP;
        source.end = PEER_ID_STOP + 1;
        rc = crew->peer->produce(crew->producer[producers - 1].handle, &source);
        do {
            nap();
            /* acquire: pairs with the release in consume. */
            stopped = crew->consumers - __atomic_load_n(&crew->consumers_left, __ATOMIC_ACQUIRE);
        } while (rc == 0 && stopped < crew->consumers - left + crew->run->groups);
    }
    return rc;
}

int crew_verify(const struct crew *crew)
{
    uint64_t expected = 0, sum = 0, wrong = 0, groups = crew->run->groups;

    for (unsigned i = 0; i < crew->run->producers; i++) {
        const struct crew_worker *worker = &crew->producer[i];
        expected +=
            peer_expected(worker->first, worker->source.id - worker->first, crew->run->size);
    }
    for (unsigned i = 0; i < crew->consumers; i++) {
        sum += crew->consumer[i].tally->sum;
        wrong |= crew->consumer[i].tally->wrong;
    }
    if (received(crew) != sent(crew) * groups || sum != expected * groups || wrong != 0)
        return peer_fail("count, order or content is wrong", -EBADMSG);
    return 0;
}

static int join(struct crew_worker *worker, unsigned count)
{
    int rc = 0;

    for (unsigned i = 0; i < count; i++) {
        pthread_join(worker[i].thread, NULL);
        rc = rc != 0 ? rc : worker[i].rc;
    }
    return rc;
}

/* When the first of them began: main itself may get a processor long after that. */
static uint64_t begun_ns(const struct crew *crew)
{
    uint64_t ns = UINT64_MAX;

    for (unsigned i = 0; i < crew->run->producers; i++)
        if (crew->producer[i].begin_ns < ns)
            ns = crew->producer[i].begin_ns;
    return ns;
}

static int finish(struct crew *crew, uint64_t *messages, uint64_t *ns)
{
    int rc = join(crew->producer, crew->run->producers);

    if (rc != 0)
        return rc; /* consumers may wait for ever: main ends the process */
    *messages = sent(crew);
    while (received(crew) < *messages * crew->run->groups)
        nap();
    *ns = peer_now_ns() - begun_ns(crew);
    rc = stop_consumers(crew);
    int joined = rc == 0 ? join(crew->consumer, crew->consumers) : rc;
    pthread_barrier_destroy(&crew->start);
    return joined != 0 ? joined : crew_verify(crew);
}

int crew_pass(struct crew *crew, double seconds, uint64_t *messages, uint64_t *ns)
{
    struct timespec span = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    int rc = spawn_all(crew, UINT64_MAX);

    if (rc != 0)
        return rc;
    pthread_barrier_wait(&crew->start);
    nanosleep(&span, NULL);
    /* relaxed: the counts are read after the join. */
    __atomic_store_n(&crew->stop, 1, __ATOMIC_RELAXED);
    return finish(crew, messages, ns);
}

int crew_pass_count(struct crew *crew, uint64_t each, uint64_t *ns)
{
    uint64_t messages = 0;
    int rc = spawn_all(crew, each);

    if (rc != 0)
        return rc;
    pthread_barrier_wait(&crew->start);
    rc = finish(crew, &messages, ns);
    if (rc == 0 && messages != each * crew->run->producers)
        return peer_fail("not all messages were sent", -EBADMSG);
    return rc;
}
