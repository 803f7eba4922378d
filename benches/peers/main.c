/* SPDX-License-Identifier: MIT */
/* peer_FAMILY: lists the queues of a family, or measures one of them once. */
#include <benches/peers/peer.h>
#include <benches/peers/trace.h>
#include <benches/peers/workload.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_SKIPPED = 77 };

static const char help[] =
    "usage: %s --list\n"
    "       %s --peer NAME --workload WHAT [option]...\n"
    "Measures one queue once; every message is verified. One line of JSON.\n"
    "  --workload WHAT  one, throughput, fanout, pingpong, loaded or steady\n"
    "  --producers N    threads that send, 1..16 (default 1)\n"
    "  --consumers N    threads that receive, in each group (default 1)\n"
    "  --groups N       fanout: groups that get every message (default 1)\n"
    "  --size N         bytes: a multiple of 16 up to 4096, or mixed: real text\n"
    "                   (default 64)\n"
    "  --batch N        messages of one call, 1..64 (default 1)\n"
    "  --wait HOW       busy, yield or block (default yield)\n"
    "  --pinned         each thread on a processor of its own, while there are some\n"
    "  --seconds S      how long messages are sent, after a warm-up (default 0.3)\n"
    "  --messages N     one: send exactly so many in place of --seconds, after a\n"
    "                   warm-up of as many as the queue holds\n"
    "  --capacity N     messages a queue holds, a power of two (default 65536, or\n"
    "                   fewer of large messages)\n"
    "  --rate N         loaded: messages a second (default 100000)\n"
    "  --dir PATH       where channels and files are made (default .)\n"
    "  --text FILE      real text for --size mixed\n"
    "Exit: 0 measured, 1 failed or not verified, 2 wrong usage, 77 not for this queue.\n";

static const struct {
    const char *name;
    unsigned trait;
} traits[] = {
    {"mpmc", PEER_MPMC},     {"spsc", PEER_SPSC},       {"batch", PEER_BATCHES},
    {"mixed", PEER_MIXES},   {"busy", PEER_BUSIES},     {"yield", PEER_YIELDS},
    {"block", PEER_BLOCKS},  {"ordered", PEER_ORDERED}, {"groups", PEER_GROUPS},
    {"steady", PEER_STEADY}, {"floor", PEER_FLOOR},
};

static void list(void)
{
    for (size_t i = 0; i < peer_all_count; i++) {
        const struct peer *peer = &peer_all[i];
        const char *comma = "";
        if (i > 0 && strcmp(peer->name, peer_all[i - 1].name) == 0)
            continue; /* the same for another size */
        printf("{\"peer\":\"%s\",\"family\":\"%s\",\"package\":\"%s\",\"version\":\"%s\",",
               peer->name, peer_family, peer_package, peer_version());
        printf("\"traits\":[");
        for (size_t t = 0; t < sizeof(traits) / sizeof(traits[0]); t++) {
            if ((peer->traits & traits[t].trait) == 0)
                continue;
            printf("%s\"%s\"", comma, traits[t].name);
            comma = ",";
        }
        printf("]}\n");
    }
}

static int number(const char *text, double least, double most, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    if (errno == 0 && end != text && *end == '\0' && *out >= least && *out <= most)
        return 0;
    fprintf(stderr, "%s: a number from %g to %g is needed\n", text, least, most);
    return -EINVAL;
}

static int whole(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
    double value = 0;
    int rc = number(text, least, most, &value);

    *out = (uint32_t)value;
    if (rc == 0 && value != *out)
        rc = peer_fail(text, -EINVAL);
    return rc;
}

static int size_by_name(const char *text, uint32_t *size)
{
    if (strcmp(text, "mixed") == 0) {
        *size = PEER_MIXED;
        return 0;
    }
    int rc = whole(text, 16, PEER_SIZE_MAX, size);
    return rc == 0 && *size % 16 != 0 ? peer_fail("--size: a multiple of 16", -EINVAL) : rc;
}

static const char *const waits[] = {"busy", "yield", "block"};

static int wait_by_name(const char *text, enum peer_wait *wait)
{
    for (int i = PEER_BUSY; i <= PEER_BLOCK; i++) {
        *wait = (enum peer_wait)i;
        if (strcmp(text, waits[i]) == 0)
            return 0;
    }
    return peer_fail(text, -EINVAL);
}

struct settings {
    struct peer_run run;
    const char *peer;
    const char *text;
};

static int set_option(struct settings *s, int option)
{
    struct peer_run *run = &s->run;

    switch (option) {
    case 'p':
        s->peer = optarg;
        return 0;
    case 'w':
        run->workload = optarg;
        return 0;
    case 'P':
        return whole(optarg, 1, PEER_THREADS_MAX, &run->producers);
    case 'C':
        return whole(optarg, 1, PEER_THREADS_MAX, &run->consumers);
    case 'G':
        return whole(optarg, 1, PEER_GROUPS_MAX, &run->groups);
    case 's':
        return size_by_name(optarg, &run->size);
    case 'b':
        return whole(optarg, 1, PEER_BATCH_MAX, &run->batch);
    case 'W':
        return wait_by_name(optarg, &run->wait);
    case 'i':
        run->pinned = 1;
        return 0;
    case 'S':
        return number(optarg, 0.001, 3600, &run->seconds);
    case 'm':
        return whole(optarg, 1, 1u << 30, &run->messages);
    case 'c':
        return whole(optarg, 2, 1u << 20, &run->capacity);
    case 'r':
        return number(optarg, 1, 1e8, &run->rate);
    case 'd':
        run->dir = optarg;
        return 0;
    case 't':
        s->text = optarg;
        return 0;
    default:
        return -EINVAL;
    }
}

static int parse(int argc, char **argv, struct settings *s)
{
    static const struct option table[] = {
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"peer", required_argument, NULL, 'p'},
        {"workload", required_argument, NULL, 'w'},
        {"producers", required_argument, NULL, 'P'},
        {"consumers", required_argument, NULL, 'C'},
        {"groups", required_argument, NULL, 'G'},
        {"size", required_argument, NULL, 's'},
        {"batch", required_argument, NULL, 'b'},
        {"wait", required_argument, NULL, 'W'},
        {"pinned", no_argument, NULL, 'i'},
        {"seconds", required_argument, NULL, 'S'},
        {"messages", required_argument, NULL, 'm'},
        {"capacity", required_argument, NULL, 'c'},
        {"rate", required_argument, NULL, 'r'},
        {"dir", required_argument, NULL, 'd'},
        {"text", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int option, rc = 0;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (option == 'l')
            list();
        else if (option == 'h')
            printf(help, argv[0], argv[0]);
        else
            rc = set_option(s, option);
        if (option == 'l' || option == 'h')
            exit(0);
        if (rc != 0)
            return rc;
    }
    if (optind != argc || !s->peer || !s->run.workload)
        return -EINVAL;
    if (s->run.messages > 0 && strcmp(s->run.workload, "one") != 0)
        return peer_fail("--messages: of the workload one only", -EINVAL);
    return 0;
}

/* 64 K of small messages; of large ones what takes about as much memory. */
static uint32_t capacity_for(uint32_t size)
{
    uint32_t capacity = 65536;

    while (capacity > 1024 && (uint64_t)capacity * size > 4u << 20)
        capacity /= 2;
    return capacity;
}

/* The entry for that name and size. NULL: there is none. */
static const struct peer *find(const char *name, uint32_t size)
{
    for (size_t i = 0; i < peer_all_count; i++)
        if (strcmp(peer_all[i].name, name) == 0 &&
            (peer_all[i].size == size || peer_all[i].size == PEER_ANY))
            return &peer_all[i];
    return NULL;
}

/* What of the run this queue cannot do. NULL: . */
static const char *refusal(const struct peer_run *run)
{
    static const unsigned wait_traits[] = {PEER_BUSIES, PEER_YIELDS, PEER_BLOCKS};
    unsigned has = run->peer->traits;

    if ((has & PEER_MPMC) == 0 && (run->producers > 1 || run->consumers > 1))
        return "one producer and one consumer only";
    if ((has & PEER_BATCHES) == 0 && run->batch > 1)
        return "no calls for batches";
    if ((has & PEER_MIXES) == 0 && run->size == PEER_MIXED)
        return "one size only";
    if ((has & wait_traits[run->wait]) == 0)
        return "another way of waiting only";
    return NULL;
}

static void print(const struct peer_run *run, const struct workload_result *result)
{
    char size[16] = "mixed";

    if (run->size != PEER_MIXED)
        snprintf(size, sizeof(size), "%u", run->size);
    printf("{\"peer\":\"%s\",\"workload\":\"%s\",\"producers\":%u,\"consumers\":%u,"
           "\"groups\":%u,\"size\":\"%s\",\"batch\":%u,\"wait\":\"%s\",\"pinned\":%s,"
           "\"capacity\":%u,\"messages\":%llu,\"seconds\":%.6f,\"rate\":%.6g,\"verified\":true",
           run->peer->name, run->workload, run->producers, run->consumers, run->groups, size,
           run->batch, waits[run->wait], run->pinned ? "true" : "false", peer_capacity(run),
           (unsigned long long)result->messages, result->seconds, result->rate);
    for (const struct workload_extra *extra = result->extra; extra->key; extra++)
        printf(",\"%s\":%.6g", extra->key, extra->value);
    if (result->series_count > 0) {
        printf(",\"series\":[");
        for (size_t i = 0; i < result->series_count; i++)
            printf("%s%.6g", i > 0 ? "," : "", result->series[i]);
        printf("]");
    }
    printf(",\"resident_kib\":%ld}\n", result->resident_kib);
}

int main(int argc, char **argv)
{
    static struct workload_result result;
    struct settings s = {.run = {.producers = 1,
                                 .consumers = 1,
                                 .groups = 1,
                                 .size = 64,
                                 .batch = 1,
                                 .wait = PEER_YIELD,
                                 .seconds = 0.3,
                                 .rate = 100000,
                                 .dir = "."},
                         .text = PEER_TEXT};

    peer_cpus(); /* before any thread is pinned */
    if (parse(argc, argv, &s) != 0) {
        fprintf(stderr, "%s --help lists the options\n", argv[0]);
        return EXIT_USAGE;
    }
    s.run.peer = find(s.peer, s.run.size);
    if (s.run.capacity == 0)
        s.run.capacity = capacity_for(s.run.size == PEER_MIXED ? TRACE_SIZE_MAX / 4 : s.run.size);
    const char *why = s.run.peer ? refusal(&s.run) : "no such queue, or not of this size";
    if (why) {
        fprintf(stderr, "%s: %s\n", s.peer, why);
        return EXIT_SKIPPED;
    }
    if (s.run.size == PEER_MIXED && trace_load(s.text) != 0)
        return EXIT_WRONG;
    int rc = workload_run(&s.run, &result);
    if (rc == WORKLOAD_SKIPPED)
        return EXIT_SKIPPED;
    if (rc != 0) {
        fprintf(stderr, "%s: no figure: the run failed or did not verify\n", s.peer);
        return EXIT_WRONG;
    }
    print(&s.run, &result);
    return fflush(stdout) == 0 ? 0 : EXIT_WRONG;
}
