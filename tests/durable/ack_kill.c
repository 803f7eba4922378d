/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL takes no acknowledgement back, whatever the commit windows: the page cache outlives the
 * process. Who is killed while he acknowledges has at most that one in doubt.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tests/durable/rig.h>
#include <tests/support/random.h>
#include <unistd.h>

#define MEMBERS  2u
#define MESSAGES 180u
#define BATCH    30u /* messages sent before the next are, at the most */

/* Lies in memory that is shared with the process that is killed. */
struct ledger {
    qr_atomic_u64 sent;
    qr_atomic_u64 acks;
    qr_atomic_u32 began[MESSAGES]; /* it is being acknowledged */
    qr_atomic_u32 done[MESSAGES];  /* the call has returned */
};

struct member {
    struct thread thread;
    struct ledger *ledger;
    quire_rx_t *rx;
    struct random random;
};

static struct ledger *ledger_make(void)
{
    void *map = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    return map;
}

static quire_rx_t *join(quire_t *channel)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;
    as.mode = QUIRE_GROUP_ACK;
    options.group = &as;
    options.run_max = 3;
    CHECK_OK(quire_rx_subscribe(channel, "g", NULL, &options, &rx));
    return rx;
}

static uint64_t number_of(const struct quire_msg *msg)
{
    uint64_t stream, number;
    CHECK(content_read(msg->data, msg->size, &stream, &number) && number < MESSAGES);
    return number;
}

static void acknowledge(struct member *m, const struct quire_msg *msg)
{
    uint64_t number = number_of(msg);
    qr_store_release(&m->ledger->began[number], 1u); /* in this order; read when it is dead */
    CHECK_OK(quire_rx_ack(m->rx, msg->position));
    qr_store_release(&m->ledger->done[number], 1u);
    qr_add_acq_rel(&m->ledger->acks, 1u);
}

/* Receives some, and acknowledges most of them in any order. For ever. */
static void consume(void *context)
{
    struct member *m = context;
    struct quire_msg held[8];
    for (;;) {
        long n = quire_rx_recv_batch(m->rx, held, 8, QUIRE_FOREVER);
        CHECK(n > 0);
        for (long left = n; left > 0; left--) {
            uint64_t i = random_below(&m->random, (uint64_t)left);
            if (random_below(&m->random, 6) == 0) {
                CHECK_OK(quire_rx_nack(m->rx, held[i].position));
            } else {
                acknowledge(m, &held[i]);
            }
            held[i] = held[left - 1];
        }
    }
}

static __attribute__((noreturn)) void live(struct ledger *ledger,
                                           const struct quire_options *options, uint64_t seed)
{
    static struct member members[MEMBERS];
    struct rig rig;
    rig_open(&rig, options);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i].ledger = ledger;
        members[i].rx = join(rig.channel);
        members[i].random.state = seed * MEMBERS + i;
        thread_start(&members[i].thread, consume, &members[i]);
    }
    for (;;) {
        uint64_t sent = qr_load_acquire(&ledger->sent);
        /* Acquire: its own counts. */
        if (sent < MESSAGES && sent - qr_load_acquire(&ledger->acks) < BATCH) {
            CHECK_OK(rig_send(&rig));
            qr_store_release(&ledger->sent, sent + 1);
        } else {
            rig_pump(rig.channel);
        }
    }
}

/* All that is there comes; once, and none of what is done. */
static void account(struct rig *rig, struct ledger *ledger)
{
    uint32_t came[MESSAGES] = {0}, doubts = 0;
    struct quire_msg msg;
    quire_rx_t *rx = join(rig->channel);
    int rc;
    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        CHECK_OK(rc);
        CHECK_EQ(came[number_of(&msg)]++, 0);
        CHECK_OK(quire_rx_ack(rx, msg.position));
    }
    for (uint64_t n = 0; n < qr_load_acquire(&ledger->sent); n++) { /* the writer is dead */
        uint32_t began = qr_load_acquire(&ledger->began[n]);
        uint32_t done = qr_load_acquire(&ledger->done[n]);
        CHECK(!done || !came[n]);
        CHECK(began || came[n]);
        doubts += began && !done && !came[n];
    }
    CHECK(doubts <= MEMBERS);
    quire_rx_close(rx);
}

static void kill_one(struct random *random, uint64_t every)
{
    static const uint32_t modes[] = {QUIRE_DURABLE_NONE, QUIRE_DURABLE_INTERVAL,
                                     QUIRE_DURABLE_EACH};
    struct quire_options options = rig_options(modes[random_below(random, 3)], 16);
    struct ledger *ledger = ledger_make();
    struct rig rig;
    int status;
    options.commit_every = every;
    options.commit_delay_ns = 3600ull * 1000 * CLOCK_MS;
    uint64_t target = random_below(random, MESSAGES);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        live(ledger, &options, random_next(random));
    }
    while (qr_load_acquire(&ledger->acks) < target) { /* pairs with acknowledge */
        sched_yield();
    }
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    temp_path(rig.path, "channel");
    options.flags = QUIRE_CREATE; /* it may have been killed before it had made it */
    rig_reopen_when_free(&rig, &options);
    account(&rig, ledger);
    rig_close(&rig);
    temp_remove(rig.path);
    munmap(ledger, sizeof(*ledger));
}

static void a_kill_takes_nothing_back(void)
{
    static const uint64_t every[] = {1, 7, 1000000};
    struct random random = {1};
    for (uint64_t i = 0; i < test_scale(30); i++) {
        kill_one(&random, every[i % 3]);
    }
}

static const struct test_case cases[] = {
    {"ack_kill_takes_nothing_back (beats#32560, walchan)", a_kill_takes_nothing_back, 120},
};
const struct test_table ack_kill_table = TEST_TABLE(cases);
