/* SPDX-License-Identifier: MIT */
/*
 * A channel in a loop around poll(). Here the program itself says when messages are to be made
 * durable: quire_sync_start asks for it, and quire_fd becomes readable when it is done.
 */
#include "example.h"
#include <errno.h>
#include <poll.h>

/* Asks once, when the last message has been received. */
static int ask(struct example *example, int *asked)
{
    if (*asked || !example_received_all(example))
        return 0;
    *asked = 1;
    return quire_sync_start(example->channel);
}

static int loop(struct example *example)
{
    struct pollfd watched[] = {
        {.fd = example->fd, .events = POLLIN},
        {.fd = example->rx_fd, .events = POLLIN},
    };
    int asked = 0;

    while (!example_is_done(example)) {
        int rc = 0;
        if (poll(watched, 2, -1) < 0) {
            if (errno != EINTR)
                return -errno;
            continue;
        }
        if (watched[0].revents)
            rc = example_dispatch(example);
        if (rc == 0 && watched[1].revents)
            rc = example_receive(example);
        if (rc == 0)
            rc = ask(example, &asked);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int main(void)
{
    struct example example;
    int rc = example_begin(&example, QUIRE_DURABLE_NONE);

    if (rc == 0)
        rc = loop(&example);
    return example_end(&example, rc);
}
