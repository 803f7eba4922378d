/* SPDX-License-Identifier: MIT */
/* Tables for a terminal. */
#define _GNU_SOURCE
#include <tools/quire/table.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP       2
#define WIDTH_MIN 4 /* of a column whose cells are cut */

void cli_table_init(struct cli_table *table, const char *align)
{
    *table = (struct cli_table){.columns = strlen(align), .align = align};
}

void cli_table_cell(struct cli_table *table, const char *format, ...)
{
    if (table->failed)
        return;
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        char **cells = realloc(table->cells, capacity * sizeof(*cells));
        if (cells == NULL) {
            table->failed = 1;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    va_list args;
    va_start(args, format);
    if (vasprintf(&table->cells[table->count], format, args) < 0)
        table->failed = 1;
    else
        table->count++;
    va_end(args);
}

static void measure(const struct cli_table *table, int indent, int *width)
{
    int total = indent;
    size_t widest = 0;
    for (size_t c = 0; c < table->columns; c++) {
        for (size_t i = c; i < table->count; i += table->columns) {
            int length = (int)strlen(table->cells[i]);
            width[c] = length > width[c] ? length : width[c];
        }
        total += width[c] + (c > 0 ? GAP : 0);
        if (table->align[c] == 'l' && (table->align[widest] != 'l' || width[c] > width[widest]))
            widest = c;
    }
    if (total > CLI_TABLE_WIDTH)
        width[widest] -= total - CLI_TABLE_WIDTH;
    if (width[widest] < WIDTH_MIN)
        width[widest] = WIDTH_MIN;
}

/* A cell that is too long keeps its beginning and ends in "..". */
static void print_cell(const char *text, int width, char align, int last, FILE *out)
{
    if ((int)strlen(text) > width)
        fprintf(out, "%.*s..", width - 2, text);
    else if (align == 'r')
        fprintf(out, "%*s", width, text);
    else
        fprintf(out, "%-*s", last ? 0 : width, text);
}

int cli_table_print(struct cli_table *table, FILE *out, int indent)
{
    int width[CLI_TABLE_COLUMNS] = {0};
    if (!table->failed) {
        measure(table, indent, width);
        for (size_t i = 0; i < table->count; i++) {
            size_t c = i % table->columns;
            int last = c + 1 == table->columns;
            if (last && table->cells[i][0] == '\0') {
                fputc('\n', out);
                continue;
            }
            fprintf(out, "%*s", c == 0 ? indent : GAP, "");
            print_cell(table->cells[i], width[c], table->align[c], last, out);
            if (last)
                fputc('\n', out);
        }
    }
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    int failed = table->failed;
    cli_table_init(table, table->align);
    return failed ? -ENOMEM : 0;
}
