/* SPDX-License-Identifier: MIT */
/*
 * Descriptors for event loops (I7): consumers that poll an eventfd of their own instead of
 * sleeping on the futex of the group, and beside them consumers that do sleep on it. When nothing
 * can move any more, no message lies ready: somebody's descriptor is readable until it is taken.
 *
 * Any message is for any consumer, in any order: holes and page ends are those of wait.pml. Each
 * publisher has a store buffer of one entry, as there. docs/models.md has more.
 */
#ifndef NP
#define NP 2 /* publishers */
#endif
#ifndef N
#define N 3 /* messages: publisher i sends i, i + NP, ... */
#endif
#ifndef NF
#define NF 2 /* consumers with a descriptor */
#endif
#ifndef NS
#define NS 0 /* consumers that sleep on the futex */
#endif
#define NC (NF + NS)

bit buffer[NP];
byte ready; /* messages in memory that nobody has taken */
bit attention;
byte sleepers; /* counted: registered descriptors, and sleepers */
bit list; /* lock of the registrations */
bit registered[NF], readable[NF];
bit asleep[NC], fresh[NC]; /* of the futex, as in wait.pml */

inline drain(p)
{
    if
    :: buffer[p] -> buffer[p] = 0; ready++
    :: else
    fi
}

/* Memory takes a store at any moment. */
proctype memory()
{
end:
    do
    :: d_step { buffer[0] -> drain(0) }
    :: d_step { buffer[1 % NP] -> drain(1 % NP) }
    od
}

inline membarrier()
{
#ifdef BUG_NO_MEMBARRIER
    skip
#else
    if :: d_step { drain(0) } fi;
    if :: d_step { drain(1 % NP) } fi
#endif
}

#define FIRST  NF       /* of those that may sleep, at most two */
#define LAST   (NC - 1)
#define OFF(n) sleepers = (sleepers > (n) -> sleepers - (n) : 0)

/* Of the futex: seq + 1, FUTEX_WAKE of one or all, those woken counted off. */
inline wake_sleepers(all)
{
#if NS
    fresh[FIRST] = 0; fresh[LAST] = 0;
    if
    :: d_step { asleep[FIRST] -> asleep[FIRST] = 0; n = 1;
         if :: all && LAST != FIRST && asleep[LAST] -> asleep[LAST] = 0; n = 2 :: else fi }
    :: d_step { LAST != FIRST && asleep[LAST] -> asleep[LAST] = 0; n = 1;
         if :: all && asleep[FIRST] -> asleep[FIRST] = 0; n = 2 :: else fi }
    :: !asleep[FIRST] && !asleep[LAST]
    fi;
    if :: d_step { OFF(n); n = 0 } fi
#else
    skip
#endif
}

/* Of the descriptors: all that are registered, each once; counted off when the lock is free. */
#define NONE (!registered[0] && !registered[NF - 1]) /* a count that is read without the lock */
inline wake_descriptors()
{
#ifndef BUG_DESCRIPTORS_NOT_WOKEN
    if
    :: NONE
    :: !NONE ->
        if :: d_step { !list -> list = 1 } fi;
        do
        :: n < NF ->
            if
            :: registered[n] ->
#ifdef BUG_REGISTRATION_TRUSTED
                readable[n] = 1; registered[n] = 0; rung++
#else
                registered[n] = 0;
                rung++;
                readable[n] = 1 /* a write to the eventfd */
#endif
            :: !registered[n]
            fi;
            n++
        :: n == NF -> break
        od;
        if :: d_step { n = 0; list = 0 } fi;
        if :: d_step { OFF(rung); rung = 0 } fi
    fi
#else
    skip
#endif
}

proctype publisher(byte me)
{
    byte i, n, rung;

    i = me;
    do
    :: d_step { i < N && !buffer[me] -> i = i + NP; buffer[me] = 1 }
        if
        :: !attention
        :: attention ->
            if
            :: sleepers ->
                wake_descriptors();
                wake_sleepers(false)
            :: !sleepers
            fi;
            /* Lowers attention when nobody is left. */
            if
            :: sleepers
            :: !sleepers ->
                if :: d_step { drain(me); attention = 0 } fi; /* a read-modify-write */
#ifndef BUG_LOWERED_AT_ONCE
                if
                :: !sleepers
                :: sleepers ->
                    attention = 1;
#ifdef BUG_RAISED_AGAIN_FOR_SLEEPERS
                    wake_sleepers(true)
#elif !defined(BUG_RAISED_AGAIN_IN_SILENCE)
                    wake_descriptors();
                    wake_sleepers(true)
#else
                    skip
#endif
                fi
#else
                skip
#endif
            fi
        fi
    :: i >= N -> break
    od
}

/* The handle is closed: counted off, unless whoever rang has done it. */
inline unregister()
{
    if :: d_step { !list -> list = 1 } fi;
    if
    :: registered[me] -> registered[me] = 0; was = 1
    :: !registered[me]
    fi;
    list = 0;
#ifdef BUG_COUNTED_OFF_TWICE
    if :: d_step { OFF(1); was = 0 } fi
#elif defined(BUG_NOT_COUNTED_OFF)
    was = 0
#else
    if
    :: d_step { was -> OFF(1); was = 0 }
    :: !was
    fi
#endif
}

/*
 * An event loop: polls, and when told receives until there is nothing; with STOPS it may poll
 * again before. Who is registered has looked since, and was not told: it polls again at once. Who
 * finds a message after registering is not registered any more, and told.
 */
proctype poller(byte me)
{
    bit was;

receive:
    if
    :: d_step { ready -> ready-- } goto received
    :: !ready
    fi;
#ifdef BUG_REGISTRATION_TRUSTED /* and cleared, without the lock */
    readable[me] = 0;
    if
    :: registered[me] -> goto again
    :: !registered[me]
    fi;
#else
    if /* under the lock */
    :: !list && registered[me] -> goto again
    :: !list && !registered[me]
    fi;
#endif
#ifdef BUG_ATTENTION_FIRST
    attention = 1;
#endif
#ifndef BUG_COUNTED_LATE
    sleepers++;
#endif
    if :: d_step { !list -> list = 1 } fi;
#ifndef BUG_CLEARED_LATE
    readable[me] = 0; /* a read of the eventfd */
#endif
    registered[me] = 1;
    list = 0;
#ifdef BUG_COUNTED_LATE
    sleepers++;
#endif
#ifndef BUG_ATTENTION_FIRST
    attention = 1;
#endif
    membarrier();
#ifndef BUG_NO_SECOND_LOOK
    if
    :: d_step { ready -> ready-- }
#ifndef BUG_FOUND_AND_REGISTERED
        unregister();
        readable[me] = 1;
#endif
        goto received
    :: !ready
    fi;
#endif
#ifdef BUG_CLEARED_LATE
    readable[me] = 0;
#endif
    goto again;
received:
#ifdef STOPS
    if
    :: goto receive
    :: goto again
    fi;
#else
    goto receive;
#endif
again: /* QUIRE_EAGAIN */
end:
    if
    :: readable[me] -> goto receive
#ifdef CLOSES /* one of two */
    :: me == 0 -> unregister()
#endif
    fi
}

#if NS
proctype sleeper(byte me)
{
receive:
    if
    :: d_step { ready -> ready-- } goto receive
    :: !ready
    fi;
    sleepers++;
    fresh[me] = 1;
    attention = 1;
    membarrier();
    if
    :: d_step { ready -> ready--; OFF(1); fresh[me] = 0 } goto receive
    :: !ready
    fi;
    if
    :: d_step { fresh[me] -> fresh[me] = 0; asleep[me] = 1 }
end:    !asleep[me]
    :: d_step { !fresh[me] -> OFF(1) }
    fi;
    goto receive
}
#endif

/* I7: nothing can move any more, and no message lies ready; the count is what it counts. */
proctype judge()
{
    byte i, n;

    timeout;
    assert(!ready);
    d_step {
        for (i : 0 .. NF - 1) { n = n + registered[i] };
        for (i : NF .. NC) { if :: i < NC -> n = n + asleep[i] :: else fi }
    };
    assert(sleepers == n)
}

init {
    byte i;
    atomic {
        for (i : 0 .. NP - 1) { run publisher(i) };
        for (i : 0 .. NF - 1) { readable[i] = 1; run poller(i) };
#if NS
        for (i : NF .. NC - 1) { run sleeper(i) };
#endif
        run memory();
        run judge()
    }
}
