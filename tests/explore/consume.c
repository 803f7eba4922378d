/* SPDX-License-Identifier: MIT */
/* Consumers' side of the record. See world.h. */
#include <stdio.h>
#include <string.h>
#include <tests/explore/sched.h>
#include <tests/explore/world.h>

static void group_begin(struct world *w, uint32_t group, const struct quire_where *where)
{
    struct world_group *g = &w->group[group];
    snprintf(g->name, sizeof g->name, "g%u", group);
    g->late = sched_active();
    g->asked = sched_tick();
    if (where) {
        g->where = *where;
    }
}

uint32_t world_subscribe(struct world *w, uint32_t group, const struct quire_where *where,
                         uint32_t run_max, uint32_t wait)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct world_group *g = &w->group[group];
    int is_new = !g->used;
    if (w->rxs == WORLD_RX) {
        sched_fail("the record of consumers is full");
    }
    uint32_t index = w->rxs++;
    struct world_rx *rx = &w->rx[index];
    memset(rx, 0, sizeof *rx);
    rx->group = group;
    options.run_max = run_max;
    options.wait = wait;
    options.flags = w->rx_ends && !w->finishing ? QUIRE_RX_ENDS : 0;
    as.mode = g->acks ? QUIRE_GROUP_ACK : QUIRE_GROUP_AUTO;
    as.max_attempts = g->attempts;
    options.group = &as;
    if (is_new) {
        g->used = 1;
        group_begin(w, group, where);
    }
    int rc;
    while ((rc = quire_rx_subscribe(w->channel, g->name, where, &options, &rx->rx)) ==
               QUIRE_EBUSY &&
           sched_active()) {
        sched_wait();
    }
    if (rc == QUIRE_ENOENT && where && where->kind >= QUIRE_PAGE && is_new) {
        g->used = 0;
        w->rxs--;
        sched_note("%s: the place is no longer held", g->name);
        return WORLD_NONE;
    }
    if (rc) {
        sched_fail("quire_rx_subscribe: %s (%d)", quire_errname(rc), rc);
    }
    if (is_new) {
        g->answered = sched_tick();
    }
    g->members += w->finishing ? 0u : 1u;
    sched_note("rx%u joined %s", index, g->name);
    sched_progress();
    return index;
}

void world_check_borrows(struct world *w, uint32_t index)
{
    const struct world_rx *rx = &w->rx[index];
    for (uint32_t i = 0; i < rx->borrows; i++) {
        const struct world_borrow *b = &rx->borrow[i];
        uint32_t producer;
        uint32_t seq;
        if (!world_payload_check(b->data, b->size, &producer, &seq) || producer != b->producer ||
            seq != b->seq) {
            sched_fail("I6: borrowed message %u.%u changed", b->producer, b->seq);
        }
    }
}

static void give_back(struct world *w, uint32_t index)
{
    world_check_borrows(w, index);
    w->rx[index].borrows = 0;
}

void world_rx_close(struct world *w, uint32_t index)
{
    struct world_rx *rx = &w->rx[index];
    give_back(w, index);
    rx->leaving = 1;
    if (w->group[rx->group].acks) {
        world_leases_close(w, index);
    } else {
        quire_rx_close(rx->rx);
    }
    rx->rx = NULL;
    sched_note("rx%u closed", index);
    sched_progress();
}

void world_release(struct world *w, uint32_t index)
{
    give_back(w, index);
    if (quire_rx_release(w->rx[index].rx)) {
        sched_fail("quire_rx_release failed");
    }
    sched_note("rx%u released", index);
    sched_progress();
}

static uint64_t receive_begins(struct world *w, uint32_t index)
{
    w->rx[index].begin = sched_tick();
    return w->rx[index].begin;
}

static void got_message(struct world *w, uint32_t index, const struct quire_msg *msg,
                        uint64_t begin)
{
    struct world_rx *rx = &w->rx[index];
    if (w->gots == WORLD_GOT) {
        sched_fail("the record of deliveries is full: a message is delivered again and again?");
    }
    struct world_got *got = &w->got[w->gots++];
    memset(got, 0, sizeof *got);
    got->group = rx->group;
    got->rx = index;
    got->flags = msg->flags;
    got->position = msg->position;
    got->begin = rx->begin;
    got->tick = rx->end = sched_tick();
    if (!world_payload_check(msg->data, msg->size, &got->producer, &got->seq)) {
        sched_fail("I4: the message at %llu.%u is not what any producer sent",
                   (unsigned long long)QUIRE_PAGE_OF(msg->position), QUIRE_SLOT_OF(msg->position));
    }
    sched_note("rx%u got %u.%u at %llu.%u%s", index, got->producer, got->seq,
               (unsigned long long)QUIRE_PAGE_OF(msg->position), QUIRE_SLOT_OF(msg->position),
               msg->flags & QUIRE_MSG_RETURNED ? " returned" : "");
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        if (msg->position < rx->next_min) {
            sched_fail("I2: positions of one handle went backwards");
        }
        rx->next_min = msg->position + 1;
    }
    if (rx->borrows < WORLD_BORROW) {
        struct world_borrow borrow = {msg->data, msg->size, got->producer, got->seq, msg->position};
        rx->borrow[rx->borrows++] = borrow;
    }
    world_check_borrows(w, index);
    if (w->group[rx->group].acks) {
        world_lease_given(w, index, msg, begin);
    } else {
        w->group[rx->group].delivered++;
    }
    sched_progress();
}

static void got_lapped(struct world *w, uint32_t index)
{
    struct quire_lost lost = quire_rx_lost(w->rx[index].rx);
    if (w->options.full_policy != QUIRE_FULL_DROP_OLDEST) {
        sched_fail("I8: LAPPED though nothing may be dropped");
    }
    if (lost.count && lost.first > lost.last) {
        sched_fail("the account of a loss is upside down");
    }
    w->group[w->rx[index].group].lost += lost.count;
    sched_note("rx%u lost %llu", index, (unsigned long long)lost.count);
    sched_progress();
}

/* Every answer but a message. Returns as world_try_recv. */
static int other_answer(struct world *w, uint32_t index, int rc, uint64_t begin)
{
    w->rx[index].end = sched_tick();
    switch (rc) {
    case QUIRE_EAGAIN:
        if (w->empties < WORLD_EMPTY) {
            struct world_empty empty = {w->rx[index].group, begin, sched_tick()};
            w->empty[w->empties++] = empty;
        }
        world_lease_none(w, index, begin);
        sched_note("rx%u nothing", index);
        return 0;
    case QUIRE_ENDED:
        if (!w->rx_ends) {
            sched_fail("receive: ended though nobody has asked to be told");
        }
        w->group[w->rx[index].group].ended = 1;
        sched_progress();
        return -1;
    case QUIRE_CLOSED:
        if (!w->closed) {
            sched_fail("receive: closed though nobody has closed the channel");
        }
        return 0;
    case QUIRE_PAGE_END:
        if (w->group[w->rx[index].group].acks && w->options.full_policy != QUIRE_FULL_DROP_OLDEST) {
            sched_fail("a member of an ack group is told of the end of a page");
        }
        give_back(w, index);
        sched_note("rx%u page end", index);
        if (quire_rx_next_page(w->rx[index].rx)) {
            sched_fail("quire_rx_next_page failed");
        }
        sched_progress();
        return -1;
    case QUIRE_LAPPED:
        got_lapped(w, index);
        return -1;
    default:
        sched_fail("receive: %s (%d)", quire_errname(rc), rc);
    }
}

int world_try_recv(struct world *w, uint32_t index)
{
    struct quire_msg msg;
    uint64_t begin = receive_begins(w, index);
    int rc = quire_rx_try_recv(w->rx[index].rx, &msg);
    if (rc) {
        return other_answer(w, index, rc, begin);
    }
    got_message(w, index, &msg, begin);
    return 1;
}

int world_try_recv_batch(struct world *w, uint32_t index, uint32_t count)
{
    struct quire_msg msgs[8];
    uint64_t begin = receive_begins(w, index);
    long n = quire_rx_recv_batch(w->rx[index].rx, msgs, count < 8 ? count : 8, 0);
    if (n <= 0) {
        return other_answer(w, index, n == QUIRE_TIMEDOUT ? QUIRE_EAGAIN : (int)n, begin);
    }
    for (long i = 0; i < n; i++) {
        got_message(w, index, &msgs[i], begin);
    }
    return 1;
}

/* What the copy was of is not told: its place is taken from the record of sends. */
int world_try_recv_copy(struct world *w, uint32_t index)
{
    unsigned char bytes[QUIRE_PAGE_SIZE_MIN];
    struct quire_msg msg = {bytes, 0, QUIRE_MSG_RETURNED, 0};
    uint32_t producer;
    uint32_t seq;
    size_t size = 0;
    uint64_t begin = receive_begins(w, index);
    give_back(w, index); /* a page end is hidden: what was borrowed may go */
    int rc = quire_rx_recv_copy(w->rx[index].rx, bytes, sizeof bytes, &size, 0);
    if (rc) {
        return other_answer(w, index, rc == QUIRE_TIMEDOUT ? QUIRE_EAGAIN : rc, begin);
    }
    msg.size = (uint32_t)size;
    if (!world_payload_check(bytes, msg.size, &producer, &seq)) {
        sched_fail("I4: what was copied is not what any producer sent");
    }
    for (uint32_t i = 0; i < w->sents; i++) {
        if (w->sent[i].producer == producer && w->sent[i].seq == seq) {
            msg.position = w->sent[i].position;
        }
    }
    got_message(w, index, &msg, begin);
    w->rx[index].borrows = 0;
    return 1;
}

void world_try_recv_small(struct world *w, uint32_t index)
{
    char byte;
    size_t size;
    receive_begins(w, index);
    give_back(w, index); /* a page end is hidden: what was borrowed may go */
    int rc = quire_rx_recv_copy(w->rx[index].rx, &byte, sizeof byte, &size, 0);
    w->rx[index].end = sched_tick();
    sched_note("rx%u, without room: %s", index, quire_errname(rc));
    if (rc == QUIRE_LAPPED) {
        got_lapped(w, index);
    } else if (rc != QUIRE_ETOOSMALL && rc != QUIRE_EAGAIN) {
        sched_fail("receive without room: %s (%d)", quire_errname(rc), rc);
    }
    sched_progress();
}

int world_group_done(const struct world *w, uint32_t group)
{
    return w->group[group].delivered + w->group[group].lost >= w->planned;
}

void world_recv(struct world *w, uint32_t index, uint32_t count)
{
    uint32_t got = 0;
    while (got < count && !w->closed && !world_group_done(w, w->rx[index].group)) {
        int rc = world_try_recv(w, index);
        if (rc == 0) {
            sched_wait();
        }
        got += rc > 0 ? 1u : 0u;
    }
}

int world_recv_one_sleeping(struct world *w, uint32_t index)
{
    for (;;) {
        struct quire_msg msg;
        uint64_t begin = receive_begins(w, index);
        int rc = quire_rx_recv(w->rx[index].rx, &msg);
        if (rc == QUIRE_CLOSED) {
            return 0;
        }
        if (rc == 0) {
            got_message(w, index, &msg, begin);
            return 1;
        }
        other_answer(w, index, rc, 0);
    }
}

void world_recv_sleeping(struct world *w, uint32_t index)
{
    while (world_recv_one_sleeping(w, index)) {
    }
}

void world_recv_ended(struct world *w, uint32_t index)
{
    struct world_rx *rx = &w->rx[index];
    struct quire_msg msg;
    int rc;
    uint64_t begin = receive_begins(w, index);
    while ((rc = quire_rx_recv(rx->rx, &msg)) != QUIRE_ENDED) {
        if (rc) {
            other_answer(w, index, rc, 0);
        } else {
            got_message(w, index, &msg, begin);
        }
        begin = receive_begins(w, index);
    }
    rx->end = sched_tick();
    sched_note("rx%u ended", index);
    w->group[rx->group].ended = 1; /* what comes now is found in world_finish */
    sched_progress();
    if (quire_rx_try_recv(rx->rx, &msg) != QUIRE_ENDED) {
        sched_fail("the end was told and is not told again");
    }
}

void world_drain(struct world *w)
{
    struct quire_left left;
    struct world_drain drain = {sched_tick(), 0};
    int rc = quire_drain(w->channel, 0, &left);
    if (rc && rc != QUIRE_TIMEDOUT) {
        sched_fail("quire_drain: %s (%d)", quire_errname(rc), rc);
    }
    if ((rc != 0) != (left.messages > 0) || (rc != 0) != (left.groups > 0)) {
        sched_fail("quire_drain: %s with %llu messages left", quire_errname(rc),
                   (unsigned long long)left.messages);
    }
    drain.end = sched_tick();
    sched_note("%llu left", (unsigned long long)left.messages);
    if (rc == 0 && w->drains < WORLD_DRAINS) {
        w->drain[w->drains++] = drain;
    }
}

void world_wait_done(struct world *w)
{
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        while (w->group[g].used && !world_group_done(w, g)) {
            sched_wait();
        }
    }
}
