/* SPDX-License-Identifier: MIT */
/* The consumer's descriptor: a sleeper that sleeps somewhere else. */
#include <lib/due.h>
#include <lib/rx.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <quire/loop.h>
#include <sys/eventfd.h>

int quire_rx_fd(quire_rx_t *rx)
{
    if (!rx)
        return QUIRE_EINVAL;
    if (rx->bell.fd >= 0)
        return rx->bell.fd;
    int fd = qr_io_eventfd();
    if (fd >= 0) {
        (void)eventfd_write(fd, 1); /* nobody has looked yet */
        rx->bell.fd = fd;
    }
    return fd;
}

int qr_rx_arm(struct quire_rx *rx)
{
    if (qr_bell_is_armed(&rx->group->bells, &rx->bell))
        return 0;
    /* Who sleeps for a hole may have been woken for what lies behind it. */
    if (qr_run_held(rx))
        qr_run_pass_on(rx);
    qr_sleep_bell(rx->channel, rx->group, &rx->bell);
    if (qr_group_acks(rx->group))
        qr_due_ask(rx->channel, rx->group);
    return 1;
}

/*
 * What was found may have more behind it, whose publishers saw nobody asleep and will not ring: a
 * loop that stops here must find the descriptor readable.
 */
void qr_rx_disarm(struct quire_rx *rx)
{
    qr_sleep_bell_cancel(rx->group, &rx->bell);
    (void)eventfd_write(rx->bell.fd, 1); /* readable already when it was rung meanwhile */
}

void qr_rx_fd_close(struct quire_rx *rx)
{
    if (rx->bell.fd < 0)
        return;
    qr_sleep_bell_cancel(rx->group, &rx->bell);
    qr_io_close(rx->bell.fd);
    rx->bell.fd = -1;
}
