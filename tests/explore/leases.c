/* SPDX-License-Identifier: MIT */
/*
 * Ack groups, kept in a ledger of their own: what each message was given, returned and
 * acknowledged. A return that is under way may show before its call is over, so it counts from the
 * beginning of the call.
 */
#include <string.h>
#include <tests/explore/sched.h>
#include <tests/explore/world.h>

#define NAME(position) (unsigned long long)QUIRE_PAGE_OF(position), QUIRE_SLOT_OF(position)

void world_ack_group(struct world *w, uint32_t group)
{
    w->group[group].acks = 1;
}

static struct world_lease *lease_of(struct world *w, uint32_t group, uint64_t position)
{
    for (uint32_t i = 0; i < w->leases; i++) {
        if (w->lease[i].group == group && w->lease[i].position == position) {
            return &w->lease[i];
        }
    }
    if (w->leases == WORLD_SENT) {
        sched_fail("the record of leases is full");
    }
    struct world_lease *lease = &w->lease[w->leases++];
    memset(lease, 0, sizeof *lease);
    lease->group = group;
    lease->position = position;
    return lease;
}

/* What was back before the receive began goes before anything else, and is found. */
static void check_returned_first(const struct world *w, uint32_t index, uint64_t begin)
{
    const struct world_group *g = &w->group[w->rx[index].group];
    for (uint32_t i = 0; g->alone && i < w->leases; i++) {
        const struct world_lease *lease = &w->lease[i];
        if (lease->group == w->rx[index].group && lease->back && lease->back < begin &&
            lease->acking == 0 && !lease->unsure) {
            sched_fail("%llu.%u was returned and is not what the next receive gets",
                       NAME(lease->position));
        }
    }
}

/* The handle reads the message no more. */
static void lease_ends(struct world *w, uint32_t index, const struct world_lease *lease)
{
    struct world_rx *rx = &w->rx[index];
    for (uint32_t i = 0; i < rx->borrows;) {
        if (rx->borrow[i].position == lease->position) {
            world_check_borrows(w, index);
            rx->borrow[i] = rx->borrow[--rx->borrows];
        } else {
            i++;
        }
    }
}

void world_lease_given(struct world *w, uint32_t index, const struct quire_msg *msg, uint64_t begin)
{
    struct world_lease *lease = lease_of(w, w->rx[index].group, msg->position);
    uint32_t attempt = quire_msg_attempt(msg);
    /* The handle's own acknowledgement may be faster than its receive returns. */
    if (lease->acks && (lease->acker != index || lease->acked < begin)) {
        sched_fail("I1: %llu.%u was given again after it was acknowledged", NAME(msg->position));
    }
    if (lease->given && lease->returns == 0) {
        sched_fail("I1: %llu.%u was given again and nobody had returned it", NAME(msg->position));
    }
    if (attempt != lease->given - lease->before + 1) {
        sched_fail("%llu.%u was given %u times before, and says attempt %u", NAME(msg->position),
                   lease->given - lease->before, attempt);
    }
    if (attempt > 1 && !(msg->flags & QUIRE_MSG_RETURNED)) {
        sched_fail("%llu.%u does not say that it was returned", NAME(msg->position));
    }
    lease->returns -= lease->given ? 1u : 0u;
    lease->given++;
    lease->back = 0;
    lease->dead = 0;
    lease->rx = index;
    lease->unsure = 0; /* nobody else's ranges end it, and its own come later */
    w->rx[index].last = msg->position;
    if (lease->acks) {
        lease_ends(w, index, lease);
    }
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        check_returned_first(w, index, begin);
    }
}

void world_lease_none(struct world *w, uint32_t index, uint64_t begin)
{
    check_returned_first(w, index, begin);
}

/* Its page may have been given up with all leases. */
static int may_be_lost(const struct world *w)
{
    return w->options.full_policy == QUIRE_FULL_DROP_OLDEST;
}

/* --- calls that end a lease: what was known when one began --- */

struct ending {
    uint64_t begin;
    uint64_t back;
    uint32_t given;
    uint32_t calls;
    int alone; /* it is the only one of its handle, and the handle has the message */
};

static int is_with(const struct world_lease *lease, uint32_t index)
{
    return lease->given && lease->returns == 0 && !lease->dead && !lease->acks &&
           lease->rx == index;
}

static struct ending ending_begins(struct world *w, struct world_lease *lease, uint32_t index)
{
    struct ending e = {.begin = sched_tick(), .back = lease->back, .given = lease->given};
    e.alone = is_with(lease, index) && !lease->unsure && !may_be_lost(w) &&
              lease->calls[index] == lease->over[index];
    e.calls = ++lease->calls[index];
    lease_ends(w, index, lease);
    return e;
}

/* 1 when the handle had the message until this call, and ended it in no other way: granted. */
static int ending_is_due(struct world_lease *lease, uint32_t index, const struct ending *e)
{
    lease->over[index]++;
    return e->alone && lease->calls[index] == e->calls && lease->given == e->given;
}

/* 1 when nobody had the message, nor tried to get it, since the call began. */
static int lay_back(const struct world *w, const struct world_lease *lease, const struct ending *e)
{
    for (uint32_t i = 0; i < w->rxs; i++) {
        const struct world_rx *rx = &w->rx[i];
        if (rx->group == lease->group && (rx->end > e->begin || rx->end < rx->begin)) {
            return 0;
        }
    }
    return e->back && lease->back == e->back && lease->acks == 0 && lease->acking == 0 &&
           !lease->unsure && !may_be_lost(w);
}

/* Could anybody but the one who was given the message have it acknowledged? */
static void check_granted(const struct world *w, const struct world_lease *lease, uint32_t index)
{
    int left = 0;
    for (uint32_t i = 0; i < w->rxs; i++) {
        left |= w->rx[i].group == lease->group && w->rx[i].leaving;
    }
    if (lease->given && lease->returns == 0 && !lease->dead && lease->rx != index) {
        sched_fail("rx%u acknowledged %llu.%u, which rx%u has", index, NAME(lease->position),
                   lease->rx);
    }
    if (!lease->given && !left && w->rx[index].end > w->rx[index].begin) {
        sched_fail("rx%u acknowledged %llu.%u, which nobody was given", index,
                   NAME(lease->position));
    }
}

int world_ack(struct world *w, uint32_t index, uint64_t position)
{
    uint32_t group = w->rx[index].group;
    struct world_lease *lease = lease_of(w, group, position);
    uint32_t before = lease->acks;
    struct ending e = ending_begins(w, lease, index);
    lease->acking++;
    int rc = quire_rx_ack(w->rx[index].rx, position);
    lease->acking--;
    sched_note("rx%u acks %llu.%u: %s", index, NAME(position), quire_errname(rc));
    int due = ending_is_due(lease, index, &e) || lay_back(w, lease, &e);
    if (rc != 0 && rc != QUIRE_ENOLEASE) {
        sched_fail("quire_rx_ack: %s", quire_errname(rc));
    }
    if (rc != 0 && due) {
        sched_fail("%llu.%u was rx%u's, or nobody's, and its acknowledgement refused",
                   NAME(position), index);
    }
    if (rc == 0) {
        if (lease->acks++) {
            sched_fail("%llu.%u was acknowledged twice", NAME(position));
        }
        if (before) {
            sched_fail("%llu.%u was acknowledged in a later life of its frame", NAME(position));
        }
        check_granted(w, lease, index);
        lease->back = 0;
        lease->acker = index;
        lease->acked = sched_tick();
        w->group[group].delivered++;
    }
    sched_progress();
    return rc;
}

/* The call of a range is over, and the lease may be one of those that it ended. */
static int may_be_of_range(const struct world_lease *lease, uint32_t index)
{
    int has_other = lease->given && lease->returns == 0 && !lease->dead && lease->rx != index;
    return lease->acks == 0 && !has_other;
}

static int in_range(const struct world *w, uint32_t lease, uint32_t group, uint64_t first,
                    uint64_t last)
{
    const struct world_lease *l = &w->lease[lease];
    return l->group == group && l->position >= first && l->position <= last;
}

/* Those that the handle had, and nobody ended otherwise: each was acknowledged. Returns how many
 * there were. */
static uint32_t range_is_over(struct world *w, uint32_t index, const struct ending *e,
                              uint64_t first, uint64_t last)
{
    uint32_t named = 0;
    for (uint32_t i = 0; i < w->leases; i++) {
        struct world_lease *lease = &w->lease[i];
        if (!in_range(w, i, w->rx[index].group, first, last)) {
            continue;
        }
        if (e[i].calls) {
            lease->acking--;
        }
        if (e[i].calls && ending_is_due(lease, index, &e[i])) {
            if (lease->acks++) {
                sched_fail("%llu.%u was acknowledged twice", NAME(lease->position));
            }
            lease->acker = index;
            lease->acked = sched_tick();
            named++;
        } else if (may_be_of_range(lease, index)) {
            lease->unsure = 1;
        }
    }
    return named;
}

void world_ack_range(struct world *w, uint32_t index, uint64_t first, uint64_t last)
{
    const struct world_rx *rx = &w->rx[index];
    struct ending e[WORLD_SENT] = {{0}};
    uint32_t count = w->leases;
    for (uint32_t i = 0; i < count; i++) {
        if (in_range(w, i, rx->group, first, last)) {
            e[i] = ending_begins(w, &w->lease[i], index);
            w->lease[i].acking++;
        }
    }
    long n = quire_rx_ack_range(rx->rx, first, last);
    sched_note("rx%u acks %llu.%u to %llu.%u: %ld", index, NAME(first), NAME(last), n);
    if (n < 0) {
        sched_fail("quire_rx_ack_range: %s", quire_errname((int)n));
    }
    uint32_t named = range_is_over(w, index, e, first, last);
    if (n < named) {
        sched_fail("rx%u had %u of a range, and %ld were acknowledged", index, named, n);
    }
    w->group[rx->group].delivered += (uint32_t)n;
    w->group[rx->group].unnamed += (uint32_t)n - named;
    sched_progress();
}

/* Its return is over, and nobody was given it since. */
static void is_back(const struct world *w, struct world_lease *lease)
{
    uint32_t limit = w->group[lease->group].attempts;
    if (limit && lease->given - lease->before >= limit) {
        lease->dead = 1;
        lease->returns--;
    } else {
        lease->back = sched_tick();
    }
}

int world_nack(struct world *w, uint32_t index, uint64_t position)
{
    struct world_lease *lease = lease_of(w, w->rx[index].group, position);
    struct ending e = ending_begins(w, lease, index);
    lease->returns++;
    int rc = quire_rx_nack(w->rx[index].rx, position);
    sched_note("rx%u nacks %llu.%u: %s", index, NAME(position), quire_errname(rc));
    int due = ending_is_due(lease, index, &e);
    if (rc != 0 && rc != QUIRE_ENOLEASE) {
        sched_fail("quire_rx_nack: %s", quire_errname(rc));
    }
    if (rc != 0 && due) {
        sched_fail("%llu.%u was rx%u's, and its return refused", NAME(position), index);
    }
    if (rc != 0 && lease->returns-- == 0) {
        sched_fail("%llu.%u was given again for a return that was refused", NAME(position));
    }
    if (rc == 0 && lease->given == e.given && (lease->rx != index || e.back)) {
        sched_fail("rx%u returned %llu.%u, which it did not have", index, NAME(position));
    }
    if (rc == 0 && lease->given == e.given && !lease->acks) {
        is_back(w, lease);
    }
    sched_progress();
    return rc;
}

void world_requeue(struct world *w, uint32_t group, uint64_t position)
{
    struct world_lease *lease = lease_of(w, group, position);
    uint32_t given = lease->given;
    lease->before = given; /* its attempts begin anew */
    lease->returns++;
    lease->queueing++;
    int rc = quire_group_requeue(w->channel, w->group[group].name, position);
    lease->queueing--;
    sched_note("%llu.%u is queued again: %s", NAME(position), quire_errname(rc));
    if (rc != 0 && rc != QUIRE_ENOLEASE) {
        sched_fail("quire_group_requeue: %s", quire_errname(rc));
    }
    if (rc != 0 && lease->dead && !lease->acks && !lease->acking && !lease->queueing) {
        sched_fail("%llu.%u is a dead letter, and not queued again", NAME(position));
    }
    if (rc != 0 && lease->returns-- == 0) {
        sched_fail("%llu.%u was given again and is not queued again", NAME(position));
    }
    if (rc == 0 && lease->given == given && !lease->acks) {
        lease->dead = 0;
        lease->back = sched_tick();
    }
    sched_progress();
}

void world_leases_close(struct world *w, uint32_t index)
{
    uint32_t given[WORLD_SENT]; /* of those that the handle has; else 0 */
    uint32_t count = w->leases;
    for (uint32_t i = 0; i < count; i++) {
        struct world_lease *lease = &w->lease[i];
        int has = lease->group == w->rx[index].group && is_with(lease, index);
        given[i] = has ? lease->given : 0;
        lease->returns += has ? 1u : 0u;
    }
    quire_rx_close(w->rx[index].rx);
    for (uint32_t i = 0; i < count; i++) {
        struct world_lease *lease = &w->lease[i];
        if (given[i] && lease->given == given[i] && !lease->acks) {
            is_back(w, lease);
        }
    }
}

void world_leases_ack(struct world *w, uint32_t index)
{
    /* The last one first: no order is asked for. */
    for (uint32_t i = w->leases; i-- > 0;) {
        struct world_lease *lease = &w->lease[i];
        if (lease->group == w->rx[index].group && lease->rx == index && lease->given &&
            !lease->back && !lease->acks) {
            (void)world_ack(w, index, lease->position);
        }
    }
}

/* What was published and not acknowledged is what the group was told to be lost. */
static void check_lost(const struct world *w, const struct world_group *g)
{
    if (g->delivered + g->lost != w->published) {
        sched_fail("%u acknowledged and %llu lost of %u", g->delivered, (unsigned long long)g->lost,
                   w->published);
    }
}

/* Each message was acknowledged, or one of those that ranges did not name. */
static void check_acked(const struct world *w, uint32_t group)
{
    uint32_t unnamed = 0;
    for (uint32_t i = 0; i < w->leases; i++) {
        const struct world_lease *lease = &w->lease[i];
        if (lease->group != group || lease->acks == 1) {
            continue;
        }
        if (!lease->unsure) {
            sched_fail("%llu.%u was never acknowledged", NAME(lease->position));
        }
        unnamed++;
    }
    if (unnamed != w->group[group].unnamed) {
        sched_fail("ranges acknowledged %u more messages, and %u may have been",
                   w->group[group].unnamed, unnamed);
    }
}

void world_leases_check(struct world *w, uint32_t group)
{
    struct quire_group_stat stats[WORLD_GROUPS];
    long n = quire_stat_groups(w->channel, stats, WORLD_GROUPS);
    if (!may_be_lost(w)) {
        check_acked(w, group);
    }
    if (!w->group[group].late) {
        check_lost(w, &w->group[group]);
    }
    for (long i = 0; i < n; i++) {
        if (!strcmp(stats[i].name, w->group[group].name) &&
            (stats[i].leased || stats[i].returned || stats[i].dead)) {
            sched_fail("all was acknowledged, and the group says %llu leased, %llu returned",
                       (unsigned long long)stats[i].leased, (unsigned long long)stats[i].returned);
        }
    }
}
