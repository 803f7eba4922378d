/* SPDX-License-Identifier: MIT */
/*
 * quire demo: real text through a channel, and the proof that what came out is what went in.
 * Each message is a header (when it was sent, who sent it as which message) and a piece of text.
 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include <quire/channel.h>
#include <stddef.h>
#include <stdint.h>
#include <tools/quire/corpus.h>
#include <tools/quire/crew.h>
#include <tools/quire/hash.h>
#include <tools/quire/histogram.h>

#define CLI_DEMO_THREADS_MAX 64u

struct cli_demo_header {
    uint64_t sent_ns;
    uint64_t origin; /* producer << 48 | number of its message, from 0 */
};

static inline uint64_t cli_demo_origin(uint64_t producer, uint64_t number)
{
    return producer << 48 | number;
}

/* What one message adds to an account: its text and where it comes from. */
static inline uint64_t cli_demo_hash(uint64_t origin, uint64_t text_hash)
{
    return cli_hash_mix(text_hash + origin * CLI_HASH_ODD);
}

enum cli_demo_group { CLI_DEMO_WORK = 0, CLI_DEMO_AUDIT = 1 };

/* What a thread did; its own until it is joined. */
struct cli_demo_thread {
    struct cli_demo *demo;
    int producer;               /* 1 producer, 0 consumer */
    uint32_t index;             /* among its kind */
    enum cli_demo_group group;  /* of a consumer */
    struct cli_account account; /* what it sent or received; the text, without headers */
    uint64_t ended_ns;
    uint64_t unordered; /* consumers: messages not in the order of their producer */
    uint64_t malformed; /* shorter than a header, or of a producer that does not exist */
    uint64_t next[CLI_DEMO_THREADS_MAX]; /* per producer, the next number that may come */
    uint64_t last_position;
    struct cli_histogram latency;
};

struct cli_demo {
    /* asked for */
    uint32_t producers;
    uint32_t consumers;
    uint64_t passes; /* 0: by itself */
    enum cli_split split;
    const char *directory; /* NULL: memory */
    int keep;
    int json;
    char **files;
    size_t files_count;
    struct quire_options options;
    /* the run */
    struct cli_corpus corpus;
    uint64_t messages;           /* to be sent */
    struct cli_account expected; /* computed from the input alone, before the run */
    quire_t *channel;
    struct cli_crew crew;
    struct cli_demo_thread *threads; /* producers, consumers of work, the one of audit */
    size_t threads_count;
    uint64_t ended_ns;
    struct cli_account out[CLI_CREW_GROUPS];
    uint64_t unordered;
    uint64_t malformed;
    int verified;
};

/* Messages a producer sends: every producers-th of the input, again and again. */
static inline uint64_t cli_demo_share(const struct cli_demo *demo, uint32_t producer)
{
    return (demo->messages - producer + demo->producers - 1) / demo->producers;
}

/* The account of all messages by plain loops over the input. Returns 0 or -ENOMEM. */
int cli_demo_expect(struct cli_demo *demo);

/* Runs all threads on demo->channel. Returns 0 or a code; demo->verified tells the outcome. */
int cli_demo_run(struct cli_demo *demo);

/* Prints what was done. Returns 0 or -ENOMEM. */
int cli_demo_report_text(const struct cli_demo *demo);
void cli_demo_report_json(const struct cli_demo *demo);

#endif
