/* SPDX-License-Identifier: MIT */
/*
 * A channel in a loop around epoll. Messages become durable by themselves, within the channel's
 * sync_delay_ns; the loop sees it when quire_fd was readable and quire_dispatch was called.
 */
#include "example.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int loop(struct example *example, int epoll)
{
    struct epoll_event events[2];
    int rc = 0;

    while (rc == 0 && !example_is_done(example)) {
        int n = epoll_wait(epoll, events, 2, -1);
        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n && rc == 0; i++)
            rc = events[i].data.fd == example->fd ? example_dispatch(example)
                                                  : example_receive(example);
    }
    return rc;
}

int main(void)
{
    struct example example;
    int epoll = -1;
    int rc = example_begin(&example, QUIRE_DURABLE_INTERVAL);

    if (rc == 0)
        rc = epoll = epoll_create1(EPOLL_CLOEXEC);
    if (rc >= 0)
        rc = watch(epoll, example.fd);
    if (rc == 0)
        rc = watch(epoll, example.rx_fd);
    if (rc == 0)
        rc = loop(&example, epoll);
    if (epoll >= 0)
        close(epoll);
    return example_end(&example, rc);
}
