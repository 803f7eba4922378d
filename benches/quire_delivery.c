/* SPDX-License-Identifier: MIT */
/*
 * quire_delivery: what acknowledgement costs over receiving, and what many groups cost a send.
 * Every message is verified; when something is wrong no figure is printed.
 */
#include <benches/bench_main.h>
#include <benches/delivery.h>

static const char help[] =
    "Measures acknowledgement against receiving without, and sends on a channel with\n"
    "many groups against one: interleaved runs, medians with minimum and maximum.\n"
    "  --runs N         runs over all parts, 5..31 (default 7)\n"
    "  --messages N     messages of one measurement (default 8000000)\n"
    "  --groups N       how many groups are many (default 1000)\n"
    "  --dir PATH       a directory on a disk (default: .)\n";

static struct delivery_options options = {.messages = 8000000, .groups = 1000};

static const struct bench_part *const parts[] = {&delivery_ack, &delivery_groups, NULL};

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .name = "quire_delivery",
        .help = help,
        .numbers = {{"messages", 100000, 1000000000, 100000, .wide = &options.messages},
                    {"groups", 2, 10000, 50, .narrow = &options.groups}},
        .dir = &options.dir,
        .options = &options,
        .parts = parts,
    };

    return bench_main(argc, argv, &program);
}
