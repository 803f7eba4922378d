/* SPDX-License-Identifier: MIT */
/* Logs of one thread each, compared when all threads have ended. */
#include <stdlib.h>
#include <string.h>
#include <tests/stress/rig_parts.h>
#include <tests/support/harness.h>

static void log_reserve(struct log *log, size_t room)
{
    if (room > log->room) {
        size_t next = log->room * 2 > room ? log->room * 2 : room + 256;
        struct entry *entry = realloc(log->entry, next * sizeof(*entry));
        CHECK(entry != NULL);
        log->entry = entry;
        log->room = next;
    }
}

struct entry *log_add(struct log *log)
{
    log_reserve(log, log->used + 1);
    struct entry *entry = &log->entry[log->used++];
    memset(entry, 0, sizeof(*entry));
    return entry;
}

void log_move(struct log *to, struct log *from)
{
    log_reserve(to, to->used + from->used);
    if (from->used) {
        memcpy(to->entry + to->used, from->entry, from->used * sizeof(*from->entry));
    }
    to->used += from->used;
    log_free(from);
}

static int by_position(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    return a->position < b->position ? -1 : a->position > b->position;
}

void log_sort(struct log *log)
{
    if (log->used) {
        qsort(log->entry, log->used, sizeof(*log->entry), by_position);
    }
}

void log_free(struct log *log)
{
    free(log->entry);
    memset(log, 0, sizeof(*log));
}
