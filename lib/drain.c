/* SPDX-License-Identifier: MIT */
/*
 * What is left when a channel is shut down. Nobody tells: receiving has no time for it, so this
 * looks again and again, more and more seldom.
 */
#include <lib/commit.h>
#include <lib/handles.h>
#include <lib/left.h>
#include <lib/wait.h>
#include <quire/drain.h>
#include <string.h>

#define REST_MIN_NS 100000u
#define REST_MAX_NS 10000000u

/* What was there when the call was made. */
struct drain {
    uint64_t until;  /* position behind the last claim */
    uint32_t groups; /* the first so many of the list */
    int durable;     /* it has to be */
};

static int lags(struct quire *ch, const struct drain *d)
{
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < d->groups; i++)
        if (qr_group_left(ch, list->group[i], d->until, 1, QR_OWNER_NOBODY) > 0)
            return 1;
    return 0;
}

static uint32_t borrowing(struct quire *ch)
{
    uint32_t n = 0;
    uint32_t high = qr_load_acquire(&ch->view.live->handles_high); /* [A7 line] pairs with R7 */
    for (uint32_t i = 0; i < high && i < QR_HANDLES; i++) {
        struct qr_handle *line = qr_handle(ch, i);
        /* [A7 line] pairs with R7, [A19 stand] with R19. */
        n += qr_handle_state_of(qr_load_acquire(&line->state)) == QR_HANDLE_RX &&
             qr_load_acquire(&line->stand) != 0;
    }
    return n;
}

/* Fills *left but for unsynced, which the caller knows. */
static void account(struct quire *ch, const struct drain *d, struct quire_left *left)
{
    struct qr_group_list *list = qr_groups(ch);
    memset(left, 0, sizeof(*left));
    for (uint32_t i = 0; i < d->groups; i++) {
        struct qr_group *group = list->group[i];
        uint64_t n = qr_group_left(ch, group, d->until, UINT64_MAX, QR_OWNER_NOBODY);
        left->groups += n > 0;
        if (n <= left->messages)
            continue;
        left->messages = n;
        memcpy(left->group, group->name, sizeof(left->group));
    }
    left->borrowing = borrowing(ch);
}

/* 0; QUIRE_TIMEDOUT: not durable; or why it cannot be. */
static int settle(struct quire *ch, const struct drain *d, uint64_t deadline_ns)
{
    if (!d->durable)
        return 0;
    if (deadline_ns != 0)
        return qr_commit_wait(ch, qr_commit_covering(ch), deadline_ns);
    if (qr_poisoned(ch))
        return QUIRE_EPOISONED;
    return qr_commit_idle(ch) ? 0 : QUIRE_TIMEDOUT;
}

/* Waits for the groups. 0, also when the deadline has passed; QUIRE_CLOSED. */
static int await(struct quire *ch, const struct drain *d, uint64_t deadline_ns)
{
    uint64_t rest_ns = REST_MIN_NS;
    while (deadline_ns != 0 && lags(ch, d)) {
        uint64_t now = qr_now();
        if (qr_closed(ch))
            return QUIRE_CLOSED;
        if (now >= deadline_ns)
            return 0;
        uint64_t until = deadline_ns - now < rest_ns ? deadline_ns : now + rest_ns;
        qr_wait_futex(&ch->closed, 0, until);
        rest_ns = rest_ns * 2 < REST_MAX_NS ? rest_ns * 2 : REST_MAX_NS;
    }
    return 0;
}

static int drain(struct quire *ch, uint64_t deadline_ns, struct quire_left *left)
{
    struct quire_left unwanted;
    struct drain d;
    left = left ? left : &unwanted;
    d.until = qr_claims_end(ch);
    d.groups = qr_group_count(ch);
    d.durable = ch->commit && ch->durability != QUIRE_DURABLE_NONE;
    int settled = settle(ch, &d, deadline_ns);
    int rc = await(ch, &d, deadline_ns);
    account(ch, &d, left);
    left->unsynced = settled != 0;
    if (rc == 0)
        rc = settled;
    return rc == 0 && left->groups > 0 ? QUIRE_TIMEDOUT : rc;
}

int quire_drain(quire_t *ch, uint64_t deadline_ns, struct quire_left *left)
{
    if (!ch)
        return QUIRE_EINVAL;
    if (ch->view.read_only)
        return QUIRE_ERDONLY;
    if (qr_forked(ch) != 0)
        return QUIRE_EFORKED;
    qr_channel_ref(ch); /* closed meanwhile, it is taken apart when this has ended */
    int rc = drain(ch, deadline_ns, left);
    (void)qr_channel_unref(ch);
    return rc;
}
