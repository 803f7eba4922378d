/* SPDX-License-Identifier: MIT */
/* How a page ends for a group with acknowledgement: finished, given up, or met by recovery. */

#define SETTLED(s, t) ((s) >= FINAL(t) || (gdone[s] != glost[s] && (gdel[s] || glost[s])))
#if defined(OWN_ENDS_ONLY) && !defined(EVICT)
#define FREE(s) (!gheld[s]) /* a lease keeps its page */
#else
#define FREE(s) true
#endif
#define LAST(t)       (FINAL(t) / W)
#define OFLAST(i, t)  (LAST(t) * W + (i) >= FINAL(t) || ACKED((LAST(t) * W + (i)) % NS, t))
#ifdef BUG_FULL_DEMANDS_TAG
#define FULL(t) (fullT == t && fullN == FINAL(t) / W)
#else
#define FULL(t) ((fullT == t -> fullN : 0) == FINAL(t) / W)
#endif
#define FINISHED(t) \
    (GIVEN(t) || (FULL(t) && (!(FINAL(t) % W) || (OFLAST(0, t) && OFLAST(W - 1, t)))))
#define UNNEEDED(m, t) \
    ((m) >= NM || ((!runN[(m) % NM] || runT[(m) % NM] != t) && stand[(m) % NM] != t))

/* Each of the looks stays true once it is, so each may be waited for. */
proctype recycler(bit born)
{
    byte t, i;

    {
        do
        :: t = life;
#ifdef BUG_LINES_FIRST
            UNNEEDED(0, t); UNNEEDED(1, t);
#endif
            headT > t || (headT == t && headS >= FINAL(t));
            if
            :: FULL(t) ->
#ifndef BUG_LAST_WORD_IGNORED
                if
                :: FINAL(t) % W && OFLAST(0, t) && OFLAST(W - 1, t)
                :: !(FINAL(t) % W)
                :: GIVEN(t) /* looks again */
                fi
#else
                skip
#endif
            :: GIVEN(t)
            fi;
#ifndef BUG_LINES_FIRST
            UNNEEDED(0, t); UNNEEDED(1, t);
#endif
            if :: d_step {
                    assert(gb[0] != t && gb[NM - 1] != t); /* I6, I8 */
                    assert(SETTLED(0, t) && SETTLED(1, t) && SETTLED(2, t));
                    assert(FREE(0) && FREE(1) && FREE(2));
#ifdef EVICT
                    assert((pending -> next : lost) == glosses);
#endif
                    for (i : 0 .. NS - 1) { gdel[i] = 0; gheld[i] = 0; gdone[i] = 0; glost[i] = 0 };
                    for (i : 0 .. NM * NS - 1) { mine[i] = 0 };
                    life = t + 1;
                    i = 0; t = 0 }
            fi;
            if
            :: OVER -> break
            :: !OVER
            fi
        od
    }
    DIES
}

#ifdef EVICT
#ifdef BUG_STALE_BITS_FROZEN
#define NOT_DONE(i) skip
#else
#define NOT_DONE(i) done[i] = 0; back[i] = 0
#endif
/* A slot of word w, which is frozen in this step if it is not yet: what is counted. */
#define FREEZE(i) \
    if \
    :: wordT[w] == t -> b = b + (back[i] && !done[i]) \
    :: wordT[w] != t && wordT[w] != FROZEN(t) -> NOT_DONE(i) \
    :: else \
    fi; \
    if \
    :: (i) < h && !(done[i] && !back[i]) -> n++ \
    :: else \
    fi
#define GIVE_UP(i) \
    if \
    :: (i) < FINAL(t) && !gdone[i] -> glost[i] = 1; glosses++ \
    :: else \
    fi
#ifdef BUG_LATER_LIFE_FROZEN
#define OF_LATER_LIFE(w) false
#else
#define OF_LATER_LIFE(w) \
    ((wordT[w] > t && wordT[w] < FROZEN(0)) || wordT[w] > FROZEN(t))
#endif

/* From here on the page is given up. */
inline decide()
{
    if
    :: life == t ->
        GIVE_UP(0); GIVE_UP(1); GIVE_UP(2);
        assert(next == glosses)
    :: else -> assert(next == lost) /* finished by itself, and recycled in between */
    fi
}

/* Slots before h were claimed. n: how many of them are lost. */
inline freeze_words()
{
    do
    :: w < NW ->
        if :: d_step {
                if
                :: OF_LATER_LIFE(w) /* recycled in between: nothing is lost */
#ifdef BUG_STALE_WORDS_NOT_FROZEN
                :: !OF_LATER_LIFE(w) && wordT[w] < t -> FREEZE(w * W); FREEZE(w * W + W - 1)
                :: !OF_LATER_LIFE(w) && wordT[w] >= t ->
#else
                :: else ->
#endif
                    FREEZE(w * W);
                    FREEZE(w * W + W - 1);
                    wordT[w] = FROZEN(t)
                fi } fi;
        if
        :: b ->
#ifndef BUG_FROZEN_COUNTS_ON
            count_off(t, b);
#endif
            b = 0
        :: !b
        fi;
        w++
    :: w == NW -> break
    od;
    w = 0
}

/* Gives one page up, the oldest that is not finished. */
proctype evictor(bit born)
{
    byte t, w, n, p, h, b; /* p, h: the head as it was seen; h: as a slot of t */

    {
        if
        :: d_step { !OVER && !FINISHED(life) -> t = life }
        :: OVER -> goto bye
        fi;
again:
        if :: d_step { p = headT; h = (p > t -> FINAL(t) : (p < t -> 0 : headS)) } fi;
        if
        :: h == FINAL(t) ->
            if
            :: FINISHED(t) -> goto bye
            :: !FINISHED(t)
            fi
        :: h < FINAL(t)
        fi;
#ifdef BUG_GIVEN_EARLY
        if
        :: h == FINAL(t) -> given = t
        :: h < FINAL(t)
        fi;
#endif
        freeze_words();
        if :: d_step { next = lost + n + FINAL(t) - h; n = 0 } fi;
        if
        :: h == FINAL(t) ->
            if :: d_step { given = t; pending = 1; decide() } fi;
            lost = next;
            if :: d_step { pending = 0; next = 0 } fi;
            goto bye
        :: h < FINAL(t) ->
            if
            :: d_step { headT == p && (p < t || headS == h) ->
                    headT = t; headS = EVICTING;
                    decide() }
            :: !(headT == p && (p < t || headS == h)) -> goto again
            fi
        fi;
        lost = next;
#ifndef BUG_GIVEN_UP_NEVER_FINISHED
        given = t;
#endif
        if :: d_step { headT = t + 1; headS = 0; next = 0 } fi;
bye:
        if :: d_step { t = 0; p = 0; h = 0 } fi
    }
    DIES
}
#endif

#ifdef CRASH
#define CLAIMED (headT > life -> FINAL(life) : headS)
#ifdef BUG_NOT_THAWED
#define KEEPS_WORD(w) (wordT[w] == FROZEN(life))
#else
#define KEEPS_WORD(w) false
#endif

inline settle_word(w)
{
    if
    :: wordT[w] == life
#ifndef BUG_THAWED_BLANK
    :: wordT[w] == FROZEN(life) -> wordT[w] = life
#endif
    :: else ->
#ifndef BUG_UNOPENED_SKIPPED
        wordT[w] = life;
#endif
        CLEAR(w)
    fi
}

inline settle_slot(i)
{
    if
    :: i >= CLAIMED -> back[i] = 0; done[i] = 0
    :: i < CLAIMED && !(done[i] && !back[i]) ->
        if
        :: whoT[i] != life -> whoT[i] = life; whoA[i] = 0
        :: else
        fi;
#ifndef BUG_OWNER_STAYS
        whoO[i] = NOBODY;
#endif
        assert(whoA[i] >= gdel[i]); /* attempts are never too few */
        back[i] = 1; done[i] = (whoA[i] >= MAX -> 1 : 0);
        returned = returned + !done[i]; backN = backN + !done[i]
    :: else
    fi
}

/* All alone. The account first; then the words of the page; counts anew, from what is known. */
inline recover()
{
    for (i : 0 .. NM - 1) { runN[i] = 0; runT[i] = 0; runP[i] = 0; stand[i] = 0; gb[i] = 0 };
    for (i : 0 .. NM * NS - 1) { mine[i] = 0 };
#ifdef EVICT
    if
    :: pending -> lost = next; pending = 0; next = 0
    :: else
    fi;
    if
    :: headS == EVICTING -> lost = next; given = headT; headT++; headS = 0; next = 0
    :: else
    fi;
    assert(lost == glosses);
#endif
#ifndef BUG_COUNTS_STAY
    fullT = life; fullN = 0; backT = life; backN = 0; returned = 0;
#endif
    for (i : 0 .. NS - 1) { gheld[i] = 0 };
    i = 0;
    do
    :: i < NS && !GIVEN(life) && !KEEPS_WORD(WORD(i)) ->
        if
        :: i % W == 0 -> settle_word(WORD(i))
        :: else
        fi;
        settle_slot(i);
#ifndef BUG_COUNTS_STAY
        if
        :: i % W == W - 1 && COMPLETE(WORD(i), life) -> fullN++
        :: else
        fi;
#endif
        i++
    :: i < NS && (GIVEN(life) || KEEPS_WORD(WORD(i))) -> i++
    :: i == NS -> break
    od;
    i = 0
}
#endif
