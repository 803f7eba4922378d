/* SPDX-License-Identifier: MIT */
/*
 * P producers and C consumers, each in its thread, through any queue: a warm-up pass, then a
 * timed one on the same queue and handles. When all producers are done one stop message is sent;
 * the consumer that gets it sends the next one, so that only one is under way at a time.
 */
#include <benches/bench_message.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct crew;

struct worker {
    struct crew *crew;
    pthread_t thread;
    void *handle;
    unsigned index;
    uint64_t first; /* producers: id of the first message, and how many */
    uint64_t count;
    struct bench_tally tally; /* consumers */
    uint64_t begin_ns;
    uint64_t end_ns;
    int rc;
};

struct crew {
    const struct bench_queue_ops *ops;
    const struct bench_shape *shape;
    void *queue;
    pthread_barrier_t start;
    pthread_mutex_t lock;
    unsigned consumers_left; /* under lock */
    struct worker producers[BENCH_THREADS_MAX];
    struct worker consumers[BENCH_THREADS_MAX];
};

static void begin(struct worker *worker, unsigned cpu)
{
    if (worker->crew->shape->pinned)
        worker->rc = bench_pin(cpu);
    pthread_barrier_wait(&worker->crew->start);
    worker->begin_ns = bench_now_ns();
}

static void *produce(void *argument)
{
    struct worker *worker = argument;

    begin(worker, worker->index);
    int rc = worker->crew->ops->produce(worker->handle, worker->first, worker->count);
    worker->end_ns = bench_now_ns();
    worker->rc = worker->rc != 0 ? worker->rc : rc;
    return NULL;
}

static void *consume(void *argument)
{
    struct worker *worker = argument;
    struct crew *crew = worker->crew;

    begin(worker, crew->shape->producers + worker->index);
    int rc = crew->ops->consume(worker->handle, &worker->tally);
    worker->end_ns = bench_now_ns();
    pthread_mutex_lock(&crew->lock);
    int others = --crew->consumers_left > 0;
    pthread_mutex_unlock(&crew->lock);
    if (others) {
        int stopped = crew->ops->produce(worker->handle, BENCH_ID_STOP, 1);
        rc = rc != 0 ? rc : stopped;
    }
    worker->rc = worker->rc != 0 ? worker->rc : rc;
    return NULL;
}

static int spawn(struct worker *worker, void *(*body)(void *))
{
    worker->rc = 0;
    int error = pthread_create(&worker->thread, NULL, body, worker);
    return error == 0 ? 0 : bench_fail("pthread_create", -error);
}

/*
 * A thread that cannot be started leaves the others at the barrier for ever: the process ends
 * then, which main does on any error.
 */
static int run_threads(struct crew *crew, uint64_t each, uint64_t first)
{
    const struct bench_shape *shape = crew->shape;
    int rc = 0;

    pthread_barrier_init(&crew->start, NULL, shape->producers + shape->consumers);
    crew->consumers_left = shape->consumers;
    for (unsigned i = 0; i < shape->consumers && rc == 0; i++) {
        memset(&crew->consumers[i].tally, 0, sizeof(crew->consumers[i].tally));
        rc = spawn(&crew->consumers[i], consume);
    }
    for (unsigned i = 0; i < shape->producers && rc == 0; i++) {
        crew->producers[i].first = BENCH_ID(i, first);
        crew->producers[i].count = each;
        rc = spawn(&crew->producers[i], produce);
    }
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < shape->producers; i++) {
        pthread_join(crew->producers[i].thread, NULL);
        rc = rc != 0 ? rc : crew->producers[i].rc;
    }
    int stopped = crew->ops->produce(crew->producers[0].handle, BENCH_ID_STOP, 1);
    rc = rc != 0 ? rc : stopped;
    for (unsigned i = 0; i < shape->consumers; i++) {
        pthread_join(crew->consumers[i].thread, NULL);
        rc = rc != 0 ? rc : crew->consumers[i].rc;
    }
    pthread_barrier_destroy(&crew->start);
    return rc;
}

static int verify(const struct crew *crew, uint64_t each, uint64_t first)
{
    const struct bench_shape *shape = crew->shape;
    uint64_t expected = 0, sum = 0, count = 0, disorder = 0;

    for (unsigned i = 0; i < shape->producers; i++)
        expected += bench_expected(BENCH_ID(i, first), each, shape->size);
    for (unsigned i = 0; i < shape->consumers; i++) {
        sum += crew->consumers[i].tally.sum;
        count += crew->consumers[i].tally.count;
        disorder += crew->consumers[i].tally.disorder;
    }
    if (count != each * shape->producers || sum != expected || disorder != 0)
        return bench_fail("threads: count, order or checksum is wrong", QUIRE_CORRUPT);
    return 0;
}

/* From the first start to the last end. */
static uint64_t elapsed_ns(const struct crew *crew)
{
    uint64_t begin_ns = UINT64_MAX, end_ns = 0;

    for (unsigned i = 0; i < crew->shape->producers; i++)
        if (crew->producers[i].begin_ns < begin_ns)
            begin_ns = crew->producers[i].begin_ns;
    for (unsigned i = 0; i < crew->shape->consumers; i++)
        if (crew->consumers[i].end_ns > end_ns)
            end_ns = crew->consumers[i].end_ns;
    return end_ns - begin_ns;
}

static int both_passes(struct crew *crew, struct bench_result *result)
{
    uint64_t each = crew->shape->messages / crew->shape->producers;
    uint64_t warm = each / 4;
    int rc = run_threads(crew, warm, 0);

    if (rc == 0)
        rc = verify(crew, warm, 0);
    if (rc != 0)
        return rc;
    uint64_t faults = bench_faults();
    rc = run_threads(crew, each, warm);
    faults = bench_faults() - faults;
    if (rc == 0)
        rc = verify(crew, each, warm);
    if (rc != 0)
        return rc;
    double messages = (double)(each * crew->shape->producers);
    result->ns = (double)elapsed_ns(crew) / messages;
    result->faults = (double)faults / messages;
    return 0;
}

static int join_all(struct crew *crew)
{
    int rc = 0;

    for (unsigned i = 0; i < crew->shape->consumers && rc == 0; i++) {
        crew->consumers[i] = (struct worker){.crew = crew, .index = i, .handle = crew->queue};
        if (crew->ops->consumer)
            rc = crew->ops->consumer(crew->queue, &crew->consumers[i].handle);
    }
    for (unsigned i = 0; i < crew->shape->producers && rc == 0; i++) {
        crew->producers[i] = (struct worker){.crew = crew, .index = i, .handle = crew->queue};
        if (crew->ops->producer)
            rc = crew->ops->producer(crew->queue, &crew->producers[i].handle);
    }
    return rc;
}

int bench_threads(const struct bench_queue_ops *ops, const struct bench_shape *shape,
                  struct bench_result *result)
{
    struct crew crew = {.ops = ops, .shape = shape};
    int rc = ops->open(shape, &crew.queue);

    if (rc != 0)
        return rc;
    pthread_mutex_init(&crew.lock, NULL);
    rc = join_all(&crew);
    if (rc == 0)
        rc = both_passes(&crew, result);
    if (ops->close)
        ops->close(crew.queue);
    else
        free(crew.queue);
    pthread_mutex_destroy(&crew.lock);
    return rc;
}
