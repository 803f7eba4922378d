/* SPDX-License-Identifier: MIT */
/* A channel in a loop of libevent: one persistent event for each of its two descriptors. */
#include "example.h"
#include <errno.h>
#include <event2/event.h>

struct loop {
    struct event_base *base;
    struct example *example;
    int result;
};

static void go_on(struct loop *loop, int rc)
{
    if (rc != 0)
        loop->result = rc;
    if (rc != 0 || example_is_done(loop->example))
        event_base_loopbreak(loop->base);
}

static void on_engine(evutil_socket_t fd, short what, void *argument)
{
    struct loop *loop = argument;

    (void)fd;
    (void)what;
    go_on(loop, example_dispatch(loop->example));
}

static void on_messages(evutil_socket_t fd, short what, void *argument)
{
    struct loop *loop = argument;

    (void)fd;
    (void)what;
    go_on(loop, example_receive(loop->example));
}

static int run(struct example *example)
{
    struct loop loop = {.base = event_base_new(), .example = example, .result = -ENOMEM};
    struct event *engine = NULL, *messages = NULL;

    if (!loop.base)
        return -ENOMEM;
    engine = event_new(loop.base, example->fd, EV_READ | EV_PERSIST, on_engine, &loop);
    messages = event_new(loop.base, example->rx_fd, EV_READ | EV_PERSIST, on_messages, &loop);
    if (engine && messages && event_add(engine, NULL) == 0 && event_add(messages, NULL) == 0) {
        loop.result = 0;
        event_base_dispatch(loop.base);
    }
    /* The events end before the channel is closed: the descriptors are the channel's. */
    if (messages)
        event_free(messages);
    if (engine)
        event_free(engine);
    event_base_free(loop.base);
    return loop.result;
}

int main(void)
{
    struct example example;
    int rc = example_begin(&example, QUIRE_DURABLE_INTERVAL);

    if (rc == 0)
        rc = run(&example);
    return example_end(&example, rc);
}
