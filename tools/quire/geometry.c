/* SPDX-License-Identifier: MIT */
/* Options that shape a new channel. */
#include <tools/quire/geometry.h>

#include <quire/error.h>
#include <stddef.h>
#include <tools/quire/exits.h>
#include <tools/quire/number.h>
#include <tools/quire/talk.h>

#define PAGE_UNIT     4096u
#define MAX_PAGES_MAX 32768u
#define MODE_MAX      0777u

static int page_size(const char *text, uint64_t *value)
{
    uint64_t bytes;
    int status = cli_args_size("page-size", text, QUIRE_PAGE_SIZE_MIN, QUIRE_PAGE_SIZE_MAX, &bytes);
    if (status != CLI_OK)
        return status;
    if (bytes % PAGE_UNIT != 0)
        return cli_usage("--page-size: %s is not a multiple of %u bytes", text, PAGE_UNIT);
    *value = bytes;
    return CLI_OK;
}

/* Never without access for the owner: the next command could not open the channel. */
static int mode(const char *text, uint32_t *value)
{
    uint64_t bits;
    if (cli_number_octal(text, &bits) != CLI_NUMBER_OK || bits > MODE_MAX ||
        (bits & 0600u) != 0600u)
        return cli_usage("--mode: '%s' is not an octal mode that lets the owner read and write "
                         "(such as 0600 or 0660)",
                         text);
    *value = (uint32_t)bits;
    return CLI_OK;
}

int cli_geometry_option(int option, const char *value, struct quire_options *options)
{
    switch (option) {
    case CLI_PAGE_SIZE:
        return page_size(value, &options->page_size);
    case CLI_MAX_PAGES:
        return cli_args_u32("max-pages", value, 1, MAX_PAGES_MAX, &options->max_pages);
    case CLI_MAX_MESSAGES:
        return cli_args_u32("max-messages", value, 1, QUIRE_MESSAGES_MAX, &options->max_messages);
    case CLI_POLICY:
        return cli_args_word("policy", value, cli_words_policy, &options->full_policy);
    case CLI_MAX_BYTES:
        return cli_args_size("max-bytes", value, QUIRE_PAGE_SIZE_MIN, UINT64_MAX,
                             &options->max_bytes);
    case CLI_MAX_QUEUED:
        return cli_args_size("max-queued", value, 1, UINT64_MAX, &options->max_queued);
    case CLI_CHECKSUM:
        return cli_args_word("checksum", value, cli_words_checksum, &options->checksum);
    case CLI_MODE:
        return mode(value, &options->mode);
    default:
        return cli_usage("unknown option");
    }
}

int cli_geometry_plan(const struct quire_options *options, int directory, struct quire_plan *plan)
{
    if (options->max_bytes != 0 && options->full_policy != QUIRE_FULL_GROW)
        return cli_usage("--max-bytes is the limit of --policy grow and needs it");
    if (options->max_queued != 0 && options->full_policy == QUIRE_FULL_DROP_OLDEST)
        return cli_usage("--max-queued bounds what is kept; --policy drop-oldest keeps no bound");
    int error = quire_plan(options, directory, plan);
    if (error == 0)
        return CLI_OK;
    if (options->full_policy == QUIRE_FULL_GROW && options->max_bytes != 0) {
        struct quire_options fixed = *options;
        fixed.full_policy = QUIRE_FULL_BLOCK;
        fixed.max_bytes = 0;
        if (quire_plan(&fixed, directory, plan) == 0)
            return cli_usage("--max-bytes: %llu is less than --max-pages pages take: %llu",
                             (unsigned long long)options->max_bytes,
                             plan->page_bytes * (unsigned long long)plan->max_pages);
    }
    return cli_usage("these options do not fit together: %s", quire_strerror(error));
}
