/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lib/bound.h>
#include <lib/ends.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/left.h>
#include <lib/recycle.h>
#include <lib/rx.h>
#include <lib/select.h>
#include <lib/tx.h>
#include <lib/wait.h>
#include <pages/base/checksum.h>
#include <stdlib.h>
#include <string.h>

#define RUN_DEFAULT 64u
#define RUN_ENDED   1         /* of look(): only voids were left in the run */
#define MEMBER_NS   10000000u /* how long a member may be silent about a run it has received */

static __attribute__((noinline)) int checksum_holds(uint64_t position, const unsigned char *at,
                                                    const struct qr_record *record)
{
    return qr_record_crc(position, record->length, at + sizeof(*record)) == record->crc;
}

/* Bytes of a mapped file are not trusted: a record must lie in its page. 1 when it is sound. */
static inline int check_record(const struct quire_rx *rx, const unsigned char *data,
                               uint64_t position, uint32_t offset_units, struct qr_record *record)
{
    if (qr_unlikely(offset_units > rx->record_units_max))
        return 0;
    const unsigned char *at = data + (uint64_t)offset_units * 8;
    memcpy(record, at, sizeof(*record));
    if (qr_unlikely(record->length > (uint64_t)(rx->record_units_max - offset_units) * 8))
        return 0;
    return !qr_unlikely(rx->checksum) || checksum_holds(position, at, record);
}

static inline void step(struct quire_rx *rx)
{
    uint64_t next = ++rx->next;
    /* [R18 next] pairs with A18: what lies before was delivered, and stand is stored. */
    qr_store_release(&rx->line->next, next);
}

/* n messages were received, or stepped over; after next says so. */
static inline void received(struct quire_rx *rx, size_t n)
{
    if (qr_unlikely(rx->counts))
        qr_bound_finish(rx->channel, rx->group, (uint32_t)n);
}

/* Past the message at next, which is not given to the caller. */
static inline void pass_over(struct quire_rx *rx)
{
    if (qr_unlikely(rx->leases.zone != NULL))
        qr_rx_pass_over(rx);
    step(rx);
    received(rx, 1); /* at once: a sender may wait for it, and the caller for the sender */
}

/*
 * The next message of the run in hand, without taking it. 0; QUIRE_EAGAIN: claimed, not published
 * yet; QUIRE_CORRUPT; RUN_ENDED. Voids are stepped over.
 */
static inline int look(struct quire_rx *rx, struct quire_msg *msg)
{
    do {
        uint64_t position = rx->next;
        /* [A2 slot] pairs with R2 in tx.c: the record is complete. */
        uint64_t word = qr_load_acquire(&rx->slots[position & 0xffffu]);
        if (qr_unlikely(!qr_slot_is(word, rx->tag)))
            return QUIRE_EAGAIN;
        uint32_t offset = qr_slot_offset(word);
        if (qr_likely(offset != QR_SLOT_VOID)) {
            struct qr_record record;
            if (qr_unlikely(!check_record(rx, rx->data, position, offset, &record)))
                return QUIRE_CORRUPT;
            msg->data = rx->data + (uint64_t)offset * 8 + sizeof(record);
            msg->size = record.length;
            msg->flags = rx->flags;
            msg->position = position;
            return 0;
        }
        pass_over(rx);
    } while (rx->next < rx->ready);
    return RUN_ENDED;
}

/* A returned message goes before all others. QUIRE_EAGAIN: there is none now. */
static int look_back(struct quire_rx *rx, struct quire_msg *msg)
{
    if (rx->timed)
        qr_leases_expire(rx->channel, rx->group);
    /* relaxed: a hint that is never too low; the words decide. */
    if (!rx->back.held && (qr_load_relaxed(&rx->group->block->returned) == 0 ||
                           qr_load_relaxed(&rx->group->block->paused) != 0))
        return QUIRE_EAGAIN;
    int rc = rx->back.held ? 0 : qr_rx_take_back(rx);
    if (rc != 0)
        return rc;
    struct qr_record record;
    const struct qr_rx_back *back = &rx->back;
    uint64_t position = QUIRE_POSITION(back->page.page_no, back->slot);
    /* [A2 slot] pairs with R2 in tx.c. */
    uint32_t offset = qr_slot_offset(qr_load_acquire(&back->frame->slots[back->slot]));
    if (!check_record(rx, back->frame->data, position, offset, &record)) {
        qr_rx_drop_back(rx);
        return QUIRE_CORRUPT;
    }
    msg->data = back->frame->data + (uint64_t)offset * 8 + sizeof(record);
    msg->size = record.length;
    msg->flags = qr_rx_back_flags(rx);
    msg->position = position;
    return 0;
}

/* The next message, if there is one now; not taken yet, but for a corrupt one. */
static int find(struct quire_rx *rx, struct quire_msg *msg)
{
    for (;;) {
        int rc = 0;
        if (qr_closed(rx->channel))
            return QUIRE_CLOSED;
        if (qr_group_acks(rx->group) && (rc = look_back(rx, msg)) != QUIRE_EAGAIN)
            return rc;
        if (rx->lossy && qr_run_held(rx) && qr_rx_run_lost(rx))
            qr_run_drop(rx);
        rc = rx->next >= rx->ready ? qr_run_fill(rx) : 0;
        if (rc == 0 && rx->next < rx->ready)
            rc = look(rx, msg);
        else if (rc == 0)
            rc = RUN_ENDED; /* the run was given up */
        if (rc == RUN_ENDED)
            continue;
        if (rc == QUIRE_CORRUPT)
            pass_over(rx);
        return rc;
    }
}

/*
 * Nothing was found and no producer is open: is that the end? A message, or a loss, of the last one
 * may have come after the look. And what another member has claimed is not delivered before it has
 * received it; it says so here, when it looks for more, to those who could not be told the end.
 */
static __attribute__((noinline)) int find_last(struct quire_rx *rx, struct quire_msg *msg)
{
    int rc = find(rx, msg);
    if (rc == 0)
        return 0;
    if (rx->told != rx->end && !qr_run_held(rx)) {
        rx->told = rx->end;
        qr_ends_tell(rx->channel, rx->group);
    }
    if (rc != QUIRE_EAGAIN || !rx->ends)
        return rc;
    return qr_group_left(rx->channel, rx->group, UINT64_MAX, 1, rx->index) == 0 ? QUIRE_ENDED
                                                                                : QUIRE_EAGAIN;
}

/* As find(); QUIRE_ENDED when there will never be one and the handle wants to be told. */
static int look_now(struct quire_rx *rx, struct quire_msg *msg)
{
    int rc = find(rx, msg);
    if ((rc == QUIRE_EAGAIN || rc == QUIRE_PAGE_END) && qr_ends_over(&rx->channel->producers))
        rc = find_last(rx, msg);
    return rc;
}

/* Registers, looks once more, sleeps. 0 when it is time to look again, or what was found. */
static int sleep_for_message(struct quire_rx *rx, struct quire_msg *msg, uint64_t deadline_ns)
{
    struct qr_sleep sleep;
    int held = qr_run_held(rx);
    /* Who sleeps for a hole may have been woken for what lies behind it. */
    if (held)
        qr_run_pass_on(rx);
    qr_sleep_consumer(rx->channel, rx->group, held, &sleep);
    int rc = look_now(rx, msg);
    /* A hole that was claimed just now must be slept for as one: its publisher wakes all then. */
    if (rc != QUIRE_EAGAIN || held != qr_run_held(rx)) {
        qr_sleep_cancel(&sleep);
        return rc;
    }
    if (qr_group_acks(rx->group))
        deadline_ns = qr_leases_next(rx->group, deadline_ns);
    /* A member that has received the last message and does not look for more wakes nobody. */
    if (rx->ends && qr_ends_over(&rx->channel->producers)) {
        uint64_t look_ns = qr_now() + MEMBER_NS;
        deadline_ns = look_ns < deadline_ns ? look_ns : deadline_ns;
    }
    rx->woken |= qr_sleep_wait(&sleep, deadline_ns);
    return QUIRE_EAGAIN;
}

static int look_until(struct quire_rx *rx, struct quire_msg *msg, uint64_t deadline_ns)
{
    struct qr_pause pause = {deadline_ns, rx->wait, 0};
    int rc;
    rx->patient = deadline_ns != 0;
    while ((rc = look_now(rx, msg)) == QUIRE_EAGAIN && deadline_ns != 0) {
        int next = qr_pause_step(&pause);
        if (next == 0 && rx->wait != QUIRE_WAIT_YIELD)
            qr_run_watch(rx);
        if (next == 1)
            rc = sleep_for_message(rx, msg, deadline_ns);
        if (next == QUIRE_TIMEDOUT)
            rc = look_now(rx, msg);
        if (next == QUIRE_TIMEDOUT && rc == QUIRE_EAGAIN)
            rc = QUIRE_TIMEDOUT;
        if (rc != QUIRE_EAGAIN)
            break;
    }
    if (qr_unlikely(rc == QUIRE_EAGAIN && rx->bell.fd >= 0) && qr_rx_arm(rx)) {
        rc = look_now(rx, msg);
        if (rc != QUIRE_EAGAIN)
            qr_rx_disarm(rx);
    }
    if (qr_unlikely(rx->woken)) {
        /* The wake may have been meant for more than is taken here. */
        rx->woken = 0;
        qr_run_pass_on(rx);
    }
    return rc;
}

static inline void take(struct quire_rx *rx)
{
    rx->borrowed = 1;
    step(rx);
}

/* What look_now() found goes to the caller. */
static void hand_out(struct quire_rx *rx)
{
    if (rx->back.held) {
        qr_rx_hand_back(rx);
        return;
    }
    if (rx->leases.zone)
        qr_rx_lease_one(rx);
    step(rx);
}

/*
 * The message at slot word, if it needs no more than a look: published, not a void, in its page. 1
 * when it is in *msg. first: qr_slot_first() of the page's tag.
 */
static inline __attribute__((always_inline)) int plain_message(uint64_t word, uint64_t first,
                                                               const unsigned char *data,
                                                               uint32_t record_units_max,
                                                               struct quire_msg *msg)
{
    uint64_t offset = word - first;
    uint32_t length;
    if (qr_unlikely(offset > record_units_max))
        return 0;
    const unsigned char *at = data + offset * 8;
    memcpy(&length, at, sizeof(length));
    if (qr_unlikely(length > (uint64_t)(record_units_max - (uint32_t)offset) * 8))
        return 0;
    msg->data = at + sizeof(struct qr_record);
    msg->size = length;
    /* Stored by itself: joined with the flags it would go by way of a vector register. */
    __asm__("" : "+m"(msg->size));
    return 1;
}

static inline __attribute__((always_inline)) int recv_plain_one(struct quire_rx *rx,
                                                                struct quire_msg *msg)
{
    uint64_t position = rx->next;
    /* [A2 slot] pairs with R2 in tx.c: the record is complete. */
    uint64_t word = qr_load_acquire(&rx->slots[position & 0xffffu]);
    uint64_t first = qr_slot_first(rx->tag);
    if (qr_unlikely(!plain_message(word, first, rx->data, rx->record_units_max, msg)))
        return 0;
    msg->flags = rx->flags;
    msg->position = position;
    return 1;
}

static __attribute__((noinline)) int recv_slow(struct quire_rx *rx, struct quire_msg *msg,
                                               uint64_t deadline_ns)
{
    int rc = look_until(rx, msg, deadline_ns);
    if (rc == 0) {
        hand_out(rx);
        rx->borrowed = 1;
        received(rx, 1);
    }
    return rc;
}

/* The first message of a run that nothing stands in the way of. 1 when it is in *msg. */
static int next_plain(struct quire_rx *rx, struct quire_msg *msg, uint64_t deadline_ns)
{
    int watches = deadline_ns != 0 && rx->wait != QUIRE_WAIT_YIELD && rx->frame;
    if (!qr_run_next(rx, deadline_ns) &&
        !(watches && qr_run_watch(rx) && qr_run_next(rx, deadline_ns)))
        return 0;
    if (!recv_plain_one(rx, msg))
        return 0;
    take(rx);
    return 1;
}

/* Neither leases nor checksums, and nothing left of the run in hand. */
static __attribute__((noinline)) int recv_next(struct quire_rx *rx, struct quire_msg *msg,
                                               uint64_t deadline_ns)
{
    if (!qr_closed(rx->channel) && next_plain(rx, msg, deadline_ns))
        return 0;
    return recv_slow(rx, msg, deadline_ns);
}

/* A message of the run in hand of an ack group, or else: again a tail call. */
static __attribute__((noinline)) int recv_any(struct quire_rx *rx, struct quire_msg *msg,
                                              uint64_t deadline_ns)
{
    qr_atomic_u64 *who = rx->who;
    uint64_t position = rx->next;
    if (!who)
        return rx->careful ? recv_slow(rx, msg, deadline_ns) : recv_next(rx, msg, deadline_ns);
    /* relaxed: a hint; who returned a message wakes somebody, or is seen by the next receive. */
    if (qr_unlikely(position >= rx->ready || qr_load_relaxed(rx->returned) != 0 ||
                    qr_closed(rx->channel) || !recv_plain_one(rx, msg)))
        return recv_slow(rx, msg, deadline_ns);
    /* relaxed: before next moves past the slot nobody else looks; that is a release (R18). */
    qr_store_relaxed(&who[position & 0xffffu], rx->who_word);
    take(rx);
    return 0;
}

/*
 * A message of the run in hand; everything out of the ordinary is a tail call, so that this path
 * saves no register and touches no stack.
 */
static inline __attribute__((always_inline)) int recv(struct quire_rx *rx, struct quire_msg *msg,
                                                      uint64_t deadline_ns)
{
    if (qr_unlikely(rx->next >= rx->plain || qr_closed(rx->channel)))
        return recv_any(rx, msg, deadline_ns);
    if (qr_unlikely(!recv_plain_one(rx, msg)))
        return recv_slow(rx, msg, deadline_ns);
    take(rx);
    return 0;
}

/* Up to count plain messages of the run in hand. */
static size_t recv_plain(struct quire_rx *rx, struct quire_msg *msgs, size_t count)
{
    uint64_t position = rx->next, plain = rx->plain;
    if (rx->who && qr_load_relaxed(rx->returned) == 0) /* relaxed: a hint, as in recv_any */
        plain = rx->ready;
    if (position >= plain || count == 0 || qr_closed(rx->channel))
        return 0;
    /* Locals: an acquire load makes the compiler read everything behind it anew. */
    const qr_atomic_u64 *slots = rx->slots + (position & 0xffffu);
    const unsigned char *data = rx->data;
    uint64_t first = qr_slot_first(rx->tag);
    uint32_t units_max = rx->record_units_max, flags = rx->flags;
    size_t n = 0, limit = plain - position < count ? (size_t)(plain - position) : count;
    /* [A2 slot] pairs with R2 in tx.c. */
    while (n < limit &&
           plain_message(qr_load_acquire(&slots[n]), first, data, units_max, &msgs[n])) {
        msgs[n].flags = flags;
        msgs[n].position = position + n;
        n++;
    }
    if (n == 0)
        return 0;
    if (rx->leases.zone)
        qr_rx_lease(rx, (uint32_t)n);
    rx->borrowed = 1;
    rx->next = position + n;
    /* One store for all: they count as delivered when the caller has them all.
     * [R18 next] pairs with A18. */
    qr_store_release(&rx->line->next, rx->next);
    return n;
}

int quire_rx_recv(quire_rx_t *rx, struct quire_msg *msg)
{
    return recv(rx, msg, QUIRE_FOREVER);
}

int quire_rx_try_recv(quire_rx_t *rx, struct quire_msg *msg)
{
    return recv(rx, msg, 0);
}

int quire_rx_recv_until(quire_rx_t *rx, struct quire_msg *msg, uint64_t deadline_ns)
{
    return recv(rx, msg, deadline_ns);
}

long quire_rx_recv_batch(quire_rx_t *rx, struct quire_msg *msgs, size_t count, uint64_t deadline_ns)
{
    if (count == 0)
        return QUIRE_EINVAL;
    size_t n = recv_plain(rx, msgs, count);
    if (n > 0)
        return (long)n;
    int rc = recv_any(rx, msgs, deadline_ns);
    if (rc != 0)
        return rc;
    n = 1 + recv_plain(rx, msgs + 1, count - 1);
    size_t told = n;
    /* What the fast way does not do: checksums, voids. A damaged one is told by the next call. */
    while (n < count && rx->next < rx->ready && look(rx, &msgs[n]) == 0) {
        hand_out(rx);
        rx->borrowed = 1;
        n++;
    }
    if (n > told)
        received(rx, n - told);
    return (long)n;
}

int quire_rx_recv_copy(quire_rx_t *rx, void *buffer, size_t capacity, size_t *size,
                       uint64_t deadline_ns)
{
    struct quire_msg msg;
    int rc;
    while ((rc = look_until(rx, &msg, deadline_ns)) == QUIRE_PAGE_END)
        qr_rx_leave(rx);
    if (rc != 0)
        return rc;
    *size = msg.size;
    if (msg.size > capacity)
        return QUIRE_ETOOSMALL;
    if (msg.size > 0)
        memcpy(buffer, msg.data, msg.size);
    hand_out(rx);
    received(rx, 1);
    if (!rx->borrowed && !qr_run_held(rx))
        qr_rx_leave(rx); /* an idle handle that only copies holds no page */
    return 0;
}

int quire_rx_next_page(quire_rx_t *rx)
{
    if (qr_unlikely(rx->back.held))
        qr_rx_untake(rx);
    qr_rx_leave(rx);
    qr_shrink(rx->channel);
    return 0;
}

int quire_rx_release(quire_rx_t *rx)
{
    return quire_rx_next_page(rx);
}

struct quire_lost quire_rx_lost(const quire_rx_t *rx)
{
    return rx->lost;
}

static int check_options(const struct quire_rx_options *o)
{
    if (!o)
        return 0;
    if (o->size != sizeof(*o) || o->wait > QUIRE_WAIT_BUSY || o->run_max > QR_RUN_MAX ||
        (o->flags & ~(uint32_t)QUIRE_RX_ENDS) != 0)
        return QUIRE_EINVAL;
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i] != 0)
            return QUIRE_EINVAL;
    return o->group ? qr_group_options_check(o->group) : 0;
}

static struct quire_rx *rx_new(struct quire *ch, const struct quire_rx_options *options)
{
    struct quire_rx *rx = aligned_alloc(QR_LINE, qr_round_up(sizeof(*rx), QR_LINE));
    if (!rx)
        return NULL;
    memset(rx, 0, sizeof(*rx));
    rx->channel = ch;
    rx->checksum = ch->checksum;
    rx->careful = ch->checksum;
    rx->record_units_max = (uint32_t)(ch->capacity_units - 1);
    rx->run_max = options && options->run_max ? options->run_max : RUN_DEFAULT;
    rx->wait = options && options->wait ? options->wait : ch->wait;
    rx->ends = options && (options->flags & QUIRE_RX_ENDS) != 0;
    rx->bell.fd = -1;
    return rx;
}

/* Under ch->lock. */
static int join(struct quire_rx *rx, const char *name, const struct quire_where *where,
                const struct quire_group_options *group)
{
    struct quire *ch = rx->channel;
    int index = qr_handle_take(ch);
    if (index < 0)
        return index;
    rx->index = (uint32_t)index;
    rx->line = qr_handle(ch, rx->index);
    int rc = qr_group_join(ch, name, where, group, rx->index, &rx->group);
    if (rc != 0) {
        qr_handle_free(ch, rx->index);
        return rc;
    }
    rx->counts = rx->group->counted && !qr_group_acks(rx->group);
    rx->careful |= qr_group_acks(rx->group) || rx->counts;
    qr_rx_leases_init(rx);
    /* relaxed: published by the state; members is a hint. */
    qr_store_relaxed(&rx->line->group_id, rx->group->id);
    qr_add_relaxed(&rx->group->block->members, 1u);
    qr_handle_publish(ch, rx->index, QR_HANDLE_RX);
    return 0;
}

int quire_rx_subscribe(quire_t *ch, const char *name, const struct quire_where *where,
                       const struct quire_rx_options *options, quire_rx_t **out)
{
    static const struct quire_where oldest = {QUIRE_OLDEST, 0, 0};
    if (!ch || !out || !name)
        return QUIRE_EINVAL;
    *out = NULL;
    where = where ? where : &oldest;
    if (!qr_group_name_valid(name) || check_options(options) != 0 || !qr_where_valid(where))
        return QUIRE_EINVAL;
    if (ch->view.read_only)
        return QUIRE_ERDONLY;
    if (qr_forked(ch) != 0)
        return QUIRE_EFORKED;
    struct quire_rx *rx = rx_new(ch, options);
    if (!rx)
        return -ENOMEM;
    pthread_mutex_lock(&ch->lock);
    int rc = qr_closed(ch) ? QUIRE_CLOSED : join(rx, name, where, options ? options->group : NULL);
    if (rc == 0) {
        if (qr_ends_enter(&ch->consumers))
            qr_tx_ends(ch);
        qr_channel_ref(ch);
    }
    pthread_mutex_unlock(&ch->lock);
    if (rc != 0) {
        free(rx);
        return rc;
    }
    *out = rx;
    return 0;
}

void quire_rx_close(quire_rx_t *rx)
{
    if (!rx)
        return;
    struct quire *ch = rx->channel;
    if (qr_forked(ch) != 0)
        return; /* the line and the run are the parent's */
    if (rx->member)
        qr_member_drop(rx->member);
    qr_rx_fd_close(rx);
    int returned = qr_run_return(rx);
    pthread_mutex_lock(&ch->lock);
    qr_sub_relaxed(&rx->group->block->members, 1u); /* relaxed: a hint */
    if (!returned)
        qr_handle_free(ch, rx->index);
    if (qr_ends_leave(&ch->consumers))
        qr_tx_ends(ch); /* those of them that sleep are woken below, as for a page */
    pthread_mutex_unlock(&ch->lock);
    qr_full_fence(); /* against a sleeper's fence, where membarrier is refused */
    /* Without producers a member may have waited for what this one had claimed and has received. */
    if (returned || qr_ends_over(&ch->producers))
        qr_wake_group(ch, rx->group, 1);
    qr_freed(ch, ch->view.live);
    free(rx);
    (void)qr_channel_unref(ch);
}
