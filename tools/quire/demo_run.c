/* SPDX-License-Identifier: MIT */
/* The threads of quire demo. */
#include <tools/quire/demo.h>

#include <errno.h>
#include <quire/rx.h>
#include <quire/tx.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/clock.h>
#include <tools/quire/signals.h>

#define BATCH      64
#define STOP_EVERY (1u << 20) /* messages between two looks at signals */

static const char *const group_names[CLI_CREW_GROUPS] = {"work", "audit"};

int cli_demo_expect(struct cli_demo *demo)
{
    const struct cli_corpus *corpus = &demo->corpus;
    uint64_t *hashes = malloc(corpus->pieces_count * sizeof(*hashes));
    if (hashes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < corpus->pieces_count; i++)
        hashes[i] = cli_hash_bytes(corpus->pieces[i].text, corpus->pieces[i].size);
    demo->expected = (struct cli_account){0};
    for (uint64_t m = 0; m < demo->messages; m++) {
        if (m % STOP_EVERY == 0 && cli_signals_stop() != 0)
            break; /* the run will not come to be compared */
        uint64_t origin = cli_demo_origin(m % demo->producers, m / demo->producers);
        size_t piece = m % corpus->pieces_count;
        cli_account_add(&demo->expected, corpus->pieces[piece].size,
                        cli_demo_hash(origin, hashes[piece]));
    }
    free(hashes);
    return 0;
}

/* Sends message number of this producer: header and text go straight into the page. */
static int send_piece(quire_tx_t *tx, uint64_t origin, const struct cli_piece *piece)
{
    void *data;
    struct cli_demo_header header = {.origin = origin};
    size_t size = sizeof(header) + piece->size;
    int error = quire_tx_reserve(tx, size, &data, QUIRE_FOREVER);
    if (error != 0)
        return error;
    header.sent_ns = cli_now();
    memcpy(data, &header, sizeof(header));
    memcpy((char *)data + sizeof(header), piece->text, piece->size);
    return quire_tx_commit(tx, size);
}

static int produce_all(struct cli_demo_thread *thread, quire_tx_t *tx)
{
    const struct cli_demo *demo = thread->demo;
    const struct cli_corpus *corpus = &demo->corpus;
    uint64_t share = cli_demo_share(demo, thread->index);
    for (uint64_t n = 0; n < share; n++) {
        uint64_t origin = cli_demo_origin(thread->index, n);
        size_t at = (n * demo->producers + thread->index) % corpus->pieces_count;
        int error = send_piece(tx, origin, &corpus->pieces[at]);
        if (error != 0)
            return error;
        thread->account.count++;
        thread->account.bytes += corpus->pieces[at].size;
    }
    return 0;
}

static void *produce(void *argument)
{
    struct cli_demo_thread *thread = argument;
    struct cli_crew *crew = &thread->demo->crew;
    quire_tx_t *tx = NULL;
    int error = quire_tx_open(thread->demo->channel, NULL, &tx);
    if (error != 0)
        cli_crew_fail(crew, "producer", error);
    if (cli_crew_gate(crew)) {
        error = produce_all(thread, tx);
        if (error != 0)
            cli_crew_fail(crew, "producer", error);
    }
    thread->ended_ns = cli_now();
    quire_tx_close(tx);
    return NULL;
}

/*
 * Accounts for one message. In audit, whose one consumer sees everything, each producer's messages
 * must come without a gap; in work they may skip those that went to others but never go back.
 */
static void take(struct cli_demo_thread *thread, const struct quire_msg *msg, uint64_t now)
{
    struct cli_demo_header header;
    if (msg->size < sizeof(header)) {
        thread->malformed++;
        return;
    }
    memcpy(&header, msg->data, sizeof(header));
    const char *text = (const char *)msg->data + sizeof(header);
    size_t size = msg->size - sizeof(header);
    cli_account_add(&thread->account, size,
                    cli_demo_hash(header.origin, cli_hash_bytes(text, size)));
    cli_histogram_add(&thread->latency, now > header.sent_ns ? now - header.sent_ns : 0);

    uint64_t producer = header.origin >> 48, number = header.origin & 0xffffffffffffull;
    if (producer >= thread->demo->producers) {
        thread->malformed++;
        return;
    }
    uint64_t *next = &thread->next[producer];
    int behind = number < *next || (thread->group == CLI_DEMO_AUDIT && number != *next);
    int returned = (msg->flags & QUIRE_MSG_RETURNED) != 0;
    thread->unordered += (uint64_t)(behind && !returned);
    if (!returned) {
        *next = number + 1;
        thread->last_position = msg->position;
    }
}

static int consume_all(struct cli_demo_thread *thread, quire_rx_t *rx)
{
    struct cli_crew *crew = &thread->demo->crew;
    struct quire_msg msgs[BATCH];
    uint64_t unreported = 0, deadline = 0;
    for (;;) {
        long got = quire_rx_recv_batch(rx, msgs, BATCH, deadline);
        if (got > 0) {
            uint64_t now = cli_now();
            for (long i = 0; i < got; i++)
                take(thread, &msgs[i], now);
            thread->ended_ns = now;
            unreported += (uint64_t)got;
            if (unreported < CLI_CREW_PORTION)
                continue;
        } else if (got == QUIRE_PAGE_END) {
            quire_rx_next_page(rx);
            continue;
        } else if (got == QUIRE_TIMEDOUT || got == QUIRE_EAGAIN) {
            /* Waiting consumers hold no page, so that it can be used again. */
            quire_rx_release(rx);
            deadline = cli_now() + CLI_CREW_TICK_NS;
        } else {
            return (int)got;
        }
        if (cli_crew_report(crew, thread->group, unreported))
            return 0;
        unreported = 0;
    }
}

static void *consume(void *argument)
{
    struct cli_demo_thread *thread = argument;
    struct cli_crew *crew = &thread->demo->crew;
    const char *group = group_names[thread->group];
    const struct quire_where oldest = {.kind = QUIRE_OLDEST};
    quire_rx_t *rx = NULL;
    int error = quire_rx_subscribe(thread->demo->channel, group, &oldest, NULL, &rx);
    if (error != 0)
        cli_crew_fail(crew, group, error);
    if (cli_crew_gate(crew)) {
        error = consume_all(thread, rx);
        if (error != 0)
            cli_crew_fail(crew, group, error);
    }
    quire_rx_close(rx);
    return NULL;
}

static void set_up(struct cli_demo *demo)
{
    for (size_t i = 0; i < demo->threads_count; i++) {
        struct cli_demo_thread *thread = &demo->threads[i];
        size_t consumer = i - demo->producers; /* wraps for producers, unused there */
        thread->demo = demo;
        thread->producer = i < demo->producers;
        thread->index = (uint32_t)(thread->producer ? i : consumer % demo->consumers);
        thread->group = consumer == demo->consumers ? CLI_DEMO_AUDIT : CLI_DEMO_WORK;
        cli_histogram_reset(&thread->latency);
    }
}

static void sum_up(struct cli_demo *demo)
{
    demo->ended_ns = demo->crew.started_ns;
    for (size_t i = 0; i < demo->threads_count; i++) {
        const struct cli_demo_thread *thread = &demo->threads[i];
        if (thread->ended_ns > demo->ended_ns)
            demo->ended_ns = thread->ended_ns;
        if (thread->producer)
            continue;
        cli_account_merge(&demo->out[thread->group], &thread->account);
        demo->unordered += thread->unordered;
        demo->malformed += thread->malformed;
    }
    demo->verified = demo->unordered == 0 && demo->malformed == 0;
    for (size_t g = 0; g < CLI_CREW_GROUPS; g++)
        demo->verified &= cli_account_equal(&demo->out[g], &demo->expected);
}

/* Starts every thread, waits for the end of the work and joins them. */
static int run_threads(struct cli_demo *demo, pthread_t *ids)
{
    struct cli_crew *crew = &demo->crew;
    struct cli_progress progress;
    size_t started = 0;
    for (; started < demo->threads_count; started++) {
        struct cli_demo_thread *thread = &demo->threads[started];
        int error =
            cli_crew_thread(crew, &ids[started], thread->producer ? produce : consume, thread);
        if (error != 0) {
            cli_crew_fail(crew, "thread", error);
            break;
        }
    }
    cli_crew_start(crew);
    cli_progress_start(&progress, "demo", "messages", demo->messages, 1);
    int code = cli_crew_watch(crew, &progress);
    cli_progress_end(&progress);
    if (code != 0) {
        /* Frees threads that wait in the channel; their handles stay valid until they close. */
        int ignored = quire_close(demo->channel);
        (void)ignored;
        demo->channel = NULL;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    return code;
}

int cli_demo_run(struct cli_demo *demo)
{
    const uint64_t want[CLI_CREW_GROUPS] = {demo->messages, demo->messages};
    demo->threads_count = demo->producers + demo->consumers + 1;
    demo->threads = calloc(demo->threads_count, sizeof(*demo->threads));
    pthread_t *ids = calloc(demo->threads_count, sizeof(*ids));
    int error = demo->threads == NULL || ids == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = cli_crew_init(&demo->crew, want, CLI_CREW_GROUPS);
    if (error == 0) {
        set_up(demo);
        error = run_threads(demo, ids);
        cli_crew_destroy(&demo->crew);
        sum_up(demo);
    }
    free(ids);
    return error;
}
