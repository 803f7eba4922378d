/* SPDX-License-Identifier: MIT */
/*
 * quire_figures: measures quire beside the floor of the machine and beside two plain rings, and
 * says which goals are met. Count, order and checksum of every run are verified; when one is
 * wrong no figure is printed.
 */
#include <benches/figures.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_MISSED = 3 };

static const char help[] =
    "usage: quire_figures [option]...\n"
    "Measures quire against the floor of this machine: each case in interleaved runs,\n"
    "medians with minimum and maximum, every message verified.\n"
    "  --runs N         runs over all cases, 5..31 (default 7)\n"
    "  --messages N     messages of one measurement (default 4000000)\n"
    "  --page-size N    bytes of a page (default: the library's)\n"
    "  --max-pages N    pages of a channel (default: the library's)\n"
    "  --wait HOW       block, yield or busy: how threads wait (default block)\n"
    "  --dir PATH       a directory on a disk for the file-backed cases (default: .)\n"
    "  --no-dir         leave the file-backed cases out\n"
    "  --only TEXT      only cases whose key contains TEXT, e.g. one.16 or pair\n"
    "  --quick          few messages, one run: a check of the bench, not a measurement\n"
    "  --gate           exit 3 when a goal is not met\n"
    "  --json           one JSON object instead of the tables\n"
    "  --help           this text\n"
    "Exit: 0 measured, 1 failed or not verified, 2 wrong usage, 3 a goal missed (--gate).\n";

struct settings {
    struct figures_options options;
    const char *parent; /* NULL: no directory cases */
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
    fprintf(stderr, "quire_figures: %s: a number from %llu to %llu is needed\n", text,
            (unsigned long long)least, (unsigned long long)most);
    return -1;
}

static int wait_by_name(const char *name, uint32_t *wait)
{
    static const char *const names[] = {"", "block", "yield", "busy"};

    for (uint32_t i = QUIRE_WAIT_BLOCK; i <= QUIRE_WAIT_BUSY; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *wait = i;
        return 0;
    }
    fprintf(stderr, "quire_figures: --wait %s: block, yield or busy\n", name);
    return -1;
}

static int set_option(struct settings *settings, int option)
{
    uint64_t value = 0;
    int rc = 0;

    switch (option) {
    case 'r':
        rc = number(optarg, 5, BENCH_RUNS_MAX, &value);
        settings->options.runs = (unsigned)value;
        return rc;
    case 'm':
        return number(optarg, 10000, 1000000000, &settings->options.messages);
    case 's':
        return number(optarg, QUIRE_PAGE_SIZE_MIN, QUIRE_PAGE_SIZE_MAX,
                      &settings->options.page_size);
    case 'p':
        rc = number(optarg, 1, 32768, &value);
        settings->options.max_pages = (uint32_t)value;
        return rc;
    case 'w':
        return wait_by_name(optarg, &settings->options.wait);
    case 'd':
        settings->parent = optarg;
        return 0;
    case 'n':
        settings->parent = NULL;
        return 0;
    case 'o':
        settings->options.only = optarg;
        return 0;
    case 'q':
        settings->options.runs = 1;
        settings->options.messages = 20000;
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
        {"page-size", required_argument, NULL, 's'},
        {"max-pages", required_argument, NULL, 'p'},
        {"wait", required_argument, NULL, 'w'},
        {"dir", required_argument, NULL, 'd'},
        {"no-dir", no_argument, NULL, 'n'},
        {"only", required_argument, NULL, 'o'},
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
    fprintf(stderr, "quire_figures: %s: no arguments are taken\n", argv[optind]);
    return -1;
}

static int measure(const struct settings *settings)
{
    int talk = isatty(STDERR_FILENO);
    int rc = 0;

    for (unsigned run = 1; run <= settings->options.runs && rc == 0; run++) {
        if (talk)
            fprintf(stderr, "\rrun %u of %u ", run, settings->options.runs);
        rc = figures_run(&settings->options);
    }
    if (talk)
        fputs("\r\033[K", stderr);
    return rc;
}

static int report(const struct settings *settings, double load)
{
    struct bench_report all = {
        .version = quire_version(),
        .runs = settings->options.runs,
        .cpus = bench_cpus(),
        .load = load,
    };

    figures_derive();
    all.figures = figures_all();
    all.goals = figures_goals();
    if (settings->json)
        bench_print_json(stdout, &all);
    else
        bench_print_table(stdout, &all);
    if (fflush(stdout) != 0)
        return EXIT_WRONG;
    for (const struct bench_goal *const *goal = all.goals; settings->gate && *goal; goal++)
        if ((*goal)->ratio.runs > 0 && !bench_goal_met(*goal))
            return EXIT_MISSED;
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .options = {.runs = 7, .messages = 4000000, .wait = QUIRE_WAIT_BLOCK},
        .parent = ".",
    };
    char dir[400] = "";
    double load = 0;

    if (parse(argc, argv, &settings) != 0) {
        fputs("quire_figures --help lists the options\n", stderr);
        return EXIT_USAGE;
    }
    bench_cpus(); /* before any thread is pinned */
    if (getloadavg(&load, 1) != 1)
        load = 0;
    if (settings.parent) {
        if (bench_dir_make(settings.parent, dir, sizeof(dir)) != 0)
            return EXIT_WRONG;
        settings.options.dir = dir;
    }
    int rc = measure(&settings);
    if (settings.parent)
        bench_dir_remove(dir);
    if (rc != 0) {
        fputs("quire_figures: no figures: a run failed or did not verify\n", stderr);
        return EXIT_WRONG;
    }
    return report(&settings, load);
}
