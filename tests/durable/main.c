/* SPDX-License-Identifier: MIT */
/*
 * Durability, and the keeper under faults.
 *
 *   durable uring|threads thread|caller [CASE]
 *
 * CASE runs only the cases whose names contain it. Skipped where io_uring is refused.
 */
#include <pages/engine.h>
#include <stdio.h>
#include <string.h>
#include <tests/durable/rig.h>

static int read_cell(char **arguments)
{
    int uring = strcmp(arguments[0], "uring") == 0;
    int caller = strcmp(arguments[1], "caller") == 0;
    cell.engine = uring ? QUIRE_ENGINE_URING : QUIRE_ENGINE_THREADS;
    cell.keeper = caller ? QUIRE_KEEPER_CALLER : QUIRE_KEEPER_THREAD;
    return (uring || strcmp(arguments[0], "threads") == 0) &&
           (caller || strcmp(arguments[1], "thread") == 0);
}

int main(int argc, char **argv)
{
    const struct test_table tables[] = {record_table};
    if (argc < 3 || argc > 4 || !read_cell(argv + 1)) {
        fprintf(stderr, "usage: %s uring|threads thread|caller [CASE]\n", argv[0]);
        return 1;
    }
    struct qr_engine_report report;
    if (cell.engine == QUIRE_ENGINE_URING && qr_engine_probe(&report) != 0) {
        printf("io_uring is refused here: %s\n", report.reason);
        return 77;
    }
    return test_run(tables, sizeof(tables) / sizeof(tables[0]), argc == 4 ? argv[3] : NULL);
}
