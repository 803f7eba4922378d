/* SPDX-License-Identifier: MIT */
/*
 * walchan's cases under load and at the limit: many producers with each durability and each way to
 * commit, and what happens when there is no room. Here room is counted in pages.
 *
 *   walchan_load memory|directory
 */
#include <string.h>
#include <tests/seeds/steps.h>
#include <tests/support/content.h>
#include <tests/support/random.h>
#include <tests/support/thread.h>

#define SIZE 100u

static void done(quire_t *channel, quire_tx_t *tx, quire_rx_t *rx)
{
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

/* --- no room --------------------------------------------------------------------------------- */

/* Acknowledges messages until a page comes free; it must be page after page. */
static uint64_t ack_page(quire_t *channel, quire_rx_t *rx, uint64_t number)
{
    uint32_t free_before = stat_of(channel).pages_free;

    do {
        CHECK_OK(quire_rx_ack(rx, await_number(rx, 1, number++, SIZE).position));
    } while (stat_of(channel).pages_free == free_before);
    return number;
}

static void full_until_an_ack(void)
{
    quire_t *channel = cell_small(4);
    quire_tx_t *tx = open_tx(channel);
    quire_rx_t *rx = open_ack(channel, "g", 1);
    uint64_t sent = fill(tx, 1, 0, SIZE), received = 0;

    for (uint32_t i = 0; i < 10; i++) {
        unsigned char data[SIZE];

        CHECK_CODE(try_put(tx, 1, sent, SIZE), QUIRE_FULL);
        content_fill(data, SIZE, 1, sent);
        CHECK_CODE(quire_tx_send_until(tx, data, SIZE, deadline_soon()), QUIRE_TIMEDOUT);
        CHECK(content_matches(data, SIZE, 1, sent)); /* the payload is the caller's still */
        received = ack_page(channel, rx, received);
        CHECK_OK(quire_tx_send_until(tx, data, SIZE, deadline_far()));
        sent += 1 + fill(tx, 1, sent + 1, SIZE);
    }
    while (received < sent) {
        CHECK_OK(quire_rx_ack(rx, await_number(rx, 1, received++, SIZE).position));
    }
    take_nothing(rx);
    done(channel, tx, rx);
}

struct sender {
    struct thread thread;
    quire_tx_t *tx;
    uint64_t number;
    uint64_t deadline_ns;
    int code;
};

static void send_one(void *context)
{
    struct sender *s = context;
    unsigned char data[SIZE];

    content_fill(data, SIZE, 1, s->number);
    s->code = quire_tx_send_until(s->tx, data, SIZE, s->deadline_ns);
}

/* Received is not enough: there is room when it is acknowledged. */
static void a_blocked_send_waits_for_an_ack(void)
{
    quire_t *channel = cell_small(2);
    struct sender s = {.tx = open_tx(channel), .deadline_ns = QUIRE_FOREVER};
    quire_rx_t *rx = open_ack(channel, "g", 1);
    uint64_t positions[1000];

    s.number = fill(s.tx, 1, 0, SIZE);
    for (uint64_t i = 0; i < s.number; i++) {
        positions[i] = await_number(rx, 1, i, SIZE).position;
    }
    thread_start(&s.thread, send_one, &s);
    thread_settle(&s.thread);
    CHECK(!thread_done(&s.thread));
    for (uint64_t i = s.number; i-- > 0;) {
        if (QUIRE_PAGE_OF(positions[i]) == 0) {
            CHECK(!thread_done(&s.thread)); /* the page has one message more */
            CHECK_OK(quire_rx_ack(rx, positions[i]));
        }
    }
    thread_join(&s.thread);
    CHECK_OK(s.code);
    await_number(rx, 1, s.number, SIZE);
    done(channel, s.tx, rx);
}

static void woken_when_the_receiver_goes(uint64_t deadline_ns)
{
    quire_t *channel = cell_small(2);
    struct sender s = {.tx = open_tx_told(channel), .deadline_ns = deadline_ns};
    quire_rx_t *rx = open_ack(channel, "g", 0);

    s.number = fill(s.tx, 1, 0, SIZE);
    thread_start(&s.thread, send_one, &s);
    thread_settle(&s.thread);
    CHECK(!thread_done(&s.thread));
    quire_rx_close(rx);
    thread_join(&s.thread);
    CHECK_CODE(s.code, QUIRE_ENDED);
    done(channel, s.tx, NULL);
}

static void senders_are_woken_when_the_receiver_goes(void)
{
    woken_when_the_receiver_goes(QUIRE_FOREVER);
    woken_when_the_receiver_goes(deadline_far());
}

/* --- load ------------------------------------------------------------------------------------ */

#define PRODUCERS 4u

struct load {
    quire_t *channel;
    uint64_t each; /* messages of a producer */
    uint32_t acks; /* outstanding at once; 0: an auto group */
};

struct producer {
    struct thread thread;
    const struct load *load;
    uint64_t stream;
};

static void produce(void *context)
{
    const struct producer *p = context;
    quire_tx_t *tx = open_tx(p->load->channel);

    for (uint64_t i = 0; i < p->load->each; i++) {
        unsigned char data[SIZE];

        content_fill(data, SIZE, p->stream, i);
        CHECK_OK(quire_tx_send(tx, data, SIZE));
    }
    quire_tx_close(tx);
}

/* Every message once, those of a producer in order; deliveries acknowledged in any order. */
static void consume(const struct load *load, quire_rx_t *rx)
{
    uint64_t next[PRODUCERS] = {0}, held[64], total = 0, stream, number;
    struct random random = {load->each};
    uint32_t count = 0;
    struct quire_msg msg;

    while (total < PRODUCERS * load->each) {
        CHECK_OK(receive(rx, &msg, deadline_far()));
        CHECK(content_read(msg.data, msg.size, &stream, &number) && stream < PRODUCERS);
        CHECK_EQ(number, next[stream]++);
        total++;
        if (load->acks == 0) {
            continue;
        }
        held[count++] = msg.position;
        if (count == load->acks) {
            uint64_t i = random_below(&random, count);

            CHECK_OK(quire_rx_ack(rx, held[i]));
            held[i] = held[--count];
        }
    }
    while (count > 0) {
        CHECK_OK(quire_rx_ack(rx, held[--count]));
    }
    take_nothing(rx);
}

static void run_load(const struct quire_options *options, uint64_t each, uint32_t acks)
{
    static struct producer producers[PRODUCERS];
    struct load load = {cell_open(options), each, acks};
    quire_rx_t *rx = acks ? open_ack(load.channel, "g", 0) : open_rx(load.channel, "g");

    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i].load = &load;
        producers[i].stream = i;
        thread_start(&producers[i].thread, produce, &producers[i]);
    }
    consume(&load, rx);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        thread_join(&producers[i].thread);
    }
    CHECK_EQ(group_of(load.channel, "g").lag_messages, 0);
    done(load.channel, NULL, rx);
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        temp_remove(cell_path(path));
    }
}

static void several_senders_at_once(void)
{
    struct quire_options options = cell_options(65536, 16);

    run_load(&options, test_scale(100000), 0);
    run_load(&options, test_scale(100000), 40);
}

/* There: none, flush only, every send. */
static void each_durability(void)
{
    static const uint64_t each[] = {40000, 40000, 400};
    needs_directory();
    for (uint32_t mode = QUIRE_DURABLE_NONE; mode <= QUIRE_DURABLE_EACH; mode++) {
        struct quire_options options = cell_options(65536, 16);

        options.durability = mode;
        run_load(&options, test_scale(each[mode]), 0);
        run_load(&options, test_scale(each[mode]), 40);
    }
}

/* Batches by count, by time, by both: the order stays, nothing is lost or comes twice. */
static void ways_to_commit(void)
{
    static const uint64_t every[] = {1, 8, 1000, 1000000};
    static const uint64_t delay_ns[] = {CLOCK_MS / 10, 5 * CLOCK_MS, 1000 * CLOCK_MS};
    needs_directory();
    for (uint32_t i = 0; i < 12; i++) {
        struct quire_options options = cell_options(65536, 16);

        options.durability = QUIRE_DURABLE_INTERVAL;
        options.sync_every = options.commit_every = every[i % 4];
        options.sync_delay_ns = options.commit_delay_ns = delay_ns[i % 3];
        run_load(&options, test_scale(3000), 1 + 7 * (i % 5));
    }
}

/* What walchan calls flush only, and sync every: both give back what was sent. */
static void what_was_synced_is_there(void)
{
    needs_directory();
    for (uint32_t each = 0; each < 2; each++) {
        struct quire_options options = cell_options(SMALL_PAGE, 8);
        quire_t *channel;
        quire_tx_t *tx;
        quire_rx_t *rx;

        options.durability = each ? QUIRE_DURABLE_EACH : QUIRE_DURABLE_NONE;
        channel = cell_open(&options);
        tx = open_tx(channel);
        for (uint64_t i = 0; i < 50; i++) {
            put(tx, 1, i, SIZE);
            CHECK(!each || quire_durable_position(channel) > quire_tx_position(tx));
        }
        CHECK_OK(quire_sync(channel, UINT64_MAX, QUIRE_FOREVER));
        CHECK(quire_durable_position(channel) > quire_tx_position(tx));
        done(channel, tx, NULL);
        channel = cell_reopen();
        rx = open_rx(channel, "g");
        for (uint64_t i = 0; i < 50; i++) {
            take_number(rx, 1, i, SIZE);
        }
        take_nothing(rx);
        done(channel, NULL, rx);
        char path[TEMP_PATH_MAX];
        temp_remove(cell_path(path));
    }
}

static const struct test_case cases[] = {
    {"walchan: full says full, times out with the payload kept, goes on after an ack",
     full_until_an_ack, 0},
    {"walchan: a blocked send waits for an ack", a_blocked_send_waits_for_an_ack, 0},
    {"walchan: a blocked send is woken when the receiver goes",
     senders_are_woken_when_the_receiver_goes, 0},
    {"walchan: several senders at once", several_senders_at_once, 120},
    {"walchan: flush only and sync every give back what was sent", what_was_synced_is_there, 0},
    {"walchan: many producers with each durability", each_durability, 120},
    {"walchan: batches of commits keep the order", ways_to_commit, 120},
};

int main(int argc, char **argv)
{
    const struct test_table tables[] = {TEST_TABLE(cases)};

    cell.directory = argc > 1 && strcmp(argv[1], "directory") == 0;
    return test_run(tables, 1, argc > 2 ? argv[2] : NULL);
}
