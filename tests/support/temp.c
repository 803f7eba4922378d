/* SPDX-License-Identifier: MIT */
/* Temporary directories of tests. */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <tests/support/temp.h>
#include <unistd.h>

static char directory[TEMP_PATH_MAX / 2];

void temp_begin(void)
{
    const char *parent = getenv("TMPDIR");

    snprintf(directory, sizeof(directory), "%s/quire-test-XXXXXX",
             parent && parent[0] ? parent : "/tmp");
    if (!mkdtemp(directory)) {
        perror(directory);
        exit(1);
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    if (remove(path) != 0) {
        perror(path);
    }
    return 0;
}

void temp_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void temp_end(void)
{
    if (directory[0]) {
        temp_remove(directory);
        directory[0] = '\0';
    }
}

const char *temp_directory(void)
{
    return directory;
}

char *temp_path(char *buffer, const char *name)
{
    snprintf(buffer, TEMP_PATH_MAX, "%s/%s", directory, name);
    return buffer;
}
