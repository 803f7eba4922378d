/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgement: one group, one frame and its lives, members that take returned messages, claim
 * runs, deliver, acknowledge, return and close; another thread that acknowledges by position with
 * any handle, however late, or puts dead letters back, and that ends leases; a recycler; with
 * -DEVICT one who gives a page up, with -DCRASH the death of all and recovery. docs/models.md says
 * what is asserted and what is left out.
 *
 * Pages are named by their tag T = page_no + 1. The frame's first life is 1; what lies in the words
 * before is of an earlier life, 0. All messages of a life are published when it begins.
 */
#ifndef NM
#define NM 2 /* members */
#endif
#define W 2 /* slots a word: 16 in the library */
#ifndef FIRST
#define FIRST 3 /* final count of life 1: one word, and a part of one */
#endif
#ifndef SECOND
#define SECOND 1 /* of life 2 */
#endif
#ifdef CRASH
#define LIVES 1
#else
#define LIVES 2
#endif
#ifndef OPS
#define OPS 1 /* what the other thread does */
#endif
#ifndef MAX
#define MAX 2 /* attempts */
#endif
#ifndef RUN
#define RUN 2 /* longest run */
#endif
#define FINAL(t)  ((t) == 1 -> FIRST : SECOND)
#define NS        4 /* slots that have words */
#define NW        (NS / W)
#define WORD(s)   ((s) / W)
#define FROZEN(t) ((t) + 8) /* the tag with its highest bit turned over */
#define EVICTING  9         /* a slot of head: the page is being given up */
#define NOBODY    0         /* an owner is a member's index + 1 */
#define OVER      (life > LIVES)

byte life = 1;
byte headT = 1, headS;
byte wordT[NW];
bit back[NS], done[NS];             /* of the words */
byte whoT[NS], whoO[NS], whoA[NS];  /* tag, owner, attempts */
byte fullT, fullN, backT, backN;    /* head.full, head.back */
byte returned;                      /* group.returned */
#ifdef EVICT
byte given;                         /* group.given_up: pages up to it are finished, */
bit pending;                        /* and the account of the last is not valid yet */
byte lost, next;                    /* the account as it is, and as it will be */
#define GIVEN(t) (given >= (t))
#else
#define GIVEN(t) false
#endif
byte runT[NM], runP[NM], runN[NM];  /* what is not delivered of a run */
byte stand[NM];
#ifdef CRASH
bit crash; /* those born before are dead */
#define DIES unless { crash > born }
#else
#define DIES
#endif

/* Ghosts: what is true, for assertions only. */
byte gdel[NS];            /* deliveries in this life */
byte gheld[NS];           /* in whose hands the lease is: index + 1 */
bit gdone[NS], glost[NS]; /* acknowledged; given up */
byte glosses;             /* in all lives */
byte gb[NM];              /* page whose messages the user of a member may touch */
bit mine[NM * NS];        /* what the user of a member has not acknowledged or returned yet */

#define CLEAR(w) \
    done[(w) * W] = 0; done[(w) * W + W - 1] = 0; \
    back[(w) * W] = 0; back[(w) * W + W - 1] = 0
#define LEASED(s, t) (wordT[WORD(s)] == (t) && !back[s] && !done[s])
#define RET(s, t)    (wordT[WORD(s)] == (t) && back[s] && !done[s])
#define DEAD(s, t)   (wordT[WORD(s)] == (t) && back[s] && done[s])
#define ACKED(s, t)  (wordT[WORD(s)] == (t) && !back[s] && done[s])
#define ANY(p, t)    (p(0, t) || p(1, t) || p(2, t) || p(3, t))
#define MARKED(s)    RET(s, life)
#define MARKS        (MARKED(0) + MARKED(1) + MARKED(2) + MARKED(3))
#define TAKEABLE     (returned && backT == life && backN && ANY(RET, life))

/*
 * A lease ends by its owner alone, and not while it acknowledges. Else the acknowledgement may find
 * the slot leased again, to another member: it ends that lease, and only the holder's stand keeps
 * the page (docs/models.md).
 */
#if !defined(EXPIRES) && (!defined(NACK) || OPS == 0)
#define OWN_ENDS_ONLY
#endif

/* Holds at every moment; asserted where it could cease to. */
#define NEVER_TOO_LOW \
    assert(returned >= MARKS); \
    assert(MARKS == 0 || (backT == life && backN >= MARKS))

/* A count with a tag: of an older life it is replaced, of a newer one it is left alone. */
inline count_returned(t)
{
    if :: d_step {
            if
            :: backT == t -> backN++
#ifdef BUG_COUNT_REPLACED
            :: backT != t -> backT = t; backN = 1
#else
            :: backT < t || (backT > t && !backN) -> backT = t; backN = 1
            :: backT > t && backN
#endif
            fi;
            NEVER_TOO_LOW } fi;
    returned++
}

inline count_off(t, k)
{
    if :: d_step {
            if
            :: backT == t ->
                assert(t != life || backN >= k);
                backN = (backN >= k -> backN - k : 0)
            :: backT != t
            fi;
            NEVER_TOO_LOW } fi;
    if :: d_step { assert(returned >= k); returned = returned - k; NEVER_TOO_LOW } fi
}

inline count_full(t)
{
    if :: d_step {
            if
            :: fullT == t -> fullN++
#ifdef BUG_FULL_REPLACED
            :: fullT != t -> fullT = t; fullN = 1
#else
            :: fullT < t || (fullT > t && !fullN) -> fullT = t; fullN = 1
            :: fullT > t && fullN
#endif
            fi;
            assert(fullT != life || fullN <= FINAL(life) / W) } fi
}

#include "lease.pml"
#include "finish.pml"

/* Nothing can move any more: every page was finished, every message settled. */
proctype judge()
{
    timeout;
    assert(OVER);
#ifdef EVICT
    assert(!pending && lost == glosses);
#endif
    assert(!returned)
}

init {
    byte i;
#ifdef EVICT
    byte w;
#endif
    d_step {
        for (i : 0 .. NS - 1) { done[i] = 1; whoO[i] = 2; whoA[i] = MAX };
        fullN = 1; backN = 1
    };
    atomic {
        run judge();
        for (i : 0 .. NM - 1) { run member(i, 0) };
        run other(0);
        run recycler(0);
#ifdef EVICT
        run evictor(0);
#endif
        i = 0
    }
#ifdef CRASH
end:
    if :: d_step { !OVER -> crash = 1 } fi;
    if :: d_step { _nr_pr == 2 -> recover() } fi; /* all are gone */
    atomic { run member(0, 1); run recycler(1) }
#endif
}
