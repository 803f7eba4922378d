/* SPDX-License-Identifier: MIT */
/* Operations of ack groups that are single-stepped, and what a kill inside each may leave. */
#include <string.h>
#include <sys/wait.h>
#include <tests/crash/step_ops.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <unistd.h>

#define NUMBERS 32u

/* --- what a state of the files must be worth --- */

/* Takes and acknowledges all there is; notes the attempt of each. How many it was told are lost. */
static uint64_t drain(quire_rx_t *rx, char *came)
{
    uint64_t lost = 0;
    struct quire_msg msg;
    uint64_t stream;
    uint64_t number;
    int rc;
    while ((rc = quire_rx_try_recv(rx, &msg)) != QUIRE_EAGAIN) {
        if (rc == QUIRE_PAGE_END) {
            CHECK_OK(quire_rx_next_page(rx));
            continue;
        }
        if (rc == QUIRE_LAPPED) {
            lost += quire_rx_lost(rx).count;
            continue;
        }
        CHECK_OK(rc);
        uint32_t attempt = quire_msg_attempt(&msg);
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(number < NUMBERS && attempt < 10);
        CHECK(attempt == 1 || (msg.flags & QUIRE_MSG_RETURNED));
        CHECK_EQ(came[number], '-'); /* once */
        came[number] = (char)('0' + attempt);
        CHECK_OK(quire_rx_ack(rx, msg.position));
        CHECK_CODE(quire_rx_ack(rx, msg.position), QUIRE_ENOLEASE);
    }
    return lost;
}

static void check_came(const struct step_op *op, const char *came, long dead, uint64_t lost)
{
    uint64_t missing = 0;
    long dead_min = 0;
    long dead_max = 0;
    CHECK_EQ(strlen(op->was), strlen(op->will));
    for (size_t n = 0; n < NUMBERS; n++) {
        char was = n < strlen(op->was) ? op->was[n] : '-';
        char will = n < strlen(op->was) ? op->will[n] : '-';
        dead_min += was == 'd' && will == 'd';
        dead_max += was == 'd' || will == 'd';
        was = was == 'd' ? '-' : was;
        will = will == 'd' ? '-' : will;
        missing += op->drops && was != '-' && came[n] == '-';
        if (came[n] != was && came[n] != will) {
            test_fail(__FILE__, __LINE__, "I10: %.*s came, not something between %s and %s",
                      (int)NUMBERS, came, op->was, op->will);
        }
    }
    CHECK_EQ(lost, missing);
    CHECK(dead >= dead_min && dead <= dead_max);
}

static void check_nothing_left(quire_t *channel)
{
    struct quire_group_stat stat;
    CHECK_EQ(quire_stat_groups(channel, &stat, 1), 1);
    CHECK_EQ(stat.leased, 0);
    CHECK_EQ(stat.returned, 0);
    CHECK_EQ(stat.dead, 0);
}

void step_ack_check(const struct step_op *op, quire_t *channel)
{
    unsigned char bytes[40];
    char came[NUMBERS];
    quire_tx_t *tx;
    quire_rx_t *rx;
    memset(came, '-', sizeof(came));
    step_join(op, channel, &rx);
    uint64_t lost = drain(rx, came);
    /* Whatever came is acknowledged: the rest are dead letters. */
    check_came(op, came, quire_rx_ack_range(rx, 0, UINT64_MAX), lost);
    check_nothing_left(channel);
    /* Every page can be had, and used. */
    CHECK_OK(quire_tx_open(channel, NULL, &tx));
    for (uint32_t i = 0; i < (op->max_pages - 1) * op->max_messages; i++) {
        content_fill(bytes, sizeof(bytes), 0, i);
        CHECK_OK(quire_tx_try_send(tx, bytes, sizeof(bytes)));
    }
    quire_tx_close(tx);
    memset(came, '-', sizeof(came));
    CHECK_EQ(drain(rx, came), 0);
    for (uint32_t i = 0; i < (op->max_pages - 1) * op->max_messages; i++) {
        CHECK_EQ(came[i], '1');
    }
    check_nothing_left(channel);
    quire_rx_close(rx);
}

/* --- before --- */

static uint64_t position_of[NUMBERS];

static void receive(quire_rx_t *rx, uint64_t count)
{
    struct quire_msg msg;
    uint64_t stream;
    uint64_t number;
    while (count--) {
        CHECK_OK(quire_rx_try_recv(rx, &msg));
        CHECK(content_read(msg.data, msg.size, &stream, &number));
        CHECK(number < NUMBERS);
        position_of[number] = msg.position;
    }
}

static void ack(struct step_op *op, uint64_t number)
{
    CHECK_OK(quire_rx_ack(op->rx, position_of[number]));
}

static void nack(struct step_op *op, uint64_t number)
{
    CHECK_OK(quire_rx_nack(op->rx, position_of[number]));
}

/* sent_min messages are there, given_min of them were given. */
static void before_given(struct step_op *op)
{
    CHECK_OK(step_open_alone(op));
    CHECK_OK(quire_tx_open(op->channel, NULL, &op->tx));
    step_join(op, op->channel, &op->rx);
    step_send_many(op, op->sent_min);
    receive(op->rx, op->given_min);
}

static void before_word(struct step_op *op)
{
    before_given(op);
    for (uint64_t n = 0; n < 16; n++) {
        if (n != 7) {
            ack(op, n);
        }
    }
}

static void before_page(struct step_op *op)
{
    before_given(op);
    for (uint64_t n = 0; n < 3; n++) {
        ack(op, n);
    }
}

static void before_returned(struct step_op *op)
{
    before_given(op);
    nack(op, 0);
}

static void before_again(struct step_op *op)
{
    before_returned(op);
    receive(op->rx, 1);
}

/* All of page 0 is leased, and its bytes are borrowed no more. A spare frame has taken its place:
 * only the next send gives it up. */
static void before_left_page(struct step_op *op)
{
    CHECK_OK(step_open_alone(op));
    CHECK_OK(quire_tx_open(op->channel, NULL, &op->tx));
    step_join(op, op->channel, &op->rx);
    step_send_many(op, op->max_messages);
    receive(op->rx, op->max_messages);
    CHECK_OK(quire_rx_release(op->rx));
    step_send_many(op, op->sent_min - op->max_messages);
}

static void before_first_acked(struct step_op *op)
{
    before_left_page(op);
    ack(op, 0);
}

/* Slot 1 is a void; whoever had claimed it and slot 2 has left. */
static void before_void(struct step_op *op)
{
    void *data;
    CHECK_OK(step_open_alone(op));
    CHECK_OK(quire_tx_open(op->channel, NULL, &op->tx));
    step_join(op, op->channel, &op->rx);
    step_send_many(op, 1);
    CHECK_OK(quire_tx_reserve(op->tx, 40, &data, 0));
    CHECK_OK(quire_tx_abort(op->tx));
    step_send_many(op, 1);
    receive(op->rx, 1);
    quire_rx_close(op->rx);
    step_join(op, op->channel, &op->rx);
    receive(op->rx, 1);
}

/* The pool has been all around: frames and words have had a life. */
static void before_round(struct step_op *op)
{
    CHECK_OK(step_open_alone(op));
    CHECK_OK(quire_tx_open(op->channel, NULL, &op->tx));
    step_join(op, op->channel, &op->rx);
    for (uint64_t n = 0; n < op->sent_min; n++) {
        step_send_many(op, 1);
        if (n < op->given_min) {
            receive(op->rx, 1);
            ack(op, n);
        }
    }
    CHECK_OK(quire_rx_release(op->rx));
}

/* Left by a process that ends without a word: leased, acknowledged, returned, claimed, one that
 * nobody has claimed, and a void. */
static void before_dead(struct step_op *op)
{
    pid_t child = fork();
    int status;
    CHECK(child >= 0);
    if (child == 0) {
        void *data;
        op->sent_min--;
        before_given(op);
        nack(op, 0);
        receive(op->rx, 1);
        ack(op, 1);
        nack(op, 2);
        step_send_many(op, 1);
        CHECK_OK(quire_tx_reserve(op->tx, 40, &data, 0));
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* --- act --- */

static void act_ack_0(struct step_op *op)
{
    ack(op, 0);
}

static void act_ack_3(struct step_op *op)
{
    ack(op, 3);
}

static void act_ack_7(struct step_op *op)
{
    ack(op, 7);
}

static void act_ack_range(struct step_op *op)
{
    CHECK_EQ(quire_rx_ack_range(op->rx, position_of[1], position_of[18]), 18);
}

static void act_nack_0(struct step_op *op)
{
    nack(op, 0);
}

static void act_receive(struct step_op *op)
{
    receive(op->rx, 1);
}

static void act_close_rx(struct step_op *op)
{
    quire_rx_close(op->rx);
}

static void act_send(struct step_op *op)
{
    step_send_many(op, 1);
}

static void act_open(struct step_op *op)
{
    CHECK_OK(step_open_alone(op));
}

struct step_op step_ack_ops[] = {
    {.name = "ack",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_given,
     .act = act_ack_3,
     .given_min = 4,
     .sent_min = 5,
     .sent_max = 5,
     .was = "22221",
     .will = "222-1"},
    {.name = "ack_completes_a_word",
     .max_messages = 20,
     .max_pages = 2,
     .before = before_word,
     .act = act_ack_7,
     .given_min = 18,
     .sent_min = 20,
     .sent_max = 20,
     .was = "-------2--------2211",
     .will = "----------------2211"},
    {.name = "ack_completes_a_page",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_page,
     .act = act_ack_3,
     .given_min = 4,
     .sent_min = 5,
     .sent_max = 5,
     .was = "---21",
     .will = "----1"},
    {.name = "ack_of_a_returned_one",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_returned,
     .act = act_ack_0,
     .given_min = 2,
     .sent_min = 3,
     .sent_max = 3,
     .was = "221",
     .will = "-21"},
    {.name = "ack_range",
     .max_messages = 20,
     .max_pages = 2,
     .before = before_given,
     .act = act_ack_range,
     .given_min = 20,
     .sent_min = 20,
     .sent_max = 20,
     .was = "22222222222222222222",
     .will = "2------------------2"},
    {.name = "nack",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_given,
     .act = act_nack_0,
     .given_min = 2,
     .sent_min = 3,
     .sent_max = 3,
     .was = "221",
     .will = "221"},
    {.name = "nack_of_the_last_attempt",
     .max_messages = 8,
     .max_pages = 2,
     .max_attempts = 2,
     .before = before_again,
     .act = act_nack_0,
     .given_min = 2,
     .sent_min = 3,
     .sent_max = 3,
     .was = "d21",
     .will = "d21"},
    {.name = "take",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_returned,
     .act = act_receive,
     .given_min = 2,
     .sent_min = 3,
     .sent_max = 3,
     .was = "221",
     .will = "321"},
    {.name = "take_of_the_last_attempt",
     .max_messages = 8,
     .max_pages = 2,
     .max_attempts = 2,
     .before = before_returned,
     .act = act_receive,
     .given_min = 2,
     .sent_min = 3,
     .sent_max = 3,
     .was = "221",
     .will = "d21"},
    {.name = "take_over_a_void",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_void,
     .act = act_receive,
     .sent_min = 2,
     .sent_max = 2,
     .voids_max = 1,
     .was = "31",
     .will = "32"},
    {.name = "claim_opens_a_word",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_given,
     .act = act_receive,
     .sent_min = 4,
     .sent_max = 4,
     .was = "1111",
     .will = "2111"},
    {.name = "claim_opens_words_of_an_earlier_life",
     .max_messages = 2,
     .max_pages = 2,
     .before = before_round,
     .act = act_receive,
     .given_min = 4,
     .sent_min = 6,
     .sent_max = 6,
     .was = "----11",
     .will = "----21"},
    {.name = "recv_of_a_leased_run",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_given,
     .act = act_receive,
     .given_min = 1,
     .sent_min = 4,
     .sent_max = 4,
     .was = "2111",
     .will = "2211"},
    {.name = "send_recycles_an_acknowledged_page",
     .max_messages = 2,
     .max_pages = 2,
     .before = before_round,
     .act = act_send,
     .given_min = 4,
     .sent_min = 4,
     .sent_max = 5,
     .was = "-----",
     .will = "----1"},
    {.name = "drop_oldest_takes_leases",
     .max_messages = 2,
     .max_pages = 2,
     .policy = QUIRE_FULL_DROP_OLDEST,
     .before = before_left_page,
     .act = act_send,
     .given_min = 2,
     .sent_min = 6,
     .sent_max = 7,
     .drops = 1,
     .was = "221111-",
     .will = "--11111"},
    {.name = "drop_oldest_takes_what_is_not_acknowledged",
     .max_messages = 4,
     .max_pages = 2,
     .policy = QUIRE_FULL_DROP_OLDEST,
     .before = before_first_acked,
     .act = act_send,
     .given_min = 4,
     .sent_min = 12,
     .sent_max = 13,
     .drops = 1,
     .was = "-22211111111-",
     .will = "----111111111"},
    {.name = "close_rx_with_leases",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_given,
     .act = act_close_rx,
     .given_min = 2,
     .sent_min = 4,
     .sent_max = 4,
     .was = "2211",
     .will = "2211"},
    {.name = "close_rx_with_a_last_attempt",
     .max_messages = 8,
     .max_pages = 2,
     .max_attempts = 2,
     .before = before_again,
     .act = act_close_rx,
     .given_min = 2,
     .sent_min = 3,
     .sent_max = 3,
     .was = "d21",
     .will = "d21"},
    {.name = "open_and_repair_leases",
     .max_messages = 12,
     .max_pages = 2,
     .before = before_dead,
     .act = act_open,
     .given_min = 3,
     .sent_min = 8,
     .sent_max = 8,
     .voids_max = 1,
     .opens = 1,
     .was = "3-211111",
     .will = "3-211111"},
    {.name = "open_and_repair_dead_letters",
     .max_messages = 12,
     .max_pages = 2,
     .max_attempts = 2,
     .before = before_dead,
     .act = act_open,
     .given_min = 3,
     .sent_min = 8,
     .sent_max = 8,
     .voids_max = 1,
     .opens = 1,
     .was = "d-211111",
     .will = "d-211111"},
};
const size_t step_ack_ops_count = sizeof(step_ack_ops) / sizeof(step_ack_ops[0]);
