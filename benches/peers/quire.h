/* SPDX-License-Identifier: MIT */
/* quire as a peer, for benches that open the channel themselves: peer_all[0] with its own open. */
#ifndef BENCH_PEER_QUIRE_H
#define BENCH_PEER_QUIRE_H

#include <benches/peers/peer.h>
#include <quire.h>

/* A queue of an open channel, which closes it. path: its directory, removed with it; or "". */
int quire_adopt(quire_t *channel, const char *path, void **queue);

#endif
