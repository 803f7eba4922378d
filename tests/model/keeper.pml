/* SPDX-License-Identifier: MIT */
/*
 * Who drives the engine, and the timer of the mode "interval". A keeper with nothing to do raises
 * an attention bit; the publisher that clears it asks for the timer. A request is a bit in wants
 * and a wake of the engine; whoever gets the lock drives, whoever does not leaves. A published
 * message is committed in the end, and no request is left behind with nobody awake.
 *
 * Publishers have a store buffer of one entry, as in wait.pml. The steps of a wake are those of
 * qr_engine_wake() and qr_engine_take_wake(). docs/models.md has more.
 */
#ifndef NP
#define NP 2 /* publishers */
#endif
#ifndef N
#define N 3 /* messages: publisher i sends i, i + NP, ... */
#endif
#ifndef VISITS
#define VISITS 1 /* times the caller of quire_dispatch comes to drive */
#endif
#ifndef SYNCS
#define SYNCS 0 /* times somebody asks for a commit at once */
#endif

#define ARM    1
#define COMMIT 2

bit buffer[NP];
byte pub;            /* messages in memory */
bit attention;       /* the keeper is idle and wants to hear of the next message */
byte wants;          /* ARM, COMMIT */
bit awake, readable; /* of the engine; its wake fd */
bit drive;           /* lock of the driver, over the next three lines */
bit armed, running, again;
byte begun;          /* what was published when the last commit began */
bit fired, synced;   /* completions to be reaped */
byte gcommitted;     /* ghost: messages on the disk */

inline drain(p)
{
    if
    :: buffer[p] -> buffer[p] = 0; pub++
    :: else
    fi
}

/* Memory takes a store; a timer fires; a sync ends. */
proctype machine()
{
end:
    do
    :: d_step { buffer[0] -> drain(0) }
    :: d_step { buffer[1 % NP] -> drain(1 % NP) }
    :: d_step { armed && !fired -> fired = 1 }
    :: d_step { running && !synced -> synced = 1; gcommitted = begun }
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

/* old: of wants. */
inline ask(bits)
{
    if :: d_step { old = wants; wants = wants | (bits) } fi;
    if
    :: (old & (bits)) == (bits) -> old = 0 /* whoever set it wakes */
    :: (old & (bits)) != (bits) ->
        if :: d_step { old = awake; awake = 1 } fi;
        if
        :: old -> old = 0
        :: !old -> readable = 1
        fi
    fi
}

proctype publisher(byte me)
{
    byte i, old;

    i = me;
    do
    :: d_step { i < N && !buffer[me] -> i = i + NP; buffer[me] = 1 }
        if
        :: !attention
        :: attention ->
#ifdef BUG_ASKS_BEFORE_CLEARING
            ask(ARM);
            if :: d_step { drain(me); attention = 0 } fi
#else
            if :: d_step { drain(me); old = attention; attention = 0 } fi; /* an exchange */
            if
            :: d_step { old -> old = 0 }
#ifndef BUG_CLEARED_IN_SILENCE
                ask(ARM)
#endif
            :: !old
            fi
#endif
        fi
    :: i >= N -> break
    od
}

#if SYNCS
proctype syncer()
{
    byte i, old;

    do
    :: i < SYNCS -> i++; ask(COMMIT)
    :: i == SYNCS -> break
    od
}
#endif

/* A full fence lies between the order to commit and the look: the driver exchanged wants. */
#define BEGIN   begun = pub; running = 1
#define PENDING (readable || fired || synced)

/* The commit is over, and the engine idle unless there is more to do. */
inline settle()
{
    if
    :: d_step { again -> again = 0; BEGIN }
    :: d_step { !again && pub > begun -> armed = 1 }
    :: !again && pub == begun ->
#ifdef BUG_BIT_AFTER_LOOK
        membarrier();
        if
        :: d_step { pub > begun -> armed = 1 }
        :: pub == begun -> attention = 1
        fi
#else
        attention = 1;
        membarrier();
#ifndef BUG_NO_SECOND_LOOK
        if
        :: d_step { pub > begun -> attention = 0; armed = 1 }
        :: pub == begun
        fi
#endif
#endif
    fi
}

/* The 1 is taken from the fd first, then awake goes back. */
inline take_wake()
{
#ifdef BUG_AWAKE_LOWERED_FIRST
    if
    :: !awake
    :: awake -> awake = 0; readable = 0
    fi
#else
    if
    :: !awake
    :: awake ->
        if
        :: d_step { readable -> readable = 0 } awake = 0
        :: !readable /* about to be written: the fd becomes readable then */
        fi
    fi
#endif
}

/* The lock is held. Reaps until there is nothing, then looks for the reason of the wake. */
inline pass()
{
    do
    :: true ->
#ifndef BUG_DRAINED_AFTER_EXCHANGE
        take_wake();
#endif
        if
        :: d_step { fired -> fired = 0; armed = 0 }
            if
            :: d_step { !running -> BEGIN }
            :: running /* looks itself when it ends */
            fi
        :: d_step { synced -> synced = 0; running = 0 } settle()
        :: !fired && !synced ->
            if :: d_step { w = wants; wants = 0 } fi; /* an exchange */
#ifdef BUG_DRAINED_AFTER_EXCHANGE
            take_wake();
#endif
            if
            :: !w -> break
            :: d_step { w & COMMIT ->
                if :: running -> again = 1 :: else -> BEGIN fi }
            :: d_step { w == ARM ->
                if :: running :: else -> armed = 1 fi }
            fi;
            w = 0
        fi
    od
}

/* Sleeps until the fd of the engine is readable. */
proctype keeper()
{
    byte w;

end:
    do
    :: PENDING ->
        if
        :: d_step { !drive -> drive = 1 } pass(); drive = 0
        :: drive /* somebody drives */
        fi
    od
}

/* Comes uncalled, and goes. */
proctype caller()
{
    byte w, i;

    do
    :: i < VISITS -> i++;
        if
        :: d_step { !drive -> drive = 1 } pass(); drive = 0
        :: drive
        fi
    :: i == VISITS -> break
    od
}

/* Nothing can move any more. */
proctype judge()
{
    timeout;
    assert(!wants);
    assert(gcommitted == N)
}

init {
    byte i;
    atomic {
        attention = 1; /* idle */
        for (i : 0 .. NP - 1) { run publisher(i) };
        run machine();
        run keeper();
        run caller();
#if SYNCS
        run syncer();
#endif
        run judge()
    }
}
