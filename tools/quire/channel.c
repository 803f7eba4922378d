/* SPDX-License-Identifier: MIT */
/* Opening, measuring and removing channels. */
#define _GNU_SOURCE
#include <tools/quire/channel.h>

#include <errno.h>
#include <ftw.h>
#include <quire/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tools/quire/durability.h>
#include <tools/quire/exits.h>
#include <tools/quire/talk.h>

/* Names a process that has handles open on the channel, if one can be seen. */
static void name_holder(const char *path)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_handle_stat handles[64];
    quire_t *channel;
    options.flags = QUIRE_READ_ONLY;
    if (quire_open(&channel, path, &options) != 0)
        return;
    long count = quire_stat_handles(channel, handles, 64);
    for (long i = 0; i < count && i < 64; i++) {
        if (handles[i].pid == 0) /* a closed one, whose messages were returned */
            continue;
        cli_note("%s: process %u has it open", path, handles[i].pid);
        break;
    }
    quire_close(channel);
}

/* Whether the environment names an engine that does not exist: the library's code for it says no
 * more than that something is wrong. */
static int engine_misnamed(const char **value)
{
    *value = getenv("QUIRE_ENGINE");
    if (*value == NULL || **value == '\0')
        return 0;
    for (const struct cli_word *w = cli_words_engine; w->word != NULL; w++) {
        if (strcmp(w->word, *value) == 0)
            return 0;
    }
    return 1;
}

int cli_channel_open(quire_t **channel, const char *path, const struct quire_options *options)
{
    int error = quire_open(channel, path, options);
    if (error == 0)
        return CLI_OK;
    const char *engine;
    if (error == -EINVAL && engine_misnamed(&engine))
        return cli_usage("QUIRE_ENGINE: '%s' is none of: uring, threads", engine);
    int status = cli_fail(path != NULL ? path : "a channel in memory", error);
    if (error == QUIRE_EBUSY && path != NULL)
        name_holder(path);
    return status;
}

int cli_channel_close(quire_t *channel, const char *path)
{
    int error = quire_close(channel);
    if (error == 0)
        return CLI_OK;
    return cli_fail(path != NULL ? path : "a channel in memory", error);
}

int cli_channel_message_max(quire_t *channel, uint64_t *bytes)
{
    struct quire_stat stat;
    struct quire_plan plan;
    struct quire_options options = QUIRE_OPTIONS_INIT;
    int error = quire_stat(channel, &stat);
    if (error != 0)
        return error;
    options.page_size = stat.page_size;
    options.max_pages = stat.max_pages;
    options.max_messages = stat.max_messages;
    error = quire_plan(&options, (int)stat.directory, &plan);
    if (error == 0)
        *bytes = plan.message_bytes_max;
    return error;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *level)
{
    (void)info;
    (void)type;
    (void)level;
    return remove(path) == 0 ? 0 : -errno;
}

int cli_channel_remove(const char *path)
{
    /* Depth first, links are not followed, and a mount is not entered. */
    int result = nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return result == -1 ? -errno : result;
}
