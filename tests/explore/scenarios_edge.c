/* SPDX-License-Identifier: MIT */
/* Scenarios of full channels, of sleepers, of closing and of standing still. */
#include <tests/explore/actors.h>
#include <tests/explore/durable.h>
#include <tests/explore/scenarios.h>
#include <tests/explore/sched.h>

void setup_drop(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 5, 0);
    act(do_recv, w, rx, 0, 0);
}

void setup_drop2(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 7);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t a = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t b = world_subscribe(w, 1, NULL, 1, 0);
    act(do_send, w, 0, 4, 0);
    act(do_send, w, 1, 3, 0);
    act(do_recv, w, a, 0, 0);
    act(do_recv_release, w, b, 0, 0);
}

void setup_drop_members(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 7);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 2, 0);
    act(do_send, w, 0, 7, 0);
    act(do_recv, w, a, 0, 0);
    act(do_leave_and_join, w, b, 1, 0);
}

void setup_grow(struct world *w)
{
    begin(w, 1, 1, QUIRE_FULL_GROW);
    world_plan(w, 6);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 3, 0);
    act(do_send, w, 1, 3, 0);
    act(do_recv, w, rx, 0, 0);
}

/* I7: everybody sleeps in the library. */
void setup_sleep(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_recv_sleeping, w, rx, 0, 0);
    act(do_send_sleeping, w, 0, 3, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

void setup_sleep_space(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_send_sleeping, w, 0, 3, 0);
    act(do_send_sleeping, w, 1, 2, 0);
    act(do_recv_sleeping, w, rx, 0, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

void setup_sleep_members(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 1, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    act(do_recv_sleeping, w, a, 0, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_send_sleeping, w, 0, 4, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* The long way of a send, by two producers and two members. */
void setup_checked(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK | WORLD_CHECKED);
    world_plan(w, 5);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t a = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 1, 0);
    act(do_send, w, 0, 3, 0);
    act(do_batch, w, 1, 2, ACTOR_SIZE);
    act(do_recv, w, a, 0, 0);
    act(do_recv_release, w, b, 0, 0);
}

/* Who waits yields and looks again, and is told of the end all the same. */
void setup_yield(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_YIELD);
    uint32_t b = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_YIELD);
    act(do_send_sleeping, w, 0, 4, 0);
    act(do_recv_sleeping, w, a, 0, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* Publishers that raise and lower the attention under each other. */
void setup_sleep_senders(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_recv_sleeping, w, rx, 0, 0);
    act(do_send_sleeping, w, 0, 2, 0);
    act(do_send_sleeping, w, 1, 1, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

void setup_sleep_groups(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 1, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_recv_sleeping, w, a, 0, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_send_sleeping, w, 0, 3, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* Two members sleep before a slot that is claimed and filled late, others lie behind it. */
void setup_sleep_hole(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t a = world_subscribe(w, 0, NULL, 1, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 0, NULL, 1, QUIRE_WAIT_BLOCK);
    act(do_reserve, w, 0, 1, 0);
    act(do_send_sleeping, w, 1, 2, 0);
    act(do_recv_sleeping, w, a, 0, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* A member leaves with a run while the other one sleeps. */
void setup_sleep_leave(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 0, NULL, 2, QUIRE_WAIT_BLOCK);
    act(do_leave, w, a, 1, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_send_sleeping, w, 0, 4, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* A producer sleeps for a page that becomes free when a reader stands nowhere, or leaves. */
void setup_sleep_reader(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 0, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send_sleeping, w, 0, 4, 0);
    act(do_recv_release, w, a, 0, 0);
    act(do_leave_and_join, w, b, 1, 0);
}

/* Sleepers of both kinds while pages are given up. */
void setup_sleep_drop(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 5);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 1, QUIRE_WAIT_BLOCK);
    act(do_reserve, w, 0, 1, 0);
    act(do_send_sleeping, w, 1, 4, 0);
    act(do_recv_sleeping, w, rx, 0, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/*
 * Nobody waits for a producer that stands still: with three of four pages free, three messages
 * find a page wherever the others have stopped. The ring has been all around: its frames exist.
 */
void setup_free(struct world *w)
{
    begin(w, 1, 4, QUIRE_FULL_REJECT);
    world_plan(w, 8);
    for (uint32_t i = 0; i < 3; i++) {
        world_tx_open(w, i);
    }
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    for (uint32_t i = 0; i < 5; i++) {
        world_send(w, 0, ACTOR_SIZE);
        world_recv(w, rx, 1);
        world_release(w, rx);
    }
    act(do_must_send, w, 0, 1, 0);
    act(do_must_send, w, 1, 1, 0);
    act(do_must_send, w, 2, 1, 0);
}

/* Nor for a member that stands still with the one message it claims. */
void setup_free_members(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 1, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 1, 0);
    for (uint32_t i = 0; i < 5; i++) {
        world_send(w, 0, ACTOR_SIZE);
    }
    act(do_leave, w, a, 1, 0);
    act(do_recv_at_once, w, b, 4, 0);
}

void setup_read_ways(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 4, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 2, 0);
    act(do_send, w, 0, 5, 0);
    act(do_recv_copy, w, a, 0, 0);
    act(do_recv_batch, w, b, 3, 0);
}

/* Closed at any moment: whoever is in a call leaves it, and nothing is touched that is gone. */
void setup_close(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 3, 0);
    act(do_leave, w, a, 9, 0);
    act(do_close, w, 0, 0, 0);
}

void setup_close_sleep(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    uint32_t b = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_try_send, w, 0, 1, 0);
    act(do_recv_sleeping, w, a, 0, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_close, w, 0, 0, 0);
}

/* The page to be given up has a slot that nobody has published yet. */
void setup_drop_hole(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 6);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 2, 0);
    act(do_reserve, w, 0, 2, 0);
    act(do_send, w, 1, 5, 0);
    act(do_recv, w, rx, 0, 0);
}

void setup_drop_late(struct world *w)
{
    begin(w, 1, 3, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    world_send(w, 0, ACTOR_SIZE);
    world_send(w, 0, ACTOR_SIZE);
    act(do_send, w, 0, 3, 0);
    act(do_recv, w, rx, 0, 0);
    act(do_late, w, 1, 0, QUIRE_OLDEST);
}

void setup_stat(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 3, 0);
    act(do_recv, w, rx, 0, 0);
    act(do_stat, w, 0, 2, 0);
}

/* I9: what is called durable is on the disk. */
static void producers_of(struct world *w, uint32_t producers, uint32_t each)
{
    world_plan(w, producers * each);
    for (uint32_t tx = 0; tx < producers; tx++) {
        world_tx_open(w, tx);
        act(do_send_durable, w, tx, each, 0);
    }
}

void setup_durable(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    durable_begin(w, 0);
    producers_of(w, 2, 2);
}

void setup_durable_turn(struct world *w)
{
    begin(w, 1, 4, QUIRE_FULL_BLOCK);
    durable_begin(w, 0);
    producers_of(w, 3, 1);
}

void setup_durable_keeper(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    durable_begin(w, 0);
    producers_of(w, 2, 1);
    act(do_commit, w, 0, 2, 0);
}

void setup_durable_fails(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    durable_begin(w, 2);
    producers_of(w, 3, 1);
}

void setup_durable_fails_keeper(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    durable_begin(w, 1);
    producers_of(w, 2, 1);
    act(do_commit, w, 0, 2, 0);
}

void setup_bell(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_recv_bell, w, rx, 0, 0);
    act(do_send_sleeping, w, 0, 3, 0);
    act(do_send_sleeping, w, 1, 1, 0);
}

void setup_bell_members(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 1, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 1, QUIRE_WAIT_BLOCK);
    act(do_recv_bell, w, a, 0, 0);
    act(do_recv_sleeping, w, b, 0, 0);
    act(do_send_sleeping, w, 0, 3, 0);
    act(do_close_when_done, w, 0, 0, 0);
}
