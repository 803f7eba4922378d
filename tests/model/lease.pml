/* SPDX-License-Identifier: MIT */
/* A member of a group with acknowledgement, and a thread that is not one. */

#define COMPLETE(w, t) (ACKED((w) * W, t) && ACKED((w) * W + W - 1, t))

/*
 * By position, with the handle of m: slot i of page t. What m has, if it is leased; what nobody
 * has, if it is returned or dead. Who is read first. Uses r, u, c.
 */
inline ack(i, t, m)
{
    if :: d_step {
            if
            :: whoT[i] == t && whoO[i] == (m) + 1 -> r = 1
            :: whoT[i] == t && whoO[i] == NOBODY -> r = 2
            :: else /* QUIRE_ENOLEASE */
#ifdef BUG_ACK_IGNORES_OWNER
                r = 1
#endif
            fi } fi;
    if
    :: r ->
        if :: d_step {
                if
#ifdef BUG_ACK_OF_TAKEN
                :: r == 2 && LEASED(i, t) -> gdone[i] = 1; done[i] = 1; u = COMPLETE(WORD(i), t)
#endif
                :: (r == 1 && LEASED(i, t)) || (r == 2 && wordT[WORD(i)] == t && back[i]) ->
                    assert(life == t && gdel[i]);   /* I8 */
                    assert(!gdone[i] && !glost[i]); /* accounted for once */
#ifdef OWN_ENDS_ONLY
                    assert(gheld[i] == (r == 1 -> (m) + 1 : 0)); /* nobody else's lease */
#endif
                    gdone[i] = 1;
                    gheld[i] = (gheld[i] == (m) + 1 -> 0 : gheld[i]);
                    c = back[i] && !done[i];
                    done[i] = 1; back[i] = 0;
                    u = COMPLETE(WORD(i), t)
#ifdef BUG_ACK_REPLACES_TAG
                :: wordT[WORD(i)] != t ->
                    wordT[WORD(i)] = t;
                    CLEAR(WORD(i));
                    done[i] = 1
#endif
                :: else /* QUIRE_ENOLEASE */
                fi;
                r = 0 } fi
    :: !r
    fi;
    if
    :: u -> count_full(t); u = 0
    :: !u
    fi;
    if
    :: c -> count_off(t, 1); c = 0
    :: !c
    fi
}

/* Nobody has the lease; a is its attempts. A dead letter is not counted: nobody is to take it. */
inline give_back(i, t)
{
#ifndef BUG_MARKED_BEFORE_COUNTED
    if
    :: a < MAX -> count_returned(t)
    :: a >= MAX
    fi;
#endif
    if
    :: d_step { LEASED(i, t) -> back[i] = 1; done[i] = (a >= MAX -> 1 : 0); NEVER_TOO_LOW }
#ifdef BUG_MARKED_BEFORE_COUNTED
        if
        :: a < MAX -> count_returned(t)
        :: a >= MAX
        fi
#endif
    :: !LEASED(i, t) ->
#ifndef BUG_NOT_COUNTED_BACK
        if
        :: a < MAX -> count_off(t, 1)
        :: a >= MAX
        fi
#endif
    fi;
    a = 0
}

#define WIN(i) a = whoA[i]; whoO[i] = NOBODY; gheld[i] = 0

/* By the handle of m. */
inline nack(i, t, m)
{
    if
    :: d_step { whoT[i] == t && whoO[i] == (m) + 1 -> WIN(i) } give_back(i, t)
    :: !(whoT[i] == t && whoO[i] == (m) + 1)
    fi
}

/* Its time is over. */
inline expire(i, t)
{
    if
    :: d_step { whoT[i] == t && whoO[i] != NOBODY -> WIN(i) } give_back(i, t)
    :: !(whoT[i] == t && whoO[i] != NOBODY)
    fi
}

/* A dead letter is returned, as if it had never been given. */
inline requeue(i, t)
{
    if
#ifdef BUG_REQUEUED_BY_STORE
    :: d_step { whoT[i] = t; whoO[i] = NOBODY; whoA[i] = 0 }
#else
    :: d_step { whoT[i] == t && whoO[i] == NOBODY -> whoA[i] = 0 }
#endif
        count_returned(t);
        if
        :: d_step { DEAD(i, t) -> done[i] = 0; NEVER_TOO_LOW }
        :: !DEAD(i, t) -> count_off(t, 1)
        fi
#ifndef BUG_REQUEUED_BY_STORE
    :: !(whoT[i] == t && whoO[i] == NOBODY)
#endif
    fi
}

inline begin_lease(i, t, n)
{
    assert(!gheld[i]); /* not in other hands */
#ifdef OWN_ENDS_ONLY
    assert(!gdone[i]);
#endif
    whoT[i] = t; whoO[i] = me + 1; whoA[i] = n;
    assert(whoA[i] <= MAX);
    gheld[i] = me + 1
}

inline to_user(i, t)
{
    assert(life == t); /* I8 */
    assert(!gb[me] || gb[me] == t);
    gdel[i]++;
#ifndef REQUEUE
    assert(gdel[i] <= whoA[i]); /* I1: so many leases, each begun when none was held */
#endif
    gb[me] = t;
    mine[me * NS + i] = 1
}

/*
 * The page is protected before the exchange: it may be given up after it, and what follows is a
 * store into the page's zone, and the message. Until that store nobody has the lease.
 */
inline take()
{
#ifndef BUG_TAKER_STANDS_LATE
    if
    :: stand[me] != t -> stand[me] = t
    :: stand[me] == t
    fi;
#endif
#ifdef BUG_COUNTED_OFF_FIRST
    count_off(t, 1);
#endif
    if
    :: d_step { RET(0, t) -> back[0] = 0; s = 0 }
    :: d_step { RET(1, t) -> back[1] = 0; s = 1 }
    :: d_step { RET(2, t) -> back[2] = 0; s = 2 }
    :: d_step { !ANY(RET, t) -> t = 0 }
#ifdef BUG_COUNTED_OFF_FIRST
        count_returned(t);
#endif
        goto again
    fi;
#ifndef BUG_COUNTED_OFF_FIRST
    count_off(t, 1);
#endif
#ifdef BUG_TAKER_STANDS_LATE
    stand[me] = t;
#endif
#ifdef CLOSE
    if
    :: me == 1 ->
        if :: d_step { a = (whoT[s] == t -> whoA[s] : 0) } fi;
        give_back(s, t);
        goto closing
    :: true
    fi;
#endif
    if :: d_step {
            assert(life == t && (whoT[s] != t || whoO[s] == NOBODY));
            a = (whoT[s] == t -> whoA[s] : 0) + 1;
            begin_lease(s, t, a);
            a = 0;
            to_user(s, t); s = 0; t = 0 } fi
}

/* Word w of a page that a claim protects. c: it was given up. */
inline open()
{
#ifdef BUG_OPENED_BY_STORE
    if
    :: wordT[w] == t
    :: d_step { wordT[w] == FROZEN(t) -> c = 1 }
    :: wordT[w] != t && wordT[w] != FROZEN(t) ->
        if :: d_step { wordT[w] = t;
                CLEAR(w) } fi
    fi
#else
    if :: d_step {
            if
            :: wordT[w] == t
            :: wordT[w] == FROZEN(t) -> c = 1
            :: else ->
                assert(life == t);
                wordT[w] = t;
                CLEAR(w)
            fi } fi
#endif
}

inline claim()
{
    if :: d_step { runT[me] = t; runP[me] = s; runN[me] = n } fi;
    if
    :: d_step { headT == t && headS == s -> headS = s + n }
    :: d_step { !(headT == t && headS == s) -> s = 0; n = 0; t = 0 }
        runN[me] = 0;
        goto again
    fi;
    if
    :: stand[me] != t -> stand[me] = t
    :: stand[me] == t
    fi;
    w = WORD(s);
    do
    :: w <= WORD(s + n - 1) -> open(); w++
    :: w > WORD(s + n - 1) -> break
    od;
    if
    :: d_step { c -> c = 0; w = 0; s = 0; n = 0; t = 0 }
        runN[me] = 0;
        goto again
    :: d_step { !c -> w = 0; s = 0; n = 0 }
    fi
}

inline deliver()
{
#ifdef BUG_WHO_AFTER_NEXT
    if :: d_step { s = runP[me]; to_user(s, t); runP[me] = s + 1; runN[me]-- } fi;
    if :: d_step { begin_lease(s, t, 1); s = 0 } fi
#else
    if :: d_step { s = runP[me]; begin_lease(s, t, 1) } fi;
    if :: d_step { to_user(s, t); runP[me] = s + 1; runN[me]--; s = 0 } fi
#endif
}

/* The handle of me is closed. The line names the run until the last of it is returned. */
inline close()
{
    do
    :: runN[me] ->
        s = runP[me];
        if :: d_step {
                whoT[s] = t; whoO[s] = NOBODY;
#ifndef BUG_REST_KEEPS_ATTEMPTS
                whoA[s] = 0;
#endif
                a = 0 } fi;
        give_back(s, t);
        if :: d_step { runP[me] = s + 1; runN[me]-- } fi
    :: !runN[me] -> break
    od;
    s = 0;
    t = life;
    do
    :: s < NS ->
        if
#ifdef BUG_CLOSED_BY_STORE
        :: whoT[s] == t && whoO[s] == me + 1 && LEASED(s, t) ->
            if :: d_step {
                    a = whoA[s];
                    if
                    :: whoO[s] == me + 1 -> gheld[s] = 0
                    :: else
                    fi;
                    whoO[s] = NOBODY } fi;
            give_back(s, t)
#else
        :: d_step { whoT[s] == t && whoO[s] == me + 1 && LEASED(s, t) -> WIN(s) } give_back(s, t)
#endif
        :: !(whoT[s] == t && whoO[s] == me + 1 && LEASED(s, t))
        fi;
        s++
    :: s == NS -> break
    od;
    if :: d_step { gb[me] = 0; stand[me] = 0; s = 0; t = 0 } fi
}

#define HAS(i) mine[me * NS + (i)]

proctype member(byte me; bit born)
{
    byte t, s, n, w, a, r;
    bit u, c;
#ifdef REOPEN
    bit reopened;
#endif

    {
        skip;
again:
        do
        :: OVER -> goto bye
        :: d_step { TAKEABLE -> t = life } take()
        :: d_step { !OVER && headT == life && headS < FINAL(headT) -> t = headT; s = headS; n = 1 }
            if
            :: d_step { n < RUN && s + n < FINAL(t) -> n++ }
            :: true
            fi;
            claim();
            do
            :: runN[me] -> deliver()
            :: !runN[me] -> t = 0; break
#ifdef CLOSE
            :: me == 1 && runN[me] -> goto closing
#endif
            od
        :: d_step { !OVER && headT < life && headS != EVICTING -> headT = life; headS = 0 }
        :: d_step { stand[me] -> gb[me] = 0; stand[me] = 0 } /* the user is done with the page */
        :: d_step { HAS(0) -> HAS(0) = 0; s = 0; t = life } goto settle
        :: d_step { HAS(1) -> HAS(1) = 0; s = 1; t = life } goto settle
        :: d_step { HAS(2) -> HAS(2) = 0; s = 2; t = life } goto settle
        /* A dead letter is put away by whoever sees it. */
        :: d_step { DEAD(0, life) -> s = 0; t = life } goto acknowledge
        :: d_step { DEAD(1, life) -> s = 1; t = life } goto acknowledge
        :: d_step { DEAD(2, life) -> s = 2; t = life } goto acknowledge
#ifdef CLOSE
        :: me == 1 -> goto closing
#endif
        od;
settle:
        if
        :: true -> goto acknowledge
#ifdef NACK
        :: true -> nack(s, t, me)
#endif
        fi;
        goto after;
acknowledge:
        ack(s, t, me);
after:
        if :: d_step { s = 0; t = 0 } fi;
        goto again;
closing:
        close();
#ifdef REOPEN /* with the same index */
        if
        :: !reopened -> reopened = 1; goto again
        :: reopened
        fi;
#endif
bye:
        skip
    }
    DIES
}

/*
 * What remembers a page from before. Acknowledges by position what was delivered to anybody, with
 * any handle that is open; a lease that ends; a dead letter that was seen.
 */
proctype other(bit born)
{
    byte t, s, i, a, r;
    bit u, c;

    {
        do
        :: i < OPS ->
            if
#ifdef REQUEUE
            :: d_step { DEAD(0, life) -> s = 0; t = life }
            :: d_step { DEAD(1, life) -> s = 1; t = life }
            :: d_step { DEAD(2, life) -> s = 2; t = life }
#else
            :: d_step { gdel[0] -> s = 0; t = life }
            :: d_step { gdel[1] -> s = 1; t = life }
            :: d_step { gdel[2] -> s = 2; t = life }
#endif
            :: OVER -> goto bye
            fi;
            if
#ifdef REQUEUE
            :: requeue(s, t)
#else
            :: ack(s, t, 0)
#ifndef CLOSE
            :: ack(s, t, NM - 1)
#endif
#ifdef EXPIRES
            :: expire(s, t)
#endif
#endif
            fi;
            if :: d_step { i++; s = 0; t = 0 } fi
        :: i == OPS -> break
        od;
bye:
        skip
    }
    DIES
}
