/* SPDX-License-Identifier: MIT */
/* Scenarios of ack groups. What the library says to who ends a lease is held against who has it:
 * world_ack(), world_nack(). */
#include <tests/explore/actors.h>
#include <tests/explore/scenarios.h>
#include <tests/explore/sched.h>

static uint32_t member(struct world *w, uint32_t run_max, uint32_t wait)
{
    world_ack_group(w, 0);
    return world_subscribe(w, 0, NULL, run_max, wait);
}

static void send_now(struct world *w, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        world_send(w, 0, ACTOR_SIZE);
    }
}

/* --- coroutines: index is the rx --- */

/* Acknowledges what was returned before argument times, and returns the rest. */
static void ack_or_nack(const struct actor *a)
{
    uint64_t position = a->w->rx[a->index].last;
    uint32_t attempt = (a->w->got[a->w->gots - 1].flags >> 8) + 1;
    if (attempt > a->argument) {
        (void)world_ack(a->w, a->index, position);
    } else if (world_nack(a->w, a->index, position)) {
        sched_fail("the owner's return was refused");
    }
}

static void do_ack_all(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, 0)) {
        int rc = world_try_recv(a->w, a->index);
        if (rc > 0) {
            ack_or_nack(a);
        } else if (rc == 0 && !world_group_done(a->w, 0)) {
            sched_wait();
        }
    }
}

/* Acknowledges slot count of page 0. */
static void do_ack_one(void *argument)
{
    const struct actor *a = argument;
    (void)world_ack(a->w, a->index, QUIRE_POSITION(0, a->count));
}

/* First acknowledges slot count of page 0, which another handle was given. */
static void do_ack_other(void *argument)
{
    const struct actor *a = argument;
    (void)world_ack(a->w, a->index, QUIRE_POSITION(0, a->count));
    do_ack_all(argument);
}

/* Says again what was said before: all that is acknowledged, until everything is. */
static void do_ack_again(void *argument)
{
    const struct actor *a = argument;
    for (;;) {
        for (uint32_t i = 0; i < a->w->leases; i++) {
            if (a->w->lease[i].acks) {
                (void)world_ack(a->w, a->index, a->w->lease[i].position);
            }
        }
        if (world_group_done(a->w, 0)) {
            break;
        }
        sched_wait();
    }
}

/* Holds all it gets until it has count messages or nothing more comes, then acknowledges. */
static void do_ack_late(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, 0)) {
        uint32_t held = 0;
        int rc = 1;
        while (held < a->count && rc != 0) {
            rc = world_try_recv(a->w, a->index);
            held += rc > 0 ? 1u : 0u;
        }
        world_leases_ack(a->w, a->index);
        if (held == 0 && !world_group_done(a->w, 0)) {
            sched_wait();
        }
    }
}

/* Returns slots count - 1 .. 0 of page 0. */
static void do_nack(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t slot = a->count; slot-- > 0;) {
        (void)world_nack(a->w, a->index, QUIRE_POSITION(0, slot));
    }
}

/* index is the group: page 0's first message, a dead letter, is queued again. */
static void do_requeue(void *argument)
{
    const struct actor *a = argument;
    world_requeue(a->w, a->index, QUIRE_POSITION(0, 0));
}

static void do_leave_now(void *argument)
{
    const struct actor *a = argument;
    world_rx_close(a->w, a->index);
}

/* Sleeps for each message; acknowledges when it holds count. */
static void do_ack_sleeping(void *argument)
{
    const struct actor *a = argument;
    uint32_t held = 0;
    while (world_recv_one_sleeping(a->w, a->index)) {
        if (++held >= a->count) {
            world_leases_ack(a->w, a->index);
            held = 0;
        }
    }
}

/* --- scenarios --- */

/* Slot 0 is given, slot 1 claimed, when the owner leaves. */
void setup_ack_close(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 6);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    uint32_t b = member(w, 4, 0);
    send_now(w, 4);
    world_recv(w, a, 1);
    act(do_ack_other, w, b, 0, 0);
    act(do_leave_now, w, a, 0, 0);
    act(do_send, w, 0, 2, 0);
}

void setup_ack_turn(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 7);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    uint32_t b = member(w, 4, 0);
    send_now(w, 2);
    act(do_ack_late, w, a, 2, 0);
    act(do_ack_again, w, b, 0, 0);
    act(do_send, w, 0, 5, 0);
}

/* The frames have had a life before: their words have its tag. */
void setup_ack_open(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 12);
    world_tx_open(w, 0);
    uint32_t a = member(w, 2, 0);
    for (uint32_t i = 0; i < 8; i++) {
        send_now(w, 1);
        world_recv(w, a, 1);
        (void)world_ack(w, a, w->rx[a].last);
    }
    uint32_t b = member(w, 2, 0);
    act(do_ack_all, w, a, 0, 0);
    act(do_ack_all, w, b, 0, 0);
    act(do_send, w, 0, 4, 0);
}

/* Two threads return what one handle has; b takes it, and page 0's only message is nobody else's
 * until b has acknowledged it. */
void setup_nack_twice(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = member(w, 1, 0);
    uint32_t b = member(w, 1, 0);
    uint32_t c = member(w, 1, 0);
    send_now(w, 1);
    world_recv(w, a, 1);
    world_release(w, a);
    act(do_ack_late, w, b, 2, 0);
    act(do_ack_all, w, c, 0, 0);
    act(do_nack, w, a, 1, 0);
    act(do_nack, w, a, 1, 0);
    act(do_send, w, 0, 3, 0);
}

void setup_nack_take(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    uint32_t b = member(w, 4, 0);
    uint32_t c = member(w, 4, 0);
    send_now(w, 4);
    world_recv(w, a, 1);
    world_rx_close(w, a);
    act(do_ack_all, w, b, 0, 1);
    act(do_ack_all, w, c, 0, 2);
}

/* Page 0's only message is dead, page 1 is done with. The letter is acknowledged while it is queued
 * again, and the frame has its next life, with another return, before that is over. */
void setup_dead_turn(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    w->group[0].attempts = 2;
    uint32_t a = member(w, 1, 0);
    uint32_t b = member(w, 1, 0);
    w->group[0].alone = 1;
    send_now(w, 2);
    for (uint32_t i = 0; i < 2; i++) {
        world_recv(w, a, 1);
        world_release(w, a);
        (void)world_nack(w, a, QUIRE_POSITION(0, 0));
    }
    world_recv(w, b, 1);
    (void)world_ack(w, b, QUIRE_POSITION(1, 0));
    act(do_requeue, w, 0, 0, 0);
    act(do_ack_other, w, b, 0, 1);
    act(do_send, w, 0, 1, 0);
}

/* Two queue it again. */
void setup_dead_twice(struct world *w)
{
    setup_dead_turn(w);
    act(do_requeue, w, 0, 0, 0);
}

/* Page 0's only message is acknowledged by whoever had it before while another member takes it, and
 * keeps it while pages turn. */
void setup_ack_taken(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = member(w, 1, 0);
    uint32_t b = member(w, 1, 0);
    send_now(w, 1);
    world_recv(w, a, 1);
    world_release(w, a);
    (void)world_nack(w, a, w->rx[a].last);
    act(do_ack_one, w, a, 0, 0);
    act(do_ack_late, w, b, 2, 0);
    act(do_send, w, 0, 3, 0);
}

void setup_nack_first(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 6);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    send_now(w, 4);
    world_recv(w, a, 4);
    uint32_t b = member(w, 1, 0);
    w->group[0].alone = 1;
    act(do_nack, w, a, 4, 0);
    act(do_ack_all, w, b, 0, 1);
    act(do_send, w, 0, 2, 0);
}

void setup_nack_sleep(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 2);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    send_now(w, 2);
    world_recv(w, a, 2);
    uint32_t b = member(w, 4, QUIRE_WAIT_BLOCK);
    uint32_t c = member(w, 4, QUIRE_WAIT_BLOCK);
    act(do_ack_sleeping, w, b, 1, 0);
    act(do_ack_sleeping, w, c, 1, 0);
    act(do_nack, w, a, 2, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* One message was given, one only claimed. */
void setup_nack_leave(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 2);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    send_now(w, 2);
    world_recv(w, a, 1);
    uint32_t b = member(w, 4, QUIRE_WAIT_BLOCK);
    act(do_ack_sleeping, w, b, 1, 0);
    act(do_leave_now, w, a, 0, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

/* A producer sleeps for page 0, of which nothing is left but a void that was returned. */
void setup_nack_void(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    send_now(w, 1);
    world_reserve(w, 0, ACTOR_SIZE, WORLD_ABORT);
    world_recv(w, a, 1);
    (void)world_ack(w, a, w->rx[a].last);
    uint32_t b = member(w, 4, QUIRE_WAIT_BLOCK);
    send_now(w, 2);
    world_recv(w, b, 2);
    act(do_ack_sleeping, w, b, 1, 0);
    act(do_leave_now, w, a, 0, 0);
    act(do_send_sleeping, w, 0, 1, 0);
    act(do_close_when_done, w, 0, 0, 0);
}
