/* SPDX-License-Identifier: MIT */
/*
 * A channel in a program that has an io_uring of its own: a poll operation on each of the two
 * descriptors. The channel's engine may be another ring, or threads; it makes no difference here.
 */
#include "example.h"
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>

enum watched { ENGINE, MESSAGES };

/* A poll is told once. Made anew after the handler has run, it completes at once when the
 * descriptor is still readable, so nothing is missed. */
static int watch(struct io_uring *ring, const struct example *example, enum watched which)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_poll_add(sqe, which == ENGINE ? example->fd : example->rx_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, which);
    return 0;
}

/* One completion: its handler, and the next poll. */
static int handle(struct io_uring *ring, struct example *example, const struct io_uring_cqe *cqe)
{
    enum watched which = (enum watched)io_uring_cqe_get_data64(cqe);
    int rc = cqe->res < 0 ? cqe->res : 0;

    if (rc == 0)
        rc = which == ENGINE ? example_dispatch(example) : example_receive(example);
    return rc == 0 ? watch(ring, example, which) : rc;
}

static int loop(struct io_uring *ring, struct example *example)
{
    struct io_uring_cqe *cqe;
    int rc = watch(ring, example, ENGINE);

    if (rc == 0)
        rc = watch(ring, example, MESSAGES);
    while (rc == 0 && !example_is_done(example)) {
        rc = io_uring_submit_and_wait(ring, 1);
        rc = rc < 0 && rc != -EINTR ? rc : 0;
        while (rc == 0 && io_uring_peek_cqe(ring, &cqe) == 0) {
            rc = handle(ring, example, cqe);
            io_uring_cqe_seen(ring, cqe);
        }
    }
    return rc;
}

int main(void)
{
    struct example example;
    struct io_uring ring;
    int rc = io_uring_queue_init(8, &ring, 0);

    if (rc < 0) {
        printf("io_uring is refused here: %s\n", quire_strerror(rc));
        return 77;
    }
    rc = example_begin(&example, QUIRE_DURABLE_INTERVAL);
    if (rc == 0)
        rc = loop(&ring, &example);
    /* The polls end before the channel is closed: the descriptors are the channel's. */
    io_uring_queue_exit(&ring);
    return example_end(&example, rc);
}
