/* SPDX-License-Identifier: MIT */
/* Messages on standard error. */
#include <tools/quire/talk.h>

#include <errno.h>
#include <quire/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tools/quire/exits.h>

const char *cli_command = "";
int cli_quiet;

static void say(const char *format, va_list *args)
{
    fprintf(stderr, "quire%s%s: ", cli_command[0] != '\0' ? " " : "", cli_command);
    vfprintf(stderr, format, *args);
    fputc('\n', stderr);
}

void cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, &args);
    va_end(args);
}

void cli_note(const char *format, ...)
{
    if (cli_quiet)
        return;
    va_list args;
    va_start(args, format);
    say(format, &args);
    va_end(args);
}

int cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, &args);
    va_end(args);
    if (cli_command[0] != '\0')
        fprintf(stderr, "Try 'quire %s --help'.\n", cli_command);
    else
        fprintf(stderr, "Try 'quire help'.\n");
    return CLI_USAGE;
}

/* What to do about it, where the sentence of the code alone leaves one helpless. */
static const char *advice_of(long code)
{
    switch (code) {
    case QUIRE_EPOISONED:
        return strcmp(cli_command, "recv") == 0 ? "what was received may come again"
                                                : "what is in it can still be received: quire recv";
    case QUIRE_ESHARED:
        return "copy it with 'cp -a --reflink=never' and open the copy; quire doctor PATH counts "
               "the files";
    case QUIRE_EENGINE:
        return "without --engine and QUIRE_ENGINE the threads do the work";
    default:
        return NULL;
    }
}

int cli_fail(const char *subject, long code)
{
    static int poison_told; /* every part of a command meets it again, the close as well */
    const char *advice = advice_of(code);
    if (code == QUIRE_EPOISONED && poison_told++ > 0)
        return cli_exit_of(code);
    cli_error("%s: %s", subject[0] != '\0' ? subject : "''", quire_strerror((int)code));
    if (advice != NULL)
        cli_note("%s", advice);
    return cli_exit_of(code);
}

int cli_finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_OK;
    return cli_fail("standard output", errno != 0 ? -errno : -EIO);
}
