/* SPDX-License-Identifier: MIT */
/*
 * The command line that all programs below benches/peers have, for the one workload that stores on
 * disk have. One JSON line, and only when everything was verified.
 */
#include <benches/peers/durable/durable_peer.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_NOT_APPLICABLE = 77 };

#define SECONDS_MAX 600.0

static const char help[] =
    "usage: %s --list\n"
    "       %s --workload durable [--peer NAME] [option]...\n"
    "Each producer makes one message durable with each call; then the store is closed,\n"
    "opened again and everything read back.\n"
    "  --producers N    threads, 1..16 (default 1)\n"
    "  --size N         bytes of a message, a multiple of 16 up to 4096 (default 128)\n"
    "  --seconds S      how long is timed, 0.05..600 (default 2), after a tenth of it to warm up\n"
    "  --dir PATH       a directory on a disk (default: .)\n"
    "  --pinned         producer i on processor i\n"
    "  --consumers, --groups, --batch: 1; --wait: block; --capacity N has no effect: all is kept\n"
    "Exit: 0 measured, 1 failed or not verified, 2 wrong usage, 77 not for this peer.\n";

struct settings {
    struct durable_run run;
    const char *parent;
    int list;
    int has_workload;
};

static int wrong(const char *option, const char *value)
{
    fprintf(stderr, "%s: --%s %s: not understood; --help lists the options\n",
            program_invocation_short_name, option, value);
    return EXIT_USAGE;
}

static int not_applicable(const char *option, const char *value)
{
    fprintf(stderr, "%s: --%s %s: not for stores on disk\n", program_invocation_short_name, option,
            value);
    return EXIT_NOT_APPLICABLE;
}

static int is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

static int number(const char *option, const char *text, uint32_t least, uint32_t most,
                  uint32_t *out)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value < least || value > most)
        return wrong(option, text);
    *out = (uint32_t)value;
    return 0;
}

static int set_peer(const char *name, struct durable_run *run)
{
    for (const struct durable_peer *const *peer = durable_family.peers; *peer; peer++)
        if (strcmp((*peer)->name, name) == 0) {
            run->peer = *peer;
            return 0;
        }
    return wrong("peer", name);
}

static int set_size(const char *text, struct durable_run *run)
{
    if (strcmp(text, "mixed") == 0)
        return not_applicable("size", text);
    int rc = number("size", text, DURABLE_SIZE_MIN, DURABLE_SIZE_MAX, &run->size);
    return rc == 0 && run->size % 16 != 0 ? wrong("size", text) : rc;
}

static int set_seconds(const char *text, struct durable_run *run)
{
    char *end;

    run->seconds = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end != '\0' || run->seconds < 0.05 ||
        run->seconds > SECONDS_MAX)
        return wrong("seconds", text);
    return 0;
}

static int set_workload(const char *text, struct settings *settings)
{
    static const char *const others[] = {"one",    "throughput", "fanout", "pingpong",
                                         "loaded", "steady",     NULL};

    settings->has_workload = 1;
    if (strcmp(text, "durable") == 0)
        return 0;
    return is_one_of(text, others) ? not_applicable("workload", text) : wrong("workload", text);
}

static int set_wait(const char *text)
{
    static const char *const others[] = {"busy", "yield", NULL};

    if (strcmp(text, "block") == 0)
        return 0;
    return is_one_of(text, others) ? not_applicable("wait", text) : wrong("wait", text);
}

/* Consumers, groups, messages of a call. */
static int must_be_one(const char *option, const char *text)
{
    uint32_t value;
    int rc = number(option, text, 1, 1u << 20, &value);

    return rc == 0 && value != 1 ? not_applicable(option, text) : rc;
}

static int set_option(struct settings *settings, int option)
{
    uint32_t ignored;

    switch (option) {
    case 'P':
        return set_peer(optarg, &settings->run);
    case 'w':
        return set_workload(optarg, settings);
    case 'p':
        return number("producers", optarg, 1, BENCH_THREADS_MAX, &settings->run.producers);
    case 's':
        return set_size(optarg, &settings->run);
    case 'S':
        return set_seconds(optarg, &settings->run);
    case 'd':
        settings->parent = optarg;
        return 0;
    case 'i':
        settings->run.pinned = 1;
        return 0;
    case 'l':
        settings->list = 1;
        return 0;
    case 'c':
        return must_be_one("consumers", optarg);
    case 'g':
        return must_be_one("groups", optarg);
    case 'b':
        return must_be_one("batch", optarg);
    case 'W':
        return set_wait(optarg);
    case 'C':
        return number("capacity", optarg, 1, UINT32_MAX, &ignored);
    case 'r':
        return not_applicable("rate", optarg);
    default:
        return EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, struct settings *settings)
{
    static const struct option table[] = {
        {"peer", required_argument, NULL, 'P'},
        {"workload", required_argument, NULL, 'w'},
        {"producers", required_argument, NULL, 'p'},
        {"size", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 'S'},
        {"dir", required_argument, NULL, 'd'},
        {"pinned", no_argument, NULL, 'i'},
        {"list", no_argument, NULL, 'l'},
        {"consumers", required_argument, NULL, 'c'},
        {"groups", required_argument, NULL, 'g'},
        {"batch", required_argument, NULL, 'b'},
        {"wait", required_argument, NULL, 'W'},
        {"capacity", required_argument, NULL, 'C'},
        {"rate", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, rc;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (option == 'h') {
            printf(help, program_invocation_short_name, program_invocation_short_name);
            exit(0);
        }
        rc = set_option(settings, option);
        if (rc != 0)
            return rc;
    }
    if (optind == argc && (settings->list || settings->has_workload))
        return 0;
    fprintf(stderr, "%s: --list, or --workload durable and options, is all that is taken\n",
            program_invocation_short_name);
    return EXIT_USAGE;
}

static void print_list(void)
{
    for (const struct durable_peer *const *peer = durable_family.peers; *peer; peer++)
        printf("{\"peer\":\"%s\",\"family\":\"%s\",\"package\":\"%s\",\"version\":\"%s\","
               "\"traits\":[\"ordered\",\"durable\"]}\n",
               (*peer)->name, durable_family.name, durable_family.package,
               durable_family.version());
}

/* A capacity of 0: nothing bounds it, all that is sent is kept. */
static void print_outcome(const struct durable_run *run, const struct durable_outcome *out)
{
    printf("{\"peer\":\"%s\",\"workload\":\"durable\",\"producers\":%u,\"consumers\":1,"
           "\"groups\":1,\"size\":\"%u\",\"batch\":1,\"wait\":\"block\",\"pinned\":%s,"
           "\"capacity\":0,\"messages\":%llu,\"seconds\":%.6f,\"rate\":%.2f,\"p50_ns\":%.0f,"
           "\"p99_ns\":%.0f,\"max_ns\":%.0f,\"written\":",
           run->peer->name, run->producers, run->size, run->pinned ? "true" : "false",
           (unsigned long long)out->messages, out->seconds, (double)out->messages / out->seconds,
           out->p50_ns, out->p99_ns, out->max_ns);
    if (out->written < 0)
        fputs("null", stdout);
    else
        printf("%.1f", out->written);
    printf(",\"verified\":true,\"resident_kib\":%llu}\n", (unsigned long long)out->resident_kib);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .run = {.peer = durable_family.peers[0], .producers = 1, .size = 128, .seconds = 2},
        .parent = ".",
    };
    struct durable_outcome outcome;
    char dir[400] = "";
    int rc = parse(argc, argv, &settings);

    if (rc != 0)
        return rc;
    if (settings.list) {
        print_list();
        return fflush(stdout) == 0 ? 0 : EXIT_WRONG;
    }
    bench_cpus(); /* before any thread is pinned */
    if (bench_dir_make(settings.parent, dir, sizeof(dir)) != 0)
        return EXIT_WRONG;
    settings.run.dir = dir;
    rc = durable_run(&settings.run, &outcome);
    bench_dir_remove(dir);
    if (rc != 0) {
        fprintf(stderr, "%s: no figure: the run failed or did not verify\n",
                program_invocation_short_name);
        return EXIT_WRONG;
    }
    print_outcome(&settings.run, &outcome);
    return fflush(stdout) == 0 ? 0 : EXIT_WRONG;
}
