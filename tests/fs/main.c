/* SPDX-License-Identifier: MIT */
/* usage: fs TYPE [FILTER]. TYPE: tmpfs, ext4, xfs or btrfs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/fs/cases.h>
#include <tests/fs/disk.h>

int main(int argc, char **argv)
{
    if (argc < 2 || !disk_choose(argv[1])) {
        fprintf(stderr, "usage: fs tmpfs|ext4|xfs|btrfs [FILTER]\n");
        return 2;
    }
    /* Where mkfs and losetup are; a test may be run by somebody whose path lacks it. */
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    const struct test_table tables[] = {full_cases, copies_cases, blocks_cases};
    return test_run(tables, sizeof tables / sizeof tables[0], argc > 2 ? argv[2] : NULL);
}
