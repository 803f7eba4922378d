/* SPDX-License-Identifier: MIT */
/* The subcommands. Each gets its own argv (argv[0] is its name) and returns the exit status. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cli_cmd_create(int argc, char **argv);
int cli_cmd_send(int argc, char **argv);
int cli_cmd_recv(int argc, char **argv);
int cli_cmd_groups(int argc, char **argv);
int cli_cmd_dead(int argc, char **argv);
int cli_cmd_nack(int argc, char **argv);
int cli_cmd_sync(int argc, char **argv);
int cli_cmd_stat(int argc, char **argv);
int cli_cmd_doctor(int argc, char **argv);
int cli_cmd_demo(int argc, char **argv);
int cli_cmd_bench(int argc, char **argv);
int cli_cmd_version(int argc, char **argv);
int cli_cmd_help(int argc, char **argv);

/* Prints the page of a command ("" for the overview) on standard output. Returns the status. */
int cli_help(const char *command);

#endif
