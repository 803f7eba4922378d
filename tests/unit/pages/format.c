/* SPDX-License-Identifier: MIT */
/* The format: layout of every geometry, and checks that refuse everything that differs. (I11) */
#include <criterion/criterion.h>
#include <pages/format.h>
#include <quire/channel.h>
#include <string.h>

static const struct qr_geometry small = {.page_size = 65536,
                                         .max_messages = 1000,
                                         .frames_base = 4,
                                         .frames_cap = 9,
                                         .full_policy = QUIRE_FULL_GROW,
                                         .checksum = 1};

static struct qr_superblock superblock(const struct qr_geometry *geometry)
{
    struct qr_superblock sb;
    memset(&sb, 0xa5, sizeof sb);
    qr_superblock_layout(&sb, geometry);
    for (unsigned i = 0; i < 16; i++)
        sb.uuid[i] = (uint8_t)(i * 17);
    sb.created_ns = 1700000000123456789ull;
    qr_superblock_finish(&sb);
    return sb;
}

static int check(const struct qr_superblock *sb)
{
    int observe_only = -1;
    int rc = qr_superblock_check(sb, sb->control_bytes, &observe_only);
    cr_assert(observe_only == 0 || observe_only == 1);
    return rc;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

Test(format, layout_of_a_small_channel)
{
    struct qr_superblock sb = superblock(&small);
    cr_assert_eq(sb.data_offset, 4096 + 8192);
    cr_assert_eq(sb.frame_bytes, 4096 + 8192 + 65536);
    cr_assert_eq(sb.directory_size, 32);
    cr_assert_eq(sb.life_offset, 3 * 4096);
    cr_assert_eq(sb.directory_offset, 4 * 4096);
    cr_assert_eq(sb.handles_offset, 5 * 4096);
    cr_assert_eq(sb.participants_offset, 37 * 4096);
    cr_assert_eq(sb.claims_offset, 38 * 4096);
    cr_assert_eq(sb.control_bytes, 39 * 4096);
    cr_assert_eq(sb.incompat, QR_INCOMPAT_CHECKSUM);
    cr_assert_eq(sb.created_ns, 1700000000123456789ull);
    cr_assert_eq(check(&sb), 0);
}

/* Zones lie one after the other, block-aligned, each large enough for what is in it. */
static void assert_zones(const struct qr_superblock *sb)
{
    uint64_t zone[] = {QR_LIVE_OFFSET,     sb->life_offset,         sb->directory_offset,
                       sb->handles_offset, sb->participants_offset, sb->claims_offset,
                       sb->control_bytes};
    uint64_t needs[] = {sizeof(struct qr_live),
                        8ull * sb->frames_cap,
                        8ull * sb->directory_size,
                        sizeof(struct qr_handle) * sb->handles,
                        sizeof(struct qr_participant) * sb->participants,
                        sizeof(struct qr_claim_line) * sb->frames_cap};
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(zone[i] % QR_BLOCK, 0);
        cr_assert_geq(zone[i + 1] - zone[i], needs[i]);
        cr_assert_lt(zone[i + 1] - zone[i], needs[i] + QR_BLOCK);
    }
    cr_assert_eq(sb->control_bytes % QR_BLOCK, 0);
    cr_assert_eq(sb->data_offset % QR_BLOCK, 0);
    cr_assert_geq(sb->data_offset, QR_BLOCK + 8ull * sb->max_messages);
    cr_assert_eq(sb->frame_bytes, sb->data_offset + sb->page_size);
    cr_assert_gt(sb->directory_size, 2 * sb->frames_cap);
    cr_assert_leq(sb->directory_size, 4 * sb->frames_cap);
    cr_assert_eq(sb->directory_size & (sb->directory_size - 1), 0);
}

Test(format, layout_at_the_corners)
{
    static const uint64_t page_sizes[] = {4096, 65536, 1u << 20, 2147483648u};
    static const uint32_t messages[] = {1, 511, 512, 513, 65534, 65535};
    static const uint32_t bases[] = {1, 2, 3, 511, 512, 513, 32768};
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned m = 0; m < 6; m++) {
            for (unsigned b = 0; b < 7; b++) {
                struct qr_geometry geometry = small;
                geometry.page_size = page_sizes[p];
                geometry.max_messages = messages[m];
                geometry.frames_base = bases[b];
                geometry.frames_cap = m % 2 ? bases[b] : 65534;
                geometry.checksum = b % 2;
                struct qr_superblock sb = superblock(&geometry);
                assert_zones(&sb);
                cr_assert_eq(check(&sb), 0);
            }
        }
    }
}

Test(format, superblock_every_flipped_bit_is_refused)
{
    struct qr_superblock sb = superblock(&small);
    for (size_t bit = 0; bit < 8 * sizeof sb; bit++) {
        unsigned char *byte = (unsigned char *)&sb + bit / 8;
        *byte ^= (unsigned char)(1u << bit % 8);
        int rc = check(&sb);
        int want = bit < 64 ? QUIRE_ENOTQUIRE : bit < 96 ? QUIRE_EVERSION : QUIRE_EBADFILE;
        cr_assert_eq(rc, want, "bit %zu: %d", bit, rc);
        *byte ^= (unsigned char)(1u << bit % 8);
    }
    cr_assert_eq(check(&sb), 0);
}

/* A valid checksum over numbers that no layout yields. */
Test(format, superblock_silly_numbers_are_refused)
{
    static const struct {
        size_t offset;
        size_t size;
        uint64_t value;
    } cases[] = {
#define CASE(field, value) \
    {offsetof(struct qr_superblock, field), sizeof((struct qr_superblock){0}.field), value}
        CASE(page_size, 0),
        CASE(page_size, 4095),
        CASE(page_size, 4097),
        CASE(page_size, 65536 + 8),
        CASE(page_size, 131072),
        CASE(page_size, 2147483648ull + 4096),
        CASE(page_size, 1ull << 63),
        CASE(page_size, UINT64_MAX - 4095),
        CASE(max_messages, 0),
        CASE(max_messages, 65536),
        CASE(max_messages, UINT32_MAX),
        CASE(max_messages, 2000),
        CASE(frames_base, 0),
        CASE(frames_base, 10),
        CASE(frames_base, UINT32_MAX),
        CASE(frames_cap, 0),
        CASE(frames_cap, 3),
        CASE(frames_cap, 1000),
        CASE(frames_cap, 65535),
        CASE(frames_cap, 0x80000000u),
        CASE(frames_cap, UINT32_MAX),
        CASE(directory_size, 0),
        CASE(directory_size, 16),
        CASE(directory_size, 33),
        CASE(directory_size, 64),
        CASE(directory_size, UINT32_MAX),
        CASE(handles, 0),
        CASE(handles, 1024),
        CASE(handles, UINT32_MAX),
        CASE(participants, 0),
        CASE(participants, 65),
        CASE(full_policy, 4),
        CASE(full_policy, UINT32_MAX),
        CASE(reserved0, 1),
        CASE(frame_bytes, 0),
        CASE(frame_bytes, UINT64_MAX),
        CASE(data_offset, 0),
        CASE(data_offset, 4096),
        CASE(life_offset, 0),
        CASE(life_offset, 8192),
        CASE(directory_offset, 3 * 4096),
        CASE(handles_offset, UINT64_MAX - 7),
        CASE(participants_offset, 1),
        CASE(claims_offset, 1),
        CASE(control_bytes, 0),
        CASE(control_bytes, 38 * 4096),
        CASE(control_bytes, 40 * 4096),
        CASE(control_bytes, UINT64_MAX),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct qr_superblock sb = superblock(&small);
        int observe_only;
        memcpy((char *)&sb + cases[i].offset, &cases[i].value, cases[i].size);
        qr_superblock_finish(&sb);
        cr_assert_eq(qr_superblock_check(&sb, UINT64_MAX, &observe_only), QUIRE_EBADFILE,
                     "case %zu: offset %zu", i, cases[i].offset);
    }
}

/* Consistent layouts of geometries that no channel may have. */
Test(format, superblock_geometry_out_of_range_is_refused)
{
    static const struct qr_geometry cases[] = {
        {.page_size = 0, .max_messages = 1, .frames_base = 1, .frames_cap = 1},
        {.page_size = 4096 + 8, .max_messages = 1, .frames_base = 1, .frames_cap = 1},
        {.page_size = 2147483648ull + 4096, .max_messages = 1, .frames_base = 1, .frames_cap = 1},
        {.page_size = 4096, .max_messages = 0, .frames_base = 1, .frames_cap = 1},
        {.page_size = 4096, .max_messages = 65536, .frames_base = 1, .frames_cap = 1},
        {.page_size = 4096, .max_messages = 1, .frames_base = 0, .frames_cap = 1},
        {.page_size = 4096, .max_messages = 1, .frames_base = 2, .frames_cap = 1},
        {.page_size = 4096, .max_messages = 1, .frames_base = 32769, .frames_cap = 65534},
        {.page_size = 4096, .max_messages = 1, .frames_base = 1, .frames_cap = 65535},
        {.page_size = 4096,
         .max_messages = 1,
         .frames_base = 1,
         .frames_cap = 1,
         .full_policy = QUIRE_FULL_GROW + 1},
        {.page_size = 4096,
         .max_messages = 1,
         .frames_base = 1,
         .frames_cap = 1,
         .full_policy = QUIRE_FULL_DROP_OLDEST,
         .max_queued = 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct qr_superblock sb = superblock(&cases[i]);
        cr_assert_eq(check(&sb), QUIRE_EBADFILE, "case %zu", i);
    }
}

Test(format, superblock_short_file)
{
    struct qr_superblock sb = superblock(&small);
    int observe_only;
    cr_assert_eq(qr_superblock_check(&sb, 0, &observe_only), QUIRE_EBADFILE);
    cr_assert_eq(qr_superblock_check(&sb, 4096, &observe_only), QUIRE_EBADFILE);
    cr_assert_eq(qr_superblock_check(&sb, sb.control_bytes - 1, &observe_only), QUIRE_EBADFILE);
    cr_assert_eq(qr_superblock_check(&sb, sb.control_bytes, &observe_only), 0);
}

Test(format, superblock_features)
{
    int observe_only = -1;
    for (unsigned bit = 0; bit < 32; bit++) {
        struct qr_superblock sb = superblock(&small);
        sb.incompat |= 1u << bit;
        qr_superblock_finish(&sb);
        int rc = qr_superblock_check(&sb, sb.control_bytes, &observe_only);
        cr_assert_eq(rc, bit == 0 ? 0 : QUIRE_EVERSION, "incompat bit %u", bit);

        sb = superblock(&small);
        sb.ro_compat = 1u << bit;
        qr_superblock_finish(&sb);
        cr_assert_eq(qr_superblock_check(&sb, sb.control_bytes, &observe_only), 0);
        cr_assert_eq(observe_only, 1, "ro_compat bit %u", bit);

        /* A feature that everybody may ignore, with something in the reserved bytes. */
        sb = superblock(&small);
        sb.compat = 1u << bit;
        sb.reserved[bit] = 1;
        qr_superblock_finish(&sb);
        cr_assert_eq(qr_superblock_check(&sb, sb.control_bytes, &observe_only), 0);
        cr_assert_eq(observe_only, 0);
    }
}

Test(format, superblock_version_and_magic)
{
    struct qr_superblock sb = superblock(&small);
    sb.version = QR_FORMAT_VERSION + 1;
    qr_superblock_finish(&sb);
    cr_assert_eq(check(&sb), QUIRE_EVERSION);
    sb = superblock(&small);
    sb.magic = QR_MAGIC_FRAME;
    qr_superblock_finish(&sb);
    cr_assert_eq(check(&sb), QUIRE_ENOTQUIRE);
    cr_assert_eq(memcmp(&(uint64_t){QR_MAGIC_CONTROL}, "QIRETRL1", 8), 0);
    cr_assert_eq(memcmp(&(uint64_t){QR_MAGIC_FRAME}, "QIREPAG1", 8), 0);
    cr_assert_eq(memcmp(&(uint64_t){QR_MAGIC_GROUP}, "QIREGRP1", 8), 0);
}

Test(format, frame_header_begins_without_a_page)
{
    struct qr_superblock sb = superblock(&small);
    struct qr_frame_header header;
    memset(&header, 0xff, sizeof header);
    qr_frame_header_init(&header, &sb, 3);
    cr_assert_eq(qr_load_relaxed(&header.page_no), QR_PAGE_NO_NONE);
    cr_assert_eq(qr_load_relaxed(&header.seal), 0);
    cr_assert_eq(qr_load_relaxed(&header.first_ns), 0);
    cr_assert_eq(qr_load_relaxed(&header.last_ns), 0);
    cr_assert_eq(header.data_offset_blocks, 3);
    cr_assert_eq(header.reserved[sizeof header.reserved - 1], 0);
    cr_assert_eq(qr_frame_header_check(&header, &sb, 3), 0);
}

Test(format, frame_every_flipped_bit_of_the_identity_is_refused)
{
    struct qr_superblock sb = superblock(&small);
    struct qr_frame_header header;
    qr_frame_header_init(&header, &sb, 3);
    for (size_t bit = 0; bit < 8 * sizeof header; bit++) {
        unsigned char *byte = (unsigned char *)&header + bit / 8;
        *byte ^= (unsigned char)(1u << bit % 8);
        /* Behind the identity is live state, nothing a check of identity judges. */
        int want = bit < 8 * 128 ? QUIRE_EBADFILE : 0;
        cr_assert_eq(qr_frame_header_check(&header, &sb, 3), want, "bit %zu", bit);
        *byte ^= (unsigned char)(1u << bit % 8);
    }
}

Test(format, frame_of_another_place_is_refused)
{
    struct qr_superblock sb = superblock(&small);
    struct qr_superblock other = sb;
    struct qr_frame_header header;
    qr_frame_header_init(&header, &sb, 3);
    cr_assert_eq(qr_frame_header_check(&header, &sb, 4), QUIRE_EBADFILE);
    other.uuid[15] ^= 1;
    cr_assert_eq(qr_frame_header_check(&header, &other, 3), QUIRE_EBADFILE);
    struct qr_geometry geometry = small;
    geometry.page_size *= 2;
    other = superblock(&geometry);
    cr_assert_eq(qr_frame_header_check(&header, &other, 3), QUIRE_EBADFILE);
    geometry = small;
    geometry.max_messages--; /* same size of index, other cap */
    other = superblock(&geometry);
    cr_assert_eq(qr_frame_header_check(&header, &other, 3), QUIRE_EBADFILE);
}

Test(format, group_every_flipped_bit_of_the_identity_is_refused)
{
    struct qr_superblock sb = superblock(&small);
    struct qr_group_block block;
    memset(&block, 0xff, sizeof block);
    struct qr_group_traits traits = {.mode = QR_GROUP_AUTO};
    qr_group_block_init(&block, &sb, "audit", 7, 42, &traits);
    cr_assert_eq(qr_group_block_check(&block, &sb, "audit"), 0);
    cr_assert_eq(qr_load_relaxed(&block.head), 0);
    cr_assert_eq(qr_load_relaxed(&block.lost_total), 0);
    for (size_t bit = 0; bit < 8 * sizeof block; bit++) {
        unsigned char *byte = (unsigned char *)&block + bit / 8;
        *byte ^= (unsigned char)(1u << bit % 8);
        int want = bit < 8 * 128 ? QUIRE_EBADFILE : 0;
        cr_assert_eq(qr_group_block_check(&block, &sb, "audit"), want, "bit %zu", bit);
        *byte ^= (unsigned char)(1u << bit % 8);
    }
}

Test(format, group_of_another_place_is_refused)
{
    char longest[QR_GROUP_NAME];
    struct qr_superblock sb = superblock(&small);
    struct qr_superblock other = sb;
    struct qr_group_block block;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct qr_group_traits traits = {.mode = QR_GROUP_ACK, .max_attempts = 3};
    qr_group_block_init(&block, &sb, longest, 7, 42, &traits);
    cr_assert_eq(qr_group_block_check(&block, &sb, longest), 0);
    cr_assert_str_eq(block.name, longest);
    longest[62] = 'y';
    cr_assert_eq(qr_group_block_check(&block, &sb, longest), QUIRE_EBADFILE);
    longest[62] = '\0';
    cr_assert_eq(qr_group_block_check(&block, &sb, longest), QUIRE_EBADFILE);
    longest[62] = 'x';
    other.uuid[0] ^= 1;
    cr_assert_eq(qr_group_block_check(&block, &other, longest), QUIRE_EBADFILE);
}

/* Blocks of noise, some with the right beginning, never pass and never crash. */
Test(format, garbage_is_refused)
{
    uint64_t state = 88172645463325252ull;
    struct qr_superblock good = superblock(&small);
    union {
        uint64_t words[QR_BLOCK / 8];
        struct qr_superblock sb;
        struct qr_frame_header header;
        struct qr_group_block group;
    } block;
    for (unsigned round = 0; round < 3000; round++) {
        int observe_only;
        for (unsigned i = 0; i < QR_BLOCK / 8; i++)
            block.words[i] = random_next(&state);
        cr_assert_lt(qr_superblock_check(&block.sb, random_next(&state), &observe_only), 0);
        cr_assert_lt(qr_frame_header_check(&block.header, &good, round), 0);
        cr_assert_lt(qr_group_block_check(&block.group, &good, "g"), 0);
        /* With a valid head and checksum only the numbers are left to refuse it. */
        block.sb.magic = QR_MAGIC_CONTROL;
        block.sb.version = QR_FORMAT_VERSION;
        block.sb.incompat &= QR_INCOMPAT_KNOWN;
        qr_superblock_finish(&block.sb);
        int rc = qr_superblock_check(&block.sb, UINT64_MAX, &observe_only);
        cr_assert_eq(rc, QUIRE_EBADFILE);
    }
}

Test(format, group_names)
{
    static const struct {
        const char *name;
        int valid;
    } cases[] = {
        {"a", 1},
        {"g1", 1},
        {"A-Z_a.z-0.9", 1},
        {"-", 1},
        {"_", 1},
        {"-rf", 1},
        {"a..b", 1},
        {"012345678901234567890123456789012345678901234567890123456789012", 1},  /* 63 */
        {"0123456789012345678901234567890123456789012345678901234567890123", 0}, /* 64 */
        {"", 0},
        {".", 0},
        {"..", 0},
        {".hidden", 0},
        {"a/b", 0},
        {"/", 0},
        {"a b", 0},
        {" a", 0},
        {"a\n", 0},
        {"a\x01", 0},
        {"a\x7f", 0},
        {"gr\xc3\xbcn", 0},
        {"a\\b", 0},
        {"a:b", 0},
        {"a@", 0},
        {"a[", 0},
        {"a`", 0},
        {"a{", 0},
        {"*", 0},
    };
    cr_assert_eq(qr_group_name_valid(NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(qr_group_name_valid(cases[i].name), cases[i].valid, "'%s'", cases[i].name);
}

/* Every single byte, alone and as second. */
Test(format, group_name_bytes)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (int c = 1; c < 256; c++) {
        char one[2] = {(char)c, '\0'};
        char two[3] = {'x', (char)c, '\0'};
        int valid = memchr(allowed, c, sizeof allowed - 1) != NULL;
        cr_assert_eq(qr_group_name_valid(one), valid && c != '.', "byte %d", c);
        cr_assert_eq(qr_group_name_valid(two), valid, "byte %d", c);
    }
}
