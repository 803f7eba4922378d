/* SPDX-License-Identifier: MIT */
/*
 * quire_delivery: what acknowledgement costs over receiving, and what many groups cost a send.
 * Every message is verified; when something is wrong no figure is printed.
 */
#include <benches/delivery.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_MISSED = 3 };

static const char help[] =
    "usage: quire_delivery [option]...\n"
    "Measures acknowledgement against receiving without, and sends on a channel with\n"
    "many groups against one: interleaved runs, medians with minimum and maximum.\n"
    "  --runs N         runs over all parts, 5..31 (default 7)\n"
    "  --messages N     messages of one measurement (default 8000000)\n"
    "  --groups N       how many groups are many (default 1000)\n"
    "  --dir PATH       a directory on a disk (default: .)\n"
    "  --quick          few messages, one run: a check of the bench, not a measurement\n"
    "  --gate           exit 3 when a goal is not met\n"
    "  --json           one JSON object instead of the tables\n"
    "  --help           this text\n"
    "Exit: 0 measured, 1 failed or not verified, 2 wrong usage, 3 a goal missed (--gate).\n";

static const struct delivery_part *const parts[] = {&delivery_ack, &delivery_groups};
#define PARTS   (sizeof(parts) / sizeof(parts[0]))
#define ALL_MAX 64u

struct settings {
    struct delivery_options options;
    const char *parent;
    int json;
    int gate;
};

static int number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *out >= least && *out <= most)
        return 0;
    fprintf(stderr, "quire_delivery: %s: a number from %llu to %llu is needed\n", text,
            (unsigned long long)least, (unsigned long long)most);
    return -1;
}

static int number_32(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
    uint64_t value;
    int rc = number(text, least, most, &value);

    *out = (uint32_t)value;
    return rc;
}

static int set_option(struct settings *settings, int option)
{
    struct delivery_options *options = &settings->options;

    switch (option) {
    case 'r':
        return number_32(optarg, 5, BENCH_RUNS_MAX, &options->runs);
    case 'm':
        return number(optarg, 100000, 1000000000, &options->messages);
    case 'n':
        return number_32(optarg, 2, 10000, &options->groups);
    case 'd':
        settings->parent = optarg;
        return 0;
    case 'q':
        options->runs = 1;
        options->messages = 100000;
        options->groups = 50;
        return 0;
    case 'g':
        settings->gate = 1;
        return 0;
    case 'j':
        settings->json = 1;
        return 0;
    default:
        return -1;
    }
}

static int parse(int argc, char **argv, struct settings *settings)
{
    static const struct option table[] = {
        {"runs", required_argument, NULL, 'r'},
        {"messages", required_argument, NULL, 'm'},
        {"groups", required_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'd'},
        {"quick", no_argument, NULL, 'q'},
        {"gate", no_argument, NULL, 'g'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        if (set_option(settings, option) != 0)
            return -1;
    }
    if (optind == argc)
        return 0;
    fprintf(stderr, "quire_delivery: %s: no arguments are taken\n", argv[optind]);
    return -1;
}

static int measure(const struct delivery_options *options)
{
    int talk = isatty(STDERR_FILENO);
    int rc = 0;

    for (unsigned run = 1; run <= options->runs && rc == 0; run++) {
        if (talk)
            fprintf(stderr, "\rrun %u of %u ", run, options->runs);
        for (size_t i = 0; i < PARTS && rc == 0; i++)
            rc = parts[i]->run(options);
    }
    if (talk)
        fputs("\r\033[K", stderr);
    return rc;
}

static int report(const struct settings *settings, double load)
{
    static const struct bench_figure *figures[ALL_MAX];
    static const struct bench_goal *goals[ALL_MAX];
    unsigned n = 0, m = 0, missed = 0;
    struct bench_report all = {
        .version = quire_version(),
        .runs = settings->options.runs,
        .cpus = bench_cpus(),
        .load = load,
        .figures = figures,
        .goals = goals,
    };

    for (size_t i = 0; i < PARTS; i++) {
        for (struct bench_figure *const *f = parts[i]->figures; *f && n < ALL_MAX - 1; f++)
            figures[n++] = *f;
        for (struct bench_goal *const *g = parts[i]->goals; *g && m < ALL_MAX - 1; g++) {
            goals[m++] = *g;
            missed += (*g)->ratio.runs > 0 && !bench_goal_met(*g);
        }
    }
    if (settings->json)
        bench_print_json(stdout, &all);
    else
        bench_print_table(stdout, &all);
    if (fflush(stdout) != 0)
        return EXIT_WRONG;
    return settings->gate && missed > 0 ? EXIT_MISSED : 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .options = {.runs = 7, .messages = 8000000, .groups = 1000},
        .parent = ".",
    };
    char dir[400] = "";
    double load = 0;

    if (parse(argc, argv, &settings) != 0) {
        fputs("quire_delivery --help lists the options\n", stderr);
        return EXIT_USAGE;
    }
    bench_cpus(); /* before any thread is pinned */
    if (getloadavg(&load, 1) != 1)
        load = 0;
    if (bench_dir_make(settings.parent, dir, sizeof(dir)) != 0)
        return EXIT_WRONG;
    settings.options.dir = dir;
    int rc = measure(&settings.options);
    bench_dir_remove(dir);
    if (rc != 0) {
        fputs("quire_delivery: no figures: a run failed or did not verify\n", stderr);
        return EXIT_WRONG;
    }
    return report(&settings, load);
}
