/* SPDX-License-Identifier: MIT */
/* What /proc says of this process. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <tests/support/process.h>
#include <time.h>

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (!directory) {
        return -1;
    }
    while ((entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

int process_files(void)
{
    int count = count_entries("/proc/self/fd");

    return count < 0 ? count : count - 1; /* without the one that counts */
}

int process_threads(void)
{
    return count_entries("/proc/self/task");
}

int process_is_io_worker(long thread)
{
    char path[64], name[16] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%ld/comm", thread);
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(name, sizeof(name), file)) {
            name[0] = '\0';
        }
        fclose(file);
    }
    return strncmp(name, "iou-", 4) == 0;
}

int process_mappings(const char *part)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[1024];
    int count = 0;

    if (!maps) {
        return -1;
    }
    while (fgets(line, sizeof(line), maps)) {
        count += strstr(line, part) != NULL;
    }
    fclose(maps);
    return count;
}

uint64_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}
