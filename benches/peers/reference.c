/* SPDX-License-Identifier: MIT */
/* The family of what needs no package: two plain rings, and the machine's own round trips. */
#include <benches/peers/reference.h>
#include <stdlib.h>

#define RINGS PEER_MPMC | PEER_MIXES | PEER_ORDERED

const struct peer peer_all[] = {
    {"vyukov", PEER_ANY, RINGS | PEER_BUSIES | PEER_YIELDS, vyukov_open, free, NULL, NULL,
     vyukov_produce, vyukov_consume, NULL},
    {"mutex", PEER_ANY, RINGS | PEER_BLOCKS | PEER_YIELDS, mutex_open, free, NULL, NULL,
     mutex_produce, mutex_consume, NULL},
    {.name = "line", .size = PEER_ANY, .traits = PEER_FLOOR | PEER_BUSIES, .trips = line_trips},
    {.name = "futex", .size = PEER_ANY, .traits = PEER_FLOOR | PEER_BLOCKS, .trips = futex_trips},
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "reference";
const char *const peer_package = "";

const char *peer_version(void)
{
    return "";
}
