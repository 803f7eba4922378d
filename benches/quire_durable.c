/* SPDX-License-Identifier: MIT */
/*
 * quire_durable: what durability costs beside the floor of the device, and what a send takes when
 * pages turn. Every message is verified, and what was durable is read back by another open; when
 * something is wrong no figure is printed.
 */
#include <benches/bench_main.h>
#include <benches/durable.h>

static const char help[] =
    "Measures durable messages against the floor of this device, and single sends\n"
    "across page turns: interleaved runs, medians with minimum and maximum.\n"
    "  --runs N         runs over all parts, 5..31 (default 7)\n"
    "  --commits N      single durable messages of one measurement (default 1000)\n"
    "  --messages N     messages of one measured rate (default 4000000)\n"
    "  --paced-ms N     how long sends are paced by the clock (default 1000)\n"
    "  --dir PATH       a directory on a disk (default: .)\n"
    "  --only PART      one part: each, flight, bytes, interval or paced\n";

static struct durable_options options = {.commits = 1000, .stream = 4000000, .paced_ms = 1000};

static const struct bench_part *const parts[] = {
    &durable_each, &durable_flight, &durable_bytes, &durable_interval, &durable_paced, NULL,
};

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .name = "quire_durable",
        .help = help,
        .numbers = {{"commits", 100, 10000, 100, .narrow = &options.commits},
                    {"messages", 100000, 1000000000, 100000, .wide = &options.stream},
                    {"paced-ms", 100, 60000, 50, .narrow = &options.paced_ms}},
        .only_part = 1,
        .dir = &options.dir,
        .options = &options,
        .parts = parts,
    };

    return bench_main(argc, argv, &program);
}
