/* SPDX-License-Identifier: MIT */
/* What quire demo prints: threads, rate, latency, proof. */
#include <tools/quire/demo.h>

#include <quire/version.h>
#include <stdio.h>
#include <tools/quire/args.h>
#include <tools/quire/clock.h>
#include <tools/quire/durability.h>
#include <tools/quire/json.h>
#include <tools/quire/number.h>
#include <tools/quire/table.h>

typedef unsigned long long ull;

static const char *const group_names[CLI_CREW_GROUPS] = {"work", "audit"};

static const struct {
    const char *key;
    const char *label;
    double share;
} quantiles[] = {
    {"p50", "p50", 0.5}, {"p90", "p90", 0.9}, {"p99", "p99", 0.99}, {"p99_9", "p99.9", 0.999}};
#define QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

static double elapsed(const struct cli_demo *demo)
{
    return cli_seconds(demo->ended_ns - demo->crew.started_ns);
}

static double busy(const struct cli_demo *demo, const struct cli_demo_thread *thread)
{
    double seconds = cli_seconds(thread->ended_ns - demo->crew.started_ns);
    return thread->ended_ns > demo->crew.started_ns ? seconds : elapsed(demo);
}

static void print_input(const struct cli_demo *demo)
{
    const struct cli_corpus *corpus = &demo->corpus;
    char a[CLI_TEXT], b[CLI_TEXT];
    printf("Input  %s pieces of text (%s) from %s", cli_text_grouped(a, corpus->pieces_count),
           cli_text_bytes(b, (double)corpus->bytes), corpus->first_file);
    if (corpus->texts_count > 1)
        printf("\n       and %zu more files", corpus->texts_count - 1);
    printf("\nRun    %s messages", cli_text_grouped(a, demo->messages));
    printf(" (%s of text), the input %llu times,\n",
           cli_text_bytes(a, (double)demo->expected.bytes), (ull)demo->passes);
    printf("       through %u pages of %s in %s\n\n", demo->options.max_pages,
           cli_text_bytes(a, (double)demo->options.page_size),
           demo->directory != NULL ? demo->directory : "memory");
}

static int print_threads(const struct cli_demo *demo)
{
    static const char *const head[] = {"THREAD", "messages", "text", "messages/s", "text/s"};
    struct cli_table table;
    char text[CLI_TEXT];
    cli_table_init(&table, "lrrrr");
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < demo->threads_count; i++) {
        const struct cli_demo_thread *thread = &demo->threads[i];
        const struct cli_account *account = &thread->account;
        double seconds = busy(demo, thread);
        if (thread->producer)
            cli_table_cell(&table, "producer %u", thread->index + 1);
        else
            cli_table_cell(&table, "consumer %u of %s", thread->index + 1,
                           group_names[thread->group]);
        cli_table_cell(&table, "%s", cli_text_grouped(text, account->count));
        cli_table_cell(&table, "%s", cli_text_bytes(text, (double)account->bytes));
        cli_table_cell(&table, "%s", cli_text_count(text, (double)account->count / seconds));
        cli_table_cell(&table, "%s", cli_text_bytes(text, (double)account->bytes / seconds));
    }
    int error = cli_table_print(&table, stdout, 2);
    char a[CLI_TEXT], b[CLI_TEXT];
    double seconds = elapsed(demo);
    printf("\nRate   %s messages/s, %s/s of text, each received twice, in %.2f s\n",
           cli_text_count(a, (double)demo->messages / seconds),
           cli_text_bytes(b, (double)demo->expected.bytes / seconds), seconds);
    return error;
}

static void merge_latency(const struct cli_demo *demo, enum cli_demo_group group,
                          struct cli_histogram *all)
{
    cli_histogram_reset(all);
    for (size_t i = 0; i < demo->threads_count; i++) {
        const struct cli_demo_thread *thread = &demo->threads[i];
        if (!thread->producer && thread->group == group)
            cli_histogram_merge(all, &thread->latency);
    }
}

static void print_latency(const struct cli_demo *demo)
{
    struct cli_histogram all;
    char text[CLI_TEXT];
    merge_latency(demo, CLI_DEMO_WORK, &all);
    printf("\nLatency from send to receive in group work, with full queues\n ");
    for (size_t i = 0; i < QUANTILES; i++)
        printf(" %s %s,", quantiles[i].label,
               cli_text_ns(text, (double)cli_histogram_quantile(&all, quantiles[i].share)));
    printf(" max %s\n", cli_text_ns(text, (double)all.max));
    cli_histogram_print(&all, stdout);
}

static void print_account(const char *name, const struct cli_account *account, const char *verdict)
{
    char text[CLI_TEXT];
    printf("  %-7s %12s  sum %016llx  xor %016llx%s\n", name,
           cli_text_grouped(text, account->count), (ull)account->sum, (ull)account->xored, verdict);
}

static void print_proof(const struct cli_demo *demo)
{
    printf("\nProof  messages and checksums that each group received, against the input\n");
    print_account("input", &demo->expected, "");
    for (size_t g = 0; g < CLI_CREW_GROUPS; g++)
        print_account(group_names[g], &demo->out[g],
                      cli_account_equal(&demo->out[g], &demo->expected) ? "  ok" : "  DIFFERS");
    printf("  %llu messages out of the order of their producer, %llu malformed\n",
           (ull)demo->unordered, (ull)demo->malformed);
    printf("PROOF: %s\n", demo->verified ? "ok" : "FAILED");
}

int cli_demo_report_text(const struct cli_demo *demo)
{
    print_input(demo);
    int error = print_threads(demo);
    print_latency(demo);
    print_proof(demo);
    return error;
}

static void put_account(struct cli_json *json, const char *name, const struct cli_account *account)
{
    char text[CLI_TEXT];
    cli_json_object(json, name);
    cli_json_u64(json, "messages", account->count);
    cli_json_u64(json, "bytes", account->bytes);
    snprintf(text, sizeof(text), "%016llx", (ull)account->sum);
    cli_json_string(json, "sum", text);
    snprintf(text, sizeof(text), "%016llx", (ull)account->xored);
    cli_json_string(json, "xor", text);
    cli_json_object_end(json);
}

static void put_threads(struct cli_json *json, const struct cli_demo *demo)
{
    cli_json_array(json, "threads");
    for (size_t i = 0; i < demo->threads_count; i++) {
        const struct cli_demo_thread *thread = &demo->threads[i];
        double seconds = busy(demo, thread);
        cli_json_object(json, NULL);
        cli_json_string(json, "role", thread->producer ? "producer" : "consumer");
        cli_json_u64(json, "index", thread->index);
        if (!thread->producer)
            cli_json_string(json, "group", group_names[thread->group]);
        cli_json_u64(json, "messages", thread->account.count);
        cli_json_u64(json, "bytes", thread->account.bytes);
        cli_json_real(json, "messages_per_s", (double)thread->account.count / seconds, 1);
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
}

static void put_latency(struct cli_json *json, const struct cli_demo *demo)
{
    struct cli_histogram all;
    cli_json_object(json, "latency_ns");
    for (int g = 0; g < CLI_CREW_GROUPS; g++) {
        merge_latency(demo, (enum cli_demo_group)g, &all);
        cli_json_object(json, group_names[g]);
        for (size_t i = 0; i < QUANTILES; i++)
            cli_json_u64(json, quantiles[i].key, cli_histogram_quantile(&all, quantiles[i].share));
        cli_json_u64(json, "max", all.max);
        cli_json_object_end(json);
    }
    cli_json_object_end(json);
}

void cli_demo_report_json(const struct cli_demo *demo)
{
    struct cli_json json = {.out = stdout};
    double seconds = elapsed(demo);
    cli_json_object(&json, NULL);
    cli_json_string(&json, "command", "demo");
    cli_json_string(&json, "version", quire_version());
    cli_json_u64(&json, "producers", demo->producers);
    cli_json_u64(&json, "consumers", demo->consumers);
    cli_json_string(&json, "backing", demo->directory != NULL ? "directory" : "memory");
    cli_json_u64(&json, "page_size", demo->options.page_size);
    cli_json_u64(&json, "max_pages", demo->options.max_pages);
    cli_json_string(&json, "durability",
                    cli_args_word_of(cli_words_durability, demo->options.durability));
    cli_json_u64(&json, "files", demo->corpus.texts_count);
    cli_json_u64(&json, "pieces", demo->corpus.pieces_count);
    cli_json_u64(&json, "passes", demo->passes);
    cli_json_u64(&json, "messages", demo->messages);
    cli_json_real(&json, "seconds", seconds, 6);
    cli_json_real(&json, "messages_per_s", (double)demo->messages / seconds, 1);
    cli_json_real(&json, "bytes_per_s", (double)demo->expected.bytes / seconds, 1);
    put_latency(&json, demo);
    put_threads(&json, demo);
    put_account(&json, "expected", &demo->expected);
    for (size_t g = 0; g < CLI_CREW_GROUPS; g++)
        put_account(&json, group_names[g], &demo->out[g]);
    cli_json_u64(&json, "unordered", demo->unordered);
    cli_json_u64(&json, "malformed", demo->malformed);
    cli_json_bool(&json, "verified", demo->verified);
    cli_json_object_end(&json);
    putchar('\n');
}
