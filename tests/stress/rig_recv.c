/* SPDX-License-Identifier: MIT */
/* The consumers of the rig. */
#include <sched.h>
#include <string.h>
#include <tests/stress/rig_parts.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>

/* How long a receive waits before it looks whether the load is over. */
#define LOOK_NS (20 * CLOCK_MS)

/* I6: nothing of what is borrowed has changed. */
static void give_back(struct consumer *c)
{
    for (uint32_t i = 0; i < c->borrows; i++) {
        const struct borrow *b = &c->borrow[i];
        if (!content_matches(b->data, b->size, b->stream, b->number)) {
            test_fail(__FILE__, __LINE__, "I6: borrowed message %llu of %llu has changed",
                      (unsigned long long)b->number, (unsigned long long)b->stream);
        }
    }
    c->borrows = 0;
}

static void borrow(struct consumer *c, const struct quire_msg *msg, uint64_t stream,
                   uint64_t number)
{
    if (c->borrows < RIG_BORROWS) {
        struct borrow b = {msg->data, stream, number, msg->size};
        c->borrow[c->borrows++] = b;
    }
}

/* I1: a bit of its own for each message in each group. */
static void mark_seen(struct consumer *c, uint64_t stream, uint64_t number)
{
    struct rig *rig = c->rig;
    CHECK(stream < rig->streams);
    CHECK(number < rig->producer[stream].count);
    uint64_t bit = rig_first_of(rig, (uint32_t)stream) + number;
    uint32_t mask = 1u << (bit & 31u);
    /* acq_rel: only the bit counts */
    uint32_t old = qr_or_acq_rel(&c->group->seen[bit >> 5], mask);
    if (old & mask) {
        test_fail(__FILE__, __LINE__, "I1: message %llu of %llu came twice to %s",
                  (unsigned long long)number, (unsigned long long)stream, c->group->name);
    }
}

static void check_order(struct consumer *c, const struct quire_msg *msg)
{
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        if (msg->position < c->next_min) {
            test_fail(__FILE__, __LINE__, "I2: position %llx after %llx in one handle",
                      (unsigned long long)msg->position, (unsigned long long)c->next_min - 1);
        }
        c->next_min = msg->position + 1;
    }
}

static void check_fifo(struct consumer *c, const struct quire_msg *msg, uint64_t stream,
                       uint64_t number)
{
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        if (number + 1 <= c->last[stream]) {
            test_fail(__FILE__, __LINE__, "I2: message %llu of %llu after number %llu",
                      (unsigned long long)number, (unsigned long long)stream,
                      (unsigned long long)c->last[stream] - 1);
        }
        c->last[stream] = number + 1;
    }
}

static void take(struct consumer *c, const struct quire_msg *msg, int copied)
{
    uint64_t stream = 0;
    uint64_t number = 0;
    CHECK(msg->data != NULL);
    if (!copied) {
        CHECK_EQ((uintptr_t)msg->data & 7u, 0);
        check_order(c, msg);
    }
    if (c->rig->shape.late && !copied) {
        log_add(&c->all)->position = msg->position;
    }
    if (msg->size < RIG_SMALL) {
        /* Without a position nothing can be said of it but that it came. */
        CHECK(!copied);
        struct entry *entry = log_add(&c->small);
        entry->position = msg->position;
        entry->size = msg->size;
        memcpy(entry->bytes, msg->data, msg->size);
    } else {
        if (!content_read(msg->data, msg->size, &stream, &number)) {
            test_fail(__FILE__, __LINE__, "I4: the message at %llx is none that was sent",
                      (unsigned long long)msg->position);
        }
        if (!c->late) {
            mark_seen(c, stream, number);
        }
        if (!copied) {
            check_fifo(c, msg, stream, number);
            borrow(c, msg, stream, number);
        }
    }
    c->life++;
    qr_add_acq_rel(&c->group->received, 1); /* pairs with group_over() */
}

static void lapped(struct consumer *c)
{
    struct quire_lost lost = quire_rx_lost(c->rx);
    CHECK_EQ(c->rig->shape.policy, QUIRE_FULL_DROP_OLDEST);
    CHECK(lost.count > 0);
    CHECK(lost.first <= lost.last);
    qr_add_acq_rel(&c->group->lost, lost.count); /* pairs with group_over() */
}

/* Every answer that is no message. */
static void other_answer(struct consumer *c, long rc)
{
    switch (rc) {
    case QUIRE_PAGE_END:
        give_back(c);
        CHECK_OK(quire_rx_next_page(c->rx));
        return;
    case QUIRE_LAPPED:
        lapped(c);
        return;
    case QUIRE_EAGAIN:
        sched_yield();
        return;
    default:
        CHECK_CODE(rc, QUIRE_TIMEDOUT);
    }
}

static void receive_batch(struct consumer *c)
{
    struct quire_msg msgs[RIG_BATCH];
    size_t count = 1 + random_below(&c->random, RIG_BATCH);
    long rc = quire_rx_recv_batch(c->rx, msgs, count, clock_now() + LOOK_NS);
    CHECK(rc <= (long)count);
    for (long i = 0; i < rc; i++) {
        take(c, &msgs[i], 0);
    }
    if (rc <= 0) {
        other_answer(c, rc);
    }
}

/* Gives back what was borrowed before whenever a page ends, so that nothing is borrowed here. */
static void receive_copy(struct consumer *c)
{
    struct quire_msg msg = {0};
    size_t size = 0;
    give_back(c);
    int rc =
        quire_rx_recv_copy(c->rx, c->buffer, c->rig->message_max, &size, clock_now() + LOOK_NS);
    if (rc) {
        CHECK(rc != QUIRE_PAGE_END);
        other_answer(c, rc);
        return;
    }
    msg.data = c->buffer;
    msg.size = (uint32_t)size;
    take(c, &msg, 1);
}

static void receive(struct consumer *c)
{
    unsigned ways = c->rig->shape.recv_ways;
    struct quire_msg msg;
    unsigned way;
    int rc;
    do {
        way = 1u << random_below(&c->random, 4);
    } while (!(ways & way));
    if (way == RIG_RECV_BATCH) {
        receive_batch(c);
        return;
    }
    if (way == RIG_RECV_COPY) {
        receive_copy(c);
        return;
    }
    rc = way == RIG_RECV_TRY ? quire_rx_try_recv(c->rx, &msg)
                             : quire_rx_recv_until(c->rx, &msg, clock_now() + LOOK_NS);
    if (rc) {
        other_answer(c, rc);
    } else {
        take(c, &msg, 0);
    }
}

static void join(struct consumer *c)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_where where = {0, 0, 0};
    struct quire_stat stat;
    options.run_max = c->rig->shape.run_max;
    if (c->late) {
        CHECK_OK(quire_stat(c->rig->channel, &stat));
        where.kind = c->index % 3; /* oldest, newest, page */
        where.value = where.kind == QUIRE_PAGE ? stat.tail_page : 0;
    }
    for (;;) {
        int rc = quire_rx_subscribe(c->rig->channel, c->group->name, &where, &options, &c->rx);
        if (rc == 0) {
            break;
        }
        if (rc == QUIRE_ENOENT && where.kind == QUIRE_PAGE) {
            where.kind = QUIRE_OLDEST; /* the page went before it was asked for */
            continue;
        }
        CHECK_CODE(rc, QUIRE_EBUSY);
        sched_yield();
    }
    c->life = 0;
    c->next_min = 0;
    memset(c->last, 0, sizeof(c->last));
}

static int sending_over(struct rig *rig)
{
    return qr_load_acquire(&rig->sending) == 0; /* pairs with the producers' last step */
}

/* Everything was given to the group, or it was told of the loss. */
static int group_over(struct consumer *c)
{
    /* acquire: pairs with take() and lapped(); lost first: the sum never passes the total */
    uint64_t lost = qr_load_acquire(&c->group->lost);
    return qr_load_acquire(&c->group->received) + lost >= c->rig->total;
}

static void late_main(struct consumer *c)
{
    struct rig *rig = c->rig;
    uint64_t start = rig->total * (c->index + 1) / (rig->shape.late + 1) / 2;
    /* relaxed: a measure of how far the load is */
    while (qr_load_relaxed(&rig->group[0].received) < start) {
        sched_yield();
    }
    join(c);
    for (;;) {
        struct quire_msg msg;
        int over = sending_over(rig);
        int rc = quire_rx_recv_until(c->rx, &msg, clock_now() + LOOK_NS);
        if (rc == 0) {
            take(c, &msg, 0);
        } else if (rc == QUIRE_TIMEDOUT && over) {
            break;
        } else {
            other_answer(c, rc);
        }
    }
}

void consumer_main(void *context)
{
    struct consumer *c = context;
    const struct rig_shape *shape = &c->rig->shape;
    if (c->late) {
        late_main(c);
    } else {
        for (join(c); !group_over(c); receive(c)) {
            if (shape->rx_life && c->life > random_below(&c->random, 2ull * shape->rx_life)) {
                give_back(c);
                quire_rx_close(c->rx);
                join(c);
            }
            if (shape->recv_ways & RIG_RECV_RELEASE && random_below(&c->random, 8) == 0) {
                give_back(c);
                CHECK_OK(quire_rx_release(c->rx));
            }
        }
    }
    give_back(c);
    quire_rx_close(c->rx);
}
