/* SPDX-License-Identifier: MIT */
/* What a round trip between two threads takes with nothing in between. */
#include <benches/peers/reference.h>
#include <errno.h>
#include <linux/futex.h>
#include <pages/base/atomic.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct court {
    _Alignas(128) qr_atomic_u32 there;
    _Alignas(128) qr_atomic_u32 back;
    int pinned;
    int sleeps;
    uint32_t count;
    int rc; /* of the other thread */
};

static void hit(struct court *court, qr_atomic_u32 *line, uint32_t ball)
{
    qr_store_release(line, ball); /* pairs with the acquire in miss */
    if (court->sleeps)
        syscall(SYS_futex, line, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Waits until the ball is there. */
static void miss(struct court *court, qr_atomic_u32 *line, uint32_t ball)
{
    uint32_t seen;

    while ((seen = qr_load_acquire(line)) != ball) { /* pairs with the release in hit */
        if (court->sleeps)
            syscall(SYS_futex, line, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        else
            peer_pause(PEER_BUSY);
    }
}

static void *give_back(void *argument)
{
    struct court *court = argument;

    if (court->pinned)
        court->rc = peer_pin(1);
    for (uint32_t i = 1; i <= court->count; i++) {
        miss(court, &court->there, i);
        hit(court, &court->back, i);
    }
    return NULL;
}

static int trips(const struct peer_run *run, int sleeps, uint64_t *ns, size_t count)
{
    static struct court court;
    pthread_t thread;

    qr_store_relaxed(&court.there, 0); /* nobody else is here yet */
    qr_store_relaxed(&court.back, 0);
    court.rc = 0;
    court.pinned = run->pinned;
    court.sleeps = sleeps;
    court.count = (uint32_t)count;
    if (court.pinned && peer_pin(0) != 0)
        return -EINVAL;
    int error = pthread_create(&thread, NULL, give_back, &court);
    if (error != 0)
        return peer_fail("pthread_create", -error);
    for (uint32_t i = 1; i <= count; i++) {
        uint64_t begin = peer_now_ns();
        hit(&court, &court.there, i);
        miss(&court, &court.back, i);
        ns[i - 1] = peer_now_ns() - begin;
    }
    pthread_join(thread, NULL);
    return court.rc;
}

int line_trips(const struct peer_run *run, uint64_t *ns, size_t count)
{
    return trips(run, 0, ns, count);
}

int futex_trips(const struct peer_run *run, uint64_t *ns, size_t count)
{
    return trips(run, 1, ns, count);
}
