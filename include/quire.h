/* SPDX-License-Identifier: MIT */
/*
 * quire: a lock-free multi-producer multi-consumer channel over a ring of memory-mapped pages.
 *
 * This is the umbrella header. The parts:
 *   quire/version.h   version numbers
 *   quire/error.h     result codes and their texts
 *   quire/channel.h   create, open, close; options
 *   quire/tx.h        producer handles: send, reserve / commit, batches
 *   quire/rx.h        consumer handles: subscribe, recv, next_page
 *   quire/group.h     groups and their modes
 *   quire/ack.h       ack groups: acknowledge, return
 *   quire/sync.h      durability: sync, durable position
 *   quire/loop.h      descriptors for event loops
 *   quire/select.h    sets of consumer handles that are waited for together
 *   quire/drain.h     what is left when a channel is shut down
 *   quire/stat.h      what a channel holds and who holds it
 *   quire/doctor.h    what the machine and a file system do for a channel
 */
#ifndef QUIRE_H
#define QUIRE_H

#include <quire/ack.h>
#include <quire/channel.h>
#include <quire/doctor.h>
#include <quire/drain.h>
#include <quire/error.h>
#include <quire/group.h>
#include <quire/loop.h>
#include <quire/rx.h>
#include <quire/select.h>
#include <quire/stat.h>
#include <quire/sync.h>
#include <quire/tx.h>
#include <quire/version.h>

#endif
