/* SPDX-License-Identifier: MIT */
/*
 * quire_figures: measures quire beside the floor of the machine and beside two plain rings, and
 * says which goals are met. Count, order and checksum of every run are verified; when one is
 * wrong no figure is printed.
 */
#include <benches/bench_main.h>
#include <benches/figures.h>
#include <string.h>

static const char help[] =
    "Measures quire against the floor of this machine: each case in interleaved runs,\n"
    "medians with minimum and maximum, every message verified.\n"
    "  --runs N         runs over all cases, 5..31 (default 7)\n"
    "  --messages N     messages of one measurement (default 4000000)\n"
    "  --page-size N    bytes of a page (default: the library's)\n"
    "  --max-pages N    pages of a channel (default: the library's)\n"
    "  --wait HOW       block, yield or busy: how threads wait (default block)\n"
    "  --dir PATH       a directory on a disk for the file-backed cases (default: .)\n"
    "  --no-dir         leave the file-backed cases out\n"
    "  --only TEXT      only cases whose key contains TEXT, e.g. one.16 or pair\n";

static struct figures_options options = {.messages = 4000000, .wait = QUIRE_WAIT_BLOCK};

static const struct bench_part *const parts[] = {
    &figures_floor, &figures_cases, &figures_open, &figures_resident, NULL,
};

static int set_wait(const char *name)
{
    static const char *const names[] = {"", "block", "yield", "busy"};

    for (uint32_t i = QUIRE_WAIT_BLOCK; i <= QUIRE_WAIT_BUSY; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        options.wait = i;
        return 0;
    }
    fprintf(stderr, "quire_figures: --wait %s: block, yield or busy\n", name);
    return -1;
}

static int set_only(const char *text)
{
    options.only = text;
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .name = "quire_figures",
        .help = help,
        .numbers = {{"messages", 10000, 1000000000, 20000, .wide = &options.messages},
                    {"page-size", QUIRE_PAGE_SIZE_MIN, QUIRE_PAGE_SIZE_MAX, 0,
                     .wide = &options.page_size},
                    {"max-pages", 1, 32768, 0, .narrow = &options.max_pages}},
        .texts = {{"wait", set_wait}, {"only", set_only}},
        .no_dir = 1,
        .dir = &options.dir,
        .options = &options,
        .parts = parts,
    };

    return bench_main(argc, argv, &program);
}
