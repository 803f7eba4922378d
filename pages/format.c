/* SPDX-License-Identifier: MIT */
/*
 * Places the zones of a channel's files and checks what is read from them. A check trusts
 * nothing: it copies the block first, so that a file changed meanwhile cannot show it one thing
 * and its caller another, and it recomputes every number that follows from the geometry, so that
 * a good checksum over silly numbers is refused too.
 *
 * A frame or group that is not what it should be is a damaged file of the channel
 * (QUIRE_EBADFILE), whatever is wrong with it; only a superblock can say that a channel is not
 * quire's or of another version.
 */
#include <pages/base/checksum.h>
#include <pages/format.h>
#include <quire/channel.h>
#include <string.h>

#define FRAMES_BASE_MAX 32768u
#define FRAMES_CAP_MAX  (QR_FRAMES_MAX - 1)

_Static_assert(QUIRE_MESSAGES_MAX == QR_MESSAGES_MAX, "one cap");
_Static_assert(QUIRE_GROUP_NAME_MAX + 1 == QR_GROUP_NAME, "one length");
_Static_assert(QUIRE_HANDLES_MAX == QR_HANDLES, "one table");

/* The identities: what the checksum of a frame or group covers. */
#define FRAME_IDENTITY (offsetof(struct qr_frame_header, crc) + sizeof(uint32_t))
#define GROUP_IDENTITY (offsetof(struct qr_group_block, crc) + sizeof(uint32_t))

static uint32_t directory_size(uint32_t frames_cap)
{
    uint32_t size = 1;
    while (size <= 2 * frames_cap)
        size *= 2;
    return size;
}

void qr_superblock_layout(struct qr_superblock *sb, const struct qr_geometry *geometry)
{
    sb->magic = QR_MAGIC_CONTROL;
    sb->version = QR_FORMAT_VERSION;
    sb->compat = 0;
    sb->incompat = geometry->checksum ? QR_INCOMPAT_CHECKSUM : 0;
    sb->ro_compat = 0;
    sb->page_size = geometry->page_size;
    sb->max_messages = geometry->max_messages;
    sb->frames_base = geometry->frames_base;
    sb->frames_cap = geometry->frames_cap;
    sb->directory_size = directory_size(geometry->frames_cap);
    sb->handles = QR_HANDLES;
    sb->participants = QR_PARTICIPANTS;
    sb->full_policy = geometry->full_policy;
    sb->reserved0 = 0;
    sb->max_queued = geometry->max_queued;
    memset(sb->reserved, 0, sizeof sb->reserved);

    uint64_t index = (uint64_t)sb->max_messages * sizeof(uint64_t);
    sb->data_offset = QR_BLOCK + qr_round_up(index, QR_BLOCK);
    sb->frame_bytes = sb->data_offset + sb->page_size;

    uint64_t at = QR_LIVE_OFFSET + qr_round_up(sizeof(struct qr_live), QR_BLOCK);
    sb->life_offset = at;
    at += qr_round_up((uint64_t)sb->frames_cap * sizeof(uint64_t), QR_BLOCK);
    sb->directory_offset = at;
    at += qr_round_up((uint64_t)sb->directory_size * sizeof(uint64_t), QR_BLOCK);
    sb->handles_offset = at;
    at += qr_round_up((uint64_t)sb->handles * sizeof(struct qr_handle), QR_BLOCK);
    sb->participants_offset = at;
    at += qr_round_up((uint64_t)sb->participants * sizeof(struct qr_participant), QR_BLOCK);
    sb->claims_offset = at;
    at += qr_round_up((uint64_t)sb->frames_cap * sizeof(struct qr_claim_line), QR_BLOCK);
    sb->control_bytes = at;
}

void qr_superblock_finish(struct qr_superblock *sb)
{
    sb->crc = qr_crc32c(0, sb, offsetof(struct qr_superblock, crc));
}

/* The ranges within which the layout cannot overflow. */
static int geometry_valid(const struct qr_superblock *sb)
{
    if (sb->page_size < QUIRE_PAGE_SIZE_MIN || sb->page_size > QUIRE_PAGE_SIZE_MAX)
        return 0;
    if (sb->page_size % QR_BLOCK != 0)
        return 0;
    if (sb->max_messages < 1 || sb->max_messages > QR_MESSAGES_MAX)
        return 0;
    if (sb->frames_base < 1 || sb->frames_base > FRAMES_BASE_MAX)
        return 0;
    if (sb->frames_cap < sb->frames_base || sb->frames_cap > FRAMES_CAP_MAX)
        return 0;
    if (sb->max_queued != 0 && sb->full_policy == QUIRE_FULL_DROP_OLDEST)
        return 0;
    return sb->full_policy <= QUIRE_FULL_GROW;
}

/* 1 when every field says what this version would have written for the geometry. The feature
 * bits were judged before; reserved bytes are left to features that old readers may ignore. */
static int layout_matches(const struct qr_superblock *sb)
{
    struct qr_superblock expected = {.created_ns = sb->created_ns};
    struct qr_geometry geometry = {.page_size = sb->page_size,
                                   .max_messages = sb->max_messages,
                                   .frames_base = sb->frames_base,
                                   .frames_cap = sb->frames_cap,
                                   .full_policy = sb->full_policy,
                                   .checksum = sb->incompat & QR_INCOMPAT_CHECKSUM,
                                   .max_queued = sb->max_queued};
    qr_superblock_layout(&expected, &geometry);
    expected.compat = sb->compat;
    expected.ro_compat = sb->ro_compat;
    memcpy(expected.uuid, sb->uuid, sizeof expected.uuid);
    return memcmp(&expected, sb, offsetof(struct qr_superblock, reserved)) == 0;
}

int qr_superblock_check(const struct qr_superblock *sb, uint64_t file_bytes, int *observe_only)
{
    struct qr_superblock copy;
    memcpy(&copy, sb, sizeof copy);
    *observe_only = 0;
    if (copy.magic != QR_MAGIC_CONTROL)
        return QUIRE_ENOTQUIRE;
    /* Before the checksum: another version may keep it elsewhere. */
    if (copy.version != QR_FORMAT_VERSION)
        return QUIRE_EVERSION;
    if (copy.crc != qr_crc32c(0, &copy, offsetof(struct qr_superblock, crc)))
        return QUIRE_EBADFILE;
    if (copy.incompat & ~QR_INCOMPAT_KNOWN)
        return QUIRE_EVERSION;
    if (!geometry_valid(&copy) || !layout_matches(&copy))
        return QUIRE_EBADFILE;
    if (file_bytes < copy.control_bytes)
        return QUIRE_EBADFILE;
    *observe_only = (copy.ro_compat & ~QR_RO_COMPAT_KNOWN) != 0;
    return 0;
}

static void frame_identity_fill(struct qr_frame_header *header, const struct qr_superblock *sb,
                                uint32_t frame_id)
{
    header->magic = QR_MAGIC_FRAME;
    header->version = QR_FORMAT_VERSION;
    header->frame_id = frame_id;
    memcpy(header->uuid, sb->uuid, sizeof header->uuid);
    header->page_size = sb->page_size;
    header->max_messages = sb->max_messages;
    header->data_offset_blocks = (uint32_t)(sb->data_offset / QR_BLOCK);
}

void qr_frame_header_init(struct qr_frame_header *header, const struct qr_superblock *sb,
                          uint32_t frame_id)
{
    memset(header, 0, sizeof *header);
    frame_identity_fill(header, sb, frame_id);
    header->crc = qr_crc32c(0, header, offsetof(struct qr_frame_header, crc));
    /* Relaxed: nobody else knows the frame yet; whoever makes it known (life[], directory[])
     * does so by a release that comes after this. */
    qr_store_relaxed(&header->page_no, QR_PAGE_NO_NONE);
}

int qr_frame_header_check(const struct qr_frame_header *header, const struct qr_superblock *sb,
                          uint32_t frame_id)
{
    struct qr_frame_header expected = {0};
    struct qr_frame_header copy;
    memcpy(&copy, header, FRAME_IDENTITY);
    if (copy.crc != qr_crc32c(0, &copy, offsetof(struct qr_frame_header, crc)))
        return QUIRE_EBADFILE;
    frame_identity_fill(&expected, sb, frame_id);
    if (memcmp(&copy, &expected, offsetof(struct qr_frame_header, reserved0)) != 0)
        return QUIRE_EBADFILE;
    return 0;
}

static void group_identity_fill(struct qr_group_block *block, const struct qr_superblock *sb,
                                const char *name)
{
    block->magic = QR_MAGIC_GROUP;
    block->version = QR_FORMAT_VERSION;
    memcpy(block->uuid, sb->uuid, sizeof block->uuid);
    memset(block->name, 0, sizeof block->name);
    memcpy(block->name, name, strnlen(name, sizeof block->name - 1));
}

void qr_group_block_init(struct qr_group_block *block, const struct qr_superblock *sb,
                         const char *name, uint32_t group_id, uint64_t created_ns,
                         const struct qr_group_traits *traits)
{
    memset(block, 0, sizeof *block);
    group_identity_fill(block, sb, name);
    block->group_id = group_id;
    block->created_ns = created_ns;
    block->mode = traits->mode;
    block->hold = traits->hold;
    block->max_attempts = traits->max_attempts;
    block->lease_ms = traits->lease_ms;
    block->crc = qr_crc32c(0, block, offsetof(struct qr_group_block, crc));
    /* relaxed: private until it is written or copied. */
    qr_store_relaxed(&block->head, traits->head);
    qr_store_relaxed(&block->walked_from, traits->walked_from);
    qr_store_relaxed(&block->begin, traits->begin);
}

void qr_lease_layout(struct qr_lease_layout *l, uint32_t max_messages)
{
    l->words = sizeof(struct qr_lease_head);
    l->who = qr_round_up(l->words + 8 * (((uint64_t)max_messages + 15) / 16), QR_LINE);
    l->times = qr_round_up(l->who + 8 * (uint64_t)max_messages, QR_BLOCK);
    l->bytes = l->times + qr_round_up(8 * (uint64_t)max_messages, QR_BLOCK);
}

int qr_group_block_check(const struct qr_group_block *block, const struct qr_superblock *sb,
                         const char *name)
{
    struct qr_group_block expected = {0};
    struct qr_group_block copy;
    memcpy(&copy, block, GROUP_IDENTITY);
    if (copy.crc != qr_crc32c(0, &copy, offsetof(struct qr_group_block, crc)))
        return QUIRE_EBADFILE;
    group_identity_fill(&expected, sb, name);
    expected.group_id = copy.group_id;
    expected.created_ns = copy.created_ns;
    if (memcmp(&copy, &expected, offsetof(struct qr_group_block, mode)) != 0)
        return QUIRE_EBADFILE;
    return copy.mode <= QR_GROUP_ACK && copy.hold <= QR_HOLD_LOSSY ? 0 : QUIRE_EBADFILE;
}

static int name_byte_valid(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return 1;
    return c == '.' || c == '_' || c == '-';
}

int qr_group_name_valid(const char *name)
{
    if (name == NULL || name[0] == '\0' || name[0] == '.')
        return 0;
    for (size_t i = 0; i < QR_GROUP_NAME; i++) {
        if (name[i] == '\0')
            return 1;
        if (!name_byte_valid(name[i]))
            return 0;
    }
    return 0;
}
