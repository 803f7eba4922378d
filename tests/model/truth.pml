/* SPDX-License-Identifier: MIT */
/*
 * Predicates over the shared words of channel.pml at one moment. Processes use those of READY and
 * CANTURN to wait, in place of looking again and again; the others are what an atomic step of a
 * process looks at, or belong to assertions.
 */
#define PUB1(f, i, t) (i >= S || slotT[(f) * S + (i) % S] == (t))
#define ALLPUB(f, n, t) \
    ((n < 1 || PUB1(f, 0, t)) && (n < 2 || PUB1(f, 1, t)) && (n < 3 || PUB1(f, 2, t)))
#define HAS1(f, i, s, t) (i < S && s <= i && slotT[(f) * S + (i) % S] == (t))
#define SEALHOLE(f, s, t) (NC > 1 && sealT[f] == t && sealN[f] > s)
#define ANYPUB(f, s, t) \
    (lifeT[f] == t && \
     (HAS1(f, 0, s, t) || HAS1(f, 1, s, t) || HAS1(f, 2, s, t) || SEALHOLE(f, s, t)))
#define DELIVERED1(g, f, i) (i >= S || gdel[((g) * NF + (f)) * S + (i) % S])
#define ALLDEL(g, f, n) \
    ((n < 1 || DELIVERED1(g, f, 0)) && (n < 2 || DELIVERED1(g, f, 1)) && \
     (n < 3 || DELIVERED1(g, f, 2)))

/* A line protects a page: a run of it undelivered, or borrowed. */
#define RUNEND(c)   (runP[c] + runN[c])
#define RUNIN(c, t) (runN[c] && runP[c] / 4 == t)
#ifdef SUB
/* A handle that makes a group protects the later pages too. */
#define STANDON(c, t) (stand[c] == t || (c == NC && setup && stand[c] != 0 && stand[c] <= t))
#else
#define STANDON(c, t) (stand[c] == t)
#endif
#define LINEBUSY(c, t) (RUNIN(c, t) || STANDON(c, t))
#define DONE(g, t, n) (!visible[g] || headT[g] > t || (headT[g] == t && headS[g] >= n))
#if NL == 1
#define ANYLINE(t) LINEBUSY(0, t)
#elif NL == 2
#define ANYLINE(t) (LINEBUSY(0, t) || LINEBUSY(1, t))
#else
#define ANYLINE(t) (LINEBUSY(0, t) || LINEBUSY(1, t) || LINEBUSY(2, t))
#endif
#ifdef SUB
#define ALLDONE(t, n) (DONE(0, t, n) && DONE(1, t, n))
#else
#define ALLDONE(t, n) DONE(0, t, n)
#endif
#define RETIRED(f) \
    (lifeT[f] != 0 && pageT[f] == lifeT[f] && sealT[f] == lifeT[f] && \
     ALLPUB(f, sealN[f], lifeT[f]) && ALLDONE(lifeT[f], sealN[f]) && !ANYLINE(lifeT[f]))
/* Frame f was meant for page t and lost it to another. */
#ifdef BUG_LOST_BLIND
#define UNSEALED(f, t) true
#else
#define UNSEALED(f, t) (sealT[f] != t)
#endif
#define LOST(f, t) \
    (t != 0 && ((dirT[(t) % D] == t && dirF[(t) % D] != f) || \
                (dirT[(t) % D] > t && UNSEALED(f, t))))
#define USABLE(f, k) \
    (lifeT[f] == k || lifeT[f] == 0 || (lifeT[f] < k && (LOST(f, lifeT[f]) || RETIRED(f))))
#define CANTURN(k) (dirT[(k) % D] >= k || USABLE(0, k) || USABLE(1, k))
#define GONE(t)    (lifeT[0] != t && lifeT[1] != t)
#define PAGEEND(t, s) \
    ((sealT[0] == t && sealN[0] <= s) || (sealT[1] == t && sealN[1] <= s) || GONE(t))
#define LASTN ((gT[0] == gmax -> gN[0] : gN[1]))
#define DRAINED(g) (nclaim == TOTAL && headT[g] == gmax && headS[g] == LASTN)

#ifdef CRASH
#define SETTLED (state == FREED || me == VICTIM)
#else
#define SETTLED true
#endif
#define STANDS (stand[me] == 0 || stand[me] == headT[g])
/*
 * What wakes a receiver: a message, or the end of head's page. At the end head moves when the next
 * page is there; a handle that stands somewhere is told at once, or it would hold the frame.
 */
#define READY (ANYPUB(0, headS[g], headT[g]) || ANYPUB(1, headS[g], headT[g]))
#ifdef BUG_PAGE_END_LATE
#define ATEND (PAGEEND(headT[g], headS[g]) && dirT[(headT[g] + 1) % D] > headT[g])
#else
#define ATEND \
    (PAGEEND(headT[g], headS[g]) && (stand[me] != 0 || dirT[(headT[g] + 1) % D] > headT[g]))
#endif
#define EVENT (READY || ATEND)
/* Head is what this consumer read; the claim of p ends there. */
#define HEADIS (headT[g] == hT && headS[g] == hS && headO[g] == o)
#define CLAIMED(p) (runN[p] && RUNEND(p) == POS(hT, hS))
