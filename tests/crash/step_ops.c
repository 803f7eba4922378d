/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/wait.h>
#include <tests/crash/step_ops.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>
#include <unistd.h>

/* No other thread: the files change only by the instructions that are stepped over. */
int step_open_alone(struct step_op *op)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    options.keeper = QUIRE_KEEPER_CALLER;
    return quire_open(&op->channel, op->path, &options);
}

static uint64_t next_number;

static void send(struct step_op *op)
{
    unsigned char bytes[40];
    content_fill(bytes, sizeof(bytes), 0, next_number);
    CHECK_OK(quire_tx_send(op->tx, bytes, sizeof(bytes)));
    next_number++;
}

void step_send_many(struct step_op *op, uint64_t count)
{
    while (count--) {
        send(op);
    }
}

static void receive(struct step_op *op, uint64_t number)
{
    struct quire_msg msg;
    uint64_t stream;
    uint64_t got;
    int rc = quire_rx_try_recv(op->rx, &msg);
    if (rc == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(op->rx));
        rc = quire_rx_try_recv(op->rx, &msg);
    }
    CHECK_OK(rc);
    CHECK(content_read(msg.data, msg.size, &stream, &got));
    CHECK_EQ(got, number);
}

static void receive_up_to(struct step_op *op, uint64_t end)
{
    for (uint64_t n = 0; n < end; n++) {
        receive(op, n);
    }
}

void step_join(const struct step_op *op, quire_t *channel, quire_rx_t **rx)
{
    struct quire_rx_options options = QUIRE_RX_OPTIONS_INIT;
    struct quire_group_options as = QUIRE_GROUP_OPTIONS_INIT;
    as.mode = op->was ? QUIRE_GROUP_ACK : QUIRE_GROUP_AUTO;
    as.max_attempts = op->max_attempts;
    options.group = &as;
    CHECK_OK(quire_rx_subscribe(channel, STEP_GROUP, NULL, &options, rx));
}

static void open_all(struct step_op *op)
{
    CHECK_OK(step_open_alone(op));
    CHECK_OK(quire_tx_open(op->channel, NULL, &op->tx));
    step_join(op, op->channel, &op->rx);
}

/* --- before --- */

/* Some messages: as many as surely were sent before; some of them received. */
static void before_plain(struct step_op *op)
{
    open_all(op);
    uint64_t first = op->sent_min < op->max_messages ? op->sent_min : op->max_messages;
    step_send_many(op, first);
    receive_up_to(op, op->given_min);
    step_send_many(op, op->sent_min - first);
}

/* The pool has been all around: the next turn recycles a frame. */
static void before_round(struct step_op *op)
{
    open_all(op);
    for (uint64_t n = 0; n < op->sent_min; n++) {
        send(op);
        if (n < op->given_min) {
            receive(op, n);
        }
    }
    CHECK_OK(quire_rx_release(op->rx));
}

/* All is sent before any of it is received: the tail's own frame is the newest retired one. */
static void before_all_read(struct step_op *op)
{
    open_all(op);
    step_send_many(op, op->sent_min);
    receive_up_to(op, op->given_min);
    CHECK_OK(quire_rx_release(op->rx));
}

static void before_reserved(struct step_op *op)
{
    void *data;
    before_plain(op);
    CHECK_OK(quire_tx_reserve(op->tx, 40, &data, 0));
    content_fill(data, 40, 0, next_number);
}

/* A member has left with a run it had claimed. */
static void before_orphan(struct step_op *op)
{
    before_plain(op);
    quire_rx_close(op->rx);
}

static void before_two_members(struct step_op *op)
{
    before_plain(op);
    step_join(op, op->channel, &op->rx2);
}

static void before_no_handles(struct step_op *op)
{
    before_plain(op);
    quire_tx_close(op->tx);
    quire_rx_close(op->rx);
}

/* Everything that recovery has to deal with, left by a process that ends without a word. */
static void before_dead(struct step_op *op)
{
    pid_t child = fork();
    int status;
    CHECK(child >= 0);
    if (child == 0) {
        quire_tx_t *other;
        void *data;
        before_plain(op);
        CHECK_OK(quire_tx_open(op->channel, NULL, &other));
        CHECK_OK(quire_tx_reserve(other, 40, &data, 0));
        send(op);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* --- act --- */

static void act_send(struct step_op *op)
{
    send(op);
}

static void act_batch(struct step_op *op)
{
    unsigned char bytes[5][40];
    struct quire_vec vec[5];
    for (uint64_t i = 0; i < 5; i++) {
        content_fill(bytes[i], sizeof(bytes[i]), 0, next_number + i);
        vec[i].data = bytes[i];
        vec[i].size = sizeof(bytes[i]);
    }
    CHECK_EQ(quire_tx_send_batch(op->tx, vec, 5, 0), 5);
}

static void act_reserve_commit(struct step_op *op)
{
    void *data;
    CHECK_OK(quire_tx_reserve(op->tx, 64, &data, 0));
    content_fill(data, 40, 0, next_number);
    CHECK_OK(quire_tx_commit(op->tx, 40));
}

static void act_abort(struct step_op *op)
{
    CHECK_OK(quire_tx_abort(op->tx));
}

static void act_close_tx(struct step_op *op)
{
    quire_tx_close(op->tx);
}

static void act_open_tx(struct step_op *op)
{
    CHECK_OK(quire_tx_open(op->channel, NULL, &op->tx));
}

static void act_receive(struct step_op *op)
{
    receive(op, op->given_min);
}

static void act_release(struct step_op *op)
{
    CHECK_OK(quire_rx_release(op->rx));
}

static void act_close_rx(struct step_op *op)
{
    quire_rx_close(op->rx);
}

static void act_adopt(struct step_op *op)
{
    step_join(op, op->channel, &op->rx);
    receive(op, op->given_min);
}

static void act_subscribe_new(struct step_op *op)
{
    CHECK_OK(quire_rx_subscribe(op->channel, "blue", NULL, NULL, &op->rx2));
}

static void act_close(struct step_op *op)
{
    CHECK_OK(quire_close(op->channel));
}

static void act_open(struct step_op *op)
{
    CHECK_OK(step_open_alone(op));
}

#define BLOCK QUIRE_FULL_BLOCK
#define DROP  QUIRE_FULL_DROP_OLDEST
#define GROW  QUIRE_FULL_GROW

struct step_op step_ops[] = {
    {.name = "send",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_plain,
     .act = act_send,
     .sent_min = 1,
     .sent_max = 2},
    {.name = "send_first",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_plain,
     .act = act_send,
     .sent_max = 1},
    {.name = "send_turns",
     .max_messages = 2,
     .max_pages = 3,
     .before = before_plain,
     .act = act_send,
     .sent_min = 2,
     .sent_max = 3},
    {.name = "send_turns_and_recycles",
     .max_messages = 2,
     .max_pages = 2,
     .before = before_round,
     .act = act_send,
     .given_min = 4,
     .given_max = 4,
     .sent_min = 4,
     .sent_max = 5},
    {.name = "send_recycles_the_tail",
     .max_messages = 2,
     .max_pages = 2,
     .before = before_all_read,
     .act = act_send,
     .given_min = 4,
     .given_max = 4,
     .sent_min = 4,
     .sent_max = 5},
    {.name = "send_turns_the_only_page",
     .max_messages = 2,
     .max_pages = 1,
     .before = before_all_read,
     .act = act_send,
     .given_min = 2,
     .given_max = 2,
     .sent_min = 2,
     .sent_max = 3},
    {.name = "batch_crosses_pages",
     .max_messages = 3,
     .max_pages = 4,
     .before = before_plain,
     .act = act_batch,
     .sent_min = 1,
     .sent_max = 6,
     .voids_max = 5},
    {.name = "reserve_commit",
     .max_messages = 3,
     .max_pages = 2,
     .before = before_plain,
     .act = act_reserve_commit,
     .sent_min = 2,
     .sent_max = 3},
    {.name = "abort",
     .max_messages = 3,
     .max_pages = 2,
     .before = before_reserved,
     .act = act_abort,
     .sent_min = 1,
     .sent_max = 1,
     .voids_max = 1},
    {.name = "close_tx_with_reservation",
     .max_messages = 3,
     .max_pages = 2,
     .before = before_reserved,
     .act = act_close_tx,
     .sent_min = 1,
     .sent_max = 1,
     .voids_max = 1},
    {.name = "recv_claims_a_run",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_plain,
     .act = act_receive,
     .given_max = 1,
     .sent_min = 5,
     .sent_max = 5},
    {.name = "recv_of_a_run",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_plain,
     .act = act_receive,
     .given_min = 2,
     .given_max = 3,
     .sent_min = 5,
     .sent_max = 5},
    {.name = "recv_turns",
     .max_messages = 2,
     .max_pages = 3,
     .before = before_plain,
     .act = act_receive,
     .given_min = 2,
     .given_max = 3,
     .sent_min = 5,
     .sent_max = 5},
    {.name = "release",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_plain,
     .act = act_release,
     .given_min = 2,
     .given_max = 2,
     .sent_min = 3,
     .sent_max = 3},
    {.name = "close_rx_with_a_run",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_two_members,
     .act = act_close_rx,
     .given_min = 2,
     .given_max = 2,
     .sent_min = 6,
     .sent_max = 6},
    {.name = "join_and_adopt",
     .max_messages = 8,
     .max_pages = 2,
     .before = before_orphan,
     .act = act_adopt,
     .given_min = 2,
     .given_max = 3,
     .sent_min = 6,
     .sent_max = 6},
    {.name = "open_tx",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_no_handles,
     .act = act_open_tx,
     .given_min = 1,
     .given_max = 1,
     .sent_min = 3,
     .sent_max = 3},
    {.name = "subscribe_new_group",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_plain,
     .act = act_subscribe_new,
     .given_min = 1,
     .given_max = 1,
     .sent_min = 3,
     .sent_max = 3},
    {.name = "drop_oldest",
     .max_messages = 2,
     .max_pages = 2,
     .policy = DROP,
     .before = before_plain,
     .act = act_send,
     .sent_min = 4,
     .sent_max = 5,
     .drops = 1},
    {.name = "drop_oldest_with_a_run",
     .max_messages = 2,
     .max_pages = 2,
     .policy = DROP,
     .before = before_plain,
     .act = act_send,
     .given_min = 1,
     .given_max = 1,
     .sent_min = 4,
     .sent_max = 5,
     .drops = 1},
    {.name = "grow",
     .max_messages = 2,
     .max_pages = 1,
     .policy = GROW,
     .before = before_plain,
     .act = act_send,
     .sent_min = 2,
     .sent_max = 3},
    {.name = "close",
     .max_messages = 4,
     .max_pages = 2,
     .before = before_no_handles,
     .act = act_close,
     .given_min = 2,
     .given_max = 2,
     .sent_min = 6,
     .sent_max = 6},
    {.name = "open_and_repair",
     .max_messages = 4,
     .max_pages = 3,
     .before = before_dead,
     .act = act_open,
     .given_min = 2,
     .given_max = 2,
     .sent_min = 6,
     .sent_max = 7,
     .voids_max = 1,
     .opens = 1},
};
const size_t step_ops_count = sizeof(step_ops) / sizeof(step_ops[0]);
