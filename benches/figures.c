/* SPDX-License-Identifier: MIT */
/*
 * The cases of quire_figures. A run goes through the table once; the floor is measured before
 * each case, so that a ratio always stands between neighbours in time.
 */
#include <benches/figures.h>
#include <string.h>

enum kind { ONE, QUIRE, VYUKOV, MUTEX };

enum case_index {
    ONE_16_ALTERNATE,
    ONE_16,
    ONE_16_DIR,
    ONE_16_DIR_ON,
    ONE_16_ON,
    ONE_16_BATCH,
    ONE_64_ALTERNATE,
    ONE_64,
    PAIR_16,
    PAIR_16_DIR,
    PAIR_16_DIR_ON,
    FOUR_16,
    PAIR_16_BATCH,
    FOUR_16_BATCH,
    PAIR_16_VYUKOV,
    FOUR_16_VYUKOV,
    PAIR_16_MUTEX,
    FOUR_16_MUTEX,
    CASES
};

struct measured {
    enum kind kind;
    struct bench_shape shape;  /* what differs; the rest comes from the options */
    struct bench_figure ns;    /* per message */
    struct bench_figure floor; /* xadd right before, same run */
    struct bench_figure send;
    struct bench_figure recv;
    struct bench_figure faults;
};

#define MEM            .backing = BENCH_MEMORY, .checksum = QUIRE_CHECKSUM_OFF
#define MEM_ON         .backing = BENCH_MEMORY, .checksum = QUIRE_CHECKSUM_ON
#define DIR_OFF        .backing = BENCH_DIRECTORY, .checksum = QUIRE_CHECKSUM_OFF
#define DIR_ON         .backing = BENCH_DIRECTORY, .checksum = QUIRE_CHECKSUM_ON
#define SINGLE(b)      .batch = 1, .block = (b)
#define BATCHED        .batch = 32, .block = 1024
#define THREADS(p, b)  .producers = (p), .consumers = (p), .batch = (b), .pinned = (p) == 1
#define NS(key, label) .ns = {key "_ns", label, "ns", 0, {0}}
#define HALVES(key)                                            \
    .send = {key ".send_ns", "  of that: send", "ns", 0, {0}}, \
    .recv = {key ".recv_ns", "  of that: receive", "ns", 0, {0}}
#define FAULTS(key) .faults = {key ".faults", "  minor faults per message", "", 0, {0}}

static struct measured cases[CASES] = {
    [ONE_16_ALTERNATE] = {ONE,
                          {MEM, .size = 16, SINGLE(1)},
                          NS("one.16.alternate", "one thread 16 B, send 1, receive 1"),
                          FAULTS("one.16.alternate")},
    [ONE_16] = {ONE,
                {MEM, .size = 16, SINGLE(1024)},
                NS("one.16", "one thread 16 B, send N, receive N"),
                HALVES("one.16")},
    [ONE_16_DIR] = {ONE,
                    {DIR_OFF, .size = 16, SINGLE(1024)},
                    NS("one.16.directory", "  the same on a directory, no checksum"),
                    FAULTS("one.16.directory")},
    [ONE_16_DIR_ON] = {ONE,
                       {DIR_ON, .size = 16, SINGLE(1024)},
                       NS("one.16.directory.checksum", "  the same on a directory, checksum"),
                       FAULTS("one.16.directory.checksum")},
    [ONE_16_ON] = {ONE,
                   {MEM_ON, .size = 16, SINGLE(1024)},
                   NS("one.16.checksum", "  the same in memory, checksum")},
    [ONE_16_BATCH] = {ONE,
                      {MEM, .size = 16, BATCHED},
                      NS("one.16.batch", "one thread 16 B, batches of 32"),
                      HALVES("one.16.batch")},
    [ONE_64_ALTERNATE] = {ONE,
                          {MEM, .size = 64, SINGLE(1)},
                          NS("one.64.alternate", "one thread 64 B, send 1, receive 1")},
    [ONE_64] = {ONE,
                {MEM, .size = 64, SINGLE(1024)},
                NS("one.64", "one thread 64 B, send N, receive N"),
                HALVES("one.64")},
    [PAIR_16] = {QUIRE,
                 {MEM, .size = 16, THREADS(1, 1)},
                 NS("pair.16", "1P1C 16 B, one at a time")},
    [PAIR_16_DIR] = {QUIRE,
                     {DIR_OFF, .size = 16, THREADS(1, 1)},
                     NS("pair.16.directory", "  the same on a directory, no checksum"),
                     FAULTS("pair.16.directory")},
    [PAIR_16_DIR_ON] = {QUIRE,
                        {DIR_ON, .size = 16, THREADS(1, 1)},
                        NS("pair.16.directory.checksum", "  the same on a directory, checksum")},
    [FOUR_16] = {QUIRE,
                 {MEM, .size = 16, THREADS(4, 1)},
                 NS("four.16", "4P4C 16 B, one at a time")},
    [PAIR_16_BATCH] = {QUIRE,
                       {MEM, .size = 16, THREADS(1, 32)},
                       NS("pair.16.batch", "1P1C 16 B, batches of 32")},
    [FOUR_16_BATCH] = {QUIRE,
                       {MEM, .size = 16, THREADS(4, 32)},
                       NS("four.16.batch", "4P4C 16 B, batches of 32")},
    [PAIR_16_VYUKOV] = {VYUKOV,
                        {.size = 16, THREADS(1, 1)},
                        NS("pair.16.vyukov", "Vyukov ring, 1P1C 16 B")},
    [FOUR_16_VYUKOV] = {VYUKOV,
                        {.size = 16, THREADS(4, 1)},
                        NS("four.16.vyukov", "Vyukov ring, 4P4C 16 B")},
    [PAIR_16_MUTEX] = {MUTEX,
                       {.size = 16, THREADS(1, 1)},
                       NS("pair.16.mutex", "mutex and condition ring, 1P1C 16 B")},
    [FOUR_16_MUTEX] = {MUTEX,
                       {.size = 16, THREADS(4, 1)},
                       NS("four.16.mutex", "mutex and condition ring, 4P4C 16 B")},
};

/* Everything else that is measured once per run. */
static struct bench_figure xadd = {"floor.xadd_ns", "lock xadd, one thread", "ns", 0, {0}};
static struct bench_figure memcpy_16 = {"floor.memcpy16_ns", "memcpy 16 B, hot", "ns", 0, {0}};
static struct bench_figure memcpy_64 = {"floor.memcpy64_ns", "memcpy 64 B, hot", "ns", 0, {0}};
static struct bench_figure bare_send = {
    "floor.send16_ns", "bare claim, copy, publish 16 B", "ns", 0, {0}};
static struct bench_figure bare_two = {
    "floor.send16_two_ns", "  the same by two threads at once", "ns", 0, {0}};
static struct bench_figure line_trip = {
    "floor.line_ns", "cache line to the other core and back", "ns", 0, {0}};
static struct bench_figure harness_16 = {
    "floor.harness16_ns", "fill and check 16 B, no queue", "ns", 0, {0}};
static struct bench_figure harness_64 = {
    "floor.harness64_ns", "fill and check 64 B, no queue", "ns", 0, {0}};
static struct bench_figure open_memory = {
    "open.memory_ms", "open, one message, close: memory", "ms", 0, {0}};
static struct bench_figure open_create = {
    "open.create_ms", "  a new directory, synced to disk", "ms", 0, {0}};
static struct bench_figure open_create_only = {
    "open.create_only_ms", "  of that: quire_open", "ms", 0, {0}};
static struct bench_figure open_again = {
    "open.existing_ms", "  an existing directory", "ms", 0, {0}};
static struct bench_figure resident_memory = {
    "resident.memory_kib", "resident beyond frames: memory", "KiB", 0, {0}};
static struct bench_figure resident_directory = {
    "resident.directory_kib", "resident beyond frames: directory", "KiB", 0, {0}};

/* Goals: over is the case it is divided by, FLOOR the xadd before it. */
enum { FLOOR = CASES, NONE };
struct derived {
    struct bench_goal goal;
    unsigned index; /* of a case; CASES: figure instead */
    unsigned over;
    const struct bench_figure *figure;
};

#define GOAL(key, label, unit, bound, limit)     \
    {                                            \
        {key, label, unit, 0, {0}}, bound, limit \
    }
static struct derived goals[] = {
    {GOAL("one.16.alternate_x", "one thread 16 B, send 1, receive 1", "xadd", BENCH_AT_MOST, 3.5),
     ONE_16_ALTERNATE, FLOOR, NULL},
    {GOAL("one.16_x", "one thread 16 B, send N, receive N", "xadd", BENCH_AT_MOST, 3.5), ONE_16,
     FLOOR, NULL},
    {GOAL("one.64.alternate_x", "one thread 64 B, send 1, receive 1", "xadd", BENCH_AT_MOST, 5),
     ONE_64_ALTERNATE, FLOOR, NULL},
    {GOAL("one.64_x", "one thread 64 B, send N, receive N", "xadd", BENCH_AT_MOST, 5), ONE_64,
     FLOOR, NULL},
    {GOAL("pair.16_x", "1P1C 16 B, one at a time", "xadd", BENCH_AT_MOST, 3), PAIR_16, FLOOR, NULL},
    {GOAL("pair.16.batch_m", "1P1C 16 B, batches of 32", "M/s", BENCH_AT_LEAST, 100), PAIR_16_BATCH,
     NONE, NULL},
    {GOAL("four.16_share", "4P4C rate of the 1P1C rate", "%", BENCH_AT_LEAST, 60), FOUR_16, PAIR_16,
     NULL},
    {GOAL("one.16.directory_x", "directory over memory, one thread", "times", BENCH_AT_MOST, 1.15),
     ONE_16_DIR, ONE_16, NULL},
    {GOAL("one.16.checksum_x", "  the same, both with checksums", "times", BENCH_AT_MOST, 1.15),
     ONE_16_DIR_ON, ONE_16_ON, NULL},
    {GOAL("pair.16.directory_x", "directory over memory, 1P1C", "times", BENCH_AT_MOST, 1.15),
     PAIR_16_DIR, PAIR_16, NULL},
    {GOAL("one.16.faults", "minor faults per message, directory", "", BENCH_AT_MOST, 0.0001), CASES,
     NONE, &cases[ONE_16_DIR].faults},
    {GOAL("open.memory", "open, one message, close: memory", "ms", BENCH_AT_MOST, 5), CASES, NONE,
     &open_memory},
    {GOAL("open.existing", "  an existing directory", "ms", BENCH_AT_MOST, 5), CASES, NONE,
     &open_again},
    {GOAL("resident.memory", "resident beyond frames: memory", "KiB", BENCH_AT_MOST, 2048), CASES,
     NONE, &resident_memory},
    {GOAL("resident.directory", "resident beyond frames: directory", "KiB", BENCH_AT_MOST, 2048),
     CASES, NONE, &resident_directory},
};
#define GOALS (sizeof(goals) / sizeof(goals[0]))

static int run_case(struct measured *measured, const struct figures_options *options)
{
    struct bench_shape shape = measured->shape;
    struct bench_result result = {0};
    double floor = bench_floor_xadd();
    int rc;

    shape.dir = options->dir;
    shape.page_size = options->page_size;
    shape.max_pages = options->max_pages;
    shape.wait = options->wait;
    shape.messages = shape.batch > 1 ? options->messages * 4 : options->messages;
    if (measured->kind == ONE)
        rc = bench_one(&shape, &result);
    else if (measured->kind == QUIRE)
        rc = bench_threads(&bench_queue_quire, &shape, &result);
    else if (measured->kind == VYUKOV)
        rc = bench_threads(&bench_queue_vyukov, &shape, &result);
    else
        rc = bench_threads(&bench_queue_mutex, &shape, &result);
    if (rc != 0) {
        fprintf(stderr, "quire_figures: case %s failed\n", measured->ns.key);
        return rc;
    }
    bench_figure_add(&measured->floor, floor);
    bench_figure_add(&measured->ns, result.ns);
    if (measured->send.key) {
        bench_figure_add(&measured->send, result.send_ns);
        bench_figure_add(&measured->recv, result.recv_ns);
    }
    if (measured->faults.key)
        bench_figure_add(&measured->faults, result.faults);
    return 0;
}

static int wanted(const struct figures_options *options, const char *key)
{
    return !options->only || strstr(key, options->only) != NULL;
}

static int run_floor(const struct figures_options *options)
{
    double ns;

    if (!wanted(options, "floor"))
        return 0;
    bench_figure_add(&xadd, bench_floor_xadd());
    bench_figure_add(&memcpy_16, bench_floor_memcpy(16));
    bench_figure_add(&memcpy_64, bench_floor_memcpy(64));
    int rc = bench_floor_send(&ns);
    if (rc != 0)
        return rc;
    bench_figure_add(&bare_send, ns);
    if (bench_cpus() > 1) {
        rc = bench_floor_line(&ns);
        if (rc != 0)
            return rc;
        bench_figure_add(&line_trip, ns);
        rc = bench_floor_send_two(&ns);
        if (rc != 0)
            return rc;
        bench_figure_add(&bare_two, ns);
    }
    rc = bench_floor_harness(16, &ns);
    if (rc != 0)
        return rc;
    bench_figure_add(&harness_16, ns);
    rc = bench_floor_harness(64, &ns);
    if (rc == 0)
        bench_figure_add(&harness_64, ns);
    return rc;
}

/* One page of 1 MiB. */
static int run_open(const struct figures_options *options)
{
    struct bench_shape shape = {MEM, .size = 16, .page_size = 1 << 20, .max_pages = 1};
    struct bench_open_result result;
    int rc = bench_open(&shape, 0, &result);

    if (rc != 0)
        return rc;
    bench_figure_add(&open_memory, result.total_ms);
    if (!options->dir)
        return 0;
    shape.backing = BENCH_DIRECTORY;
    shape.dir = options->dir;
    rc = bench_open(&shape, 0, &result);
    if (rc != 0)
        return rc;
    bench_figure_add(&open_create, result.total_ms);
    bench_figure_add(&open_create_only, result.open_ms);
    rc = bench_open(&shape, 1, &result);
    if (rc == 0)
        bench_figure_add(&open_again, result.total_ms);
    return rc;
}

/* Default options: what somebody gets who sets nothing. */
static int run_resident(const struct figures_options *options)
{
    struct bench_shape shape = {.backing = BENCH_MEMORY, .size = 16};
    double bytes;
    int rc = bench_resident(&shape, &bytes);

    if (rc != 0)
        return rc;
    bench_figure_add(&resident_memory, bytes / 1024);
    if (!options->dir)
        return 0;
    shape.backing = BENCH_DIRECTORY;
    shape.dir = options->dir;
    rc = bench_resident(&shape, &bytes);
    if (rc == 0)
        bench_figure_add(&resident_directory, bytes / 1024);
    return rc;
}

int figures_run(const struct figures_options *options)
{
    int rc = run_floor(options);

    for (unsigned i = 0; i < CASES && rc == 0; i++) {
        struct measured *measured = &cases[i];
        if (measured->shape.backing == BENCH_DIRECTORY && !options->dir)
            continue;
        if (wanted(options, measured->ns.key))
            rc = run_case(measured, options);
    }
    if (rc == 0 && wanted(options, "open"))
        rc = run_open(options);
    if (rc == 0 && wanted(options, "resident"))
        rc = run_resident(options);
    return rc;
}

static void derive(struct derived *derived)
{
    const struct bench_figure *from =
        derived->index < CASES ? &cases[derived->index].ns : derived->figure;
    const struct bench_figure *over = NULL;

    if (derived->over < CASES)
        over = &cases[derived->over].ns;
    else if (derived->over == FLOOR)
        over = &cases[derived->index].floor;
    if (over && over->runs != from->runs)
        return;
    for (unsigned i = 0; i < from->runs; i++) {
        double value = from->sample[i];
        if (derived->goal.bound == BENCH_AT_LEAST) /* rates: in % of the other, or in M/s */
            value = over ? 100 * over->sample[i] / value : 1000 / value;
        else if (over)
            value /= over->sample[i];
        bench_figure_add(&derived->goal.ratio, value);
    }
}

void figures_derive(void)
{
    for (unsigned i = 0; i < GOALS; i++)
        derive(&goals[i]);
}

const struct bench_figure *const *figures_all(void)
{
    static const struct bench_figure *all[8 + 4 * CASES + 6 + 1];
    unsigned n = 0;

    all[n++] = &xadd;
    all[n++] = &memcpy_16;
    all[n++] = &memcpy_64;
    all[n++] = &bare_send;
    all[n++] = &bare_two;
    all[n++] = &line_trip;
    all[n++] = &harness_16;
    all[n++] = &harness_64;
    for (unsigned i = 0; i < CASES; i++) {
        all[n++] = &cases[i].ns;
        all[n++] = &cases[i].send;
        all[n++] = &cases[i].recv;
        all[n++] = &cases[i].faults;
    }
    all[n++] = &open_memory;
    all[n++] = &open_create;
    all[n++] = &open_create_only;
    all[n++] = &open_again;
    all[n++] = &resident_memory;
    all[n++] = &resident_directory;
    all[n] = NULL;
    return all;
}

const struct bench_goal *const *figures_goals(void)
{
    static const struct bench_goal *all[GOALS + 1];

    for (unsigned i = 0; i < GOALS; i++)
        all[i] = &goals[i].goal;
    return all;
}
