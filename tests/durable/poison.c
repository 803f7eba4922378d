/* SPDX-License-Identifier: MIT */
/*
 * A sync that fails ends the writing side for good: the next one would succeed and prove nothing.
 * A committer that is killed leaves word of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pages/format.h>
#include <pages/io.h>
#include <quire/loop.h>
#include <stdio.h>
#include <sys/wait.h>
#include <tests/durable/rig.h>
#include <unistd.h>

static uint64_t all_syncs(void)
{
    return disk_syncs(DISK_PAGE, 0) + disk_syncs(DISK_CONTROL, 0) + disk_syncs(DISK_NAMES, 0);
}

/* Every way to write or to sync is refused, and none touches the disk. */
static void check_poisoned(struct rig *rig)
{
    quire_tx_t *fresh;
    void *data;
    struct quire_vec vec = {"x", 1};
    uint64_t durable = quire_durable_position(rig->channel);
    uint64_t syncs = all_syncs();
    CHECK_EQ(rig_stat(rig->channel).poisoned, 1);
    CHECK_CODE(rig_send(rig), QUIRE_EPOISONED);
    CHECK_CODE(quire_tx_try_send(rig->tx, "x", 1), QUIRE_EPOISONED);
    CHECK_CODE(quire_tx_send_batch(rig->tx, &vec, 1, QUIRE_FOREVER), QUIRE_EPOISONED);
    CHECK_CODE(quire_tx_reserve(rig->tx, 8, &data, 0), QUIRE_EPOISONED);
    CHECK_OK(quire_tx_open(rig->channel, NULL, &fresh));
    CHECK_CODE(quire_tx_send(fresh, "x", 1), QUIRE_EPOISONED);
    quire_tx_close(fresh);
    CHECK_CODE(quire_sync(rig->channel, UINT64_MAX, QUIRE_FOREVER), QUIRE_EPOISONED);
    CHECK_CODE(quire_sync(rig->channel, UINT64_MAX, 0), QUIRE_EPOISONED);
    CHECK_CODE(quire_sync_start(rig->channel), QUIRE_EPOISONED);
    CHECK_CODE(quire_dispatch(rig->channel), QUIRE_EPOISONED);
    CHECK_EQ(quire_durable_position(rig->channel), durable);
    CHECK_EQ(all_syncs(), syncs);
}

/* Reading goes on, in this open and the next, and the poison stays. */
static void check_readable(struct rig *rig, const struct quire_options *options, uint64_t least)
{
    quire_rx_t *after; /* the group holds all messages until the next open */
    CHECK_OK(quire_rx_subscribe(rig->channel, "after", NULL, NULL, &after));
    quire_rx_close(after);
    CHECK(rig_receive(rig->channel, "before", 0) >= least);
    check_poisoned(rig);
    rig_close(rig);
    rig_reopen(rig, options);
    CHECK(rig_receive(rig->channel, "after", 0) >= least);
    check_poisoned(rig);
    rig_close(rig);
}

#define MANY 20u /* the first page and some of the second */

/* The nth call of the kind fails, in a send. */
static void fail_a_send(enum qr_io_call kind, uint64_t nth)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 8);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_OK(rig_send(&rig));
    }
    uint64_t durable = quire_durable_position(rig.channel);
    qr_io_fault_kind(kind, nth, EIO, 0);
    while (rig.sent < 3 * PER_PAGE && !qr_io_fault_hit()) {
        durable = quire_durable_position(rig.channel);
        int rc = rig_send(&rig);
        CHECK_CODE(rc, qr_io_fault_hit() ? QUIRE_EPOISONED : 0);
    }
    CHECK(qr_io_fault_hit());
    CHECK_EQ(quire_durable_position(rig.channel), durable);
    check_poisoned(&rig);
    qr_io_fault(0, 0, 0);
    check_readable(&rig, &options, rig.sent);
    disk_end();
    temp_remove(rig.path);
}

static void a_sync_of_a_send_fails_once(void)
{
    fail_a_send(QR_IO_FDATASYNC, 1);
    fail_a_send(QR_IO_FDATASYNC, 2);
    fail_a_send(QR_IO_FDATASYNC, 15); /* with the control file, at the turn of a page */
    fail_a_send(QR_IO_FDATASYNC, 14);
}

/* Names: only a channel that grows has new ones. */
static void a_sync_of_the_directory_fails_once(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 1);
    struct quire_plan plan;
    struct rig rig;
    options.full_policy = QUIRE_FULL_GROW;
    CHECK_OK(quire_plan(&options, 1, &plan));
    options.max_bytes = 24 * plan.page_bytes;
    disk_begin();
    rig_open(&rig, &options);
    uint64_t names = disk_syncs(DISK_NAMES, 1);
    CHECK_OK(rig_send(&rig));
    while (disk_syncs(DISK_NAMES, 1) == names || QUIRE_SLOT_OF(quire_tx_position(rig.tx)) > 2) {
        CHECK_OK(rig_send(&rig));
    }
    /* Frames made ahead are synced too: a failure there costs the frame, and nothing else. */
    qr_io_fault_kind(QR_IO_FSYNC, 1, EIO, 1);
    int rc = 0;
    for (uint32_t i = 0; i < 8 * PER_PAGE && rc == 0; i++) {
        rc = rig_send(&rig);
    }
    CHECK_CODE(rc, QUIRE_EPOISONED);
    qr_io_fault(0, 0, 0);
    check_readable(&rig, &options, rig.sent);
    disk_end();
}

static void a_sync_fails(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(rig_send(&rig));
    CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    CHECK_OK(rig_send(&rig));
    qr_io_fault_kind(QR_IO_FDATASYNC, 1, EIO, 0);
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER), QUIRE_EPOISONED);
    CHECK_EQ(quire_durable_position(rig.channel), 1);
    check_poisoned(&rig);
    check_readable(&rig, &options, 2);
    disk_end();
}

/* Nobody waits for it; in both ways in which an engine hears of a failure. */
static void fail_the_keeper(enum quire_durability durability, enum qr_io_call kind)
{
    struct quire_options options = rig_options(durability, 8);
    struct rig rig;
    options.sync_delay_ns = CLOCK_MS;
    if (kind == QR_IO_URING_COMPLETE && cell.engine != QUIRE_ENGINE_URING) {
        return;
    }
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(rig_send(&rig));
    if (durability == QUIRE_DURABLE_NONE) {
        CHECK_OK(quire_sync_start(rig.channel));
    }
    rig_await_durable(rig.channel, 1);
    qr_io_fault_kind(kind, 1, EIO, 0);
    CHECK_OK(rig_send(&rig));
    if (durability == QUIRE_DURABLE_NONE) {
        int rc = quire_sync_start(rig.channel);
        CHECK(rc == 0 || rc == QUIRE_EPOISONED);
    }
    while (!rig_stat(rig.channel).poisoned) {
        rig_pump(rig.channel);
    }
    CHECK_EQ(quire_durable_position(rig.channel), 1);
    check_poisoned(&rig);
    check_readable(&rig, &options, 2);
    disk_end();
    temp_remove(rig.path);
}

static void a_commit_of_the_keeper_fails(void)
{
    fail_the_keeper(QUIRE_DURABLE_NONE, QR_IO_FDATASYNC);
    fail_the_keeper(QUIRE_DURABLE_NONE, QR_IO_URING_COMPLETE);
    fail_the_keeper(QUIRE_DURABLE_INTERVAL, QR_IO_FDATASYNC);
    fail_the_keeper(QUIRE_DURABLE_INTERVAL, QR_IO_URING_COMPLETE);
}

struct sender {
    struct thread thread;
    quire_t *channel;
    int rc;
};

/* Sends until it is refused. */
static void send_on(void *context)
{
    struct sender *s = context;
    quire_tx_t *tx;
    CHECK_OK(quire_tx_open(s->channel, NULL, &tx));
    do {
        s->rc = quire_tx_send(tx, "some bytes", 10);
    } while (s->rc == 0);
    quire_tx_close(tx);
}

#define SENDERS 4u

static void join_poisoned(struct sender *senders)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        thread_join(&senders[i].thread);
        CHECK_CODE(senders[i].rc, QUIRE_EPOISONED);
    }
}

static void start_senders(struct sender *senders, quire_t *channel)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i].channel = channel;
        thread_start(&senders[i].thread, send_on, &senders[i]);
    }
}

/* Who waits for a free page is woken. */
static void senders_that_wait_for_a_page(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 2);
    struct sender senders[SENDERS];
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    start_senders(senders, rig.channel);
    for (uint32_t i = 0; i < SENDERS; i++) {
        thread_settle(&senders[i].thread);
    }
    qr_io_fault_kind(QR_IO_FDATASYNC, 1, EIO, 0);
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER), QUIRE_EPOISONED);
    join_poisoned(senders);
    check_poisoned(&rig);
    rig_close(&rig);
    disk_end();
}

/* Those who share the commit that fails, and those who would have shared the next. */
static void senders_that_wait_for_a_commit(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_EACH, 64);
    struct sender senders[SENDERS];
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    qr_io_fault_kind(QR_IO_FDATASYNC, 25, EIO, 0);
    start_senders(senders, rig.channel);
    join_poisoned(senders);
    check_poisoned(&rig);
    rig_close(&rig);
    disk_end();
}

/* --- a committer that is killed ------------------------------------------------------------ */

static enum disk_kind killed_at;
static int killed_in;

static void kill_committer(enum disk_kind kind, int phase)
{
    if (kind == killed_at && phase == killed_in) {
        _exit(0);
    }
}

static struct quire_options dying;

/* Some messages, and a commit that ends the process. */
static void die_in_a_commit(int waits)
{
    struct rig rig;
    disk_set_hook(NULL);
    rig_open(&rig, &dying);
    for (uint32_t i = 0; i < PER_PAGE + 4; i++) {
        CHECK_OK(rig_send(&rig));
    }
    disk_set_hook(kill_committer);
    if (waits) {
        (void)!quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER);
    } else {
        CHECK_OK(quire_sync_start(rig.channel));
        for (;;) {
            rig_pump(rig.channel);
        }
    }
    _exit(1);
}

static uint64_t intent_of(const char *path)
{
    char control[TEMP_PATH_MAX + 16];
    uint64_t intent;
    snprintf(control, sizeof(control), "%s/control", path);
    int fd = open(control, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, &intent, 8, QR_LIVE_OFFSET + offsetof(struct qr_live, commit_intent)), 8);
    close(fd);
    return intent;
}

/* What follows, with the first syncs of the next open failing or not. */
static void after_a_kill(int waits, enum disk_kind kind, int phase, int fails)
{
    struct rig rig = {0};
    int status;
    killed_at = kind;
    killed_in = phase;
    temp_path(rig.path, "channel");
    disk_begin();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        die_in_a_commit(waits);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(intent_of(rig.path) != 0);
    uint64_t syncs = disk_syncs(DISK_PAGE, 1);
    qr_io_fault_kind(QR_IO_FDATASYNC, fails ? 2 : 0, EIO, 0);
    rig_reopen_when_free(&rig, &dying);
    qr_io_fault(0, 0, 0);
    rig.sent = PER_PAGE + 4;
    if (fails) {
        check_poisoned(&rig);
        CHECK_EQ(quire_durable_position(rig.channel), 0);
        check_readable(&rig, &dying, rig.sent);
    } else {
        CHECK_EQ(intent_of(rig.path), 0);
        CHECK_EQ(disk_syncs(DISK_PAGE, 1), syncs + 2); /* both pages */
        CHECK_EQ(quire_durable_position(rig.channel), QUIRE_POSITION(1, 4));
        for (uint64_t i = 0; i < rig.sent; i++) {
            uint64_t position = QUIRE_POSITION(i / PER_PAGE, i % PER_PAGE);
            CHECK(disk_lacks(position, 0, i, rig_size(0, i)) == NULL);
        }
        CHECK_OK(rig_send(&rig));
        CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
        CHECK_EQ(rig_receive(rig.channel, "g", 0), rig.sent);
        rig_close(&rig);
    }
    disk_end();
    temp_remove(rig.path);
}

static void a_committer_is_killed(void)
{
    dying = rig_options(QUIRE_DURABLE_NONE, 8);
    for (int waits = 0; waits < 2; waits++) {
        for (int fails = 0; fails < 2; fails++) {
            after_a_kill(waits, DISK_PAGE, 0, fails);
            after_a_kill(waits, DISK_PAGE, 1, fails);
            after_a_kill(waits, DISK_CONTROL, 0, fails);
            after_a_kill(waits, DISK_CONTROL, 1, fails);
        }
    }
}

/* --- a commit that was not begun anew ------------------------------------------------------ */

/* A commit is cut short by a file that cannot be opened, and the channel is closed with that. */
static void cut_short(struct rig *rig, const struct quire_options *options)
{
    rig_open(rig, options);
    for (uint32_t i = 0; i < PER_PAGE + 4; i++) {
        CHECK_OK(rig_send(rig));
    }
    qr_io_fault_kind(QR_IO_OPEN, 1, EMFILE, 1);
    CHECK_CODE(quire_sync(rig->channel, UINT64_MAX, QUIRE_FOREVER), -EMFILE);
    qr_io_fault(0, 0, 0);
    rig_close(rig);
    CHECK(intent_of(rig->path) != 0);
}

/* The next open makes the commit again, or says why it cannot: nothing is left out. */
static void commits_that_cannot_be_made_again(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    int hit = 1, unmapped = 0;
    for (uint64_t nth = 1; hit; nth++) {
        struct rig rig;
        disk_begin();
        cut_short(&rig, &options);
        uint64_t syncs = disk_syncs(DISK_PAGE, 1);
        qr_io_fault_kind(QR_IO_MMAP, nth, ENOMEM, 0);
        int rc = quire_open(&rig.channel, rig.path, &options);
        hit = qr_io_fault_hit();
        qr_io_fault(0, 0, 0);
        unmapped += hit && rc == 0;
        CHECK(unmapped <= 1); /* the engine does without a page of its own */
        CHECK(rc == 0 || intent_of(rig.path) != 0);
        CHECK_OK(quire_close(rig.channel));
        rig_reopen_when_free(&rig, &options);
        CHECK_EQ(intent_of(rig.path), 0);
        CHECK_EQ(disk_syncs(DISK_PAGE, 1), syncs + 2); /* both pages */
        CHECK_EQ(rig_receive(rig.channel, "g", 0), PER_PAGE + 4);
        rig_close(&rig);
        disk_end();
        temp_remove(rig.path);
    }
}

/* Pages of an earlier open, which nobody has mapped in this one. */
static void pages_that_cannot_be_mapped(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct rig rig;
    disk_begin();
    rig_open(&rig, &options);
    for (uint32_t i = 0; i < 2 * PER_PAGE + 4; i++) {
        CHECK_OK(rig_send(&rig));
    }
    rig_close(&rig);
    rig_reopen(&rig, &options);
    uint64_t syncs = disk_syncs(DISK_PAGE, 1);
    qr_io_fault_kind(QR_IO_MMAP, 1, ENOMEM, 1);
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER), -ENOMEM);
    CHECK_EQ(quire_durable_position(rig.channel), 0);
    CHECK_EQ(disk_syncs(DISK_PAGE, 1), syncs);
    qr_io_fault(0, 0, 0);
    CHECK_OK(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER));
    CHECK_EQ(quire_durable_position(rig.channel), QUIRE_POSITION(2, 4));
    CHECK_EQ(disk_syncs(DISK_PAGE, 1), syncs + 3);
    rig_close(&rig);
    disk_end();
}

/* What cannot be made durable is told, after the groups have had their time. */
static void drains(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_INTERVAL, 8);
    struct quire_left left;
    quire_rx_t *rx;
    struct rig rig;
    options.sync_delay_ns = 3600000 * CLOCK_MS;
    disk_begin();
    rig_open(&rig, &options);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    quire_rx_close(rx);
    CHECK_OK(rig_send(&rig));
    qr_io_fault_kind(QR_IO_FDATASYNC, 1, EIO, 0);
    CHECK_CODE(quire_drain(rig.channel, clock_now() + 20 * CLOCK_MS, &left), QUIRE_EPOISONED);
    CHECK(qr_io_fault_hit());
    qr_io_fault(0, 0, 0);
    CHECK_EQ(left.unsynced, 1);
    CHECK_EQ(left.messages, 1);
    CHECK_EQ(rig_receive(rig.channel, "g", 0), 1);
    CHECK_CODE(quire_drain(rig.channel, QUIRE_FOREVER, &left), QUIRE_EPOISONED);
    CHECK_EQ(left.unsynced, 1);
    CHECK_EQ(left.messages, 0);
    CHECK_CODE(quire_drain(rig.channel, 0, &left), QUIRE_EPOISONED);
    rig_close(&rig);
    /* In a mode that promises nothing, nothing is missing. */
    options = rig_options(QUIRE_DURABLE_NONE, 8);
    rig_reopen(&rig, &options);
    CHECK_EQ(rig_stat(rig.channel).poisoned, 1);
    (void)rig_receive(rig.channel, "before", 0);
    CHECK_OK(quire_drain(rig.channel, QUIRE_FOREVER, &left));
    CHECK_EQ(left.unsynced, 0);
    rig_close(&rig);
    disk_end();
}

/* A consumer that comes opens the handles again that were shut when the last one went: not now. */
static void handles_that_are_opened_again(void)
{
    struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 8);
    struct quire_tx_options tx_options = QUIRE_TX_OPTIONS_INIT;
    quire_tx_t *tx;
    quire_rx_t *rx;
    struct rig rig;
    options.checksum = QUIRE_CHECKSUM_OFF; /* with them there is no short way that could be open */
    disk_begin();
    rig_open(&rig, &options);
    tx_options.flags = QUIRE_TX_ENDS;
    CHECK_OK(quire_tx_open(rig.channel, &tx_options, &tx));
    for (int turn = 0; turn < 2; turn++) {
        CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
        CHECK_OK(quire_tx_send(tx, "x", 1));
        quire_rx_close(rx);
        CHECK_CODE(quire_tx_send(tx, "x", 1), QUIRE_ENDED);
    }
    qr_io_fault_kind(QR_IO_FDATASYNC, 1, EIO, 0);
    CHECK_CODE(quire_sync(rig.channel, UINT64_MAX, QUIRE_FOREVER), QUIRE_EPOISONED);
    CHECK(qr_io_fault_hit());
    qr_io_fault(0, 0, 0);
    CHECK_OK(quire_rx_subscribe(rig.channel, "g", NULL, NULL, &rx));
    CHECK_CODE(quire_tx_send(tx, "x", 1), QUIRE_EPOISONED);
    quire_rx_close(rx);
    quire_tx_close(tx);
    rig_close(&rig);
    disk_end();
    temp_remove(rig.path);
}

static const struct test_case cases[] = {
    {"poison_a_sync_of_a_send_fails_once", a_sync_of_a_send_fails_once, 0},
    {"poison_a_sync_of_the_directory_fails_once", a_sync_of_the_directory_fails_once, 0},
    {"poison_a_sync_fails", a_sync_fails, 0},
    {"poison_a_commit_of_the_keeper_fails", a_commit_of_the_keeper_fails, 0},
    {"poison_senders_that_wait_for_a_page", senders_that_wait_for_a_page, 0},
    {"poison_senders_that_wait_for_a_commit", senders_that_wait_for_a_commit, 0},
    {"poison_a_committer_is_killed", a_committer_is_killed, 0},
    {"poison_commits_that_cannot_be_made_again", commits_that_cannot_be_made_again, 0},
    {"poison_pages_that_cannot_be_mapped", pages_that_cannot_be_mapped, 0},
    {"poison_drains", drains, 0},
    {"poison_handles_that_are_opened_again", handles_that_are_opened_again, 0},
};
const struct test_table poison_table = TEST_TABLE(cases);
