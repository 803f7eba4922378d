/* SPDX-License-Identifier: MIT */
#include <tests/explore/actors.h>
#include <tests/explore/sched.h>

static struct actor actors[SCHED_THREADS];
static uint32_t actors_used;

void begin(struct world *w, uint32_t max_messages, uint32_t max_pages, uint32_t policy)
{
    actors_used = 0;
    world_open(w, max_messages, max_pages, policy);
}

void act(void (*entry)(void *), struct world *w, uint32_t index, uint32_t count, uint32_t argument)
{
    struct actor *actor = &actors[actors_used++];
    actor->w = w;
    actor->index = index;
    actor->count = count;
    actor->argument = argument;
    sched_spawn(entry, actor);
}

void do_send(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_send(a->w, a->index, ACTOR_SIZE);
    }
}

void do_try_send(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        (void)world_try_send(a->w, a->index, ACTOR_SIZE);
    }
}

/* As do_send with a new handle each time. */
void do_send_reopen(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_tx_open(a->w, a->index);
        world_send(a->w, a->index, ACTOR_SIZE);
        world_tx_close(a->w, a->index);
    }
}

void do_send_sleeping(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_send_sleeping(a->w, a->index, ACTOR_SIZE);
    }
}

void do_batch(void *argument)
{
    const struct actor *a = argument;
    world_send_batch(a->w, a->index, a->count, a->argument);
}

/* Commits the even ones, shorter than reserved, and aborts the odd ones. */
void do_reserve(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_reserve(a->w, a->index, 64, i & 1u ? WORLD_ABORT : 40u);
    }
}

void do_recv(void *argument)
{
    const struct actor *a = argument;
    world_recv(a->w, a->index, UINT32_MAX);
}

void do_recv_batch(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, a->w->rx[a->index].group)) {
        if (world_try_recv_batch(a->w, a->index, a->count) == 0) {
            sched_wait();
        }
    }
}

void do_recv_copy(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, a->w->rx[a->index].group)) {
        if (world_try_recv_copy(a->w, a->index) == 0) {
            sched_wait();
        }
    }
}

/* Takes what it can get; less than count messages means that it waited for another member. */
void do_recv_at_once(void *argument)
{
    const struct actor *a = argument;
    uint32_t got = 0;
    for (int rc = 1; rc != 0;) {
        rc = world_try_recv(a->w, a->index);
        got += rc > 0 ? 1u : 0u;
    }
    if (got < a->count) {
        sched_fail("a member was given %u messages though %u were there for it", got, a->count);
    }
}

void do_must_send(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_must_send(a->w, a->index, ACTOR_SIZE);
    }
}

void do_close(void *argument)
{
    const struct actor *a = argument;
    a->w->abandoned = 1;
    world_close_channel(a->w);
}

/* Stands nowhere after each message. */
void do_recv_release(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, a->w->rx[a->index].group)) {
        world_recv(a->w, a->index, 1);
        world_release(a->w, a->index);
    }
}

void do_recv_sleeping(void *argument)
{
    const struct actor *a = argument;
    world_recv_sleeping(a->w, a->index);
}

/* Takes count messages, leaves with whatever else it had claimed, joins again to the end. */
void do_leave_and_join(void *argument)
{
    const struct actor *a = argument;
    uint32_t group = a->w->rx[a->index].group;
    world_recv(a->w, a->index, a->count);
    world_rx_close(a->w, a->index);
    uint32_t rx = world_subscribe(a->w, group, NULL, 4, 0);
    world_recv(a->w, rx, UINT32_MAX);
}

void do_leave(void *argument)
{
    const struct actor *a = argument;
    world_recv(a->w, a->index, a->count);
    world_rx_close(a->w, a->index);
}

/* Joins a new group in the middle and reads until all is sent; world_finish takes the rest. */
void do_late(void *argument)
{
    const struct actor *a = argument;
    struct quire_where where = {a->argument, 0, a->argument == QUIRE_AT ? 1u : 0u};
    uint32_t rx = world_subscribe(a->w, a->index, &where, 0, 0);
    while (rx != WORLD_NONE && a->w->published < a->w->planned) {
        if (world_try_recv(a->w, rx) == 0) {
            sched_wait();
        }
    }
}

void do_close_when_done(void *argument)
{
    const struct actor *a = argument;
    world_wait_done(a->w);
    world_close_channel(a->w);
}

/* count looks. */
void do_drain(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_drain(a->w);
    }
}

void do_stat(void *argument)
{
    const struct actor *a = argument;
    struct quire_stat st;
    struct quire_page_stat pages[8];
    struct quire_group_stat groups[4];
    struct quire_handle_stat handles[8];
    for (uint32_t i = 0; i < a->count; i++) {
        if (quire_stat(a->w->channel, &st) || quire_stat_pages(a->w->channel, pages, 8) < 0 ||
            quire_stat_groups(a->w->channel, groups, 4) < 0 ||
            quire_stat_handles(a->w->channel, handles, 8) < 0) {
            sched_fail("a stat call failed");
        }
        if (st.messages > WORLD_SENT || st.voids > st.messages) {
            sched_fail("stat: %llu messages, %llu voids", (unsigned long long)st.messages,
                       (unsigned long long)st.voids);
        }
    }
}
