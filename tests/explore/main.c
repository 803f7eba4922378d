/* SPDX-License-Identifier: MIT */
/*
 * Explores the interleavings of the real library (see sched.h). Exit 0: no error found in the
 * schedules run; 1: an error, printed with the schedule that shows it.
 *
 *   explore                          every scenario, budget times QUIRE_TEST_SCALE percent
 *   explore --scenario turn          one of them
 *   explore --scenario turn --replay 41:1,77:0    that schedule again, step by step
 *   explore --list
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/explore/search.h>
#include <time.h>
#include <unistd.h>

struct budget {
    uint64_t random;
    uint64_t priority;
    uint64_t all2; /* schedules with at most 2 departures; 0: not searched */
    uint64_t all3;
    uint64_t seed;
};

static const struct scenario *current;

static void say_how_to_repeat(const struct sched_result *result)
{
    printf("repeat: --scenario %s --replay ", current->name);
    for (uint32_t i = 0; i < result->turns; i++) {
        printf("%s%u:%u", i ? "," : "", result->turn[i].step, result->turn[i].thread);
    }
    printf("%s\n", result->turns ? "" : "none");
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void report(const char *how, const struct search_stats *stats, double seconds)
{
    printf("  %-10s %9llu schedules, %4llu points each, %5.1f switches, %3.1f full, %s%.1f s\n",
           how, (unsigned long long)stats->schedules,
           (unsigned long long)(stats->schedules ? stats->steps / stats->schedules : 0),
           stats->schedules ? (double)stats->turns / (double)stats->schedules : 0.0,
           stats->schedules ? (double)stats->full / (double)stats->schedules : 0.0,
           stats->complete ? "all, " : "", seconds);
    fflush(stdout);
}

static void explore_all(const char *how, uint32_t bound, uint64_t limit)
{
    struct search_stats stats = {0};
    double start = now_s();
    if (limit) {
        search_all(current, bound, limit, &stats);
        report(how, &stats, now_s() - start);
    }
}

static void explore(const struct scenario *scenario, const struct budget *budget)
{
    struct search_stats stats = {0};
    current = scenario;
    printf("%s: %s\n", scenario->name, scenario->what);
    sched_forget();
    double start = now_s();
    /* Random first: it also learns which words are shared, where the others switch. */
    search_random(scenario, budget->seed, budget->random, &stats);
    report("random", &stats, now_s() - start);
    memset(&stats, 0, sizeof stats);
    start = now_s();
    search_priority(scenario, budget->seed, budget->priority, &stats);
    report("priority", &stats, now_s() - start);
    explore_all("bound 2", 2, budget->all2);
    explore_all("bound 3", 3, budget->all3);
}

static int replay(const struct scenario *scenario, const char *list)
{
    static struct sched_turn turns[SCHED_TRACE];
    struct search_stats stats = {0};
    uint32_t count = 0;
    current = scenario;
    sched_forget();
    for (const char *at = list; count < SCHED_TRACE && *at >= '0' && *at <= '9'; count++) {
        char *end;
        turns[count].step = (uint32_t)strtoul(at, &end, 10);
        turns[count].thread = *end == ':' ? (uint32_t)strtoul(end + 1, &end, 10) : 0;
        at = *end == ',' ? end + 1 : end;
    }
    /* The words that are shared decide where a switch may be: all of them, then. */
    sched_share_all();
    search_replay(scenario, turns, count, &stats);
    sched_notes_print();
    printf("%s: no error in this schedule\n", scenario->name);
    return 0;
}

static const struct scenario *find(const char *name)
{
    for (unsigned i = 0; i < scenarios_count; i++) {
        if (!strcmp(scenarios[i].name, name)) {
            return &scenarios[i];
        }
    }
    fprintf(stderr, "no scenario %s; --list names them\n", name);
    exit(2);
}

static uint64_t scaled(uint64_t n)
{
    const char *text = getenv("QUIRE_TEST_SCALE");
    uint64_t percent = text ? strtoull(text, NULL, 10) : 100;
    return n * (percent ? percent : 1) / 100 + 1;
}

struct arguments {
    const char *scenario;
    const char *replay;
    struct budget budget;
};

static void list_scenarios(void)
{
    for (unsigned i = 0; i < scenarios_count; i++) {
        printf("%-14s %s\n", scenarios[i].name, scenarios[i].what);
    }
    exit(0);
}

static void parse(struct arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--list")) {
            list_scenarios();
        } else if (!strcmp(argv[i], "--scenario")) {
            a->scenario = value;
        } else if (!strcmp(argv[i], "--replay")) {
            a->replay = value;
        } else if (!strcmp(argv[i], "--seed")) {
            a->budget.seed = strtoull(value, NULL, 10);
        } else if (!strcmp(argv[i], "--random")) {
            a->budget.random = strtoull(value, NULL, 10);
        } else if (!strcmp(argv[i], "--priority")) {
            a->budget.priority = strtoull(value, NULL, 10);
        } else if (!strcmp(argv[i], "--bound2")) {
            a->budget.all2 = strtoull(value, NULL, 10);
        } else if (!strcmp(argv[i], "--bound3")) {
            a->budget.all3 = strtoull(value, NULL, 10);
        } else {
            fprintf(stderr, "unknown argument %s\n", argv[i]);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments a = {
        .budget = {scaled(10000), scaled(10000), scaled(40000), scaled(40000), 1}};
    parse(&a, argc, argv);
    alarm(900);
    sched_on_fail = say_how_to_repeat;
    if (a.replay) {
        return replay(find(a.scenario ? a.scenario : ""), a.replay);
    }
    if (a.scenario) {
        explore(find(a.scenario), &a.budget);
        return 0;
    }
    for (unsigned i = 0; i < scenarios_count; i++) {
        explore(&scenarios[i], &a.budget);
    }
    return 0;
}
