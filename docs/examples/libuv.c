/* SPDX-License-Identifier: MIT */
/* A channel in a loop of libuv: one uv_poll_t for each of its two descriptors. */
#include "example.h"
#include <uv.h>

struct watch {
    uv_poll_t poll; /* its data: the watch */
    struct example *example;
    int (*on_readable)(struct example *example);
    int *result;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int rc = status; /* libuv's codes are -errno too */

    (void)events;
    if (rc == 0)
        rc = watch->on_readable(watch->example);
    if (rc != 0)
        *watch->result = rc;
    if (rc != 0 || example_is_done(watch->example))
        uv_stop(poll->loop);
}

static int start(uv_loop_t *loop, struct watch *watch, int fd)
{
    int rc = uv_poll_init(loop, &watch->poll, fd);

    watch->poll.data = watch;
    return rc != 0 ? rc : uv_poll_start(&watch->poll, UV_READABLE, on_poll);
}

static void close_handle(uv_handle_t *handle, void *argument)
{
    (void)argument;
    uv_close(handle, NULL);
}

static int run(struct example *example)
{
    int result = 0;
    struct watch engine = {.example = example, .on_readable = example_dispatch, .result = &result};
    struct watch messages = {.example = example, .on_readable = example_receive, .result = &result};
    uv_loop_t loop;
    int rc = uv_loop_init(&loop);

    if (rc != 0)
        return rc;
    rc = start(&loop, &engine, example->fd);
    if (rc == 0)
        rc = start(&loop, &messages, example->rx_fd);
    if (rc == 0)
        uv_run(&loop, UV_RUN_DEFAULT);
    /* The watches end before the channel is closed: the descriptors are the channel's. */
    uv_walk(&loop, close_handle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc != 0 ? rc : result;
}

int main(void)
{
    struct example example;
    int rc = example_begin(&example, QUIRE_DURABLE_INTERVAL);

    if (rc == 0)
        rc = run(&example);
    return example_end(&example, rc);
}
