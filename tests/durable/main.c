/* SPDX-License-Identifier: MIT */
/*
 * Durability, and the keeper under faults.
 *
 *   durable uring|threads thread|caller cases|faults [CASE]
 *
 * faults are the cases that fail every call of a channel's life, cases all others. CASE runs only
 * the cases whose names contain it. Skipped where io_uring is refused.
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
    const struct test_table cases[] = {record_table, poison_table, mode_table,     refusal_table,
                                       keeper_table, ack_table,    ack_kill_table, young_table};
    struct qr_engine_report report;
    int faults = argc > 3 && strcmp(argv[3], "faults") == 0;
    const char *filter = argc == 5 ? argv[4] : NULL;
    if (argc < 4 || argc > 5 || !read_cell(argv + 1) ||
        (!faults && strcmp(argv[3], "cases") != 0)) {
        fprintf(stderr, "usage: %s uring|threads thread|caller cases|faults [CASE]\n", argv[0]);
        return 1;
    }
    if (cell.engine == QUIRE_ENGINE_URING && qr_engine_probe(&report) != 0) {
        printf("io_uring is refused here: %s\n", report.reason);
        return 77;
    }
    return faults ? test_run(&fault_table, 1, filter)
                  : test_run(cases, sizeof(cases) / sizeof(cases[0]), filter);
}
