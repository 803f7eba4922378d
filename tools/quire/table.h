/* SPDX-License-Identifier: MIT */
/*
 * A table in plain characters, as wide as its cells and never wider than 80 columns: the
 * cells of the widest text column are cut when the whole would not fit.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define CLI_TABLE_COLUMNS 10
#define CLI_TABLE_WIDTH   80

struct cli_table {
    size_t columns;
    const char *align; /* one of l, r for each column */
    char **cells;      /* rows * columns, row by row */
    size_t count;
    size_t capacity;
    int failed; /* memory ran out: printing says so */
};

/* align has one letter for each column and outlives the table. */
void cli_table_init(struct cli_table *table, const char *align);

/* The next cell; rows fill from left to right. */
__attribute__((format(printf, 2, 3))) void cli_table_cell(struct cli_table *table,
                                                          const char *format, ...);

/* Prints every row after the given indent; frees the cells. Returns 0 or -ENOMEM. */
int cli_table_print(struct cli_table *table, FILE *out, int indent);

#endif
