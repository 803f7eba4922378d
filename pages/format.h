/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a channel: every structure that lies in a mapped file, and the arithmetic that
 * places them. Little-endian fixed-width fields only; every offset is asserted; docs/format.md
 * says the same for readers in other languages.
 *
 *   control       superblock A | superblock B | live words | life[] | directory[] | handles[] |
 *                 participants[] | claims[]
 *   pages/NNNNN.page   header (4096) | slot index | data
 *   groups/NAME.group  one 4096-byte block | of an ack group: a lease zone for each frame
 *
 * Superblocks, frame identities and group identities are checksummed and never change. All else
 * is live state, changed by atomics only.
 */
#ifndef QR_FORMAT_H
#define QR_FORMAT_H

#include <pages/base/atomic.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the format is little-endian and this port has no byte swapping"
#endif

#define QR_FORMAT_VERSION 3u
#define QR_BLOCK          4096u /* unit of zones; not the machine's page size */
#define QR_LINE           128u  /* two cache lines: adjacent-line prefetch makes pairs */

#define QR_MAGIC_CONTROL 0x314c525445524951ull /* "QIRETRL1" */
#define QR_MAGIC_FRAME   0x3147415045524951ull /* "QIREPAG1" */
#define QR_MAGIC_GROUP   0x3150524745524951ull /* "QIREGRP1" */

/* Feature bits: unknown incompat bits refuse the open, unknown ro bits allow observers only. */
#define QR_INCOMPAT_CHECKSUM 0x1u /* records carry a CRC32C */
#define QR_INCOMPAT_KNOWN    0x1u
#define QR_RO_COMPAT_KNOWN   0x0u

#define QR_MESSAGES_MAX 65535u
#define QR_FRAMES_MAX   65535u
#define QR_HANDLES      1023u /* index 1023 in a head word means nobody */
#define QR_PARTICIPANTS 64u
#define QR_GROUP_NAME   64u

/* Identity of a channel: written once, twice, checksummed. */
struct qr_superblock {
    uint64_t magic;
    uint32_t version;
    uint32_t compat;
    uint32_t incompat;
    uint32_t ro_compat;
    uint8_t uuid[16];
    uint64_t page_size;   /* data bytes of a frame */
    uint64_t frame_bytes; /* header + index + data */
    uint64_t data_offset; /* of data in a frame */
    uint32_t max_messages;
    uint32_t frames_base;    /* frames of the preset pool */
    uint32_t frames_cap;     /* frames that can ever exist: length of life[] */
    uint32_t directory_size; /* entries, a power of two > 2 * frames_cap */
    uint32_t handles;        /* entries */
    uint32_t participants;   /* entries */
    uint32_t full_policy;
    uint32_t reserved0;
    uint64_t life_offset; /* offsets in the control file */
    uint64_t directory_offset;
    uint64_t handles_offset;
    uint64_t participants_offset;
    uint64_t claims_offset;
    uint64_t control_bytes;
    uint64_t created_ns; /* CLOCK_REALTIME */
    uint64_t max_queued; /* messages; 0: no bound */
    uint8_t reserved[3932];
    uint32_t crc; /* CRC32C of all bytes before it */
};
_Static_assert(sizeof(struct qr_superblock) == QR_BLOCK, "one block");
_Static_assert(offsetof(struct qr_superblock, uuid) == 24, "layout");
_Static_assert(offsetof(struct qr_superblock, page_size) == 40, "layout");
_Static_assert(offsetof(struct qr_superblock, max_messages) == 64, "layout");
_Static_assert(offsetof(struct qr_superblock, life_offset) == 96, "layout");
_Static_assert(offsetof(struct qr_superblock, created_ns) == 144, "layout");
_Static_assert(offsetof(struct qr_superblock, max_queued) == 152, "layout");
_Static_assert(offsetof(struct qr_superblock, reserved) == 160, "layout");
_Static_assert(offsetof(struct qr_superblock, crc) == 4092, "layout");

/* Words that every process of the channel shares. Each line has one kind of writer. */
struct qr_live {
    /* line 0: the turn. Read at every turn, written once per page. */
    qr_atomic_u64 tail_page; /* highest page ever opened; a hint that may lag by one */
    uint64_t reserved0;
    qr_atomic_u64 retain_from; /* pages before it are given up even if no group exists */
    uint8_t pad0[104];
    /* line 1: attention. Read after every publish; zero while nobody sleeps. */
    qr_atomic_u32 attention; /* enum qr_attention */
    uint8_t pad1[124];
    /* line 2: producers that sleep for a page. */
    qr_atomic_u32 space_seq; /* futex */
    qr_atomic_u32 space_sleepers;
    uint8_t pad2[120];
    /* line 3: life of the channel; written at open and close. */
    qr_atomic_u32 clean;        /* 1: closed cleanly, nothing to repair */
    qr_atomic_u32 handles_high; /* handle entries ever used: bound of a scan */
    qr_atomic_u32 needs_seq;    /* bumped when a need moves behind a recycler's back */
    qr_atomic_u32 evict_lock;   /* handle + 1 of the producer that gives up pages; 0 free */
    uint8_t boot_id[16];        /* of the last open for writing */
    qr_atomic_u64 opens;
    qr_atomic_u64 recoveries;
    qr_atomic_u64 durable_position; /* every message before it is durable; only grows */
    qr_atomic_u64 commit_intent;    /* number of the commit under way; 0 none */
    qr_atomic_u32 poisoned;         /* errno of the first sync that failed; 0 none, for good */
    uint8_t pad3[60];
    /* line 4: counters of slow paths. Figures only: nothing depends on them. */
    qr_atomic_u64 voids; /* of frames whose count was folded in here: see lib/account.h */
    qr_atomic_u64 damaged;
    qr_atomic_u64 dropped;
    uint64_t reserved4;
    qr_atomic_u64 turns_waited;
    qr_atomic_u64 account;    /* sum:48 | page:16, messages in all pages before that page */
    qr_atomic_u64 fold_voids; /* a fold in progress: see lib/account.c */
    qr_atomic_u64 fold_past;
    qr_atomic_u32 fold_frame; /* frame + 1; 0 none */
    uint8_t pad4[60];
};
_Static_assert(sizeof(struct qr_live) == 5 * QR_LINE, "five lines");
_Static_assert(offsetof(struct qr_live, attention) == 128, "layout");
_Static_assert(offsetof(struct qr_live, space_seq) == 256, "layout");
_Static_assert(offsetof(struct qr_live, clean) == 384, "layout");
_Static_assert(offsetof(struct qr_live, boot_id) == 400, "layout");
_Static_assert(offsetof(struct qr_live, poisoned) == 448, "layout");
_Static_assert(offsetof(struct qr_live, voids) == 512, "layout");
#define QR_LIVE_OFFSET (2u * QR_BLOCK)

enum qr_attention {
    QR_ATTEND_CONSUMERS = 1u, /* a consumer sleeps: publishers wake it */
    QR_ATTEND_SPACE = 2u,     /* a producer sleeps for a page: whoever frees one wakes it */
    QR_ATTEND_COMMIT = 4u     /* the keeper rests: the next publisher says that there is work */
};

/*
 * life[frame]: page_no:48 | pins:16. Which page a frame is assigned to; the compare-exchange on
 * this word is the one place where a retired frame changes hands. A pin is added whenever
 * somebody begins to need the page again, so that a recycler that decided earlier fails.
 */
#define QR_LIFE_PINS   0xffffull
#define QR_PAGE_FREE   ((1ull << 48) - 1)  /* holds nothing; storage is there */
#define QR_PAGE_ABSENT ((1ull << 48) - 2)  /* no storage: never made, or given back */
#define QR_PAGE_BUSY   ((1ull << 48) - 3)  /* storage is being made or given back */
#define QR_PAGE_MAX    ((1ull << 48) - 16) /* page numbers end here */
static inline uint64_t qr_life(uint64_t page_no, uint64_t pins)
{
    return page_no << 16 | pins;
}
static inline uint64_t qr_life_page(uint64_t life)
{
    return life >> 16;
}

/* directory[page_no % size]: page_no:48 | frame_id:16; all ones when never set. */
static inline uint64_t qr_dirent(uint64_t page_no, uint32_t frame)
{
    return page_no << 16 | frame;
}
static inline uint64_t qr_dirent_page(uint64_t entry)
{
    return entry >> 16;
}
static inline uint32_t qr_dirent_frame(uint64_t entry)
{
    return (uint32_t)(entry & 0xffffu);
}
#define QR_DIRENT_NONE UINT64_MAX

/* handles[]: one per open handle, written by its owner but for state. */
struct qr_handle {
    qr_atomic_u32 state;       /* enum qr_handle_state | adopter << 8 | generation << 18 */
    qr_atomic_u32 participant; /* index */
    qr_atomic_u32 group_id;    /* rx */
    qr_atomic_u32 adopting;    /* rx: handle + 1 whose run is being taken over; 0 none */
    qr_atomic_u64 intent;      /* rx: the last run claimed, see lib/run.h; 0 none */
    qr_atomic_u64 next;        /* rx: next position of the run to deliver; the end when done */
    qr_atomic_u64 stand;       /* rx: page_no + 1 it borrows from; 0 none */
    qr_atomic_u32 busy;        /* tx: reserved for several processes */
    uint32_t reserved0;
    qr_atomic_u64 since_ns; /* CLOCK_REALTIME */
    uint8_t reserved[72];
};
_Static_assert(sizeof(struct qr_handle) == QR_LINE, "one line");
_Static_assert(offsetof(struct qr_handle, intent) == 16, "layout");
_Static_assert(offsetof(struct qr_handle, busy) == 40, "layout");
_Static_assert(offsetof(struct qr_handle, since_ns) == 48, "layout");

enum qr_handle_state {
    QR_HANDLE_FREE = 0,
    QR_HANDLE_SETUP = 1, /* taken, fields being written */
    QR_HANDLE_TX = 2,
    QR_HANDLE_RX = 3,
    QR_HANDLE_ORPHAN = 4, /* closed or dead with a run undelivered: any member adopts it */
    QR_HANDLE_ADOPTED = 5 /* adopter << 8: the run belongs to that handle now */
};

/* participants[]: one per process that has the channel open. Hints for people, not proof. */
struct qr_participant {
    qr_atomic_u32 state; /* 0 free, 1 used */
    qr_atomic_u32 pid;
    qr_atomic_u64 start_ns; /* CLOCK_REALTIME */
    uint8_t boot_id[16];
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct qr_participant) == 64, "layout");
_Static_assert(offsetof(struct qr_participant, boot_id) == 16, "layout");

/*
 * claims[frame]: the claim word, alone: the one word producers fight for. lib/claim.h
 *
 * It lies in the control file, which a commit syncs once for a page, and not in the frame, which it
 * syncs for a message: the block with the word would be a third one to write, beside index and
 * data. It is a cache of what the slots say: after a crash of the machine it is made anew from
 * them.
 */
struct qr_claim_line {
    qr_atomic_u64 word;
    uint8_t pad[56];
};
_Static_assert(sizeof(struct qr_claim_line) == 64, "one line: only the tail's word is busy");

/* Head of a frame. The first line is identity and never changes. */
struct qr_frame_header {
    uint64_t magic;
    uint32_t version;
    uint32_t frame_id;
    uint8_t uuid[16];
    uint64_t page_size;
    uint32_t max_messages;
    uint32_t data_offset_blocks; /* of data, in blocks */
    uint8_t reserved0[76];
    uint32_t crc; /* CRC32C of the bytes before it */
    /* line 1: which page this is; written once per life. */
    qr_atomic_u64 page_no;    /* only grows */
    qr_atomic_u64 seal;       /* tag:32 | final count:32; another tag: not sealed */
    qr_atomic_u64 first_ns;   /* CLOCK_REALTIME when opened */
    qr_atomic_u64 last_ns;    /* when sealed */
    qr_atomic_u64 void_past;  /* sum:48 | page:16, voids in the lives before that page */
    qr_atomic_u64 void_now;   /* tag:32 | voids:32 of the page with that tag */
    qr_atomic_u64 seal_units; /* 8-byte units of data below the final count; before seal */
    uint8_t pad1[72];
    uint8_t reserved[3840];
};
_Static_assert(sizeof(struct qr_frame_header) == QR_BLOCK, "one block");
_Static_assert(offsetof(struct qr_frame_header, crc) == 124, "layout");
_Static_assert(offsetof(struct qr_frame_header, page_no) == 128, "layout");
_Static_assert(offsetof(struct qr_frame_header, reserved) == 256, "layout");
#define QR_PAGE_NO_NONE UINT64_MAX /* page_no before the first life; compares below every page */

/* Record in data, 8-byte aligned. crc is 0 when the channel has no checksums. */
struct qr_record {
    uint32_t length; /* payload bytes */
    uint32_t crc;
};
_Static_assert(sizeof(struct qr_record) == 8, "layout");

/* One group. */
struct qr_group_block {
    uint64_t magic;
    uint32_t version;
    uint32_t group_id;
    uint8_t uuid[16]; /* of the channel */
    char name[QR_GROUP_NAME];
    uint64_t created_ns;
    uint8_t mode;         /* enum qr_group_mode */
    uint8_t hold;         /* enum qr_group_hold */
    uint8_t max_attempts; /* ack: deliveries before a message is a dead letter; 0: no limit */
    uint8_t reserved0;
    uint32_t lease_ms; /* ack: how long a lease lasts; 0: until its handle is closed */
    uint8_t reserved1[12];
    uint32_t crc; /* CRC32C of the bytes before it */
    /* line 1: the cursor. page:38 | slot:16 | owner:10, see lib/run.h */
    qr_atomic_u64 head;
    uint8_t pad1[120];
    /* line 2: read at every claim, written rarely. */
    qr_atomic_u32 orphans;      /* runs waiting for a member: a hint, never too low */
    qr_atomic_u32 members;      /* open handles: a hint */
    qr_atomic_u32 lost_pending; /* 1: somebody is to be told of a loss */
    qr_atomic_u32 returned;     /* ack: positions that wait for a member: a hint, never too low */
    qr_atomic_u64 walked_from;  /* the group walked every slot of the pages from here */
    qr_atomic_u64 begin;        /* ack: positions before it are none of the group's */
    qr_atomic_u64 given_up;     /* ack: leases in pages before it were given up */
    qr_atomic_u64 due;          /* ack: ms:48 | changes:16, when a returned position is to be had */
    qr_atomic_u32 paused;       /* 1: members claim nothing */
    uint8_t pad2[76];
    /* line 3: sleepers. */
    qr_atomic_u32 wait_seq; /* futex */
    qr_atomic_u32 sleepers;
    qr_atomic_u32 ticket_sleepers; /* of them, those that wait for one slot of their own */
    uint8_t pad3[116];
    /* line 4: the account of losses, under loss_lock. */
    qr_atomic_u32 loss_lock; /* 0 free */
    uint32_t reserved3;
    qr_atomic_u64 lost_first;
    qr_atomic_u64 lost_last;
    qr_atomic_u64 lost_count; /* since somebody was last told */
    qr_atomic_u64 lost_total; /* ever */
    /* The account as it will be once head leaves slot 65535: see lib/evict.c. */
    qr_atomic_u64 next_first;
    qr_atomic_u64 next_last;
    qr_atomic_u64 next_count;
    qr_atomic_u64 next_total;
    uint8_t pad4[56];
    uint8_t reserved[3456];
};
_Static_assert(sizeof(struct qr_group_block) == QR_BLOCK, "one block");
_Static_assert(offsetof(struct qr_group_block, name) == 32, "layout");
_Static_assert(offsetof(struct qr_group_block, crc) == 124, "layout");
_Static_assert(offsetof(struct qr_group_block, head) == 128, "layout");
_Static_assert(offsetof(struct qr_group_block, orphans) == 256, "layout");
_Static_assert(offsetof(struct qr_group_block, mode) == 104, "layout");
_Static_assert(offsetof(struct qr_group_block, walked_from) == 272, "layout");
_Static_assert(offsetof(struct qr_group_block, wait_seq) == 384, "layout");
_Static_assert(offsetof(struct qr_group_block, loss_lock) == 512, "layout");
_Static_assert(offsetof(struct qr_group_block, reserved) == 640, "layout");

enum qr_group_mode {
    QR_GROUP_AUTO = 0, /* what is received is finished */
    QR_GROUP_ACK = 1   /* what is acknowledged is finished */
};
enum qr_group_hold {
    QR_HOLD_DEFAULT = 0,  /* as the channel: LOSSY where it drops its oldest page */
    QR_HOLD_REQUIRED = 1, /* its pages are kept until it has finished them */
    QR_HOLD_LOSSY = 2     /* its pages may be given up */
};

/*
 * The lease zone of an ack group for one frame: head | words | who | times. What it says of an
 * earlier page of the frame has another tag and counts for nothing (lib/lease.h).
 *
 *   words[slot / 16]  tag:32 | back:16 | done:16
 *   who[slot]         tag:32 | owner:16 | attempts:16
 *   times[slot]       CLOCK_BOOTTIME, ns: a lease ends then; what was returned waits until then
 */
struct qr_lease_head {
    qr_atomic_u64 full;  /* tag:32 | words of that page that are complete:32 */
    qr_atomic_u64 back;  /* tag:32 | returned positions of that page:32, a hint, never too low */
    qr_atomic_u32 timed; /* 1: times are in use */
    uint8_t pad[108];
};
_Static_assert(sizeof(struct qr_lease_head) == QR_LINE, "one line");

struct qr_lease_layout {
    uint64_t words; /* offsets in the zone */
    uint64_t who;
    uint64_t times;
    uint64_t bytes; /* of the zone */
};

/* What a channel is asked to be; the caller has validated the ranges. */
struct qr_geometry {
    uint64_t page_size;
    uint32_t max_messages;
    uint32_t frames_base;
    uint32_t frames_cap;
    uint32_t full_policy;
    uint32_t checksum; /* 0 or 1 */
    uint32_t reserved;
    uint64_t max_queued;
};

static inline uint64_t qr_round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Fills every field but uuid, created_ns and crc. */
void qr_superblock_layout(struct qr_superblock *sb, const struct qr_geometry *geometry);
/* Sets the checksum. */
void qr_superblock_finish(struct qr_superblock *sb);
/*
 * Checks one copy read from a file of file_bytes bytes: magic, version, features, checksum, and
 * that the layout is the one its geometry yields. Returns 0, QUIRE_ENOTQUIRE, QUIRE_EVERSION or
 * QUIRE_EBADFILE. *observe_only is set when only readers may use it.
 */
int qr_superblock_check(const struct qr_superblock *sb, uint64_t file_bytes, int *observe_only);

/* A fresh frame: identity, page_no none. */
void qr_frame_header_init(struct qr_frame_header *header, const struct qr_superblock *sb,
                          uint32_t frame_id);
int qr_frame_header_check(const struct qr_frame_header *header, const struct qr_superblock *sb,
                          uint32_t frame_id);

/* What a group is asked to be, and where it begins; the caller has validated the ranges. */
struct qr_group_traits {
    uint8_t mode; /* enum qr_group_mode */
    uint8_t hold; /* enum qr_group_hold */
    uint8_t max_attempts;
    uint32_t lease_ms;
    uint64_t head;
    uint64_t walked_from;
    uint64_t begin;
};
void qr_group_block_init(struct qr_group_block *block, const struct qr_superblock *sb,
                         const char *name, uint32_t group_id, uint64_t created_ns,
                         const struct qr_group_traits *traits);
int qr_group_block_check(const struct qr_group_block *block, const struct qr_superblock *sb,
                         const char *name);
void qr_lease_layout(struct qr_lease_layout *layout, uint32_t max_messages);
/* 1 when name may name a group: 1..63 of [A-Za-z0-9._-], not beginning with a dot. */
int qr_group_name_valid(const char *name);

#endif
