/* SPDX-License-Identifier: MIT */
/*
 * Ack groups under load, with a ledger outside the library: for each group and message how often it
 * was given, returned (nack, or closed while leased) and acknowledged. Leases are ended in random
 * order, by the thread that was given the message or by another one, while handles come and go.
 *
 *   I1  each group acknowledges each message once; it was given once, and once for each return
 *   I6  what is leased is read again just before it is acknowledged, returned or left
 *   I8  pages are few and tiny, so that frames turn over all the time; at the end all come free
 * and: the attempt each message says is what the ledger says.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/random.h>
#include <tests/support/temp.h>
#include <tests/support/thread.h>

#include <quire.h>

#define STREAMS 4u
#define GROUPS  8u
#define MEMBERS 16u
#define WINDOW  48u
#define BATCH   6u
#define SIZE    64u /* bytes of a message, at most */

/* One message in one group: deliveries | returns | acknowledgements | dead. */
#define GIVEN     1u
#define RETURNED  (1u << 12)
#define ACKED     (1u << 24)
#define DEAD      (1u << 28)
#define GIVENS(e) ((e)&0xfffu)
#define BACKS(e)  ((e) >> 12 & 0xfffu)
#define ACKS(e)   ((e) >> 24 & 0xfu)
#define DEADS(e)  ((e) >> 28)

struct shape {
    uint32_t producers, groups, members; /* members of each group */
    uint64_t messages;                   /* of each producer, before scaling */
    uint32_t max_messages, max_pages;
    uint32_t run_max;
    uint32_t window;       /* leases a member keeps, at most */
    uint32_t nack_one_in;  /* 0: never */
    uint32_t life;         /* messages after which a member closes, about; 0: never */
    uint32_t max_attempts; /* 0: no limit */
    int aside;             /* another thread acknowledges too */
    uint64_t seed;
};

struct load;

struct group {
    struct load *load;
    char name[16];
    qr_atomic_u32 *entry; /* of each message */
    qr_atomic_u64 acked;
    struct thread aside;
};

struct lease {
    struct quire_msg msg;
    uint64_t stream, number;
};

/* What a member was given and nobody has settled. The lock keeps its handle open too. */
struct member {
    struct group *group;
    struct thread thread;
    struct random random;
    pthread_mutex_t lock;
    quire_rx_t *rx;
    uint32_t held;
    struct lease lease[WINDOW];
    uint64_t next_min; /* I2 */
    uint64_t life;
};

struct producer {
    struct load *load;
    struct thread thread;
    uint64_t stream;
};

struct load {
    struct shape shape;
    quire_t *channel;
    uint64_t messages, total;
    struct group group[GROUPS];
    struct member member[MEMBERS];
    struct producer producer[STREAMS];
};

static int group_done(struct group *g)
{
    return qr_load_acquire(&g->acked) == g->load->total; /* with the last acknowledgement */
}

static qr_atomic_u32 *entry_of(const struct group *g, const struct lease *l)
{
    return &g->entry[l->stream * g->load->messages + l->number];
}

/* 0: the channel was closed, for all is acknowledged. */
static int join(struct member *m)
{
    const struct shape *s = &m->group->load->shape;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;

    as.mode = QUIRE_GROUP_ACK;
    as.max_attempts = s->max_attempts;
    options.group = &as;
    options.run_max = s->run_max;
    m->rx = NULL;
    m->next_min = 0;
    m->life = s->life == 0 ? UINT64_MAX : 1 + random_below(&m->random, 2ull * s->life);
    int rc = quire_rx_subscribe(m->group->load->channel, m->group->name, NULL, &options, &m->rx);
    if (rc != 0) {
        CHECK_CODE(rc, QUIRE_CLOSED);
        CHECK(group_done(m->group));
    }
    return rc == 0;
}

/* --- leases begin and end; the member's lock is held --- */

static void is_whole(const struct lease *l)
{
    if (!content_matches(l->msg.data, l->msg.size, l->stream, l->number)) {
        test_fail(__FILE__, __LINE__, "I6: message %llu of %llu changed while it was leased",
                  (unsigned long long)l->number, (unsigned long long)l->stream);
    }
}

static void note_given(struct member *m, const struct quire_msg *msg)
{
    struct lease *l = &m->lease[m->held++];
    uint32_t attempt = quire_msg_attempt(msg);

    l->msg = *msg;
    CHECK(content_read(msg->data, msg->size, &l->stream, &l->number));
    CHECK(l->stream < m->group->load->shape.producers && l->number < m->group->load->messages);
    /* whoever returned it noted that before, and had noted the delivery */
    uint32_t e = qr_add_acq_rel(entry_of(m->group, l), GIVEN);
    if (ACKS(e) != 0 || GIVENS(e) > BACKS(e) || DEADS(e) != 0) {
        test_fail(__FILE__, __LINE__,
                  "I1: %s is given %llu of %llu, given %u times, returned %u, acknowledged %u",
                  m->group->name, (unsigned long long)l->number, (unsigned long long)l->stream,
                  GIVENS(e), BACKS(e), ACKS(e));
    }
    CHECK_EQ(attempt, GIVENS(e) + 1);
    CHECK(attempt == 1 || (msg->flags & QUIRE_MSG_RETURNED));
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        CHECK(msg->position >= m->next_min);
        m->next_min = msg->position + 1;
    }
}

static void take_out(struct member *m, uint32_t i, struct lease *out)
{
    *out = m->lease[i];
    m->lease[i] = m->lease[--m->held];
    is_whole(out);
}

static void acknowledge(struct member *m, const struct lease *l)
{
    CHECK_EQ(ACKS(qr_add_acq_rel(entry_of(m->group, l), ACKED)), 0); /* read at the end */
    CHECK_OK(quire_rx_ack(m->rx, l->msg.position));
    CHECK_CODE(quire_rx_ack(m->rx, l->msg.position), QUIRE_ENOLEASE);
    qr_add_acq_rel(&m->group->acked, 1); /* pairs with group_done() */
}

/* Before the return: the message may be given again before the call is over. 1: not, it is dead. */
static int note_return(struct member *m, const struct lease *l)
{
    uint32_t limit = m->group->load->shape.max_attempts;
    int dead = limit != 0 && quire_msg_attempt(&l->msg) >= limit;

    qr_add_acq_rel(entry_of(m->group, l), dead ? DEAD : RETURNED); /* pairs with note_given() */
    return dead;
}

/* Ends one of the leases; for another thread's sake also when there is none. */
static void settle_one(struct member *m, struct random *random)
{
    const struct shape *s = &m->group->load->shape;
    struct lease l;

    if (m->held == 0) {
        return;
    }
    take_out(m, (uint32_t)random_below(random, m->held), &l);
    if (s->nack_one_in == 0 || random_below(random, s->nack_one_in) != 0) {
        acknowledge(m, &l);
        return;
    }
    int dead = note_return(m, &l);
    CHECK_OK(quire_rx_nack(m->rx, l.msg.position));
    if (dead) {
        CHECK_CODE(quire_rx_nack(m->rx, l.msg.position), QUIRE_ENOLEASE);
        acknowledge(m, &l); /* a dead letter keeps its page until then */
    }
}

/* Closes with all that is leased and claimed, and comes again, as join(). */
static int leave_and_join(struct member *m)
{
    struct lease dead[WINDOW];
    uint32_t deads = 0;

    for (uint32_t i = 0; i < m->held; i++) {
        is_whole(&m->lease[i]);
        if (note_return(m, &m->lease[i])) {
            dead[deads++] = m->lease[i];
        }
    }
    m->held = 0;
    quire_rx_close(m->rx);
    int joined = join(m);
    for (uint32_t i = 0; i < deads; i++) {
        acknowledge(m, &dead[i]);
    }
    return joined;
}

/* --- threads --- */

/* What can be had now; a lone member waits for it. 0: the channel was closed. */
static long receive(struct member *m, struct quire_msg *msgs)
{
    uint32_t room = m->group->load->shape.window - m->held;
    size_t count = 1 + random_below(&m->random, room < BATCH ? room : BATCH);
    long rc =
        count > 1 ? quire_rx_recv_batch(m->rx, msgs, count, 0) : quire_rx_try_recv(m->rx, msgs);

    if (rc == QUIRE_EAGAIN || rc == QUIRE_TIMEDOUT) {
        return 0;
    }
    if (rc == 0 && count == 1) {
        return 1;
    }
    if (rc != QUIRE_CLOSED) {
        CHECK(rc > 0);
    }
    return rc;
}

/* One message at least. Nothing is leased by this member, so nobody waits for it. */
static int wait_for_one(struct member *m)
{
    struct quire_msg msg;
    int rc = quire_rx_recv(m->rx, &msg); /* without the lock: nobody else uses an idle handle */

    if (rc != 0) {
        CHECK_CODE(rc, QUIRE_CLOSED);
        return 0;
    }
    pthread_mutex_lock(&m->lock);
    note_given(m, &msg);
    pthread_mutex_unlock(&m->lock);
    return 1;
}

static void member_main(void *context)
{
    struct member *m = context;
    struct quire_msg msgs[BATCH];

    for (uint64_t given = 0; !group_done(m->group);) {
        pthread_mutex_lock(&m->lock);
        long n = m->held < m->group->load->shape.window ? receive(m, msgs) : 0;
        for (long i = 0; i < n; i++) {
            note_given(m, &msgs[i]);
        }
        if (n == 0) {
            settle_one(m, &m->random);
        }
        int idle = n == 0 && m->held == 0;
        given += n > 0 ? (uint64_t)n : 0;
        if (n >= 0 && given > m->life) {
            n = leave_and_join(m) ? n : -1;
            given = 0;
        }
        pthread_mutex_unlock(&m->lock);
        if (n < 0 || (idle && !wait_for_one(m))) {
            break;
        }
    }
}

/* Ends leases of any member of the group. */
static void aside_main(void *context)
{
    struct group *g = context;
    const struct shape *s = &g->load->shape;
    uint32_t first = (uint32_t)(g - g->load->group) * s->members;
    struct random random = {s->seed * 31 + first};

    while (!group_done(g)) {
        struct member *m = &g->load->member[first + random_below(&random, s->members)];
        pthread_mutex_lock(&m->lock);
        settle_one(m, &random);
        pthread_mutex_unlock(&m->lock);
        sched_yield();
    }
}

static void producer_main(void *context)
{
    struct producer *p = context;
    unsigned char bytes[SIZE];
    quire_tx_t *tx;

    CHECK_OK(quire_tx_open(p->load->channel, NULL, &tx));
    for (uint64_t n = 0; n < p->load->messages; n++) {
        size_t size = content_size(p->stream, n, CONTENT_NAMED_MIN + 8, SIZE);
        void *data;
        if (n % 13 == 5) { /* a void now and then */
            CHECK_OK(quire_tx_reserve(tx, size, &data, QUIRE_FOREVER));
            CHECK_OK(quire_tx_abort(tx));
        }
        content_fill(bytes, size, p->stream, n);
        CHECK_OK(quire_tx_send(tx, bytes, size));
    }
    quire_tx_close(tx);
}

/* --- the load and its verdict --- */

static void create(struct load *load, const char *path)
{
    const struct shape *s = &load->shape;
    struct quire_options options = QUIRE_OPTIONS_INIT;

    options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = s->max_messages;
    options.max_pages = s->max_pages;
    CHECK_OK(quire_open(&load->channel, path, &options));
    load->messages = test_scale(s->messages);
    load->total = load->messages * s->producers;
    for (uint32_t g = 0; g < s->groups; g++) {
        struct group *group = &load->group[g];
        group->load = load;
        snprintf(group->name, sizeof(group->name), "g%u", g);
        group->entry = calloc(load->total, sizeof(group->entry[0]));
        CHECK(group->entry != NULL);
    }
    for (uint32_t i = 0; i < s->groups * s->members; i++) {
        struct member *m = &load->member[i];
        m->group = &load->group[i / s->members];
        m->random.state = s->seed + i * 1000ull;
        pthread_mutex_init(&m->lock, NULL);
        CHECK(join(m));
    }
}

static void run(struct load *load)
{
    const struct shape *s = &load->shape;
    uint32_t members = s->groups * s->members;

    for (uint32_t i = 0; i < members; i++) {
        thread_start(&load->member[i].thread, member_main, &load->member[i]);
    }
    for (uint32_t g = 0; s->aside && g < s->groups; g++) {
        thread_start(&load->group[g].aside, aside_main, &load->group[g]);
    }
    for (uint32_t i = 0; i < s->producers; i++) {
        load->producer[i].load = load;
        load->producer[i].stream = i;
        thread_start(&load->producer[i].thread, producer_main, &load->producer[i]);
    }
    for (uint32_t i = 0; i < s->producers; i++) {
        thread_join(&load->producer[i].thread);
    }
    for (uint32_t g = 0; g < s->groups; g++) {
        while (!group_done(&load->group[g])) {
            sched_yield();
        }
    }
    CHECK_OK(quire_close(load->channel)); /* for members that sleep */
    for (uint32_t g = 0; s->aside && g < s->groups; g++) {
        thread_join(&load->group[g].aside);
    }
    for (uint32_t i = 0; i < members; i++) {
        thread_join(&load->member[i].thread);
        CHECK_EQ(load->member[i].held, 0);
        quire_rx_close(load->member[i].rx);
        pthread_mutex_destroy(&load->member[i].lock);
    }
}

static void check_group(struct group *g)
{
    uint64_t returns = 0, deads = 0;

    for (uint64_t i = 0; i < g->load->total; i++) {
        uint32_t e = qr_load_acquire(&g->entry[i]); /* all threads have ended */
        returns += BACKS(e);
        deads += DEADS(e);
        if (ACKS(e) != 1 || GIVENS(e) != 1 + BACKS(e)) {
            test_fail(__FILE__, __LINE__,
                      "I1: message %llu in %s was given %u times, returned %u, acknowledged %u",
                      (unsigned long long)i, g->name, GIVENS(e), BACKS(e), ACKS(e));
        }
    }
    printf("     %s: %llu messages, %llu returns, %llu dead\n", g->name,
           (unsigned long long)g->load->total, (unsigned long long)returns,
           (unsigned long long)deads);
    free(g->entry);
}

/* Nothing is left of any group, and every page can be had again. */
static void check_left(const struct shape *s, const char *path)
{
    struct quire_group_stat stats[GROUPS];
    unsigned char byte = 1;
    quire_t *channel;
    quire_tx_t *tx;

    CHECK_OK(quire_open(&channel, path, NULL));
    CHECK_EQ(quire_stat_groups(channel, stats, GROUPS), s->groups);
    for (uint32_t g = 0; g < s->groups; g++) {
        CHECK_EQ(stats[g].leased, 0);
        CHECK_EQ(stats[g].returned, 0);
        CHECK_EQ(stats[g].dead, 0);
    }
    CHECK_OK(quire_tx_open(channel, NULL, &tx));
    for (uint32_t i = 0; i < (s->max_pages - 1) * s->max_messages; i++) {
        CHECK_OK(quire_tx_try_send(tx, &byte, 1));
    }
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void load_run(const struct shape *shape)
{
    static struct load load;
    char path[TEMP_PATH_MAX];

    load.shape = *shape;
    CHECK(shape->window <= WINDOW && shape->groups <= GROUPS && shape->producers <= STREAMS);
    CHECK(shape->groups * shape->members <= MEMBERS);
    create(&load, temp_path(path, "channel"));
    run(&load);
    for (uint32_t g = 0; g < shape->groups; g++) {
        check_group(&load.group[g]);
    }
    check_left(shape, path);
}

static void one_member(void)
{
    struct shape s = {.producers = 2,
                      .groups = 1,
                      .members = 1,
                      .messages = 240000,
                      .max_messages = 20,
                      .max_pages = 3,
                      .window = 30,
                      .nack_one_in = 8,
                      .aside = 1,
                      .seed = 1};
    load_run(&s);
}

static void one_message_pages(void)
{
    struct shape s = {.producers = 2,
                      .groups = 2,
                      .members = 3,
                      .messages = 32000,
                      .max_messages = 1,
                      .max_pages = 3,
                      .window = 2,
                      .nack_one_in = 4,
                      .life = 20,
                      .aside = 1,
                      .seed = 2};
    load_run(&s);
}

static void members_come_and_go(void)
{
    struct shape s = {.producers = 2,
                      .groups = 2,
                      .members = 4,
                      .messages = 60000,
                      .max_messages = 18,
                      .max_pages = 4,
                      .run_max = 8,
                      .window = 12,
                      .nack_one_in = 6,
                      .life = 15,
                      .aside = 1,
                      .seed = 3};
    load_run(&s);
}

static void eight_groups(void)
{
    struct shape s = {.producers = 4,
                      .groups = 8,
                      .members = 2,
                      .messages = 16000,
                      .max_messages = 16,
                      .max_pages = 4,
                      .run_max = 5,
                      .window = 16,
                      .nack_one_in = 10,
                      .life = 60,
                      .aside = 1,
                      .seed = 4};
    load_run(&s);
}

static void dead_letters(void)
{
    struct shape s = {.producers = 2,
                      .groups = 2,
                      .members = 3,
                      .messages = 60000,
                      .max_messages = 33,
                      .max_pages = 3,
                      .window = 20,
                      .nack_one_in = 3,
                      .life = 40,
                      .max_attempts = 3,
                      .seed = 5};
    load_run(&s);
}

static const struct test_case cases[] = {
    {"one_member", one_member, 140},
    {"one_message_pages", one_message_pages, 140},
    {"members_come_and_go", members_come_and_go, 140},
    {"eight_groups", eight_groups, 140},
    {"dead_letters", dead_letters, 140},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
