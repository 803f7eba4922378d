# SPDX-License-Identifier: MIT
"""What quire is held to beside its peers, each goal with its verdict. Ratios are medians of the
rounds' ratios, quire / other."""
from . import figures

SIZES = ("16", "64", "512", "4096")
MANY = ("2P2C", "4P4C", "8P8C")
BATCHES = ("1", "32")
CELL_LEAST, MEAN_LEAST, SPSC_LEAST = 1.0, 1.5, 0.9
LINE_MOST, FUTEX_MOST = 1.15, 1.2
DURABLE_LEAST = {"1P": 2.0, "16P": 5.0}


class Goal:
    """verdict: met, met in part (there are cells that were not measured), NOT MET or not
    measured."""

    def __init__(self, words, verdict, detail):
        self.words, self.verdict, self.detail = words, verdict, detail


def label(cell):
    return "/".join(cell.words) + (" pinned" if cell.pinned else "")


def not_measured(words, why="no such cell"):
    return Goal(words, "not measured", why)


class Compared:
    """Cells with their ratios to the rival that choose(cell) names. A cell in which quire was to
    run and has no figure is one that it has lost; one without a rival says nothing."""

    def __init__(self, run, chosen, choose):
        self.ratios, self.lost = {}, []
        for cell in chosen:
            rival = choose(cell)
            ratio = cell.ratio(rival, run.rounds) if rival else None
            if ratio:
                self.ratios[label(cell)] = ratio.median
            elif rival and figures.QUIRE in run.peers:
                self.lost.append(label(cell))

    def judged(self, words, bound, wanted=None, most=False):
        """Every cell, against the bound. wanted: how many cells there should be."""
        count = len(self.ratios) + len(self.lost)
        if count == 0:
            return not_measured(words)
        bad = {name: ratio for name, ratio in self.ratios.items()
               if (ratio > bound if most else ratio < bound)}
        said = [f"{count - len(bad) - len(self.lost)} of {count} cells"]
        if wanted and count < wanted:
            said.append(f"{wanted - count} of {wanted} not measured")
        said += [f"{name} {ratio:.3f}" for name, ratio in
                 sorted(bad.items(), key=lambda item: item[1], reverse=most)]
        said += [f"{name} without a figure" for name in self.lost]
        if not bad and not self.lost:
            said.append(("most " if most else "least ") +
                        f"{(max if most else min)(self.ratios.values()):.3f}")
        whole = "met in part" if wanted and count < wanted else "met"
        return Goal(words, "NOT MET" if bad or self.lost else whole, "; ".join(said))

    def mean(self, words, bound, wanted):
        if not self.ratios:
            return not_measured(words)
        mean = figures.geometric_mean(self.ratios.values())
        said = f"{mean:.3f} over {len(self.ratios)} cells"
        if len(self.ratios) < wanted:
            said += f" of {wanted}"
        # A cell without a figure would be left out of the mean: that is no way to raise it.
        if mean < bound or self.lost:
            return Goal(words, "NOT MET", said)
        return Goal(words, "met" if len(self.ratios) == wanted else "met in part", said)


def throughput(run, crews, batches, pinned):
    return [cell for cell in run.section("throughput") if cell.pinned == pinned
            and cell.words[0] in crews and cell.words[1] in SIZES and cell.words[2] in batches]


def among(run, wanted):
    """Chooses the best peer of a cell whose traits hold what is wanted."""
    def choose(cell):
        return cell.best([peer for peer in run.rivals(cell) if wanted(run.traits(peer))])
    return choose


def the_floor(run, name):
    def choose(cell):
        return name if name in cell.samples and run.is_floor(name) else None
    return choose


def mpmc(traits):
    return "mpmc" in traits


def specialist(traits):
    return "spsc" in traits and "mpmc" not in traits and "ordered" in traits and "mixed" in traits


def ways(run, section, wanted=lambda cell: True):
    """Pinned or not, as far as there are such cells; with the words that tell them apart."""
    present = sorted({cell.pinned for cell in run.section(section) if wanted(cell)})
    if len(present) < 2:
        return [(way, "") for way in present or (False,)]
    return [(way, ", pinned" if way else ", unpinned") for way in present]


def many_goals(run):
    for pinned, way in ways(run, "throughput", lambda cell: cell.words[0] in MANY):
        compared = Compared(run, throughput(run, MANY, BATCHES, pinned), among(run, mpmc))
        cells = len(MANY) * len(SIZES) * len(BATCHES)
        yield compared.judged(f"MPMC: each cell >= {CELL_LEAST} x the best MPMC peer{way}",
                              CELL_LEAST, cells)
        yield compared.mean(f"MPMC: geometric mean >= {MEAN_LEAST}{way}", MEAN_LEAST, cells)


def pair_goals(run):
    for pinned, way in ways(run, "throughput", lambda cell: cell.words[0] == "1P1C"):
        for batch, how in (("1", "one at a time"), ("32", "batches of 32")):
            chosen = throughput(run, ("1P1C",), (batch,), pinned)
            yield Compared(run, chosen, among(run, mpmc)).judged(
                f"1P1C, {how}: >= {CELL_LEAST} x the best MPMC peer{way}", CELL_LEAST, len(SIZES))
        chosen = throughput(run, ("1P1C",), BATCHES, pinned)
        yield Compared(run, chosen, among(run, specialist)).judged(
            f"1P1C: >= {SPSC_LEAST} x the best ordered SPSC peer of variable sizes{way}",
            SPSC_LEAST)


def latency_goals(run):
    for pinned, way in ways(run, "pingpong"):
        for wait, floor, most in (("busy", "line", LINE_MOST), ("block", "futex", FUTEX_MOST)):
            chosen = [cell for cell in run.section("pingpong")
                      if cell.pinned == pinned and cell.words[0] == wait]
            yield Compared(run, chosen, the_floor(run, floor)).judged(
                f"ping-pong p50, {wait}: <= {most} x the bare {floor}{way}", most, most=True)


def durable_goals(run):
    for pinned, way in ways(run, "durable"):
        for producers, least in DURABLE_LEAST.items():
            chosen = [cell for cell in run.section("durable")
                      if cell.pinned == pinned and cell.words[0] == producers]
            yield Compared(run, chosen, run.best).judged(
                f"durable, {producers}: >= {least:g} x the best other{way}", least)


def goals(run):
    """The goals of the sections that were measured."""
    present = {cell.section for cell in run.cells.values()}
    found = []
    if "throughput" in present:
        found += [*many_goals(run), *pair_goals(run)]
    if "pingpong" in present:
        found += latency_goals(run)
    if "durable" in present:
        found += durable_goals(run)
    return found
