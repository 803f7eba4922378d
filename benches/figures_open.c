/* SPDX-License-Identifier: MIT */
/* How long it takes to open a channel, and what an open one holds in memory. */
#include <benches/figures.h>

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
#define AT_MOST(key, label, unit, limit)                 \
    {                                                    \
        {key, label, unit, 0, {0}}, BENCH_AT_MOST, limit \
    }
static struct bench_goal goal_memory =
    AT_MOST("open.memory", "open, one message, close: memory", "ms", 5);
static struct bench_goal goal_again = AT_MOST("open.existing", "  an existing directory", "ms", 5);
static struct bench_goal goal_resident_memory =
    AT_MOST("resident.memory", "resident beyond frames: memory", "KiB", 2048);
static struct bench_goal goal_resident_directory =
    AT_MOST("resident.directory", "resident beyond frames: directory", "KiB", 2048);

static void add(struct bench_figure *figure, struct bench_goal *goal, double value)
{
    bench_figure_add(figure, value);
    bench_figure_add(&goal->ratio, value);
}

/* One page of 1 MiB. */
static int run_open(const void *opaque)
{
    const struct figures_options *options = opaque;
    struct bench_shape shape = {
        .checksum = QUIRE_CHECKSUM_OFF, .size = 16, .page_size = 1 << 20, .max_pages = 1};
    struct bench_open_result result;

    if (!figures_wanted(options, "open"))
        return 0;
    int rc = bench_open(&shape, 0, &result);
    if (rc != 0)
        return rc;
    add(&open_memory, &goal_memory, result.total_ms);
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
        add(&open_again, &goal_again, result.total_ms);
    return rc;
}

/* Default options: what somebody gets who sets nothing. */
static int run_resident(const void *opaque)
{
    const struct figures_options *options = opaque;
    struct bench_shape shape = {.backing = BENCH_MEMORY, .size = 16};
    double bytes;

    if (!figures_wanted(options, "resident"))
        return 0;
    int rc = bench_resident(&shape, &bytes);
    if (rc != 0)
        return rc;
    add(&resident_memory, &goal_resident_memory, bytes / 1024);
    if (!options->dir)
        return 0;
    shape.backing = BENCH_DIRECTORY;
    shape.dir = options->dir;
    rc = bench_resident(&shape, &bytes);
    if (rc == 0)
        add(&resident_directory, &goal_resident_directory, bytes / 1024);
    return rc;
}

static struct bench_figure *const open_figures[] = {&open_memory, &open_create, &open_create_only,
                                                    &open_again, NULL};
static struct bench_goal *const open_goals[] = {&goal_memory, &goal_again, NULL};
const struct bench_part figures_open = {"open", run_open, open_figures, open_goals};

static struct bench_figure *const resident_figures[] = {&resident_memory, &resident_directory,
                                                        NULL};
static struct bench_goal *const resident_goals[] = {&goal_resident_memory, &goal_resident_directory,
                                                    NULL};
const struct bench_part figures_resident = {"resident", run_resident, resident_figures,
                                            resident_goals};
