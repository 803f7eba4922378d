/* SPDX-License-Identifier: MIT */
/* Which schedules of a scenario are run. */
#ifndef EXPLORE_SEARCH_H
#define EXPLORE_SEARCH_H

#include <tests/explore/scenarios.h>
#include <tests/explore/sched.h>

struct search_stats {
    uint64_t schedules;
    uint64_t steps;
    uint64_t turns;
    uint64_t full; /* sends that found no page */
    int complete;  /* every schedule within the bound was run */
};

/* Uniformly random switches. Schedule number i is that of seed + i. */
void search_random(const struct scenario *scenario, uint64_t seed, uint64_t schedules,
                   struct search_stats *stats);
/* Random priorities, changed at a few random points: finds bugs of small depth with a known
 * probability. */
void search_priority(const struct scenario *scenario, uint64_t seed, uint64_t schedules,
                     struct search_stats *stats);
/* Every schedule that departs at most bound times from the preferred one; at most limit runs. */
void search_all(const struct scenario *scenario, uint32_t bound, uint64_t limit,
                struct search_stats *stats);
/* The one schedule with these departures. */
void search_replay(const struct scenario *scenario, const struct sched_turn *turns, uint32_t count,
                   struct search_stats *stats);

#endif
