/* SPDX-License-Identifier: MIT */
/* Orderly end on signals. */
#include <tools/quire/signals.h>

#include <signal.h>
#include <stddef.h>
#include <string.h>

/* Written by the handler only; a reader that sees the old value sees the new one soon after. */
static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

void cli_signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    sigemptyset(&action.sa_mask);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);

    action.sa_handler = on_signal;
    action.sa_flags = (int)SA_RESETHAND; /* no SA_RESTART: a blocked read or write must return */
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction old;
        /* nohup and shells that start background jobs ignore some of them for us: leave it. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

int cli_signals_stop(void)
{
    return stop_signal;
}
