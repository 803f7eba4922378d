/* SPDX-License-Identifier: MIT */
#include <benches/bench_main.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_MISSED = 3 };

static const char common_help[] =
    "  --quick          few messages, one run: a check of the bench, not a measurement\n"
    "  --gate           exit 3 when a goal is not met\n"
    "  --json           one JSON object instead of the tables\n"
    "  --help           this text\n"
    "Exit: 0 measured, 1 failed or not verified, 2 wrong usage, 3 a goal missed (--gate).\n";

struct settings {
    const struct bench_program *program;
    uint32_t runs;
    const char *parent; /* NULL: no directory */
    const char *only;   /* NULL: all parts */
    int json;
    int gate;
};

/* What getopt_long returns: one of these letters, or an index above them. */
enum { NUMBER = 256, TEXT = NUMBER + BENCH_NUMBERS };
#define COMMON 8u

struct option_table {
    struct option all[BENCH_NUMBERS + BENCH_TEXTS + COMMON + 1];
    size_t count;
};

static void add(struct option_table *table, const char *name, int argument, int value)
{
    table->all[table->count++] = (struct option){name, argument, NULL, value};
}

static void fill_table(const struct bench_program *program, struct option_table *table)
{
    memset(table, 0, sizeof(*table));
    add(table, "runs", required_argument, 'r');
    for (int i = 0; i < (int)BENCH_NUMBERS && program->numbers[i].name; i++)
        add(table, program->numbers[i].name, required_argument, NUMBER + i);
    for (int i = 0; i < (int)BENCH_TEXTS && program->texts[i].name; i++)
        add(table, program->texts[i].name, required_argument, TEXT + i);
    add(table, "dir", required_argument, 'd');
    if (program->no_dir)
        add(table, "no-dir", no_argument, 'n');
    if (program->only_part)
        add(table, "only", required_argument, 'o');
    add(table, "quick", no_argument, 'q');
    add(table, "gate", no_argument, 'g');
    add(table, "json", no_argument, 'j');
    add(table, "help", no_argument, 'h');
}

static void store(const struct bench_number *number, uint64_t value)
{
    if (number->wide)
        *number->wide = value;
    else
        *number->narrow = (uint32_t)value;
}

static int set_number(const char *program, const struct bench_number *number, const char *text)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && value >= number->least &&
        value <= number->most) {
        store(number, value);
        return 0;
    }
    fprintf(stderr, "%s: %s: a number from %llu to %llu is needed\n", program, text,
            (unsigned long long)number->least, (unsigned long long)number->most);
    return -1;
}

static int set_only(struct settings *settings, const char *key)
{
    for (const struct bench_part *const *part = settings->program->parts; *part; part++)
        if (strcmp(key, (*part)->key) == 0) {
            settings->only = key;
            return 0;
        }
    fprintf(stderr, "%s: --only %s: there is no such part\n", settings->program->name, key);
    return -1;
}

static void set_quick(struct settings *settings)
{
    settings->runs = 1;
    for (size_t i = 0; i < BENCH_NUMBERS; i++)
        if (settings->program->numbers[i].quick != 0)
            store(&settings->program->numbers[i], settings->program->numbers[i].quick);
}

static int set_common(struct settings *settings, int option)
{
    const struct bench_number runs = {
        .least = 5, .most = BENCH_RUNS_MAX, .narrow = &settings->runs};

    switch (option) {
    case 'r':
        return set_number(settings->program->name, &runs, optarg);
    case 'd':
        settings->parent = optarg;
        return 0;
    case 'n':
        settings->parent = NULL;
        return 0;
    case 'o':
        return set_only(settings, optarg);
    case 'q':
        set_quick(settings);
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
    const struct bench_program *program = settings->program;
    struct option_table table;
    int option, rc;

    fill_table(program, &table);
    while ((option = getopt_long(argc, argv, "", table.all, NULL)) != -1) {
        if (option == 'h') {
            printf("usage: %s [option]...\n%s%s", program->name, program->help, common_help);
            exit(0);
        }
        if (option >= TEXT)
            rc = program->texts[option - TEXT].set(optarg);
        else if (option >= NUMBER)
            rc = set_number(program->name, &program->numbers[option - NUMBER], optarg);
        else
            rc = set_common(settings, option);
        if (rc != 0)
            return rc;
    }
    if (optind == argc)
        return 0;
    fprintf(stderr, "%s: %s: no arguments are taken\n", program->name, argv[optind]);
    return -1;
}

static int measure(const struct settings *settings)
{
    const struct bench_program *program = settings->program;
    int talk = isatty(STDERR_FILENO);
    int rc = 0;

    for (unsigned run = 1; run <= settings->runs && rc == 0; run++) {
        if (talk)
            fprintf(stderr, "\rrun %u of %u ", run, settings->runs);
        for (const struct bench_part *const *part = program->parts; *part && rc == 0; part++)
            if (!settings->only || strcmp(settings->only, (*part)->key) == 0)
                rc = (*part)->run(program->options);
    }
    if (talk)
        fputs("\r\033[K", stderr);
    return rc;
}

static int report(const struct settings *settings, double load)
{
    const struct bench_report all = {
        .version = quire_version(),
        .runs = settings->runs,
        .cpus = bench_cpus(),
        .load = load,
        .parts = settings->program->parts,
    };

    if (settings->json)
        bench_print_json(stdout, &all);
    else
        bench_print_table(stdout, &all);
    if (fflush(stdout) != 0)
        return EXIT_WRONG;
    return settings->gate && bench_missed(&all) > 0 ? EXIT_MISSED : 0;
}

int bench_main(int argc, char **argv, const struct bench_program *program)
{
    struct settings settings = {.program = program, .runs = 7, .parent = "."};
    char dir[400] = "";
    double load = 0;

    if (parse(argc, argv, &settings) != 0) {
        fprintf(stderr, "%s --help lists the options\n", program->name);
        return EXIT_USAGE;
    }
    bench_cpus(); /* before any thread is pinned */
    if (getloadavg(&load, 1) != 1)
        load = 0;
    if (settings.parent && bench_dir_make(settings.parent, dir, sizeof(dir)) != 0)
        return EXIT_WRONG;
    *program->dir = settings.parent ? dir : NULL;
    int rc = measure(&settings);
    *program->dir = NULL;
    if (settings.parent)
        bench_dir_remove(dir);
    if (rc != 0) {
        fprintf(stderr, "%s: no figures: a run failed or did not verify\n", program->name);
        return EXIT_WRONG;
    }
    return report(&settings, load);
}
