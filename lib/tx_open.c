/* SPDX-License-Identifier: MIT */
/* Producer handles: opened, shut, told of the end, closed. */
#include <errno.h>
#include <lib/channel.h>
#include <lib/commit.h>
#include <lib/copy.h>
#include <lib/ends.h>
#include <lib/handles.h>
#include <lib/pace.h>
#include <lib/tx.h>
#include <lib/wait.h>
#include <stdlib.h>
#include <string.h>

static int check_options(const struct quire_tx_options *o)
{
    if (!o)
        return 0;
    if (o->size != sizeof(*o) || o->wait > QUIRE_WAIT_BUSY ||
        (o->flags & ~(uint32_t)QUIRE_TX_ENDS) != 0 || o->reserved0 != 0)
        return QUIRE_EINVAL;
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i] != 0)
            return QUIRE_EINVAL;
    return 0;
}

/* Opens the handle's fast way. */
static void admit(struct quire_tx *tx)
{
    int paced = tx->sync_mask != UINT64_MAX;
    /* relaxed, both: as in qr_tx_shut. */
    qr_store_relaxed(&tx->fast_limit, paced ? 0 : tx->limit);
    qr_store_relaxed(&tx->paced_limit, paced ? tx->limit : 0);
    qr_store_relaxed(&tx->large_limit, tx->large); /* relaxed: the same */
}

static struct quire_tx *tx_new(struct quire *ch, const struct quire_tx_options *options)
{
    struct quire_tx *tx = aligned_alloc(QR_LINE, qr_round_up(sizeof(*tx), QR_LINE));
    if (!tx)
        return NULL;
    memset(tx, 0, sizeof(*tx));
    int plain = !ch->checksum && !ch->fence && !ch->bound && ch->durability != QUIRE_DURABLE_EACH;
    uint64_t room = ch->capacity_units * 8 - sizeof(struct qr_record);
    tx->channel = ch;
    tx->live = ch->view.live;
    tx->max_messages = ch->max_messages;
    tx->capacity_units = ch->capacity_units;
    tx->sync_mask = qr_pace_mask(ch);
    tx->checksum = ch->checksum;
    tx->position = QR_POSITION_NONE;
    tx->wait = options && options->wait ? options->wait : ch->wait;
    tx->ends = options && (options->flags & QUIRE_TX_ENDS) != 0;
    tx->limit = !plain ? 0 : (room < QR_COPY_INLINE_MAX ? room : QR_COPY_INLINE_MAX) + 1;
    uint64_t add_max = ch->units_add_max * 8 - sizeof(struct qr_record);
    tx->large = !plain ? 0 : (room < add_max ? room : add_max) + 1;
    admit(tx);
    return tx;
}

void qr_tx_shut_all(struct quire *ch)
{
    pthread_mutex_lock(&ch->tx_lock);
    for (uint32_t i = 0; i < QR_HANDLES; i++)
        if (ch->tx[i])
            qr_tx_shut(ch->tx[i]);
    pthread_mutex_unlock(&ch->tx_lock);
}

void qr_tx_ends(struct quire *ch)
{
    int over = qr_ends_over(&ch->consumers);
    pthread_mutex_lock(&ch->tx_lock);
    /* Who closes or poisons the channel says so before it shuts the handles, under this lock. */
    int stays_shut = qr_closed(ch) || qr_poisoned(ch);
    for (uint32_t i = 0; i < QR_HANDLES; i++) {
        struct quire_tx *tx = ch->tx[i];
        if (!tx || !tx->ends)
            continue;
        if (over)
            qr_tx_shut(tx);
        else if (!stays_shut)
            admit(tx);
    }
    pthread_mutex_unlock(&ch->tx_lock);
}

static void list(struct quire *ch, uint32_t index, struct quire_tx *tx)
{
    pthread_mutex_lock(&ch->tx_lock);
    ch->tx[index] = tx;
    pthread_mutex_unlock(&ch->tx_lock);
}

int quire_tx_open(quire_t *ch, const struct quire_tx_options *options, quire_tx_t **out)
{
    if (!ch || !out)
        return QUIRE_EINVAL;
    *out = NULL;
    if (check_options(options) != 0)
        return QUIRE_EINVAL;
    if (ch->view.read_only)
        return QUIRE_ERDONLY;
    if (qr_forked(ch) != 0)
        return QUIRE_EFORKED;
    struct quire_tx *tx = tx_new(ch, options);
    if (!tx)
        return -ENOMEM;
    pthread_mutex_lock(&ch->lock);
    int index = qr_closed(ch) ? QUIRE_CLOSED : qr_handle_take(ch);
    if (index >= 0) {
        tx->index = (uint32_t)index;
        list(ch, tx->index, tx);
        qr_handle_publish(ch, tx->index, QR_HANDLE_TX);
        if (qr_poisoned(ch) || qr_tx_ended(tx))
            qr_tx_shut(tx);
        qr_ends_enter(&ch->producers);
        qr_channel_ref(ch);
    }
    pthread_mutex_unlock(&ch->lock);
    if (index < 0) {
        free(tx);
        return index;
    }
    *out = tx;
    return 0;
}

void quire_tx_close(quire_tx_t *tx)
{
    if (!tx)
        return;
    struct quire *ch = tx->channel;
    if (qr_forked(ch) != 0)
        return; /* the line and the claim are the parent's */
    if (tx->reserved)
        (void)quire_tx_abort(tx);
    pthread_mutex_lock(&ch->lock);
    list(ch, tx->index, NULL);
    qr_handle_free(ch, tx->index);
    int last = qr_ends_leave(&ch->producers);
    pthread_mutex_unlock(&ch->lock);
    free(tx);
    if (last)
        qr_wake_consumers(ch); /* all of them: each may have been waiting for just this */
    (void)qr_channel_unref(ch);
}
