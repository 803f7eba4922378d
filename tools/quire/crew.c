/* SPDX-License-Identifier: MIT */
/* Threads of demo and bench: start, counting, end. */
#include <tools/quire/crew.h>

#include <errno.h>
#include <quire/error.h>
#include <stdio.h>
#include <tools/quire/clock.h>
#include <tools/quire/signals.h>

#define STALL_NS (30 * CLI_SECOND)
#define LOOK_NS  (50 * CLI_MS)

int cli_crew_init(struct cli_crew *crew, const uint64_t *want, size_t groups)
{
    pthread_condattr_t attributes;
    *crew = (struct cli_crew){.groups = groups};
    for (size_t g = 0; g < groups; g++)
        crew->want[g] = want[g];
    int error = pthread_condattr_init(&attributes);
    if (error != 0)
        return -error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(&crew->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (error != 0)
        return -error;
    error = pthread_mutex_init(&crew->lock, NULL);
    if (error != 0)
        pthread_cond_destroy(&crew->changed);
    return -error;
}

void cli_crew_destroy(struct cli_crew *crew)
{
    pthread_mutex_destroy(&crew->lock);
    pthread_cond_destroy(&crew->changed);
}

int cli_crew_thread(struct cli_crew *crew, pthread_t *thread, void *(*run)(void *), void *argument)
{
    int error = pthread_create(thread, NULL, run, argument);
    if (error == 0)
        crew->threads++; /* the main thread's alone */
    return -error;
}

int cli_crew_gate(struct cli_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->ready++;
    pthread_cond_broadcast(&crew->changed);
    while (!crew->go)
        pthread_cond_wait(&crew->changed, &crew->lock);
    int work = !crew->stop;
    pthread_mutex_unlock(&crew->lock);
    return work;
}

void cli_crew_fail(struct cli_crew *crew, const char *what, int code)
{
    pthread_mutex_lock(&crew->lock);
    if (crew->code == 0) {
        crew->code = code;
        snprintf(crew->what, sizeof(crew->what), "%s", what);
    }
    crew->stop = 1;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

int cli_crew_report(struct cli_crew *crew, size_t group, uint64_t messages)
{
    pthread_mutex_lock(&crew->lock);
    crew->got[group] += messages;
    crew->reports += messages > 0;
    int end = crew->stop || crew->got[group] >= crew->want[group];
    if (end)
        pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return end;
}

void cli_crew_start(struct cli_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    /* Even after a failure: nobody may still be opening handles when the channel is closed. */
    while (crew->ready < crew->threads)
        pthread_cond_wait(&crew->changed, &crew->lock);
    crew->started_ns = cli_now();
    crew->go = 1;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

static int complete(const struct cli_crew *crew)
{
    for (size_t g = 0; g < crew->groups; g++) {
        if (crew->got[g] < crew->want[g])
            return 0;
    }
    return 1;
}

/* Waits for a change, at most until it is time to look at signals and the clock again. */
static void wait_change(struct cli_crew *crew)
{
    uint64_t until = cli_now() + LOOK_NS;
    struct timespec time = {.tv_sec = (time_t)(until / CLI_SECOND),
                            .tv_nsec = (long)(until % CLI_SECOND)};
    pthread_cond_timedwait(&crew->changed, &crew->lock, &time);
}

int cli_crew_watch(struct cli_crew *crew, struct cli_progress *progress)
{
    uint64_t moved_ns = cli_now(), reports = 0;
    int code = 0;
    pthread_mutex_lock(&crew->lock);
    while (code == 0 && !complete(crew)) {
        wait_change(crew);
        uint64_t now = cli_now(), got = crew->got[0];
        if (crew->reports != reports) {
            reports = crew->reports;
            moved_ns = now;
        }
        if (crew->stop)
            code = crew->code;
        else if (cli_signals_stop() != 0)
            code = -EINTR;
        else if (now - moved_ns > STALL_NS)
            code = QUIRE_TIMEDOUT;
        pthread_mutex_unlock(&crew->lock);
        cli_progress_update(progress, got);
        pthread_mutex_lock(&crew->lock);
    }
    crew->stop |= code != 0;
    pthread_mutex_unlock(&crew->lock);
    return code;
}
