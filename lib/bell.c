/* SPDX-License-Identifier: MIT */
#include <lib/bell.h>
#include <sys/eventfd.h>

void qr_bells_init(struct qr_bells *bells)
{
    pthread_mutex_init(&bells->lock, NULL);
}

void qr_bells_free(struct qr_bells *bells)
{
    pthread_mutex_destroy(&bells->lock);
}

void qr_bell_arm(struct qr_bells *bells, struct qr_bell *bell)
{
    eventfd_t count;
    pthread_mutex_lock(&bells->lock);
    if (!bell->armed) {
        (void)eventfd_read(bell->fd, &count); /* empty: it was not readable */
        bell->armed = 1;
        bell->next = bells->first;
        bells->first = bell;
        qr_add_relaxed(&bells->armed, 1u); /* relaxed: the sleeper's fence comes after */
    }
    pthread_mutex_unlock(&bells->lock);
}

int qr_bell_is_armed(struct qr_bells *bells, struct qr_bell *bell)
{
    pthread_mutex_lock(&bells->lock);
    int armed = bell->armed;
    pthread_mutex_unlock(&bells->lock);
    return armed;
}

int qr_bell_disarm(struct qr_bells *bells, struct qr_bell *bell)
{
    pthread_mutex_lock(&bells->lock);
    int armed = bell->armed;
    for (struct qr_bell **at = &bells->first; armed && *at; at = &(*at)->next) {
        if (*at != bell)
            continue;
        *at = bell->next;
        qr_sub_relaxed(&bells->armed, 1u); /* relaxed: under the lock */
        break;
    }
    bell->armed = 0;
    pthread_mutex_unlock(&bells->lock);
    return armed;
}

void qr_bell_tell(struct qr_bells *bells, struct qr_bell *bell, qr_atomic_u32 *told)
{
    pthread_mutex_lock(&bells->lock);
    bell->told = told;
    pthread_mutex_unlock(&bells->lock);
}

uint32_t qr_bells_ring(struct qr_bells *bells)
{
    uint32_t n = 0;
    /* relaxed: who looks has seen the sleepers' count, which is raised before a bell is armed; a
     * bell that is armed after this look belongs to a consumer that looks after its fence. */
    if (qr_load_relaxed(&bells->armed) == 0)
        return 0;
    pthread_mutex_lock(&bells->lock);
    while (bells->first) {
        struct qr_bell *bell = bells->first;
        bells->first = bell->next;
        bell->armed = 0;
        (void)eventfd_write(bell->fd, 1); /* from 0 to 1: cannot fail */
        if (bell->told)
            qr_or_acq_rel(bell->told, 1u); /* [R47 rung] pairs with A47 */
        n++;
    }
    qr_store_relaxed(&bells->armed, 0u); /* relaxed: under the lock */
    pthread_mutex_unlock(&bells->lock);
    return n;
}
