/* SPDX-License-Identifier: MIT */
/*
 * Sets of consumer handles. A handle's bell is armed by a receive that found nothing (rx_fd.c), and
 * its descriptor is readable exactly while the bell is not armed. From this the set's two lists:
 *
 *   asleep   was seen armed; when it is rung its descriptor is readable, which epoll says, and
 *            rung is set, so that epoll need not be asked while others keep the caller busy
 *   ready    all others: reported in turn, and never waited for, until they are seen armed
 *
 * So nothing is lost between the two: who is not seen armed is reported, who was is in the epoll,
 * level-triggered.
 */
#include <errno.h>
#include <lib/select.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MIN 16u

struct quire_set {
    struct qr_member ready, asleep; /* heads of circular lists: nothing else in them is used */
    struct epoll_event *events;
    uint32_t members;
    uint32_t capacity; /* of events: never fewer than members, or some could hide another */
    int epoll;
    pid_t pid;          /* of the process that made it: a child shares the epoll */
    qr_atomic_u32 rung; /* 1: one that is asleep may have been rung */
};

static void append(struct qr_member *head, struct qr_member *m)
{
    m->next = head;
    m->prev = head->prev;
    m->prev->next = m;
    head->prev = m;
}

static void move(struct qr_member *head, struct qr_member *m)
{
    m->prev->next = m->next;
    m->next->prev = m->prev;
    append(head, m);
}

/* Room for the events of one member more. */
static int grow(struct quire_set *set)
{
    if (set->members < set->capacity)
        return 0;
    uint32_t capacity = set->capacity > 0 ? 2 * set->capacity : EVENTS_MIN;
    struct epoll_event *events = qr_io_zalloc(capacity * sizeof(*events));
    if (!events)
        return -ENOMEM;
    free(set->events); /* nothing is kept in it between two calls */
    set->events = events;
    set->capacity = capacity;
    return 0;
}

int quire_set_new(quire_set_t **out)
{
    if (!out)
        return QUIRE_EINVAL;
    *out = NULL;
    struct quire_set *set = qr_io_zalloc(sizeof(*set));
    if (!set)
        return -ENOMEM;
    int rc = grow(set);
    if (rc == 0)
        rc = set->epoll = qr_io_epoll();
    if (rc < 0) {
        free(set->events);
        free(set);
        return rc;
    }
    set->pid = getpid();
    set->ready.next = set->ready.prev = &set->ready;
    set->asleep.next = set->asleep.prev = &set->asleep;
    *out = set;
    return 0;
}

static int forked(const struct quire_set *set)
{
    return set->pid == getpid() ? 0 : QUIRE_EFORKED;
}

/* The handle is in no set from here on; lists and epoll are another matter. */
static void release(struct qr_member *m)
{
    qr_bell_tell(&m->rx->group->bells, &m->rx->bell, NULL);
    m->rx->member = NULL;
    free(m);
}

static void forget(struct qr_member *m)
{
    m->prev->next = m->next;
    m->next->prev = m->prev;
    m->set->members--;
    release(m);
}

static void release_all(struct qr_member *head)
{
    for (struct qr_member *m = head->next, *next; m != head; m = next) {
        next = m->next;
        release(m);
    }
}

void quire_set_free(quire_set_t *set)
{
    if (!set || forked(set))
        return; /* the handles are the parent's */
    release_all(&set->ready);
    release_all(&set->asleep);
    qr_io_close(set->epoll);
    free(set->events);
    free(set);
}

static int add(struct quire_set *set, struct quire_rx *rx, void *user)
{
    int rc = grow(set);
    if (rc != 0)
        return rc;
    struct qr_member *m = qr_io_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->set = set;
    m->rx = rx;
    m->user = user;
    rc = qr_io_epoll_add(set->epoll, rx->bell.fd, m);
    if (rc < 0) {
        free(m);
        return rc;
    }
    append(&set->ready, m);
    set->members++;
    rx->member = m;
    qr_bell_tell(&rx->group->bells, &rx->bell, &set->rung);
    return 0;
}

int quire_set_add(quire_set_t *set, quire_rx_t *rx, void *user)
{
    if (!set || !rx)
        return QUIRE_EINVAL;
    if (rx->member)
        return QUIRE_EEXIST;
    int rc = forked(set);
    if (rc == 0)
        rc = qr_forked(rx->channel);
    if (rc != 0)
        return rc;
    int had = rx->bell.fd >= 0;
    rc = quire_rx_fd(rx);
    if (rc < 0)
        return rc;
    rc = add(set, rx, user);
    if (rc != 0 && !had)
        qr_rx_fd_close(rx);
    return rc;
}

int quire_set_remove(quire_set_t *set, quire_rx_t *rx)
{
    if (!set || !rx)
        return QUIRE_EINVAL;
    if (!rx->member || rx->member->set != set)
        return QUIRE_ENOENT;
    int rc = forked(set);
    if (rc == 0)
        rc = qr_io_epoll_remove(set->epoll, rx->bell.fd);
    if (rc == 0)
        forget(rx->member);
    return rc;
}

void qr_member_drop(struct qr_member *m)
{
    /* Should it fail, the end of the descriptor, which is next, does the same. */
    (void)qr_io_epoll_remove(m->set->epoll, m->rx->bell.fd);
    forget(m);
}

/* Asks the epoll who was rung: how many descriptors are readable, or -errno. */
static int gather(struct quire_set *set, uint64_t timeout_ns)
{
    /* [A47 rung] pairs with R47: the bells' descriptors are readable. Before the epoll is asked:
     * who rings after this says so again. */
    (void)qr_exchange_acq_rel(&set->rung, 0u);
    int n = qr_io_epoll_wait(set->epoll, set->events, (int)set->capacity, timeout_ns);
    if (n < 0)
        qr_store_relaxed(&set->rung, 1u); /* relaxed: for this thread, which has seen it */
    for (int i = 0; i < n; i++) {
        struct qr_member *m = set->events[i].data.ptr;
        if (m->asleep) {
            m->asleep = 0;
            move(&set->ready, m);
        }
    }
    return n;
}

/* With a run in hand a handle has something whatever its bell says. */
static int is_asleep(struct quire_rx *rx)
{
    return rx->next >= rx->ready && qr_bell_is_armed(&rx->group->bells, &rx->bell);
}

/* Reports who is ready, each once, beginning with who was reported longest ago. */
static long report(struct quire_set *set, struct quire_ready *ready, size_t count)
{
    size_t n = 0;
    struct qr_member *m, *first = NULL;
    while (n < count && (m = set->ready.next) != &set->ready && m != first) {
        if (is_asleep(m->rx)) {
            m->asleep = 1;
            move(&set->asleep, m);
            continue;
        }
        if (!first)
            first = m;
        ready[n].rx = m->rx;
        ready[n++].user = m->user;
        move(&set->ready, m);
    }
    return (long)n;
}

/* Sleeps until somebody is rung. 0: look again; else what to return. */
static int sleep_until(struct quire_set *set, uint64_t deadline_ns)
{
    uint64_t timeout_ns = deadline_ns;
    if (deadline_ns != 0 && deadline_ns != QUIRE_FOREVER) {
        uint64_t now = qr_now();
        timeout_ns = deadline_ns > now ? deadline_ns - now : 0;
    }
    int n = gather(set, timeout_ns);
    if (n == -EINTR)
        return 0;
    if (n != 0)
        return n < 0 ? n : 0;
    if (timeout_ns == 0)
        return deadline_ns == 0 ? QUIRE_EAGAIN : QUIRE_TIMEDOUT;
    return 0;
}

long quire_set_wait(quire_set_t *set, struct quire_ready *ready, size_t count, uint64_t deadline_ns)
{
    if (!set || !ready || count == 0)
        return QUIRE_EINVAL;
    if (set->members == 0)
        return QUIRE_ENOENT;
    for (;;) {
        /* relaxed: a hint; the exchange orders what follows, and who sleeps asks anyway. */
        int rc = qr_load_relaxed(&set->rung) ? gather(set, 0) : 0;
        long n = rc < 0 && rc != -EINTR ? rc : report(set, ready, count);
        if (n != 0)
            return n;
        rc = sleep_until(set, deadline_ns);
        if (rc != 0)
            return rc;
    }
}

int quire_set_fd(quire_set_t *set)
{
    return set ? set->epoll : QUIRE_EINVAL;
}
