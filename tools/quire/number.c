/* SPDX-License-Identifier: MIT */
/* Strict parsing of numbers, and numbers in units people read. */
#define _GNU_SOURCE
#include <tools/quire/number.h>

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <tools/quire/clock.h>

/* Reads digits of a base up to the first other byte; *end is set to it. */
static int digits(const char *text, unsigned base, uint64_t *value, const char **end)
{
    uint64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p < (char)('0' + (char)base); p++) {
        if (__builtin_mul_overflow(n, base, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return CLI_NUMBER_OVERFLOW;
    }
    if (p == text)
        return CLI_NUMBER_SYNTAX;
    *value = n;
    *end = p;
    return CLI_NUMBER_OK;
}

int cli_number_size(const char *text, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    const char *end;
    uint64_t n;
    int error = digits(text, 10, &n, &end);
    if (error != 0)
        return error;
    if (*end != '\0') {
        const char upper = (char)(*end & ~0x20);
        const char *suffix = strchr(suffixes, upper);
        if (suffix == NULL || upper == '\0' || end[1] != '\0')
            return CLI_NUMBER_SYNTAX;
        if (__builtin_mul_overflow(n, 1ull << (10 * (suffix - suffixes + 1)), &n))
            return CLI_NUMBER_OVERFLOW;
    }
    *value = n;
    return CLI_NUMBER_OK;
}

static int whole(const char *text, unsigned base, uint64_t *value)
{
    const char *end;
    uint64_t n;
    int error = digits(text, base, &n, &end);
    if (error != 0)
        return error;
    if (*end != '\0')
        return CLI_NUMBER_SYNTAX;
    *value = n;
    return CLI_NUMBER_OK;
}

int cli_number_decimal(const char *text, uint64_t *value)
{
    return whole(text, 10, value);
}

int cli_number_octal(const char *text, uint64_t *value)
{
    return whole(text, 8, value);
}

/* An optional ".25" at *text, in nanoseconds; *text moves behind it. */
static int fraction(const char **text, uint64_t *ns)
{
    const char *p = *text;
    uint64_t unit = CLI_SECOND / 10;
    *ns = 0;
    if (*p != '.')
        return CLI_NUMBER_OK;
    for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
        *ns += (uint64_t)(*p - '0') * unit; /* below a nanosecond unit is 0 */
    if (p == *text + 1)
        return CLI_NUMBER_SYNTAX;
    *text = p;
    return CLI_NUMBER_OK;
}

static int seconds_and(uint64_t seconds, uint64_t rest, uint64_t *ns)
{
    uint64_t n;
    if (__builtin_mul_overflow(seconds, CLI_SECOND, &n) || __builtin_add_overflow(n, rest, &n))
        return CLI_NUMBER_OVERFLOW;
    *ns = n;
    return CLI_NUMBER_OK;
}

int cli_number_seconds(const char *text, uint64_t *ns)
{
    if (strcmp(text, "forever") == 0) {
        *ns = UINT64_MAX;
        return CLI_NUMBER_OK;
    }
    const char *end;
    uint64_t n, rest;
    int error = digits(text, 10, &n, &end);
    if (error != 0)
        return error;
    if (fraction(&end, &rest) != 0 || *end != '\0')
        return CLI_NUMBER_SYNTAX;
    return seconds_and(n, rest, ns);
}

/* "YYYY-MM-DDTHH:MM:SS", as seconds since 1970. Sixty seconds are refused: the clock of a channel
 * has no leap seconds. Returns where it ends, or NULL. */
static const char *date_and_time(const char *text, uint64_t *seconds)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    int part[6] = {0};
    size_t n = 0;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        if (shape[i] == 'd' && text[i] >= '0' && text[i] <= '9')
            part[n] = part[n] * 10 + (text[i] - '0');
        else if (shape[i] == 'd' || text[i] != shape[i])
            return NULL;
        else
            n++;
    }
    struct tm tm = {.tm_year = part[0] - 1900,
                    .tm_mon = part[1] - 1,
                    .tm_mday = part[2],
                    .tm_hour = part[3],
                    .tm_min = part[4],
                    .tm_sec = part[5]};
    struct tm same = tm;
    time_t t = timegm(&same);
    /* What does not exist, such as the 30th of February, comes back as a day of another month. */
    if (t < 0 || same.tm_mon != tm.tm_mon || same.tm_hour != tm.tm_hour ||
        same.tm_min != tm.tm_min || same.tm_sec != tm.tm_sec)
        return NULL;
    *seconds = (uint64_t)t;
    return text + sizeof(shape) - 1;
}

int cli_number_time(const char *text, uint64_t *ns)
{
    uint64_t seconds, rest;
    const char *end;
    if (text[0] == '@') {
        int error = digits(text + 1, 10, &seconds, &end);
        if (error != 0)
            return error;
    } else if ((end = date_and_time(text, &seconds)) == NULL) {
        return CLI_NUMBER_SYNTAX;
    }
    if (fraction(&end, &rest) != 0 || strcmp(end, text[0] == '@' ? "" : "Z") != 0)
        return CLI_NUMBER_SYNTAX;
    return seconds_and(seconds, rest, ns);
}

/* Three significant digits with the unit in which the figure is at least 1. */
static char *scaled(char text[CLI_TEXT], double n, double step, const char *const *units,
                    size_t count)
{
    size_t unit = 0;
    while (unit + 1 < count && n >= step * 0.9995) {
        n /= step;
        unit++;
    }
    int decimals = unit == 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
    snprintf(text, CLI_TEXT, "%.*f%s%s", decimals, n, units[unit][0] != '\0' ? " " : "",
             units[unit]);
    return text;
}

char *cli_text_bytes(char text[CLI_TEXT], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    return scaled(text, bytes, 1024, units, sizeof(units) / sizeof(units[0]));
}

char *cli_text_count(char text[CLI_TEXT], double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    return scaled(text, count, 1000, units, sizeof(units) / sizeof(units[0]));
}

char *cli_text_ns(char text[CLI_TEXT], double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    return scaled(text, ns, 1000, units, sizeof(units) / sizeof(units[0]));
}

char *cli_text_age(char text[CLI_TEXT], uint64_t ns)
{
    static const struct {
        uint64_t below; /* seconds */
        uint64_t unit;
        const char *name;
    } steps[] = {
        {120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {UINT64_MAX, 86400, "days"}};
    uint64_t seconds = ns / CLI_SECOND;
    size_t i = 0;
    while (seconds >= steps[i].below)
        i++;
    snprintf(text, CLI_TEXT, "%llu %s", (unsigned long long)(seconds / steps[i].unit),
             steps[i].name);
    return text;
}

char *cli_text_grouped(char text[CLI_TEXT], uint64_t value)
{
    char plain[CLI_TEXT];
    int length = snprintf(plain, sizeof(plain), "%llu", (unsigned long long)value);
    size_t at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = plain[i];
    }
    text[at] = '\0';
    return text;
}
