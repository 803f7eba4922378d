/* SPDX-License-Identifier: MIT */
/* Histogram of durations: quantiles and a bar chart. */
#include <tools/quire/histogram.h>

#include <string.h>
#include <tools/quire/number.h>

#define ROWS_MAX  20u
#define BAR_WIDTH 40

_Static_assert(CLI_HISTOGRAM_STEPS == 32, "cli_histogram_bin keeps six bits");

void cli_histogram_reset(struct cli_histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

void cli_histogram_merge(struct cli_histogram *into, const struct cli_histogram *from)
{
    for (uint32_t i = 0; i < CLI_HISTOGRAM_BINS; i++)
        into->bins[i] += from->bins[i];
    into->count += from->count;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
}

/* The largest value of a bin. */
static uint64_t bin_end(uint32_t bin)
{
    if (bin < 2 * CLI_HISTOGRAM_STEPS)
        return bin;
    uint32_t shift = bin / CLI_HISTOGRAM_STEPS - 1;
    uint64_t step = bin % CLI_HISTOGRAM_STEPS + CLI_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

uint64_t cli_histogram_quantile(const struct cli_histogram *h, double share)
{
    if (h->count == 0)
        return 0;
    double exact = share * (double)h->count;
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact || rank == 0; /* rounded up: that many values, at least one */
    uint64_t seen = 0;
    for (uint32_t i = 0; i < CLI_HISTOGRAM_BINS; i++) {
        seen += h->bins[i];
        if (seen >= rank)
            return bin_end(i) < h->max ? bin_end(i) : h->max;
    }
    return h->max;
}

/* The power of two a value lies in: 0 for 0 and 1. */
static uint32_t power_of(uint64_t value)
{
    return value < 2 ? 0 : 63u - (uint32_t)__builtin_clzll(value);
}

static void print_row(uint64_t from, uint64_t to, uint64_t count, uint64_t most, uint64_t all,
                      FILE *out)
{
    char low[CLI_TEXT], high[CLI_TEXT], bar[BAR_WIDTH + 1];
    /* A row that is not empty shows at least one mark. */
    uint64_t marks = count == 0 ? 0 : count * BAR_WIDTH / most;
    marks = count > 0 && marks == 0 ? 1 : marks;
    memset(bar, '#', marks);
    bar[marks] = '\0';
    fprintf(out, "  %7s to %7s  %7.3f %%  %s\n", cli_text_ns(low, (double)from),
            cli_text_ns(high, (double)to), 100.0 * (double)count / (double)all, bar);
}

void cli_histogram_print(const struct cli_histogram *h, FILE *out)
{
    uint64_t rows[ROWS_MAX] = {0};
    if (h->count == 0)
        return;
    uint32_t first = power_of(h->min);
    uint32_t powers = power_of(h->max) - first + 1;
    uint32_t each = (powers + ROWS_MAX - 1) / ROWS_MAX; /* powers of two in one row */
    for (uint32_t i = 0; i < CLI_HISTOGRAM_BINS; i++) {
        if (h->bins[i] > 0)
            rows[(power_of(bin_end(i)) - first) / each] += h->bins[i];
    }
    uint64_t most = 0;
    for (uint32_t r = 0; r < ROWS_MAX; r++)
        most = rows[r] > most ? rows[r] : most;
    for (uint32_t r = 0; r * each < powers; r++) {
        uint32_t low = first + r * each;
        uint32_t high = low + each < 63 ? low + each : 63;
        print_row(low == 0 ? 0 : 1ull << low, 1ull << high, rows[r], most, h->count, out);
    }
}
