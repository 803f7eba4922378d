/* SPDX-License-Identifier: MIT */
/* See scenarios.h. Sizes are the smallest in which the thing under test can happen. */
#include <tests/explore/actors.h>
#include <tests/explore/scenarios.h>
#include <tests/explore/wraps.h>

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

/* With more frames than are needed, and everybody on a processor of his own: they take turns. */
static void setup_rotate(struct world *w)
{
    wraps_apart = 1;
    begin(w, 1, 4, QUIRE_FULL_BLOCK);
    world_plan(w, 7);
    world_tx_open(w, 0);
    world_tx_open(w, 1);
    uint32_t a = world_subscribe(w, 0, NULL, 0, 0);
    uint32_t b = world_subscribe(w, 0, NULL, 0, 0);
    act(do_send, w, 0, 5, 0);
    act(do_send, w, 1, 2, 0);
    act(do_recv, w, a, 0, 0);
    act(do_recv_release, w, b, 0, 0);
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
    world_send(w, 1, ACTOR_SIZE);
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
    act(do_batch, w, 0, 3, ACTOR_SIZE);
    act(do_batch, w, 1, 2, ACTOR_SIZE);
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
        world_send(w, 0, ACTOR_SIZE);
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
        world_send(w, 0, ACTOR_SIZE);
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
    world_send(w, 0, ACTOR_SIZE);
    world_send(w, 0, ACTOR_SIZE);
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
    world_send(w, 0, ACTOR_SIZE);
    world_send(w, 0, ACTOR_SIZE);
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

const struct scenario scenarios[] = {
    {"send", "two producers and a consumer inside one page", setup_send},
    {"turn", "one message a page: every send turns", setup_turn},
    {"turn3", "three producers, two messages a page", setup_turn3},
    {"rotate", "frames take turns", setup_rotate},
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
    {"checked", "records with checksums, batches, two members", setup_checked},
    {"yield", "members that yield instead of sleeping", setup_yield},
    {"sleep", "consumer sleeps for messages and is closed", setup_sleep},
    {"sleep-space", "producers sleep for pages", setup_sleep_space},
    {"sleep-members", "two members sleep", setup_sleep_members},
    {"sleep-senders", "two producers wake one sleeper", setup_sleep_senders},
    {"sleep-groups", "sleepers of two groups", setup_sleep_groups},
    {"sleep-hole", "two members sleep before a late slot", setup_sleep_hole},
    {"sleep-leave", "a member leaves its run to a sleeper", setup_sleep_leave},
    {"sleep-reader", "a producer sleeps for a page that is borrowed", setup_sleep_reader},
    {"sleep-drop", "sleepers while pages are given up", setup_sleep_drop},
    {"free", "no producer waits for another", setup_free},
    {"free-members", "no member waits for another", setup_free_members},
    {"read-ways", "one member copies, the other takes several", setup_read_ways},
    {"close", "the channel is closed in the middle", setup_close},
    {"close-sleep", "the channel is closed under sleepers", setup_close_sleep},
    {"drop-hole", "drop-oldest meets an open reservation", setup_drop_hole},
    {"drop-late", "drop-oldest meets a new group", setup_drop_late},
    {"durable", "two producers share commits", setup_durable},
    {"durable-turn", "commits across pages, three producers", setup_durable_turn},
    {"durable-keeper", "a commit of the engine beside those of producers", setup_durable_keeper},
    {"durable-fails", "a sync fails once", setup_durable_fails},
    {"durable-fails-keeper", "a sync of the engine fails once", setup_durable_fails_keeper},
    {"bell", "a consumer polls its descriptor", setup_bell},
    {"bell-members", "one member polls, another sleeps", setup_bell_members},
    {"ends", "a consumer sleeps until its producer has gone", setup_ends},
    {"ends-producers", "until both producers have gone", setup_ends_producers},
    {"ends-members", "two members sleep until the producer has gone", setup_ends_members},
    {"ends-leave", "one of them leaves in the middle", setup_ends_leave},
    {"ends-bell", "a consumer polls until its producer has gone", setup_ends_bell},
    {"ends-space", "producers send until the consumers have gone", setup_ends_space},
    {"drain", "what is left is asked while two members receive", setup_drain},
    {"drain-returned", "and while a returned run is taken over", setup_drain_returned},
    {"stat", "figures are read meanwhile", setup_stat},
    {"ack-close", "an acknowledgement while its owner closes", setup_ack_close},
    {"ack-taken", "an acknowledgement while another member takes the message", setup_ack_taken},
    {"ack-turn", "late acknowledgements while pages turn", setup_ack_turn},
    {"ack-open", "two members open the words of a page together", setup_ack_open},
    {"ack-rejoin", "members leave with leases and come back", setup_ack_rejoin},
    {"ack-aside", "one thread receives, another ends the leases", setup_ack_aside},
    {"ack-range", "ranges are acknowledged while two members receive", setup_ack_range},
    {"ack-late", "an ack group made in the middle of a page", setup_ack_late},
    {"ack-drop", "drop-oldest takes leases", setup_ack_drop},
    {"ack-drop-members", "drop-oldest meets returns and takers", setup_ack_drop_members},
    {"ack-drop-leave", "drop-oldest meets a member that leaves", setup_ack_drop_leave},
    {"ack-held", "drop-oldest meets a message that its taker has no room for", setup_ack_held},
    {"nack-twice", "two returns of one lease, and a new taker", setup_nack_twice},
    {"nack-take", "two takers of what was returned", setup_nack_take},
    {"nack-dead", "two members return all until it is dead", setup_nack_dead},
    {"dead-turn", "a dead letter is queued again, acknowledged, its page turns", setup_dead_turn},
    {"dead-twice", "a dead letter is queued again by two", setup_dead_twice},
    {"nack-first", "what was returned goes first", setup_nack_first},
    {"nack-sleep", "a return to a member that sleeps", setup_nack_sleep},
    {"nack-leave", "a member leaves its leases to one that sleeps", setup_nack_leave},
    {"nack-void", "a page comes free by a returned void", setup_nack_void},
};
const unsigned scenarios_count = sizeof scenarios / sizeof scenarios[0];
