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
    } else if (world_nack(a->w, a->index, position) &&
               a->w->options.full_policy != QUIRE_FULL_DROP_OLDEST) {
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

/* Has no room for what it takes, and gives back what it borrows before it tries again. */
static void do_too_small(void *argument)
{
    const struct actor *a = argument;
    world_try_recv_small(a->w, a->index);
    world_release(a->w, a->index);
    do_ack_all(argument);
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

/* Joins group index at slot count of page 0, and acknowledges what it is given until all is sent.
 */
static void do_ack_from(void *argument)
{
    const struct actor *a = argument;
    struct quire_where where = {QUIRE_AT, 0, QUIRE_POSITION(0, a->count)};
    world_ack_group(a->w, a->index);
    uint32_t rx = world_subscribe(a->w, a->index, &where, 0, 0);
    while (rx != WORLD_NONE && a->w->published < a->w->planned) {
        int rc = world_try_recv(a->w, rx);
        if (rc > 0) {
            (void)world_ack(a->w, rx, a->w->rx[rx].last);
        } else if (rc == 0 && a->w->published < a->w->planned) {
            sched_wait();
        }
    }
}

/* Takes up to count, leaves with them, and comes back, perhaps with the index of another. */
static void do_ack_rejoin(void *argument)
{
    struct actor a = *(const struct actor *)argument;
    for (uint32_t held = 0; held < a.count; held++) {
        if (world_try_recv(a.w, a.index) == 0) {
            break;
        }
    }
    world_rx_close(a.w, a.index);
    a.index = world_subscribe(a.w, 0, NULL, 4, 0);
    do_ack_all(&a);
}

/* Receives only: another thread ends the leases. */
static void do_take_only(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, 0)) {
        if (world_try_recv(a->w, a->index) == 0 && !world_group_done(a->w, 0)) {
            sched_wait();
        }
    }
}

/* Ends the leases of a handle that another thread receives with: each is returned argument times,
 * then acknowledged. */
static void do_ack_aside(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, 0)) {
        uint32_t before = a->w->gots;
        for (uint32_t i = 0; i < a->w->leases; i++) {
            const struct world_lease *lease = &a->w->lease[i];
            if (lease->acks || lease->back || lease->given == 0) {
                continue;
            }
            if (lease->given > a->argument) {
                (void)world_ack(a->w, a->index, lease->position);
            } else {
                (void)world_nack(a->w, a->index, lease->position);
            }
        }
        if (before == a->w->gots && !world_group_done(a->w, 0)) {
            sched_wait();
        }
    }
}

/* Takes up to argument messages, then acknowledges by one range what it has of the first count
 * pages, and what nobody has. */
static void do_ack_range(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, 0)) {
        int rc = 1;
        for (uint32_t held = 0; held < a->argument && rc != 0; held++) {
            rc = world_try_recv(a->w, a->index);
        }
        world_ack_range(a->w, a->index, 0, QUIRE_POSITION(a->count, 0) - 1);
        if (rc == 0 && !world_group_done(a->w, 0)) {
            sched_wait();
        }
    }
}

/* Returns every message until it is a dead letter, and acknowledges that. */
static void do_nack_to_death(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, 0)) {
        int rc = world_try_recv(a->w, a->index);
        if (rc > 0) {
            uint64_t position = a->w->rx[a->index].last;
            uint32_t attempt = (a->w->got[a->w->gots - 1].flags >> 8) + 1;
            (void)world_nack(a->w, a->index, position);
            if (attempt == a->w->group[0].attempts && world_ack(a->w, a->index, position)) {
                sched_fail("a dead letter's acknowledgement was refused");
            }
        } else if (rc == 0 && !world_group_done(a->w, 0)) {
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

void setup_ack_rejoin(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t a = member(w, 4, 0);
    uint32_t b = member(w, 4, 0);
    send_now(w, 3);
    act(do_ack_rejoin, w, a, 1, 0);
    act(do_ack_rejoin, w, b, 2, 0);
    act(do_send, w, 0, 2, 0);
}

void setup_ack_aside(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 6);
    world_tx_open(w, 0);
    uint32_t a = member(w, 2, 0);
    act(do_take_only, w, a, 0, 0);
    act(do_ack_aside, w, a, 0, 1);
    act(do_send, w, 0, 6, 0);
}

/* Two members in the same words: one returns each message once and acknowledges it, the other ends
 * by ranges what it has and what was returned. */
void setup_ack_range(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 6);
    world_tx_open(w, 0);
    uint32_t a = member(w, 1, 0);
    uint32_t b = member(w, 1, 0);
    act(do_ack_all, w, a, 0, 1);
    act(do_ack_range, w, b, 3, 2);
    act(do_send, w, 0, 6, 0);
}

void setup_nack_dead(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    w->group[0].attempts = 2;
    uint32_t a = member(w, 2, 0);
    uint32_t b = member(w, 1, 0);
    act(do_nack_to_death, w, a, 0, 0);
    act(do_nack_to_death, w, b, 0, 0);
    act(do_send, w, 0, 4, 0);
}

/* A group that begins in the middle of a page whose other messages another one acknowledges. */
void setup_ack_late(struct world *w)
{
    begin(w, 18, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 21);
    world_tx_open(w, 0);
    uint32_t a = member(w, 0, 0);
    send_now(w, 18);
    for (uint32_t i = 0; i < 16; i++) {
        world_recv(w, a, 1);
        (void)world_ack(w, a, w->rx[a].last);
    }
    act(do_ack_late, w, a, 4, 0);
    act(do_ack_from, w, 1, 17, 0);
    act(do_send, w, 0, 3, 0);
}

/* --- pages are given up --- */

void setup_ack_drop(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 7);
    world_tx_open(w, 0);
    uint32_t a = member(w, 2, 0);
    act(do_send, w, 0, 7, 0);
    act(do_ack_late, w, a, 2, 0);
}

/* One returns each message once, the other takes what it can. */
void setup_ack_drop_members(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 7);
    world_tx_open(w, 0);
    uint32_t a = member(w, 2, 0);
    uint32_t b = member(w, 1, 0);
    act(do_send, w, 0, 7, 0);
    act(do_ack_all, w, a, 0, 1);
    act(do_ack_late, w, b, 2, 0);
}

/* A member leaves with what it was given and has claimed. */
void setup_ack_drop_leave(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 6);
    world_tx_open(w, 0);
    uint32_t a = member(w, 2, 0);
    send_now(w, 2);
    world_recv(w, a, 1);
    world_release(w, a);
    uint32_t b = member(w, 2, 0);
    act(do_leave_now, w, a, 0, 0);
    act(do_send, w, 0, 4, 0);
    act(do_ack_all, w, b, 0, 0);
}

/* Page 0's only message is taken by a member that has no room for it, and its page given up: it may
 * be given or not, but nothing else in its place. */
void setup_ack_held(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = member(w, 1, 0);
    uint32_t b = member(w, 1, 0);
    send_now(w, 1);
    world_recv(w, a, 1);
    world_release(w, a);
    (void)world_nack(w, a, w->rx[a].last);
    act(do_too_small, w, b, 0, 0);
    act(do_send, w, 0, 3, 0);
}
