/* SPDX-License-Identifier: MIT */
/* What coroutines do: each is run with a struct actor, which act() fills. */
#ifndef EXPLORE_ACTORS_H
#define EXPLORE_ACTORS_H

#include <tests/explore/world.h>

#define ACTOR_SIZE 24u /* bytes of a message, where nothing else is said */

struct actor {
    struct world *w;
    uint32_t index; /* tx, rx or group */
    uint32_t count;
    uint32_t argument;
};

/* Opens the world of the next run, which has no actors yet. */
void begin(struct world *w, uint32_t max_messages, uint32_t max_pages, uint32_t policy);
/* Spawns a coroutine. */
void act(void (*entry)(void *), struct world *w, uint32_t index, uint32_t count, uint32_t argument);

/* Producers: index is the tx, count the messages. */
void do_send(void *argument);
void do_try_send(void *argument);
void do_send_reopen(void *argument);
void do_send_sleeping(void *argument);
void do_batch(void *argument);
void do_reserve(void *argument);
void do_must_send(void *argument);
/* Consumers: index is the rx. */
void do_recv(void *argument);
void do_recv_batch(void *argument);
void do_recv_copy(void *argument);
void do_recv_at_once(void *argument);
void do_recv_release(void *argument);
void do_recv_sleeping(void *argument);
void do_leave_and_join(void *argument);
void do_leave(void *argument);
/* Others. */
void do_close(void *argument);
void do_late(void *argument);
void do_close_when_done(void *argument);
void do_stat(void *argument);
void do_drain(void *argument);

#endif
