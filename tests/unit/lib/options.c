/* SPDX-License-Identifier: MIT */
/* Options: every refusal, every default, and the plan against figures computed another way. */
#include <lib/options.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576ull
#define GIB 1073741824ull

enum backing { MEMORY = 0, DIRECTORY = 1, EITHER = 2 };

struct resolved {
    int result;
    struct quire_options options;
    struct qr_geometry geometry;
};

static struct resolved resolve(const struct quire_options *options, int directory)
{
    struct resolved r;
    memset(&r, 0x5a, sizeof(r));
    r.result = qr_options_resolve(options, directory, &r.options, &r.geometry);
    return r;
}

static struct quire_options blank(void)
{
    struct quire_options o = QUIRE_OPTIONS_INIT;
    return o;
}

/* One case: what is changed in the options, on which backing, and whether it is accepted. */
struct judgement {
    const char *what;
    enum backing backing;
    int accepted;
    struct quire_options options;
};

#define REFUSED(text, backing, ...)                           \
    {                                                         \
        text, backing, 0,                                     \
        {                                                     \
            .size = sizeof(struct quire_options), __VA_ARGS__ \
        }                                                     \
    }
#define ACCEPTED(text, backing, ...)                          \
    {                                                         \
        text, backing, 1,                                     \
        {                                                     \
            .size = sizeof(struct quire_options), __VA_ARGS__ \
        }                                                     \
    }

static const struct judgement judgements[] = {
    ACCEPTED("defaults", EITHER, .flags = 0),
    REFUSED("unknown flag", EITHER, .flags = 1u << 4),
    REFUSED("unknown flag beside a known one", EITHER, .flags = QUIRE_CREATE | 1u << 31),
    ACCEPTED("create", EITHER, .flags = QUIRE_CREATE),
    ACCEPTED("create, exclusive", EITHER, .flags = QUIRE_CREATE | QUIRE_EXCLUSIVE),
    REFUSED("exclusive alone", EITHER, .flags = QUIRE_EXCLUSIVE),
    ACCEPTED("read-only", DIRECTORY, .flags = QUIRE_READ_ONLY),
    REFUSED("read-only", MEMORY, .flags = QUIRE_READ_ONLY),
    REFUSED("read-only, create", EITHER, .flags = QUIRE_READ_ONLY | QUIRE_CREATE),
    ACCEPTED("huge pages", MEMORY, .flags = QUIRE_HUGE_PAGES),
    REFUSED("huge pages", DIRECTORY, .flags = QUIRE_HUGE_PAGES),
    ACCEPTED("smallest page", EITHER, .page_size = 4096),
    REFUSED("page below the smallest", EITHER, .page_size = 4095),
    REFUSED("page of one byte", EITHER, .page_size = 1),
    REFUSED("page no multiple", EITHER, .page_size = 4097),
    REFUSED("page half a unit off", EITHER, .page_size = MIB + 2048),
    ACCEPTED("largest page", EITHER, .page_size = 2 * GIB),
    REFUSED("page above the largest", EITHER, .page_size = 2 * GIB + 4096),
    REFUSED("page absurd", EITHER, .page_size = UINT64_MAX - 4095),
    ACCEPTED("one page", EITHER, .max_pages = 1),
    ACCEPTED("most pages", EITHER, .max_pages = 32768),
    REFUSED("too many pages", EITHER, .max_pages = 32769),
    REFUSED("pages absurd", EITHER, .max_pages = UINT32_MAX),
    ACCEPTED("one message", EITHER, .max_messages = 1),
    ACCEPTED("most messages", EITHER, .max_messages = 65535),
    REFUSED("too many messages", EITHER, .max_messages = 65536),
    ACCEPTED("reject", EITHER, .full_policy = QUIRE_FULL_REJECT),
    ACCEPTED("drop oldest", EITHER, .full_policy = QUIRE_FULL_DROP_OLDEST),
    ACCEPTED("grow", EITHER, .full_policy = QUIRE_FULL_GROW),
    REFUSED("unknown policy", EITHER, .full_policy = 4),
    REFUSED("max_bytes with block", EITHER, .max_bytes = GIB),
    REFUSED("max_bytes with reject", EITHER, .max_bytes = GIB, .full_policy = QUIRE_FULL_REJECT),
    REFUSED("max_bytes with drop", EITHER, .max_bytes = GIB, .full_policy = QUIRE_FULL_DROP_OLDEST),
    ACCEPTED("max_bytes with grow", EITHER, .max_bytes = GIB, .full_policy = QUIRE_FULL_GROW),
    /* page of 4096 + index of 4096 + header of 4096, twice */
    ACCEPTED("max_bytes exact", EITHER, .full_policy = QUIRE_FULL_GROW, .page_size = 4096,
             .max_pages = 2, .max_bytes = 24576),
    REFUSED("max_bytes one short", EITHER, .full_policy = QUIRE_FULL_GROW, .page_size = 4096,
            .max_pages = 2, .max_bytes = 24575),
    REFUSED("max_bytes tiny", EITHER, .full_policy = QUIRE_FULL_GROW, .max_bytes = 1),
    ACCEPTED("max_bytes endless", EITHER, .full_policy = QUIRE_FULL_GROW, .max_bytes = UINT64_MAX),
    ACCEPTED("busy wait", EITHER, .wait = QUIRE_WAIT_BUSY),
    REFUSED("unknown wait", EITHER, .wait = 4),
    ACCEPTED("checksum on", EITHER, .checksum = QUIRE_CHECKSUM_ON),
    REFUSED("unknown checksum", EITHER, .checksum = 3),
    ACCEPTED("all permissions", EITHER, .mode = 0777),
    REFUSED("set-uid bit", EITHER, .mode = 04600),
    REFUSED("file type bits", EITHER, .mode = 0100600),
    ACCEPTED("interval", DIRECTORY, .durability = QUIRE_DURABLE_INTERVAL),
    ACCEPTED("each", DIRECTORY, .durability = QUIRE_DURABLE_EACH),
    REFUSED("interval", MEMORY, .durability = QUIRE_DURABLE_INTERVAL),
    REFUSED("each", MEMORY, .durability = QUIRE_DURABLE_EACH),
    REFUSED("unknown durability", EITHER, .durability = 3),
    ACCEPTED("each, read-only", DIRECTORY, .durability = QUIRE_DURABLE_EACH,
             .flags = QUIRE_READ_ONLY),
    ACCEPTED("threads", EITHER, .engine = QUIRE_ENGINE_THREADS),
    REFUSED("unknown engine", EITHER, .engine = 3),
    ACCEPTED("no keeper thread", EITHER, .keeper = QUIRE_KEEPER_CALLER),
    REFUSED("unknown keeper", EITHER, .keeper = 2),
    ACCEPTED("64 pages ahead", EITHER, .pages_ahead = 64),
    REFUSED("65 pages ahead", EITHER, .pages_ahead = 65),
    ACCEPTED("an hour between commits", DIRECTORY, .sync_delay_ns = 3600000000000u),
    REFUSED("more than an hour between commits", DIRECTORY, .sync_delay_ns = 3600000000001u),
    REFUSED("more than an hour between cursors", DIRECTORY, .commit_delay_ns = 3600000000001u),
    REFUSED("first reserved field", EITHER, .reserved = {1}),
    REFUSED("last bit of a reserved field", EITHER, .reserved = {1ull << 63}),
    ACCEPTED("a bound", EITHER, .max_queued = 1),
    ACCEPTED("a bound that is none", EITHER, .max_queued = UINT64_MAX),
    ACCEPTED("a bound with reject", EITHER, .max_queued = 1, .full_policy = QUIRE_FULL_REJECT),
    ACCEPTED("a bound with grow", EITHER, .max_queued = 1, .full_policy = QUIRE_FULL_GROW),
    REFUSED("a bound with drop oldest", EITHER, .max_queued = 1,
            .full_policy = QUIRE_FULL_DROP_OLDEST),
};

static void judge(const struct judgement *j, int directory)
{
    struct resolved r = resolve(&j->options, directory);
    const char *where = directory ? "directory" : "memory";
    cr_expect_eq(r.result, j->accepted ? 0 : QUIRE_EINVAL, "%s, %s: %d", j->what, where, r.result);
    if (!j->accepted) {
        struct resolved untouched;
        memset(&untouched, 0x5a, sizeof(untouched));
        cr_expect_eq(memcmp(&r.options, &untouched.options, sizeof(r.options)), 0, "%s", j->what);
        cr_expect_eq(memcmp(&r.geometry, &untouched.geometry, sizeof(r.geometry)), 0, "%s",
                     j->what);
    }
    struct quire_plan plan;
    cr_expect_eq(quire_plan(&j->options, directory, &plan), r.result, "%s, %s", j->what, where);
}

Test(options, accepts_and_refuses)
{
    for (size_t i = 0; i < sizeof(judgements) / sizeof(judgements[0]); i++) {
        const struct judgement *j = &judgements[i];
        if (j->backing != DIRECTORY)
            judge(j, 0);
        if (j->backing != MEMORY)
            judge(j, 1);
    }
}

Test(options, size_field_must_be_exact)
{
    const uint32_t sizes[] = {0, 4, sizeof(struct quire_options) - 8,
                              sizeof(struct quire_options) + 8, UINT32_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct quire_options o = blank();
        o.size = sizes[i];
        cr_expect_eq(resolve(&o, 1).result, QUIRE_EINVAL, "size %u", sizes[i]);
    }
}

/* A caller of another layout may own fewer bytes: only the size field may be looked at. Under
 * AddressSanitizer a look further is an error. */
Test(options, short_structure_is_not_read)
{
    uint32_t *only_size = malloc(sizeof(*only_size));
    cr_assert_not_null(only_size);
    *only_size = sizeof(*only_size);
    const struct quire_options *options = (const void *)only_size;
    cr_expect_eq(resolve(options, 1).result, QUIRE_EINVAL);
    free(only_size);
}

static void expect_defaults(const struct resolved *r, int directory)
{
    cr_expect_eq(r->result, 0);
    cr_expect_eq(r->options.size, sizeof(struct quire_options));
    cr_expect_eq(r->options.flags, 0u);
    cr_expect_eq(r->options.page_size, MIB);
    cr_expect_eq(r->options.max_pages, 16u);
    cr_expect_eq(r->options.max_messages, 43690u);
    cr_expect_eq(r->options.max_bytes, 0u);
    cr_expect_eq(r->options.full_policy, (uint32_t)QUIRE_FULL_BLOCK);
    cr_expect_eq(r->options.wait, (uint32_t)QUIRE_WAIT_BLOCK);
    cr_expect_eq(r->options.checksum,
                 (uint32_t)(directory ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF));
    cr_expect_eq(r->options.mode, 0600u);
    cr_expect_eq(r->geometry.page_size, MIB);
    cr_expect_eq(r->geometry.max_messages, 43690u);
    cr_expect_eq(r->geometry.frames_base, 16u);
    cr_expect_eq(r->geometry.frames_cap, 16u);
    cr_expect_eq(r->geometry.full_policy, (uint32_t)QUIRE_FULL_BLOCK);
    cr_expect_eq(r->geometry.checksum, directory ? 1u : 0u);
    cr_expect_eq(r->geometry.reserved, 0u);
}

Test(options, defaults)
{
    struct quire_options o = blank();
    for (int directory = 0; directory <= 1; directory++) {
        struct resolved from_null = resolve(NULL, directory);
        struct resolved from_zeroes = resolve(&o, directory);
        expect_defaults(&from_null, directory);
        expect_defaults(&from_zeroes, directory);
    }
}

Test(options, given_values_are_kept)
{
    struct quire_options o = blank();
    o.flags = QUIRE_CREATE | QUIRE_EXCLUSIVE;
    o.page_size = 8192;
    o.max_pages = 3;
    o.max_messages = 7;
    o.max_bytes = 1000000;
    o.full_policy = QUIRE_FULL_GROW;
    o.wait = QUIRE_WAIT_YIELD;
    o.checksum = QUIRE_CHECKSUM_OFF;
    o.mode = 0640;
    o.durability = QUIRE_DURABLE_INTERVAL;
    o.engine = QUIRE_ENGINE_THREADS;
    o.keeper = QUIRE_KEEPER_CALLER;
    o.pages_ahead = 3;
    o.sync_every = 17;
    o.sync_delay_ns = 18;
    o.commit_every = 19;
    o.commit_delay_ns = 20;
    struct resolved r = resolve(&o, 1);
    cr_assert_eq(r.result, 0);
    cr_expect_eq(memcmp(&r.options, &o, sizeof(o)), 0);
    cr_expect_eq(r.geometry.checksum, 0u);
}

Test(options, default_messages_follow_the_page_size)
{
    const struct {
        uint64_t page_size;
        uint32_t messages;
    } cases[] = {{4096, 170}, {65536, 2730}, {1568768, 65365}, {1572864, 65535}, {2 * GIB, 65535}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct quire_options o = blank();
        o.page_size = cases[i].page_size;
        cr_expect_eq(resolve(&o, 1).options.max_messages, cases[i].messages);
    }
}

Test(options, frames_that_may_ever_exist)
{
    /* A frame of these is 3 x 4096 bytes. */
    const struct {
        uint32_t policy;
        uint32_t max_pages;
        uint64_t max_bytes;
        uint32_t cap;
    } cases[] = {
        {QUIRE_FULL_BLOCK, 1, 0, 1},
        {QUIRE_FULL_BLOCK, 32768, 0, 32768},
        {QUIRE_FULL_REJECT, 5, 0, 5},
        {QUIRE_FULL_DROP_OLDEST, 1, 0, 3},
        {QUIRE_FULL_DROP_OLDEST, 2, 0, 4},
        {QUIRE_FULL_DROP_OLDEST, 3, 0, 6},
        {QUIRE_FULL_DROP_OLDEST, 32767, 0, 65534},
        {QUIRE_FULL_DROP_OLDEST, 32768, 0, 65534},
        {QUIRE_FULL_GROW, 4, 0, 65534},
        {QUIRE_FULL_GROW, 4, 4 * 12288, 4},
        {QUIRE_FULL_GROW, 4, 5 * 12288 - 1, 4},
        {QUIRE_FULL_GROW, 4, 5 * 12288, 5},
        {QUIRE_FULL_GROW, 4, 65533ull * 12288, 65533},
        {QUIRE_FULL_GROW, 4, 65535ull * 12288, 65534},
        {QUIRE_FULL_GROW, 4, 70000ull * 12288, 65534},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct quire_options o = blank();
        o.page_size = 4096;
        o.full_policy = cases[i].policy;
        o.max_pages = cases[i].max_pages;
        o.max_bytes = cases[i].max_bytes;
        struct resolved r = resolve(&o, 0);
        cr_expect_eq(r.result, 0);
        cr_expect_eq(r.geometry.frames_cap, cases[i].cap, "case %zu: %u", i, r.geometry.frames_cap);
        cr_expect_eq(r.geometry.frames_base, cases[i].max_pages);
    }
}

Test(options, grow_without_a_limit_says_where_it_ends)
{
    struct quire_options o = blank();
    o.page_size = 4096;
    o.full_policy = QUIRE_FULL_GROW;
    cr_expect_eq(resolve(&o, 1).options.max_bytes, 65534ull * 12288);
}

static uint64_t blocks(uint64_t bytes)
{
    return (bytes / 4096 + (bytes % 4096 != 0)) * 4096;
}

/* The zones of a control file, added up from docs/format.md rather than from the library. */
static uint64_t control_file(uint64_t frames)
{
    uint64_t directory = 1;
    while (directory <= frames * 2)
        directory *= 2;
    return 4096 + 4096             /* two superblocks */
           + 4096                  /* live words */
           + blocks(frames * 8)    /* life[] */
           + blocks(directory * 8) /* directory[] */
           + 1023 * 128 + 128      /* handles[], rounded up */
           + 64 * 64               /* participants[] */
           + blocks(frames * 64);  /* claims[] */
}

Test(options, plan_of_the_defaults)
{
    struct quire_plan plan;
    cr_assert_eq(quire_plan(NULL, 1, &plan), 0);
    cr_expect_eq(plan.index_bytes, 352256u); /* 43690 x 8 in 86 blocks */
    cr_expect_eq(plan.page_bytes, 4096u + 352256u + 1048576u);
    cr_expect_eq(plan.control_bytes, 8192u + 4096u + 4096u + 4096u + 131072u + 4096u + 4096u);
    cr_expect_eq(plan.group_bytes, 4096u);
    cr_expect_eq(plan.total_bytes, plan.control_bytes + 16 * plan.page_bytes);
    cr_expect_eq(plan.limit_bytes, plan.total_bytes);
    cr_expect_eq(plan.page_size, MIB);
    cr_expect_eq(plan.max_pages, 16u);
    cr_expect_eq(plan.max_messages, 43690u);
    cr_expect_eq(plan.message_bytes_max, MIB - 8);
}

Test(options, plan_adds_up)
{
    const uint64_t page_sizes[] = {4096, 65536, 1568768, 2 * GIB};
    const uint32_t messages[] = {1, 511, 512, 513, 65535};
    const uint32_t pages[] = {1, 2, 255, 256, 32768};
    for (size_t i = 0; i < 4 * 5 * 5 * 4; i++) {
        struct quire_options o = blank();
        o.page_size = page_sizes[i % 4];
        o.max_messages = messages[i / 4 % 5];
        o.max_pages = pages[i / 20 % 5];
        o.full_policy = (uint32_t)(i / 100);
        uint64_t page = 4096 + blocks(o.max_messages * 8ull) + o.page_size;
        uint64_t frames = resolve(&o, 1).geometry.frames_cap;

        struct quire_plan plan;
        cr_assert_eq(quire_plan(&o, 1, &plan), 0);
        cr_expect_eq(plan.index_bytes, blocks(o.max_messages * 8ull));
        cr_expect_eq(plan.page_bytes, page);
        cr_expect_eq(plan.control_bytes, control_file(frames), "case %zu", i);
        cr_expect_eq(plan.total_bytes, control_file(frames) + o.max_pages * page);
        cr_expect_eq(plan.limit_bytes, control_file(frames) + frames * page);
        cr_expect_eq(plan.message_bytes_max, o.page_size - 8);
    }
}

Test(options, plan_needs_a_place_for_the_answer)
{
    cr_expect_eq(quire_plan(NULL, 1, NULL), QUIRE_EINVAL);
}
