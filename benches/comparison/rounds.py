# SPDX-License-Identifier: MIT
"""The rounds: for every cell the peers run one after the other, A B C, B C A, C A B ..., so that
what is compared was measured within moments of each other and nobody always goes first."""
import json
import shutil
import sys
import tempfile
import time

from . import cells, instructions, peers

FAILURES_MAX = 2  # of one peer in one cell
STARTING_S = 0.2  # what a run takes beside its seconds, for the estimate of the time left


class Records:
    """The run file. Every record is there before the next run begins."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")

    def add(self, kind, /, **fields):
        line = {"record": kind}
        line.update(fields)
        line["record"] = kind
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def close(self):
        self.file.close()


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self, total, stream=sys.stderr):
        self.total, self.done, self.began, self.stream = total, 0.0, time.monotonic(), stream
        self.shown = stream.isatty()

    def left(self):
        if self.done == 0:
            return self.total
        return (time.monotonic() - self.began) * (self.total - self.done) / self.done

    def show(self, words):
        if self.shown:
            minutes, seconds = divmod(int(self.left()), 60)
            line = f"{minutes}:{seconds:02} left  {words}"
            self.stream.write(f"\r\x1b[K{line[:79]}")
            self.stream.flush()

    def close(self):
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


class Plan:
    """What is run, and how: cells, peers, rounds; seconds_of(section), limit_of(section),
    more_of(cell) where instructions are counted; the folder for files of the peers."""

    def __init__(self, chosen, found, rounds, seconds_of, limit_of, more_of, folder):
        self.cells, self.peers, self.rounds = chosen, found, rounds
        self.seconds_of, self.limit_of, self.more_of = seconds_of, limit_of, more_of
        self.folder = folder

    def peers_of(self, cell):
        return [peer for peer in self.peers if cells.applies(cell, peer.traits)]

    def rounds_of(self, cell):
        """A count is the same in every round."""
        return 1 if cell.section == cells.COUNTED else self.rounds

    def cost(self, cell):
        runs = instructions.RUNS if cell.section == cells.COUNTED else 1
        return runs * (self.seconds_of(cell.section) + STARTING_S)

    def total(self):
        return sum(self.cost(cell) * len(self.peers_of(cell)) * self.rounds_of(cell)
                   for cell in self.cells)

    def measure(self, cell, peer, folder):
        """The kind of the record, and what is in it."""
        limit = self.limit_of(cell.section)
        if cell.section == cells.COUNTED:
            return "instructions", instructions.count(peer, cell, self.more_of(cell), limit,
                                                      folder)
        length = ("--seconds", f"{self.seconds_of(cell.section):g}")
        return "sample", peers.measure(peer, cell, length, limit, folder)


class CellRun:
    """The rounds of one cell."""

    def __init__(self, plan, cell, records, progress):
        self.plan, self.cell, self.records, self.progress = plan, cell, records, progress
        self.peers, self.rounds = plan.peers_of(cell), plan.rounds_of(cell)
        self.failures = {}
        self.answering = {}  # name: the peer that answers to it, where two binaries have it

    def record(self, kind, peer, number, /, **fields):
        self.records.add(kind, **{**fields, "cell": self.cell.key, "section": self.cell.section,
                                  "peer": peer.name, "pinned": self.cell.pinned, "round": number})

    def leave_out(self, peer, number):
        self.peers.remove(peer)
        self.progress.total -= self.plan.cost(self.cell) * (self.rounds - number)

    def failed(self, peer, number, failure):
        self.record("failed", peer, number, cause=failure.cause, reason=str(failure))
        self.failures[peer] = self.failures.get(peer, 0) + 1
        if self.failures[peer] == FAILURES_MAX and number < self.rounds:
            self.record("left_out", peer, number, reason=f"{FAILURES_MAX} runs failed")
            self.leave_out(peer, number)

    def once(self, peer, number):
        """One run, in a folder that is gone after it, even where the peer was killed."""
        if self.answering.get(peer.name, peer) is not peer:
            self.leave_out(peer, number)
            return
        folder = tempfile.mkdtemp(prefix="peer-", dir=self.plan.folder)
        try:
            kind, answer = self.plan.measure(self.cell, peer, folder)
        except peers.NotApplicable as why:
            self.record("not_applicable", peer, number, reason=str(why))
            self.leave_out(peer, number)
        except peers.Failed as failure:
            self.answering[peer.name] = peer
            self.failed(peer, number, failure)
        else:
            self.answering[peer.name] = peer
            self.record(kind, peer, number, **answer)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self):
        order = list(self.peers)
        for number in range(1, self.rounds + 1):
            turn = (number - 1) % len(order) if order else 0
            for peer in order[turn:] + order[:turn]:
                if peer not in self.peers:
                    continue
                self.progress.show(f"{self.cell.key}  round {number}/{self.rounds}  "
                                   f"{peer.name}")
                self.once(peer, number)
                self.progress.done += self.plan.cost(self.cell)


def run(plan, records):
    progress = Progress(plan.total())
    try:
        for cell in plan.cells:
            CellRun(plan, cell, records, progress).run()
    finally:
        progress.close()
