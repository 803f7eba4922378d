/* SPDX-License-Identifier: MIT */
/* A member of a group: claims runs, delivers, leaves pages. lib/run.c and lib/rx.c. */

/* One message to the user of handle by; line is where its run is recorded. */
inline deliver(g, line, by)
{
    assert(lifeT[f] == hT && gT[f] == hT);  /* I8 */
    assert(recT[f * S + hS] == hT);         /* written before it was published */
    assert(!gdel[((g) * NF + f) * S + hS]); /* I1: not twice */
    gdel[((g) * NF + f) * S + hS] = 1;
    gb[by] = hT;
#ifdef ORDER
    /* I2: positions grow, and each producer's messages come in order */
    assert(POS(hT, hS) > gpos[by]);
    gpos[by] = POS(hT, hS);
    assert(gseq[f * S + hS] > gseen[(by) * NP + gwho[f * S + hS]]);
    gseen[(by) * NP + gwho[f * S + hS]] = gseq[f * S + hS];
#endif
    if :: g == 0 -> ndel++ :: else fi;
    assert(runP[line] == POS(hT, hS));
    runN[line]--;
    runP[line] = (runN[line] -> runP[line] + 1 : 0);
    runC[line] = (runN[line] -> runC[line] : 0);
    hS++; n--
}

/* Before head moves past the claim of its owner, that claim is confirmed in its stead. */
inline help()
{
#if defined(CRASH) && !defined(BUG_NO_HELP)
    if
    :: o == 0 || o == me + 1
    :: o != 0 && o != me + 1 ->
        if
        :: d_step { CLAIMED(o - 1) && !runC[o - 1] -> s = RUNEND(o - 1) }
            if :: d_step { /* compare-exchange: the same intent */
                    if
                    :: RUNEND(o - 1) == s -> runC[o - 1] = 1
                    :: else
                    fi;
                    s = 0 } fi
        :: !(CLAIMED(o - 1) && !runC[o - 1])
        fi
    fi
#else
    skip
#endif
}

#include "handover.pml"

#define HOLE \
    (SEALHOLE(f, hS, hT) || (hS + 1 < S && slotT[f * S + hS + 1] == hT) || \
     (hS + 2 < S && slotT[f * S + hS + 2] == hT))

proctype consumer(byte me; byte g)
{
    byte hT, hS, o; /* head as read; then the position to deliver */
    byte f, n, s;   /* frame, run, scan */

    {
        skip;
#ifdef SUB
        if
        :: g == 1 -> join()
        :: g != 1
        fi;
#endif
start:
#ifdef CRASH
        if
        :: state == ORPHAN && me != VICTIM -> adopt()
        :: state != ORPHAN || me == VICTIM
        fi;
#endif
        /*
         * A scan that finds nothing changes nothing: begin when there is something. Head and the
         * directory in one step: the entry of head's page is there as long as head names it.
         */
        if
        :: d_step { STANDS && READY ->
                hT = headT[g]; hS = headS[g]; o = headO[g];
                assert(dirT[hT % D] == hT);
                f = dirF[hT % D] }
        :: d_step { STANDS && ATEND ->
                hT = headT[g]; hS = headS[g]; o = headO[g] }
            goto pageend
        :: d_step { !STANDS && EVENT -> gb[me] = 0 } goto release
        :: d_step { DRAINED(g) && SETTLED -> gb[me] = 0; stand[me] = 0 } goto bye
#ifdef CRASH
        :: state == ORPHAN && me != VICTIM -> goto start
#endif
        fi;
        /* The run from head: published is stable, so one step. */
        if
        :: d_step { hS < S && slotT[f * S + hS] == hT ->
                n = 1;
                do
                :: n < RUN && hS + n < S ->
                    if
                    :: slotT[f * S + hS + n] == hT -> n++
                    :: else -> break
                    fi
                :: else -> break
                od }
            goto claim
#ifdef SHARE
        :: d_step { hS < S && slotT[f * S + hS] == hT -> n = 1 } /* others want some too */
            goto claim
#endif
        :: hS >= S || slotT[f * S + hS] != hT
        fi;
        if /* a hole: something follows it, here or in the next page; or head has moved */
        :: d_step { HOLE -> n = 1 } goto claim
        :: d_step { !HOLE -> assert(!HEADIS); hT = 0; hS = 0; o = 0; f = 0 } goto start
        fi;

pageend: /* sealed here, or gone */
        if
        :: d_step { stand[me] == hT -> gb[me] = 0; hT = 0; hS = 0; o = 0 } goto release
        :: stand[me] != hT
        fi;
        help();
        if
        :: d_step { HEADIS -> headT[g] = hT + 1; headS[g] = 0; headO[g] = 0;
                hT = 0; hS = 0; o = 0 }
        :: d_step { !HEADIS -> hT = 0; hS = 0; o = 0 }
        fi;
        goto start;

claim:
        help();
        if :: d_step { runP[me] = POS(hT, hS); runN[me] = n; runC[me] = 0 } fi;
        if
        :: d_step { HEADIS ->
                headS[g] = hS + n;
#if defined(CRASH) && !defined(BUG_NO_OWNER)
                headO[g] = me + 1;
#endif
                o = 0 }
#ifdef BUG_HEAD_STORE
        :: d_step { !HEADIS -> headT[g] = hT; headS[g] = hS + n; o = 0 }
            goto have
#endif
        :: d_step { !HEADIS -> hT = 0; hS = 0; o = 0; f = 0; n = 0 }
#ifndef BUG_INTENT_STAYS
            if :: d_step { runP[me] = 0; runN[me] = 0 } fi;
#endif
            goto start
        fi;
#ifdef CRASH
        if
        :: d_step { runN[me] -> runC[me] = 1 }
        fi;
#endif
have:
#ifndef BUG_STAND_LATE
        if
        :: stand[me] != hT -> stand[me] = hT
        :: stand[me] == hT
        fi;
#endif
        do
        :: d_step { n > 1 && slotT[f * S + hS] == hT -> deliver(g, me, me) }
        :: d_step { n == 1 && slotT[f * S + hS] == hT ->
                deliver(g, me, me);
#ifndef BUG_STAND_LATE
                hT = 0;
#endif
                hS = 0; f = 0 }
            break
        od;
#ifdef BUG_STAND_LATE
        if :: d_step { stand[me] = hT; hT = 0 } fi;
#endif
        goto start;

release: /* the user is done with the page */
        stand[me] = 0;
        goto start;

bye:
        skip;
    }
#ifdef CRASH
    unless { me == VICTIM && state != LIVE };
#endif
    if :: d_step { hT = 0; hS = 0; o = 0; f = 0; n = 0; s = 0; gb[me] = 0; finish() } fi
}
