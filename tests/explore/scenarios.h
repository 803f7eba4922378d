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

/* scenarios_edge.c */
void setup_drop(struct world *w);
void setup_drop2(struct world *w);
void setup_drop_members(struct world *w);
void setup_grow(struct world *w);
void setup_sleep(struct world *w);
void setup_sleep_space(struct world *w);
void setup_sleep_members(struct world *w);
void setup_sleep_senders(struct world *w);
void setup_sleep_groups(struct world *w);
void setup_sleep_hole(struct world *w);
void setup_sleep_leave(struct world *w);
void setup_sleep_reader(struct world *w);
void setup_sleep_drop(struct world *w);
void setup_free(struct world *w);
void setup_free_members(struct world *w);
void setup_read_ways(struct world *w);
void setup_close(struct world *w);
void setup_close_sleep(struct world *w);
void setup_drop_hole(struct world *w);
void setup_drop_late(struct world *w);
void setup_durable(struct world *w);
void setup_durable_turn(struct world *w);
void setup_durable_keeper(struct world *w);
void setup_durable_fails(struct world *w);
void setup_durable_fails_keeper(struct world *w);
void setup_bell(struct world *w);
void setup_bell_members(struct world *w);
void setup_checked(struct world *w);
void setup_yield(struct world *w);
void setup_stat(struct world *w);

/* ends.c */
void setup_ends(struct world *w);
void setup_ends_producers(struct world *w);
void setup_ends_members(struct world *w);
void setup_ends_leave(struct world *w);
void setup_ends_bell(struct world *w);
void setup_ends_space(struct world *w);
void setup_drain(struct world *w);
void setup_drain_returned(struct world *w);
/* scenarios_ack.c */
void setup_ack_close(struct world *w);
void setup_ack_taken(struct world *w);
void setup_ack_turn(struct world *w);
void setup_ack_open(struct world *w);
void setup_ack_rejoin(struct world *w);
void setup_ack_aside(struct world *w);
void setup_ack_range(struct world *w);
void setup_ack_late(struct world *w);
void setup_ack_drop(struct world *w);
void setup_ack_drop_members(struct world *w);
void setup_ack_drop_leave(struct world *w);
void setup_ack_held(struct world *w);
void setup_nack_twice(struct world *w);
void setup_nack_take(struct world *w);
void setup_nack_dead(struct world *w);
void setup_dead_turn(struct world *w);
void setup_dead_twice(struct world *w);
void setup_nack_sleep(struct world *w);
void setup_nack_first(struct world *w);
void setup_nack_leave(struct world *w);
void setup_nack_void(struct world *w);

extern const struct scenario scenarios[];
extern const unsigned scenarios_count;

#endif
