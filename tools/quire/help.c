/* SPDX-License-Identifier: MIT */
/* quire help: the overview, the small pages, and which page belongs to which command. */
#include <tools/quire/help.h>

#include <stdio.h>
#include <string.h>
#include <tools/quire/commands.h>
#include <tools/quire/exits.h>
#include <tools/quire/talk.h>

const char cli_help_overview[] =
    "NAME\n"
    "  quire - a channel of messages in memory-mapped pages\n"
    "\n"
    "SYNOPSIS\n"
    "  quire COMMAND [OPTIONS] [ARGUMENTS]\n"
    "  quire help COMMAND\n"
    "\n"
    "DESCRIPTION\n"
    "  A quire channel is a directory of page files. Producers add messages at its\n"
    "  end. Consumers belong to groups: each message goes to one member of every\n"
    "  group. A page is used again when every group is done with it.\n"
    "\n"
    "COMMANDS\n"
    "  create PATH         make a channel, or say exactly what it would take\n"
    "  send PATH [FILE..]  send lines, or messages behind their length\n"
    "  recv PATH           receive the messages of a group\n"
    "  groups PATH         the groups of a channel: see, make, move, pause, delete\n"
    "  dead PATH GROUP     messages that were given in vain, as often as is allowed\n"
    "  nack PATH GROUP P.. another attempt for messages, now or later\n"
    "  sync PATH           make everything in a channel durable\n"
    "  stat PATH           show pages, groups, lag and who holds what\n"
    "  doctor [PATH]       which engine there is, and what stands in the way\n"
    "  demo                real text through a channel, with a proof\n"
    "  bench               measure rate and latency\n"
    "  help [COMMAND]      this page, or that of a command\n"
    "  version             the version of the library\n"
    "\n"
    "OPTIONS\n"
    "  Every command has these:\n"
    "  -h, --help          its page, on standard output\n"
    "  -q, --quiet         say nothing but errors\n"
    "  Most have --json: results as one JSON object on standard output.\n"
    "  Sizes and numbers take K, M, G or T: times 1024, 1024^2 and so on.\n"
    "  Data goes to standard output, everything said to standard error.\n"
    "\n"
    "EXIT STATUS\n"
    "  0   done\n"
    "  1   messages were lost or damaged, a check failed, or input or output failed\n"
    "  2   the command line is wrong\n"
    "  3   no such channel, file, group, page or message, not a channel, another\n"
    "      version, damaged, or a copy that shares its blocks\n"
    "  4   another process has the channel open\n"
    "  5   the channel is full, or the time was up\n"
    "  6   there is no space on the disk\n"
    "  7   the file permissions refuse it\n"
    "  8   the path, or the group, to be created exists\n"
    "  9   a message is larger than a page can hold\n"
    "  10  a sync to disk has failed: the channel takes no more messages\n"
    "  11  the engine asked for is refused; doctor: something stands in the way\n"
    "  128 and the number of the signal that ended the command\n"
    "\n"
    "EXAMPLES\n"
    "  quire demo\n"
    "  quire create /var/tmp/jobs --page-size 1M --max-pages 16\n"
    "  ls /usr/bin | quire send /var/tmp/jobs\n"
    "  quire recv /var/tmp/jobs --group readers\n"
    "  quire stat /var/tmp/jobs\n";

const char cli_help_help[] =
    "NAME\n"
    "  quire help - show how to use quire or one of its commands\n"
    "\n"
    "SYNOPSIS\n"
    "  quire help [COMMAND]\n"
    "\n"
    "DESCRIPTION\n"
    "  Prints the page of the command, or the overview with the exit statuses.\n"
    "  'quire COMMAND --help' prints the same.\n"
    "\n"
    "OPTIONS\n"
    "  -h, --help          this page\n"
    "  -q, --quiet         say nothing but errors\n"
    "\n"
    "EXIT STATUS\n"
    "  0   done\n"
    "  2   there is no such command\n"
    "\n"
    "EXAMPLES\n"
    "  quire help send\n";

const char cli_help_version[] =
    "NAME\n"
    "  quire version - show the version of the library\n"
    "\n"
    "SYNOPSIS\n"
    "  quire version [--json]\n"
    "\n"
    "DESCRIPTION\n"
    "  Prints 'quire' and the version of the library this command runs with.\n"
    "\n"
    "OPTIONS\n"
    "  --json              as a JSON object\n"
    "  -h, --help          this page\n"
    "  -q, --quiet         say nothing but errors\n"
    "\n"
    "EXIT STATUS\n"
    "  0   done\n"
    "  2   the command line is wrong\n"
    "\n"
    "EXAMPLES\n"
    "  quire version\n";

static const struct {
    const char *command;
    const char *text;
} pages[] = {
    {"", cli_help_overview},     {"create", cli_help_create},   {"send", cli_help_send},
    {"recv", cli_help_recv},     {"groups", cli_help_groups},   {"dead", cli_help_dead},
    {"nack", cli_help_nack},     {"sync", cli_help_sync},       {"stat", cli_help_stat},
    {"doctor", cli_help_doctor}, {"demo", cli_help_demo},       {"bench", cli_help_bench},
    {"help", cli_help_help},     {"version", cli_help_version},
};

int cli_help(const char *command)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(pages[i].command, command) == 0) {
            fputs(pages[i].text, stdout);
            return cli_finish_stdout();
        }
    }
    return cli_usage("'%s' is not a command", command);
}
