/* SPDX-License-Identifier: MIT */
/* Tables for people (80 columns) and one JSON object for programs. */
#include <benches/bench_report.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct bench_spread bench_spread_of(const struct bench_figure *figure)
{
    double sorted[BENCH_RUNS_MAX];
    unsigned n = figure->runs;

    if (n == 0)
        return (struct bench_spread){0, 0, 0};
    memcpy(sorted, figure->sample, n * sizeof(sorted[0]));
    qsort(sorted, n, sizeof(sorted[0]), compare);
    double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    return (struct bench_spread){median, sorted[0], sorted[n - 1]};
}

static int goal_met(const struct bench_goal *goal)
{
    struct bench_spread spread = bench_spread_of(&goal->ratio);

    if (goal->bound == BENCH_NEVER_ABOVE)
        return spread.max <= goal->limit;
    return goal->bound == BENCH_AT_MOST ? spread.median <= goal->limit
                                        : spread.median >= goal->limit;
}

unsigned bench_missed(const struct bench_report *report)
{
    unsigned missed = 0;

    for (const struct bench_part *const *part = report->parts; *part; part++)
        for (struct bench_goal *const *goal = (*part)->goals; *goal; goal++)
            missed += (*goal)->ratio.runs > 0 && !goal_met(*goal);
    return missed;
}

void bench_figure_add(struct bench_figure *figure, double sample)
{
    if (figure->runs < BENCH_RUNS_MAX)
        figure->sample[figure->runs++] = sample;
}

static const char *const bound_words[] = {"at most", "at least", "never above"};
static const char *const bound_keys[] = {"at_most", "at_least", "never_above"};

static void print_row(FILE *out, const struct bench_figure *figure)
{
    struct bench_spread spread = bench_spread_of(figure);
    char range[32];

    snprintf(range, sizeof(range), "%.4g..%.4g", spread.min, spread.max);
    fprintf(out, "%-38s %8.4g %16s %-7s", figure->label, spread.median, range, figure->unit);
}

static void print_figures(FILE *out, const struct bench_part *part)
{
    for (struct bench_figure *const *figure = part->figures; *figure; figure++) {
        if ((*figure)->runs == 0)
            continue;
        print_row(out, *figure);
        fputc('\n', out);
    }
}

static void print_goals(FILE *out, const struct bench_part *part)
{
    for (struct bench_goal *const *each = part->goals; *each; each++) {
        const struct bench_goal *goal = *each;
        if (goal->ratio.runs == 0)
            continue;
        print_row(out, &goal->ratio);
        fprintf(out, "\n%-38s %s %g: %s\n", "", bound_words[goal->bound], goal->limit,
                goal_met(goal) ? "met" : "NOT MET");
    }
}

void bench_print_table(FILE *out, const struct bench_report *report)
{
    fprintf(out, "quire %s: %u runs, %u processors, load %.1f before; median and min..max\n\n",
            report->version, report->runs, report->cpus, report->load);
    fprintf(out, "%-38s %8s %16s unit\n", "measured", "median", "min..max");
    for (const struct bench_part *const *part = report->parts; *part; part++)
        print_figures(out, *part);
    fprintf(out, "\n%-38s %8s %16s unit\n", "against the goals (ratios run by run)", "median",
            "min..max");
    for (const struct bench_part *const *part = report->parts; *part; part++)
        print_goals(out, *part);
}

/* Keys and units hold nothing that JSON would have to escape. */
static void json_figure(FILE *out, const struct bench_figure *figure)
{
    struct bench_spread spread = bench_spread_of(figure);

    fprintf(out, "{\"key\":\"%s\",\"unit\":\"%s\",\"median\":%.6g,\"min\":%.6g,\"max\":%.6g",
            figure->key, figure->unit, spread.median, spread.min, spread.max);
    fputs(",\"samples\":[", out);
    for (unsigned i = 0; i < figure->runs; i++)
        fprintf(out, "%s%.6g", i > 0 ? "," : "", figure->sample[i]);
    fputc(']', out);
}

static void json_figures(FILE *out, const struct bench_part *part, const char **comma)
{
    for (struct bench_figure *const *figure = part->figures; *figure; figure++) {
        if ((*figure)->runs == 0)
            continue;
        fputs(*comma, out);
        json_figure(out, *figure);
        fputc('}', out);
        *comma = ",";
    }
}

static void json_goals(FILE *out, const struct bench_part *part, const char **comma)
{
    for (struct bench_goal *const *each = part->goals; *each; each++) {
        const struct bench_goal *goal = *each;
        if (goal->ratio.runs == 0)
            continue;
        fputs(*comma, out);
        json_figure(out, &goal->ratio);
        fprintf(out, ",\"%s\":%g,\"met\":%s}", bound_keys[goal->bound], goal->limit,
                goal_met(goal) ? "true" : "false");
        *comma = ",";
    }
}

void bench_print_json(FILE *out, const struct bench_report *report)
{
    const char *comma = "";

    fprintf(out, "{\"version\":\"%s\",\"runs\":%u,\"cpus\":%u,\"load\":%.2f,\"verified\":true",
            report->version, report->runs, report->cpus, report->load);
    fputs(",\"figures\":[", out);
    for (const struct bench_part *const *part = report->parts; *part; part++)
        json_figures(out, *part, &comma);
    fputs("],\"goals\":[", out);
    comma = "";
    for (const struct bench_part *const *part = report->parts; *part; part++)
        json_goals(out, *part, &comma);
    fputs("]}\n", out);
}
