/* SPDX-License-Identifier: MIT */
/*
 * Sending: claim, write, publish.
 *
 * A claim is valid in whatever page the frame holds at the moment of the fetch-add, however long
 * the handle slept before it (I4): the page is read from the frame's header after the add, and
 * cannot change before the slot is published, since the page is not complete without it.
 */
#include <errno.h>
#include <lib/account.h>
#include <lib/commit.h>
#include <lib/ends.h>
#include <lib/handles.h>
#include <lib/pace.h>
#include <lib/record.h>
#include <lib/turn.h>
#include <lib/tx.h>
#include <lib/wait.h>
#include <string.h>

/* The page that was found full. The one claimer that took it over its bounds seals it (I5). */
static void seal(struct quire_tx *tx, uint64_t old)
{
    struct qr_frame_header *header = tx->header;
    tx->claim = NULL; /* never add here again before the word has been looked at */
    if (qr_claim_over(old, tx->max_messages, tx->capacity_units))
        return;
    /* relaxed: ordered by the add, and fixed until this seal is stored. */
    uint64_t page_no = qr_load_relaxed(&header->page_no);
    uint64_t final = qr_claim_count(old);
    qr_turn_soon(tx->channel, page_no + 1);
    /* relaxed: figures for people. */
    qr_store_relaxed(&header->last_ns, qr_wall());
    qr_store_relaxed(&header->seal_units, qr_claim_units(old));
    /* [R3 seal] pairs with A3: no slot from final on will ever be published in this page. */
    qr_store_release(&header->seal, qr_seal(page_no, final));
    if (tx->sync_mask != UINT64_MAX) /* what the strides have left out of this page */
        qr_pace_published(tx->channel, final & tx->sync_mask);
    qr_wake_consumers(tx->channel);
    qr_freed(tx->channel, tx->live);
}

static void bind(struct quire_tx *tx, const struct qr_frame *frame)
{
    tx->frame = frame;
    tx->claim = frame->claim;
    tx->header = frame->header;
    tx->slots = frame->slots;
    tx->data = frame->data;
}

/* Adds, or for what is too large to be added exchanges. The word before; over when it failed. */
static uint64_t add_claim(const struct quire_tx *tx, uint64_t units, uint64_t count)
{
    qr_atomic_u64 *claim = tx->claim;
    if (units <= tx->channel->units_add_max)
        /* [A13 open] pairs with R13 in turn.c: page_no is the page's. */
        return qr_add_acquire(claim, qr_claim_add(units, count));
    uint64_t old = qr_load_relaxed(claim); /* relaxed: the exchange decides */
    uint64_t wanted;
    do {
        if (qr_claim_over(old, tx->max_messages, tx->capacity_units))
            return old;
        wanted = old + qr_claim_add(units, count);
        if (!qr_claim_fits(old, units, count, tx->max_messages, tx->capacity_units))
            wanted = old - qr_claim_count(old) + tx->max_messages + 1; /* over, nothing claimed */
        /* [A13 open] pairs with R13. */
    } while (!qr_cas_acq_rel(claim, &old, wanted));
    return old;
}

enum full { NO_PAGE, NO_ROOM };

static int is_full(struct quire_tx *tx, enum full why)
{
    struct qr_place place;
    if (why == NO_ROOM)
        return qr_bound_room(tx->channel, &tx->room) == 0;
    return qr_turn(tx->channel, &place) == QUIRE_FULL;
}

/* No page is free, or no room for a message. 0 when it is time to look again. */
static int wait_for_space(struct quire_tx *tx, struct qr_pause *pause, enum full why)
{
    struct quire *ch = tx->channel;
    if (ch->policy == QUIRE_FULL_REJECT || pause->deadline_ns == 0)
        return QUIRE_FULL;
    if (pause->rounds == 0 && why == NO_PAGE)
        qr_add_relaxed(&tx->live->turns_waited, 1u); /* relaxed: a counter */
    int next = qr_pause_step(pause);
    if (next == QUIRE_TIMEDOUT)
        return is_full(tx, why) ? QUIRE_TIMEDOUT : 0;
    if (next == 0)
        return 0;
    struct qr_sleep sleep;
    qr_sleep_space(ch, &sleep);
    if (qr_closed(ch) || qr_poisoned(ch) || qr_tx_ended(tx) || !is_full(tx, why))
        qr_sleep_cancel(&sleep);
    else
        (void)qr_sleep_wait(&sleep, pause->deadline_ns);
    return 0;
}

/* Claims in the page at hand. 1 and *claimed; 0 when it was full. */
static inline int claim_here(struct quire_tx *tx, uint64_t units, uint32_t count,
                             struct qr_claimed *claimed)
{
    uint64_t old = add_claim(tx, units, count);
    if (!qr_claim_fits(old, units, count, tx->max_messages, tx->capacity_units)) {
        seal(tx, old);
        return 0;
    }
    claimed->frame = tx->frame;
    /* relaxed: ordered by the acquire of the claim. */
    claimed->page_no = qr_load_relaxed(&tx->header->page_no);
    claimed->slot = (uint32_t)qr_claim_count(old);
    claimed->offset_units = qr_claim_units(old);
    return 1;
}

/* The same in a channel with a bound. 0: done, or look again; QUIRE_EAGAIN: fewer places than the
 * more than one that were asked for; QUIRE_FULL, QUIRE_TIMEDOUT. */
static __attribute__((noinline)) int claim_bounded(struct quire_tx *tx, uint64_t units,
                                                   uint32_t count, struct qr_pause *pause,
                                                   struct qr_claimed *claimed, int *done)
{
    struct quire *ch = tx->channel;
    int rc = 0;
    if (qr_bound_take(ch, &tx->room, count) == 0) {
        *done = claim_here(tx, units, count, claimed);
        if (*done)
            qr_bound_claimed(ch);
        else
            qr_bound_failed(ch, count);
    } else {
        rc = count > 1 ? QUIRE_EAGAIN : wait_for_space(tx, pause, NO_ROOM);
    }
    tx->claim = NULL; /* so that every claim comes by here */
    return rc;
}

/* Claims count slots and units together. 0 and *claimed; QUIRE_FULL, TIMEDOUT, CLOSED, ENDED or an
 * error; with a bound QUIRE_EAGAIN when count is more than one and more than there are places. */
static int claim(struct quire_tx *tx, uint64_t units, uint32_t count, uint64_t deadline_ns,
                 struct qr_claimed *claimed)
{
    struct quire *ch = tx->channel;
    struct qr_pause pause = {deadline_ns, tx->wait, 0};
    for (;;) {
        if (qr_closed(ch))
            return QUIRE_CLOSED;
        if (qr_poisoned(ch))
            return QUIRE_EPOISONED;
        if (qr_tx_ended(tx))
            return QUIRE_ENDED;
        if (!tx->claim) {
            struct qr_place place;
            int rc = qr_turn(ch, &place);
            if (rc == QUIRE_FULL)
                rc = wait_for_space(tx, &pause, NO_PAGE);
            else if (rc == 0)
                bind(tx, place.frame);
            if (rc == 0 && tx->claim && ch->bound) {
                int done = 0;
                rc = claim_bounded(tx, units, count, &pause, claimed, &done);
                if (done)
                    return 0;
            }
            if (rc != 0)
                return rc;
            continue;
        }
        if (claim_here(tx, units, count, claimed))
            return 0;
    }
}

/* After n messages from slot on were published. */
static void published(struct quire_tx *tx, uint32_t slot, uint32_t n)
{
    uint64_t counted = qr_pace_strides(tx->sync_mask, slot, n);
    qr_published(tx->channel, tx->live);
    if (counted > 0)
        qr_pace_published(tx->channel, counted);
}

/* EACH: what was published is returned when it is durable. */
static int settled(struct quire_tx *tx, uint64_t deadline_ns)
{
    struct quire *ch = tx->channel;
    if (ch->durability != QUIRE_DURABLE_EACH)
        return 0;
    /* Not to wait is about pages: the disk is waited for. */
    uint64_t until = deadline_ns == 0 ? QUIRE_FOREVER : deadline_ns;
    int rc = qr_commit_wait(ch, qr_commit_covering(ch), until);
    /* Whatever kept the commit from being made, the message was sent. */
    return rc == 0 || rc == QUIRE_EPOISONED ? rc : QUIRE_UNSYNCED;
}

static int check_send(const struct quire_tx *tx, size_t size)
{
    if (tx->reserved)
        return QUIRE_ESTATE;
    if (size > UINT32_MAX || qr_claim_need(size) > tx->capacity_units)
        return QUIRE_EMSGSIZE;
    return 0;
}

/* Any message, any state. */
static int send_whatever(struct quire_tx *tx, const void *data, size_t size, uint64_t deadline_ns)
{
    struct qr_claimed c;
    int rc = check_send(tx, size);
    if (rc == 0)
        rc = claim(tx, qr_claim_need(size), 1, deadline_ns, &c);
    if (rc != 0)
        return rc;
    tx->position = QUIRE_POSITION(c.page_no, c.slot);
    qr_record_write(c.frame->data + c.offset_units * 8, tx->checksum, tx->position, data, size);
    qr_record_publish(&c, c.slot, c.offset_units);
    published(tx, c.slot, 1);
    return settled(tx, deadline_ns);
}

/* The page turned out to be full. */
static __attribute__((noinline)) int send_again(struct quire_tx *tx, const void *data, size_t size,
                                                uint64_t deadline_ns, uint64_t old)
{
    seal(tx, old);
    return send_whatever(tx, data, size, deadline_ns);
}

static __attribute__((noinline)) int attend(struct quire *ch)
{
    qr_attend(ch);
    return 0;
}

static __attribute__((noinline)) int count(struct quire_tx *tx, uint64_t slot)
{
    published(tx, (uint32_t)slot, 1);
    return 0;
}

/*
 * A message in a page that has room: one fetch-add, the copy, one store. Everything else is a tail
 * call, so that for a small one this path saves no register and touches no stack. paced and small
 * are constants.
 */
static inline __attribute__((always_inline)) int send_plain(struct quire_tx *tx,
                                                            qr_atomic_u64 *claim, const void *data,
                                                            size_t size, uint64_t deadline_ns,
                                                            int paced, int small)
{
    uint64_t units = qr_claim_need(size);
    /* [A13 open] pairs with R13 in turn.c: page_no is the page's. */
    uint64_t old = qr_add_acquire(claim, qr_claim_add(units, 1));
    uint64_t slot = qr_claim_count(old), offset = qr_claim_units(old);
    if (qr_unlikely(slot >= tx->max_messages || offset + units > tx->capacity_units))
        return send_again(tx, data, size, deadline_ns, old);
    unsigned char *at = tx->data + offset * 8;
    uint64_t record = size; /* length, and no checksum */
    memcpy(at, &record, sizeof(record));
    if (small)
        qr_copy_small(at + sizeof(record), data, size);
    else
        memcpy(at + sizeof(record), data, size);
    /* relaxed: ordered by the acquire of the claim. */
    uint64_t page_no = qr_load_relaxed(&tx->header->page_no);
    tx->position = QUIRE_POSITION(page_no, slot);
    /* [R2 slot] pairs with A2 in rx.c, run.c: the record is complete. */
    qr_store_release(&tx->slots[slot], qr_slot(page_no, offset));
    qr_compiler_barrier();
    if (paced && qr_unlikely((slot & tx->sync_mask) == tx->sync_mask))
        return count(tx, slot);
    /* relaxed: as in qr_published; a channel that needs the fence has no fast way. */
    if (qr_unlikely(qr_load_relaxed(&tx->live->attention) != 0))
        return attend(tx->channel);
    return 0;
}

/* One that is too large to be copied without a call. */
static __attribute__((noinline)) int send_large(struct quire_tx *tx, qr_atomic_u64 *claim,
                                                const void *data, size_t size, uint64_t deadline_ns)
{
    return send_plain(tx, claim, data, size, deadline_ns, 1, 0);
}

static __attribute__((noinline)) int send_any(struct quire_tx *tx, const void *data, size_t size,
                                              uint64_t deadline_ns)
{
    qr_atomic_u64 *claim = tx->claim;
    /* relaxed: a constant until the channel is closed. */
    if (claim && size < qr_load_relaxed(&tx->paced_limit))
        return send_plain(tx, claim, data, size, deadline_ns, 1, 1);
    if (claim && size < qr_load_relaxed(&tx->large_limit)) /* relaxed: the same */
        return send_large(tx, claim, data, size, deadline_ns);
    return send_whatever(tx, data, size, deadline_ns);
}

static inline __attribute__((always_inline)) int send(struct quire_tx *tx, const void *data,
                                                      size_t size, uint64_t deadline_ns)
{
    qr_atomic_u64 *claim = tx->claim;
    /* relaxed: a constant until the channel is closed. */
    if (qr_unlikely(!claim || size >= qr_load_relaxed(&tx->fast_limit)))
        return send_any(tx, data, size, deadline_ns);
    return send_plain(tx, claim, data, size, deadline_ns, 0, 1);
}

int quire_tx_send(quire_tx_t *tx, const void *data, size_t size)
{
    return send(tx, data, size, QUIRE_FOREVER);
}

int quire_tx_try_send(quire_tx_t *tx, const void *data, size_t size)
{
    return send(tx, data, size, 0);
}

int quire_tx_send_until(quire_tx_t *tx, const void *data, size_t size, uint64_t deadline_ns)
{
    return send(tx, data, size, deadline_ns);
}

/* The most that go into one claim: no large part of a page. */
static uint64_t chunk_units_max(const struct quire_tx *tx)
{
    return tx->capacity_units / 8;
}
static uint32_t chunk_count_max(struct quire_tx *tx)
{
    uint64_t most = tx->max_messages / 8 > 0 ? tx->max_messages / 8 : 1;
    if (most > QR_CLAIM_COUNT_MAX)
        most = QR_CLAIM_COUNT_MAX;
    if (tx->channel->bound) {
        uint64_t room = qr_bound_room(tx->channel, &tx->room);
        most = room < most ? (room > 0 ? room : 1) : most;
    }
    return (uint32_t)most;
}

/* How many of vec go into one claim. all: what all of them need, if they are few. */
static uint32_t chunk(struct quire_tx *tx, const struct quire_vec *vec, size_t count, uint64_t all,
                      uint64_t *units)
{
    uint32_t count_max = chunk_count_max(tx), n = 0;
    uint64_t units_max = chunk_units_max(tx);
    *units = all;
    if (count <= count_max && all <= units_max)
        return (uint32_t)count;
    *units = 0;
    while (n < count && n < count_max) {
        uint64_t need = qr_claim_need(vec[n].size);
        if (n > 0 && *units + need > units_max)
            break;
        *units += need;
        n++;
    }
    return n;
}

/* same: the size of all, if it is one of those that are worth a loop of their own. */
static void write_plain(const struct qr_claimed *c, const struct quire_vec *vec, uint32_t n,
                        size_t same)
{
    switch (same) {
    case 8:
        qr_records_plain(c, vec, n, 8);
        break;
    case 16:
        qr_records_plain(c, vec, n, 16);
        break;
    case 32:
        qr_records_plain(c, vec, n, 32);
        break;
    case 64:
        qr_records_plain(c, vec, n, 64);
        break;
    default:
        qr_records_plain(c, vec, n, 0);
    }
}

static void send_chunk(struct quire_tx *tx, const struct quire_vec *vec, uint32_t n, size_t same,
                       const struct qr_claimed *c)
{
    if (tx->checksum)
        qr_records_checked(c, vec, n);
    else
        write_plain(c, vec, n, same);
    tx->position = QUIRE_POSITION(c->page_no, c->slot) + n - 1;
    published(tx, c->slot, n);
}

/* sizes has every bit that one of theirs has: it is not less than the largest. */
static int check_sizes(const struct quire_tx *tx, const struct quire_vec *vec, size_t count,
                       size_t sizes)
{
    if (check_send(tx, sizes) != QUIRE_EMSGSIZE)
        return check_send(tx, sizes);
    size_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = vec[i].size > largest ? vec[i].size : largest;
    return check_send(tx, largest);
}

long quire_tx_send_batch(quire_tx_t *tx, const struct quire_vec *vec, size_t count,
                         uint64_t deadline_ns)
{
    size_t sent = 0, sizes = 0;
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        sizes |= vec[i].size;
        all += qr_claim_need(vec[i].size);
    }
    int rc = check_sizes(tx, vec, count, sizes);
    if (rc != 0)
        return rc;
    /* For a power of two: each is of that size or empty, and no one is empty where all need as much
     * as that many of that size. */
    size_t same = all == count * qr_claim_need(sizes) ? sizes : 0;
    while (sent < count) {
        struct qr_claimed c;
        uint64_t units;
        uint32_t n = chunk(tx, vec + sent, count - sent, sent == 0 ? all : UINT64_MAX, &units);
        rc = claim(tx, units, n, deadline_ns, &c);
        if (rc == QUIRE_EAGAIN)
            continue; /* another has taken some of the places */
        if (rc != 0)
            break;
        send_chunk(tx, vec + sent, n, same, &c);
        sent += n;
    }
    if (sent == 0)
        return rc; /* 0 of none */
    rc = settled(tx, deadline_ns);
    return rc != 0 ? rc : (long)sent;
}

int quire_tx_reserve(quire_tx_t *tx, size_t size, void **data, uint64_t deadline_ns)
{
    int rc = check_send(tx, size);
    if (rc == 0)
        rc = claim(tx, qr_claim_need(size), 1, deadline_ns, &tx->claimed);
    if (rc != 0)
        return rc;
    tx->kept = tx->claim;
    tx->claim = NULL; /* sends take the slow way and find the reservation */
    tx->reserved = 1;
    tx->reserved_size = size;
    *data = tx->claimed.frame->data + tx->claimed.offset_units * 8 + sizeof(struct qr_record);
    return 0;
}

static void end_reservation(struct quire_tx *tx, uint64_t offset_units)
{
    qr_record_publish(&tx->claimed, tx->claimed.slot, offset_units);
    tx->reserved = 0;
    tx->claim = tx->kept; /* its last claim there fitted: it may add again */
    published(tx, tx->claimed.slot, 1);
}

int quire_tx_commit(quire_tx_t *tx, size_t size)
{
    struct qr_claimed *c = &tx->claimed;
    if (!tx->reserved)
        return QUIRE_ESTATE;
    if (size > tx->reserved_size)
        return QUIRE_EINVAL;
    unsigned char *at = c->frame->data + c->offset_units * 8;
    struct qr_record record = {(uint32_t)size, 0};
    tx->position = QUIRE_POSITION(c->page_no, c->slot);
    if (tx->checksum)
        record.crc = qr_record_crc(tx->position, record.length, at + sizeof(record));
    memcpy(at, &record, sizeof(record));
    end_reservation(tx, c->offset_units);
    return settled(tx, QUIRE_FOREVER);
}

int quire_tx_abort(quire_tx_t *tx)
{
    if (!tx->reserved)
        return QUIRE_ESTATE;
    qr_void_add(tx->claimed.frame->header, tx->claimed.page_no, 1);
    end_reservation(tx, QR_SLOT_VOID);
    return 0;
}

uint64_t quire_tx_position(const quire_tx_t *tx)
{
    return tx->position;
}
