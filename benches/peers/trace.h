/* SPDX-License-Identifier: MIT */
/* Real text, cut at its empty lines: the messages of the mixed runs, in their real sizes. */
#ifndef BENCH_PEER_TRACE_H
#define BENCH_PEER_TRACE_H

#include <benches/peers/peer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRACE_ENTRIES   256u /* a power of two: finding one costs nothing */
#define TRACE_SIZE_MAX  2048u
#define TRACE_BYTES_MAX (TRACE_ENTRIES * TRACE_SIZE_MAX)

/* A message: 8 bytes for its id, then the text. offset is a multiple of 8. */
struct trace_entry {
    uint32_t offset;
    uint32_t size;
};

struct trace {
    uint32_t bytes; /* of text that is used */
    struct trace_entry entries[TRACE_ENTRIES];
    unsigned char text[TRACE_BYTES_MAX];
};
extern struct trace trace;

/* Reads the file; must be called once, before any thread. 0 or a negative code. */
int trace_load(const char *file);

PEER_INLINE const struct trace_entry *trace_entry(uint64_t seq)
{
    return &trace.entries[seq % TRACE_ENTRIES];
}

PEER_INLINE const unsigned char *trace_text(void)
{
    return trace.text;
}

#ifdef __cplusplus
}
#endif
#endif
