/* SPDX-License-Identifier: MIT */
/*
 * The record of a run against the invariants of the design:
 *   I1  within a group nothing is delivered twice, nothing is skipped
 *   I2  positions a handle sees grow (checked as they come, consume.c)
 *   I3  a send that returned before another began has the smaller position
 *   I4  every delivery is exactly what was sent at that position
 * and: a receive that finds nothing is right about it.
 */
#include <tests/explore/sched.h>
#include <tests/explore/world.h>

static struct world_sent *sent_of(struct world *w, const struct world_got *got)
{
    for (uint32_t i = 0; i < w->sents; i++) {
        if (w->sent[i].producer == got->producer && w->sent[i].seq == got->seq) {
            return &w->sent[i];
        }
    }
    return NULL;
}

static void check_deliveries(struct world *w)
{
    for (uint32_t i = 0; i < w->gots; i++) {
        struct world_got *got = &w->got[i];
        struct world_sent *sent = sent_of(w, got);
        if (!sent || !sent->published) {
            sched_fail("I4: %u.%u was delivered but never sent", got->producer, got->seq);
        }
        if (sent->position == UINT64_MAX) {
            sent->position = got->position; /* inside a batch: known from its delivery */
        }
        if (got->position == UINT64_MAX) {
            got->position = sent->position; /* copied before its send had returned */
        }
        if (sent->position != got->position) {
            sched_fail("I4: %u.%u was sent at %llx and delivered at %llx", got->producer, got->seq,
                       (unsigned long long)sent->position, (unsigned long long)got->position);
        }
        for (uint32_t j = 0; j < i; j++) {
            const struct world_got *other = &w->got[j];
            /* What ack groups are given again is held against their leases. */
            if (other->group == got->group && other->position == got->position &&
                !w->group[got->group].acks) {
                sched_fail("I1: %u.%u was delivered twice in g%u", got->producer, got->seq,
                           got->group);
            }
        }
    }
}

static void check_claim_order(const struct world *w)
{
    for (uint32_t i = 0; i < w->sents; i++) {
        const struct world_sent *a = &w->sent[i];
        for (uint32_t j = 0; j < w->sents; j++) {
            const struct world_sent *b = &w->sent[j];
            int known = a->published && b->published && a->position != UINT64_MAX &&
                        b->position != UINT64_MAX;
            if (known && i != j && a->position == b->position) {
                sched_fail("I5: %u.%u and %u.%u have one position", a->producer, a->seq,
                           b->producer, b->seq);
            }
            if (known && a->end < b->begin && a->position >= b->position) {
                sched_fail("I3: %u.%u was sent before %u.%u but lies behind it", a->producer,
                           a->seq, b->producer, b->seq);
            }
            if (known && a->producer == b->producer && a->seq < b->seq &&
                a->position >= b->position) {
                sched_fail("I2: messages of producer %u changed their order", a->producer);
            }
        }
    }
}

static const struct world_got *got_by(const struct world *w, uint32_t group, uint64_t position)
{
    for (uint32_t i = 0; i < w->gots; i++) {
        if (w->got[i].group == group && w->got[i].position == position) {
            return &w->got[i];
        }
    }
    return NULL;
}

static uint64_t first_delivered(const struct world *w, uint32_t group)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < w->gots; i++) {
        if (w->got[i].group == group && w->got[i].position < first) {
            first = w->got[i].position;
        }
    }
    return first;
}

/* 1 when a group of the beginning had not been given the message at the tick. */
static int held_until(const struct world *w, uint64_t position, uint64_t tick)
{
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        const struct world_got *got = got_by(w, g, position);
        if (w->group[g].used && !w->group[g].late && (!got || got->tick > tick)) {
            return 1;
        }
    }
    return 0;
}

/* The first position that a group made in the run must see, or may see. */
static void late_bounds(const struct world *w, const struct world_group *g, uint64_t *must,
                        uint64_t *may)
{
    *must = UINT64_MAX;
    *may = 0;
    for (uint32_t i = 0; i < w->sents; i++) {
        const struct world_sent *sent = &w->sent[i];
        int needed = sent->published && sent->position != UINT64_MAX;
        if (g->where.kind == QUIRE_NEWEST) {
            if (needed && sent->end < g->asked && sent->position >= *may) {
                *may = sent->position + 1;
            }
            needed = needed && sent->begin > g->answered;
        } else if (g->where.kind == QUIRE_PAGE) {
            *may = g->where.value << 16;
            needed = needed && sent->position >= *may;
        } else if (g->where.kind == QUIRE_AT) {
            *may = g->where.value;
            needed = needed && sent->position >= *may;
        } else {
            /* nobody knows from here when a page was dropped */
            needed = needed && w->options.full_policy != QUIRE_FULL_DROP_OLDEST &&
                     held_until(w, sent->position, g->answered);
        }
        if (needed && sent->position < *must) {
            *must = sent->position;
        }
    }
}

/* I1: everything from where the group began was delivered; what is missing is what it was told. */
static void check_group(const struct world *w, uint32_t group)
{
    const struct world_group *g = &w->group[group];
    if (g->acks && w->options.full_policy == QUIRE_FULL_DROP_OLDEST) {
        return; /* held against its leases: what was given may be lost, too */
    }
    if (w->abandoned) {
        return; /* what was left in the channel is gone with it */
    }
    uint64_t first = g->late ? first_delivered(w, group) : 0;
    uint64_t missing = 0;
    if (g->late) {
        uint64_t must;
        uint64_t may;
        late_bounds(w, g, &must, &may);
        if (first > must || first < may) {
            sched_fail("g%u begins at %llx, allowed are %llx to %llx", group,
                       (unsigned long long)first, (unsigned long long)may,
                       (unsigned long long)must);
        }
    }
    for (uint32_t i = 0; i < w->sents; i++) {
        const struct world_sent *sent = &w->sent[i];
        if (!sent->published || sent->position < first ||
            (sent->position != UINT64_MAX && got_by(w, group, sent->position))) {
            continue;
        }
        missing++;
        if (w->options.full_policy != QUIRE_FULL_DROP_OLDEST) {
            sched_fail("I1: %u.%u was never delivered to g%u", sent->producer, sent->seq, group);
        }
    }
    if (missing != g->lost && !(g->late && missing <= g->lost)) {
        sched_fail("g%u misses %llu messages and was told of %llu", group,
                   (unsigned long long)missing, (unsigned long long)g->lost);
    }
}

/* The first message that was not yet delivered to the group at a tick. */
static const struct world_sent *next_at(const struct world *w, uint32_t group, uint64_t tick)
{
    const struct world_sent *next = NULL;
    for (uint32_t i = 0; i < w->sents; i++) {
        const struct world_sent *sent = &w->sent[i];
        if (!sent->published || sent->position == UINT64_MAX) {
            continue;
        }
        const struct world_got *got = got_by(w, group, sent->position);
        if ((!got || got->tick > tick) && (!next || sent->position < next->position)) {
            next = sent;
        }
    }
    return next;
}

/* 1 when no message lies before it in its page. */
static int begins_page(const struct world *w, const struct world_sent *next)
{
    for (uint32_t i = 0; i < w->sents; i++) {
        const struct world_sent *sent = &w->sent[i];
        if (sent->published && sent->position < next->position &&
            QUIRE_PAGE_OF(sent->position) == QUIRE_PAGE_OF(next->position)) {
            return 0;
        }
    }
    return 1;
}

/*
 * A receive of a group's only member may say EAGAIN only when the next message was not yet
 * published, or a call that was unfinished then may hold a slot before it. Where the next message
 * begins a page, any unfinished send may be the one that has still to seal the page before.
 */
static void check_empty(const struct world *w, const struct world_empty *empty)
{
    const struct world_sent *next = next_at(w, empty->group, empty->begin);
    if (!next || next->end > empty->begin) {
        return;
    }
    for (uint32_t i = 0; i < w->sents; i++) {
        const struct world_sent *sent = &w->sent[i];
        int unfinished = sent->first < empty->begin && sent->end > empty->begin;
        int behind = sent->position != UINT64_MAX && sent->position > next->position;
        if (unfinished && (!behind || begins_page(w, next))) {
            return;
        }
    }
    sched_fail("EAGAIN although %u.%u was ready", next->producer, next->seq);
}

/* What was sent before a look that found nothing left is not received after it. */
static void check_drain(const struct world *w, const struct world_drain *drain)
{
    for (uint32_t i = 0; i < w->gots; i++) {
        const struct world_got *got = &w->got[i];
        const struct world_sent *sent = sent_of((struct world *)w, got);
        if (sent && sent->end < drain->begin && got->begin > drain->end) {
            sched_fail("I1: nothing was left, and then %u.%u came to g%u", got->producer, got->seq,
                       got->group);
        }
    }
}

void world_check_record(struct world *w)
{
    check_deliveries(w);
    check_claim_order(w);
    for (uint32_t i = 0; i < w->drains; i++) {
        check_drain(w, &w->drain[i]);
    }
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        if (w->group[g].used) {
            check_group(w, g);
        }
    }
    if (w->options.full_policy == QUIRE_FULL_DROP_OLDEST) {
        return;
    }
    for (uint32_t i = 0; i < w->empties; i++) {
        const struct world_group *g = &w->group[w->empty[i].group];
        if (!g->late && !g->acks && g->members <= 1) {
            check_empty(w, &w->empty[i]);
        }
    }
}
