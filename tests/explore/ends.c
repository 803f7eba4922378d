/* SPDX-License-Identifier: MIT */
/* Scenarios of the ends of a channel: the last producer or consumer goes, nothing is left. */
#include <tests/explore/actors.h>
#include <tests/explore/durable.h>
#include <tests/explore/scenarios.h>

static void do_send_and_go(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_send_sleeping(a->w, a->index, ACTOR_SIZE);
    }
    world_tx_close(a->w, a->index);
}

static void do_recv_ended(void *argument)
{
    const struct actor *a = argument;
    world_recv_ended(a->w, a->index);
}

/* Goes when it was told. */
static void do_recv_and_go(void *argument)
{
    const struct actor *a = argument;
    world_recv_ended(a->w, a->index);
    world_rx_close(a->w, a->index);
}

static void do_send_ended(void *argument)
{
    const struct actor *a = argument;
    while (world_send_ended(a->w, a->index, ACTOR_SIZE)) {
    }
}

static void begin_ends(struct world *w, uint32_t max_messages)
{
    begin(w, max_messages, 2, QUIRE_FULL_BLOCK);
    w->rx_ends = 1;
}

void setup_ends(struct world *w)
{
    begin_ends(w, 2);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_recv_ended, w, rx, 0, 0);
    act(do_send_and_go, w, 0, 3, 0);
}

void setup_ends_producers(struct world *w)
{
    begin_ends(w, 4);
    world_plan(w, 3);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_recv_ended, w, rx, 0, 0);
    act(do_send_and_go, w, 0, 2, 0);
    act(do_send_and_go, w, 1, 1, 0);
}

void setup_ends_members(struct world *w)
{
    begin_ends(w, 4);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    act(do_recv_ended, w, a, 0, 0);
    act(do_recv_and_go, w, b, 0, 0);
    act(do_send_and_go, w, 0, 3, 0);
}

/* With a run that goes back, or with one that it has received to the end. */
void setup_ends_leave(struct world *w)
{
    begin_ends(w, 4);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    world_send(w, 0, ACTOR_SIZE);
    world_send(w, 0, ACTOR_SIZE);
    act(do_recv_ended, w, a, 0, 0);
    act(do_leave, w, b, 1, 0);
    act(do_send_and_go, w, 0, 2, 0);
}

void setup_ends_bell(struct world *w)
{
    begin_ends(w, 2);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_recv_bell, w, rx, 0, 0);
    act(do_send_and_go, w, 0, 3, 0);
}

/* One sleeps for a page, the other may be on the fast way. */
void setup_ends_space(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    w->tx_ends = 1;
    world_plan(w, 8);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t a = world_subscribe(w, 0, NULL, 1, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 1, NULL, 1, QUIRE_WAIT_BLOCK);
    act(do_send_ended, w, 0, 0, 0);
    act(do_send_ended, w, 1, 0, 0);
    act(do_leave, w, a, 2, 0);
    act(do_leave, w, b, 1, 0);
}

void setup_drain(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 2, 0);
    world_send(w, 0, ACTOR_SIZE);
    world_send(w, 0, ACTOR_SIZE);
    act(do_send, w, 0, 2, 0);
    act(do_recv, w, a, 0, 0);
    act(do_recv, w, b, 0, 0);
    act(do_drain, w, 0, 3, 0);
}

/* The run may go from a line that was not read yet to one that was. It is of two messages: the
 * first is received by the call that took it over, which may have begun before the look. */
void setup_drain_returned(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 3, 0);
    for (uint32_t i = 0; i < 3; i++) {
        world_send(w, 0, ACTOR_SIZE);
    }
    world_recv(w, a, 1);
    act(do_leave, w, a, 0, 0);
    act(do_recv, w, b, 0, 0);
    act(do_drain, w, 0, 2, 0);
}
