/* SPDX-License-Identifier: MIT */
/* The public face of durability. */
#include <lib/commit.h>
#include <lib/keeper.h>
#include <quire/sync.h>

/* May this channel be made durable from here? */
static int check(struct quire *ch)
{
    if (!ch)
        return QUIRE_EINVAL;
    if (!ch->view.directory_backed)
        return QUIRE_ENODISK;
    if (ch->view.read_only)
        return QUIRE_ERDONLY;
    return qr_forked(ch);
}

int quire_sync(quire_t *ch, uint64_t position, uint64_t deadline_ns)
{
    int rc = check(ch);
    if (rc != 0 || position < quire_durable_position(ch))
        return rc;
    qr_channel_ref(ch); /* closed meanwhile, it is taken apart when this has ended */
    rc = qr_commit_wait(ch, qr_commit_covering(ch), deadline_ns);
    (void)qr_channel_unref(ch);
    return rc;
}

int quire_sync_start(quire_t *ch)
{
    int rc = check(ch);
    if (rc == 0)
        rc = qr_keeper_start(ch);
    if (rc != 0)
        return rc;
    if (qr_poisoned(ch))
        return QUIRE_EPOISONED;
    qr_keeper_want(ch, QR_WANT_COMMIT);
    if (!qr_keeper_runs(ch))
        qr_keeper_drive(ch); /* on its way now, not when the loop comes round */
    return 0;
}

uint64_t quire_durable_position(const quire_t *ch)
{
    /* [A10 tail] pairs with R10 of qr_raise: a commit that covers all before it has succeeded. */
    return qr_load_acquire(&ch->view.live->durable_position);
}
