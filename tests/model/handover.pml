/* SPDX-License-Identifier: MIT */
/* What makes a page needed again by another line: adoption of a run, a group that joins. */

/*
 * The run of a dead handle goes to another: copied into its line, then needs_seq moves, then the
 * dead line is free. A claim happened if it is confirmed, or if head still says so; head is read
 * first.
 */
#define OWED \
    (runN[VICTIM] && (runC[VICTIM] || (o == VICTIM + 1 && CLAIMED(VICTIM))))
inline adopt()
{
    if :: d_step { hT = headT[0]; hS = headS[0]; o = headO[0] } fi;
    if
    :: d_step { !OWED -> hT = 0; hS = 0; o = 0 }
        goto nothing
    :: d_step { OWED ->
            n = runN[VICTIM]; hT = runP[VICTIM] / 4; hS = runP[VICTIM] % 4; o = 0 }
    fi;
    if
    :: d_step { stand[me] != 0 && stand[me] != hT -> gb[me] = 0 } stand[me] = 0
    :: stand[me] == 0 || stand[me] == hT
    fi;
    if /* not by the directory: that may have wrapped */
    :: d_step { lifeT[0] == hT && pageT[0] == hT -> f = 0 }
    :: d_step { lifeT[1] == hT && pageT[1] == hT -> f = 1 }
    :: d_step { !(lifeT[0] == hT && pageT[0] == hT) && !(lifeT[1] == hT && pageT[1] == hT) ->
            assert(state != ORPHAN); n = 0; hT = 0; hS = 0 }
        goto start
    fi;
    if :: d_step { runP[me] = POS(hT, hS); runN[me] = n; runC[me] = 0 } fi;
    if
    :: d_step { state == ORPHAN -> state = ADOPTED }
    :: d_step { state != ORPHAN -> n = 0; hT = 0; hS = 0; f = 0 }
        if :: d_step { runP[me] = 0; runN[me] = 0 } fi;
        goto start
    fi;
#ifndef BUG_ADOPT_SILENT
    needs++;
#endif
    if :: d_step { runC[me] = 1 } fi;
    if :: d_step { runP[VICTIM] = 0; runN[VICTIM] = 0; runC[VICTIM] = 0; stand[VICTIM] = 0;
            state = FREED } fi;
    goto have;
nothing: /* recovery frees the line */
    if :: d_step {
            if
            :: state == ORPHAN ->
                runP[VICTIM] = 0; runN[VICTIM] = 0; stand[VICTIM] = 0; state = FREED
            :: else
            fi } fi;
    goto start
}

/*
 * Group 1 is made while the channel runs and begins with a page q that is there. Its handle, in
 * state SETUP, stands on q, which protects all from q on; then every page from q to the tail gets a
 * pin; then the group is seen, needs_seq moves, and the line protects no more.
 */
#define THERE(f) \
    (pageT[f] == lifeT[f] && dirT[lifeT[f] % D] == lifeT[f] && lifeT[dirF[tail % D]] == tail && \
     (lifeT[f] == tail || lifeT[f] + 1 == tail))
inline join()
{
    skip;
choose:
    if
    :: d_step { THERE(0) -> hT = lifeT[0] }
    :: d_step { THERE(1) -> hT = lifeT[1] }
    fi;
    if :: d_step { setup = 1; stand[me] = hT; n = hT } fi;
    o = tail;
#ifndef BUG_JOIN_NO_PIN
    do
    :: d_step { n <= o && dirT[n % D] == n -> f = dirF[n % D]; s = pins[f] }
        if
        :: d_step { lifeT[f] == n && pins[f] == s -> pins[f]++; n++; s = 0 }
        :: d_step { lifeT[f] != n -> hT = 0; n = 0; o = 0; f = 0; s = 0 } goto choose
        :: d_step { lifeT[f] == n && pins[f] != s -> s = 0 }
        fi
#ifdef BUG_JOIN_PIN_ONE
        if
        :: n > hT -> break
        :: n <= hT
        fi
#endif
    :: d_step { n <= o && dirT[n % D] != n -> hT = 0; n = 0; o = 0; f = 0 } goto choose
    :: n > o -> break
    od;
#endif
    if :: d_step { headT[1] = hT; visible[1] = 1; gfrom[1] = hT } fi;
#ifndef BUG_JOIN_SILENT
    needs++;
#endif
    stand[me] = 0;
    if :: d_step { setup = 0; hT = 0; n = 0; o = 0; f = 0 } fi
}
