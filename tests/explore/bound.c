/* SPDX-License-Identifier: MIT */
/*
 * A channel with a bound, when something happens in the middle of a send: at each access to shared
 * memory up to the one that takes the place, which is the first exchange. What was computed before
 * counts no more then, and the send must find it out: there is never more left than the bound.
 */
#include <pages/base/atomic.h>
#include <quire.h>
#include <string.h>
#include <tests/support/harness.h>

#define BOUND 2u

struct world {
    quire_t *channel;
    quire_tx_t *tx, *other;
    quire_rx_t *rx;
};
typedef void act(struct world *w);

/* The sender's alone: the library has a thread of its own. */
static _Thread_local struct {
    struct world *world;
    act *act;        /* NULL: not now */
    unsigned points; /* before it */
    int acted;
} plan;

void qr_sched_point(enum qr_access kind, const volatile void *address)
{
    act *now = plan.act;

    (void)address;
    if (now == NULL) {
        return;
    }
    if (plan.points > 0 && kind != QR_RMW) {
        plan.points--;
        return;
    }
    plan.act = NULL;
    if (plan.points == 0) {
        plan.acted = 1;
        now(plan.world);
    }
}

static uint64_t left(const struct world *w, const char *group)
{
    struct quire_group_stat stats[2];
    long n = quire_stat_groups(w->channel, stats, 2);

    for (long i = 0; i < n; i++) {
        if (strcmp(stats[i].name, group) == 0) {
            return stats[i].lag_messages;
        }
    }
    test_fail(__FILE__, __LINE__, "no group %s", group);
}

/* Both messages were received, and there is room for two more. */
static void begin(struct world *w)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_msg msg;

    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_queued = BOUND;
    CHECK_OK(quire_open(&w->channel, NULL, &options));
    CHECK_OK(quire_tx_open(w->channel, NULL, &w->tx));
    CHECK_OK(quire_tx_open(w->channel, NULL, &w->other));
    CHECK_OK(quire_rx_subscribe(w->channel, "a", NULL, NULL, &w->rx));
    for (unsigned i = 0; i < BOUND; i++) {
        CHECK_OK(quire_tx_try_send(w->tx, "x", 1));
        CHECK_OK(quire_rx_try_recv(w->rx, &msg));
    }
    CHECK_OK(quire_rx_release(w->rx));
    quire_rx_close(w->rx);
    w->rx = NULL;
}

static void end(struct world *w)
{
    quire_rx_close(w->rx);
    quire_tx_close(w->tx);
    quire_tx_close(w->other);
    CHECK_OK(quire_close(w->channel));
}

/* Sends with the act in the middle, at every place. after: what must be so then. */
static void everywhere(act *before, act *in_the_middle, int code, act *after)
{
    unsigned n = 0;

    for (plan.acted = 1; plan.acted; n++) {
        struct world w;

        begin(&w);
        if (before) {
            before(&w);
        }
        plan.world = &w;
        plan.points = n;
        plan.acted = 0;
        plan.act = in_the_middle;
        int got = quire_tx_try_send(w.tx, "x", 1);
        plan.act = NULL;
        if (plan.acted) {
            CHECK_CODE(got, code);
            after(&w);
        }
        end(&w);
    }
    CHECK(n > 5);
}

static void make_group(struct world *w)
{
    CHECK_OK(quire_group_create(w->channel, "b", NULL, NULL));
}

static void b_has_the_bound(struct world *w)
{
    CHECK_EQ(left(w, "b"), BOUND);
}

static void a_group_is_made(void)
{
    everywhere(NULL, make_group, QUIRE_FULL, b_has_the_bound);
}

static void move_group(struct world *w)
{
    struct quire_where oldest = {QUIRE_OLDEST, 0, 0};

    CHECK_OK(quire_group_seek(w->channel, "a", &oldest));
}

static void a_has_the_bound(struct world *w)
{
    CHECK_EQ(left(w, "a"), BOUND);
}

static void a_group_is_moved(void)
{
    everywhere(NULL, move_group, QUIRE_FULL, a_has_the_bound);
}

static void delete_group(struct world *w)
{
    CHECK_OK(quire_group_delete(w->channel, "a"));
}

static void so_many_are_held(struct world *w)
{
    make_group(w);
    b_has_the_bound(w);
}

static void the_last_group_is_deleted(void)
{
    everywhere(NULL, delete_group, QUIRE_FULL, so_many_are_held);
}

static void send_other(struct world *w)
{
    CHECK_OK(quire_tx_try_send(w->other, "x", 1));
}

/* There is room for one, and another takes it. */
static void another_sends(void)
{
    everywhere(send_other, send_other, QUIRE_FULL, a_has_the_bound);
}

static void send_both(struct world *w)
{
    send_other(w);
    send_other(w);
    CHECK_OK(quire_rx_subscribe(w->channel, "a", NULL, NULL, &w->rx));
}

static void receive(struct world *w)
{
    struct quire_msg msg;

    CHECK_OK(quire_rx_try_recv(w->rx, &msg));
}

static void one_is_received_first(struct world *w)
{
    struct quire_msg msg;

    CHECK_OK(quire_rx_try_recv(w->rx, &msg));
    CHECK_OK(quire_rx_try_recv(w->rx, &msg));
    CHECK_CODE(quire_rx_try_recv(w->rx, &msg), QUIRE_EAGAIN);
}

/* The channel is full, and is not any more when the send looks; if it has looked, there is no
 * exchange and no such place. */
static void one_is_received(void)
{
    unsigned sent = 0;

    for (unsigned n = 0; n < 40; n++) {
        struct world w;

        begin(&w);
        send_both(&w);
        plan.world = &w;
        plan.points = n;
        plan.acted = 0;
        plan.act = receive;
        int got = quire_tx_try_send(w.tx, "x", 1);
        plan.act = NULL;
        CHECK(got == 0 || got == QUIRE_FULL);
        CHECK(got == QUIRE_FULL || plan.acted);
        if (got == 0) {
            one_is_received_first(&w);
            sent++;
        }
        end(&w);
    }
    CHECK(sent > 3 && sent < 40);
}

static const struct test_case cases[] = {
    {"a_group_is_made", a_group_is_made, 0},
    {"a_group_is_moved", a_group_is_moved, 0},
    {"the_last_group_is_deleted", the_last_group_is_deleted, 0},
    {"another_sends", another_sends, 0},
    {"one_is_received", one_is_received, 0},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
