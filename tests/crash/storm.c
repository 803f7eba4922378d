/* SPDX-License-Identifier: MIT */
/*
 * I10: SIGKILL of the only process, at any moment. The victim is killed after a random number of
 * calls, or in the middle of opening (and so of repairing what an earlier kill left), many times
 * over; then the channel is opened and everything is accounted for:
 *   every message whose send had returned is there, intact, once per group
 *   none that was delivered comes again
 *   what is missing is at most the one message a consumer was being given when it was killed
 *   what was claimed and never published is void and counted; the lock is free at once
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tests/crash/ledger.h>
#include <tests/support/harness.h>
#include <tests/support/process.h>
#include <tests/support/random.h>
#include <tests/support/temp.h>
#include <unistd.h>

#define CALLS_MAX  1000u  /* calls of a victim before it is killed, at most */
#define OPEN_SPINS 20000u /* pauses before a victim that opens is killed, at most */

static struct ledger *ledger_make(void)
{
    void *map = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    return map;
}

static void create(const struct plan *plan)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_plan figures;
    quire_t *channel;
    options.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    options.page_size = plan->page_size;
    options.max_messages = plan->max_messages;
    options.max_pages = plan->max_pages;
    options.full_policy = plan->policy;
    CHECK_OK(quire_plan(&options, 1, &figures));
    if (plan->policy == QUIRE_FULL_GROW) {
        options.max_bytes = figures.total_bytes + 6 * figures.page_bytes;
    }
    CHECK_OK(quire_open(&channel, plan->path, &options));
    for (uint32_t g = 0; g < plan->groups; g++) {
        quire_rx_t *rx;
        CHECK_OK(quire_rx_subscribe(channel, ledger_group_name(g), NULL, NULL, &rx));
        quire_rx_close(rx);
    }
    CHECK_OK(quire_close(channel));
}

/* The victim is killed by its own call number so-and-so, or from here while it opens. */
static void kill_at_random(struct ledger *ledger, struct random *random, pid_t child)
{
    int status;
    if (ledger->target == UINT64_MAX) {
        while (qr_load_acquire(&ledger->stage) == STAGE_FORKED) { /* pairs with the victim */
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
}

/* What the kill has left in doubt. */
static void take_stock(const struct plan *plan, struct ledger *ledger)
{
    uint32_t members = plan->groups * plan->consumers;
    for (uint32_t i = 0; i < plan->producers; i++) {
        struct ledger_stream *s = &ledger->stream[i];
        uint64_t started = qr_load_acquire(&s->started); /* the victim has ended */
        for (uint64_t n = qr_load_acquire(&s->done); n < started; n++) {
            s->doubtful[n / 8] |= (uint8_t)(1u << (n % 8));
            s->doubts++;
        }
        qr_store_release(&s->done, started); /* numbers in doubt are not used again */
    }
    for (uint32_t i = 0; i < members; i++) {
        uint32_t inside = qr_load_acquire(&ledger->inside[i]); /* the victim has ended */
        ledger->group[i / plan->consumers].doubts += inside;
        qr_store_release(&ledger->inside[i], 0);
    }
}

static void live_and_die(struct plan *plan, struct ledger *ledger, struct random *random)
{
    qr_store_release(&ledger->stage, STAGE_FORKED); /* before the fork */
    qr_store_release(&ledger->progress, 0);
    ledger->target = random_below(random, 5) ? random_below(random, CALLS_MAX) : UINT64_MAX;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        victim(plan, ledger);
    }
    kill_at_random(ledger, random, child);
    plan->life++;
    take_stock(plan, ledger);
}

/* --- the account --- */

static void drain(quire_t *channel, struct ledger *ledger, uint32_t group)
{
    uint64_t next_min = 0;
    quire_rx_t *rx;
    CHECK_OK(quire_rx_subscribe(channel, ledger_group_name(group), NULL, NULL, &rx));
    for (;;) {
        struct quire_msg msg;
        int rc = quire_rx_try_recv(rx, &msg);
        if (rc == QUIRE_EAGAIN) {
            break;
        }
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
        } else if (rc != QUIRE_LAPPED) {
            CHECK_OK(rc);
            ledger_note(ledger, group, &msg);
            if (!(msg.flags & QUIRE_MSG_RETURNED)) {
                CHECK(msg.position >= next_min);
                next_min = msg.position + 1;
            }
        }
    }
    quire_rx_close(rx);
}

static int noted(struct ledger *ledger, uint32_t group, uint32_t stream, uint64_t number)
{
    uint32_t word = qr_load_acquire(&ledger->group[group].noted[stream][number / 32]);
    return (int)(word >> (number % 32) & 1u);
}

/* Messages that were surely sent and not noted by the group, and those in doubt that were. */
static void count_group(const struct plan *plan, struct ledger *ledger, uint32_t group,
                        uint64_t *missing, uint64_t *extra)
{
    *missing = 0;
    *extra = 0;
    for (uint32_t i = 0; i < plan->producers; i++) {
        const struct ledger_stream *s = &ledger->stream[i];
        uint64_t done = qr_load_acquire(&((struct ledger_stream *)s)->done);
        for (uint64_t n = 0; n < done; n++) {
            int doubtful = s->doubtful[n / 8] >> (n % 8) & 1;
            int there = noted(ledger, group, i, n);
            *missing += !doubtful && !there;
            *extra += doubtful && there;
        }
    }
}

static uint64_t lost_of(quire_t *channel, uint32_t group)
{
    struct quire_group_stat stats[LEDGER_GROUPS];
    long n = quire_stat_groups(channel, stats, LEDGER_GROUPS);
    CHECK(n > 0 && n <= (long)LEDGER_GROUPS);
    for (long i = 0; i < n; i++) {
        if (strcmp(stats[i].name, ledger_group_name(group)) == 0) {
            return stats[i].lost;
        }
    }
    test_fail(__FILE__, __LINE__, "group %s is gone", ledger_group_name(group));
}

static void check_group(const struct plan *plan, struct ledger *ledger, quire_t *channel,
                        uint32_t group)
{
    uint64_t missing;
    uint64_t extra;
    uint64_t lost = lost_of(channel, group);
    uint64_t doubts = ledger->group[group].doubts;
    count_group(plan, ledger, group, &missing, &extra);
    if (plan->policy != QUIRE_FULL_DROP_OLDEST) {
        CHECK_EQ(lost, 0);
    }
    if (missing > lost + doubts) {
        test_fail(__FILE__, __LINE__,
                  "I10: %s misses %llu messages, at most %llu were in doubt and %llu dropped",
                  ledger_group_name(group), (unsigned long long)missing, (unsigned long long)doubts,
                  (unsigned long long)lost);
    }
}

/* claimed = published + void, and both lie within what the ledger allows. */
static void check_totals(const struct plan *plan, struct ledger *ledger, quire_t *channel)
{
    struct quire_stat stat;
    uint64_t sure = 0;
    uint64_t doubts = 0;
    for (uint32_t i = 0; i < plan->producers; i++) {
        struct ledger_stream *s = &ledger->stream[i];
        sure += qr_load_acquire(&s->done) - s->doubts;
        doubts += s->doubts;
    }
    CHECK_OK(quire_stat(channel, &stat));
    if (stat.messages - stat.voids < sure || stat.messages - stat.voids > sure + doubts) {
        test_fail(__FILE__, __LINE__, "I10: %llu claimed, %llu void; %llu to %llu were published",
                  (unsigned long long)stat.messages, (unsigned long long)stat.voids,
                  (unsigned long long)sure, (unsigned long long)(sure + doubts));
    }
    CHECK(stat.voids <= doubts + qr_load_acquire(&ledger->aborted));
    CHECK_EQ(stat.damaged, 0);
    CHECK_EQ(stat.handles, 0);
    /* lost + delivered never exceeds what was published */
    for (uint32_t g = 0; g < plan->groups; g++) {
        uint64_t delivered = qr_load_acquire(&ledger->group[g].deliveries);
        CHECK(delivered + lost_of(channel, g) <= stat.messages - stat.voids);
    }
}

static void account(const struct plan *plan, struct ledger *ledger)
{
    struct quire_stat stat;
    quire_t *channel;
    CHECK_OK(quire_open(&channel, plan->path, NULL)); /* the lock is free at once */
    CHECK_OK(quire_stat(channel, &stat));
    uint64_t recoveries = stat.recoveries;
    for (uint32_t g = 0; g < plan->groups; g++) {
        drain(channel, ledger, g);
        check_group(plan, ledger, channel, g);
    }
    if (plan->late) {
        drain(channel, ledger, LEDGER_GROUPS - 1);
    }
    check_totals(plan, ledger, channel);
    CHECK_OK(quire_close(channel));
    CHECK_OK(quire_open(&channel, plan->path, NULL));
    CHECK_OK(quire_stat(channel, &stat));
    CHECK_EQ(stat.recoveries, recoveries); /* closed cleanly: nothing to repair */
    check_totals(plan, ledger, channel);
    CHECK_OK(quire_close(channel));
}

/* Kills in a row on one channel; the account is made after every few of them. */
static void storm(struct plan *plan, uint64_t kills)
{
    char path[TEMP_PATH_MAX];
    struct ledger *ledger = ledger_make();
    struct random random = {plan->seed};
    plan->path = temp_path(path, "channel");
    create(plan);
    kills = test_scale(kills);
    for (uint64_t i = 0; i < kills; i++) {
        live_and_die(plan, ledger, &random);
        if (i + 1 == kills || random_below(&random, 4) == 0) {
            account(plan, ledger);
        }
    }
    CHECK_EQ(munmap(ledger, sizeof(*ledger)), 0);
}

static void tiny_pages(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 2,
                        .consumers = 2,
                        .page_size = 4096,
                        .max_messages = 3,
                        .max_pages = 3,
                        .run_max = 3,
                        .seed = 1};
    storm(&plan, 120);
}

static void one_message_pages(void)
{
    struct plan plan = {.producers = 3,
                        .groups = 1,
                        .consumers = 2,
                        .page_size = 4096,
                        .max_messages = 1,
                        .max_pages = 2,
                        .seed = 2};
    storm(&plan, 80);
}

static void ordinary_pages(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 2,
                        .consumers = 2,
                        .page_size = 65536,
                        .max_pages = 4,
                        .rx_life = 40,
                        .seed = 3};
    storm(&plan, 80);
}

static void members_come_and_go(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 2,
                        .consumers = 3,
                        .page_size = 4096,
                        .max_messages = 8,
                        .max_pages = 4,
                        .rx_life = 3,
                        .run_max = 8,
                        .late = 1,
                        .seed = 4};
    storm(&plan, 120);
}

static void reject(void)
{
    struct plan plan = {.producers = 3,
                        .groups = 1,
                        .consumers = 2,
                        .page_size = 4096,
                        .max_messages = 4,
                        .max_pages = 2,
                        .policy = QUIRE_FULL_REJECT,
                        .seed = 5};
    storm(&plan, 60);
}

static void grow(void)
{
    struct plan plan = {.producers = 3,
                        .groups = 2,
                        .consumers = 2,
                        .page_size = 4096,
                        .max_messages = 4,
                        .max_pages = 2,
                        .policy = QUIRE_FULL_GROW,
                        .rx_life = 30,
                        .seed = 6};
    storm(&plan, 80);
}

static void drop_oldest(void)
{
    struct plan plan = {.producers = 3,
                        .groups = 3,
                        .consumers = 2,
                        .page_size = 4096,
                        .max_messages = 4,
                        .max_pages = 3,
                        .policy = QUIRE_FULL_DROP_OLDEST,
                        .rx_life = 30,
                        .run_max = 4,
                        .seed = 7};
    storm(&plan, 120);
}

static void one_page_ring(void)
{
    struct plan plan = {.producers = 2,
                        .groups = 1,
                        .consumers = 2,
                        .page_size = 4096,
                        .max_messages = 5,
                        .max_pages = 1,
                        .rx_life = 20,
                        .seed = 8};
    storm(&plan, 60);
}

static const struct test_case cases[] = {
    {"tiny_pages", tiny_pages, 170},
    {"one_message_pages", one_message_pages, 170},
    {"ordinary_pages", ordinary_pages, 170},
    {"members_come_and_go", members_come_and_go, 170},
    {"reject", reject, 170},
    {"grow", grow, 170},
    {"drop_oldest", drop_oldest, 170},
    {"one_page_ring", one_page_ring, 170},
};
static const struct test_table table[] = {TEST_TABLE(cases)};

int main(int argc, char **argv)
{
    return test_run(table, 1, argc > 1 ? argv[1] : NULL);
}
