# SPDX-License-Identifier: MIT
"""A run file read again: medians, ratios of neighbours in time, and who is compared with whom."""
import json
import math
import statistics

from . import cells

QUIRE = "quire"
# What is compared in a section, and whether less of it is better.
VALUES = {"pingpong": ("p50_ns", True), "loaded": ("p99_ns", True),
          cells.COUNTED: ("instructions", True)}
# Of the family reference, beside those with the trait floor: they show what the machine can do, and
# carry no messages.
FLOORS = ("line", "futex")


class Unreadable(Exception):
    pass


class Ratio:
    """quire / another, round by round."""

    def __init__(self, ratios, whole):
        self.median, self.low, self.high = statistics.median(ratios), min(ratios), max(ratios)
        self.whole = whole  # both have a figure in every round


class CellFigures:
    """The samples of one cell: {peer: {round: sample}}."""

    def __init__(self, sample):
        self.key, self.section, self.pinned = sample["cell"], sample["section"], sample["pinned"]
        self.samples = {}

    @property
    def words(self):
        """The parts of the key after the section."""
        return self.key.split("/")[1:]

    def value_name(self):
        return VALUES.get(self.section, ("rate", False))[0]

    def less_is_better(self):
        return VALUES.get(self.section, ("rate", False))[1]

    def values(self, peer, name=None):
        """{round: value}"""
        name = name or self.value_name()
        return {number: sample[name] for number, sample in self.samples.get(peer, {}).items()
                if sample.get(name) is not None}

    def median(self, peer, name=None):
        values = self.values(peer, name)
        return statistics.median(values.values()) if values else None

    def ratio(self, rival, rounds):
        ours, theirs = self.values(QUIRE), self.values(rival)
        both = [ours[number] / theirs[number] for number in ours
                if theirs.get(number, 0) > 0]
        return Ratio(both, len(both) == rounds) if both else None

    def best(self, rivals):
        present = [peer for peer in rivals if self.median(peer) is not None]
        choose = min if self.less_is_better() else max
        return choose(present, key=self.median) if present else None


class Run:
    def __init__(self):
        self.about = None
        self.peers = {}
        self.cells = {}  # (key, pinned): CellFigures, in the order measured
        self.counted = {}  # the same of the cells where instructions were counted
        self.failed, self.left_out = [], []

    def add(self, record):
        kind = record["record"]
        if kind == "run":
            self.about = record
        elif kind == "peer":
            known = self.peers.setdefault(record["peer"], dict(record))
            known["traits"] = sorted(set(known["traits"]) | set(record["traits"]))
        elif kind == "sample":
            if record["verified"] is not True:
                raise Unreadable("a sample that was not verified")
            self.put(record)
        elif kind == "instructions":
            self.put(record)
        elif kind == "failed":
            self.failed.append(record)
            if "cell" in record:
                self.cell(record)
        elif kind == "left_out":
            self.left_out.append(record)

    def cell(self, record):
        known = self.counted if record["section"] == cells.COUNTED else self.cells
        return known.setdefault((record["cell"], record["pinned"]), CellFigures(record))

    def put(self, record):
        self.cell(record).samples.setdefault(record["peer"], {})[record["round"]] = record

    @property
    def rounds(self):
        return self.about["rounds"]

    def traits(self, peer):
        return self.peers[peer]["traits"]

    def family(self, peer):
        return self.peers[peer]["family"]

    def section(self, name):
        return [cell for cell in self.cells.values() if cell.section == name]

    def is_floor(self, peer):
        return "floor" in self.traits(peer) or self.family(peer) == "reference" and (
            peer in FLOORS or "durable" in self.traits(peer))

    def rivals(self, cell):
        """The peers that quire is compared with: where there are more threads than two, those
        that bear any number of both."""
        others = [peer for peer in cell.samples
                  if self.family(peer) != QUIRE and not self.is_floor(peer)]
        if cell.section == "throughput" and not cell.key.startswith("throughput/1P1C/"):
            others = [peer for peer in others if "mpmc" in self.traits(peer)]
        return others

    def best(self, cell):
        return cell.best(self.rivals(cell))


def read(path):
    run = Run()
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            run.add(json.loads(line))
        except (ValueError, KeyError, TypeError, Unreadable) as error:
            # The last line of a run that was stopped may be half a record.
            if number == len(lines):
                break
            raise Unreadable(f"{path}:{number}: {error!r}") from error
        if run.about is None:
            raise Unreadable(f"{path}:{number}: does not begin with a record of the run")
    if run.about is None:
        raise Unreadable(f"{path}: holds no run")
    order = {section: place for place, section in enumerate(cells.SECTIONS)}
    run.cells = dict(sorted(run.cells.items(), key=lambda item: order[item[1].section]))
    return run


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))
