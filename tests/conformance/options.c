/* SPDX-License-Identifier: MIT */
/* Options: what is refused, what zero means, what the plan says. */
#include <string.h>
#include <tests/conformance/cases.h>
#include <tests/conformance/cell.h>

/* The options must be refused, by the plan and by the open, and nothing be made. */
static void refused(const struct quire_options *options)
{
    char path[TEMP_PATH_MAX];
    struct quire_plan plan;
    quire_t *channel = (quire_t *)&plan;
    int files = process_files();

    CHECK_CODE(quire_plan(options, cell.directory, &plan), QUIRE_EINVAL);
    CHECK_CODE(quire_open(&channel, cell.directory ? cell_path(path) : NULL, options),
               QUIRE_EINVAL);
    CHECK(channel == NULL);
    CHECK_EQ(process_files(), files);
    if (cell.directory) {
        struct quire_options observe = QUIRE_OPTIONS_INIT;

        observe.flags = QUIRE_READ_ONLY;
        CHECK_CODE(quire_open(&channel, path, &observe), QUIRE_ENOENT);
    }
}

static void option_size(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);

    options.size = 0;
    refused(&options);
    options.size = 4;
    refused(&options);
    options.size = UINT32_MAX;
    refused(&options);
}

static void option_flags(void)
{
    struct quire_options options = cell_options(SMALL_PAGE, 2);

    for (unsigned bit = 4; bit < 32; bit++) {
        options.flags = QUIRE_CREATE | 1u << bit;
        refused(&options);
    }
}

static void option_reserved(void)
{
    struct quire_options whole;

    for (unsigned i = 0; i < sizeof(whole.reserved) / sizeof(whole.reserved[0]); i++) {
        struct quire_options options = cell_options(SMALL_PAGE, 2);

        options.reserved[i] = 1;
        refused(&options);
    }
}

/* disk-chan: page_size 0 hangs, 2^32-1 panics. */
static void option_page_size(void)
{
    static const uint64_t sizes[] = {
        1,          8,          4095,       4097,       6000,       1048577,          4294967295,
        4294967296, 2147483649, 2147487744, 1ull << 63, UINT64_MAX, UINT64_MAX - 4095};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct quire_options options = cell_options(sizes[i], 2);

        refused(&options);
    }
}

static void option_counts(void)
{
    static const uint32_t pages[] = {32769, 65535, 65536, 1u << 31, UINT32_MAX};
    static const uint32_t messages[] = {65536, 1u << 31, UINT32_MAX};
    struct quire_options options;

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        options = cell_options(SMALL_PAGE, pages[i]);
        refused(&options);
    }
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        options = cell_options(SMALL_PAGE, 2);
        options.max_messages = messages[i];
        refused(&options);
    }
}

static void option_enums(void)
{
    static const uint32_t unknown[] = {4, 5, 255, 1u << 31, UINT32_MAX};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct quire_options options = cell_options(SMALL_PAGE, 2);

        options.full_policy = unknown[i];
        refused(&options);
        options = cell_options(SMALL_PAGE, 2);
        options.wait = unknown[i];
        refused(&options);
        options = cell_options(SMALL_PAGE, 2);
        options.checksum = unknown[i];
        refused(&options);
    }
    struct quire_options options = cell_options(SMALL_PAGE, 2);

    options.checksum = 3;
    refused(&options);
}

static void option_defaults(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    struct quire_plan plan;
    struct quire_stat stat;
    quire_t *channel;

    options.flags = QUIRE_CREATE;
    options.max_pages = 1; /* a pool of the default size takes a while under a sanitizer */
    channel = cell_open(&options);
    stat = stat_of(channel);
    CHECK_EQ(stat.page_size, 1u << 20);
    CHECK_EQ(stat.max_pages, 1);
    CHECK_EQ(stat.max_messages, (1u << 20) / 24);
    CHECK_EQ(stat.full_policy, QUIRE_FULL_BLOCK);
    CHECK_EQ(stat.checksum, cell.directory ? QUIRE_CHECKSUM_ON : QUIRE_CHECKSUM_OFF);
    CHECK_EQ(stat.directory, cell.directory);
    CHECK_OK(quire_close(channel));

    options.max_pages = 0;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    CHECK_EQ(plan.max_pages, 16);
    CHECK_EQ(plan.page_size, 1u << 20);
    CHECK_EQ(plan.max_messages, (1u << 20) / 24);
    options.page_size = 16u << 20;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    CHECK_EQ(plan.max_messages, QUIRE_MESSAGES_MAX);
}

static void options_may_be_null(void)
{
    struct quire_plan plan;
    quire_t *channel = (quire_t *)&plan;

    CHECK_OK(quire_plan(NULL, cell.directory, &plan));
    CHECK_EQ(plan.max_pages, 16);
    if (cell.directory) {
        char path[TEMP_PATH_MAX];

        CHECK_CODE(quire_open(&channel, cell_path(path), NULL), QUIRE_ENOENT);
        CHECK(channel == NULL);
        return;
    }
    CHECK_OK(quire_open(&channel, NULL, NULL));
    CHECK_EQ(stat_of(channel).max_pages, 16);
    CHECK_OK(quire_close(channel));
}

static void plan_adds_up(void)
{
    static const uint64_t sizes[] = {4096, 8192, 65536, 1048576, 1ull << 31};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct quire_options options = cell_options(sizes[i], 32768);
        struct quire_plan plan;

        CHECK_OK(quire_plan(&options, cell.directory, &plan));
        CHECK_EQ(plan.page_size, sizes[i]);
        CHECK_EQ(plan.max_pages, 32768);
        CHECK_EQ(plan.message_bytes_max, sizes[i] - RECORD_HEAD);
        CHECK(plan.index_bytes >= 8ull * plan.max_messages);
        CHECK(plan.page_bytes >= plan.page_size + plan.index_bytes);
        CHECK_EQ(plan.total_bytes, plan.control_bytes + 32768 * plan.page_bytes);
        CHECK(plan.limit_bytes >= plan.total_bytes);
        CHECK(plan.group_bytes > 0);
    }
}

/* A small page carries a small index. */
static void plan_small_page_small_index(void)
{
    struct quire_options options = cell_options(65536, 4);
    struct quire_plan plan;

    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    CHECK(plan.index_bytes <= plan.page_size / 2);
    options.max_messages = 1;
    CHECK_OK(quire_plan(&options, cell.directory, &plan));
    CHECK_EQ(plan.max_messages, 1);
    CHECK(plan.index_bytes <= 4096);
}

static void geometry_is_as_asked(void)
{
    struct quire_options options = cell_options(12288, 3);
    struct quire_stat stat;
    quire_t *channel;

    options.max_messages = 7;
    options.full_policy = QUIRE_FULL_REJECT;
    channel = cell_open(&options);
    stat = stat_of(channel);
    CHECK_EQ(stat.page_size, 12288);
    CHECK_EQ(stat.max_pages, 3);
    CHECK_EQ(stat.max_messages, 7);
    CHECK_EQ(stat.full_policy, QUIRE_FULL_REJECT);
    CHECK_EQ(stat.checksum, cell.checksum);
    CHECK_EQ(stat.directory, cell.directory);
    CHECK_OK(quire_close(channel));
}

static void huge_pages_fall_back(void)
{
    struct quire_options options = cell_options(2u << 20, 2);
    quire_t *channel;
    quire_tx_t *tx;
    quire_rx_t *rx;

    if (cell.directory) {
        test_skip("huge pages are for the memory backing");
    }
    options.flags |= QUIRE_HUGE_PAGES;
    channel = cell_open(&options);
    CHECK(stat_of(channel).huge_pages <= 1);
    tx = open_tx(channel);
    rx = open_rx(channel, "g");
    put(tx, 1, 0, 100);
    take_number(rx, 1, 0, 100);
    quire_rx_close(rx);
    quire_tx_close(tx);
    CHECK_OK(quire_close(channel));
}

static void handle_options(void)
{
    quire_t *channel = cell_small(2);
    struct quire_tx_options tx_options = QUIRE_TX_OPTIONS_INIT;
    struct quire_rx_options rx_options = QUIRE_RX_OPTIONS_INIT;
    quire_tx_t *tx;
    quire_rx_t *rx;

    tx_options.size = 0;
    CHECK_CODE(quire_tx_open(channel, &tx_options, &tx), QUIRE_EINVAL);
    tx_options.size = sizeof(tx_options);
    tx_options.wait = 4;
    CHECK_CODE(quire_tx_open(channel, &tx_options, &tx), QUIRE_EINVAL);
    tx_options.wait = 0;
    tx_options.flags = QUIRE_TX_ENDS << 1;
    CHECK_CODE(quire_tx_open(channel, &tx_options, &tx), QUIRE_EINVAL);
    tx_options.flags = 0;
    tx_options.reserved0 = 1;
    CHECK_CODE(quire_tx_open(channel, &tx_options, &tx), QUIRE_EINVAL);
    tx_options.reserved0 = 0;
    tx_options.reserved[2] = 1;
    CHECK_CODE(quire_tx_open(channel, &tx_options, &tx), QUIRE_EINVAL);

    rx_options.size = 0;
    CHECK_CODE(quire_rx_subscribe(channel, "g", NULL, &rx_options, &rx), QUIRE_EINVAL);
    rx_options.size = sizeof(rx_options);
    rx_options.wait = 4;
    CHECK_CODE(quire_rx_subscribe(channel, "g", NULL, &rx_options, &rx), QUIRE_EINVAL);
    rx_options.wait = 0;
    rx_options.run_max = 256;
    CHECK_CODE(quire_rx_subscribe(channel, "g", NULL, &rx_options, &rx), QUIRE_EINVAL);
    rx_options.run_max = 255;
    rx_options.flags = QUIRE_RX_ENDS << 1;
    CHECK_CODE(quire_rx_subscribe(channel, "g", NULL, &rx_options, &rx), QUIRE_EINVAL);
    rx_options.flags = 0;
    rx_options.reserved[0] = 1;
    CHECK_CODE(quire_rx_subscribe(channel, "g", NULL, &rx_options, &rx), QUIRE_EINVAL);
    CHECK_EQ(stat_of(channel).handles, 0);
    CHECK_EQ(stat_of(channel).groups, 0);
    CHECK_OK(quire_close(channel));
}

static void null_may_be_closed(void)
{
    CHECK_OK(quire_close(NULL));
    quire_tx_close(NULL);
    quire_rx_close(NULL);
}

static void codes_have_names(void)
{
    static const int codes[] = {
        QUIRE_OK,     QUIRE_EAGAIN,    QUIRE_FULL,     QUIRE_PAGE_END,  QUIRE_LAPPED,
        QUIRE_CLOSED, QUIRE_TIMEDOUT,  QUIRE_CORRUPT,  QUIRE_EMSGSIZE,  QUIRE_EINVAL,
        QUIRE_ESTATE, QUIRE_EHANDLES,  QUIRE_ERDONLY,  QUIRE_ETOOSMALL, QUIRE_ENOENT,
        QUIRE_EEXIST, QUIRE_ENOTQUIRE, QUIRE_EVERSION, QUIRE_EBADFILE,  QUIRE_EBUSY,
        QUIRE_ENOSPC, QUIRE_EPERM,     QUIRE_ENDED,
    };
    size_t count = sizeof(codes) / sizeof(codes[0]);

    for (size_t i = 0; i < count; i++) {
        CHECK(quire_strerror(codes[i]) != NULL && quire_strerror(codes[i])[0] != '\0');
        for (size_t k = 0; k < i; k++) {
            CHECK(codes[i] != codes[k]);
            CHECK(strcmp(quire_strerror(codes[i]), quire_strerror(codes[k])) != 0);
            CHECK(strcmp(quire_errname(codes[i]), quire_errname(codes[k])) != 0);
        }
    }
    CHECK(strcmp(quire_errname(QUIRE_FULL), "QUIRE_FULL") == 0);
    CHECK(strcmp(quire_errname(-28), "errno") == 0);
    CHECK(quire_strerror(-28) != NULL);
    CHECK(quire_strerror(12345) != NULL && quire_strerror(-123456) != NULL);
    CHECK(strcmp(quire_version(), QUIRE_VERSION_STRING) == 0);
}

static const struct test_case cases[] = {
    {"options: a size of the structure that is not known is refused", option_size, 0},
    {"options: an unknown flag is refused", option_flags, 0},
    {"options: a reserved field that is not zero is refused", option_reserved, 0},
    {"options: absurd page sizes are refused", option_page_size, 0},
    {"options: too many pages or messages are refused", option_counts, 0},
    {"options: unknown policies, strategies and checksums are refused", option_enums, 0},
    {"options: zero means the default", option_defaults, 0},
    {"options: may be NULL", options_may_be_null, 0},
    {"options: the plan adds up", plan_adds_up, 0},
    {"options: a small page has a small index", plan_small_page_small_index, 0},
    {"options: the geometry is as asked", geometry_is_as_asked, 0},
    {"options: huge pages fall back", huge_pages_fall_back, 0},
    {"options: of handles are checked", handle_options, 0},
    {"options: NULL may be closed", null_may_be_closed, 0},
    {"options: result codes have names of their own", codes_have_names, 0},
};
const struct test_table options_table = TEST_TABLE(cases);
