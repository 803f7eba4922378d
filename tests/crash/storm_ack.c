/* SPDX-License-Identifier: MIT */
/*
 * I10 for ack groups: SIGKILL of the only process at any moment, many times over. The victim sends,
 * receives, acknowledges in random order, returns, closes and joins; just before and just after
 * each call it notes in memory that outlives it what it is about to do and what it has done. After
 * some of the kills, by whoever opens the channel then:
 *   what was acknowledged never comes again; what was being acknowledged may or may not
 *   everything else comes, intact, and is given twice in one life only when it was returned
 *   its attempt is one more than the deliveries that were noted, but for the one delivery of each
 *   member that was under way in each kill
 *   when all is acknowledged nothing is left of any group, and every page can be had
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/random.h>
#include <tests/support/temp.h>
#include <tests/support/thread.h>
#include <unistd.h>

#include <quire.h>

#define STREAMS    2u
#define JUNK       STREAMS /* a stream that is not in the ledger */
#define GROUPS     3u
#define MEMBERS    6u
#define NUMBERS    65536u /* messages of one stream, at most */
#define WINDOW     40u
#define SIZE       48u
#define CALLS_MAX  1500u  /* calls of a victim before it is killed, at most */
#define OPEN_SPINS 20000u /* pauses before a victim that opens is killed, at most */

enum ack { ACK_NONE, ACK_BEGUN, ACK_DONE };

/* One message in one group. Whoever has the lease writes it. */
struct entry {
    qr_atomic_u32 given;    /* deliveries that were noted, or that an attempt has told of */
    qr_atomic_u32 life;     /* of the last */
    qr_atomic_u32 returned; /* since then, or about to be */
    qr_atomic_u32 ack;      /* enum ack */
};

struct stream {
    qr_atomic_u32 started; /* numbers below may have been sent, */
    qr_atomic_u32 done;    /* and these were, but for the doubtful */
    uint8_t doubtful[NUMBERS];
};

struct ledger {
    qr_atomic_u32 opening;
    qr_atomic_u64 progress; /* calls made in this life */
    uint64_t target;        /* the call after which the victim kills itself */
    qr_atomic_u32 inside[MEMBERS];
    uint64_t doubts[GROUPS];      /* deliveries that may have gone unnoted */
    qr_atomic_u64 extras[GROUPS]; /* and those that attempts have told of */
    struct stream stream[STREAMS];
    struct entry entry[GROUPS][STREAMS][NUMBERS];
};

struct plan {
    const char *path;
    uint32_t producers, groups, members; /* members of each group */
    uint32_t max_messages, max_pages;
    uint32_t run_max;
    uint32_t window;
    uint32_t rx_life; /* messages after which a member closes, about */
    uint32_t max_attempts;
    uint64_t seed;
    uint32_t life;
};

struct lease {
    struct quire_msg msg;
    uint64_t stream, number;
};

struct worker {
    const struct plan *plan;
    struct ledger *ledger;
    quire_t *channel;
    struct thread thread;
    struct random random;
    uint32_t index; /* stream, or number of the member */
    uint32_t group;
    quire_rx_t *rx;
    uint32_t held;
    struct lease lease[WINDOW];
};

/* Counts a call. One of them is the last: the other threads are killed wherever they are. */
static void step(struct worker *w)
{
    if (qr_add_relaxed(&w->ledger->progress, 1) == w->ledger->target) { /* relaxed: a counter */
        kill(getpid(), SIGKILL);
    }
}

static quire_rx_t *join(const struct plan *plan, quire_t *channel, uint32_t group)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    char name[8];
    quire_rx_t *rx;

    snprintf(name, sizeof(name), "g%u", group);
    as.mode = QUIRE_GROUP_ACK;
    as.max_attempts = plan->max_attempts;
    options.group = &as;
    options.run_max = plan->run_max;
    CHECK_OK(quire_rx_subscribe(channel, name, NULL, &options, &rx));
    return rx;
}

/* --- the ledger: all words are read by another process, or by whoever has the lease next --- */

static struct entry *entry_of(struct ledger *ledger, uint32_t group, const struct lease *l)
{
    return &ledger->entry[group][l->stream][l->number];
}

static void note_given(struct ledger *ledger, const struct plan *plan, uint32_t group,
                       struct lease *l)
{
    CHECK(content_read(l->msg.data, l->msg.size, &l->stream, &l->number));
    if (l->stream == JUNK) {
        return;
    }
    CHECK(l->stream < STREAMS && l->number < NUMBERS);
    struct entry *e = entry_of(ledger, group, l);
    uint32_t attempt = quire_msg_attempt(&l->msg), given = qr_load_acquire(&e->given);
    uint32_t ack = qr_load_acquire(&e->ack), life = qr_load_acquire(&e->life);
    int returned = (int)qr_load_acquire(&e->returned);

    CHECK(l->number < qr_load_acquire(&ledger->stream[l->stream].started));
    if (ack == ACK_DONE || (given > 0 && life == plan->life && (!returned || ack != ACK_NONE))) {
        test_fail(__FILE__, __LINE__,
                  "I10: %llu of %llu came to g%u again: given %u times, last in life %u of %u%s%s",
                  (unsigned long long)l->number, (unsigned long long)l->stream, group, given, life,
                  plan->life, returned ? ", returned" : "",
                  ack == ACK_DONE ? ", acknowledged" : "");
    }
    if (attempt <= given) {
        test_fail(__FILE__, __LINE__, "I10: attempt %u of %llu, which g%u was given %u times",
                  attempt, (unsigned long long)l->number, group, given);
    }
    CHECK(attempt == 1 || (l->msg.flags & QUIRE_MSG_RETURNED));
    CHECK(plan->max_attempts == 0 || attempt <= plan->max_attempts);
    qr_add_acq_rel(&ledger->extras[group], attempt - given - 1);
    qr_store_release(&e->returned, 0u);
    qr_store_release(&e->ack, (uint32_t)ACK_NONE);
    qr_store_release(&e->life, plan->life);
    qr_store_release(&e->given, attempt);
}

static void is_whole(const struct lease *l)
{
    if (!content_matches(l->msg.data, l->msg.size, l->stream, l->number)) {
        test_fail(__FILE__, __LINE__, "I6: message %llu of %llu changed while it was leased",
                  (unsigned long long)l->number, (unsigned long long)l->stream);
    }
}

static void acknowledge(struct ledger *ledger, uint32_t group, quire_rx_t *rx,
                        const struct lease *l)
{
    if (l->stream == JUNK) {
        CHECK_OK(quire_rx_ack(rx, l->msg.position));
        return;
    }
    struct entry *e = entry_of(ledger, group, l);
    is_whole(l);
    qr_store_release(&e->ack, (uint32_t)ACK_BEGUN);
    CHECK_OK(quire_rx_ack(rx, l->msg.position));
    qr_store_release(&e->ack, (uint32_t)ACK_DONE);
}

/* --- the victim --- */

static void settle_one(struct worker *w)
{
    uint32_t i = (uint32_t)random_below(&w->random, w->held);
    struct lease l = w->lease[i];

    w->lease[i] = w->lease[--w->held];
    if (random_below(&w->random, 4) != 0) {
        acknowledge(w->ledger, w->group, w->rx, &l);
    } else {
        is_whole(&l);
        qr_store_release(&entry_of(w->ledger, w->group, &l)->returned, 1u);
        CHECK_OK(quire_rx_nack(w->rx, l.msg.position));
        if (quire_msg_attempt(&l.msg) == w->plan->max_attempts && random_below(&w->random, 8)) {
            step(w);
            acknowledge(w->ledger, w->group, w->rx, &l); /* a dead letter keeps its page */
        }
    }
    step(w);
}

static void leave_and_join(struct worker *w)
{
    while (w->held > 0) {
        qr_store_release(&entry_of(w->ledger, w->group, &w->lease[--w->held])->returned, 1u);
    }
    quire_rx_close(w->rx);
    step(w);
    w->rx = join(w->plan, w->channel, w->group);
    step(w);
}

static void consume(void *context)
{
    struct worker *w = context;
    qr_atomic_u32 *inside = &w->ledger->inside[w->index];

    w->rx = join(w->plan, w->channel, w->group);
    for (uint64_t life = 0;;) {
        struct lease *l = &w->lease[w->held];
        uint64_t deadline = w->held > 0 ? 0 : clock_now() + CLOCK_MS;
        qr_store_release(inside, 1u);
        int rc = quire_rx_recv_until(w->rx, &l->msg, deadline);
        if (rc == 0) {
            note_given(w->ledger, w->plan, w->group, l);
        }
        qr_store_release(inside, 0u);
        step(w);
        if (rc == 0) {
            w->held++;
            life++;
        } else {
            CHECK(rc == QUIRE_TIMEDOUT || rc == QUIRE_EAGAIN);
        }
        if (w->held > 0 && (rc != 0 || w->held > random_below(&w->random, w->plan->window))) {
            settle_one(w);
        }
        if (life > random_below(&w->random, 2ull * w->plan->rx_life)) {
            leave_and_join(w);
            life = 0;
        }
    }
}

static void produce(void *context)
{
    struct worker *w = context;
    struct stream *s = &w->ledger->stream[w->index];
    unsigned char bytes[SIZE];
    quire_tx_t *tx;

    CHECK_OK(quire_tx_open(w->channel, NULL, &tx));
    for (uint32_t n = qr_load_acquire(&s->started); n < NUMBERS; n++) {
        size_t size = content_size(w->index, n, CONTENT_NAMED_MIN + 8, SIZE);
        void *data;
        if (random_below(&w->random, 8) == 0) {
            CHECK_OK(quire_tx_reserve(tx, size, &data, QUIRE_FOREVER));
            step(w);
            CHECK_OK(quire_tx_abort(tx));
        }
        content_fill(bytes, size, w->index, n);
        qr_store_release(&s->started, n + 1);
        CHECK_OK(quire_tx_send(tx, bytes, size));
        qr_store_release(&s->done, n + 1);
        step(w);
    }
    for (;;) {
        pause(); /* the numbers have run out: wait for the end */
    }
}

static void start(struct worker *w, void (*run)(void *context), const struct plan *plan,
                  struct ledger *ledger, quire_t *channel)
{
    w->plan = plan;
    w->ledger = ledger;
    w->channel = channel;
    w->random.state = plan->seed * 7919 + plan->life * 131 + w->index + (run == consume ? 1000 : 0);
    thread_start(&w->thread, run, w);
}

static _Noreturn void victim(const struct plan *plan, struct ledger *ledger)
{
    static struct worker members[MEMBERS];
    static struct worker producers[STREAMS];
    quire_t *channel;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    qr_store_release(&ledger->opening, 1u);
    CHECK_OK(quire_open(&channel, plan->path, NULL));
    for (uint32_t i = 0; i < plan->groups * plan->members; i++) {
        members[i].index = i;
        members[i].group = i / plan->members;
        start(&members[i], consume, plan, ledger, channel);
    }
    for (uint32_t i = 0; i < plan->producers; i++) {
        producers[i].index = i;
        start(&producers[i], produce, plan, ledger, channel);
    }
    for (;;) {
        pause();
    }
}

static void live_and_die(struct plan *plan, struct ledger *ledger, struct random *random)
{
    int status;

    qr_store_release(&ledger->opening, 0u);
    qr_store_release(&ledger->progress, 0u);
    ledger->target = random_below(random, 5) ? random_below(random, CALLS_MAX) : UINT64_MAX;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        victim(plan, ledger);
    }
    if (ledger->target == UINT64_MAX) { /* in the middle of opening */
        while (qr_load_acquire(&ledger->opening) == 0) {
            sched_yield();
        }
        for (uint64_t i = random_below(random, OPEN_SPINS); i > 0; i--) {
            qr_pause();
        }
        CHECK_EQ(kill(child, SIGKILL), 0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        test_fail(__FILE__, __LINE__, "the victim ended by itself, status %x", status);
    }
    plan->life++;
    for (uint32_t i = 0; i < plan->groups * plan->members; i++) {
        ledger->doubts[i / plan->members] += qr_load_acquire(&ledger->inside[i]);
        qr_store_release(&ledger->inside[i], 0u);
    }
    for (uint32_t i = 0; i < plan->producers; i++) {
        struct stream *s = &ledger->stream[i];
        uint32_t started = qr_load_acquire(&s->started);
        for (uint32_t n = qr_load_acquire(&s->done); n < started; n++) {
            s->doubtful[n] = 1;
        }
        qr_store_release(&s->done, started); /* numbers in doubt are not used again */
    }
}

/* --- the account --- */

static void drain(const struct plan *plan, struct ledger *ledger, quire_t *channel, uint32_t group)
{
    quire_rx_t *rx = join(plan, channel, group);
    struct lease l;
    int rc;

    while ((rc = quire_rx_try_recv(rx, &l.msg)) == 0) {
        note_given(ledger, plan, group, &l);
        acknowledge(ledger, group, rx, &l);
    }
    CHECK_CODE(rc, QUIRE_EAGAIN);
    quire_rx_close(rx);
}

/* All that is there was taken and acknowledged: what is missing was acknowledged, or is dead. */
static void check_group(const struct plan *plan, struct ledger *ledger, quire_t *channel,
                        uint32_t group)
{
    long dead = 0, perhaps = 0;

    for (uint32_t i = 0; i < plan->producers; i++) {
        struct stream *s = &ledger->stream[i];
        uint32_t done = qr_load_acquire(&s->done);
        for (uint32_t n = 0; n < done; n++) {
            struct entry *e = &ledger->entry[group][i][n];
            uint32_t ack = qr_load_acquire(&e->ack), given = qr_load_acquire(&e->given);
            int worn = plan->max_attempts != 0 && given + 1 >= plan->max_attempts;
            if (ack == ACK_DONE || (s->doubtful[n] && given == 0)) {
                continue;
            }
            if (ack == ACK_NONE && !worn) {
                test_fail(__FILE__, __LINE__, "I10: g%u misses %u of %u, given %u times", group, n,
                          i, given);
            }
            /* its last attempt, or the one before it and one unnoted */
            dead += ack == ACK_NONE;
            perhaps += ack == ACK_BEGUN && worn;
            if (ack == ACK_NONE && given < plan->max_attempts) {
                qr_add_acq_rel(&ledger->extras[group], 1);
            }
            qr_store_release(&e->ack, (uint32_t)ACK_DONE);
        }
    }
    if (qr_load_acquire(&ledger->extras[group]) > ledger->doubts[group]) {
        test_fail(__FILE__, __LINE__, "I10: attempts tell of %llu deliveries more, %llu in doubt",
                  (unsigned long long)qr_load_acquire(&ledger->extras[group]),
                  (unsigned long long)ledger->doubts[group]);
    }
    quire_rx_t *rx = join(plan, channel, group);
    long n = quire_rx_ack_range(rx, 0, UINT64_MAX);
    CHECK(n >= dead && n <= dead + perhaps);
    quire_rx_close(rx);
}

static void check_left(const struct plan *plan, struct ledger *ledger, quire_t *channel)
{
    struct quire_group_stat stats[GROUPS];
    unsigned char bytes[SIZE];
    struct quire_stat stat;
    quire_tx_t *tx;

    CHECK_EQ(quire_stat_groups(channel, stats, GROUPS), plan->groups);
    for (uint32_t g = 0; g < plan->groups; g++) {
        CHECK_EQ(stats[g].leased, 0);
        CHECK_EQ(stats[g].returned, 0);
        CHECK_EQ(stats[g].dead, 0);
    }
    CHECK_OK(quire_stat(channel, &stat));
    CHECK_EQ(stat.damaged, 0);
    content_fill(bytes, sizeof(bytes), JUNK, 0);
    CHECK_OK(quire_tx_open(channel, NULL, &tx));
    for (uint32_t i = 0; i < (plan->max_pages - 1) * plan->max_messages; i++) {
        CHECK_OK(quire_tx_try_send(tx, bytes, sizeof(bytes)));
    }
    quire_tx_close(tx);
    for (uint32_t g = 0; g < plan->groups; g++) {
        drain(plan, ledger, channel, g);
    }
}

static void account(struct plan *plan, struct ledger *ledger)
{
    struct quire_stat stat;
    quire_t *channel;

    CHECK_OK(quire_open(&channel, plan->path, NULL));
    CHECK_OK(quire_stat(channel, &stat));
    uint64_t recoveries = stat.recoveries;
    for (uint32_t g = 0; g < plan->groups; g++) {
        drain(plan, ledger, channel, g);
        check_group(plan, ledger, channel, g);
    }
    check_left(plan, ledger, channel);
    CHECK_OK(quire_close(channel));
    CHECK_OK(quire_open(&channel, plan->path, NULL));
    CHECK_OK(quire_stat(channel, &stat));
    CHECK_EQ(stat.recoveries, recoveries); /* closed cleanly: nothing to repair */
    for (uint32_t g = 0; g < plan->groups; g++) {
        drain(plan, ledger, channel, g); /* and nothing comes again */
    }
    CHECK_OK(quire_close(channel));
    plan->life++;
}

static void create(const struct plan *plan)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel;

    options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_messages = plan->max_messages;
    options.max_pages = plan->max_pages;
    CHECK_OK(quire_open(&channel, plan->path, &options));
    for (uint32_t g = 0; g < plan->groups; g++) {
        quire_rx_close(join(plan, channel, g));
    }
    CHECK_OK(quire_close(channel));
}

static void say(const struct plan *plan, struct ledger *ledger)
{
    for (uint32_t g = 0; g < plan->groups; g++) {
        uint64_t messages = 0, again = 0;
        for (uint32_t i = 0; i < plan->producers; i++) {
            for (uint32_t n = 0; n < qr_load_acquire(&ledger->stream[i].done); n++) {
                uint32_t given = qr_load_acquire(&ledger->entry[g][i][n].given);
                messages += given > 0;
                again += given > 0 ? given - 1 : 0;
            }
        }
        printf("     g%u: %llu messages, given again %llu times\n", g, (unsigned long long)messages,
               (unsigned long long)again);
    }
}

static void storm(struct plan *plan, uint64_t kills)
{
    struct ledger *ledger = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char path[TEMP_PATH_MAX];
    struct random random = {plan->seed};

    CHECK(ledger != MAP_FAILED);
    CHECK(plan->groups * plan->members <= MEMBERS && plan->window <= WINDOW);
    plan->path = temp_path(path, "channel");
    plan->life = 1;
    create(plan);
    kills = test_scale(kills);
    for (uint64_t i = 0; i < kills; i++) {
        live_and_die(plan, ledger, &random);
        if (i + 1 == kills || random_below(&random, 4) == 0) {
            account(plan, ledger);
        }
    }
    say(plan, ledger);
    CHECK_EQ(munmap(ledger, sizeof(*ledger)), 0);
}

static void tiny_pages(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 2,
                        .members = 2,
                        .max_messages = 6,
                        .max_pages = 3,
                        .window = 10,
                        .rx_life = 40,
                        .seed = 1};
    storm(&plan, 600);
}

static void one_message_pages(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 1,
                        .members = 3,
                        .max_messages = 1,
                        .max_pages = 4,
                        .window = 3,
                        .rx_life = 20,
                        .seed = 2};
    storm(&plan, 600);
}

static void several_words(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 3,
                        .members = 2,
                        .max_messages = 40,
                        .max_pages = 3,
                        .window = 40,
                        .rx_life = 100,
                        .seed = 3};
    storm(&plan, 600);
}

static void members_come_and_go(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 2,
                        .members = 3,
                        .max_messages = 17,
                        .max_pages = 4,
                        .run_max = 8,
                        .window = 6,
                        .rx_life = 4,
                        .seed = 4};
    storm(&plan, 600);
}

static void dead_letters(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 2,
                        .members = 2,
                        .max_messages = 16,
                        .max_pages = 12,
                        .window = 12,
                        .rx_life = 60,
                        .max_attempts = 3,
                        .seed = 5};
    storm(&plan, 150);
}

static const struct test_case cases[] = {
    {"tiny_pages", tiny_pages, 170},       {"one_message_pages", one_message_pages, 170},
    {"several_words", several_words, 170}, {"members_come_and_go", members_come_and_go, 170},
    {"dead_letters", dead_letters, 170},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
