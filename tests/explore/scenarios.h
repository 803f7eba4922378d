/* SPDX-License-Identifier: MIT */
/* What is explored: small channels and two to four coroutines that use them. */
#ifndef EXPLORE_SCENARIOS_H
#define EXPLORE_SCENARIOS_H

#include <tests/explore/world.h>

struct scenario {
    const char *name;
    const char *what;
    /* Opens the world, its first handles, and spawns the coroutines. */
    void (*setup)(struct world *w);
};

extern const struct scenario scenarios[];
extern const unsigned scenarios_count;

#endif
