/* SPDX-License-Identifier: MIT */
/* Strict parsing of numbers, and numbers in units people read. */
#include <tools/quire/number.h>

#include <stdio.h>
#include <string.h>
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

int cli_number_seconds(const char *text, uint64_t *ns)
{
    if (strcmp(text, "forever") == 0) {
        *ns = UINT64_MAX;
        return CLI_NUMBER_OK;
    }
    const char *end;
    uint64_t n;
    int error = digits(text, 10, &n, &end);
    if (error != 0)
        return error;
    if (__builtin_mul_overflow(n, CLI_SECOND, &n))
        return CLI_NUMBER_OVERFLOW;
    if (*end == '.') {
        uint64_t unit = CLI_SECOND / 10;
        const char *p = end + 1;
        for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
            n += (uint64_t)(*p - '0') * unit; /* below a nanosecond unit is 0 */
        if (p == end + 1)
            return CLI_NUMBER_SYNTAX;
        end = p;
    }
    if (*end != '\0')
        return CLI_NUMBER_SYNTAX;
    *ns = n;
    return CLI_NUMBER_OK;
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
