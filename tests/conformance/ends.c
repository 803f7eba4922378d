/* SPDX-License-Identifier: MIT */
/*
 * The end of a channel for consumers that asked to be told: receive until no producer is left. A
 * woken thread is joined; one that sleeps on meets the watchdog.
 */
#include <poll.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/conformance/ends.h>
#include <tests/support/content.h>
#include <tests/support/thread.h>

#define SIZE 40u

static void empty_then_ended(void)
{
    quire_t *channel = cell_small(4);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);
    quire_tx_t *tx;

    receives_wait(rx); /* nobody was ever there */
    for (uint64_t turn = 0; turn < 3; turn++) {
        tx = open_tx(channel);
        receives_wait(rx);
        for (uint64_t i = 0; i < 3; i++) {
            put(tx, turn, i, SIZE);
        }
        quire_tx_close(tx);
        for (uint64_t i = 0; i < 3; i++) {
            take_number(rx, turn, i, SIZE);
        }
        receives_say(rx, QUIRE_ENDED);
        receives_say(rx, QUIRE_ENDED);
    }
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

struct stream {
    quire_t *channel;
    const char *group;
    quire_tx_t *tx;
    uint64_t number; /* of the producer */
    uint64_t count;
    uint64_t got; /* messages */
    uint64_t sum; /* of their numbers + 1 */
};

static void send_stream(void *context)
{
    const struct stream *stream = context;
    unsigned char data[SIZE];

    for (uint64_t i = 0; i < stream->count; i++) {
        content_fill(data, sizeof(data), stream->number, i);
        CHECK_OK(quire_tx_send(stream->tx, data, sizeof(data)));
    }
    quire_tx_close(stream->tx);
}

/* The loop that the flag is for. */
static void receive_until_ended(void *context)
{
    struct stream *stream = context;
    quire_rx_t *rx = open_rx_ends(stream->channel, stream->group, 0);
    struct quire_msg msg;
    int code;

    while ((code = quire_rx_recv(rx, &msg)) != QUIRE_ENDED) {
        uint64_t producer, number;

        if (code == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        CHECK_OK(code);
        CHECK(content_read(msg.data, msg.size, &producer, &number));
        stream->got++;
        stream->sum += number + 1;
    }
    CHECK_CODE(quire_rx_try_recv(rx, &msg), QUIRE_ENDED);
    quire_rx_close(rx);
}

enum { PRODUCERS = 3, MEMBERS = 2, GROUPS = 2 };

/* When a member is told the end its group has everything, each message once. */
static void iterate_until_ended(void)
{
    static const char *const names[GROUPS] = {"a", "b"};

    for (uint64_t turn = 0; turn < test_scale(20); turn++) {
        quire_t *channel = cell_small(3);
        struct stream in[PRODUCERS], out[GROUPS * MEMBERS];
        struct thread producers[PRODUCERS], members[GROUPS * MEMBERS];
        uint64_t count = turn * 37 % 400;

        for (unsigned i = 0; i < GROUPS; i++) {
            quire_rx_close(open_rx(channel, names[i]));
        }
        for (unsigned i = 0; i < PRODUCERS; i++) { /* all are open before the first has closed */
            in[i] = (struct stream){channel, NULL, open_tx(channel), i, count, 0, 0};
        }
        for (unsigned i = 0; i < GROUPS * MEMBERS; i++) {
            out[i] = (struct stream){channel, names[i % GROUPS], NULL, 0, 0, 0, 0};
            thread_start(&members[i], receive_until_ended, &out[i]);
        }
        for (unsigned i = 0; i < PRODUCERS; i++) {
            thread_start(&producers[i], send_stream, &in[i]);
        }
        for (unsigned i = 0; i < PRODUCERS; i++) {
            thread_join(&producers[i]);
        }
        for (unsigned g = 0; g < GROUPS; g++) {
            uint64_t got = 0, sum = 0;

            for (unsigned i = g; i < GROUPS * MEMBERS; i += GROUPS) {
                thread_join(&members[i]);
                got += out[i].got;
                sum += out[i].sum;
            }
            CHECK_EQ(got, PRODUCERS * count);
            CHECK_EQ(sum, PRODUCERS * (count * (count + 1) / 2));
        }
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

/* The end of a page comes before the end of everything. */
static void page_end_then_ended(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);
    struct quire_msg msg;

    put(tx, 1, 0, SMALL_MAX - 500);
    put(tx, 1, 1, 1000); /* closes the page; its own has room */
    quire_tx_close(tx);
    take_number(rx, 1, 0, SMALL_MAX - 500);
    CHECK_CODE(quire_rx_recv(rx, &msg), QUIRE_PAGE_END);
    CHECK_OK(quire_rx_next_page(rx));
    CHECK_OK(quire_rx_recv(rx, &msg));
    is_number(&msg, 1, 1, 1000);
    CHECK_CODE(quire_rx_recv(rx, &msg), QUIRE_ENDED);
    is_number(&msg, 1, 1, 1000); /* still borrowed */
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

struct waiter {
    quire_rx_t *rx;
    unsigned how;
    long code;
};

static void wait_to_receive(void *context)
{
    struct waiter *waiter = context;
    uint64_t deadline = waiter->how & 1u ? deadline_far() : QUIRE_FOREVER;

    do {
        waiter->code = receive_by(waiter->rx, waiter->how % RECEIVES, deadline);
    } while (waiter->code == QUIRE_PAGE_END && quire_rx_next_page(waiter->rx) == 0);
}

/* Members of two groups sleep; the last close wakes all, the others' wakes nobody. */
static void woken_by_the_last_close(void)
{
    enum { WAITERS = 4 };
    quire_t *channel = cell_small(2);
    struct waiter waiters[WAITERS];

    for (unsigned i = 0; i < WAITERS; i++) {
        waiters[i].rx = open_rx_ends(channel, i % 2 ? "a" : "b", 0);
    }
    for (uint64_t turn = 0; turn < test_scale(30); turn++) {
        quire_tx_t *tx[2] = {open_tx(channel), open_tx(channel)};
        struct thread threads[WAITERS];

        for (unsigned i = 0; i < WAITERS; i++) {
            waiters[i].how = i + (unsigned)turn;
            thread_start(&threads[i], wait_to_receive, &waiters[i]);
        }
        for (unsigned i = 0; turn % 3 && i < WAITERS; i++) {
            thread_settle(&threads[i]);
        }
        quire_tx_close(tx[0]);
        for (unsigned i = 0; i < WAITERS; i++) {
            if (turn % 3 == 2) {
                thread_settle(&threads[i]);
            }
            CHECK(!thread_done(&threads[i]));
        }
        quire_tx_close(tx[1]);
        for (unsigned i = 0; i < WAITERS; i++) {
            thread_join(&threads[i]);
            CHECK_CODE(waiters[i].code, QUIRE_ENDED);
        }
    }
    for (unsigned i = 0; i < WAITERS; i++) {
        quire_rx_close(waiters[i].rx);
    }
    CHECK_OK(quire_close(channel));
}

/* What the last producer sends before it goes is received before the end is told. */
static void last_words(void)
{
    quire_t *channel = cell_small(2);
    struct waiter waiter = {.rx = open_rx_ends(channel, "g", 0)};

    for (uint64_t turn = 0; turn < test_scale(300); turn++) {
        quire_tx_t *tx = open_tx(channel);
        struct thread thread;

        waiter.how = (unsigned)turn;
        thread_start(&thread, wait_to_receive, &waiter);
        if (turn % 4 == 3) {
            thread_settle(&thread);
        }
        put(tx, 1, turn, SIZE);
        quire_tx_close(tx);
        thread_join(&thread);
        CHECK_CODE(waiter.code, waiter.how % RECEIVES == BY_BATCH ? 1 : 0);
        CHECK_CODE(receive_by(waiter.rx, BY_COPY, QUIRE_FOREVER), QUIRE_ENDED);
    }
    quire_rx_close(waiter.rx);
    CHECK_OK(quire_close(channel));
}

static void one_of_several_goes(void)
{
    quire_t *channel = cell_small(2);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);
    quire_tx_t *tx[3] = {open_tx(channel), open_tx(channel), open_tx(channel)};

    for (unsigned i = 0; i < 3; i++) {
        receives_wait(rx);
        put(tx[i], 1, i, SIZE);
        quire_tx_close(tx[i]);
        take_number(rx, 1, i, SIZE);
    }
    receives_say(rx, QUIRE_ENDED);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* Each group has an end of its own, a later one too. */
static void groups_end_by_themselves(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *a = open_rx_ends(channel, "a", 0), *b = open_rx_ends(channel, "b", 0), *c;
    quire_rx_t *keeps = open_rx(channel, "keeps"); /* the messages, for who comes late */

    put(tx, 1, 0, SIZE);
    put(tx, 1, 1, SIZE);
    take_number(a, 1, 0, SIZE);
    quire_tx_close(tx);
    take_number(a, 1, 1, SIZE);
    receives_say(a, QUIRE_ENDED);
    take_number(b, 1, 0, SIZE);
    take_number(b, 1, 1, SIZE);
    receives_say(b, QUIRE_ENDED);
    receives_say(a, QUIRE_ENDED);
    c = open_rx_ends(channel, "c", 0);
    take_number(c, 1, 0, SIZE);
    take_number(c, 1, 1, SIZE);
    receives_say(c, QUIRE_ENDED);
    quire_rx_close(a);
    quire_rx_close(b);
    quire_rx_close(c);
    quire_rx_close(keeps);
    CHECK_OK(quire_close(channel));
}

/* Two members: first has claimed four of ten and received one; others the rest. */
static void claimed_by_first(quire_t *channel, quire_rx_t *first, quire_rx_t *second)
{
    quire_tx_t *tx = open_tx(channel);

    for (uint64_t i = 0; i < 10; i++) {
        put(tx, 1, i, SIZE);
    }
    take_number(first, 1, 0, SIZE);
    CHECK(claimed_of(channel, "g") >= 2);
    for (uint64_t i = 1 + claimed_of(channel, "g"); i < 10; i++) {
        take_number(second, 1, i, SIZE);
    }
    quire_tx_close(tx);
}

/* What a member has claimed comes back when it closes: it is not the end. */
static void returned_before_ended(void)
{
    quire_t *channel = cell_small(4);
    quire_rx_t *first = open_rx_ends(channel, "g", 0), *second = open_rx_ends(channel, "g", 0);
    struct quire_msg msg;
    uint64_t left;

    claimed_by_first(channel, first, second);
    left = claimed_of(channel, "g");
    receives_wait(second);
    quire_rx_close(first);
    for (uint64_t i = 1; i <= left; i++) {
        CHECK_OK(quire_rx_recv(second, &msg));
        CHECK_EQ(msg.flags, QUIRE_MSG_RETURNED);
        is_number(&msg, 1, i, SIZE);
    }
    receives_say(second, QUIRE_ENDED);
    quire_rx_close(second);
    CHECK_OK(quire_close(channel));
}

enum silence { LOOKS_FOR_MORE, CLOSES, IS_SILENT, SILENCES };

/* A member waits for what another has claimed; it is told whatever that one does then. */
static void told_by_a_member(void)
{
    for (unsigned turn = 0; turn < 6 * SILENCES; turn++) {
        quire_t *channel = cell_small(4);
        quire_rx_t *first = open_rx(channel, "g");
        struct waiter waiter = {.rx = open_rx_ends(channel, "g", 0), .how = turn};
        struct thread thread;
        struct quire_msg msg;

        claimed_by_first(channel, first, waiter.rx);
        thread_start(&thread, wait_to_receive, &waiter);
        thread_settle(&thread);
        for (uint64_t left = claimed_of(channel, "g"); left > 0; left--) {
            CHECK(!thread_done(&thread));
            take(first);
        }
        if (turn % SILENCES == LOOKS_FOR_MORE) {
            CHECK_CODE(quire_rx_try_recv(first, &msg), QUIRE_EAGAIN);
        } else if (turn % SILENCES == CLOSES) {
            quire_rx_close(first);
        }
        thread_join(&thread);
        CHECK_CODE(waiter.code, QUIRE_ENDED);
        if (turn % SILENCES != CLOSES) {
            quire_rx_close(first);
        }
        quire_rx_close(waiter.rx);
        CHECK_OK(quire_close(channel));
        if (cell.directory) {
            char path[TEMP_PATH_MAX];

            temp_remove(cell_path(path));
        }
    }
}

/* A message that will never come is not waited for. */
static void voids_are_nothing(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);
    void *room;

    put(tx, 1, 0, SIZE);
    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    CHECK_OK(quire_tx_abort(tx));
    CHECK_OK(quire_tx_reserve(tx, SIZE, &room, 0));
    quire_tx_close(tx); /* aborts it */
    take_number(rx, 1, 0, SIZE);
    receives_say(rx, QUIRE_ENDED);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* What was lost is told first. */
static void loss_before_ended(void)
{
    quire_t *channel = cell_policy(2, QUIRE_FULL_DROP_OLDEST);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);
    struct quire_msg msg;
    uint64_t got = 0;
    int code;

    for (uint64_t i = 0; i < 300; i++) {
        put(tx, 1, i, SIZE);
    }
    quire_tx_close(tx);
    CHECK_CODE(quire_rx_recv(rx, &msg), QUIRE_LAPPED);
    while ((code = quire_rx_recv(rx, &msg)) != QUIRE_ENDED) {
        CHECK_OK(code == QUIRE_PAGE_END ? quire_rx_next_page(rx) : code);
        got += code == 0;
    }
    CHECK_EQ(got + quire_rx_lost(rx).count, 300);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

/* The producers of an earlier open count for nothing. */
static void every_open_begins_anew(void)
{
    quire_t *channel = cell_small(2);
    quire_tx_t *tx = open_tx_ends(channel);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0);

    if (!cell.directory) {
        test_skip("a channel in memory is not reopened");
    }
    put(tx, 1, 0, SIZE);
    quire_tx_close(tx);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    tx = open_tx_ends(channel);
    put(tx, 1, 1, SIZE); /* no consumer was here yet */
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
    channel = cell_reopen();
    rx = open_rx_ends(channel, "g", 0);
    take_number(rx, 1, 0, SIZE);
    take_number(rx, 1, 1, SIZE);
    receives_wait(rx);
    quire_tx_close(open_tx(channel));
    receives_say(rx, QUIRE_ENDED);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static int readable(int fd)
{
    struct pollfd poll_fd = {fd, POLLIN, 0};

    return poll(&poll_fd, 1, 0) == 1;
}

static void descriptors_are_told(void)
{
    quire_t *channel = cell_small(4);
    quire_rx_t *rx = open_rx_ends(channel, "g", 0), *first;
    int fd = quire_rx_fd(rx);
    quire_tx_t *tx;

    CHECK(fd >= 0);
    for (unsigned turn = 0; turn < 3; turn++) {
        tx = open_tx(channel);
        CHECK_CODE(receive_by(rx, BY_RECV, 0), QUIRE_EAGAIN);
        CHECK(!readable(fd));
        quire_tx_close(tx);
        CHECK(readable(fd));
        CHECK_CODE(receive_by(rx, BY_RECV, 0), QUIRE_ENDED);
        CHECK(readable(fd)); /* as long as there is something to be told */
    }
    /* What another member has claimed keeps it from being told. */
    first = open_rx(channel, "g");
    claimed_by_first(channel, first, rx);
    CHECK_CODE(receive_by(rx, BY_RECV, 0), QUIRE_EAGAIN);
    CHECK(!readable(fd));
    while (claimed_of(channel, "g") > 0) {
        take(first);
    }
    CHECK_CODE(receive_by(first, BY_RECV, 0), QUIRE_EAGAIN);
    CHECK(readable(fd));
    CHECK_CODE(receive_by(rx, BY_RECV, 0), QUIRE_ENDED);
    quire_rx_close(first);
    quire_rx_close(rx);
    CHECK_OK(quire_close(channel));
}

static const struct test_case cases[] = {
    {"ends: empty, then ended", empty_then_ended, 0},
    {"ends: iterate until ended", iterate_until_ended, 120},
    {"ends: a page end comes first", page_end_then_ended, 0},
    {"ends: receivers are woken by the last close", woken_by_the_last_close, 0},
    {"ends: the last words are heard", last_words, 0},
    {"ends: one of several producers goes", one_of_several_goes, 0},
    {"ends: each group by itself", groups_end_by_themselves, 0},
    {"ends: what is returned comes first", returned_before_ended, 0},
    {"ends: a member waits for what another has claimed", told_by_a_member, 0},
    {"ends: voids are nothing", voids_are_nothing, 0},
    {"ends: a loss comes first", loss_before_ended, 0},
    {"ends: every open begins anew", every_open_begins_anew, 0},
    {"ends: descriptors are told", descriptors_are_told, 0},
};
const struct test_table ends_table = TEST_TABLE(cases);
