/* SPDX-License-Identifier: MIT */
/* Groups: making, finding, listing, and what is refused, in both backings. */
#include "store_fixture.h"
#include <pthread.h>

TestSuite(group_file, .init = scratch_make, .fini = scratch_remove);

#define BACKINGS 2
static struct qr_store *open_backing(int backing)
{
    if (backing > 0)
        return open_in_memory(0);
    make_channel();
    return open_channel(0);
}

static void check_block(const struct qr_store *store, const struct qr_group_map *map,
                        const char *name, uint32_t id)
{
    cr_assert_eq(qr_group_block_check(map->block, qr_store_view(store)->sb, name), 0);
    cr_assert_eq(map->block->group_id, id);
    cr_assert_neq(map->block->created_ns, 0u);
    cr_assert_eq(qr_load_acquire(&map->block->head), 11u * id);
    cr_assert_eq(qr_load_acquire(&map->block->walked_from), 13u * id);
    cr_assert_eq(qr_load_acquire(&map->block->sleepers), 0u);
}

static int create(struct qr_store *store, const char *name, uint32_t id, struct qr_group_map *map)
{
    return qr_store_group_create(
        store, name, id, &(struct qr_group_traits){.head = 11u * id, .walked_from = 13u * id}, map);
}

Test(group_file, is_found_as_it_was_made)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_group_map made, found;
        cr_assert_eq(create(store, "orders", 7, &made), 0);
        check_block(store, &made, "orders", 7);
        cr_assert_eq(qr_store_group_open(store, "orders", &found), 0);
        check_block(store, &found, "orders", 7);
        cr_assert_eq(made.fd >= 0, backing == 0);
        cr_assert_eq(found.fd >= 0, backing == 0);
        qr_store_release(&made.block->wait_seq, 99u); /* one block behind both */
        cr_assert_eq(qr_load_acquire(&found.block->wait_seq), 99u);
        qr_store_group_close(store, &made);
        cr_assert_null(made.block);
        cr_assert_eq(made.fd, -1);
        cr_assert_eq(qr_load_acquire(&found.block->wait_seq), 99u);
        qr_store_group_close(store, &found);
        qr_store_group_close(store, &found); /* empty: nothing happens */
        qr_store_close(store);
    }
}

Test(group_file, survives_a_reopen_complete)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    struct qr_group_map map;
    cr_assert_eq(create(store, "orders", 7, &map), 0);
    qr_store_release(&map.block->head, 1234u);
    qr_store_group_close(store, &map);
    qr_store_close(store);
    cr_assert_eq(stat_of(in("groups/orders.group")).st_size, QR_BLOCK);
    cr_assert_geq(allocated(in("groups/orders.group")), QR_BLOCK);
    cr_assert_eq(names_under(in("groups")), 2); /* no temporary name stays */
    store = open_channel(0);
    cr_assert_eq(qr_store_group_open(store, "orders", &map), 0);
    cr_assert_eq(qr_load_acquire(&map.block->head), 1234u);
    qr_store_group_close(store, &map);
    qr_store_close(store);
}

static void check_empty(const struct qr_group_map *map)
{
    cr_assert_null(map->block);
    cr_assert_eq(map->fd, -1);
}

Test(group_file, refusals_have_their_codes)
{
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "a b", "../up", "\xc3\xa4"};
    char longest[QR_GROUP_NAME + 1];
    memset(longest, 'g', sizeof longest);
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct qr_group_map map, none;
        int before = open_descriptors();
        cr_assert_eq(qr_store_group_open(store, "g", &none), QUIRE_ENOENT);
        check_empty(&none);
        cr_assert_eq(create(store, "g", 1, &map), 0);
        cr_assert_eq(create(store, "g", 2, &none), QUIRE_EEXIST);
        check_empty(&none);
        check_block(store, &map, "g", 1); /* the first one is as it was */
        qr_store_group_close(store, &map);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            cr_assert_eq(create(store, bad[i], 1, &none), QUIRE_EINVAL, "'%s'", bad[i]);
            cr_assert_eq(qr_store_group_open(store, bad[i], &none), QUIRE_EINVAL);
        }
        longest[QR_GROUP_NAME] = '\0';
        cr_assert_eq(create(store, longest, 1, &none), QUIRE_EINVAL);
        longest[QR_GROUP_NAME - 1] = '\0';
        cr_assert_eq(create(store, longest, 3, &map), 0);
        qr_store_group_close(store, &map);
        cr_assert_eq(qr_store_group_open(store, longest, &map), 0);
        check_block(store, &map, longest, 3);
        qr_store_group_close(store, &map);
        longest[QR_GROUP_NAME - 1] = 'g';
        cr_assert_eq(open_descriptors(), before);
        qr_store_close(store);
    }
    cr_assert_eq(names_under(in("groups")), 3);
}

struct names {
    char text[256];
    int stop_after;
    struct qr_store *store;
};

static int collect(void *context, const char *name)
{
    struct names *names = context;
    strncat(names->text, name, sizeof names->text - strlen(names->text) - 1);
    strncat(names->text, " ", sizeof names->text - strlen(names->text) - 1);
    return --names->stop_after == 0 ? 17 : 0;
}

/* Opens what it is told of: the list holds no lock that this needs. */
static int open_each(void *context, const char *name)
{
    struct names *names = context;
    struct qr_group_map map;
    cr_assert_eq(qr_store_group_open(names->store, name, &map), 0);
    qr_store_group_close(names->store, &map);
    return collect(context, name);
}

static void put_file(const char *name)
{
    int fd = open(in(name), O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(fd, 0);
    close(fd);
}

Test(group_file, lists_groups_and_passes_over_the_rest)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        struct names names = {.store = store};
        cr_assert_eq(qr_store_group_list(store, collect, &names), 0);
        cr_assert_str_eq(names.text, "");
        if (backing == 0) {
            put_file("groups/.tmp-0123456789abcdef");
            put_file("groups/notes.txt");
            put_file("groups/.group");
            put_file("groups/group");
            put_file("groups/with space.group");
            put_file("groups/"
                     "ggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg.group");
        }
        struct qr_group_map map;
        cr_assert_eq(create(store, "b.group", 1, &map), 0);
        qr_store_group_close(store, &map);
        cr_assert_eq(create(store, "a", 2, &map), 0);
        qr_store_group_close(store, &map);
        cr_assert_eq(qr_store_group_list(store, open_each, &names), 0);
        cr_assert(strcmp(names.text, "a b.group ") == 0 || strcmp(names.text, "b.group a ") == 0,
                  "%s", names.text);
        struct names one = {.stop_after = 1};
        cr_assert_eq(qr_store_group_list(store, collect, &one), 17);
        cr_assert(strcmp(one.text, "a ") == 0 || strcmp(one.text, "b.group ") == 0);
        qr_store_close(store);
    }
}

Test(group_file, one_that_was_never_completed_is_swept_by_a_writer)
{
    make_channel();
    put_file("groups/.tmp-0123456789abcdef");
    put_file("groups/notes.txt");
    qr_store_close(open_channel(1));
    cr_assert_eq(names_under(in("groups")), 3);
    qr_store_close(open_channel(0));
    cr_assert_eq(names_under(in("groups")), 2);
    cr_assert_eq(access(in("groups/notes.txt"), F_OK), 0);
}

static int open_result(struct qr_store *store, const char *name)
{
    struct qr_group_map map;
    int before = open_descriptors();
    int rc = qr_store_group_open(store, name, &map);
    qr_store_group_close(store, &map);
    cr_assert_eq(open_descriptors(), before);
    return rc;
}

Test(group_file, damaged_ones_are_refused)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    struct qr_group_map map;
    cr_assert_eq(create(store, "g", 1, &map), 0);
    qr_store_group_close(store, &map);
    const char *path = "groups/g.group";
    for (size_t at = 0; at < 128; at++) { /* every byte of the identity */
        unsigned char was, now;
        peek(in(path), at, &was, 1);
        now = (unsigned char)~was;
        scribble(in(path), at, &now, 1);
        cr_assert_eq(open_result(store, "g"), QUIRE_EBADFILE, "byte %zu", at);
        scribble(in(path), at, &was, 1);
    }
    cr_assert_eq(open_result(store, "g"), 0);
    copy_file(in(path), in("groups/other.group"));
    cr_assert_eq(open_result(store, "other"), QUIRE_EBADFILE); /* another name */
    const off_t sizes[] = {QR_BLOCK - 1, QR_BLOCK + 1, 128, 1, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_eq(truncate(in(path), sizes[i]), 0);
        cr_assert_eq(open_result(store, "g"), QUIRE_EBADFILE, "size %ld", (long)sizes[i]);
    }
    cr_assert_eq(unlink(in(path)), 0);
    cr_assert_eq(mkfifo(in(path), 0600), 0);
    cr_assert_eq(open_result(store, "g"), QUIRE_EBADFILE);
    cr_assert_eq(unlink(in(path)), 0);
    cr_assert_eq(mkdir(in(path), 0700), 0);
    cr_assert_eq(open_result(store, "g"), QUIRE_EBADFILE);
    qr_store_close(store);
}

Test(group_file, of_another_channel_is_refused)
{
    make_channel();
    char other[PATH_SIZE], file[PATH_SIZE + 32];
    snprintf(other, sizeof other, "%s/other", scratch);
    snprintf(file, sizeof file, "%s/groups/g.group", other);
    cr_assert_eq(qr_store_create(other, &small, 0, CLOSED), 0);
    struct qr_store *store;
    struct qr_group_map map;
    cr_assert_eq(qr_store_open(&store, other, 0, CLOSED), 0);
    cr_assert_eq(create(store, "g", 1, &map), 0);
    qr_store_group_close(store, &map);
    qr_store_close(store);
    copy_file(file, in("groups/g.group"));
    store = open_channel(0);
    cr_assert_eq(open_result(store, "g"), QUIRE_EBADFILE);
    qr_store_close(store);
}

Test(group_file, observers_read_only)
{
    make_channel();
    struct qr_store *store = open_channel(0);
    struct qr_group_map map, seen;
    cr_assert_eq(create(store, "g", 1, &map), 0);
    struct qr_store *observer = open_channel(1);
    cr_assert_eq(create(observer, "h", 1, &seen), QUIRE_ERDONLY);
    uint64_t readable = mapped_bytes("r--s");
    cr_assert_eq(qr_store_group_open(observer, "g", &seen), 0);
    cr_assert_eq(mapped_bytes("r--s"), readable + QR_BLOCK);
    check_block(observer, &seen, "g", 1);
    qr_store_release(&map.block->head, 5u);
    cr_assert_eq(qr_load_acquire(&seen.block->head), 5u);
    qr_store_group_close(observer, &seen);
    qr_store_group_close(store, &map);
    qr_store_close(observer);
    qr_store_close(store);
}

Test(group_file, many_in_memory_are_apart_and_take_no_descriptor)
{
    enum { MANY = 200 };
    struct qr_store *store = open_in_memory(0);
    struct qr_group_map maps[MANY];
    char name[16];
    int before = open_descriptors();
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "g%u", i);
        cr_assert_eq(create(store, name, i, &maps[i]), 0);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "g%u", i);
        check_block(store, &maps[i], name, i);
        cr_assert_eq(open_result(store, name), 0);
    }
    cr_assert_eq(open_descriptors(), before);
    qr_store_close(store);
    cr_assert_eq(mapped_bytes(NULL), 0u);
}

struct racer {
    struct qr_store *store;
    pthread_barrier_t *start;
    uint32_t id;
    int result;
    struct qr_group_map map;
};

static void *race(void *argument)
{
    struct racer *r = argument;
    pthread_barrier_wait(r->start);
    r->result = create(r->store, "g", r->id, &r->map);
    if (r->result == QUIRE_EEXIST && qr_store_group_open(r->store, "g", &r->map) != 0)
        r->result = -1;
    return NULL;
}

Test(group_file, of_several_that_make_it_one_wins)
{
    for (int backing = 0; backing < BACKINGS; backing++) {
        struct qr_store *store = open_backing(backing);
        pthread_t threads[4];
        struct racer racers[4];
        pthread_barrier_t start;
        uint32_t won = 0;
        pthread_barrier_init(&start, NULL, 4);
        for (uint32_t i = 0; i < 4; i++) {
            racers[i] = (struct racer){.store = store, .start = &start, .id = i + 1};
            cr_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (uint32_t i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            cr_assert(racers[i].result == 0 || racers[i].result == QUIRE_EEXIST);
            if (racers[i].result == 0) {
                cr_assert_eq(won, 0u);
                won = racers[i].id;
            }
        }
        cr_assert_neq(won, 0u);
        for (uint32_t i = 0; i < 4; i++) {
            check_block(store, &racers[i].map, "g", won);
            qr_store_group_close(store, &racers[i].map);
        }
        pthread_barrier_destroy(&start);
        qr_store_close(store);
    }
    cr_assert_eq(names_under(in("groups")), 2); /* losers left nothing */
}
