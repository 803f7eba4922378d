/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: one set of cases, unchanged for every backing and wait strategy.
 *
 *   conformance memory|directory block|yield|busy checksum-on|checksum-off [CASE]
 *
 * CASE runs only the cases whose names contain it. With QUIRE_TEST_NO_MEMBARRIER=1 in the
 * environment the kernel refuses membarrier, so that publishers must fence for themselves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/support/refuse.h>
#include <unistd.h>

/* The index of text in names, -1 when it is none of them. */
static int which(const char *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int read_cell(char **arguments)
{
    static const char *const backings[] = {"memory", "directory"};
    static const char *const waits[] = {"block", "yield", "busy"};
    static const char *const checksums[] = {"checksum-off", "checksum-on"};
    int backing = which(arguments[0], backings, 2);
    int wait = which(arguments[1], waits, 3);
    int checksum = which(arguments[2], checksums, 2);

    cell.directory = backing;
    cell.wait = (uint32_t)(QUIRE_WAIT_BLOCK + wait);
    cell.checksum = (uint32_t)(QUIRE_CHECKSUM_OFF + checksum);
    return backing >= 0 && wait >= 0 && checksum >= 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct test_table tables[] = {
        options_table, transfer_table, pages_table,     copy_table,   batch_table,
        reserve_table, order_table,    groups_table,    where_table,  returned_table,
        full_table,    drop_table,     grow_table,      wait_table,   close_table,
        stat_table,    random_table,   directory_table, reopen_table, observe_table,
    };
    size_t count = sizeof(tables) / sizeof(tables[0]);
    const char *refused = getenv("QUIRE_TEST_NO_MEMBARRIER");

    if (argc < 4 || argc > 5 || read_cell(argv + 1) != 0) {
        fprintf(stderr,
                "usage: %s memory|directory block|yield|busy checksum-on|checksum-off"
                " [CASE]\n",
                argv[0]);
        return 1;
    }
    if (refused && refused[0] == '1' &&
        (refuse_call(SYS_membarrier) != 0 || syscall(SYS_membarrier, 0, 0, 0) >= 0)) {
        printf("no system call can be refused here\n");
        return 77;
    }
    return test_run(tables, cell.directory ? count : count - 3, argc == 5 ? argv[4] : NULL);
}
