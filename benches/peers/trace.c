/* SPDX-License-Identifier: MIT */
#include <benches/peers/trace.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct trace trace;

/* Adds a paragraph; what is too long is cut. Returns how many entries there are. */
static uint32_t add(uint32_t n, const unsigned char *text, size_t size)
{
    size_t most = TRACE_SIZE_MAX - sizeof(uint64_t);

    if (size == 0 || n == TRACE_ENTRIES)
        return n;
    if (size > most)
        size = most;
    memcpy(trace.text + trace.bytes + sizeof(uint64_t), text, size);
    trace.entries[n].offset = trace.bytes;
    trace.entries[n].size = (uint32_t)(sizeof(uint64_t) + size);
    trace.bytes += (trace.entries[n].size + 7) / 8 * 8;
    return n + 1;
}

/* Every empty line parts two messages. */
static uint32_t cut(const unsigned char *text, size_t size)
{
    uint32_t n = 0;
    size_t begin = 0;

    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] != '\n' || text[i + 1] != '\n')
            continue;
        n = add(n, text + begin, i - begin);
        begin = i + 2;
    }
    return add(n, text + begin, size - begin);
}

int trace_load(const char *file)
{
    static unsigned char text[TRACE_BYTES_MAX / 2];
    FILE *in = fopen(file, "r");

    if (!in)
        return peer_fail(file, -errno);
    size_t size = fread(text, 1, sizeof(text), in);
    fclose(in);
    uint32_t n = cut(text, size);
    if (n < PEER_BATCH_MAX) /* no two messages of a batch may be the same bytes */
        return peer_fail("the text has too few paragraphs", -EINVAL);
    /* A short text comes again. */
    for (uint32_t i = n; i < TRACE_ENTRIES; i++)
        trace.entries[i] = trace.entries[i - n];
    return 0;
}
