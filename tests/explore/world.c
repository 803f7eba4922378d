/* SPDX-License-Identifier: MIT */
/* Producers' side of the record, opening and finishing. See world.h. */
#include <tests/explore/world.h>

#include <string.h>
#include <tests/explore/sched.h>
#include <tests/explore/wraps.h>

struct head {
    uint16_t producer;
    uint16_t seq;
    uint32_t size;
};

static unsigned char pattern(uint32_t producer, uint32_t seq, uint32_t i)
{
    return (unsigned char)(producer * 67u + seq * 13u + i * 7u + 1u);
}

void world_payload_fill(void *data, uint32_t producer, uint32_t seq, uint32_t size)
{
    struct head head = {(uint16_t)producer, (uint16_t)seq, size};
    unsigned char *bytes = data;
    memcpy(bytes, &head, sizeof head);
    for (uint32_t i = (uint32_t)sizeof head; i < size; i++) {
        bytes[i] = pattern(producer, seq, i);
    }
}

int world_payload_check(const void *data, uint32_t size, uint32_t *producer, uint32_t *seq)
{
    struct head head;
    const unsigned char *bytes = data;
    if (size < sizeof head) {
        return 0;
    }
    memcpy(&head, bytes, sizeof head);
    *producer = head.producer;
    *seq = head.seq;
    if (head.size != size) {
        return 0;
    }
    for (uint32_t i = (uint32_t)sizeof head; i < size; i++) {
        if (bytes[i] != pattern(head.producer, head.seq, i)) {
            return 0;
        }
    }
    return 1;
}

void world_open(struct world *w, uint32_t max_messages, uint32_t max_pages, uint32_t policy)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    memset(w, 0, sizeof *w);
    sched_notes_clear();
    wraps_reset();
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    options.max_pages = max_pages;
    options.max_messages = max_messages;
    options.checksum = policy & WORLD_CHECKED ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF;
    policy &= ~WORLD_CHECKED;
    options.keeper = QUIRE_KEEPER_CALLER; /* no thread that the schedule does not know */
    options.full_policy = policy;
    if (policy == QUIRE_FULL_GROW) {
        struct quire_plan plan;
        int rc = quire_plan(&options, 0, &plan);
        if (rc) {
            sched_fail("quire_plan: %s", quire_errname(rc));
        }
        options.max_bytes = plan.total_bytes + 2 * plan.page_bytes;
    }
    w->options = options;
    int rc = quire_open(&w->channel, NULL, &options);
    if (rc) {
        sched_fail("quire_open: %s (%d)", quire_errname(rc), rc);
    }
}

void world_plan(struct world *w, uint32_t messages)
{
    w->planned += messages;
}

void world_tx_open(struct world *w, uint32_t tx)
{
    struct quire_tx_options options = QUIRE_TX_OPTIONS_INIT;
    options.flags = w->tx_ends && !w->finishing ? QUIRE_TX_ENDS : 0;
    int rc = quire_tx_open(w->channel, &options, &w->tx[tx]);
    if (rc) {
        sched_fail("quire_tx_open: %s", quire_errname(rc));
    }
}

void world_tx_close(struct world *w, uint32_t tx)
{
    quire_tx_close(w->tx[tx]);
    w->tx[tx] = NULL;
    sched_note("tx%u closed", tx);
    sched_progress();
}

static struct world_sent *sent_begin(struct world *w, uint32_t tx, uint32_t size)
{
    if (w->sents == WORLD_SENT) {
        sched_fail("the record of sends is full: make the scenario smaller");
    }
    struct world_sent *sent = &w->sent[w->sents++];
    memset(sent, 0, sizeof *sent);
    sent->producer = tx;
    sent->seq = w->tx_seq[tx]++;
    sent->size = size;
    sent->position = UINT64_MAX;
    sent->first = sent->begin = sched_tick();
    sent->end = UINT64_MAX;
    return sent;
}

static void sent_end(struct world *w, struct world_sent *sent)
{
    sent->published = 1;
    w->published++;
    sent->position = quire_tx_position(w->tx[sent->producer]);
    sent->end = sched_tick();
    sched_note("tx%u sent %u.%u at %llu.%u", sent->producer, sent->producer, sent->seq,
               (unsigned long long)QUIRE_PAGE_OF(sent->position), QUIRE_SLOT_OF(sent->position));
    sched_progress();
}

/* What a failed try may be; it took nothing. */
static void expect_full(struct world *w, int rc)
{
    if (rc != QUIRE_FULL && rc != QUIRE_TIMEDOUT && !(rc == QUIRE_CLOSED && w->closed)) {
        sched_fail("send: %s (%d)", quire_errname(rc), rc);
    }
    w->full++;
}

static int send_once(struct world *w, struct world_sent *sent)
{
    unsigned char bytes[QUIRE_PAGE_SIZE_MIN];
    world_payload_fill(bytes, sent->producer, sent->seq, sent->size);
    sent->begin = sched_tick();
    int rc = quire_tx_try_send(w->tx[sent->producer], bytes, sent->size);
    if (rc) {
        expect_full(w, rc);
        return 0;
    }
    sent_end(w, sent);
    return 1;
}

int world_try_send(struct world *w, uint32_t tx, uint32_t size)
{
    struct world_sent *sent = sent_begin(w, tx, size);
    int ok = send_once(w, sent);
    if (!ok) {
        sched_note("tx%u full", tx);
        sent->end = sched_tick();
    }
    return ok;
}

void world_send(struct world *w, uint32_t tx, uint32_t size)
{
    struct world_sent *sent = sent_begin(w, tx, size);
    while (!send_once(w, sent) && !w->closed) {
        sched_note("tx%u full, waits", tx);
        sched_wait();
        w->again++;
    }
}

void world_must_send(struct world *w, uint32_t tx, uint32_t size)
{
    if (!world_try_send(w, tx, size)) {
        sched_fail("the channel is full though a page must be free: a producer waits for another");
    }
}

int world_send_or_poisoned(struct world *w, uint32_t tx, uint32_t size)
{
    unsigned char bytes[QUIRE_PAGE_SIZE_MIN];
    struct world_sent *sent = sent_begin(w, tx, size);
    uint64_t before = quire_tx_position(w->tx[tx]);
    world_payload_fill(bytes, tx, sent->seq, size);
    int rc = quire_tx_send(w->tx[tx], bytes, size);
    if (rc && rc != QUIRE_EPOISONED) {
        sched_fail("quire_tx_send: %s (%d)", quire_errname(rc), rc);
    }
    if (quire_tx_position(w->tx[tx]) != before) {
        sent_end(w, sent);
    } else {
        sent->end = sched_tick();
    }
    return rc;
}

void world_send_sleeping(struct world *w, uint32_t tx, uint32_t size)
{
    unsigned char bytes[QUIRE_PAGE_SIZE_MIN];
    struct world_sent *sent = sent_begin(w, tx, size);
    world_payload_fill(bytes, tx, sent->seq, size);
    int rc = quire_tx_send(w->tx[tx], bytes, size);
    if (rc) {
        sched_fail("quire_tx_send: %s (%d)", quire_errname(rc), rc);
    }
    sent_end(w, sent);
}

/* Consumers whose close has not begun, or not ended. */
static uint32_t consumers(const struct world *w, int leaving)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->rxs; i++) {
        n += w->rx[i].rx && (leaving || !w->rx[i].leaving) ? 1u : 0u;
    }
    return n;
}

/* The end must be told once the last close has ended, and not before it has begun. */
int world_send_ended(struct world *w, uint32_t tx, uint32_t size)
{
    unsigned char bytes[QUIRE_PAGE_SIZE_MIN];
    struct world_sent *sent = sent_begin(w, tx, size);
    world_payload_fill(bytes, tx, sent->seq, size);
    uint32_t before = consumers(w, 1);
    int rc = quire_tx_send(w->tx[tx], bytes, size);
    if (rc == 0) {
        sent_end(w, sent);
        if (before == 0) {
            sched_fail("a message was sent though nobody is left");
        }
        return 1;
    }
    if (rc != QUIRE_ENDED || consumers(w, 0) > 0) {
        sched_fail("quire_tx_send: %s (%d), with %u consumers", quire_errname(rc), rc,
                   consumers(w, 0));
    }
    sent->end = sched_tick();
    sched_note("tx%u ended", tx);
    return 0;
}

/* The batch may be cut; each message's place but the last one's is known from its delivery. */
void world_send_batch(struct world *w, uint32_t tx, uint32_t count, uint32_t size)
{
    static unsigned char bytes[SCHED_THREADS][8][512];
    struct quire_vec vec[8];
    struct world_sent *sent[8];
    if (count > 8 || size > 512) {
        sched_fail("a batch of the explorer is at most 8 messages of 512 bytes");
    }
    for (uint32_t i = 0; i < count; i++) {
        unsigned char *data = bytes[sched_self()][i];
        sent[i] = sent_begin(w, tx, size);
        world_payload_fill(data, tx, sent[i]->seq, size);
        vec[i].data = data;
        vec[i].size = size;
    }
    uint32_t done = 0;
    while (done < count) {
        for (uint32_t i = done; i < count; i++) {
            sent[i]->begin = sched_tick();
        }
        long n = quire_tx_send_batch(w->tx[tx], vec + done, count - done, 0);
        if (n <= 0) {
            expect_full(w, (int)n);
            sched_note("tx%u batch full, waits", tx);
            sched_wait();
            continue;
        }
        for (long i = 0; i < n; i++) {
            sent[done]->published = 1;
            w->published++;
            sent[done++]->end = sched_tick();
        }
        sent[done - 1]->position = quire_tx_position(w->tx[tx]);
        sched_note("tx%u sent %ld of a batch, up to %u.%u", tx, n, tx, sent[done - 1]->seq);
        sched_progress();
    }
}

void world_reserve(struct world *w, uint32_t tx, uint32_t size, uint32_t used)
{
    void *data = NULL;
    struct world_sent *sent = sent_begin(w, tx, used == WORLD_ABORT ? size : used);
    int rc;
    while ((rc = quire_tx_reserve(w->tx[tx], size, &data, 0)) != 0) {
        expect_full(w, rc);
        sched_note("tx%u reserve: full, waits", tx);
        sched_wait();
        sent->begin = sched_tick();
    }
    world_payload_fill(data, tx, sent->seq, sent->size);
    if (used == WORLD_ABORT) {
        rc = quire_tx_abort(w->tx[tx]);
        sent->end = sched_tick();
        sched_note("tx%u aborted %u.%u", tx, tx, sent->seq);
        sched_progress();
    } else {
        rc = quire_tx_commit(w->tx[tx], used);
        if (!rc) {
            sent_end(w, sent);
        }
    }
    if (rc) {
        sched_fail("commit or abort: %s", quire_errname(rc));
    }
}

void world_close_channel(struct world *w)
{
    w->closed = 1; /* calls may be told so from here on */
    int rc = quire_close(w->channel);
    if (rc && !(rc == QUIRE_EPOISONED && w->durable)) {
        sched_fail("quire_close: %s", quire_errname(rc));
    }
    sched_note("channel closed");
    sched_progress();
}

/* What nobody took in the run comes now: each group is drained by a new member. */
static void drain(struct world *w, uint32_t group)
{
    uint32_t rx = world_subscribe(w, group, NULL, 0, 0);
    for (int idle = 0; idle < 2;) {
        int rc = world_try_recv(w, rx);
        idle = rc == 0 ? idle + 1 : 0;
        if (rc > 0 && w->group[group].acks) {
            (void)world_ack(w, rx, w->rx[rx].last);
        }
    }
    if (w->group[group].acks) {
        world_leases_check(w, group);
    }
    world_rx_close(w, rx);
}

static void close_handles(struct world *w)
{
    for (uint32_t i = 0; i < WORLD_TX; i++) {
        if (w->tx[i]) {
            world_tx_close(w, i);
        }
    }
    for (uint32_t i = 0; i < w->rxs; i++) {
        if (w->rx[i].rx) {
            world_rx_close(w, i);
        }
    }
}

/* The account of the channel's own figures: they must agree with the record. */
static void check_stat(const struct world *w)
{
    struct quire_stat st;
    uint64_t published = 0;
    uint64_t aborted = 0;
    int rc = quire_stat(w->channel, &st);
    if (rc) {
        sched_fail("quire_stat: %s", quire_errname(rc));
    }
    for (uint32_t i = 0; i < w->sents; i++) {
        published += w->sent[i].published ? 1u : 0u;
        aborted += w->sent[i].published ? 0u : 1u;
    }
    if (st.messages != published + st.voids) {
        sched_fail("I5: %llu positions claimed, but %llu published and %llu void",
                   (unsigned long long)st.messages, (unsigned long long)published,
                   (unsigned long long)st.voids);
    }
    if (st.voids > aborted || st.damaged || st.handles) {
        sched_fail("stat: voids %llu (aborted %llu), damaged %llu, open handles %u",
                   (unsigned long long)st.voids, (unsigned long long)aborted,
                   (unsigned long long)st.damaged, st.handles);
    }
}

/* No page may be lost to the pool: with all read and released, the ring takes its full size. */
static void check_pool(struct world *w)
{
    uint32_t before = w->sents;
    uint32_t whole = (w->options.max_pages - 1) * w->options.max_messages;
    if (w->options.full_policy == QUIRE_FULL_DROP_OLDEST || w->durable ||
        w->sents + whole > WORLD_SENT) {
        return;
    }
    world_tx_open(w, 0);
    for (uint32_t i = 0; i < whole; i++) {
        if (!world_try_send(w, 0, WORLD_SIZE_MIN)) {
            sched_fail("I8: the channel is full after %u of %u messages though all was read",
                       w->sents - before - 1, whole);
        }
    }
    world_tx_close(w, 0);
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        if (w->group[g].used) {
            drain(w, g);
        }
    }
}

void world_finish(struct world *w)
{
    w->finishing = 1;
    close_handles(w);
    if (w->closed) {
        world_check_record(w);
        return;
    }
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        uint32_t before = w->group[g].delivered;
        if (w->group[g].used) {
            drain(w, g);
        }
        if (w->group[g].ended && w->group[g].delivered != before) {
            sched_fail("I1: g%u was told the end with %u messages to come", g,
                       w->group[g].delivered - before);
        }
    }
    check_stat(w);
    check_pool(w);
    world_check_record(w);
    world_close_channel(w);
}
