/* SPDX-License-Identifier: MIT */
/* Groups: found, made, joined. */
#ifndef QR_LIB_GROUP_H
#define QR_LIB_GROUP_H

#include <lib/channel.h>

/* Loads every group file of the store that is not open yet: at open, and for observers again
 * under ch->lock. */
int qr_groups_load(struct quire *ch);
/* Closes them; at the end. */
void qr_groups_free(struct quire *ch);

/*
 * The group of that name, made at where when it does not exist (options NULL: all defaults);
 * QUIRE_EINVAL when it has another mode. handle is the line of the
 * subscriber, state SETUP: it protects the pages while the group is made. Under ch->lock.
 */
int qr_group_join(struct quire *ch, const char *name, const struct quire_where *where,
                  const struct quire_group_options *options, uint32_t handle,
                  struct qr_group **group);
/* For an observer: the groups that another process has made or deleted. 0 or an error. */
int qr_groups_see(struct quire *ch);
struct qr_group *qr_group_by_id(struct quire *ch, uint32_t id);
/* May a group begin there, as far as the words go? */
int qr_where_valid(const struct quire_where *where);
/* NULL when there is none of that name. Under ch->lock. */
struct qr_group *qr_group_find(struct quire *ch, const char *name);
/*
 * Where a group is to begin: *position, and *walked, the first page that it will look at from its
 * first slot on. The pages are protected by the line of the handle, in state SETUP, until its stand
 * is cleared. As qr_group_join for the rest.
 */
int qr_group_secure(struct quire *ch, const struct quire_where *where, uint32_t handle,
                    uint64_t *position, uint64_t *walked);
/* 0 or QUIRE_EINVAL. */
int qr_group_options_check(const struct quire_group_options *options);

/* First page of the unbroken row of pages that ends with the tail. */
uint64_t qr_oldest_page(struct quire *ch, uint64_t tail);

#endif
