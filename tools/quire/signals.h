/* SPDX-License-Identifier: MIT */
/*
 * SIGINT, SIGTERM and SIGHUP end the work in order: a flag is set, blocking system calls return
 * EINTR, and the command closes its channel. A second signal kills. SIGPIPE is ignored, so that
 * a reader of our output that goes away is an error of write().
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

/* Installs the handlers. */
void cli_signals_catch(void);

/* The signal that asked us to stop, or 0. Any thread. */
int cli_signals_stop(void);

#endif
