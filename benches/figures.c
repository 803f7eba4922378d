/* SPDX-License-Identifier: MIT */
/*
 * The cases of quire_figures. A run goes through the table once; the floor is measured before
 * each case, so that a ratio always stands between neighbours in time.
 */
#include <benches/bench_threads.h>
#include <benches/figures.h>
#include <benches/peers/reference.h>
#include <stdlib.h>

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

/* Derived run by run: of divided by over, or what GOAL says of it. */
struct derived {
    struct bench_goal goal;
    const struct bench_figure *of;
    const struct bench_figure *over; /* NULL: nothing */
};

#define GOAL(key, label, unit, bound, limit)     \
    {                                            \
        {key, label, unit, 0, {0}}, bound, limit \
    }
#define TIME(index)  &cases[index].ns
#define FLOOR(index) &cases[index].floor
static struct derived derived[] = {
    {GOAL("one.16.alternate_x", "one thread 16 B, send 1, receive 1", "xadd", BENCH_AT_MOST, 3.5),
     TIME(ONE_16_ALTERNATE), FLOOR(ONE_16_ALTERNATE)},
    {GOAL("one.16_x", "one thread 16 B, send N, receive N", "xadd", BENCH_AT_MOST, 3.5),
     TIME(ONE_16), FLOOR(ONE_16)},
    {GOAL("one.64.alternate_x", "one thread 64 B, send 1, receive 1", "xadd", BENCH_AT_MOST, 5),
     TIME(ONE_64_ALTERNATE), FLOOR(ONE_64_ALTERNATE)},
    {GOAL("one.64_x", "one thread 64 B, send N, receive N", "xadd", BENCH_AT_MOST, 5), TIME(ONE_64),
     FLOOR(ONE_64)},
    {GOAL("pair.16_x", "1P1C 16 B, one at a time", "xadd", BENCH_AT_MOST, 3), TIME(PAIR_16),
     FLOOR(PAIR_16)},
    {GOAL("pair.16.batch_m", "1P1C 16 B, batches of 32", "M/s", BENCH_AT_LEAST, 100),
     TIME(PAIR_16_BATCH), NULL},
    {GOAL("four.16_share", "4P4C rate of the 1P1C rate", "%", BENCH_AT_LEAST, 60), TIME(FOUR_16),
     TIME(PAIR_16)},
    {GOAL("one.16.directory_x", "directory over memory, one thread", "times", BENCH_AT_MOST, 1.15),
     TIME(ONE_16_DIR), TIME(ONE_16)},
    {GOAL("one.16.checksum_x", "  the same, both with checksums", "times", BENCH_AT_MOST, 1.15),
     TIME(ONE_16_DIR_ON), TIME(ONE_16_ON)},
    {GOAL("pair.16.directory_x", "directory over memory, 1P1C", "times", BENCH_AT_MOST, 1.15),
     TIME(PAIR_16_DIR), TIME(PAIR_16)},
    {GOAL("one.16.faults", "minor faults per message, directory", "", BENCH_AT_MOST, 0.0001),
     &cases[ONE_16_DIR].faults, NULL},
};
#define GOALS (sizeof(derived) / sizeof(derived[0]))

static const struct peer vyukov = {
    .name = "vyukov",
    .traits = PEER_ORDERED,
    .open = vyukov_open,
    .close = free,
    .produce = vyukov_produce,
    .consume = vyukov_consume,
};
static const struct peer mutex = {
    .name = "mutex",
    .traits = PEER_ORDERED,
    .open = mutex_open,
    .close = free,
    .produce = mutex_produce,
    .consume = mutex_consume,
};

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
        rc = bench_threads_quire(&shape, &result);
    else if (measured->kind == VYUKOV)
        rc = bench_threads(&vyukov, &shape, &result);
    else
        rc = bench_threads(&mutex, &shape, &result);
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

/* What this run added. Rates are in % of the other one, or in M/s. */
static void derive(struct derived *d)
{
    struct bench_figure *ratio = &d->goal.ratio;

    if (d->over && d->over->runs != d->of->runs)
        return;
    for (unsigned i = ratio->runs; i < d->of->runs; i++) {
        double value = d->of->sample[i];
        if (d->goal.bound == BENCH_AT_LEAST)
            value = d->over ? 100 * d->over->sample[i] / value : 1000 / value;
        else if (d->over)
            value /= d->over->sample[i];
        bench_figure_add(ratio, value);
    }
}

static int run(const void *opaque)
{
    const struct figures_options *options = opaque;
    int rc = 0;

    for (unsigned i = 0; i < CASES && rc == 0; i++) {
        struct measured *measured = &cases[i];
        if (measured->shape.backing == BENCH_DIRECTORY && !options->dir)
            continue;
        if (figures_wanted(options, measured->ns.key))
            rc = run_case(measured, options);
    }
    for (unsigned i = 0; i < GOALS && rc == 0; i++)
        derive(&derived[i]);
    return rc;
}

/* Those that a case does not have never get a sample. */
#define FIGURES_OF(i) &cases[i].ns, &cases[i].send, &cases[i].recv, &cases[i].faults
static struct bench_figure *const figures[] = {
    FIGURES_OF(ONE_16_ALTERNATE),
    FIGURES_OF(ONE_16),
    FIGURES_OF(ONE_16_DIR),
    FIGURES_OF(ONE_16_DIR_ON),
    FIGURES_OF(ONE_16_ON),
    FIGURES_OF(ONE_16_BATCH),
    FIGURES_OF(ONE_64_ALTERNATE),
    FIGURES_OF(ONE_64),
    FIGURES_OF(PAIR_16),
    FIGURES_OF(PAIR_16_DIR),
    FIGURES_OF(PAIR_16_DIR_ON),
    FIGURES_OF(FOUR_16),
    FIGURES_OF(PAIR_16_BATCH),
    FIGURES_OF(FOUR_16_BATCH),
    FIGURES_OF(PAIR_16_VYUKOV),
    FIGURES_OF(FOUR_16_VYUKOV),
    FIGURES_OF(PAIR_16_MUTEX),
    FIGURES_OF(FOUR_16_MUTEX),
    NULL,
};
static struct bench_goal *const goals[] = {
    &derived[0].goal, &derived[1].goal, &derived[2].goal,  &derived[3].goal,
    &derived[4].goal, &derived[5].goal, &derived[6].goal,  &derived[7].goal,
    &derived[8].goal, &derived[9].goal, &derived[10].goal, NULL,
};
_Static_assert(sizeof(figures) / sizeof(figures[0]) == 4 * CASES + 1, "a case is not listed");
_Static_assert(sizeof(goals) / sizeof(goals[0]) == GOALS + 1, "a goal is not listed");
const struct bench_part figures_cases = {"cases", run, figures, goals};
