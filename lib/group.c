/* SPDX-License-Identifier: MIT */
/*
 * Groups are found by name under the channel's lock, and read without it: the list only grows.
 *
 * A group that begins at an old page needs that page and all later ones from the moment it is
 * made. Its maker protects them first: the line of its handle (state SETUP) names the first page,
 * then every page up to the tail gets a pin, which makes a recycler fail that decided before the
 * line was written. Pages after the tail that was read cannot be recycled by anybody who has not
 * seen a later tail, and with it the line.
 */
#include <errno.h>
#include <lib/bound.h>
#include <lib/commit.h>
#include <lib/evict.h>
#include <lib/group.h>
#include <lib/handles.h>
#include <lib/lease.h>
#include <lib/recycle.h>
#include <lib/turn.h>
#include <lib/wait.h>
#include <pages/io.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIST_FIRST   8u
#define TRIES        100u
#define LEASE_MS_MAX 0xffffffffull

static int grow_list(struct quire *ch, uint32_t count)
{
    struct qr_group_list *old = qr_groups(ch);
    if (old && count < old->capacity)
        return 0;
    uint32_t capacity = old ? old->capacity * 2 : LIST_FIRST;
    struct qr_group_list *list = qr_io_zalloc(sizeof(*list) + capacity * sizeof(list->group[0]));
    if (!list)
        return -ENOMEM;
    list->capacity = capacity;
    list->older = old;
    for (uint32_t i = 0; old && i < count; i++)
        list->group[i] = old->group[i];
    /* [R1 groups] pairs with A1 in channel.h: all groups counted so far are in it. */
    qr_store_release(&ch->group_list, (uint64_t)(uintptr_t)list);
    return 0;
}

/* The group's map is open. On failure the caller closes it. */
static int add_group(struct quire *ch, const char *name, const struct qr_group_map *map,
                     struct qr_group **out)
{
    uint32_t count = qr_group_count(ch);
    int rc = grow_list(ch, count);
    if (rc != 0)
        return rc;
    struct qr_group *group = qr_io_zalloc(sizeof(*group));
    if (!group)
        return -ENOMEM;
    group->map = *map;
    group->block = map->block;
    qr_bells_init(&group->bells);
    group->id = map->block->group_id;
    if (map->block->mode == QR_GROUP_ACK && qr_leases_new(ch, group) != 0) {
        qr_bells_free(&group->bells);
        free(group);
        return -ENOMEM;
    }
    memcpy(group->name, name, strlen(name) + 1); /* its length was checked: it is a group's */
    if (qr_group_lossy(ch, group))
        qr_store_relaxed(&ch->lossy, 1u); /* relaxed: ordered by the next */
    qr_bound_admit(ch, group);
    qr_groups(ch)->group[count] = group;
    /* [R1 groups] pairs with A1. */
    qr_store_release(&ch->group_count, count + 1);
    /* [R8 needs] pairs with A8 in recycle.c: before its maker's line stops protecting. */
    if (!ch->view.read_only)
        qr_add_acq_rel(&ch->view.live->needs_seq, 1u);
    if (group->id >= ch->group_next_id)
        ch->group_next_id = group->id + 1;
    *out = group;
    return 0;
}

struct qr_group *qr_group_find(struct quire *ch, const char *name)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        if (!qr_group_deleted(list->group[i]) && strcmp(list->group[i]->name, name) == 0)
            return list->group[i];
    return NULL;
}

static int load_one(void *context, const char *name)
{
    struct quire *ch = context;
    struct qr_group_map map;
    struct qr_group *group;
    if (qr_group_find(ch, name))
        return 0;
    int rc = qr_store_group_open(ch->store, name, &map);
    if (rc != 0)
        return rc;
    rc = add_group(ch, name, &map, &group);
    if (rc != 0)
        qr_store_group_close(ch->store, &map);
    return rc;
}

/* The files of groups that another process has deleted have no name any more. */
static void see_deleted(struct quire *ch)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    struct stat st;
    for (uint32_t i = 0; i < count; i++)
        if (qr_io_fstat(list->group[i]->map.fd, &st) == 0 && st.st_nlink == 0)
            qr_store_relaxed(&list->group[i]->deleted, 1u); /* relaxed: under ch->lock */
}

int qr_groups_load(struct quire *ch)
{
    if (ch->view.read_only)
        see_deleted(ch);
    return qr_store_group_list(ch->store, load_one, ch);
}

int qr_groups_see(struct quire *ch)
{
    if (!ch->view.read_only)
        return 0;
    pthread_mutex_lock(&ch->lock);
    int rc = qr_groups_load(ch);
    pthread_mutex_unlock(&ch->lock);
    return rc;
}

struct qr_group *qr_group_by_id(struct quire *ch, uint32_t id)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++)
        if (list->group[i]->id == id)
            return list->group[i];
    return NULL;
}

int qr_where_valid(const struct quire_where *where)
{
    return where->kind <= QUIRE_TIME && where->reserved == 0;
}

void qr_groups_free(struct quire *ch)
{
    uint32_t count = qr_group_count(ch);
    struct qr_group_list *list = qr_groups(ch);
    for (uint32_t i = 0; i < count; i++) {
        qr_leases_free(ch, list->group[i]);
        qr_store_group_close(ch->store, &list->group[i]->map);
        qr_bells_free(&list->group[i]->bells);
        free(list->group[i]);
    }
    while (list) {
        struct qr_group_list *older = list->older;
        free(list);
        list = older;
    }
}

/* Adds a pin to the page's life word; 0 when the page is gone. */
static int pin(struct quire *ch, uint64_t page_no)
{
    struct qr_place place;
    if (qr_locate(ch, page_no, &place) != 0)
        return 0;
    qr_atomic_u64 *word = &ch->view.life[place.frame_id];
    uint64_t life = qr_load_acquire(word); /* [A6 life] pairs with R6 */
    while (qr_life_page(life) == page_no) {
        uint64_t pinned = qr_life(page_no, ((life & QR_LIFE_PINS) + 1) & QR_LIFE_PINS);
        /* [R6 life] pairs with A6 in recycle.c: the line of the subscriber is written. */
        if (qr_cas_acq_rel(word, &life, pinned))
            return 1;
    }
    return 0;
}

uint64_t qr_oldest_page(struct quire *ch, uint64_t tail)
{
    struct qr_place place;
    /* [A11 retain] pairs with R11 in evict.c. */
    uint64_t given_up = qr_load_acquire(&ch->view.live->retain_from);
    uint64_t oldest = tail;
    while (oldest > given_up && qr_locate(ch, oldest - 1, &place) == 0 &&
           /* [A6 life] pairs with R6: not on its way to another page. */
           qr_life_page(qr_load_acquire(&ch->view.life[place.frame_id])) == oldest - 1)
        oldest--;
    return oldest;
}

/* The tail, in an order that makes later turns see what this thread wrote before. */
static uint64_t ordered_tail(struct quire *ch)
{
    /* [R10 tail] [A10 tail] every later raise, and so every recycler of a later page, comes after.
     */
    return qr_add_acq_rel(&ch->view.live->tail_page, 0u);
}

/* Protects page_no and all later pages by the line of the handle. 0 when one is gone. */
static int protect(struct quire *ch, uint32_t handle, uint64_t page_no)
{
    /* [R19 stand] pairs with A19. */
    qr_store_release(&qr_handle(ch, handle)->stand, page_no + 1);
    uint64_t tail = ordered_tail(ch);
    for (uint64_t p = page_no; p <= tail; p++)
        if (!pin(ch, p))
            return 0;
    return 1;
}

/* Where a new group begins, within pages that protect() has secured. walked: first page that the
 * group will look at from its first slot on. */
static int begin_at(struct quire *ch, const struct quire_where *where, uint64_t page_no,
                    uint64_t *position, uint64_t *walked)
{
    struct qr_place place;
    *position = QUIRE_POSITION(page_no, 0);
    *walked = page_no;
    if (where->kind != QUIRE_NEWEST && where->kind != QUIRE_AT)
        return 0;
    int rc = qr_locate(ch, page_no, &place);
    if (rc != 0)
        return rc;
    /* relaxed: the count as of now. */
    uint64_t word = qr_load_relaxed(place.frame->claim);
    int over = qr_claim_over(word, ch->max_messages, ch->capacity_units);
    if (where->kind == QUIRE_NEWEST) {
        /* A page that is over, though not left yet, has no message from now on. */
        *walked = page_no + 1;
        *position =
            over ? QUIRE_POSITION(page_no + 1, 0) : QUIRE_POSITION(page_no, qr_claim_count(word));
        return 0;
    }
    int64_t final = qr_final(place.frame, page_no);
    uint64_t count = final >= 0 ? (uint64_t) final : over ? 0 : qr_claim_count(word);
    if (over && final < 0)
        return QUIRE_EAGAIN; /* its sealer is about to say */
    *position = where->value;
    *walked = QUIRE_SLOT_OF(where->value) == 0 ? page_no : page_no + 1;
    return QUIRE_SLOT_OF(where->value) <= count ? 0 : QUIRE_EINVAL;
}

/* The first page that was written at that time or later; the tail when there is none. */
static uint64_t page_of_time(struct quire *ch, uint64_t oldest, uint64_t tail, uint64_t ns)
{
    for (uint64_t page = oldest; page < tail; page++) {
        struct qr_place place;
        /* relaxed: a time; the seal comes after it. */
        if (qr_locate(ch, page, &place) == 0 &&
            (qr_final(place.frame, page) < 0 ||
             qr_load_relaxed(&place.frame->header->last_ns) >= ns))
            return page;
    }
    return tail;
}

/* The first page that where needs. */
static int first_page(struct quire *ch, const struct quire_where *where, uint64_t *page_no)
{
    uint64_t tail = ordered_tail(ch);
    switch (where->kind) {
    case QUIRE_OLDEST:
        *page_no = qr_oldest_page(ch, tail);
        return 0;
    case QUIRE_NEWEST:
        *page_no = tail;
        return 0;
    case QUIRE_PAGE:
        *page_no = where->value;
        break;
    case QUIRE_TIME:
        *page_no = page_of_time(ch, qr_oldest_page(ch, tail), tail, where->value);
        return 0;
    default:
        *page_no = QUIRE_PAGE_OF(where->value);
    }
    if (*page_no > tail)
        return QUIRE_EINVAL;
    return *page_no < qr_oldest_page(ch, tail) ? QUIRE_ENOENT : 0;
}

/* Settles where the group begins, with its pages protected. */
int qr_group_secure(struct quire *ch, const struct quire_where *where, uint32_t handle,
                    uint64_t *position, uint64_t *walked)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        uint64_t page_no;
        int rc = first_page(ch, where, &page_no);
        if (rc != 0)
            return rc;
        if (protect(ch, handle, page_no)) {
            rc = begin_at(ch, where, page_no, position, walked);
            if (rc != QUIRE_EAGAIN)
                return rc;
        }
        /* Recycled under our hands: further on. A tail that lags is helped, as by everybody; but a
         * turn may have to give up a page, and the lock of that is held here. */
        struct qr_place place;
        if (!qr_gives_up(ch))
            (void)qr_turn(ch, &place);
        sched_yield();
    }
    return QUIRE_EBUSY;
}

static int make_group(struct quire *ch, const char *name, const struct quire_where *where,
                      const struct quire_group_options *o, uint32_t handle, struct qr_group **group)
{
    uint64_t position, walked;
    struct qr_group_map map;
    qr_bound_expect(ch);
    int rc = qr_group_secure(ch, where, handle, &position, &walked);
    if (rc != 0)
        return rc;
    struct qr_group_traits traits = {.mode = (uint8_t)o->mode,
                                     .hold = (uint8_t)o->hold,
                                     .max_attempts = (uint8_t)o->max_attempts,
                                     .lease_ms = (uint32_t)((o->lease_ns + 999999u) / 1000000u),
                                     .head = qr_head(position, QR_OWNER_NOBODY),
                                     .walked_from = walked,
                                     .begin = position};
    rc = qr_store_group_create(ch->store, name, ch->group_next_id, &traits, &map);
    if (rc != 0)
        return rc;
    qr_bound_stop(ch);
    rc = add_group(ch, name, &map, group);
    if (rc != 0) {
        qr_store_group_close(ch->store, &map);
        return rc;
    }
    qr_bound_place(ch, *group);
    qr_commit_needs(ch, QUIRE_PAGE_OF(position));
    return rc;
}

int qr_group_options_check(const struct quire_group_options *o)
{
    if (o->size != sizeof(*o) || o->mode > QUIRE_GROUP_ACK || o->hold > QUIRE_HOLD_LOSSY ||
        o->lease_ns > LEASE_MS_MAX * 1000000u || o->max_attempts > QR_LEASE_ATTEMPTS ||
        (o->mode == QUIRE_GROUP_AUTO && (o->max_attempts != 0 || o->lease_ns != 0)))
        return QUIRE_EINVAL;
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i] != 0)
            return QUIRE_EINVAL;
    return 0;
}

int qr_group_join(struct quire *ch, const char *name, const struct quire_where *where,
                  const struct quire_group_options *options, uint32_t handle,
                  struct qr_group **group)
{
    static const struct quire_group_options plain = QUIRE_GROUP_OPTIONS_INIT;
    *group = qr_group_find(ch, name);
    if (*group)
        return options && options->mode != (*group)->block->mode ? QUIRE_EINVAL : 0;
    /* What is given up must not be given up and subscribed to at once. */
    int locked = qr_gives_up(ch);
    while (locked && !qr_evict_try_lock(ch))
        sched_yield();
    int rc = make_group(ch, name, where, options ? options : &plain, handle, group);
    qr_bound_settle(ch);
    if (locked)
        qr_evict_unlock(ch);
    /* [R19 stand] pairs with A19: the group's head protects from here on. */
    qr_store_release(&qr_handle(ch, handle)->stand, 0u);
    /* With a first group pages may be free that were kept for want of one. */
    qr_freed(ch, ch->view.live);
    return rc;
}
