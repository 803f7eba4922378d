/* SPDX-License-Identifier: MIT */
/*
 * Producers that make one message durable with each call, all at once for some seconds; then the
 * store is closed, opened again, and what it holds compared with what was acknowledged.
 */
#include <benches/bench_message.h>
#include <benches/durable.h>
#include <benches/peers/durable/durable_peer.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Room for times, messages per second and thread. Who does more waits for no device: a sync that
 * reaches one takes longer than 4 us, so the run fails and says so.
 */
#define SENDS_PER_SECOND 250000.0
#define WARM_UP          0.1 /* of the timed part */

struct meeting {
    pthread_barrier_t start; /* all threads are there; main has set warm_up_end */
    pthread_barrier_t warm;  /* all have warmed up */
    pthread_barrier_t go;    /* main has set end */
    uint64_t warm_up_end;
    uint64_t end;
};

struct producer {
    pthread_t thread;
    const struct durable_run *run;
    struct meeting *meeting;
    void *handle;
    uint64_t *times; /* of the timed sends, ns; room is reserved and filled as it is used */
    size_t room;
    size_t timed;
    uint64_t acknowledged; /* warm-up included: the seq of the next message */
    uint64_t end_ns;
    uint32_t index;
    int rc;
};

struct crew {
    struct producer all[BENCH_THREADS_MAX];
    struct meeting meeting;
};

int durable_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    return -1;
}

static uint64_t to_ns(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

/* One message; returns when it ended, *ns is what it took. */
static uint64_t send_one(struct producer *p, uint64_t *ns)
{
    uint64_t words[DURABLE_SIZE_MAX / 8];

    bench_fill(words, BENCH_ID(p->index, p->acknowledged), p->run->size);
    uint64_t begin = bench_now_ns();
    p->rc = p->run->peer->send(p->handle, words, p->run->size);
    uint64_t end = bench_now_ns();
    p->acknowledged += p->rc == 0;
    *ns = end - begin;
    return end;
}

static void warm_up(struct producer *p)
{
    uint64_t now = 0, ns;

    while (now < p->meeting->warm_up_end && p->rc == 0)
        now = send_one(p, &ns);
}

static void send_timed(struct producer *p)
{
    uint64_t now = 0, ns;

    while (now < p->meeting->end && p->rc == 0) {
        if (p->timed == p->room) {
            p->rc = durable_fail(p->run->dir, "a message takes less than 4 us, so nothing there "
                                              "waits for a device");
            break;
        }
        now = send_one(p, &ns);
        if (p->rc == 0)
            p->times[p->timed++] = ns;
    }
    p->end_ns = now;
}

static void *produce(void *argument)
{
    struct producer *p = argument;

    pthread_barrier_wait(&p->meeting->start);
    if (p->run->pinned)
        p->rc = bench_pin(p->index);
    warm_up(p);
    pthread_barrier_wait(&p->meeting->warm);
    pthread_barrier_wait(&p->meeting->go);
    send_timed(p);
    return NULL;
}

/*
 * Bytes that this process, its background threads included, made dirty in the page cache or wrote
 * past it. Not in it: the journal and the metadata of the file system, which its own threads
 * write; that a block is written more often than it was made dirty, or, when the next store comes
 * before the write-back, less often; what the device makes of it. Negative: no account is kept.
 */
static double bytes_written(void)
{
    FILE *file = fopen("/proc/self/io", "re");
    char line[128];
    double bytes = -1;

    while (file && bytes < 0 && fgets(line, sizeof(line), file))
        if (strncmp(line, "write_bytes: ", 13) == 0)
            bytes = (double)strtoull(line + 13, NULL, 10);
    if (file)
        fclose(file);
    return bytes;
}

static uint64_t resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "";

    if (file) {
        if (!fgets(line, sizeof(line), file))
            line[0] = '\0';
        fclose(file);
    }
    const char *second = strchr(line, ' ');
    uint64_t pages = second ? strtoull(second, NULL, 10) : 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static int producer_open(struct producer *p, void *store)
{
    p->room = (size_t)(p->run->seconds * SENDS_PER_SECOND) + 1;
    p->times = mmap(NULL, p->room * sizeof(*p->times), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p->times == MAP_FAILED) {
        p->times = NULL;
        return durable_fail("room for times", strerror(errno));
    }
    if (p->run->peer->producer)
        return p->run->peer->producer(store, &p->handle);
    p->handle = store;
    return 0;
}

static int producer_close(struct producer *p)
{
    const struct durable_peer *peer = p->run->peer;
    int rc = p->handle && peer->producer_close ? peer->producer_close(p->handle) : 0;

    p->handle = NULL;
    return rc;
}

static void free_times(struct crew *crew)
{
    for (uint32_t i = 0; i < BENCH_THREADS_MAX; i++)
        if (crew->all[i].times)
            munmap(crew->all[i].times, crew->all[i].room * sizeof(uint64_t));
}

/* A thread that cannot be started leaves the others at the barrier: nothing but to exit is left. */
static void start(struct crew *crew, uint32_t producers)
{
    struct meeting *meeting = &crew->meeting;

    pthread_barrier_init(&meeting->start, NULL, producers + 1);
    pthread_barrier_init(&meeting->warm, NULL, producers + 1);
    pthread_barrier_init(&meeting->go, NULL, producers + 1);
    for (uint32_t i = 0; i < producers; i++) {
        int code = pthread_create(&crew->all[i].thread, NULL, produce, &crew->all[i]);
        if (code != 0) {
            durable_fail("starting a thread", strerror(code));
            exit(1);
        }
    }
}

static int run_threads(const struct durable_run *run, struct crew *crew,
                       struct durable_outcome *out)
{
    struct meeting *meeting = &crew->meeting;
    uint64_t last = 0;
    int rc = 0;

    start(crew, run->producers);
    meeting->warm_up_end = bench_now_ns() + to_ns(run->seconds * WARM_UP);
    pthread_barrier_wait(&meeting->start);
    pthread_barrier_wait(&meeting->warm);
    double before = bytes_written();
    uint64_t begin = bench_now_ns();
    meeting->end = begin + to_ns(run->seconds);
    pthread_barrier_wait(&meeting->go);
    for (uint32_t i = 0; i < run->producers; i++) {
        struct producer *p = &crew->all[i];
        pthread_join(p->thread, NULL);
        rc = rc != 0 ? rc : p->rc;
        last = p->end_ns > last ? p->end_ns : last;
        out->messages += p->timed;
    }
    double after = bytes_written();
    out->resident_kib = resident_kib();
    if (rc == 0 && out->messages == 0)
        rc = durable_fail(run->peer->name, "no message was sent in time");
    out->seconds = (double)(last - begin) / 1e9;
    out->written = before < 0 || after < 0 ? -1 : (after - before) / (double)out->messages;
    return rc;
}

static int send_all(const struct durable_run *run, void *store, struct crew *crew,
                    struct durable_outcome *out)
{
    int rc = 0;

    for (uint32_t i = 0; i < run->producers && rc == 0; i++) {
        crew->all[i].run = run;
        crew->all[i].meeting = &crew->meeting;
        crew->all[i].index = i;
        rc = producer_open(&crew->all[i], store);
    }
    if (rc == 0)
        rc = run_threads(run, crew, out);
    for (uint32_t i = 0; i < run->producers; i++) {
        int closed = producer_close(&crew->all[i]);
        rc = rc != 0 ? rc : closed;
    }
    return rc;
}

int durable_check_add(struct durable_check *check, const void *data, uint64_t size)
{
    uint64_t words[DURABLE_SIZE_MAX / 8];
    char why[128];
    uint64_t id;

    if (size != check->size)
        return durable_fail("reading back", "a message of another size");
    memcpy(&id, data, sizeof(id));
    uint64_t producer = id >> BENCH_ID_BITS;
    if (producer >= check->producers || id != BENCH_ID(producer, check->next[producer])) {
        snprintf(why, sizeof(why), "the message %#llx comes out of order, twice, or is none",
                 (unsigned long long)id);
        return durable_fail("reading back", why);
    }
    bench_fill(words, id, check->size);
    if (memcmp(words, data, check->size) != 0) {
        snprintf(why, sizeof(why), "the message %#llx is not as it was sent",
                 (unsigned long long)id);
        return durable_fail("reading back", why);
    }
    check->next[producer]++;
    return 0;
}

static int read_back(const struct durable_run *run, const struct crew *crew)
{
    struct durable_check check = {.producers = run->producers, .size = run->size};
    void *store = NULL;
    char why[128];
    int rc = run->peer->open(run->dir, 0, run->size, &store);

    if (rc != 0)
        return rc;
    rc = run->peer->read_all(store, &check);
    int closed = run->peer->close(store);
    rc = rc != 0 ? rc : closed;
    for (uint32_t i = 0; i < run->producers && rc == 0; i++) {
        if (check.next[i] == crew->all[i].acknowledged)
            continue;
        snprintf(why, sizeof(why), "producer %u: %llu messages acknowledged, %llu found", i,
                 (unsigned long long)crew->all[i].acknowledged, (unsigned long long)check.next[i]);
        rc = durable_fail("reading back", why);
    }
    return rc;
}

static int percentiles(const struct crew *crew, struct durable_outcome *out)
{
    uint64_t *all = malloc(out->messages * sizeof(*all));
    size_t n = 0;

    if (!all)
        return durable_fail("times of all messages", strerror(ENOMEM));
    for (uint32_t i = 0; i < BENCH_THREADS_MAX; i++) {
        if (crew->all[i].timed > 0)
            memcpy(all + n, crew->all[i].times, crew->all[i].timed * sizeof(*all));
        n += crew->all[i].timed;
    }
    out->p50_ns = durable_percentile(all, n, 50);
    out->p99_ns = durable_percentile(all, n, 99);
    out->max_ns = durable_percentile(all, n, 100);
    free(all);
    return 0;
}

int durable_run(const struct durable_run *run, struct durable_outcome *out)
{
    struct crew crew;
    void *store = NULL;
    int rc = run->peer->open(run->dir, 1, run->size, &store);

    if (rc != 0)
        return rc;
    memset(&crew, 0, sizeof(crew));
    memset(out, 0, sizeof(*out));
    rc = send_all(run, store, &crew, out);
    int closed = run->peer->close(store);
    rc = rc != 0 ? rc : closed;
    if (rc == 0)
        rc = read_back(run, &crew);
    if (rc == 0)
        rc = percentiles(&crew, out);
    free_times(&crew);
    return rc;
}
