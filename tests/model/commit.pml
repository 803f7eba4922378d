/* SPDX-License-Identifier: MIT */
/*
 * Group commit (I9, and the mode "each"): producers that wait until their message is on stable
 * storage, each ready to lead the commit for all; the keeper, whose commits begin and end apart;
 * the kernel, that writes back when it likes and says once that it failed. Slots 0 and 1 lie in
 * frame 0, slots 2 and 3 in frame 1. A producer's store of a slot stays in its buffer until memory
 * takes it or its own fence does.
 *
 * The disk only gains slots, so a loss of power at any moment is covered by what is asserted of it
 * when a send returns and when the durable position moves. docs/models.md has more.
 */
#ifndef NP
#define NP 3 /* producers; number i sends slots i, i + NP, ... */
#endif
#ifndef N
#define N 3 /* messages, at most 4 */
#endif
#ifndef ASKS
#define ASKS 0 /* so many of the producers do not lead, they ask the keeper and wait */
#endif

#define BIT(i)   (1 << (i))
#define BELOW(i) (BIT(i) - 1)
#define FRAME(f) ((3 << (2 * (f))) & BELOW(N))
#define FREE     0
#define CALLER   1
#define ENGINE   2

/* Sets are bit masks: of slots, of frames, of producers. */
byte buffer[NP];       /* slot + 1, 0: empty */
byte pub, dirty, disk; /* in memory; not yet written back; on the disk */
byte error;            /* frames with an error to report */
byte opened = 1;       /* pages; here each has a frame of its own */
byte clean;            /* pages with nothing left to sync */
byte begun, done, busy, intent, durable;
bit poisoned, again, want; /* again: the keeper wants busy; want: it is asked for a commit */
byte fresh, asleep;        /* done_seq is what they have read; on the futex of done_seq */
#ifdef KILL
byte deaths, gone; /* all processes die at once; producers that have stopped running */
#endif
byte gfailed; /* ghost: the commit that failed */

inline drain(p)
{
    if
    :: buffer[p] ->
        pub = pub | BIT(buffer[p] - 1); dirty = dirty | BIT(buffer[p] - 1); buffer[p] = 0
    :: else
    fi
}

/* Memory takes a store; the kernel writes a slot back, or fails to and forgets it. */
proctype machine()
{
end:
    do
    :: d_step { buffer[0] -> drain(0) }
    :: d_step { buffer[1 % NP] -> drain(1 % NP) }
    :: d_step { buffer[2 % NP] -> drain(2 % NP) }
    :: d_step { dirty & 1 -> dirty = dirty & ~1; disk = disk | 1 }
    :: d_step { dirty & 2 -> dirty = dirty & ~2; disk = disk | 2 }
    :: d_step { dirty & 4 -> dirty = dirty & ~4; disk = disk | 4 }
    :: d_step { dirty & 8 -> dirty = dirty & ~8; disk = disk | 8 }
    :: d_step { dirty & 1 -> dirty = dirty & ~1; error = error | 1 }
    :: d_step { dirty & 2 -> dirty = dirty & ~2; error = error | 1 }
    :: d_step { dirty & 4 -> dirty = dirty & ~4; error = error | 2 }
    :: d_step { dirty & 8 -> dirty = dirty & ~8; error = error | 2 }
    od
}

/* The slots that are to be waited for. */
#define SYNC_BEGIN(f) want_of = want_of | (dirty & FRAME(f))
/* They are written, or given up: d_step { SYNC_ENDED -> SYNC_RESULT(frames) }. */
#define SYNC_ENDED          (!(dirty & want_of))
#define SYNC_RESULT(frames) \
    want_of = 0; bad = ((error & (frames)) != 0); error = error & ~(frames)

/* What the commit is to cover, from words that only grow: read at the last of the looks. */
#ifdef BUG_CLEAN_BY_FRAME /* both pages are lives of one frame, and the mark is the frame's */
#define OPEN opened = 3; clean = 0
#define LIST list = (clean & 1 -> 0 : opened)
#define CLEANED (list == 1 -> complete & 1 : 0) /* it was in its first life when it was listed */
#else
#define CLEANED (complete & list)
#define OPEN opened = 3
#define LIST list = opened & ~clean
#endif
#define LOOK \
    do :: w < N && (pub & BIT(w)) -> w++ :: else -> break od; \
    complete = ((pub & FRAME(0)) == FRAME(0)) + 2 * ((pub & FRAME(1)) == FRAME(1))

#ifdef BUG_W_AFTER_SYNC
#define LOOK_FIRST w = durable
#define LOOK_LATE  w = durable; LOOK
#elif defined(BUG_CLEAN_LATE)
#define LOOK_FIRST w = durable; LOOK
#define LOOK_LATE  \
    complete = ((pub & FRAME(0)) == FRAME(0)) + 2 * ((pub & FRAME(1)) == FRAME(1))
#else
#define LOOK_FIRST w = durable; LOOK
#define LOOK_LATE  skip
#endif

/* busy is held. Numbers the commit, says so, and looks. */
inline begin()
{
#ifdef BUG_LISTED_EARLY
    LIST;
#endif
    if :: d_step { begun++; n = begun } fi; /* a read-modify-write and a full fence */
#ifndef BUG_NO_INTENT
    intent = n;
#endif
    if :: d_step {
#ifndef BUG_LISTED_EARLY
        LIST;
#endif
        LOOK_FIRST } fi
}

inline announce()
{
#ifndef BUG_SILENT_END
    fresh = 0; /* done_seq + 1 */
    asleep = 0 /* FUTEX_WAKE of all */
#else
    skip
#endif
}

/* bad: what the syncs of the frames in list said. */
inline finish()
{
#ifdef BUG_RETRY
    bad = 0; /* "the second sync succeeded" */
#endif
    if
    :: !bad ->
        assert((disk & BELOW(w)) == BELOW(w)); /* I9 */
        durable = w;
        clean = clean | CLEANED;
        intent = 0;
#ifdef BUG_WAKE_BEFORE_DONE
        announce();
#endif
        done = n
    :: bad ->
        if :: d_step { gfailed == 0 -> gfailed = n } :: gfailed != 0 fi;
#ifdef BUG_INTENT_CLEARED
        intent = 0;
#endif
#ifdef BUG_DONE_ON_FAILURE
        done = n;
#endif
        poisoned = 1
    fi;
    if :: d_step { n = 0; w = 0; list = 0; complete = 0; bad = 0 } fi;
#ifdef BUG_WAKE_BEFORE_FREE
    announce();
    busy = FREE
#elif defined(BUG_WAKE_BEFORE_DONE)
    busy = FREE
#else
    busy = FREE;
    announce()
#endif
}

#ifdef BUG_BUSY_SHARED
#define CANTAKE true
#else
#define CANTAKE (busy == FREE)
#endif
#ifdef BUG_POISON_NOT_LOOKED_AT
#define MAYNOT false
#else
#define MAYNOT poisoned
#endif
#ifdef BUG_WAITS_FOR_B
#define COVERED (done >= b)
#else
#define COVERED (done > b)
#endif

proctype publisher(byte me)
{
    byte i, b, n, w, list, complete, want_of;
    bit bad;

    {
    i = me;
next:
    if
    :: i >= N -> goto over
    :: i < N
#ifdef STALL
    :: me == 0 -> /* claimed, and was stopped for ever */
end_stalled:
        false
#endif
    fi;
    if
    :: d_step { i >= 2 && opened == 1 -> OPEN }
    :: i < 2 || opened == 3
    fi;
    buffer[me] = i + 1;
#ifndef BUG_NO_FENCE
    if :: d_step { drain(me) } fi;
#endif
    b = begun;
#if ASKS
    if :: me >= NP - ASKS -> want = 1 :: me < NP - ASKS fi;
#endif

look:
#ifndef BUG_SEQ_LATE
    fresh = fresh | BIT(me);
#endif
    if
    :: COVERED ->
        assert(disk & BIT(i));            /* "each": nothing returned is lost */
        assert(!gfailed || b + 1 < gfailed); /* none of a failed commit */
        goto sent
    :: !COVERED
    fi;
    if
    :: poisoned -> goto sent /* with an error */
    :: !poisoned
    fi;
    if
    :: d_step { me < NP - ASKS && CANTAKE -> busy = CALLER }
    :: me >= NP - ASKS || !CANTAKE -> goto rest
    fi;
    if
    :: MAYNOT -> busy = FREE; goto look
    :: !MAYNOT
    fi;
    begin();
    bad = 0;
    if
    :: list & 1 ->
        SYNC_BEGIN(0);
        if :: d_step { LOOK_LATE } fi;
        if :: d_step { SYNC_ENDED -> SYNC_RESULT(1) } fi
    :: !(list & 1)
    fi;
    if
    :: (list & 2) && !bad ->
        SYNC_BEGIN(1);
        if :: d_step { LOOK_LATE } fi;
        if :: d_step { SYNC_ENDED -> SYNC_RESULT(2) } fi
    :: !(list & 2) || bad
    fi;
#ifdef BUG_AGAIN_READ_EARLY
    if :: again -> again = 0; want = 1 :: !again fi;
    finish();
#else
    finish();
#if ASKS && !defined(BUG_AGAIN_DROPPED)
    if /* the keeper came in vain meanwhile: it is asked again */
    :: d_step { again -> again = 0 } want = 1
    :: !again
    fi;
#endif
#endif
    goto look;

rest:
#ifdef BUG_SEQ_LATE
    fresh = fresh | BIT(me);
#endif
    if
    :: d_step { fresh & BIT(me) -> fresh = fresh & ~BIT(me); asleep = asleep | BIT(me) }
        !(asleep & BIT(me))
    :: !(fresh & BIT(me))
    fi;
    goto look;

sent:
    if :: d_step { fresh = fresh & ~BIT(me); i = i + NP; b = 0 } fi;
    goto next;
over:
    skip
    }
#ifdef KILL
    unless { deaths };
    if :: d_step { i = 0; b = 0; n = 0; w = 0; list = 0; complete = 0; want_of = 0; bad = 0;
                   gone++ } fi
#endif
}

#if ASKS
/* One thread that begins commits, ends them and answers in between. */
proctype keeper()
{
    byte n, w, list, complete, want_of;
    bit bad, running;

end:
    do
    :: d_step { want -> want = 0 }
        if
        :: running ->
#ifndef BUG_AGAIN_DROPPED_BY_KEEPER
            again = 1
#endif
        :: !running ->
            if
            :: d_step { busy == FREE -> busy = ENGINE }
            :: busy != FREE ->
                again = 1; /* a read-modify-write: before the next look at busy */
#ifndef BUG_BUSY_LOOKED_AT_ONCE
                if
                :: d_step { busy == FREE -> busy = ENGINE }
                :: busy != FREE -> goto end
                fi
#else
                goto end
#endif
            fi;
            if
            :: poisoned -> busy = FREE; goto end
            :: !poisoned
            fi;
            begin();
            if :: list & 1 -> SYNC_BEGIN(0) :: !(list & 1) fi;
            if :: list & 2 -> SYNC_BEGIN(1) :: !(list & 2) fi;
            running = 1
        fi
    :: d_step { running && SYNC_ENDED -> SYNC_RESULT(list); running = 0 }
        if :: d_step { LOOK_LATE } fi;
        finish();
        if
        :: d_step { again -> again = 0 } want = 1
        :: !again
        fi
    od
}
#endif

#ifdef KILL
/*
 * The next open, after all of them died at once: killed again at any moment, or commits once more.
 * Memory has taken all stores.
 */
proctype opener(byte nth)
{
    byte n, w, list, complete, want_of;
    bit bad;

    {
    gone == NP && !buffer[0] && !buffer[1 % NP] && !buffer[2 % NP];
    if :: d_step { busy = FREE; fresh = 0; asleep = 0; begun = 0; done = 0; gfailed = 0;
                   intent = (intent != 0) } fi; /* what nobody is left to compare */
    if
    :: intent && !poisoned ->
#ifdef BUG_REOPEN_CLEARS_FIRST
        intent = 0;
#endif
#ifndef BUG_NOT_DIRTIED_AGAIN
        dirty = dirty | (pub & ~BELOW(durable));
#endif
        if :: d_step { LOOK_FIRST } fi;
        SYNC_BEGIN(0);
        SYNC_BEGIN(1);
        if :: d_step { SYNC_ENDED -> SYNC_RESULT(3) } fi;
        if
        :: bad -> poisoned = 1
        :: !bad ->
            assert((disk & BELOW(w)) == BELOW(w)); /* I9 */
            durable = w;
            intent = 0
        fi
    :: else
    fi;
    if
    :: poisoned
    :: !poisoned ->
        begin();
        SYNC_BEGIN(0);
        SYNC_BEGIN(1);
        if :: d_step { SYNC_ENDED -> SYNC_RESULT(3) } fi;
        finish()
    fi
    } unless { deaths > nth }
}
#endif

init {
    byte i;
    atomic {
        for (i : 0 .. NP - 1) { run publisher(i) };
        run machine();
#if ASKS
        run keeper();
#endif
        i = 0
    }
#ifdef KILL
    deaths = 1;
    run opener(1);
    deaths = 2;
    run opener(2)
#endif
}
