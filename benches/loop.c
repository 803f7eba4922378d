/* SPDX-License-Identifier: MIT */
/*
 * Opens what the mode needs, a channel in memory, and runs it, e.g.
 *   valgrind --tool=callgrind --toggle-collect=loop_send quire_loop send 9600
 * No thread but this one ever runs: the keeper is the caller's, who never has to dispatch in
 * memory. So counts of instructions do not depend on time.
 */
#include <benches/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif
#if defined(__x86_64__)
#define MACHINE "x86-64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "unknown"
#endif
#if defined(__OPTIMIZE__) && defined(NDEBUG)
#define BUILD "release"
#else
#define BUILD "debug"
#endif

#define COUNT_MAX 100000000u

static int usage(void)
{
    fputs("usage: quire_loop MODE|all COUNT\n"
          "       quire_loop --list | --build\n"
          "Sends and receives COUNT messages of 16 bytes, a multiple of 32, in one thread.\n"
          "  --list   prints each mode and the function that does what it is named after\n"
          "  --build  prints compiler, machine and kind of build\n",
          stderr);
    return 2;
}

static void print_modes(void)
{
    for (unsigned i = 0; i < loop_modes_count; i++)
        printf("%s %s\n", loop_modes[i].name, loop_modes[i].function);
}

static const struct loop_mode *find_mode(const char *name)
{
    for (unsigned i = 0; i < loop_modes_count; i++)
        if (strcmp(loop_modes[i].name, name) == 0)
            return &loop_modes[i];
    return NULL;
}

/* Room for all, so that send never waits; where pages turn, a few that are used again. */
static int plan(const struct loop_mode *mode, uint64_t count, struct quire_options *options)
{
    struct quire_plan plan;

    options->keeper = QUIRE_KEEPER_CALLER;
    options->checksum = mode->traits & LOOP_CHECKSUM ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF;
    if (mode->traits & LOOP_TURN) {
        options->page_size = QUIRE_PAGE_SIZE_MIN;
        options->max_messages = 1;
        return 0;
    }
    int rc = quire_plan(options, 0, &plan);
    if (rc == 0)
        options->max_pages = (uint32_t)(count / plan.max_messages) + 4;
    return rc;
}

static int open_all(const struct loop_mode *mode, uint64_t count, struct loop *loop)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_group_options group = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options rx = QUIRE_RX_OPTIONS_INIT;

    group.mode = mode->traits & LOOP_ACK ? QUIRE_GROUP_ACK : QUIRE_GROUP_AUTO;
    rx.group = &group;
    loop->positions = calloc(count, sizeof(*loop->positions));
    int rc = loop->positions ? plan(mode, count, &options) : QUIRE_ENOSPC;
    if (rc == 0)
        rc = quire_open(&loop->channel, NULL, &options);
    if (rc == 0)
        rc = quire_tx_open(loop->channel, NULL, &loop->tx);
    if (rc == 0)
        rc = quire_rx_subscribe(loop->channel, "loop", NULL, &rx, &loop->rx);
    return rc;
}

static void close_all(struct loop *loop)
{
    quire_rx_close(loop->rx);
    quire_tx_close(loop->tx);
    quire_close(loop->channel);
    free(loop->positions);
}

static int run(const struct loop_mode *mode, struct loop *loop, uint64_t count)
{
    uint64_t step = mode->traits & LOOP_TURN ? 1 : count;
    int rc = 0;

    for (uint64_t done = 0; done < count && rc == 0; done += step) {
        if (mode->before)
            rc = mode->before(loop, step);
        if (rc == 0)
            rc = mode->measured(loop, step);
        if (rc == 0 && mode->after)
            rc = mode->after(loop, step);
    }
    return rc;
}

/* Everything arrived, and where each message has a page of its own, so did the pages. */
static int verify(const struct loop_mode *mode, const struct loop *loop, uint64_t count)
{
    if (loop->sent != count || loop->received != count || loop->wrong != 0)
        return QUIRE_CORRUPT;
    uint64_t turns = QUIRE_PAGE_OF(loop->positions[count - 1]);
    if ((mode->traits & LOOP_TURN) && turns != count - 1)
        return QUIRE_CORRUPT;
    return 0;
}

static int run_mode(const struct loop_mode *mode, uint64_t count)
{
    struct loop loop = {0};
    int rc = open_all(mode, count, &loop);

    if (rc == 0)
        rc = run(mode, &loop, count);
    if (rc == 0)
        rc = verify(mode, &loop, count);
    close_all(&loop);
    if (rc != 0)
        fprintf(stderr, "quire_loop: %s: %s\n", mode->name, quire_strerror(rc));
    return rc == 0 ? 0 : 1;
}

static int run_all(uint64_t count)
{
    int status = 0;

    for (unsigned i = 0; i < loop_modes_count; i++)
        status |= run_mode(&loop_modes[i], count);
    return status;
}

int main(int argc, char **argv)
{
    char *end = NULL;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        print_modes();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--build") == 0) {
        puts(COMPILER " " MACHINE " " BUILD);
        return 0;
    }
    uint64_t count = argc == 3 ? strtoull(argv[2], &end, 10) : 0;
    if (count == 0 || count > COUNT_MAX || count % LOOP_BATCH != 0 || *end != '\0')
        return usage();
    if (strcmp(argv[1], "all") == 0)
        return run_all(count);
    const struct loop_mode *mode = find_mode(argv[1]);
    return mode ? run_mode(mode, count) : usage();
}
