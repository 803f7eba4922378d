/* SPDX-License-Identifier: MIT */
/*
 * Every system call of a channel's life fails, one after the other, once or from then on: it goes
 * on or is refused with a code, nothing is called durable that is not, and what was sent is there
 * when the disk is well again.
 */
#include <dirent.h>
#include <errno.h>
#include <pages/io.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <tests/durable/rig.h>
#include <unistd.h>

#define MESSAGES 64u

enum fate { NOT_SENT, MAYBE, SENT, RECEIVED };

struct life {
    char path[TEMP_PATH_MAX];
    struct quire_options options;
    int error;
    int keeps_mapping; /* munmap fails: the control file's has the lock */
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;
    uint32_t next;
    int poisoned;
    enum fate fate[MESSAGES];
    uint64_t position[MESSAGES];
};

/* May a call that met the fault answer like this? */
static int refused(const struct life *life, int rc)
{
    return rc == -life->error || rc == -ENOMEM || rc == QUIRE_EPOISONED || rc == QUIRE_EENGINE ||
           ((rc == QUIRE_ENOSPC || rc == QUIRE_FULL) &&
            (life->error == ENOSPC || life->error == EDQUOT)) ||
           (rc == QUIRE_EBUSY && (life->error == EAGAIN || life->keeps_mapping));
}

#define CHECK_REFUSED(life, rc)                                                          \
    do {                                                                                 \
        if ((rc) != 0 && !refused(life, rc)) {                                           \
            test_fail(__FILE__, __LINE__, "a call gave %d (%s)", rc, quire_errname(rc)); \
        }                                                                                \
    } while (0)

static const char *lacks(const struct life *life, uint32_t i)
{
    return disk_lacks(life->position[i], 0, i, rig_size(0, i));
}

/* A page of which all was received, and another begun, needs not be on the disk. */
static int finished(const struct life *life, uint64_t page_no)
{
    int later = 0;
    for (uint32_t i = 0; i < life->next; i++) {
        int waits = life->fate[i] == SENT || life->fate[i] == MAYBE;
        if (waits && QUIRE_PAGE_OF(life->position[i]) == page_no) {
            return 0;
        }
        later |= life->fate[i] >= SENT && QUIRE_PAGE_OF(life->position[i]) > page_no;
    }
    return later;
}

static void check_durable(const struct life *life, uint64_t below)
{
    for (uint32_t i = 0; i < life->next; i++) {
        int due = life->fate[i] >= SENT && life->position[i] < below &&
                  !finished(life, QUIRE_PAGE_OF(life->position[i]));
        const char *lack = due ? lacks(life, i) : NULL;
        if (lack) {
            test_fail(__FILE__, __LINE__, "message %u was called durable: %s", i, lack);
        }
    }
}

static void send_one(struct life *life)
{
    unsigned char bytes[SIZE_MAX_OF_MESSAGE];
    uint32_t i = life->next++;
    uint64_t before = quire_tx_position(life->tx);
    CHECK(i < MESSAGES);
    content_fill(bytes, rig_size(0, i), 0, i);
    int rc = quire_tx_try_send(life->tx, bytes, rig_size(0, i));
    int each = life->options.durability == QUIRE_DURABLE_EACH;
    int sent = rc == 0 || (rc == QUIRE_UNSYNCED && each);
    CHECK(sent || refused(life, rc));
    /* EACH: when the commit failed it was published before. */
    int maybe = rc == QUIRE_EPOISONED && each && quire_tx_position(life->tx) != before;
    life->fate[i] = sent ? SENT : maybe ? MAYBE : NOT_SENT;
    life->position[i] = quire_tx_position(life->tx);
    CHECK(rc == 0 || !life->poisoned || rc == QUIRE_EPOISONED);
    CHECK(rc != 0 || !life->poisoned);
    life->poisoned |= rc == QUIRE_EPOISONED;
    if (rc == 0 && each) {
        check_durable(life, life->position[i] + 1);
    }
    check_durable(life, quire_durable_position(life->channel));
}

/* Receives count messages, or what there is. */
static void receive(struct life *life, uint32_t count)
{
    struct quire_msg msg;
    uint64_t stream, number;
    while (count > 0 && life->rx) {
        int rc = quire_rx_try_recv(life->rx, &msg);
        if (rc == QUIRE_EAGAIN) {
            return;
        }
        if (rc == QUIRE_PAGE_END) {
            rc = quire_rx_next_page(life->rx);
            CHECK_REFUSED(life, rc);
            continue;
        }
        CHECK_REFUSED(life, rc);
        if (rc != 0) {
            return;
        }
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(number < life->next);
        CHECK(life->fate[number] == SENT || life->fate[number] == MAYBE);
        life->fate[number] = RECEIVED;
        count--;
    }
}

static int open_all(struct life *life)
{
    int rc = quire_open(&life->channel, life->path, &life->options);
    CHECK_REFUSED(life, rc);
    if (rc != 0) {
        CHECK(life->channel == NULL);
        return 0;
    }
    rc = quire_tx_open(life->channel, NULL, &life->tx);
    CHECK_REFUSED(life, rc);
    rc = quire_rx_subscribe(life->channel, "g", NULL, NULL, &life->rx);
    CHECK_REFUSED(life, rc);
    return 1;
}

static void close_all(struct life *life)
{
    quire_tx_close(life->tx);
    quire_rx_close(life->rx);
    int rc = quire_close(life->channel);
    CHECK_REFUSED(life, rc);
    life->poisoned |= rc == QUIRE_EPOISONED;
    life->channel = NULL;
    life->tx = NULL;
    life->rx = NULL;
}

static void pump(struct life *life)
{
    for (int i = 0; i < 4; i++) {
        int rc = quire_dispatch(life->channel);
        CHECK(rc > 0 || rc == 0 || refused(life, rc));
    }
}

static void synchronise(struct life *life)
{
    int rc = quire_sync(life->channel, UINT64_MAX, QUIRE_FOREVER);
    CHECK_REFUSED(life, rc);
    life->poisoned |= rc == QUIRE_EPOISONED;
    if (rc == 0) {
        CHECK(!life->poisoned);
        check_durable(life, UINT64_MAX);
    }
    rc = quire_sync_start(life->channel);
    CHECK_REFUSED(life, rc);
}

static void send_some(struct life *life, uint32_t count)
{
    while (count-- > 0 && life->tx) {
        send_one(life);
    }
}

/* Everything a channel does, from its creation on. */
static void live(struct life *life)
{
    if (open_all(life)) {
        send_some(life, 14); /* four pages, of which two are new */
        pump(life);
        synchronise(life);
        receive(life, 9);
        send_some(life, 6);
        pump(life);
        receive(life, MESSAGES);
        pump(life); /* gives back */
        send_some(life, 5);
        check_durable(life, quire_durable_position(life->channel));
        close_all(life);
    }
    if (open_all(life)) {
        send_some(life, 3);
        receive(life, 3);
        close_all(life);
    }
}

/* The disk is well again. */
static void look_back(struct life *life)
{
    life->options.flags = 0;
    int rc = quire_open(&life->channel, life->path, &life->options);
    if (rc == QUIRE_ENOENT) {
        CHECK_EQ(life->next, 0); /* it was never made */
        return;
    }
    CHECK_OK(rc);
    struct quire_stat stat = rig_stat(life->channel);
    CHECK(!life->poisoned || stat.poisoned);
    CHECK_OK(quire_tx_open(life->channel, NULL, &life->tx));
    CHECK_OK(quire_rx_subscribe(life->channel, "g", NULL, NULL, &life->rx));
    CHECK_CODE(quire_tx_try_send(life->tx, NULL, 0), stat.poisoned ? QUIRE_EPOISONED : 0);
    for (uint32_t i = 0; i < life->next; i++) {
        life->fate[i] = life->fate[i] == RECEIVED ? NOT_SENT : life->fate[i];
    }
    struct quire_msg msg;
    uint64_t stream, number, last = 0;
    while ((rc = quire_rx_try_recv(life->rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(life->rx));
            continue;
        }
        CHECK_OK(rc);
        if (msg.size == 0) {
            continue; /* that was sent above */
        }
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(number < life->next && number >= last);
        CHECK(life->fate[number] != NOT_SENT);
        life->fate[number] = NOT_SENT;
        last = number;
    }
    for (uint32_t i = 0; i < life->next; i++) {
        if (life->fate[i] == SENT) {
            test_fail(__FILE__, __LINE__, "message %u of %u is lost", i, life->next);
        }
    }
    close_all(life);
}

/* Nothing else lies in the test's directory. */
static void check_left(void)
{
    DIR *directory = opendir(temp_directory());
    struct dirent *entry;
    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        CHECK(entry->d_name[0] == '.' ? strlen(entry->d_name) <= 2
                                      : strcmp(entry->d_name, "channel") == 0);
    }
    closedir(directory);
}

static void remove_left(void)
{
    char path[TEMP_PATH_MAX * 2];
    DIR *directory = opendir(temp_directory());
    struct dirent *entry;
    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", temp_directory(), entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            temp_remove(path);
        }
    }
    closedir(directory);
}

struct fault {
    enum qr_io_call kind;
    uint64_t nth;
    int error;
    int sticky;
};

/* One life with the nth call failing. 0 when no call was. */
static int run(enum quire_durability durability, struct fault fault)
{
    struct life life = {.error = fault.error, .keeps_mapping = fault.kind == QR_IO_MUNMAP};
    struct quire_plan plan;
    int files = process_files();
    int mappings = process_mappings("channel");
    life.options = rig_options(durability, 2);
    life.options.max_messages = 4;
    life.options.full_policy = QUIRE_FULL_GROW;
    life.options.sync_every = 3;
    life.options.sync_delay_ns = CLOCK_MS / 4;
    life.options.commit_every = 5;
    CHECK_OK(quire_plan(&life.options, 1, &plan));
    life.options.max_bytes = 8 * plan.page_bytes;
    temp_path(life.path, "channel");
    disk_begin();
    qr_io_late(fault.nth % 3 == 0 ? 20 : 0);
    qr_io_fault_kind(fault.kind, fault.nth, fault.error, fault.sticky);
    live(&life);
    int hit = qr_io_fault_hit();
    qr_io_fault(0, 0, 0);
    if (!fault.sticky) {
        check_left();
    }
    if (!life.keeps_mapping) {
        look_back(&life);
        CHECK_EQ(process_mappings("channel"), mappings);
    }
    CHECK_EQ(process_files(), files);
    disk_end();
    remove_left();
    return hit;
}

/* All calls of the kind, or a sample that gets thinner towards the end. */
static void fail_with(enum quire_durability durability, enum qr_io_call kind, uint32_t way)
{
    static const int errors[] = {EIO, ENOSPC, EINTR, EAGAIN, ENOMEM, EDQUOT};
    uint64_t step = 100 / test_scale(100);
    struct fault fault = {kind, 1 + (way ? kind % 3 : 0), errors[way / 2 % 6], way % 2};
    while (run(durability, fault)) {
        fault.nth += way == 0 ? step : step + fault.nth;
    }
}

/* Every call fails once with EIO; of the other errors, and of failing for good, each kind of call
 * and each mode has its share. */
static void fail_kind(enum quire_durability durability, enum qr_io_call kind)
{
    fail_with(durability, kind, 0);
    for (uint32_t i = 0; i < 3; i++) {
        fail_with(durability, kind, 1 + ((uint32_t)kind + durability + 4 * i) % 11);
    }
}

static void fail_all(enum quire_durability durability)
{
    for (int kind = 0; kind < QR_IO_CALLS; kind++) {
        fail_kind(durability, (enum qr_io_call)kind);
    }
}

static void calls_fail_with_none(void)
{
    fail_all(QUIRE_DURABLE_NONE);
}

static void calls_fail_with_interval(void)
{
    fail_all(QUIRE_DURABLE_INTERVAL);
}

static void calls_fail_with_each(void)
{
    fail_all(QUIRE_DURABLE_EACH);
}

/* What a repair cannot look at for the moment it must not give up. */
static void repairs_that_are_cut_short(void)
{
    static const enum qr_io_call kinds[] = {QR_IO_OPEN,    QR_IO_PREAD, QR_IO_MMAP,
                                            QR_IO_MADVISE, QR_IO_FSTAT, QR_IO_MALLOC};
    for (uint32_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        int hit = 1;
        for (uint64_t nth = 1; hit; nth++) {
            struct quire_options options = rig_options(QUIRE_DURABLE_NONE, 6);
            struct rig rig = {0};
            int status;
            temp_path(rig.path, "channel");
            pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) {
                rig_open(&rig, &options);
                for (uint32_t i = 0; i < 3 * PER_PAGE; i++) {
                    CHECK_OK(rig_send(&rig));
                }
                kill(getpid(), SIGKILL);
            }
            CHECK_EQ(waitpid(child, &status, 0), child);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            qr_io_fault_kind(kinds[k], nth, EIO, 0);
            int rc = quire_open(&rig.channel, rig.path, &options);
            hit = qr_io_fault_hit();
            qr_io_fault(0, 0, 0);
            CHECK(rc == 0 || rig.channel == NULL);
            (void)quire_close(rig.channel);
            rig_reopen_when_free(&rig, &options);
            CHECK_EQ(rig_receive(rig.channel, "g", 0), 3 * PER_PAGE);
            rig_close(&rig);
            temp_remove(rig.path);
        }
    }
}

static const struct test_case cases[] = {
    {"fault_repairs_that_are_cut_short", repairs_that_are_cut_short, 0},
    {"fault_calls_fail_with_none", calls_fail_with_none, 120},
    {"fault_calls_fail_with_interval", calls_fail_with_interval, 120},
    {"fault_calls_fail_with_each", calls_fail_with_each, 120},
};
const struct test_table fault_table = TEST_TABLE(cases);
