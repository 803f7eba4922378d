/* SPDX-License-Identifier: MIT */
/* The producers of the rig. */
#include <sched.h>
#include <stdlib.h>
#include <tests/stress/rig_parts.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>

#define BATCH_BYTES 65536u

static size_t size_of(const struct producer *p, uint64_t number, size_t low)
{
    const struct rig_shape *shape = &p->rig->shape;
    size_t least = shape->size_low > low ? shape->size_low : low;
    size_t most = shape->size_high > least ? shape->size_high : least;
    return content_size(p->stream, number, least, most);
}

/* After a message was sent: what only its position can tell later. */
static void sent(struct producer *p, size_t size)
{
    uint64_t position = quire_tx_position(p->tx);
    if (size < RIG_SMALL) {
        struct entry *entry = log_add(&p->small);
        entry->position = position;
        entry->a = p->next;
        entry->b = p->stream;
        entry->size = (uint32_t)size;
    }
    p->next++;
}

static void send_one(struct producer *p)
{
    struct rig *rig = p->rig;
    size_t size = size_of(p, p->next, 0);
    content_fill(p->buffer, size, p->stream, p->next);
    if (!rig->shape.ordered) {
        CHECK_OK(quire_tx_send(p->tx, p->buffer, size));
    } else {
        /* acq_rel: the tick lies before all of the send, and after it. */
        uint64_t begin = qr_add_acq_rel(&rig->clock, 1);
        CHECK_OK(quire_tx_send(p->tx, p->buffer, size));
        uint64_t end = qr_add_acq_rel(&rig->clock, 1);
        struct entry *entry = log_add(&p->sends);
        entry->position = quire_tx_position(p->tx);
        entry->a = begin;
        entry->b = end;
    }
    sent(p, size);
}

static void send_try(struct producer *p)
{
    size_t size = size_of(p, p->next, 0);
    content_fill(p->buffer, size, p->stream, p->next);
    for (;;) {
        int rc = quire_tx_try_send(p->tx, p->buffer, size);
        if (rc == 0) {
            break;
        }
        CHECK_CODE(rc, QUIRE_FULL);
        sched_yield();
    }
    sent(p, size);
}

/* Messages of a batch name themselves: only the last one's position is known. */
static void send_batch(struct producer *p)
{
    struct quire_vec vec[RIG_BATCH];
    size_t used = 0;
    uint64_t n = 0;
    uint64_t limit = 1 + random_below(&p->random, RIG_BATCH);
    while (n < limit && p->next + n < p->count) {
        size_t size = size_of(p, p->next + n, CONTENT_NAMED_MIN);
        if (used + size > BATCH_BYTES) {
            break;
        }
        content_fill(p->buffer + used, size, p->stream, p->next + n);
        vec[n].data = p->buffer + used;
        vec[n].size = size;
        used += (size + 7) & ~(size_t)7;
        n++;
    }
    for (uint64_t done = 0; done < n;) {
        long rc = quire_tx_send_batch(p->tx, vec + done, n - done, QUIRE_FOREVER);
        if (rc == QUIRE_FULL && p->rig->shape.policy == QUIRE_FULL_REJECT) {
            sched_yield();
            continue;
        }
        CHECK(rc > 0 && (uint64_t)rc <= n - done);
        done += (uint64_t)rc;
    }
    p->next += n;
}

static void send_reserve(struct producer *p, int abort_it)
{
    size_t size = size_of(p, p->next, 0);
    size_t slack = random_below(&p->random, 3) ? 0 : (p->rig->message_max - size) / 2;
    void *data;
    int rc;
    while ((rc = quire_tx_reserve(p->tx, size + slack, &data, QUIRE_FOREVER)) == QUIRE_FULL) {
        sched_yield();
    }
    CHECK_OK(rc);
    content_fill(data, size, p->stream, p->next);
    if (abort_it) {
        CHECK_OK(quire_tx_abort(p->tx));
        p->aborted++;
        return;
    }
    CHECK_OK(quire_tx_commit(p->tx, size));
    sent(p, size);
}

void producer_step(struct producer *p)
{
    unsigned ways = p->rig->shape.send_ways;
    unsigned way;
    do {
        way = 1u << random_below(&p->random, 5);
    } while (!(ways & way));
    switch (way) {
    case RIG_SEND_ONE:
        send_one(p);
        break;
    case RIG_SEND_TRY:
        send_try(p);
        break;
    case RIG_SEND_BATCH:
        send_batch(p);
        break;
    default:
        send_reserve(p, way == RIG_SEND_ABORT);
        break;
    }
}

static void producer_open(struct producer *p)
{
    CHECK_OK(quire_tx_open(p->rig->channel, NULL, &p->tx));
}

void producer_main(void *context)
{
    struct producer *p = context;
    uint32_t life = p->rig->shape.tx_life;
    uint64_t steps = 0;
    producer_open(p);
    while (p->next < p->count) {
        producer_step(p);
        if (life && ++steps % life == 0) {
            quire_tx_close(p->tx);
            producer_open(p);
        }
    }
    quire_tx_close(p->tx);
    qr_sub_acq_rel(&p->rig->sending, 1); /* pairs with sending_over() */
}

/*
 * Handles that rest through many lives of their frame: all are opened and used at the start, then
 * each sends again whenever the first group has got a good deal further.
 */
void rester_main(void *context)
{
    struct rig *rig = context;
    uint32_t first = rig->shape.producers;
    uint64_t others = rig->shape.messages * rig->shape.producers;
    for (uint32_t i = first; i < rig->streams; i++) {
        producer_open(&rig->producer[i]);
        producer_step(&rig->producer[i]);
    }
    for (uint64_t k = 1; k < rig->shape.rests; k++) {
        /* relaxed: a measure of how far the load is, nothing is read through it */
        while (qr_load_relaxed(&rig->group[0].received) + qr_load_relaxed(&rig->group[0].lost) <
               others * k / rig->shape.rests) {
            sched_yield();
        }
        for (uint32_t i = first; i < rig->streams; i++) {
            if (rig->producer[i].next < rig->producer[i].count) {
                producer_step(&rig->producer[i]);
            }
        }
    }
    for (uint32_t i = first; i < rig->streams; i++) {
        while (rig->producer[i].next < rig->producer[i].count) {
            producer_step(&rig->producer[i]);
        }
        quire_tx_close(rig->producer[i].tx);
        qr_sub_acq_rel(&rig->sending, 1); /* pairs with sending_over() */
    }
}
