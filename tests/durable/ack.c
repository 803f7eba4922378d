/* SPDX-License-Identifier: MIT */
/*
 * What comes again of what was acknowledged. A killed process takes nothing back. A power loss
 * takes back what was acknowledged since the last commit with the groups' files began that ended,
 * and nothing else; and nothing that was not acknowledged and is durable is ever lost.
 */
#include <errno.h>
#include <lib/commit.h>
#include <pages/io.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/durable/reboot.h>
#include <tests/durable/rig.h>
#include <tests/support/random.h>

#define HOUR     (3600ull * 1000 * CLOCK_MS)
#define MESSAGES 320u
#define LEASES   40u /* at once, at the most */
#define CRASHES  24u

/* What was done with each message of stream 0; the n-th acknowledgement has order n. */
struct story {
    uint64_t sent;
    uint64_t position[MESSAGES];
    uint64_t order[MESSAGES]; /* 0: it was not acknowledged */
};

/* The power goes: how it stood then, and what was on the disk. */
struct crash {
    char path[TEMP_PATH_MAX];
    struct story story;
    uint64_t acks;
    uint64_t mark;    /* acknowledgements that the disk has */
    uint64_t durable; /* the durable position */
};

struct work {
    struct rig rig;
    struct random random;
    quire_rx_t *rx;
    struct story story;
    uint64_t leased[LEASES]; /* numbers */
    uint32_t leases;
    int poisoned;
    int races; /* files are copied while something is acknowledged */
    uint32_t crashes;
    struct crash crash[CRASHES];
};

static qr_atomic_u64 acks;

static quire_rx_t *join(quire_t *channel, uint32_t run_max)
{
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    quire_rx_t *rx;
    as.mode = QUIRE_GROUP_ACK;
    options.group = &as;
    options.run_max = run_max;
    CHECK_OK(quire_rx_subscribe(channel, "g", NULL, &options, &rx));
    return rx;
}

static struct work *begin(const struct quire_options *options, uint64_t seed)
{
    struct work *w = calloc(1, sizeof(*w));
    CHECK(w != NULL);
    w->random.state = seed;
    qr_store_release(&acks, 0u); /* no thread runs */
    disk_begin();
    disk_set_mark(&acks);
    rig_open(&w->rig, options);
    w->rx = join(w->rig.channel, 1 + (uint32_t)seed % 8);
    return w;
}

/* 1 when it was sent; 0: the channel is full, or poisoned. */
static int send_one(struct work *w)
{
    unsigned char bytes[SIZE_MAX_OF_MESSAGE];
    struct story *s = &w->story;
    size_t size = rig_size(0, s->sent);
    if (s->sent == MESSAGES) {
        return 0;
    }
    content_fill(bytes, size, 0, s->sent);
    int rc = quire_tx_try_send(w->rig.tx, bytes, size);
    CHECK(rc == 0 || rc == QUIRE_FULL || rc == QUIRE_EPOISONED);
    if (rc == 0) {
        s->position[s->sent++] = quire_tx_position(w->rig.tx);
    }
    return rc == 0;
}

/* 1 when something came; it must be what was sent there. */
static int lease_one(struct work *w)
{
    struct quire_msg msg;
    uint64_t stream, number;
    if (w->leases == LEASES) {
        return 0;
    }
    int rc = quire_rx_try_recv(w->rx, &msg);
    if (rc == QUIRE_EAGAIN) {
        return 0;
    }
    CHECK_OK(rc);
    CHECK(content_read(msg.data, msg.size, &stream, &number) && number < w->story.sent);
    CHECK_EQ(w->story.position[number], msg.position);
    w->leased[w->leases++] = number;
    return 1;
}

/* One of those that are leased: the oldest every now and then, so that pages come free. */
static void ack_one(struct work *w)
{
    uint32_t i = random_below(&w->random, 3) ? (uint32_t)random_below(&w->random, w->leases) : 0;
    uint64_t number = w->leased[i];
    if (!w->races) {
        disk_hold();
    }
    CHECK_OK(quire_rx_ack(w->rx, w->story.position[number]));
    w->story.order[number] = qr_add_acq_rel(&acks, 1u) + 1;
    if (!w->races) {
        disk_let_go();
    }
    w->leases--;
    memmove(&w->leased[i], &w->leased[i + 1], (w->leases - i) * sizeof(w->leased[0]));
}

static void send_and_lease(struct work *w, uint32_t count)
{
    while (count-- > 0) {
        CHECK(send_one(w));
        CHECK(lease_one(w));
    }
}

static void ack_some(struct work *w, uint32_t count)
{
    while (count-- > 0) {
        ack_one(w);
    }
}

/* The power goes. */
static struct crash *crash(struct work *w, uint64_t seed)
{
    char name[32];
    CHECK(w->crashes < CRASHES);
    struct crash *c = &w->crash[w->crashes++];
    snprintf(name, sizeof(name), "after-%u", w->crashes);
    temp_path(c->path, name);
    c->story = w->story;
    c->acks = qr_load_acquire(&acks);
    /* Before the disk is looked at: what it has then may be more. */
    c->durable = quire_durable_position(w->rig.channel);
    c->mark = disk_mark(DISK_GROUP);
    reboot_write(c->path, seed);
    return c;
}

static void receive_all(const struct crash *c, quire_rx_t *rx, uint8_t *came)
{
    struct quire_msg msg;
    uint64_t stream, number;
    int rc;
    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        CHECK_OK(rc);
        CHECK(content_read(msg.data, msg.size, &stream, &number) && number < c->story.sent);
        CHECK_EQ(c->story.position[number], msg.position);
        CHECK_EQ(came[number]++, 0);
        CHECK_OK(quire_rx_ack(rx, msg.position));
    }
}

/* Nothing that the disk has comes again; nothing that is durable is lost. How many came again. */
static uint64_t verdict(const struct crash *c, const uint8_t *came)
{
    uint64_t again = 0;
    for (uint64_t n = 0; n < c->story.sent; n++) {
        uint64_t order = c->story.order[n];
        if (order != 0 && order <= c->mark && came[n]) {
            test_fail(__FILE__, __LINE__, "message %u came again, acknowledged as %u of %u durable",
                      (unsigned)n, (unsigned)order, (unsigned)c->mark);
        }
        if (order == 0 && c->story.position[n] < c->durable && !came[n]) {
            test_fail(__FILE__, __LINE__, "message %u of %u was not acknowledged, and is lost",
                      (unsigned)n, (unsigned)c->story.sent);
        }
        again += order != 0 && came[n];
    }
    CHECK(again <= c->acks - c->mark);
    return again;
}

/* The machine is started again. */
static uint64_t look_back(const struct crash *c)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    uint8_t came[MESSAGES] = {0};
    struct quire_msg msg;
    quire_t *channel;
    options.flags = 0;
    options.keeper = QUIRE_KEEPER_CALLER;
    CHECK_OK(quire_open(&channel, c->path, &options));
    CHECK(c->mark == 0 || rig_stat(channel).recoveries > 0);
    quire_rx_t *rx = join(channel, 0);
    receive_all(c, rx, came);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
    CHECK_OK(quire_open(&channel, c->path, &options));
    rx = join(channel, 0);
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_EAGAIN);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
    temp_remove(c->path);
    return verdict(c, came);
}

/* How many of those that were acknowledged came again, after each crash. */
static void end(struct work *w, uint64_t *again)
{
    quire_rx_close(w->rx);
    quire_tx_close(w->rig.tx);
    CHECK_CODE(quire_close(w->rig.channel), w->poisoned ? QUIRE_EPOISONED : 0);
    disk_end();
    for (uint32_t i = 0; i < w->crashes; i++) {
        uint64_t n = look_back(&w->crash[i]);
        if (again) {
            again[i] = n;
        }
    }
    temp_remove(w->rig.path);
    free(w);
}

/* Until the disk has all but less than so many. */
static void await_acks(struct work *w, uint64_t less_than)
{
    while (qr_load_acquire(&acks) - disk_mark(DISK_GROUP) >= less_than) {
        rig_pump(w->rig.channel);
    }
}

static struct quire_options windows(enum quire_durability durability, uint64_t every,
                                    uint64_t delay_ns)
{
    struct quire_options options = rig_options(durability, 8);
    options.sync_every = 1000000;
    options.sync_delay_ns = HOUR;
    options.commit_every = every;
    options.commit_delay_ns = delay_ns;
    return options;
}

/* --- the windows ----------------------------------------------------------------------------- */

/* Whatever goes on when the power goes; and when all rests, fewer than the window come again. */
static void any_moment(enum quire_durability durability, uint64_t every, uint64_t seed)
{
    struct quire_options options = windows(durability, every, HOUR);
    options.sync_every = 7;
    struct work *w = begin(&options, seed);
    w->races = (int)(seed % 2);
    while (w->story.sent < MESSAGES || w->leases > 0) {
        uint32_t kind = (uint32_t)random_below(&w->random, 8);
        if ((kind < 3 && send_one(w)) || (kind < 6 && lease_one(w))) {
            continue;
        }
        if (w->leases > 0) {
            ack_one(w);
        }
        if (kind == 6) {
            rig_pump(w->rig.channel);
        }
        if (w->crashes < CRASHES - 1 && random_below(&w->random, 30) == 0) {
            (void)crash(w, random_below(&w->random, 3) ? random_next(&w->random) : 0);
        }
    }
    /* One may be in the file and not counted yet when that is copied. */
    await_acks(w, every + (uint64_t)w->races);
    (void)crash(w, 0);
    CHECK(w->crashes > 3);
    end(w, NULL);
}

static void windows_by_count(void)
{
    static const uint64_t every[] = {1, 2, 5, 16, 40, 100};
    for (uint32_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
        any_moment(QUIRE_DURABLE_INTERVAL, every[i], 1 + i);
        any_moment(QUIRE_DURABLE_EACH, every[i], 11 + i);
    }
}

/* Only the last that completes the count brings the commit about; it takes all. */
static void the_count_is_what_it_says(void)
{
    static const uint32_t counts[] = {2, 5, 16, 33};
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct quire_options options = windows(QUIRE_DURABLE_INTERVAL, counts[i], HOUR);
        struct work *w = begin(&options, 21 + i);
        uint64_t again[CRASHES] = {0}, wanted[CRASHES] = {0};
        for (uint32_t round = 0; round < 3; round++) {
            send_and_lease(w, counts[i]);
            /* Before they are finished: those of pages that are not on the disk do not come. */
            CHECK_OK(quire_sync(w->rig.channel, UINT64_MAX, QUIRE_FOREVER));
            ack_some(w, counts[i] - 1);
            CHECK_OK(quire_sync(w->rig.channel, UINT64_MAX, QUIRE_FOREVER));
            CHECK_EQ(disk_mark(DISK_GROUP), round * counts[i]);
            wanted[w->crashes] = counts[i] - 1;
            (void)crash(w, 0);
            ack_one(w);
            await_acks(w, 1);
            wanted[w->crashes] = 0;
            (void)crash(w, 0);
        }
        uint32_t crashes = w->crashes;
        end(w, again);
        for (uint32_t c = 0; c < crashes; c++) {
            CHECK_EQ(again[c], wanted[c]);
        }
    }
}

/* One acknowledgement is enough, and so are many: the time brings the commit about. */
static void windows_by_time(enum quire_durability durability)
{
    struct quire_options options = windows(durability, 1000000, CLOCK_MS);
    struct work *w = begin(&options, 31);
    uint64_t again[CRASHES] = {0};
    for (uint32_t count = 1; count <= 6; count++) {
        send_and_lease(w, count + 2);
        ack_some(w, count);
        await_acks(w, 1);
        (void)crash(w, count % 2 ? random_next(&w->random) : 0);
    }
    uint32_t crashes = w->crashes;
    end(w, again);
    for (uint32_t c = 0; c < crashes; c++) {
        CHECK_EQ(again[c], 0);
    }
}

static void the_time_is_enough(void)
{
    windows_by_time(QUIRE_DURABLE_INTERVAL);
    windows_by_time(QUIRE_DURABLE_EACH);
}

/* The close makes the last commit: of those modes that promise something. */
static void the_close_is_enough(enum quire_durability durability)
{
    struct quire_options options = windows(durability, 1000000, HOUR);
    struct work *w = begin(&options, 41);
    struct crash *c;
    send_and_lease(w, 20);
    ack_some(w, 13);
    CHECK_EQ(disk_mark(DISK_GROUP), 0);
    quire_rx_close(w->rx);
    w->rx = NULL;
    rig_close(&w->rig);
    CHECK_EQ(disk_mark(DISK_GROUP), 13);
    rig_reopen(&w->rig, &options);
    c = crash(w, 0);
    c->durable = w->story.position[19] + 1;
    end(w, NULL);
}

static void closes_are_enough(void)
{
    the_close_is_enough(QUIRE_DURABLE_INTERVAL);
    the_close_is_enough(QUIRE_DURABLE_EACH);
}

/* --- while the commit runs ------------------------------------------------------------------- */

static struct work *meddler;
static qr_atomic_u32 meddling; /* 1: nobody else acknowledges any more */
static qr_atomic_u32 meddles;  /* acknowledgements to be made at the next end of a sync */

static void meddle(enum disk_kind kind, int phase)
{
    if (kind != DISK_GROUP || phase == 0) {
        return;
    }
    while (qr_load_acquire(&meddling) == 0) { /* pairs with the release below: it is at rest */
        sched_yield();
    }
    ack_some(meddler, qr_exchange_acq_rel(&meddles, 0u));
}

/* What is acknowledged while the commit runs it does not have: it adds to the window, once. When
 * these are a window again, another commit follows by itself. */
static void while_the_commit_runs(uint32_t every, uint32_t more)
{
    struct quire_options options = windows(QUIRE_DURABLE_INTERVAL, every, HOUR);
    struct work *w = meddler = begin(&options, 51);
    uint64_t again[CRASHES] = {0};
    send_and_lease(w, every + more);
    CHECK_OK(quire_sync(w->rig.channel, UINT64_MAX, QUIRE_FOREVER));
    disk_set_hook(meddle);
    qr_store_release(&meddles, more);
    qr_store_release(&meddling, 0u);
    ack_some(w, every);
    qr_store_release(&meddling, 1u);
    while (qr_load_acquire(&acks) < every + more) { /* pairs with ack_one, in whichever thread */
        rig_pump(w->rig.channel);
    }
    await_acks(w, more < every ? more + 1 : 1);
    CHECK_EQ(disk_mark(DISK_GROUP), more < every ? every : every + more);
    (void)crash(w, 0);
    disk_set_hook(NULL);
    end(w, again);
    CHECK_EQ(again[0], more < every ? more : 0);
}

static void acks_while_a_commit_runs(void)
{
    while_the_commit_runs(5, 3);
    while_the_commit_runs(16, 15);
    while_the_commit_runs(5, 5);
    while_the_commit_runs(2, 9);
}

/* --- commits that fail ----------------------------------------------------------------------- */

/* A commit that was to take them along cannot open a file: a later one takes them. All frames are
 * in use, so that nobody else opens one. */
static void a_later_commit_takes_them(void)
{
    struct quire_options options = windows(QUIRE_DURABLE_INTERVAL, 1000000, CLOCK_MS);
    options.max_pages = 2;
    struct work *w = begin(&options, 61);
    uint64_t again[CRASHES] = {0};
    send_and_lease(w, PER_PAGE + 1);
    qr_io_fault_kind(QR_IO_OPEN, 1, EMFILE, 1);
    ack_some(w, 9);
    while (!qr_io_fault_hit()) {
        rig_pump(w->rig.channel);
    }
    CHECK_EQ(disk_mark(DISK_GROUP), 0);
    qr_io_fault(0, 0, 0);
    await_acks(w, 1);
    (void)crash(w, 0);
    end(w, again);
    CHECK_EQ(again[0], 0);
}

/* A sync fails, so the channel is poisoned: nothing is made durable any more, acknowledgements
 * neither. What the disk had before stays so. */
static int a_sync_fails(uint64_t nth)
{
    struct quire_options options = windows(QUIRE_DURABLE_INTERVAL, 4, HOUR);
    options.sync_every = 6;
    struct work *w = begin(&options, 71 + nth);
    qr_io_fault_kind(QR_IO_FDATASYNC, nth, EIO, 0);
    for (uint32_t i = 0; i < 90; i++) {
        (void)send_one(w);
        (void)lease_one(w);
        if (w->leases > 7) {
            ack_one(w);
        }
        rig_pump(w->rig.channel);
    }
    int hit = qr_io_fault_hit();
    qr_io_fault(0, 0, 0);
    while (hit && !rig_stat(w->rig.channel).poisoned) {
        rig_pump(w->rig.channel); /* it is about to be */
    }
    w->poisoned = hit;
    while (hit && qr_commit_busy(w->rig.channel)) {
        rig_pump(w->rig.channel); /* other files of that commit may be on their way */
    }
    uint64_t mark = disk_mark(DISK_GROUP);
    ack_some(w, w->leases);
    for (uint32_t i = 0; hit && i < 5; i++) {
        rig_pump(w->rig.channel);
        CHECK_EQ(disk_mark(DISK_GROUP), mark);
    }
    (void)crash(w, 0);
    (void)crash(w, nth);
    end(w, NULL);
    return hit;
}

static void a_poisoned_channel_keeps_what_it_had(void)
{
    uint64_t step = 100 / test_scale(100);
    for (uint64_t nth = 1; a_sync_fails(nth); nth += step) {
    }
}

static const struct test_case cases[] = {
    {"ack_windows_by_count", windows_by_count, 120},
    {"ack_the_count_is_what_it_says", the_count_is_what_it_says, 0},
    {"ack_windows_by_time", the_time_is_enough, 0},
    {"ack_the_close_is_enough", closes_are_enough, 0},
    {"ack_while_a_commit_runs", acks_while_a_commit_runs, 0},
    {"ack_a_later_commit_takes_them", a_later_commit_takes_them, 0},
    {"ack_a_poisoned_channel_keeps_what_it_had", a_poisoned_channel_keeps_what_it_had, 120},
};
const struct test_table ack_table = TEST_TABLE(cases);
