/* SPDX-License-Identifier: MIT */
/*
 * Waiting (I7): a receiver that sleeps while a message lies ready for it, or while it holds back a
 * page that has ended, is woken; and a producer that sleeps for a page, once one is free. The fast
 * path of whoever brings such a thing about is a store and a plain load with no fence between, so
 * each has a store buffer of one entry; memory takes it at any moment, a membarrier of another and
 * the own read-modify-writes take it at once.
 *
 * Claims and recycling are one step here; channel.pml has them in full. docs/models.md has more.
 */
#ifndef NP
#define NP 2 /* publishers */
#endif
#ifndef NC
#define NC 2 /* sleepers; each takes one message and does not come back */
#endif
#ifndef N
#define N 2 /* messages: publisher i sends i, i + NP, ... */
#endif
#ifndef BATCH
#define BATCH 1 /* messages between two looks at the attention word */
#endif
/* Messages from here on lie in the next page and are reached only past the seal of this one. */
#ifdef BORDER
#define WITH_SEAL
#else
#define BORDER N
#endif
#define SEAL N /* the entry of a store buffer that is the seal, not a message */

byte buffer[NP]; /* entry + 1, 0: empty */
bit pub[N + 1];  /* in memory: slot words, and the seal */
byte head;
bit attention;
byte sleepers, holders; /* registered; those of them that wait for a slot of their own */
bit asleep[NC], stands[NC];
byte ticket[NC]; /* claimed before it was published: position + 1 */
/*
 * The futex word only grows, and is only compared with what a sleeper has read of it: fresh[c] says
 * that it still is that.
 */
bit fresh[NC];
#define BUMP fresh[0] = 0; fresh[1 % NC] = 0; fresh[2 % NC] = 0

#ifdef SPACE
/*
 * Sleepers are producers. The page is free when nobody stands on it (entry 0) and no intent names
 * it (entry 1 undone by entry 2).
 */
bit intent;
#define READY    (pub[0] && !intent)
#define EVENT(c) READY
#define CANTAKE  READY
#define CANCLAIM false
#define TAKE     skip
#else
#define REACH(i) (i < N && (i < BORDER || pub[SEAL]))
#define SEES(i)  (REACH(i) && pub[(i) % N])
/* There is something behind an unpublished head; with N <= 3, within two slots. */
#define HOLE \
    (head < BORDER && ((head + 1 < BORDER && SEES(head + 1)) || \
                       (head + 2 < BORDER && SEES(head + 2))))
#define READY    (SEES(head) || HOLE)
#define ENDED(c) (stands[c] && pub[SEAL] && head >= BORDER)
#define EVENT(c) (ticket[c] -> pub[ticket[c] - 1] : (READY || ENDED(c)))
#define CANTAKE  (ticket[me] -> pub[ticket[me] - 1] : (SEES(head) || ENDED(me)))
#define CANCLAIM (!ticket[me] && !SEES(head) && HOLE)
#define TAKE \
    if \
    :: ticket[me] -> ticket[me] = 0 \
    :: !ticket[me] && SEES(head) -> head++ \
    :: else /* told that the page has ended */ \
    fi
#endif
/* Leaves without having been woken. */
#define CANCEL \
    sleepers = (sleepers -> sleepers - 1 : 0); holders = holders - hole; hole = 0; fresh[me] = 0

inline drain(i)
{
    if
    :: buffer[i] ->
#ifdef SPACE
        if
        :: buffer[i] == 1 -> pub[0] = 1
        :: buffer[i] == 2 -> intent = 1
        :: buffer[i] == 3 -> intent = 0
        fi;
#else
        pub[buffer[i] - 1] = 1;
#endif
        buffer[i] = 0
    :: else
    fi
}

/* Memory takes an entry at any moment. */
proctype memory()
{
end:
    do
    :: d_step { buffer[0] -> drain(0) }
    :: d_step { buffer[1 % NP] -> drain(1 % NP) }
    :: d_step { buffer[2 % NP] -> drain(2 % NP) }
    od
}

/* Every other processor passes a barrier: one after the other. */
inline membarrier()
{
#ifndef BUG_NO_MEMBARRIER
    if :: d_step { drain(0) } fi;
#if NP > 1
    if :: d_step { drain(1) } fi;
#endif
#if NP > 2
    if :: d_step { drain(2) } fi
#endif
#else
    skip
#endif
}

#define EMPTY(buffered) \
    if \
    :: buffered -> drain(me) \
    :: !(buffered) \
    fi
#define NOBODY (!asleep[0] && !asleep[1 % NC] && !asleep[2 % NC])
/*
 * seq + 1 (a read-modify-write: it empties the own buffer, if there is one), FUTEX_WAKE of one (any
 * of them) or all, those woken counted off. n: how many are to be woken, then how many were.
 */
inline wake(buffered)
{
    if
    :: d_step { n == 1 -> BUMP; EMPTY(buffered) }
        if
        :: d_step { asleep[0] -> asleep[0] = 0 }
        :: d_step { asleep[1 % NC] -> asleep[1 % NC] = 0 }
        :: d_step { asleep[2 % NC] -> asleep[2 % NC] = 0 }
        :: d_step { NOBODY -> n = 0 }
        fi
    :: d_step { n > 1 -> BUMP; EMPTY(buffered) }
        if :: d_step {
                n = asleep[0];
                if :: NC > 1 -> n = n + asleep[1 % NC] :: else fi;
                if :: NC > 2 -> n = n + asleep[2 % NC] :: else fi;
                asleep[0] = 0; asleep[1 % NC] = 0; asleep[2 % NC] = 0 } fi
    fi;
    if :: d_step { sleepers = (sleepers > n -> sleepers - n : 0); n = 0 } fi
}

#define ALL 2
#ifdef BUG_HOLES_WAKE_ONE
#define ONE (1)
#else
#define ONE (holders -> ALL : 1)
#endif

/* After a store that may be what somebody waits for. */
inline attend(many)
{
    if
    :: !attention -> goto attended
    :: attention
    fi;
    if
    :: sleepers ->
        n = (many -> ALL : ONE);
        wake(1)
    :: !sleepers
    fi;
    /* Lowers attention when nobody is left. */
    if
    :: sleepers
    :: !sleepers ->
#ifdef BUG_LOWER_AT_ONCE
        if :: d_step { drain(me); attention = 0 } fi
#else
        if :: d_step { drain(me); attention = 0 } fi; /* a read-modify-write */
        if
        :: !sleepers
        :: sleepers ->
            attention = 1;
#ifndef BUG_REARM_ONLY
            n = ALL; /* an event may have fallen in between: all look again */
            wake(1)
#endif
        fi
#endif
    fi;
attended:
    skip
}

proctype publisher(byte me)
{
    byte i, n, b;

#ifdef SPACE
    if
    :: me == 0 -> buffer[me] = 1 /* stand = 0 */
    :: me == 1 -> /* a claim that fails */
        buffer[me] = 2;
        if :: d_step { drain(me) } fi; /* the compare-exchange of head */
        buffer[me] = 3;
#ifdef BUG_INTENT_SILENT
        goto out
#endif
    fi;
    attend(1);
out:
    skip
#else
    i = me;
#ifdef STALL
    i = i + (me < STALL -> NP : 0); /* claimed its first message and was stopped */
#endif
next:
    if
    :: d_step { i < N && !buffer[me] -> buffer[me] = i + 1; i = i + NP; b++ }
        if
        :: b < BATCH && i < N -> goto next
        :: b >= BATCH || i >= N -> b = 0; attend(0); goto next
        fi
    :: d_step { i >= N -> i = 0 }
    fi;
#ifdef WITH_SEAL
    if
    :: d_step { me == 0 && !buffer[me] -> buffer[me] = SEAL + 1 }
#if defined(BUG_SEAL_SILENT)
        skip
#elif defined(BUG_SEAL_WAKES_ONE)
        attend(0)
#else
        attend(1)
#endif
    :: me != 0
    fi
#endif
#endif
}

/* What lies ready still is for another sleeper. */
#ifdef BUG_PASS_ON_NO_HOLE
#define MORE SEES(head)
#else
#define MORE READY
#endif
inline pass_on(maybe)
{
#ifndef SPACE
    if
    :: d_step { maybe && sleepers && MORE -> n = ONE } wake(0)
    :: !(maybe && sleepers && MORE)
    fi
#else
    skip /* a producer that is woken opens a page for all */
#endif
}

proctype sleeper(byte me)
{
    byte n;
    bit hole, woken;

#ifdef WITH_SEAL
    if /* begins with a page in its hands, or not */
    :: stands[me] = 0
    :: stands[me] = 1
    fi;
#endif
look: /* and find something; or have found nothing a moment ago */
    if
    :: d_step { CANTAKE -> TAKE } goto leave
    :: d_step { CANCLAIM -> head++; ticket[me] = head } goto look
#ifdef DEADLINE
    :: woken && !EVENT(me) -> goto leave /* keeps its ticket, if any */
#endif
    :: !ticket[me]
    :: d_step { ticket[me] -> hole = 1 }
#ifndef BUG_HOLE_SWALLOWS
        pass_on(true); /* what follows the hole is another's */
#endif
        holders++
    fi;
    sleepers++;
#ifndef BUG_SEQ_LATE
    fresh[me] = 1;
#endif
    attention = 1;
    membarrier();
#ifndef BUG_NO_RECHECK
    if /* look again */
    :: d_step { CANTAKE -> TAKE; CANCEL } goto leave
    :: d_step { CANCLAIM -> head++; ticket[me] = head }
#ifndef BUG_KIND_STAYS
        if :: d_step { CANCEL } fi; /* it sleeps for a slot of its own now: registers anew */
        goto look
#endif
    :: !EVENT(me)
    fi;
#endif
#ifdef BUG_SEQ_LATE
    fresh[me] = 1;
#endif
    if
    :: d_step { fresh[me] -> fresh[me] = 0; asleep[me] = 1 }
end:    if
        :: d_step { !asleep[me] -> woken = 1; holders = holders - hole; hole = 0 }
            goto look
#ifdef DEADLINE
        :: d_step { asleep[me] -> asleep[me] = 0; CANCEL } goto leave
#endif
        fi
    :: d_step { !fresh[me] -> CANCEL } goto look
    fi;

leave: /* The wake may have been for more than is taken here. */
#ifndef BUG_NO_HAND_ON
    pass_on(woken);
#endif
    woken = 0
}

/* I7: nothing can move any more, and nobody sleeps who has what it waits for. */
proctype judge()
{
    timeout;
    assert(!buffer[0] && !buffer[1 % NP] && !buffer[2 % NP]);
    assert(!(asleep[0] && EVENT(0)));
    assert(!(asleep[1 % NC] && EVENT(1 % NC)));
    assert(!(asleep[2 % NC] && EVENT(2 % NC)))
}

init {
    byte i;
    atomic {
        for (i : 0 .. NP - 1) { run publisher(i) };
        for (i : 0 .. NC - 1) { run sleeper(i) };
        run memory();
        run judge()
    }
}
