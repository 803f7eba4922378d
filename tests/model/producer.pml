/* SPDX-License-Identifier: MIT */
/*
 * A producer: claim, publish, seal, and the turn of the page with the choice of a frame. lib/tx.c,
 * lib/turn.c and lib/recycle.c.
 */

/* What must hold when page t leaves frame f. */
inline leaves(f, t)
{
    /* I1, I8: delivered to all, borrowed by nobody */
    assert(gN[f] == sealN[f] && ALLDEL(0, f, gN[f]));
    assert(gb[0] != t && gb[1 % NL] != t && gb[2 % NL] != t);
#ifdef SUB
    assert(gfrom[1] == 0 || gfrom[1] > t || ALLDEL(1, f, gN[f]));
#endif
}

#define TAILCLAIM claimT[dirF[tail % D]]
#define INUSE(f, k) (lifeT[f] != 0 && lifeT[f] < k)
#define PASSED(f, g, l) \
    (pageT[f] == l && sealT[f] == l && ALLPUB(f, sealN[f], l) && DONE(g, l, sealN[f]))
#define AGAIN \
    c = 0; t = 0; l = 0; x = 0; f = 0; e = 0; q = 0

proctype producer(byte me)
{
    byte f, s; /* the frame bound to, the slot claimed in it */
    byte k;    /* the page written to, or prepared */
    byte e;    /* what the directory, the page or the claim word held */
    byte l, x; /* life word read: page, pins; or the count of a claim word */
    byte q;    /* needs_seq */
    bit ahead; /* page k is prepared before it is needed: only what lies ready */
    byte c;    /* a scan */
    byte t;
#ifdef BUG_STALE_PAGE
    byte bound = 1; /* the page the frame had when it was bound to */
#endif

    goto add;

add: /* old = fetch_add(claim word) */
    if
    :: d_step { nclaim < TOTAL && claimN[f] < S ->
            /* I3: above every earlier claim */
            assert(gT[f] == gmax && claimT[f] == gmax && claimN[f] == gN[f]);
            s = claimN[f]; claimN[f]++; gN[f]++; nclaim++ }
        goto claimed
#ifdef UNITS
    :: d_step { nclaim < TOTAL && claimN[f] > 0 && claimN[f] < S -> /* too few bytes are left */
            s = claimN[f]; claimN[f] = S + 1 }
#ifdef BUG_SEAL_COUNT_ONLY
        d_step { f = 0; s = 0 }
        goto turn
#else
        goto seal
#endif
#endif
    :: d_step { nclaim < TOTAL && claimN[f] == S -> s = S; claimN[f] = S + 1 }
        goto seal
    :: d_step { nclaim < TOTAL && claimN[f] > S ->
            claimN[f]++;
            assert(claimN[f] <= S + NP) } /* I12: once per handle */
#if defined(BUG_ADD_AGAIN)
        goto add
#elif defined(BUG_SEAL_ALL)
        s = claimN[f] - 1;
        goto seal
#else
        f = 0;
        goto turn
#endif
    :: d_step { nclaim == TOTAL -> f = 0 }
        goto done
    fi;

claimed: /* which page is it? */
#ifdef BUG_PUBLISH_FIRST
    k = pageT[f];
    slotT[f * S + s] = k;
    if :: d_step { recT[f * S + s] = k; s = 0; k = 0 } fi;
#else
    if :: d_step { /* the record, then the slot: nobody can tell the steps apart */
#ifdef BUG_STALE_PAGE
            k = bound;
#else
            k = pageT[f];
#endif
            assert(gT[f] == k && lifeT[f] == k && slotT[f * S + s] != k); /* I4 */
            recT[f * S + s] = k; slotT[f * S + s] = k;
#ifdef ORDER
            gsent[me]++; gwho[f * S + s] = me; gseq[f * S + s] = gsent[me];
#endif
            s = 0; k = 0 } fi;
#endif
    goto add;

seal:
    if :: d_step {
            k = pageT[f];
            assert(k == gT[f] && sealT[f] != k && gN[f] == s); /* I5 */
            sealT[f] = k; sealN[f] = s; f = 0; s = 0; k = 0 } fi;

turn: /* t = tail_page; the claim word of its frame */
    if
    :: nclaim == TOTAL -> goto done
    :: d_step { nclaim < TOTAL && TAILCLAIM == tail && claimN[dirF[tail % D]] <= S ->
#ifdef BUG_STALE_PAGE
            bound = tail;
#endif
            assert(dirT[tail % D] == tail); f = dirF[tail % D] }
        goto add
    :: d_step { nclaim < TOTAL && TAILCLAIM == tail && claimN[dirF[tail % D]] > S ->
            assert(dirT[tail % D] == tail); k = tail + 1 }
    fi;

prepare:
    if
    :: dirT[k % D] >= k -> goto prepared
    :: d_step { dirT[k % D] < k -> e = dirT[k % D] }
    fi;
    /*
     * Any frame that might do. A read that says "needed" changes nothing, so it is the same as not
     * having begun: each read waits for its yes, and all begins anew when another way opens.
     */
    if
    :: lifeT[0] == k -> goto setpage
    :: d_step { lifeT[1] == k -> f = 1 } goto setpage
    :: lifeT[0] == 0 -> goto take
    :: d_step { lifeT[1] == 0 -> f = 1 } goto take
    :: d_step { INUSE(0, k) && LOST(0, lifeT[0]) -> l = lifeT[0]; x = pins[0] } goto take
    :: d_step { INUSE(1, k) && LOST(1, lifeT[1]) -> f = 1; l = lifeT[1]; x = pins[1] } goto take
#ifdef BUG_LINES_FIRST
    :: d_step { INUSE(0, k) -> l = lifeT[0]; x = pins[0]; q = needs } goto lines
    :: d_step { INUSE(1, k) -> f = 1; l = lifeT[1]; x = pins[1]; q = needs } goto lines
#else
    /* sealed, published, passed by group 0: stable, so one step with what was read before */
    :: d_step { INUSE(0, k) && PASSED(0, 0, lifeT[0]) -> l = lifeT[0]; x = pins[0]; q = needs }
    :: d_step { INUSE(1, k) && PASSED(1, 0, lifeT[1]) ->
            f = 1; l = lifeT[1]; x = pins[1]; q = needs }
#endif
    :: d_step { ahead || dirT[k % D] >= k -> e = 0 } goto prepared
    :: d_step { nclaim == TOTAL -> e = 0 } goto done
    fi;
heads:
#if defined(SUB) || defined(BUG_LINES_FIRST)
    if
    :: PASSED(f, 0, l) && DONE(1 % NG, l, sealN[f])
    :: d_step { ahead || CANTURN(k) -> AGAIN } goto prepare
    :: d_step { nclaim == TOTAL -> AGAIN } goto done
    fi;
#endif
#if defined(BUG_LINES_FIRST) || defined(BUG_NO_LINES)
    goto unneeded;
#endif
lines: /* intent, then next, then stand */
    if
    :: d_step { RUNIN(c, l) -> t = RUNEND(c) }
        if
        :: d_step { RUNEND(c) != t -> t = 0 } /* next >= t */
        :: d_step { ahead || CANTURN(k) -> AGAIN } goto prepare
        :: d_step { nclaim == TOTAL -> AGAIN } goto done
        fi
    :: !RUNIN(c, l)
    fi;
    if
    :: d_step { !STANDON(c, l) && c + 1 < NL -> c++ } goto lines
    :: d_step { !STANDON(c, l) && c + 1 == NL -> c = 0 }
    :: d_step { ahead || CANTURN(k) -> AGAIN } goto prepare
    :: d_step { nclaim == TOTAL -> AGAIN } goto done
    fi;
#ifdef BUG_LINES_FIRST
    goto heads;
#endif
unneeded:
#if (defined(SUB) || defined(CRASH)) && !defined(BUG_NEEDS_ONCE)
    if
    :: needs == q
    :: d_step { needs != q -> AGAIN } goto prepare
    fi;
#endif
#ifdef BUG_PINS_LATE
    x = pins[f];
#endif

take: /* life: (l, x) -> (k, 0) */
    if
    :: d_step { lifeT[f] == l && pins[f] == x ->
            if
            :: l != 0 && gT[f] == l -> leaves(f, l)
            :: l == 0 || gT[f] != l /* free, or lost: never was page l */
            fi;
            lifeT[f] = k; pins[f] = 0; l = 0; x = 0; q = 0 }
    :: d_step { lifeT[f] != l || pins[f] != x -> f = 0; l = 0; x = 0; e = 0; q = 0 }
        goto prepare
    fi;

setpage: /* raise header.page_no to k: read it, verify life, compare-exchange */
    if
    :: d_step { lifeT[f] != k -> f = 0; e = 0 } goto prepare
    :: lifeT[f] == k && pageT[f] >= k
    :: d_step { lifeT[f] == k && pageT[f] < k -> t = pageT[f] }
        if
        :: d_step { pageT[f] == t -> pageT[f] = k; t = 0 }
        :: d_step { pageT[f] != t -> t = 0 } goto setpage
        fi
    fi;
    /* directory: e -> (k, f) */
    if
    :: d_step { dirT[k % D] == e -> dirT[k % D] = k; dirF[k % D] = f; f = 0; e = 0 }
        goto prepared
    :: d_step { dirT[k % D] == k && dirF[k % D] == f -> f = 0; e = 0 }
        goto prepared
#ifndef BUG_FREE_BLIND
    :: d_step { dirT[k % D] > k -> f = 0; e = 0 } /* does not tell who won: LOST() will */
        goto prepared
#else
    :: d_step { dirT[k % D] > k -> e = 0 }
#endif
    :: d_step { dirT[k % D] == k && dirF[k % D] != f -> e = 0 }
    fi;
    if :: d_step { /* f lost and is nobody's */
            if
            :: lifeT[f] == k -> assert(gT[f] != k); lifeT[f] = 0; pins[f] = 0
            :: else
            fi;
            f = 0 } fi;

prepared:
    if
    :: !ahead
#ifdef BUG_OPEN_AHEAD
    :: d_step { ahead -> ahead = 0 }
#else
    :: d_step { ahead -> ahead = 0; k = 0 } goto turn
#endif
    fi;

open:
#ifdef BUG_OPEN_LOOKS_EARLY
    if
    :: d_step { dirT[k % D] != k || pageT[dirF[k % D]] != k -> k = 0 } goto turn
    :: dirT[k % D] == k && pageT[dirF[k % D]] == k
    fi;
#endif
    if /* the directory and the claim word, then the page */
    :: d_step { dirT[k % D] != k -> k = 0 } goto turn
    :: dirT[k % D] == k && claimT[dirF[k % D]] == k -> goto bump
    :: d_step { dirT[k % D] == k && claimT[dirF[k % D]] != k ->
            f = dirF[k % D]; e = claimT[f]; x = claimN[f] }
    fi;
#if !defined(BUG_OPEN_NO_CHECK) && !defined(BUG_OPEN_LOOKS_EARLY)
    if
    :: d_step { pageT[f] != k -> f = 0; k = 0; e = 0; x = 0 } goto turn
    :: pageT[f] == k
    fi;
#endif
    if
    :: d_step { claimT[f] == e && claimN[f] == x ->
            assert(x > S && gmax == k - 1 && lifeT[f] == k && pageT[f] == k);
            claimT[f] = k; claimN[f] = 0; e = 0; x = 0;
            gT[f] = k; gN[f] = 0; gmax = k;
            for (c : 0 .. NG * NF * S - 1) {
                if
                :: (c / S) % NF == f -> gdel[c] = 0
                :: else
                fi
            }
            c = 0; f = 0; ahead = AHEAD }
    :: d_step { claimT[f] != e || claimN[f] != x -> e = 0; x = 0; f = 0 } goto open
    fi;

bump: /* then who opened it prepares the next one, if that can be */
    if
    :: d_step { !ahead && tail < k -> tail = k; k = 0 } goto turn
    :: d_step { !ahead && tail >= k -> k = 0 } goto turn
    :: d_step { ahead && tail < k -> tail = k; k++ } goto prepare
    :: d_step { ahead && tail >= k -> k++ } goto prepare
    fi;

done:
    if :: d_step { k = 0; f = 0; ahead = 0; finish() } fi
}
