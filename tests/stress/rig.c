/* SPDX-License-Identifier: MIT */
/* The rig: sets the load up, runs it, and passes the verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/stress/rig_parts.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/temp.h>

/* Sanitizers are slow: without one there is time for more. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TIMES 1u
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TIMES 1u
#endif
#endif
#ifndef TIMES
#define TIMES 4u
#endif

#define BUFFER_BYTES (64u * 1024u + 64u * 1024u)

uint64_t rig_first_of(const struct rig *rig, uint32_t stream)
{
    uint64_t main_streams = rig->shape.producers;
    uint64_t rest = stream > main_streams ? stream - main_streams : 0;
    uint64_t full = stream > main_streams ? main_streams : stream;
    return full * rig->shape.messages + rest * rig->shape.rests;
}

static void defaults(struct rig_shape *shape)
{
    shape->producers = shape->producers ? shape->producers : 1;
    shape->consumers = shape->consumers ? shape->consumers : 1;
    shape->groups = shape->groups ? shape->groups : 1;
    shape->page_size = shape->page_size ? shape->page_size : QUIRE_PAGE_SIZE_MIN;
    shape->max_pages = shape->max_pages ? shape->max_pages : 3;
    shape->send_ways = shape->send_ways ? shape->send_ways : RIG_SEND_ONE;
    shape->recv_ways = shape->recv_ways ? shape->recv_ways : RIG_RECV_ONE;
    shape->messages = test_scale(shape->messages * TIMES);
    if (shape->messages < 4ull * shape->rests) {
        shape->messages = 4ull * shape->rests;
    }
}

static void open_channel(struct rig *rig)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct rig_shape *shape = &rig->shape;
    struct quire_plan plan;
    char path[TEMP_PATH_MAX];
    options.page_size = shape->page_size;
    options.max_messages = shape->max_messages;
    options.max_pages = shape->max_pages;
    options.full_policy = shape->policy;
    options.wait = shape->wait;
    options.flags = shape->directory ? QUIRE_CREATE : 0;
    CHECK_OK(quire_plan(&options, shape->directory, &plan));
    if (shape->policy == QUIRE_FULL_GROW) {
        options.max_bytes = plan.total_bytes + shape->grow_pages * plan.page_bytes;
    }
    rig->message_max = plan.message_bytes_max < 65536 ? plan.message_bytes_max : 65536;
    if (shape->size_high > rig->message_max) {
        shape->size_high = rig->message_max;
    }
    CHECK_OK(
        quire_open(&rig->channel, shape->directory ? temp_path(path, "channel") : NULL, &options));
}

static void make_streams(struct rig *rig)
{
    const struct rig_shape *shape = &rig->shape;
    rig->streams = shape->producers + shape->resting;
    CHECK(rig->streams <= RIG_STREAMS);
    for (uint32_t i = 0; i < rig->streams; i++) {
        struct producer *p = &rig->producer[i];
        p->rig = rig;
        p->stream = i;
        p->count = i < shape->producers ? shape->messages : shape->rests;
        p->random.state = shape->seed * 1000 + i;
        p->buffer = malloc(BUFFER_BYTES);
        CHECK(p->buffer != NULL);
        rig->total += p->count;
    }
    qr_store_relaxed(&rig->sending, rig->streams); /* before any thread runs */
}

static void make_group(struct rig *rig, uint32_t index)
{
    struct group *group = &rig->group[index];
    snprintf(group->name, sizeof(group->name), "group-%u", index);
    group->seen = calloc((size_t)(rig->total / 32 + 1), sizeof(*group->seen));
    CHECK(group->seen != NULL);
}

static void make_consumer(struct rig *rig, uint32_t group, int late, uint32_t index)
{
    CHECK(rig->consumers < RIG_CONSUMERS);
    struct consumer *c = &rig->consumer[rig->consumers++];
    c->rig = rig;
    c->group = &rig->group[group];
    c->late = late;
    c->index = index;
    c->random.state = rig->shape.seed * 2000 + rig->consumers;
    c->buffer = malloc(rig->message_max + 1);
    CHECK(c->buffer != NULL);
}

/* Groups exist before the first message, so that each is owed all of them. */
static void create_group(struct rig *rig, uint32_t index)
{
    quire_rx_t *rx;
    CHECK_OK(quire_rx_subscribe(rig->channel, rig->group[index].name, NULL, NULL, &rx));
    quire_rx_close(rx);
}

static void make_consumers(struct rig *rig)
{
    const struct rig_shape *shape = &rig->shape;
    CHECK(shape->groups + shape->late <= RIG_GROUPS);
    for (uint32_t g = 0; g < shape->groups + shape->late; g++) {
        make_group(rig, g);
    }
    for (uint32_t g = 0; g < shape->groups; g++) {
        create_group(rig, g);
        for (uint32_t i = 0; i < shape->consumers; i++) {
            make_consumer(rig, g, 0, i);
        }
    }
    for (uint32_t i = 0; i < shape->late; i++) {
        make_consumer(rig, shape->groups + i, 1, i);
    }
}

static void run_threads(struct rig *rig)
{
    struct thread rester;
    for (uint32_t i = 0; i < rig->consumers; i++) {
        thread_start(&rig->consumer[i].thread, consumer_main, &rig->consumer[i]);
    }
    if (rig->shape.resting) {
        thread_start(&rester, rester_main, rig);
    }
    for (uint32_t i = 0; i < rig->shape.producers; i++) {
        thread_start(&rig->producer[i].thread, producer_main, &rig->producer[i]);
    }
    for (uint32_t i = 0; i < rig->shape.producers; i++) {
        thread_join(&rig->producer[i].thread);
    }
    if (rig->shape.resting) {
        thread_join(&rester);
    }
    for (uint32_t i = 0; i < rig->consumers; i++) {
        thread_join(&rig->consumer[i].thread);
        log_move(&rig->consumer[i].group->small, &rig->consumer[i].small);
        log_move(&rig->consumer[i].group->all, &rig->consumer[i].all);
    }
}

/* I1, I4 for messages too small to name themselves: delivered = sent, position by position. */
static void check_small(struct rig *rig, struct log *sent, uint32_t index)
{
    struct log *got = &rig->group[index].small;
    log_sort(got);
    if (rig->shape.policy != QUIRE_FULL_DROP_OLDEST) {
        CHECK_EQ(got->used, sent->used);
    }
    for (size_t i = 0, k = 0; i < got->used; i++, k++) {
        const struct entry *g = &got->entry[i];
        while (k < sent->used && sent->entry[k].position < g->position) {
            k++;
        }
        CHECK(k < sent->used);
        const struct entry *s = &sent->entry[k];
        CHECK_EQ(g->position, s->position);
        CHECK_EQ(g->size, s->size);
        CHECK(content_matches(g->bytes, g->size, s->b, s->a));
    }
}

/* I3: if one send returned before another began, it lies before it. */
static void check_claim_order(struct log *sends)
{
    uint64_t end_min = UINT64_MAX;
    log_sort(sends);
    for (size_t i = sends->used; i-- > 0;) {
        const struct entry *e = &sends->entry[i];
        if (end_min < e->a) {
            test_fail(__FILE__, __LINE__, "I3: a send behind %llx had returned before it began",
                      (unsigned long long)e->position);
        }
        end_min = e->b < end_min ? e->b : end_min;
    }
}

/* I1 of a group made in the middle: it sees what the first group saw, from some position on. */
static void check_late(struct rig *rig, uint32_t index)
{
    struct log *whole = &rig->group[0].all;
    struct log *part = &rig->group[index].all;
    log_sort(whole);
    log_sort(part);
    CHECK_EQ(whole->used, rig->total);
    CHECK(part->used <= whole->used);
    for (size_t i = 0; i < part->used; i++) {
        CHECK_EQ(part->entry[i].position, whole->entry[whole->used - part->used + i].position);
    }
}

static void check_channel(struct rig *rig, uint64_t aborted)
{
    struct quire_stat stat;
    struct quire_group_stat groups[RIG_GROUPS];
    CHECK_OK(quire_stat(rig->channel, &stat));
    CHECK_EQ(stat.voids, aborted);
    CHECK_EQ(stat.messages, rig->total + aborted); /* I5 */
    CHECK_EQ(stat.damaged, 0);
    CHECK_EQ(stat.handles, 0);
    long n = quire_stat_groups(rig->channel, groups, RIG_GROUPS);
    CHECK_EQ(n, rig->shape.groups + rig->shape.late);
    for (long i = 0; i < n; i++) {
        CHECK_EQ(groups[i].members, 0);
        CHECK_EQ(groups[i].returned, 0);
        CHECK(groups[i].lag_messages <= aborted); /* a void may be the last thing there is */
    }
}

static void check_groups(struct rig *rig, struct log *small)
{
    for (uint32_t g = 0; g < rig->shape.groups; g++) {
        uint64_t received = qr_load_acquire(&rig->group[g].received); /* threads have ended */
        uint64_t lost = qr_load_acquire(&rig->group[g].lost);
        CHECK_EQ(received + lost, rig->total);
        check_small(rig, small, g);
    }
    for (uint32_t g = 0; g < rig->shape.late; g++) {
        check_late(rig, rig->shape.groups + g);
    }
}

static void free_rig(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->streams; i++) {
        free(rig->producer[i].buffer);
    }
    for (uint32_t i = 0; i < rig->consumers; i++) {
        free(rig->consumer[i].buffer);
    }
    for (uint32_t g = 0; g < RIG_GROUPS; g++) {
        free(rig->group[g].seen);
        log_free(&rig->group[g].small);
        log_free(&rig->group[g].all);
    }
    free(rig);
}

void rig_run(const struct rig_shape *shape)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct log small = {0};
    struct log sends = {0};
    uint64_t aborted = 0;
    CHECK(rig != NULL);
    rig->shape = *shape;
    defaults(&rig->shape);
    open_channel(rig);
    make_streams(rig);
    make_consumers(rig);
    run_threads(rig);
    for (uint32_t i = 0; i < rig->streams; i++) {
        aborted += rig->producer[i].aborted;
        log_move(&small, &rig->producer[i].small);
        log_move(&sends, &rig->producer[i].sends);
    }
    log_sort(&small);
    check_groups(rig, &small);
    check_claim_order(&sends);
    check_channel(rig, aborted);
    CHECK_OK(quire_close(rig->channel));
    log_free(&small);
    log_free(&sends);
    free_rig(rig);
}
