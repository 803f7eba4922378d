/* SPDX-License-Identifier: MIT */
/* See search.h. */
#include <tests/explore/search.h>

#include <string.h>

static void run_once(const struct scenario *scenario, sched_choose *choose, void *context,
                     struct search_stats *stats)
{
    static struct world world;
    static struct sched_result result;
    scenario->setup(&world);
    sched_run(choose, context, &result);
    world_finish(&world);
    stats->schedules++;
    stats->steps += result.steps;
    stats->turns += result.turns;
    stats->full += world.full;
}

/* --- random --- */

struct chance {
    uint64_t state;
    uint32_t one_in;                  /* uniform: switch at one point in so many */
    uint32_t priority[SCHED_THREADS]; /* priority: the highest runs */
    uint32_t change[4];               /* priority: steps at which the running one drops */
    uint32_t lowest;
};

static uint32_t draw(struct chance *chance, uint32_t below)
{
    uint64_t z = (chance->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

static uint32_t draw_from(struct chance *chance, uint32_t mask)
{
    uint32_t nth = draw(chance, (uint32_t)__builtin_popcount(mask));
    while (nth--) {
        mask &= mask - 1u;
    }
    return (uint32_t)__builtin_ctz(mask);
}

static uint32_t choose_random(void *context, const struct sched_point *point)
{
    struct chance *chance = context;
    if (point->why == SCHED_ACCESS && draw(chance, chance->one_in)) {
        return point->current;
    }
    return draw_from(chance, point->runnable);
}

void search_random(const struct scenario *scenario, uint64_t seed, uint64_t schedules,
                   struct search_stats *stats)
{
    for (uint64_t i = 0; i < schedules; i++) {
        struct chance chance = {.state = seed + i};
        chance.one_in = 1u + (1u << draw(&chance, 6));
        run_once(scenario, choose_random, &chance, stats);
    }
}

static uint32_t choose_priority(void *context, const struct sched_point *point)
{
    struct chance *chance = context;
    for (uint32_t i = 0; i < 4; i++) {
        if (point->step >= chance->change[i]) {
            chance->change[i] = UINT32_MAX;
            chance->priority[point->current] = --chance->lowest;
        }
    }
    if (point->why == SCHED_BLOCKED) {
        /* Whoever found nothing to do lets the others go first, or two waiters starve a third. */
        chance->priority[point->current] = --chance->lowest;
    }
    uint32_t best = point->preferred;
    for (uint32_t i = 0; i < SCHED_THREADS; i++) {
        int can = (point->runnable & 1u << i) != 0;
        if (can && chance->priority[i] > chance->priority[best]) {
            best = i;
        }
    }
    return best;
}

void search_priority(const struct scenario *scenario, uint64_t seed, uint64_t schedules,
                     struct search_stats *stats)
{
    uint32_t length = 200;
    for (uint64_t i = 0; i < schedules; i++) {
        struct chance chance = {.state = ~(seed + i), .lowest = 1000000u};
        for (uint32_t t = 0; t < SCHED_THREADS; t++) {
            chance.priority[t] = 1000001u + draw(&chance, 1000000u);
        }
        for (uint32_t c = 0; c < 4; c++) {
            chance.change[c] = draw(&chance, length);
        }
        uint64_t before = stats->steps;
        run_once(scenario, choose_priority, &chance, stats);
        length = (uint32_t)(stats->steps - before) + 1u;
    }
}

/* --- all within a bound --- */

#define NODES_MAX 20000u

struct node {
    uint32_t step;
    uint32_t chosen;
    uint32_t preferred;
    uint32_t others; /* still to be tried */
    uint32_t cost;   /* of choosing another than the preferred one */
};

struct tree {
    struct node node[NODES_MAX];
    uint32_t depth; /* nodes that are set */
    uint32_t at;    /* next node of this run */
    uint32_t spent; /* departures in this run so far */
    uint32_t bound;
    int cut; /* a run had more points than fit */
};

static uint32_t choose_in_tree(void *context, const struct sched_point *point)
{
    struct tree *tree = context;
    uint32_t cost = point->why == SCHED_EXIT ? 0u : 1u;
    if (tree->spent + cost > tree->bound) {
        return point->preferred;
    }
    if (tree->at == NODES_MAX) {
        tree->cut = 1;
        return point->preferred;
    }
    struct node *node = &tree->node[tree->at++];
    if (tree->at > tree->depth) {
        tree->depth = tree->at;
        node->step = point->step;
        node->chosen = point->preferred;
        node->preferred = point->preferred;
        node->others = point->runnable & ~(1u << point->preferred);
        node->cost = cost;
    } else if (node->step != point->step || node->preferred != point->preferred) {
        sched_fail("the same choices led elsewhere: step %u, was %u", point->step, node->step);
    }
    tree->spent += node->chosen != node->preferred ? node->cost : 0u;
    return node->chosen;
}

/* Moves to the next untried leaf; 0 when there is none. */
static int next_leaf(struct tree *tree)
{
    while (tree->depth) {
        struct node *node = &tree->node[tree->depth - 1];
        if (node->others) {
            node->chosen = (uint32_t)__builtin_ctz(node->others);
            node->others &= node->others - 1u;
            return 1;
        }
        tree->depth--;
    }
    return 0;
}

void search_all(const struct scenario *scenario, uint32_t bound, uint64_t limit,
                struct search_stats *stats)
{
    static struct tree tree;
    uint64_t runs = 0;
    stats->complete = 0;
    /* Words that turn out to be shared on the way are places to switch at: begin again. */
    while (sched_freeze() > 0 || runs == 0) {
        memset(&tree, 0, sizeof tree);
        tree.bound = bound;
        do {
            if (runs++ == limit) {
                return;
            }
            tree.at = 0;
            tree.spent = 0;
            run_once(scenario, choose_in_tree, &tree, stats);
        } while (next_leaf(&tree));
        stats->complete = !tree.cut;
    }
}

/* --- one given schedule --- */

struct script {
    const struct sched_turn *turns;
    uint32_t count;
};

static uint32_t choose_from_script(void *context, const struct sched_point *point)
{
    const struct script *script = context;
    for (uint32_t i = 0; i < script->count; i++) {
        if (script->turns[i].step == point->step) {
            return script->turns[i].thread;
        }
    }
    return point->preferred;
}

void search_replay(const struct scenario *scenario, const struct sched_turn *turns, uint32_t count,
                   struct search_stats *stats)
{
    struct script script = {turns, count};
    run_once(scenario, choose_from_script, &script, stats);
}
