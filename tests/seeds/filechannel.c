/* SPDX-License-Identifier: MIT */
/*
 * filechannel's cases, and the traps that it falls into: what is read, what is kept, what comes
 * free, and files that were damaged. (It also compresses; quire does not.)
 *
 *   filechannel memory|directory
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/seeds/steps.h>
#include <tests/support/content.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>
#include <unistd.h>

#define SIZE 100u

static void done(quire_t *channel, quire_tx_t *tx, quire_rx_t *rx)
{
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void put_range(quire_tx_t *tx, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        put(tx, 1, i, SIZE);
    }
}

static void take_range(quire_rx_t *rx, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        await_number(rx, 1, i, SIZE);
    }
    take_nothing(rx);
}

static void five_short_messages(void)
{
    static const char *const texts[] = {"1", "22", "333", "4444", "55555"};
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint32_t i = 0; i < 5; i++) {
        CHECK_OK(quire_tx_send(tx, texts[i], i + 1));
    }
    for (uint32_t i = 0; i < 5; i++) {
        struct quire_msg msg = take(rx);

        CHECK(msg.size == i + 1 && memcmp(msg.data, texts[i], i + 1) == 0);
    }
    take_nothing(rx);
    done(channel, tx, rx);
}

/* --- what comes free ------------------------------------------------------------------------- */

static quire_t *open_growing(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);
    struct quire_plan plan;

    options.full_policy = QUIRE_FULL_GROW;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    options.max_bytes = 64 * plan.page_bytes;
    return cell_open(&options);
}

/* Page after page is turned, and what was grown is given back: as many are left as at first. */
static uint64_t until_given_back(quire_t *channel, quire_tx_t *tx, quire_rx_t *rx, uint64_t next,
                                 int acks)
{
    while (stat_of(channel).pages_made > 4) {
        struct quire_msg msg;

        put(tx, 1, next, SIZE);
        msg = await_number(rx, 1, next++, SIZE);
        if (acks) {
            CHECK_OK(quire_rx_ack(rx, msg.position));
        }
    }
    return next;
}

static void what_was_read_is_given_back(void)
{
    quire_t *channel = open_growing();
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    put_range(tx, 0, 1000);
    CHECK(stat_of(channel).pages_made >= 20);
    CHECK(stat_of(channel).pages_used >= 20);
    take_range(rx, 0, 1000);
    CHECK_OK(quire_rx_release(rx));
    CHECK_EQ(stat_of(channel).pages_used, 1); /* the one that is written */
    until_given_back(channel, tx, rx, 1000, 0);
    done(channel, tx, rx);
}

static void nothing_is_given_back_without_an_ack(void)
{
    quire_t *channel = open_growing();
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    uint64_t *positions = calloc(1000, sizeof(*positions));
    uint32_t used;

    CHECK(positions != NULL);
    put_range(tx, 0, 1000);
    used = stat_of(channel).pages_used;
    CHECK(used >= 20);
    for (uint64_t i = 0; i < 1000; i++) {
        positions[i] = await_number(rx, 1, i, SIZE).position;
    }
    CHECK_OK(quire_rx_release(rx));
    CHECK_EQ(stat_of(channel).pages_used, used);
    for (uint64_t i = 1; i < 1000; i++) {
        CHECK_OK(quire_rx_ack(rx, positions[i]));
    }
    CHECK_EQ(stat_of(channel).pages_used, 2); /* of the first message, and the one written */
    CHECK_OK(quire_rx_ack(rx, positions[0]));
    CHECK_EQ(stat_of(channel).pages_used, 1);
    until_given_back(channel, tx, rx, 1000, 1);
    free(positions);
    done(channel, tx, rx);
}

/* --- what is kept ---------------------------------------------------------------------------- */

static void read_without_ack_is_read_again(void)
{
    needs_directory();
    quire_t *channel = cell_small(16);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);

    put_range(tx, 0, 300);
    for (uint32_t life = 1; life <= 4; life++) {
        for (uint64_t i = 0; i < 300; i++) {
            struct quire_msg msg = await_number(rx, 1, i, SIZE);

            CHECK_EQ(quire_msg_attempt(&msg), life);
        }
        take_nothing(rx);
        done(channel, tx, rx);
        channel = cell_reopen();
        tx = open_tx(channel);
        rx = open_ack(channel, "g", 0);
    }
    done(channel, tx, rx);
}

static void reopening_overwrites_nothing(void)
{
    needs_directory();
    quire_t *channel = cell_small(32);
    uint64_t sent = 0;

    for (uint32_t life = 0; life < 20; life++) {
        char name[16];
        quire_tx_t *tx = open_tx(channel);
        uint64_t more = 1 + life * 7 % 40;
        quire_rx_t *rx;

        put_range(tx, sent, sent + more);
        sent += more;
        done(channel, tx, NULL);
        channel = cell_reopen();
        snprintf(name, sizeof(name), "g%u", life);
        rx = open_rx(channel, name);
        take_range(rx, 0, sent);
        quire_rx_close(rx);
    }
    CHECK_OK(quire_close(channel));
}

/* Offsets of writes, reads and what is durable; what it takes on the disk. */
static void statistics(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 8);
    struct quire_plan plan;
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_run(channel, "g", 1);

    put_range(tx, 0, 30);
    for (uint64_t i = 0; i < 10; i++) {
        take_number(rx, 1, i, SIZE);
    }
    CHECK_EQ(stat_of(channel).messages, 30);
    CHECK_EQ(stat_of(channel).end_position, quire_tx_position(tx) + 1);
    CHECK_EQ(group_of(channel, "g").position, 10);
    CHECK_EQ(group_of(channel, "g").lag_messages, 20);
    CHECK_EQ(group_of(channel, "g").lag_bytes, 20 * record_bytes(SIZE));
    if (cell.directory) {
        CHECK_OK(quire_plan(&options, 1, &plan));
        CHECK(stat_of(channel).bytes >= plan.total_bytes);
        CHECK(stat_of(channel).bytes <= plan.total_bytes + 2 * plan.group_bytes);
        CHECK(quire_durable_position(channel) <= QUIRE_POSITION(0, 30));
        CHECK_OK(quire_sync(channel, UINT64_MAX, QUIRE_FOREVER));
        CHECK_EQ(quire_durable_position(channel), QUIRE_POSITION(0, 30));
    }
    done(channel, tx, rx);
}

/* Trap: the slice that receive returned was overwritten by the next one. Here not even by going on
 * to other pages, while the delivery is not acknowledged. */
static void deliveries_are_not_overwritten(void)
{
    quire_t *channel = cell_small(16);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 0);
    static struct quire_msg held[200];

    for (uint64_t i = 0; i < 200; i++) {
        put(tx, 1, i, SIZE);
        held[i] = await_number(rx, 1, i, SIZE);
    }
    for (uint64_t i = 200; i-- > 0;) {
        is_number(&held[i], 1, i, SIZE);
        CHECK_OK(quire_rx_ack(rx, held[i].position));
    }
    done(channel, tx, rx);
}

/* --- kills ----------------------------------------------------------------------------------- */

static qr_atomic_u64 *sent_by_the_dead; /* shared */

static void send_for_ever(void)
{
    quire_t *channel = cell_small(64);
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t i = 0;; i++) {
        if (try_put(tx, 1, i, SIZE) == QUIRE_FULL) {
            pause();
        }
        qr_store_release(sent_by_the_dead, i + 1); /* its send has returned */
    }
}

/* Trap: kill -9 lost 9 to 160 messages whose send had returned, in 9 of 10 tries. */
static void a_kill_loses_nothing_sent(void)
{
    struct random random = {5};
    needs_directory();
    sent_by_the_dead = mmap(NULL, sizeof(*sent_by_the_dead), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(sent_by_the_dead != MAP_FAILED);
    for (uint32_t life = 0; life < test_scale(40); life++) {
        char path[TEMP_PATH_MAX];
        uint64_t target = 1 + random_below(&random, 1500);
        qr_store_release(sent_by_the_dead, 0u); /* before the fork */
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            send_for_ever();
        }
        while (qr_load_acquire(sent_by_the_dead) < target) { /* pairs with the child's release */
            sched_yield();
        }
        CHECK_EQ(kill(child, SIGKILL), 0);
        CHECK_EQ(waitpid(child, NULL, 0), child);
        uint64_t sent = qr_load_acquire(sent_by_the_dead), received = 0;
        quire_t *channel = reopen_when_free();
        quire_rx_t *rx = open_rx(channel, "g");
        struct quire_msg msg;
        while (receive(rx, &msg, 1) == 0) {
            is_number(&msg, 1, received++, SIZE);
        }
        CHECK(received == sent ||
              received == sent + 1); /* one may be there and not have returned */
        done(channel, NULL, rx);
        temp_remove(cell_path(path));
    }
}

/* --- files ----------------------------------------------------------------------------------- */

#define IN_A_PAGE 500u /* of 64 KiB */

/* Where message number lies in the page file; negative: in another. */
static long find_message(FILE *file, uint64_t number)
{
    static char bytes[1 << 18];
    char wanted[SIZE];
    size_t size = fread(bytes, 1, sizeof(bytes), file);

    content_fill(wanted, sizeof(wanted), 1, number);
    const char *at = memmem(bytes, size, wanted, sizeof(wanted));
    return at ? (long)(at - bytes) : -1;
}

static int flip_in(const char *name, uint64_t number)
{
    char path[TEMP_PATH_MAX];
    FILE *file = fopen(channel_file(path, name), "r+");
    CHECK(file != NULL);
    long at = find_message(file, number);
    if (at >= 0) {
        CHECK_EQ(fseek(file, at + SIZE / 2, SEEK_SET), 0);
        int byte = fgetc(file);
        CHECK_EQ(fseek(file, at + SIZE / 2, SEEK_SET), 0);
        CHECK(fputc(byte ^ 1, file) != EOF);
    }
    CHECK_EQ(fclose(file), 0);
    return at >= 0;
}

static void flip_byte_of(uint64_t number)
{
    CHECK_EQ(flip_in("pages/00000.page", number) + flip_in("pages/00001.page", number), 1);
}

/* Trap: one flipped byte dropped the 499 good messages behind it without an error. */
static void one_flipped_byte_costs_one_message(void)
{
    struct quire_options options = cell_options(65536, 2);
    needs_directory();
    quire_t *channel = cell_open(&options);
    quire_tx_t *tx = open_tx(channel);
    put_range(tx, 0, IN_A_PAGE);
    done(channel, tx, NULL);
    flip_byte_of(0);
    flip_byte_of(250);
    channel = cell_reopen();
    quire_rx_t *rx = open_rx(channel, "g");
    for (uint64_t i = 0; i < IN_A_PAGE; i++) {
        struct quire_msg msg;

        if (i == 0 || i == 250) {
            CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_CORRUPT);
        } else {
            take_number(rx, 1, i, SIZE);
        }
    }
    take_nothing(rx);
    done(channel, NULL, rx);
}

/* Trap: a zero-length newest segment made open fail. That is how a file looks whose making was cut
 * short: here it is made anew. */
static void an_empty_file_is_made_anew(void)
{
    char path[TEMP_PATH_MAX];
    needs_directory();
    quire_t *channel = open_growing();
    quire_tx_t *tx = open_tx(channel);
    put_range(tx, 0, 30);
    uint32_t made = stat_of(channel).pages_made;
    done(channel, tx, NULL);
    char name[32];
    snprintf(name, sizeof(name), "pages/%05u.page", made);
    int fd = open(channel_file(path, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(close(fd), 0);
    channel = cell_reopen();
    tx = open_tx(channel);
    put_range(tx, 30, 500);
    CHECK(stat_of(channel).pages_made > made);
    quire_rx_t *rx = open_rx(channel, "g");
    take_range(rx, 0, 500);
    done(channel, tx, rx);
}

/* A page that holds messages and is cut short is no such thing: refused, with a code of its own,
 * and nothing is touched. */
static void a_file_cut_short_is_refused(void)
{
    static char bytes[1 << 18];
    struct quire_options options = QUIRE_OPTIONS_INIT;
    char path[TEMP_PATH_MAX], directory[TEMP_PATH_MAX];
    needs_directory();
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    put_range(tx, 0, 30);
    done(channel, tx, NULL);
    int fd = open(channel_file(path, "pages/00000.page"), O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    ssize_t size = pread(fd, bytes, sizeof(bytes), 0);
    CHECK(size > 0 && size < (ssize_t)sizeof(bytes));
    for (off_t cut = 0; cut < size; cut += 4096) {
        CHECK_EQ(ftruncate(fd, cut), 0);
        CHECK_CODE(quire_open(&channel, cell_path(directory), &options), QUIRE_EBADFILE);
        CHECK_EQ(lseek(fd, 0, SEEK_END), cut);
    }
    CHECK_EQ(pwrite(fd, bytes, (size_t)size, 0), size);
    CHECK_EQ(close(fd), 0);
    channel = cell_reopen();
    quire_rx_t *rx = open_rx(channel, "g");
    take_range(rx, 0, 30);
    done(channel, NULL, rx);
}

/* Trap: a zero-filled tail was read as 512 valid empty messages. Empty messages are messages here,
 * too: those that were sent, and no others. */
static void zeroes_are_no_messages(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(quire_tx_send(tx, "", 0));
    }
    if (cell.directory) {
        done(channel, tx, rx);
        channel = cell_reopen();
        tx = open_tx(channel);
        rx = open_rx(channel, "g");
    }
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(take(rx).size, 0);
    }
    take_nothing(rx);
    done(channel, tx, rx);
}

/* --- close ----------------------------------------------------------------------------------- */

struct blocked {
    struct thread thread;
    quire_tx_t *tx;
    int code;
};

static void send_blocked(void *context)
{
    struct blocked *b = context;
    b->code = quire_tx_send(b->tx, "x", 1);
}

/* Trap: close blocked while any sender was open. Not even one that is in the middle of a send. */
static void close_waits_for_no_sender(void)
{
    quire_t *channel = cell_small(1);
    struct blocked b = {.tx = open_tx(channel)};
    quire_tx_t *idle = open_tx(channel);
    quire_rx_t *rx = open_rx(channel, "g");

    fill(b.tx, 1, 0, 1);
    thread_start(&b.thread, send_blocked, &b);
    thread_settle(&b.thread);
    CHECK_OK(quire_close(channel));
    thread_join(&b.thread);
    CHECK_CODE(b.code, QUIRE_CLOSED);
    CHECK_CODE(quire_tx_send(idle, "x", 1), QUIRE_CLOSED);
    quire_tx_close(b.tx);
    quire_tx_close(idle);
    quire_rx_close(rx);
}

static const struct test_case cases[] = {
    {"filechannel: five messages of 1 to 5 bytes", five_short_messages, 0},
    {"filechannel: what was read comes free, to the page being written",
     what_was_read_is_given_back, 0},
    {"filechannel: nothing comes free without an ack", nothing_is_given_back_without_an_ack, 0},
    {"filechannel: read without ack is read again after a restart", read_without_ack_is_read_again,
     0},
    {"filechannel: reopening overwrites nothing", reopening_overwrites_nothing, 0},
    {"filechannel: statistics of writes, reads, flushes, disk use", statistics, 0},
    {"filechannel trap: a delivery is not overwritten", deliveries_are_not_overwritten, 0},
    {"filechannel trap: kill -9 loses nothing whose send returned", a_kill_loses_nothing_sent, 120},
    {"filechannel trap: one flipped byte costs one message, and says so",
     one_flipped_byte_costs_one_message, 0},
    {"filechannel trap: an empty newest file is made anew", an_empty_file_is_made_anew, 0},
    {"filechannel trap: a page cut short is refused, nothing is touched",
     a_file_cut_short_is_refused, 0},
    {"filechannel trap: zeroes are no messages", zeroes_are_no_messages, 0},
    {"filechannel trap: close waits for no sender", close_waits_for_no_sender, 0},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
