/* SPDX-License-Identifier: MIT */
/* A channel in the caller's event loop. */
#include <lib/commit.h>
#include <lib/keeper.h>
#include <quire/loop.h>

static int check(struct quire *ch)
{
    if (!ch)
        return QUIRE_EINVAL;
    return ch->view.read_only ? QUIRE_ERDONLY : qr_forked(ch);
}

int quire_fd(quire_t *ch)
{
    int rc = check(ch);
    return rc != 0 ? rc : qr_keeper_fd(ch);
}

int quire_dispatch(quire_t *ch)
{
    int n = check(ch);
    if (n != 0)
        return n;
    qr_channel_ref(ch); /* closed meanwhile, it is taken apart when this has ended */
    n = ch->caller_keeps ? qr_keeper_dispatch(ch) : qr_keeper_fd_clear(ch);
    if (n >= 0 && qr_poisoned(ch))
        n = QUIRE_EPOISONED;
    (void)qr_channel_unref(ch);
    return n;
}
