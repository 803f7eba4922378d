/* SPDX-License-Identifier: MIT */
#include <tests/fs/disk.h>
#include <tests/fs/spool.h>
#include <tests/support/content.h>
#include <tests/support/harness.h>

uint64_t spool_page(void)
{
    return disk_type() == DISK_BTRFS ? 32u << 10 : 256u << 10;
}

struct quire_options spool_options(uint32_t pages)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    options.flags = QUIRE_CREATE;
    options.page_size = spool_page();
    options.max_pages = pages;
    options.full_policy = QUIRE_FULL_GROW;
    return options;
}

int spool_open(struct spool *spool, const char *name, uint32_t pages)
{
    char path[TEMP_PATH_MAX];
    struct quire_options options = spool_options(pages);
    int rc = quire_open(&spool->channel, disk_path(path, name), &options);
    if (rc < 0)
        return rc;
    CHECK_OK(quire_tx_open(spool->channel, NULL, &spool->tx));
    CHECK_OK(quire_rx_subscribe(spool->channel, "g", NULL, NULL, &spool->rx));
    return 0;
}

void spool_close(struct spool *spool)
{
    quire_rx_close(spool->rx);
    quire_tx_close(spool->tx);
    CHECK_OK(quire_close(spool->channel));
}

int spool_send(struct spool *spool, uint64_t count)
{
    unsigned char data[SPOOL_BYTES];
    for (uint64_t i = 0; i < count; i++) {
        content_fill(data, sizeof data, 1, spool->sent);
        int rc = quire_tx_send(spool->tx, data, sizeof data);
        if (rc < 0)
            return rc;
        spool->sent++;
    }
    return 0;
}

void spool_receive(struct spool *spool)
{
    unsigned char data[SPOOL_BYTES];
    size_t size;
    while (spool->received < spool->sent) {
        CHECK_OK(quire_rx_recv_copy(spool->rx, data, sizeof data, &size, 0));
        CHECK_EQ(size, sizeof data);
        CHECK(content_matches(data, size, 1, spool->received));
        spool->received++;
    }
    CHECK_CODE(quire_rx_recv_copy(spool->rx, data, sizeof data, &size, 0), QUIRE_EAGAIN);
}

void spool_churn(struct spool *spool)
{
    for (int round = 0; round < 3; round++) {
        spool_receive(spool);
        disk_sync();
        CHECK_OK(spool_send(spool, spool_page() / SPOOL_BYTES / 2));
        disk_sync();
        CHECK_OK(spool_send(spool, spool_page() / SPOOL_BYTES));
    }
    spool_receive(spool);
}
