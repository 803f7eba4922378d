/* SPDX-License-Identifier: MIT */
/* Options of a channel: validation, defaults, geometry, and the plan of what it will take. */
#include <lib/options.h>

#include <stddef.h>

#define FLAGS_KNOWN \
    ((uint32_t)(QUIRE_CREATE | QUIRE_EXCLUSIVE | QUIRE_READ_ONLY | QUIRE_HUGE_PAGES))

#define PAGE_SIZE_DEFAULT 1048576u
#define PAGE_SIZE_UNIT    4096u
#define MAX_PAGES         32768u
#define MAX_PAGES_DEFAULT 16u
#define MODE_DEFAULT      0600u
#define MODE_BITS         0777u

#define PAGES_AHEAD_MAX         64u
#define PAGES_AHEAD_DEFAULT     1u
#define SYNC_EVERY_DEFAULT      UINT64_MAX /* never by count */
#define SYNC_DELAY_DEFAULT_NS   100000000u /* 100 ms */
#define COMMIT_EVERY_DEFAULT    UINT64_MAX
#define COMMIT_DELAY_DEFAULT_NS 100000000u     /* 100 ms */
#define DELAY_MAX_NS            3600000000000u /* an hour: no sum of a clock and this overflows */

/* Data bytes that a message takes in a page made by default: two thirds of it payload. */
#define MESSAGE_BYTES_TYPICAL 24u

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static uint64_t or_default_64(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

/* A non-zero reserved field may mean something to a later version: it must not be ignored. */
static int reserved_zero(const struct quire_options *options)
{
    for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++) {
        if (options->reserved[i] != 0)
            return 0;
    }
    return 1;
}

static int flags_valid(uint32_t flags, int directory)
{
    if ((flags & ~FLAGS_KNOWN) != 0)
        return 0;
    if ((flags & QUIRE_EXCLUSIVE) != 0 && (flags & QUIRE_CREATE) == 0)
        return 0;
    /* An observer changes nothing, and a new channel in memory has nothing to observe. */
    if ((flags & QUIRE_READ_ONLY) != 0 && ((flags & QUIRE_CREATE) != 0 || !directory))
        return 0;
    return (flags & QUIRE_HUGE_PAGES) == 0 || !directory;
}

/* Everything that can be judged field by field, defaults filled in. */
static int fields_valid(const struct quire_options *o, int directory)
{
    if (!flags_valid(o->flags, directory) || !reserved_zero(o))
        return 0;
    if (o->page_size < QUIRE_PAGE_SIZE_MIN || o->page_size > QUIRE_PAGE_SIZE_MAX ||
        o->page_size % PAGE_SIZE_UNIT != 0)
        return 0;
    if (o->max_pages > MAX_PAGES || o->max_messages > QUIRE_MESSAGES_MAX)
        return 0;
    if (o->full_policy > QUIRE_FULL_GROW || o->wait > QUIRE_WAIT_BUSY ||
        o->checksum > QUIRE_CHECKSUM_ON)
        return 0;
    if (o->max_bytes != 0 && o->full_policy != QUIRE_FULL_GROW)
        return 0;
    /* It gives messages up to make room for pages; nothing would ever wait for a bound. */
    if (o->max_queued != 0 && o->full_policy == QUIRE_FULL_DROP_OLDEST)
        return 0;
    if (o->durability > QUIRE_DURABLE_EACH || o->engine > QUIRE_ENGINE_THREADS ||
        o->keeper > QUIRE_KEEPER_CALLER || o->pages_ahead > PAGES_AHEAD_MAX)
        return 0;
    if (o->sync_delay_ns > DELAY_MAX_NS || o->commit_delay_ns > DELAY_MAX_NS)
        return 0;
    /* What cannot be kept is not promised. */
    if (o->durability != QUIRE_DURABLE_NONE && !directory)
        return 0;
    return (o->mode & ~MODE_BITS) == 0;
}

static void fill_defaults(struct quire_options *o, int directory)
{
    if (o->page_size == 0)
        o->page_size = PAGE_SIZE_DEFAULT;
    if (o->max_messages == 0) {
        uint64_t typical = o->page_size / MESSAGE_BYTES_TYPICAL;
        if (typical > QUIRE_MESSAGES_MAX)
            typical = QUIRE_MESSAGES_MAX;
        o->max_messages = (uint32_t)typical;
    }
    o->max_pages = or_default(o->max_pages, MAX_PAGES_DEFAULT);
    o->wait = or_default(o->wait, QUIRE_WAIT_BLOCK);
    o->checksum = or_default(o->checksum, directory ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF);
    o->mode = or_default(o->mode, MODE_DEFAULT);
    o->pages_ahead = or_default(o->pages_ahead, PAGES_AHEAD_DEFAULT);
    o->sync_every = or_default_64(o->sync_every, SYNC_EVERY_DEFAULT);
    o->sync_delay_ns = or_default_64(o->sync_delay_ns, SYNC_DELAY_DEFAULT_NS);
    o->commit_every = or_default_64(o->commit_every, COMMIT_EVERY_DEFAULT);
    o->commit_delay_ns = or_default_64(o->commit_delay_ns, COMMIT_DELAY_DEFAULT_NS);
}

/*
 * Frames that may ever exist. Under DROP_OLDEST a page may be given up while a consumer still
 * borrows from it; a spare frame then takes the place of the one that cannot be reused.
 */
static uint32_t frames_cap(const struct quire_options *o, uint64_t frame_bytes)
{
    uint64_t cap = o->max_pages;
    if (o->full_policy == QUIRE_FULL_DROP_OLDEST)
        cap += o->max_pages < 2 ? 2 : o->max_pages;
    else if (o->full_policy == QUIRE_FULL_GROW)
        cap = o->max_bytes == 0 ? QR_FRAMES_NAMED : o->max_bytes / frame_bytes;
    return cap < QR_FRAMES_NAMED ? (uint32_t)cap : QR_FRAMES_NAMED;
}

int qr_options_resolve(const struct quire_options *options, int directory,
                       struct quire_options *resolved, struct qr_geometry *geometry)
{
    struct quire_options o = QUIRE_OPTIONS_INIT;
    if (options != NULL) {
        /* A caller built with another layout: its other fields may not even be there. */
        if (options->size != sizeof(o))
            return QUIRE_EINVAL;
        o = *options;
    }
    fill_defaults(&o, directory);
    if (!fields_valid(&o, directory))
        return QUIRE_EINVAL;

    struct qr_geometry g = {
        .page_size = o.page_size,
        .max_messages = o.max_messages,
        .frames_base = o.max_pages,
        .frames_cap = o.max_pages,
        .full_policy = o.full_policy,
        .checksum = o.checksum == QUIRE_CHECKSUM_ON,
        .max_queued = o.max_queued,
    };
    /* A frame's size does not depend on how many there may be. */
    struct qr_superblock sb;
    qr_superblock_layout(&sb, &g);
    g.frames_cap = frames_cap(&o, sb.frame_bytes);
    if (g.frames_cap < g.frames_base)
        return QUIRE_EINVAL;
    if (o.full_policy == QUIRE_FULL_GROW && o.max_bytes == 0)
        o.max_bytes = g.frames_cap * sb.frame_bytes;

    *resolved = o;
    *geometry = g;
    return 0;
}

int quire_plan(const struct quire_options *options, int directory, struct quire_plan *plan)
{
    struct quire_options resolved;
    struct qr_geometry geometry;
    if (plan == NULL)
        return QUIRE_EINVAL;
    int error = qr_options_resolve(options, directory, &resolved, &geometry);
    if (error != 0)
        return error;

    struct qr_superblock sb;
    qr_superblock_layout(&sb, &geometry);
    *plan = (struct quire_plan){
        .page_bytes = sb.frame_bytes,
        .index_bytes = sb.data_offset - sizeof(struct qr_frame_header),
        .control_bytes = sb.control_bytes,
        .group_bytes = sizeof(struct qr_group_block),
        .total_bytes = sb.control_bytes + geometry.frames_base * sb.frame_bytes,
        .limit_bytes = sb.control_bytes + geometry.frames_cap * sb.frame_bytes,
        .page_size = resolved.page_size,
        .max_pages = resolved.max_pages,
        .max_messages = resolved.max_messages,
        .message_bytes_max = resolved.page_size - sizeof(struct qr_record),
    };
    return 0;
}
