/* SPDX-License-Identifier: MIT */
/*
 * The storage of one channel: its control file, its frames, its group files, in a directory or in
 * memfds. Knows bytes, blocks and mappings; knows nothing of producers, groups' meaning or
 * recovery. Results are 0 (or a count), a QUIRE_* code, or -errno.
 */
#ifndef QR_STORE_H
#define QR_STORE_H

#include <pages/format.h>

/* A mapped frame. Pointers never change once set, until the store is closed. */
struct qr_frame {
    qr_atomic_u64 *claim; /* in the control file */
    struct qr_frame_header *header;
    qr_atomic_u64 *slots;
    unsigned char *data;
};

struct qr_group_map {
    struct qr_group_block *block; /* one mapped block */
    int fd;                       /* of the group's file; -1 in memory */
};

/* The lease zone of a group for one frame; head NULL: not there. */
struct qr_zone {
    struct qr_lease_head *head;
    qr_atomic_u64 *words;
    qr_atomic_u64 *who;
    qr_atomic_u64 times; /* an address; 0: nobody asked for them */
    void *mapping;
    uint64_t offset; /* in fd */
    int fd;          /* borrowed */
    uint32_t frame;
};

/* A range of a file, to be ended with qr_store_extent_done(). */
struct qr_extent {
    int fd; /* -1: none */
    uint64_t offset;
    uint64_t size; /* 0: nothing there that could be given back */
};

/*
 * A frame on its way to being mapped and populated. The slow work is the caller's between the
 * steps; see qr_store_prep_begin().
 */
struct qr_frame_prep {
    uint32_t frame;
    int fd;          /* of the frame's file, or the memfd of all frames; the store closes it */
    uint64_t offset; /* what to allocate in fd before the map */
    uint64_t size;   /* 0: nothing to allocate */
    void *address;   /* what to populate for write after the map */
    uint64_t bytes;  /* 0: nothing to populate */
    /* The store's own. */
    void *mapping;   /* not yet shown to anybody; NULL: none */
    uint8_t absent;  /* the frame had no storage: a failure takes it away again */
    uint8_t created; /* its file is new */
};

struct qr_store;

/* Everything the files say, mapped: pointers into the control file. */
struct qr_store_view {
    const struct qr_superblock *sb; /* a private checked copy */
    struct qr_live *live;
    qr_atomic_u64 *life;      /* sb->frames_cap */
    qr_atomic_u64 *directory; /* sb->directory_size */
    struct qr_handle *handles;
    struct qr_participant *participants;
    int directory_backed; /* 1: a directory; 0: memory */
    int read_only;
    int huge_pages;
};

/*
 * Makes a channel directory, all or nothing: under a temporary name beside path, every block of
 * the frames_base frames allocated and the files synced, then renamed and the parent synced.
 * closed_claim is what every claim word holds at first. life[] begins as FREE for the frames
 * made and ABSENT for the others; directory[] as NONE; live words zero but clean = 1.
 * mode: permission bits of the files, 0 for 0600; directories get x wherever r is set; the
 * umask applies. Files made later take the bits of the control file.
 * QUIRE_EEXIST, QUIRE_ENOENT (parent), QUIRE_EPERM, QUIRE_ENOSPC, -errno.
 */
int qr_store_create(const char *path, const struct qr_geometry *geometry, uint32_t mode,
                    uint64_t closed_claim);

/*
 * Opens a channel directory: takes the lock (not when read_only), checks both superblock copies
 * (one damaged copy is tolerated and, unless read_only, repaired), the control file's size and
 * the size and identity of every frame file that life[] promises: it says neither ABSENT nor
 * BUSY. BUSY is left by a crash in the middle of making a frame or giving it back; the caller
 * makes it FREE when qr_store_frame_whole(), else ABSENT. Frames are not mapped yet.
 * QUIRE_ENOENT, QUIRE_ENOTQUIRE (no directory, or nothing of ours in it), QUIRE_EVERSION,
 * QUIRE_EBADFILE, QUIRE_EBUSY, QUIRE_EPERM, QUIRE_ENOSPC, -errno.
 */
int qr_store_open(struct qr_store **store, const char *path, int read_only, uint64_t closed_claim);

/*
 * A channel in memfds; frames are made when first asked for, life[] begins as ABSENT.
 * huge_pages asks for the machine's huge page pool, else for MADV_HUGEPAGE; view.huge_pages says
 * whether one of them was accepted, and the channel works as well without.
 */
int qr_store_open_memory(struct qr_store **store, const struct qr_geometry *geometry,
                         int huge_pages, uint64_t closed_claim);

/*
 * Unmaps and closes all, the lock last; in a directory open for writing unlinks page files whose
 * life is ABSENT. Group maps are closed before. NULL is fine.
 */
void qr_store_close(struct qr_store *store);

const struct qr_store_view *qr_store_view(const struct qr_store *store);

/*
 * The frame, mapped and populated for write (read-only stores: mapped for read); the first call
 * for a frame maps it, later ones return what is there: a few instructions and one acquire load.
 * Any thread. Returns 0; QUIRE_ENOENT when the frame is not mapped and has no storage to map (life
 * is ABSENT or BUSY: the caller came late and looks at life[] again); QUIRE_EBADFILE,
 * QUIRE_ENOSPC, QUIRE_EPERM, -errno.
 */
int qr_store_frame(struct qr_store *store, uint32_t frame, const struct qr_frame **out);
/* The same when it is mapped already, else NULL. */
const struct qr_frame *qr_store_frame_mapped(const struct qr_store *store, uint32_t frame);

/*
 * Gives an absent frame its storage: real blocks allocated, header written when it is new, mapped
 * and populated. A frame that was given back keeps its header page and mapping, which is populated
 * again. The caller owns life[frame] as BUSY. Any thread, for different frames at once.
 * Returns 0, QUIRE_ENOSPC, QUIRE_EBADFILE (a file that is mapped was replaced), QUIRE_ERDONLY,
 * QUIRE_EPERM, -errno; on failure nothing is left allocated.
 */
int qr_store_frame_make(struct qr_store *store, uint32_t frame);

/*
 * The same in steps, so that the slow ones can be done elsewhere:
 *
 *   begin    opens or creates the frame's file
 *            caller: fallocate(fd, 0, offset, size) unless size is 0
 *   map      maps it; nobody else sees the mapping
 *            caller: MADV_POPULATE_WRITE of [address, address + bytes) unless bytes is 0; then, on
 *            a directory, fdatasync(fd) and fsync(qr_store_pages_fd()) when a new frame is to
 *            survive a power loss: header, blocks and name are there
 *   finish   shows the mapping to everybody, or undoes all of it
 *
 * begin() and map() are quick calls, finish() is one but when it undoes. Every begin() that
 * returned 0 is ended by one finish(), also after a failure of map() or of the caller's own steps,
 * whose result it gets: 0, a QUIRE_* code or -errno. finish() returns 0 or that failure as the
 * code a caller of the store gets; -EFAULT, with which the kernel says that populating would have
 * raised SIGBUS, is QUIRE_ENOSPC. Where madvise says -EINVAL, qr_store_populate() still works.
 *
 * Two uses. Frames without storage: the caller owns life[frame] as BUSY until finish() has
 * returned. Frames that have storage but are not mapped yet, such as those that were there at the
 * open: there is nothing to allocate, and the caller sees to it that nobody gives the frame back
 * before finish(); a failure leaves the storage alone; a qr_store_frame() at the same moment may
 * map it first, and finish() then returns 0. begin() returns QUIRE_ENOENT when life says ABSENT,
 * else as qr_store_frame_make(). Different frames at once, each by one thread at a time.
 */
int qr_store_prep_begin(struct qr_store *store, uint32_t frame, struct qr_frame_prep *prep);
int qr_store_prep_map(struct qr_store *store, struct qr_frame_prep *prep);
int qr_store_prep_finish(struct qr_store *store, struct qr_frame_prep *prep, int result);
/* Faults a range of a frame in for writing: 0, QUIRE_ENOSPC, -errno. */
int qr_store_populate(void *address, uint64_t bytes);
/* Stores to every block what it holds: the kernel takes it for new. Others may be at work on the
 * words. A block that has no room raises SIGBUS. */
void qr_store_touch(void *address, uint64_t bytes);

/*
 * Descriptors to sync, which stay the store's. The frame's is opened at the first call and kept
 * until the store is closed: one that is opened after somebody else was told of a failed
 * write-back would not hear of it. Any thread; not for a frame that is BUSY or ABSENT. The
 * descriptor, or QUIRE_EINVAL in memory; for a frame also QUIRE_EBADFILE, QUIRE_EPERM, -errno.
 */
int qr_store_frame_fd(struct qr_store *store, uint32_t frame);
int qr_store_control_fd(const struct qr_store *store);
/* The directory that holds the frames' files. */
int qr_store_pages_fd(const struct qr_store *store);

/*
 * What to punch so that a frame's index and data go back to the file system; the header page and
 * the mapping stay, for whoever comes late and looks at page_no. The caller owns
 * life[frame] as BUSY, hands this to the engine or punches it itself, and then is done with it.
 * Returns 0, QUIRE_EBADFILE, QUIRE_ERDONLY, QUIRE_EPERM, -errno.
 */
int qr_store_frame_extent(const struct qr_store *store, uint32_t frame, struct qr_extent *extent);
/* Also after a failure of the above. */
void qr_store_extent_done(const struct qr_store *store, struct qr_extent *extent);
/*
 * For recovery, on a directory: 1 when the frame's file has its size, its identity and all of its
 * blocks, else 0.
 */
int qr_store_frame_whole(struct qr_store *store, uint32_t frame);

/*
 * Groups. A created group file is complete and synced, or absent. Any thread. An open maps the
 * file anew; in memory every map of a group is the same and lasts as long as the store.
 * QUIRE_EEXIST, QUIRE_ENOENT, QUIRE_EBADFILE, QUIRE_EINVAL (name), QUIRE_ERDONLY, QUIRE_ENOSPC,
 * QUIRE_EPERM, -errno; on failure *map is empty and may be closed.
 */
int qr_store_group_create(struct qr_store *store, const char *name, uint32_t group_id,
                          const struct qr_group_traits *traits, struct qr_group_map *map);
int qr_store_group_open(struct qr_store *store, const char *name, struct qr_group_map *map);
/* Takes the group's name away; what is mapped stays. QUIRE_ENOENT, QUIRE_EPERM, -errno. *gone: it
 * is away, also when what follows fails: that this outlives a power loss. */
int qr_store_group_delete(struct qr_store *store, const char *name, int *gone);
void qr_store_group_close(struct qr_store *store, struct qr_group_map *map);
/* Calls each(context, name) for every group file until it returns non-zero, which is returned.
 * each may open and make groups. Files that name no group are passed over. */
int qr_store_group_list(struct qr_store *store, int (*each)(void *context, const char *name),
                        void *context);

static inline qr_atomic_u64 *qr_zone_times(const struct qr_zone *zone)
{
    /* [A43 zone] pairs with R43 in group_zone.c. */
    uint64_t times = qr_load_acquire(&((struct qr_zone *)zone)->times);
    return (qr_atomic_u64 *)(uintptr_t)times;
}
/*
 * The lease zone of an ack group for a frame, mapped; times is 0 until it is asked for. Its
 * blocks are allocated when it is first asked for; an observer gets what is there: QUIRE_ENOENT
 * when nothing is. One thread at a time for a zone. On failure *zone is as before.
 * Returns 0, QUIRE_ENOENT, QUIRE_EBADFILE, QUIRE_ENOSPC, -errno.
 */
int qr_store_zone_open(struct qr_store *store, const struct qr_group_map *map, uint32_t frame,
                       int times, struct qr_zone *zone);
/* 1 when the group's file reaches that far. */
int qr_store_zone_there(struct qr_store *store, const struct qr_group_map *map, uint32_t frame);
void qr_store_zone_close(struct qr_store *store, struct qr_zone *zone);

/* Bytes allocated by all files now (st_blocks); opens each file of a directory. What cannot be
 * looked at counts as nothing. */
uint64_t qr_store_bytes(const struct qr_store *store);

/* The machine's boot id; zeroes when unknown. */
void qr_boot_id(uint8_t out[16]);

#endif
