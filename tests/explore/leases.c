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
        if (lease->group == w->rx[index].group && lease->back && lease->back < begin) {
            sched_fail("%llu.%u was returned and is not what the next receive gets",
                       NAME(lease->position));
        }
    }
}

/* Whoever holds the message reads it no more. */
static void lease_ends(struct world *w, const struct world_lease *lease)
{
    for (uint32_t i = 0; i < w->rxs; i++) {
        struct world_rx *rx = &w->rx[i];
        for (uint32_t j = 0; rx->group == lease->group && j < rx->borrows;) {
            if (rx->borrow[j].position == lease->position) {
                world_check_borrows(w, i);
                rx->borrow[j] = rx->borrow[--rx->borrows];
            } else {
                j++;
            }
        }
    }
}

void world_lease_given(struct world *w, uint32_t index, const struct quire_msg *msg, uint64_t begin)
{
    struct world_lease *lease = lease_of(w, w->rx[index].group, msg->position);
    uint32_t attempt = quire_msg_attempt(msg);
    if (lease->acks && lease->acked < begin) {
        sched_fail("I1: %llu.%u was given again after it was acknowledged", NAME(msg->position));
    }
    if (lease->given && lease->returns == 0) {
        sched_fail("I1: %llu.%u was given again and nobody had returned it", NAME(msg->position));
    }
    if (attempt != lease->given + 1) {
        sched_fail("%llu.%u was given %u times before, and says attempt %u", NAME(msg->position),
                   lease->given, attempt);
    }
    if (attempt > 1 && !(msg->flags & QUIRE_MSG_RETURNED)) {
        sched_fail("%llu.%u does not say that it was returned", NAME(msg->position));
    }
    lease->returns -= lease->given ? 1u : 0u;
    lease->given++;
    lease->back = 0;
    lease->rx = index;
    w->rx[index].last = msg->position;
    if (lease->acks) {
        lease_ends(w, lease); /* while it was being taken */
    }
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        check_returned_first(w, index, begin);
    }
}

void world_lease_none(struct world *w, uint32_t index, uint64_t begin)
{
    check_returned_first(w, index, begin);
}

int world_ack(struct world *w, uint32_t index, uint64_t position)
{
    uint32_t group = w->rx[index].group;
    struct world_lease *lease = lease_of(w, group, position);
    uint32_t before = lease->acks;
    lease_ends(w, lease);
    lease->acking++;
    int rc = quire_rx_ack(w->rx[index].rx, position);
    sched_note("rx%u acks %llu.%u: %s", index, NAME(position), quire_errname(rc));
    if (rc != 0 && rc != QUIRE_ENOLEASE) {
        sched_fail("quire_rx_ack: %s", quire_errname(rc));
    }
    if (rc == 0 && lease->acks++) {
        sched_fail("%llu.%u was acknowledged twice", NAME(position));
    }
    lease->acking--;
    if (rc != 0 && lease->acks == 0 && lease->acking == 0) {
        sched_fail("%llu.%u was given, and its acknowledgement refused", NAME(position));
    }
    if (rc == 0 && before) {
        sched_fail("%llu.%u was acknowledged in a later life of its frame", NAME(position));
    }
    lease->back = 0;
    lease->acked = rc == 0 ? sched_tick() : lease->acked;
    w->group[group].delivered += rc == 0 ? 1u : 0u;
    sched_progress();
    return rc;
}

int world_nack(struct world *w, uint32_t index, uint64_t position)
{
    struct world_lease *lease = lease_of(w, w->rx[index].group, position);
    uint32_t given = lease->given;
    lease_ends(w, lease);
    lease->returns++;
    int rc = quire_rx_nack(w->rx[index].rx, position);
    sched_note("rx%u nacks %llu.%u: %s", index, NAME(position), quire_errname(rc));
    if (rc != 0 && rc != QUIRE_ENOLEASE) {
        sched_fail("quire_rx_nack: %s", quire_errname(rc));
    }
    if (rc != 0 && lease->returns-- == 0) {
        sched_fail("%llu.%u was given again for a return that was refused", NAME(position));
    }
    if (rc == 0 && lease->given == given && !lease->acks) {
        lease->back = sched_tick();
    }
    sched_progress();
    return rc;
}

void world_leases_close(struct world *w, uint32_t index)
{
    uint32_t given[WORLD_SENT];
    uint32_t count = w->leases;
    for (uint32_t i = 0; i < count; i++) {
        struct world_lease *lease = &w->lease[i];
        given[i] = lease->given;
        lease->returns +=
            lease->group == w->rx[index].group && lease->rx == index && !lease->acks ? 1u : 0u;
    }
    quire_rx_close(w->rx[index].rx);
    for (uint32_t i = 0; i < count; i++) {
        struct world_lease *lease = &w->lease[i];
        if (lease->group == w->rx[index].group && lease->rx == index && !lease->acks &&
            lease->given == given[i]) {
            lease->back = sched_tick();
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

void world_leases_check(struct world *w, uint32_t group)
{
    struct quire_group_stat stats[WORLD_GROUPS];
    long n = quire_stat_groups(w->channel, stats, WORLD_GROUPS);
    for (uint32_t i = 0; i < w->leases; i++) {
        if (w->lease[i].group == group && w->lease[i].acks != 1) {
            sched_fail("%llu.%u was never acknowledged", NAME(w->lease[i].position));
        }
    }
    for (long i = 0; i < n; i++) {
        if (!strcmp(stats[i].name, w->group[group].name) &&
            (stats[i].leased || stats[i].returned || stats[i].dead)) {
            sched_fail("all was acknowledged, and the group says %llu leased, %llu returned",
                       (unsigned long long)stats[i].leased, (unsigned long long)stats[i].returned);
        }
    }
}
