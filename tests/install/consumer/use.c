/* SPDX-License-Identifier: MIT */
/* What a C program of a user does: one message through a channel in memory. */
#include <quire.h>
#include <stdio.h>
#include <string.h>

static int transfer(quire_t *channel)
{
    static const char text[] = "from C";
    quire_tx_t *tx = NULL;
    quire_rx_t *rx = NULL;
    struct quire_msg msg = {0};
    int ok = quire_tx_open(channel, NULL, &tx) == 0 &&
             quire_rx_subscribe(channel, "all", NULL, NULL, &rx) == 0 &&
             quire_tx_send(tx, text, sizeof(text)) == 0 && quire_rx_recv(rx, &msg) == 0 &&
             msg.size == sizeof(text) && memcmp(msg.data, text, sizeof(text)) == 0 &&
             quire_rx_try_recv(rx, &msg) == QUIRE_EAGAIN;
    quire_rx_close(rx);
    quire_tx_close(tx);
    return ok;
}

int main(void)
{
    struct quire_options options = QUIRE_OPTIONS_INIT;
    quire_t *channel = NULL;
    options.page_size = 4096;
    int error = quire_open(&channel, NULL, &options);
    if (error != 0) {
        fprintf(stderr, "quire_open: %s\n", quire_strerror(error));
        return 1;
    }
    int ok = transfer(channel);
    ok = quire_close(channel) == 0 && ok;
    ok = strcmp(quire_version(), QUIRE_VERSION_STRING) == 0 && ok;
    puts(ok ? "ok" : "failed");
    return ok ? 0 : 1;
}
