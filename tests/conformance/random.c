/* SPDX-License-Identifier: MIT */
/*
 * Random steps of many handles in one thread, with an account of every message kept beside: the
 * same steps in every run, so that what fails can be looked into. Only calls that do not wait.
 */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>
#include <tests/conformance/ledger.h>
#include <tests/support/content.h>
#include <tests/support/random.h>

enum { SENDERS = 4, GROUPS = 2, MEMBERS = 3, SIZE_HIGH = 1500, BATCH_MAX = 12 };

struct sender {
    quire_tx_t *tx;
    uint64_t reserved; /* number of the message reserved; 0: none */
    size_t size;
    void *room;
};

struct member {
    quire_rx_t *rx;
    uint64_t last; /* position + 1 of the last message that was not returned by another */
    uint32_t run_max;
    struct quire_msg held; /* one message borrowed since the handle last let go */
    uint64_t held_number;
    int holds;
};

struct world {
    quire_t *channel;
    struct random random;
    struct sender senders[SENDERS];
    struct member members[GROUPS][MEMBERS];
    struct ledger ledgers[GROUPS];
    uint64_t number; /* of the last message made */
    uint64_t claims; /* messages and voids */
    uint64_t voids;
    uint64_t full; /* times the channel was */
    uint64_t steps;
    uint64_t pages_limit; /* that there can ever be */
    int drops;
};

/* What the steps of a case have come across in all: what never happens proves nothing. */
static struct {
    uint64_t lost, full;
} met;

static const char *const group_names[GROUPS] = {"a", "b"};

static size_t any_size(struct world *world)
{
    size_t size = content_size(world->number, 0, CONTENT_NAMED_MIN, SIZE_HIGH);

    return random_below(&world->random, 50) == 0 ? SMALL_MAX : size;
}

static void note_sent(struct world *world, uint64_t position)
{
    for (unsigned g = 0; g < GROUPS; g++) {
        ledger_sent(&world->ledgers[g], position);
    }
    world->claims++;
}

/* Pages that some handle borrows from or has claimed messages of. */
static unsigned pages_held(quire_t *channel)
{
    struct quire_handle_stat handles[32];
    uint64_t pages[64];
    long count = quire_stat_handles(channel, handles, 32);
    unsigned held = 0;

    CHECK(count >= 0 && count <= 32);
    for (long i = 0; i < 2 * count; i++) {
        const struct quire_handle_stat *handle = &handles[i / 2];
        uint64_t page = i % 2                 ? handle->page_no
                        : handle->claimed > 0 ? QUIRE_PAGE_OF(handle->next)
                                              : UINT64_MAX;
        unsigned k = 0;

        while (k < held && pages[k] != page) {
            k++;
        }
        if (k == held && page != UINT64_MAX) {
            pages[held++] = page;
        }
    }
    return held;
}

/*
 * The channel may say that it is full only when no page is free; when old pages may be given up
 * only while a reservation keeps one from being complete, or handles hold all there can be.
 */
static void check_full(struct world *world, long code)
{
    unsigned reserved = 0;

    CHECK_CODE(code, QUIRE_FULL);
    CHECK_EQ(stat_of(world->channel).pages_free, 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        reserved += world->senders[i].reserved != 0;
    }
    CHECK(!world->drops || reserved > 0 || pages_held(world->channel) >= world->pages_limit);
    world->full++;
}

static void step_send(struct world *world, struct sender *sender)
{
    size_t size;
    int code;

    world->number++;
    size = any_size(world);
    code = try_put(sender->tx, 1, world->number, size);
    if (sender->reserved) {
        CHECK_CODE(code, QUIRE_ESTATE);
    } else if (code == 0) {
        note_sent(world, quire_tx_position(sender->tx));
    } else {
        check_full(world, code);
    }
}

static void step_batch(struct world *world, struct sender *sender)
{
    static unsigned char data[BATCH_MAX][64];
    struct quire_vec vec[BATCH_MAX];
    uint64_t count = 1 + random_below(&world->random, BATCH_MAX), before, last;
    long sent;

    if (sender->reserved) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        content_fill(data[i], sizeof(data[i]), 1, world->number + 1 + i);
        vec[i] = (struct quire_vec){data[i], sizeof(data[i])};
    }
    before = stat_of(world->channel).end_position;
    sent = quire_tx_send_batch(sender->tx, vec, count, 0);
    if (sent < 0) {
        check_full(world, sent);
        return;
    }
    CHECK(sent > 0 && (uint64_t)sent <= count);
    world->number += (uint64_t)sent;
    /* Alone in the channel, the batch lies from the end on, and goes on at the next page's begin.
     */
    last = quire_tx_position(sender->tx);
    for (uint64_t i = 0; i < (uint64_t)sent; i++) {
        uint64_t behind = (uint64_t)sent - 1 - i; /* messages after this one */

        note_sent(world, behind <= QUIRE_SLOT_OF(last) ? last - behind : before + i);
    }
}

static void step_reserve(struct world *world, struct sender *sender)
{
    int code;

    if (sender->reserved) {
        /* Ends it: mostly in earnest, else as if the producer had changed its mind. */
        if (random_below(&world->random, 4) > 0) {
            content_fill(sender->room, sender->size, 1, sender->reserved);
            CHECK_OK(quire_tx_commit(sender->tx, sender->size));
            note_sent(world, quire_tx_position(sender->tx));
        } else {
            CHECK_OK(quire_tx_abort(sender->tx));
            world->voids++;
            world->claims++;
        }
        sender->reserved = 0;
        return;
    }
    world->number++;
    sender->size = any_size(world);
    code = quire_tx_reserve(sender->tx, sender->size, &sender->room, 0);
    if (code == 0) {
        sender->reserved = world->number;
    } else {
        check_full(world, code);
    }
}

static void step_sender_anew(struct world *world, struct sender *sender)
{
    quire_tx_close(sender->tx);
    if (sender->reserved) {
        world->voids++;
        world->claims++;
        sender->reserved = 0;
    }
    sender->tx = open_tx(world->channel);
}

/* What is borrowed is still as it was. */
static void check_held(const struct member *member)
{
    if (member->holds) {
        is_number(&member->held, 1, member->held_number, member->held.size);
    }
}

static void received(struct world *world, unsigned g, struct member *member,
                     const struct quire_msg *msg)
{
    uint64_t stream, number;

    CHECK(content_read(msg->data, msg->size, &stream, &number));
    CHECK(number > 0 && number <= world->number);
    ledger_received(&world->ledgers[g], msg->position);
    if (!(msg->flags & QUIRE_MSG_RETURNED)) {
        CHECK(msg->position >= member->last);
        member->last = msg->position + 1;
    }
    if (!member->holds) {
        member->held = *msg;
        member->held_number = number;
        member->holds = 1;
    }
}

/* 1 when something came of it. */
static int step_receive(struct world *world, unsigned g, struct member *member)
{
    struct quire_msg msgs[8];
    size_t wanted = 1 + random_below(&world->random, 8);
    long count = wanted == 1 ? quire_rx_try_recv(member->rx, msgs)
                             : quire_rx_recv_batch(member->rx, msgs, wanted, 0);

    check_held(member);
    if (count == QUIRE_EAGAIN) {
        return 0;
    }
    if (count == QUIRE_PAGE_END) {
        CHECK_OK(quire_rx_next_page(member->rx));
        member->holds = 0;
        return 1;
    }
    if (count == QUIRE_LAPPED) {
        CHECK(world->drops);
        ledger_lost(&world->ledgers[g], quire_rx_lost(member->rx));
        return 1;
    }
    CHECK(count >= 0 && count <= (long)wanted && (count > 0 || wanted == 1));
    for (long i = 0; i < (wanted == 1 ? 1 : count); i++) {
        received(world, g, member, &msgs[i]);
    }
    return 1;
}

static void step_member(struct world *world, unsigned g, struct member *member)
{
    uint64_t roll = random_below(&world->random, 100);

    if (roll < 85) {
        step_receive(world, g, member);
        return;
    }
    check_held(member);
    member->holds = 0;
    if (roll < 95) {
        CHECK_OK(quire_rx_release(member->rx));
        return;
    }
    quire_rx_close(member->rx);
    member->run_max = (uint32_t)(1 + random_below(&world->random, 20));
    member->rx = open_rx_run(world->channel, group_names[g], member->run_max);
    member->last = 0;
}

static void step(struct world *world)
{
    struct sender *sender = &world->senders[random_below(&world->random, SENDERS)];
    unsigned g = (unsigned)random_below(&world->random, GROUPS);
    uint64_t roll = random_below(&world->random, 100);

    /* By turns more is sent than received, and less. */
    if (world->steps++ / 300 % 2) {
        roll = roll * 2 / 3;
    }
    if (roll < 25) {
        step_send(world, sender);
    } else if (roll < 30) {
        step_batch(world, sender);
    } else if (roll < 40) {
        step_reserve(world, sender);
    } else if (roll < 41) {
        step_sender_anew(world, sender);
    } else {
        step_member(world, g, &world->members[g][random_below(&world->random, MEMBERS)]);
    }
}

static void world_handles(struct world *world)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        world->senders[i] = (struct sender){.tx = open_tx(world->channel)};
    }
    for (unsigned g = 0; g < GROUPS; g++) {
        for (unsigned i = 0; i < MEMBERS; i++) {
            world->members[g][i] = (struct member){.run_max = 1 + 7 * i};
            world->members[g][i].rx = open_rx_run(world->channel, group_names[g], 1 + 7 * i);
        }
    }
}

static void world_close_handles(struct world *world)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        if (world->senders[i].reserved) {
            world->voids++;
            world->claims++;
        }
        quire_tx_close(world->senders[i].tx);
    }
    for (unsigned g = 0; g < GROUPS; g++) {
        for (unsigned i = 0; i < MEMBERS; i++) {
            check_held(&world->members[g][i]);
            quire_rx_close(world->members[g][i].rx);
        }
    }
}

/* Until no member of the group gets anything any more. */
static void drain(struct world *world, unsigned g)
{
    unsigned idle = 0;

    for (unsigned i = 0; idle < 2 * MEMBERS; i++) {
        idle = step_receive(world, g, &world->members[g][i % MEMBERS]) ? 0 : idle + 1;
    }
}

static void world_end(struct world *world)
{
    struct quire_stat stat;

    for (unsigned i = 0; i < SENDERS; i++) {
        if (world->senders[i].reserved) {
            step_reserve(world, &world->senders[i]);
        }
    }
    for (unsigned g = 0; g < GROUPS; g++) {
        drain(world, g);
        ledger_check(&world->ledgers[g]);
        CHECK_EQ(group_of(world->channel, group_names[g]).lag_messages, 0);
        CHECK_EQ(group_of(world->channel, group_names[g]).returned, 0);
        CHECK_EQ(group_of(world->channel, group_names[g]).lost, world->ledgers[g].lost);
        CHECK(world->drops || world->ledgers[g].lost == 0);
        met.lost += world->ledgers[g].lost;
        ledger_free(&world->ledgers[g]);
    }
    stat = stat_of(world->channel);
    CHECK_EQ(stat.messages, world->claims);
    CHECK_EQ(stat.voids, world->voids);
    CHECK_EQ(stat.handles, SENDERS + GROUPS * MEMBERS);
    CHECK_EQ(stat.damaged, 0);
    met.full += world->full;
    world_close_handles(world);
    CHECK_EQ(stat_of(world->channel).handles, 0);
    CHECK_OK(quire_close(world->channel));
}

static void run(uint32_t pages, enum quire_full_policy policy, uint64_t seed, uint64_t reopen)
{
    struct world world = {.random = {seed}, .drops = policy == QUIRE_FULL_DROP_OLDEST};
    struct quire_options options = cell_options(SMALL_PAGE, pages);
    uint64_t steps = test_scale(20000);
    struct quire_plan plan;

    options.full_policy = policy;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    world.pages_limit = (plan.limit_bytes - plan.control_bytes) / plan.page_bytes;
    world.channel = cell_open(&options);
    for (unsigned g = 0; g < GROUPS; g++) {
        ledger_init(&world.ledgers[g]);
    }
    world_handles(&world);
    for (uint64_t i = 1; i <= steps; i++) {
        step(&world);
        if (reopen > 0 && i % reopen == 0) {
            world_close_handles(&world);
            CHECK_OK(quire_close(world.channel));
            world.channel = cell_reopen();
            CHECK_EQ(stat_of(world.channel).recoveries, 0);
            world_handles(&world);
        }
    }
    world_end(&world);
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        temp_remove(cell_path(path));
    }
}

static void lossless(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run(2 + (uint32_t)seed, QUIRE_FULL_REJECT, seed, 0);
    }
    CHECK(met.full > 0);
}

static void dropping(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run(2 + (uint32_t)seed, QUIRE_FULL_DROP_OLDEST, 100 + seed, 0);
    }
    CHECK(met.lost > 0);
}

static void reopening(void)
{
    if (!cell.directory) {
        test_skip("a channel in memory is not reopened");
    }
    run(4, QUIRE_FULL_REJECT, 200, test_scale(20000) / 20 + 1);
    run(4, QUIRE_FULL_DROP_OLDEST, 201, test_scale(20000) / 20 + 1);
}

static const struct test_case cases[] = {
    {"random: nothing is lost, twice or torn", lossless, 120},
    {"random: what is lost is told", dropping, 120},
    {"random: over reopening", reopening, 120},
};
const struct test_table random_table = TEST_TABLE(cases);
