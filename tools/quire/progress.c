/* SPDX-License-Identifier: MIT */
/* Progress bar. */
#include <tools/quire/progress.h>

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <tools/quire/clock.h>
#include <tools/quire/number.h>
#include <tools/quire/talk.h>
#include <unistd.h>

#define PATIENCE_NS CLI_SECOND
#define REDRAW_NS   (100 * CLI_MS)
#define BAR_MAX     30
#define WIDTH_MIN   20
#define WIDTH_MAX   120

void cli_progress_start(struct cli_progress *progress, const char *label, const char *unit,
                        uint64_t total, int enabled)
{
    *progress = (struct cli_progress){.label = label, .unit = unit, .total = total, .width = 80};
    if (!enabled || cli_quiet || !isatty(STDERR_FILENO))
        return;
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN)
        progress->width = size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
    progress->started_ns = cli_now();
    progress->next_ns = progress->started_ns + PATIENCE_NS;
}

static void append(char *line, size_t size, const char *text)
{
    size_t used = strlen(line);
    snprintf(line + used, size - used, "%s", text);
}

static void append_bar(char *line, size_t size, double share)
{
    char bar[BAR_MAX + 16];
    int marks = (int)(share * BAR_MAX);
    memset(bar, '-', BAR_MAX);
    memset(bar, '#', (size_t)marks);
    snprintf(bar + BAR_MAX, sizeof(bar) - BAR_MAX, "] %3d %%", (int)(share * 100));
    append(line, size, "[");
    append(line, size, bar);
}

static void draw(struct cli_progress *progress, uint64_t done, uint64_t now)
{
    char line[WIDTH_MAX + 1], count[CLI_TEXT], text[2 * CLI_TEXT];
    double seconds = cli_seconds(now - progress->started_ns);
    snprintf(line, sizeof(line), "%s ", progress->label);
    if (progress->total > 0) {
        double share = (double)done / (double)progress->total;
        share = share > 1 ? 1 : share;
        append_bar(line, sizeof(line), share);
        if (share > 0) {
            snprintf(text, sizeof(text), ", %.0f s left", seconds / share - seconds);
            append(line, sizeof(line), text);
        }
        append(line, sizeof(line), ", ");
    }
    const int bytes = strcmp(progress->unit, "bytes") == 0;
    double rate = (double)done / seconds;
    if (bytes)
        snprintf(text, sizeof(text), "%s/s", cli_text_bytes(count, rate));
    else
        snprintf(text, sizeof(text), "%s %s/s", cli_text_count(count, rate), progress->unit);
    append(line, sizeof(line), text);
    /* One column short of the width: a terminal may wrap after the last. */
    fprintf(stderr, "\r%-*.*s", progress->width - 1, progress->width - 1, line);
    fflush(stderr);
    progress->shown = 1;
}

void cli_progress_update(struct cli_progress *progress, uint64_t done)
{
    if (progress->started_ns == 0)
        return;
    uint64_t now = cli_now();
    if (now < progress->next_ns)
        return;
    progress->next_ns = now + REDRAW_NS;
    draw(progress, done, now);
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r%*s\r", progress->width - 1, "");
    *progress = (struct cli_progress){0};
}
