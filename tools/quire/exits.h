/* SPDX-License-Identifier: MIT */
/*
 * Exit statuses of the quire command, one per kind of failure, so that scripts can tell them
 * apart. docs/man/quire.1 and `quire help` list the same.
 */
#ifndef CLI_EXITS_H
#define CLI_EXITS_H

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* a check failed, messages were lost or damaged, or data I/O failed */
    CLI_USAGE = 2,       /* the command line is wrong */
    CLI_NOT_CHANNEL = 3, /* no such channel, file, group, page or message; not a channel, other
                            version, damaged, or a copy that shares its blocks */
    CLI_BUSY = 4,        /* another process has the channel open */
    CLI_FULL = 5,        /* the channel is full, or the time was up */
    CLI_NO_SPACE = 6,    /* no space on the disk */
    CLI_PERMISSION = 7,  /* the file permissions refuse it */
    CLI_EXISTS = 8,      /* the path or group to be created exists */
    CLI_TOO_LARGE = 9,   /* a message is larger than a page can hold */
    CLI_POISONED = 10,   /* a sync to disk has failed: the channel takes nothing more */
    CLI_IN_THE_WAY = 11, /* the engine asked for is refused; doctor found something in the way */
    CLI_SIGNAL = 128     /* plus the number of the signal that ended the command */
};

/* The exit status for a result code of the library or -errno; 0 and counts are CLI_OK. */
int cli_exit_of(long code);

#endif
