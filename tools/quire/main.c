/* SPDX-License-Identifier: MIT */
/* The quire command: finds the subcommand and runs it. */
#include <tools/quire/commands.h>

#include <quire/version.h>
#include <stdio.h>
#include <string.h>
#include <tools/quire/args.h>
#include <tools/quire/exits.h>
#include <tools/quire/json.h>
#include <tools/quire/suggest.h>
#include <tools/quire/talk.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"create", cli_cmd_create},   {"send", cli_cmd_send},   {"recv", cli_cmd_recv},
    {"groups", cli_cmd_groups},   {"dead", cli_cmd_dead},   {"nack", cli_cmd_nack},
    {"sync", cli_cmd_sync},       {"stat", cli_cmd_stat},   {"doctor", cli_cmd_doctor},
    {"demo", cli_cmd_demo},       {"bench", cli_cmd_bench}, {"help", cli_cmd_help},
    {"version", cli_cmd_version},
};

int cli_cmd_version(int argc, char **argv)
{
    enum { JSON = CLI_ARGS_FIRST };
    static const struct option options[] = {
        {"json", no_argument, NULL, JSON}, CLI_ARGS_COMMON, {0}};
    struct cli_json out = {.out = stdout};
    int option, json = 0;
    while ((option = cli_args_next(argc, argv, options)) != CLI_ARGS_END) {
        if (option != JSON)
            return CLI_USAGE;
        json = 1;
    }
    if (optind < argc)
        return cli_usage("'%s' is no option", argv[optind]);
    if (json) {
        cli_json_object(&out, NULL);
        cli_json_string(&out, "version", quire_version());
        cli_json_object_end(&out);
        putchar('\n');
    } else {
        printf("quire %s\n", quire_version());
    }
    return cli_finish_stdout();
}

int cli_cmd_help(int argc, char **argv)
{
    static const struct option options[] = {CLI_ARGS_COMMON, {0}};
    if (cli_args_next(argc, argv, options) != CLI_ARGS_END)
        return CLI_USAGE;
    if (argc - optind > 1)
        return cli_usage("one COMMAND only");
    return cli_help(optind < argc ? argv[optind] : "");
}

static int unknown(const char *name)
{
    const char *words[sizeof(commands) / sizeof(commands[0])];
    const size_t count = sizeof(words) / sizeof(words[0]);
    for (size_t i = 0; i < count; i++)
        words[i] = commands[i].name;
    const char *nearest = cli_suggest(name, words, count);
    if (nearest != NULL)
        return cli_usage("'%s' is not a command; did you mean '%s'?", name, nearest);
    return cli_usage("'%s' is not a command", name);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return cli_help("");
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            cli_command = commands[i].name;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (argc < 2)
        return cli_usage("which command? create, send, recv, groups, dead, nack, sync, stat, "
                         "doctor, demo, bench, help or version");
    return unknown(name);
}
