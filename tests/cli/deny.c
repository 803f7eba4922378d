/* SPDX-License-Identifier: MIT */
/*
 * Runs a command in which a system call is refused by a seccomp filter, as in a container.
 * usage: deny io_uring|membarrier COMMAND [ARGUMENT...]; exit 77 when the kernel takes no filter
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <tests/support/refuse.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    const int uring = strcmp(argv[1], "io_uring") == 0;
    if (!uring && strcmp(argv[1], "membarrier") != 0)
        return 2;
    if (refuse_call(uring ? SYS_io_uring_setup : SYS_membarrier) != 0)
        return 77;
    execv(argv[2], argv + 2);
    fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
    return 126;
}
