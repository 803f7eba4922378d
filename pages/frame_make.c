/* SPDX-License-Identifier: MIT */
/*
 * Storage for frames that come and go while the channel runs. A frame that is given back keeps
 * its header page and its mapping: whoever comes late may still look at its page_no.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pages/io.h>
#include <pages/store_internal.h>
#include <quire/error.h>

void qr_frame_body(const struct qr_store *store, uint32_t frame, uint64_t *offset, uint64_t *size)
{
    uint64_t base = store->view.directory_backed ? 0 : frame * store->map_bytes;
    /* A huge page goes back whole or not at all, so the first one stays with the header. */
    int hugetlb = store->backing == QR_BACKING_MEMORY_HUGETLB;
    uint64_t kept = hugetlb ? QR_HUGE_BYTES : QR_BLOCK;
    uint64_t end = hugetlb ? store->map_bytes : store->sb.frame_bytes;
    *offset = base + kept;
    *size = end - kept;
}

int qr_store_frame_make(struct qr_store *store, uint32_t frame)
{
    struct qr_frame_prep prep;
    int rc = qr_store_prep_begin(store, frame, &prep);
    if (rc < 0)
        return rc;
    if (prep.size != 0)
        rc = qr_io_fallocate(prep.fd, prep.offset, prep.size);
    if (rc == 0)
        rc = qr_store_prep_map(store, &prep);
    if (rc == 0)
        rc = qr_populate(prep.address, prep.bytes);
    return qr_store_prep_finish(store, &prep, rc);
}

int qr_store_frame_extent(const struct qr_store *store, uint32_t frame, struct qr_extent *extent)
{
    *extent = (struct qr_extent){.fd = -1};
    if (frame >= store->sb.frames_cap)
        return QUIRE_EBADFILE;
    if (store->view.read_only)
        return QUIRE_ERDONLY;
    int fd =
        store->view.directory_backed ? qr_frame_file_open(store, frame, O_RDWR) : store->pages_fd;
    if (fd < 0)
        return qr_store_error(fd);
    extent->fd = fd;
    qr_frame_body(store, frame, &extent->offset, &extent->size);
    return 0;
}

void qr_store_extent_done(const struct qr_store *store, struct qr_extent *extent)
{
    /* In memory the descriptor is the store's own. */
    if (store->view.directory_backed && extent->fd >= 0)
        qr_io_close(extent->fd);
    extent->fd = -1;
}
