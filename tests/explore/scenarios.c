/* SPDX-License-Identifier: MIT */
/* See scenarios.h. Sizes are the smallest in which the thing under test can happen. */
#include <tests/explore/scenarios.h>

#include <string.h>
#include <tests/explore/sched.h>

#define SIZE 24u

struct actor {
    struct world *w;
    uint32_t index; /* tx, rx or group */
    uint32_t count;
    uint32_t argument;
};

static struct actor actors[SCHED_THREADS];
static uint32_t actors_used;

static void begin(struct world *w, uint32_t max_messages, uint32_t max_pages, uint32_t policy)
{
    actors_used = 0;
    world_open(w, max_messages, max_pages, policy);
}

static void act(void (*entry)(void *), struct world *w, uint32_t index, uint32_t count,
                uint32_t argument)
{
    struct actor *actor = &actors[actors_used++];
    actor->w = w;
    actor->index = index;
    actor->count = count;
    actor->argument = argument;
    sched_spawn(entry, actor);
}

/* --- what a coroutine does --- */

static void do_send(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_send(a->w, a->index, SIZE);
    }
}

static void do_try_send(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        (void)world_try_send(a->w, a->index, SIZE);
    }
}

/* As do_send with a new handle each time. */
static void do_send_reopen(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_tx_open(a->w, a->index);
        world_send(a->w, a->index, SIZE);
        world_tx_close(a->w, a->index);
    }
}

static void do_send_sleeping(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_send_sleeping(a->w, a->index, SIZE);
    }
}

static void do_batch(void *argument)
{
    const struct actor *a = argument;
    world_send_batch(a->w, a->index, a->count, a->argument);
}

/* Commits the even ones, shorter than reserved, and aborts the odd ones. */
static void do_reserve(void *argument)
{
    const struct actor *a = argument;
    for (uint32_t i = 0; i < a->count; i++) {
        world_reserve(a->w, a->index, 64, i & 1u ? WORLD_ABORT : 40u);
    }
}

static void do_recv(void *argument)
{
    const struct actor *a = argument;
    world_recv(a->w, a->index, UINT32_MAX);
}

/* Stands nowhere after each message. */
static void do_recv_release(void *argument)
{
    const struct actor *a = argument;
    while (!world_group_done(a->w, a->w->rx[a->index].group)) {
        world_recv(a->w, a->index, 1);
        world_release(a->w, a->index);
    }
}

static void do_recv_sleeping(void *argument)
{
    const struct actor *a = argument;
    world_recv_sleeping(a->w, a->index);
}

/* Takes count messages, leaves with whatever else it had claimed, joins again to the end. */
static void do_leave_and_join(void *argument)
{
    const struct actor *a = argument;
    uint32_t group = a->w->rx[a->index].group;
    world_recv(a->w, a->index, a->count);
    world_rx_close(a->w, a->index);
    uint32_t rx = world_subscribe(a->w, group, NULL, 4, 0);
    world_recv(a->w, rx, UINT32_MAX);
}

static void do_leave(void *argument)
{
    const struct actor *a = argument;
    world_recv(a->w, a->index, a->count);
    world_rx_close(a->w, a->index);
}

/* Joins a new group in the middle and reads until all is sent; world_finish takes the rest. */
static void do_late(void *argument)
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

static void do_close_when_done(void *argument)
{
    const struct actor *a = argument;
    world_wait_done(a->w);
    world_close_channel(a->w);
}

static void do_stat(void *argument)
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

/* --- the scenarios --- */

static void setup_send(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 2, 0);
    act(do_send, w, 1, 2, 0);
    act(do_recv, w, rx, 0, 0);
}

static void setup_turn(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 2, 0);
    act(do_send, w, 1, 2, 0);
    act(do_recv, w, rx, 0, 0);
}

static void setup_turn3(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    for (uint32_t i = 0; i < 3; i++) {
        world_tx_open(w, i);
    }
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 2, 0);
    act(do_send, w, 1, 2, 0);
    act(do_send, w, 2, 1, 0);
    act(do_recv, w, rx, 0, 0);
}

static void setup_one_page(struct world *w)
{
    begin(w, 2, 1, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 2, 0);
    act(do_send, w, 1, 2, 0);
    act(do_recv, w, rx, 0, 0);
}

static void setup_members(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 1, 0);
    act(do_send, w, 0, 4, 0);
    act(do_recv, w, a, 0, 0);
    act(do_recv, w, b, 0, 0);
}

static void setup_mpmc(struct world *w)
{
    begin(w, 1, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t a = world_subscribe(w, 0, NULL, 0, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 2, 0);
    act(do_send, w, 1, 2, 0);
    act(do_recv, w, a, 0, 0);
    act(do_recv_release, w, b, 0, 0);
}

static void setup_groups(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 0, 0);
    uint32_t b = world_subscribe(w, 1, NULL, 0, 0);
    act(do_send, w, 0, 3, 0);
    act(do_recv, w, a, 0, 0);
    act(do_recv_release, w, b, 0, 0);
}

/* The second producer rests while the first turns the ring several times over. */
static void setup_stale(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 6);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    world_send(w, 1, SIZE);
    act(do_send, w, 0, 4, 0);
    act(do_recv, w, rx, 0, 0);
    act(do_send, w, 1, 1, 0);
}

static void setup_batch(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_batch, w, 0, 3, SIZE);
    act(do_batch, w, 1, 2, SIZE);
    act(do_recv, w, rx, 0, 0);
}

/* Bytes run out before slots: 300 bytes a message, a run is at most an eighth of a page. */
static void setup_bytes(struct world *w)
{
    begin(w, 64, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 17);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    for (uint32_t i = 0; i < 3; i++) {
        world_send_batch(w, 0, 4, 300);
    }
    act(do_batch, w, 0, 3, 300);
    act(do_batch, w, 1, 2, 400);
    act(do_recv, w, rx, 0, 0);
}

static void setup_reserve(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_reserve, w, 0, 3, 0);
    act(do_send, w, 1, 2, 0);
    act(do_recv, w, rx, 0, 0);
}

static void setup_reject(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_REJECT);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    world_plan(w, 2);
    act(do_try_send, w, 0, 3, 0);
    act(do_try_send, w, 1, 2, 0);
    act(do_recv, w, rx, 0, 0);
}

/* A member leaves with a run it has claimed: the other one is given it. */
static void setup_leave(struct world *w)
{
    begin(w, 4, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 6);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 4, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 2, 0);
    for (uint32_t i = 0; i < 4; i++) {
        world_send(w, 0, SIZE);
    }
    act(do_leave, w, a, 1, 0);
    act(do_recv, w, b, 0, 0);
    act(do_send, w, 0, 2, 0);
}

/* Both leave and come back: who takes whose run. */
static void setup_rejoin(struct world *w)
{
    begin(w, 2, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 4, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 4, 0);
    for (uint32_t i = 0; i < 3; i++) {
        world_send(w, 0, SIZE);
    }
    act(do_leave_and_join, w, a, 1, 0);
    act(do_leave_and_join, w, b, 1, 0);
    act(do_send, w, 0, 2, 0);
}

/* A returned run moves from one line of the handle table to another while its page is wanted. */
static void setup_adopt(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 2, 0);
    uint32_t a = world_subscribe(w, 0, NULL, 2, 0);
    world_send(w, 0, SIZE);
    world_send(w, 0, SIZE);
    world_recv(w, a, 1);
    world_rx_close(w, a);
    act(do_send, w, 0, 3, 0);
    act(do_recv, w, b, 0, 0);
}

static void setup_late(struct world *w, uint32_t kind)
{
    begin(w, 1, 3, QUIRE_FULL_BLOCK);
    world_plan(w, 4);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    world_send(w, 0, SIZE);
    world_send(w, 0, SIZE);
    act(do_send, w, 0, 2, 0);
    act(do_recv, w, rx, 0, 0);
    act(do_late, w, 1, 0, kind);
}

static void setup_late_oldest(struct world *w)
{
    setup_late(w, QUIRE_OLDEST);
}

static void setup_late_newest(struct world *w)
{
    setup_late(w, QUIRE_NEWEST);
}

static void setup_late_page(struct world *w)
{
    setup_late(w, QUIRE_PAGE);
}

/* Two members make the same group at the same time. */
static void setup_join(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send_reopen, w, 1, 3, 0);
    act(do_recv, w, rx, 0, 0);
    act(do_late, w, 1, 0, QUIRE_OLDEST);
    act(do_late, w, 2, 0, QUIRE_OLDEST);
}

static void setup_drop(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_DROP_OLDEST);
    world_plan(w, 5);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 5, 0);
    act(do_recv, w, rx, 0, 0);
}

static void setup_drop2(struct world *w)
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

static void setup_drop_members(struct world *w)
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

static void setup_grow(struct world *w)
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
static void setup_sleep(struct world *w)
{
    begin(w, 2, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, QUIRE_WAIT_BLOCK);
    act(do_recv_sleeping, w, rx, 0, 0);
    act(do_send_sleeping, w, 0, 3, 0);
    act(do_close_when_done, w, 0, 0, 0);
}

static void setup_sleep_space(struct world *w)
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

static void setup_sleep_members(struct world *w)
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

static void setup_stat(struct world *w)
{
    begin(w, 1, 2, QUIRE_FULL_BLOCK);
    world_plan(w, 3);
    world_tx_open(w, 0);
    uint32_t rx = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 3, 0);
    act(do_recv, w, rx, 0, 0);
    act(do_stat, w, 0, 2, 0);
}

const struct scenario scenarios[] = {
    {"send", "two producers and a consumer inside one page", setup_send},
    {"turn", "one message a page: every send turns", setup_turn},
    {"turn3", "three producers, two messages a page", setup_turn3},
    {"one-page", "a ring of one page", setup_one_page},
    {"members", "two members of a group, runs of 2 and 1", setup_members},
    {"mpmc", "two producers, two members, one message a page", setup_mpmc},
    {"groups", "two groups: a page waits for both", setup_groups},
    {"stale", "a producer handle rests for several lives of its frame", setup_stale},
    {"batch", "batches that cross pages", setup_batch},
    {"bytes", "pages that run out of bytes first", setup_bytes},
    {"reserve", "reservations committed and aborted", setup_reserve},
    {"reject", "sends that are refused when full", setup_reject},
    {"leave", "a member leaves with a run it has claimed", setup_leave},
    {"rejoin", "members leave and come back", setup_rejoin},
    {"adopt", "a returned run is taken over while its page is wanted", setup_adopt},
    {"late-oldest", "a group made in the middle, from the oldest", setup_late_oldest},
    {"late-newest", "a group made in the middle, from now on", setup_late_newest},
    {"late-page", "a group made in the middle, from page 0", setup_late_page},
    {"join", "two groups made at once, producer handles opened and closed", setup_join},
    {"drop", "drop-oldest, one consumer", setup_drop},
    {"drop2", "drop-oldest, two producers, two groups", setup_drop2},
    {"drop-members", "drop-oldest, two members that leave and join", setup_drop_members},
    {"grow", "the pool grows from one page to three", setup_grow},
    {"sleep", "consumer sleeps for messages and is closed", setup_sleep},
    {"sleep-space", "producers sleep for pages", setup_sleep_space},
    {"sleep-members", "two members sleep", setup_sleep_members},
    {"stat", "figures are read meanwhile", setup_stat},
};
const unsigned scenarios_count = sizeof scenarios / sizeof scenarios[0];
