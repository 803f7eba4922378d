/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: one set of cases, unchanged for every backing and wait strategy.
 *
 *   conformance memory|directory block|yield|busy checksum-on|checksum-off [CASE]
 *
 * CASE runs only the cases whose names contain it. The environment asks for more:
 *   QUIRE_TEST_NO_MEMBARRIER=1     the kernel refuses membarrier: publishers fence for themselves
 *   QUIRE_TEST_NO_URING=1          the kernel refuses io_uring, as in a container
 *   QUIRE_TEST_KEEPER=caller       no thread of the library
 *   QUIRE_TEST_DURABILITY=interval directories are made durable meanwhile
 *   QUIRE_ENGINE=uring|threads     as in every program
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

static int asked(const char *variable, const char *value)
{
    const char *is = getenv(variable);
    return is && strcmp(is, value) == 0;
}

/* 0, or -1 when the kernel does not let itself be told. */
static int read_environment(void)
{
    cell.keeper = asked("QUIRE_TEST_KEEPER", "caller") ? QUIRE_KEEPER_CALLER : QUIRE_KEEPER_THREAD;
    cell.durability =
        asked("QUIRE_TEST_DURABILITY", "interval") ? QUIRE_DURABLE_INTERVAL : QUIRE_DURABLE_NONE;
    cell.no_uring = asked("QUIRE_TEST_NO_URING", "1");
    if (asked("QUIRE_TEST_NO_MEMBARRIER", "1") &&
        (refuse_call(SYS_membarrier) != 0 || syscall(SYS_membarrier, 0, 0, 0) >= 0)) {
        return -1;
    }
    if (cell.no_uring &&
        (refuse_call(SYS_io_uring_setup) != 0 || syscall(SYS_io_uring_setup, 0, NULL) >= 0)) {
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct test_table tables[] = {
        options_table,   transfer_table, pages_table,   copy_table,       batch_table,
        reserve_table,   order_table,    groups_table,  where_table,      returned_table,
        ack_table,       admin_table,    lease_table,   full_table,       drop_table,
        grow_table,      wait_table,     close_table,   stat_table,       random_table,
        engine_table,    loop_table,     select_table,  serve_table,      ends_table,
        ends_tx_table,   drain_table,    bound_table,   bound_wait_table, bound_reopen_table,
        directory_table, reopen_table,   observe_table,
    };
    size_t count = sizeof(tables) / sizeof(tables[0]);
    if (argc < 4 || argc > 5 || read_cell(argv + 1) != 0) {
        fprintf(stderr,
                "usage: %s memory|directory block|yield|busy checksum-on|checksum-off"
                " [CASE]\n",
                argv[0]);
        return 1;
    }
    if (read_environment() != 0) {
        printf("no system call can be refused here\n");
        return 77;
    }
    return test_run(tables, cell.directory ? count : count - 4, argc == 5 ? argv[4] : NULL);
}
