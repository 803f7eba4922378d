/* SPDX-License-Identifier: MIT */
/*
 * The channel: claim, seal, turn, recycle, claims of runs, adoption, joining. A step of a process
 * is one access to a shared word, or several that cannot be told from one. docs/models.md says what
 * is left out, and how to read a counterexample.
 *
 * Pages are named by their tag T = page_no + 1; 0 means none. A position is (T, slot).
 */
#ifndef NP
#define NP 2 /* producers */
#endif
#ifndef NC
#define NC 2 /* consumers of group 0 */
#endif
#ifndef S
#define S 2 /* slots of a page, 1..3 */
#endif
#ifndef D
#define D 2 /* directory entries */
#endif
#ifndef TOTAL
#define TOTAL 4 /* messages */
#endif
#ifdef NO_AHEAD /* pages are prepared when they are needed, not before */
#define AHEAD 0
#else
#define AHEAD 1
#endif
#ifndef RUN
#define RUN S /* longest run */
#endif
#define NF 2 /* frames; the predicates below name both */
#ifdef SUB
#define NG   2        /* group 1 is made at run time and has one consumer */
#define NL   (NC + 1) /* lines of handles */
#else
#define NG 1
#define NL NC
#endif
#ifdef CRASH
#define VICTIM (NC - 1) /* this consumer dies, anywhere */
#endif

/* Frames. */
byte lifeT[NF], pins[NF];    /* life word: page (0: free), pins */
byte pageT[NF];              /* header.page_no */
byte claimT[NF], claimN[NF]; /* claim word: tag, count; a count above S: over */
byte sealT[NF], sealN[NF];   /* seal: tag, final count */
byte slotT[NF * S];          /* slot words: tag */
byte recT[NF * S];           /* records: the page each was written for */
/* Channel. */
byte dirT[D], dirF[D]; /* directory: page, frame */
byte tail;             /* tail_page */
byte needs;            /* needs_seq */
/* Groups: head = (page, slot, owner + 1). */
byte headT[NG], headS[NG], headO[NG];
bit visible[NG];
/* Lines of handles. A position is packed: T * 4 + slot. */
#define POS(t, s) ((t) * 4 + (s))
/*
 * Intent and next together: what is not delivered of the run, [runP, runP + runN). Its end is the
 * end of the intent and names it; a run that is done is zero, as next == end says nothing more.
 */
byte runP[NL], runN[NL];
bit runC[NL];   /* the intent is confirmed */
byte stand[NL]; /* page borrowed from */
#ifdef SUB
bit setup; /* the line of group 1's handle is in state SETUP */
#endif
#ifdef CRASH
byte state; /* of the victim's line */
#define LIVE    0
#define ORPHAN  1
#define ADOPTED 2
#define FREED   3
#endif

/* Ghosts: what is true, for assertions only. */
byte gT[NF];           /* page the claim word was last opened for */
byte gN[NF];           /* valid claims in it */
byte gmax;             /* highest page opened */
byte nclaim;           /* claims in all */
bit gdel[NG * NF * S]; /* delivered, by group, frame and slot */
byte ndel;             /* deliveries to group 0 */
byte gb[NL];           /* page whose messages the user of the handle may touch */
byte gfrom[NG];        /* first page the group is owed; 0: none */
byte ended;            /* processes */
#ifdef ORDER
byte gwho[NF * S], gseq[NF * S]; /* whose message, and which of its messages */
byte gsent[NP], gseen[NL * NP];  /* sent by each; last seen by each handle of each */
byte gpos[NL];                   /* last position a handle saw */
#endif

#include "truth.pml"

inline finish()
{
    ended++;
    if
    :: ended == NP + NL -> assert(ndel == TOTAL) /* I1: none skipped */
    :: else
    fi
}

#include "producer.pml"
#include "consumer.pml"

init {
    byte i;
    d_step {
        /* page 0 is open in frame 0; frame 1 is free */
        lifeT[0] = 1; pageT[0] = 1; claimT[0] = 1; dirT[1 % D] = 1; dirF[1 % D] = 0;
        claimN[1] = S + 1;
        tail = 1; gT[0] = 1; gmax = 1;
        headT[0] = 1; visible[0] = 1; gfrom[0] = 1;
    };
    atomic {
        for (i : 0 .. NP - 1) { run producer(i) };
        for (i : 0 .. NC - 1) { run consumer(i, 0) };
#ifdef SUB
        run consumer(NC, 1);
#endif
        i = 0
    }
#ifdef CRASH
    if :: d_step { state = ORPHAN; gb[VICTIM] = 0 } fi
#endif
}
