/* SPDX-License-Identifier: MIT */
/*
 * What one durable message of 128 B makes the device write, one at a time: by the account of this
 * process and by the counters of the device. Others write to the device too, so it is counted over
 * short stretches and the median of them is the sample.
 */
#include <benches/durable.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SIZE      128u
#define STRETCH   50u
#define STRETCHES 20u
#define WARM_UP   32u
#define BLOCK     4096.0

static struct bench_figure process_bytes =
    DURABLE_FIGURE("bytes.process", "EACH, 128 B: /proc/self/io, bytes", "B");
static struct bench_figure device_bytes =
    DURABLE_FIGURE("bytes.device", "  the device's counters, bytes", "B");
static struct bench_figure device_writes =
    DURABLE_FIGURE("bytes.device_writes", "  the device's counters, writes", "");
static struct bench_goal process_blocks =
    DURABLE_GOAL("bytes.process_blocks", "EACH, 128 B: /proc/self/io", "blocks", BENCH_AT_MOST, 3);
static struct bench_goal device_blocks =
    DURABLE_GOAL("bytes.device_blocks", "  the device's counters", "blocks", BENCH_AT_MOST, 3);

/* Counted so far. */
struct written {
    uint64_t process; /* bytes */
    uint64_t device;  /* bytes */
    uint64_t writes;
};

static int read_process(uint64_t *bytes)
{
    FILE *file = fopen("/proc/self/io", "re");
    unsigned long long value;
    char line[128];
    int found = 0;

    if (!file)
        return bench_fail("/proc/self/io", -errno);
    while (!found && fgets(line, sizeof(line), file))
        found = sscanf(line, "write_bytes: %llu", &value) == 1;
    fclose(file);
    if (!found)
        return bench_fail("/proc/self/io says nothing of write_bytes", -ENODATA);
    *bytes = value;
    return 0;
}

/* 1, or 0 where the directory's device has no counters: a file system over several, or in memory.
 */
static int read_device(const char *dir, struct written *written)
{
    unsigned long long writes, sectors;
    struct stat st;
    char path[64];

    if (stat(dir, &st) != 0)
        return 0;
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int n = fscanf(file, "%*u %*u %*u %*u %llu %*u %llu", &writes, &sectors);
    fclose(file);
    written->writes = writes;
    written->device = sectors * 512;
    return n == 2;
}

struct stretches {
    int has_device;
    uint64_t process[STRETCHES];
    uint64_t device[STRETCHES];
    uint64_t writes[STRETCHES];
};

static int send_some(quire_tx_t *tx, uint64_t first, uint32_t count)
{
    int rc = 0;

    for (uint64_t id = first; id < first + count && rc == 0; id++)
        rc = durable_send(tx, id, SIZE);
    return rc == 0 ? 0 : bench_fail("quire_tx_send", rc);
}

static int count_stretches(const char *dir, quire_tx_t *tx, struct stretches *out)
{
    struct written before, after;
    int rc = send_some(tx, 0, WARM_UP);

    for (uint32_t i = 0; i < STRETCHES && rc == 0; i++) {
        rc = read_process(&before.process);
        out->has_device = read_device(dir, &before);
        if (rc == 0)
            rc = send_some(tx, WARM_UP + i * STRETCH, STRETCH);
        if (rc == 0)
            rc = read_process(&after.process);
        if (rc != 0 || (out->has_device && !read_device(dir, &after)))
            return rc != 0 ? rc : bench_fail("the device's counters", -ENODATA);
        out->process[i] = after.process - before.process;
        out->device[i] = out->has_device ? after.device - before.device : 0;
        out->writes[i] = out->has_device ? after.writes - before.writes : 0;
    }
    return rc;
}

static void add(struct stretches *s)
{
    double process = durable_percentile(s->process, STRETCHES, 50) / STRETCH;
    double device = durable_percentile(s->device, STRETCHES, 50) / STRETCH;

    bench_figure_add(&process_bytes, process);
    bench_figure_add(&process_blocks.ratio, process / BLOCK);
    if (!s->has_device)
        return;
    bench_figure_add(&device_bytes, device);
    bench_figure_add(&device_writes, durable_percentile(s->writes, STRETCHES, 50) / STRETCH);
    bench_figure_add(&device_blocks.ratio, device / BLOCK);
}

static int run(const void *opaque)
{
    const struct durable_options *options = opaque;
    struct quire_options how = QUIRE_OPTIONS_INIT;
    struct stretches stretches;
    struct bench_channel bench;
    quire_tx_t *tx = NULL;

    how.durability = QUIRE_DURABLE_EACH;
    int rc = durable_open(options, &how, &bench);
    if (rc != 0)
        return rc;
    rc = quire_tx_open(bench.channel, NULL, &tx);
    if (rc == 0)
        rc = count_stretches(options->dir, tx, &stretches);
    quire_tx_close(tx);
    int back = durable_read_back(&bench, 1, WARM_UP + STRETCH * STRETCHES, SIZE);
    rc = rc != 0 ? rc : back;
    if (rc == 0)
        add(&stretches);
    return rc;
}

static struct bench_figure *const figures[] = {&process_bytes, &device_bytes, &device_writes, NULL};
static struct bench_goal *const goals[] = {&process_blocks, &device_blocks, NULL};
const struct bench_part durable_bytes = {"bytes", run, figures, goals};
