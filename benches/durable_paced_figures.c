/* SPDX-License-Identifier: MIT */
/* The cases of the paced bench, its figures and goals. */
#include <benches/durable_paced.h>

const double paced_points[PACED_POINTS] = {50, 99, 99.9, 99.99, 100};
enum { P50, P99, P999, P9999, MAX };

enum case_index { COPY, MEMORY, COPY_FILE, FILES, INTERVAL, INTERVAL_THREADS, CASES };

#define POINTS(key, p)                                         \
    {                                                          \
        DURABLE_FIGURE(key ".p50_us", p ", p50", "us"),        \
            DURABLE_FIGURE(key ".p99_us", "  p99", "us"),      \
            DURABLE_FIGURE(key ".p999_us", "  p99.9", "us"),   \
            DURABLE_FIGURE(key ".p9999_us", "  p99.99", "us"), \
            DURABLE_FIGURE(key ".max_us", "  max", "us"),      \
    }
#define DUE(key)                                                         \
    {                                                                    \
        DURABLE_FIGURE(key ".due.p50_us", "  from when due, p50", "us"), \
            DURABLE_FIGURE(key ".due.p99_us", "    p99", "us"),          \
            DURABLE_FIGURE(key ".due.p999_us", "    p99.9", "us"),       \
            DURABLE_FIGURE(key ".due.p9999_us", "    p99.99", "us"),     \
            DURABLE_FIGURE(key ".due.max_us", "    max", "us"),          \
    }
#define COUNTS(key)                                                                              \
    .turns = DURABLE_FIGURE(key ".turns", "  page turns", ""),                                   \
    .made_ahead = DURABLE_FIGURE(key ".made_ahead", "  pages made ahead", ""),                   \
    .commits = DURABLE_FIGURE(key ".commits", "  commits", ""),                                  \
    .waited = DURABLE_GOAL(key ".turns_waited", "turns waited: " key, "", BENCH_NEVER_ABOVE, 0), \
    .faults = DURABLE_GOAL(key ".faults", "faults per message: " key, "", BENCH_AT_MOST, 0.0001)

static struct measured {
    struct paced_case what;
    struct bench_figure service[PACED_POINTS];
    struct bench_figure due[PACED_POINTS];
    struct bench_figure turns;
    struct bench_figure made_ahead;
    struct bench_figure commits;
    struct bench_goal waited;
    struct bench_goal faults;
} cases[CASES] = {
    [COPY] = {{.bare = 1},
              POINTS("paced.copy", "memcpy 100 B each us, memory"),
              DUE("paced.copy"),
              COUNTS("paced.copy")},
    [MEMORY] = {{.bare = 0},
                POINTS("paced.memory", "send 100 B each us, memory"),
                DUE("paced.memory"),
                COUNTS("paced.memory")},
    [COPY_FILE] = {{.bare = 1, .files = 1},
                   POINTS("paced.copy_file", "memcpy, a mapped file"),
                   DUE("paced.copy_file"),
                   COUNTS("paced.copy_file")},
    [FILES] = {{.files = 1},
               POINTS("paced.files", "send, files, NONE"),
               DUE("paced.files"),
               COUNTS("paced.files")},
    [INTERVAL] = {{.files = 1, .durability = QUIRE_DURABLE_INTERVAL, .engine = QUIRE_ENGINE_AUTO},
                  POINTS("paced.interval", "send, files, INTERVAL"),
                  DUE("paced.interval"),
                  COUNTS("paced.interval")},
    [INTERVAL_THREADS] = {{.files = 1,
                           .durability = QUIRE_DURABLE_INTERVAL,
                           .engine = QUIRE_ENGINE_THREADS},
                          POINTS("paced.interval_threads", "send, files, INTERVAL, threads"),
                          DUE("paced.interval_threads"),
                          COUNTS("paced.interval_threads")},
};

/* p99.99 of a case over that of the copy beside it. */
static struct against {
    enum case_index index;
    enum case_index over;
    struct bench_goal service;
    struct bench_goal due;
} against[] = {
    {MEMORY, COPY,
     DURABLE_GOAL("paced.memory_x", "send p99.99 over memcpy's, memory", "times", BENCH_AT_MOST, 3),
     DURABLE_GOAL("paced.memory.due_x", "  from when due", "times", BENCH_AT_MOST, 3)},
    {FILES, COPY_FILE,
     DURABLE_GOAL("paced.files_x", "send p99.99 over memcpy's, files", "times", BENCH_AT_MOST, 3),
     DURABLE_GOAL("paced.files.due_x", "  from when due", "times", BENCH_AT_MOST, 3)},
};
#define AGAINST (sizeof(against) / sizeof(against[0]))

/* Reported, without a bound. */
static struct reported {
    enum case_index index;
    struct bench_figure service;
    struct bench_figure due;
} reported[] = {
    {INTERVAL, DURABLE_FIGURE("paced.interval_x", "INTERVAL: p99.99 over memcpy's", "times"),
     DURABLE_FIGURE("paced.interval.due_x", "  from when due", "times")},
    {INTERVAL_THREADS,
     DURABLE_FIGURE("paced.interval_threads_x", "INTERVAL, threads: over memcpy's", "times"),
     DURABLE_FIGURE("paced.interval_threads.due_x", "  from when due", "times")},
};
#define REPORTED (sizeof(reported) / sizeof(reported[0]))

static void add(struct measured *m, const struct paced_result *result)
{
    for (unsigned i = 0; i < PACED_POINTS; i++) {
        bench_figure_add(&m->service[i], result->service_ns[i] / 1e3);
        bench_figure_add(&m->due[i], result->due_ns[i] / 1e3);
    }
    if (m->what.bare)
        return;
    bench_figure_add(&m->turns, result->turns);
    bench_figure_add(&m->made_ahead, result->made_ahead);
    if (m->what.durability != QUIRE_DURABLE_NONE)
        bench_figure_add(&m->commits, result->commits);
    bench_figure_add(&m->waited.ratio, result->turns_waited);
    bench_figure_add(&m->faults.ratio, result->faults);
}

static int run(const void *opaque)
{
    const struct durable_options *options = opaque;
    struct paced_result results[CASES];

    for (unsigned i = 0; i < CASES; i++) {
        int rc = paced_measure(&cases[i].what, options, &results[i]);
        if (rc != 0)
            return rc;
        add(&cases[i], &results[i]);
    }
    for (unsigned i = 0; i < AGAINST; i++) {
        const struct paced_result *it = &results[against[i].index];
        const struct paced_result *copy = &results[against[i].over];
        bench_figure_add(&against[i].service.ratio,
                         it->service_ns[P9999] / copy->service_ns[P9999]);
        bench_figure_add(&against[i].due.ratio, it->due_ns[P9999] / copy->due_ns[P9999]);
    }
    for (unsigned i = 0; i < REPORTED; i++) {
        const struct paced_result *it = &results[reported[i].index];
        const struct paced_result *copy = &results[COPY_FILE];
        bench_figure_add(&reported[i].service, it->service_ns[P9999] / copy->service_ns[P9999]);
        bench_figure_add(&reported[i].due, it->due_ns[P9999] / copy->due_ns[P9999]);
    }
    return 0;
}

#define FIVE(a) &(a)[P50], &(a)[P99], &(a)[P999], &(a)[P9999], &(a)[MAX]
#define ALL_OF(c)                                                                      \
    FIVE(cases[c].service), FIVE(cases[c].due), &cases[c].turns, &cases[c].made_ahead, \
        &cases[c].commits
static struct bench_figure *const figures[] = {
    ALL_OF(COPY),
    ALL_OF(MEMORY),
    ALL_OF(COPY_FILE),
    ALL_OF(FILES),
    ALL_OF(INTERVAL),
    ALL_OF(INTERVAL_THREADS),
    &reported[0].service,
    &reported[0].due,
    &reported[1].service,
    &reported[1].due,
    NULL,
};
#define TURNS_OF(c) &cases[c].waited, &cases[c].faults
static struct bench_goal *const goals[] = {
    TURNS_OF(MEMORY),           TURNS_OF(FILES),     TURNS_OF(INTERVAL),
    TURNS_OF(INTERVAL_THREADS), &against[0].service, &against[0].due,
    &against[1].service,        &against[1].due,     NULL,
};
const struct bench_part durable_paced = {"paced", run, figures, goals};
