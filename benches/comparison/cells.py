# SPDX-License-Identifier: MIT
"""What is measured: the cells of each section, and which peers a cell is for."""
import collections
import re

COUNTED = "instructions"  # under valgrind: of the workload one, by counting and not by time
SECTIONS = ("one", "throughput", "fanout", "pingpong", "loaded", "durable", "steady", COUNTED)
SIZES = ("16", "64", "512", "4096", "mixed")
BATCHES = (1, 32)
CREWS = ((1, 1), (2, 1), (1, 2), (2, 2), (4, 4), (8, 8))
GROUPS = (1, 4, 16)
LOADS = (10000, 100000, 1000000)
DURABLE_PRODUCERS = (1, 4, 16)
SECONDS = {"durable": 2.0, "steady": 60.0, COUNTED: 5.0}
SECONDS_OTHERS = 0.3
SECONDS_QUICK = 0.05
SECONDS_QUICK_STEADY = 1.0  # its series has one figure for each second
QUICK = re.compile(r"one/64/1|throughput/(1P1C|2P2C)/64/1|throughput/2P2C/64/32|"
                   r"throughput/2P2C/mixed/1|fanout/4G/64|pingpong/(busy|block)/64|"
                   r"loaded/100000/64|durable/4P|steady/1P1C/64|instructions/4096/1")

# The key names a cell in words; pinned is not part of it, so that a key has both ways.
# wait is None where the peer waits as it does by itself.
Cell = collections.namedtuple(
    "Cell", "section key producers consumers groups size batch wait rate pinned")


def crew(producers, consumers):
    return f"{producers}P{consumers}C"


def make(section, key, producers=1, consumers=1, groups=1, size="64", batch=1, wait="yield",
         rate=None):
    return Cell(section, f"{section}/{key}", producers, consumers, groups, size, batch, wait, rate,
                False)


def one_thread(section):
    for size in SIZES:
        for batch in BATCHES:
            yield make(section, f"{size}/{batch}", size=size, batch=batch)


def every_cell():
    yield from one_thread("one")
    for producers, consumers in CREWS:
        for size in SIZES:
            for batch in BATCHES:
                yield make("throughput", f"{crew(producers, consumers)}/{size}/{batch}",
                           producers, consumers, size=size, batch=batch)
    for groups in GROUPS:
        yield make("fanout", f"{groups}G/64", consumers=1, groups=groups)
    for wait in ("busy", "block"):
        for size in ("16", "64"):
            yield make("pingpong", f"{wait}/{size}", size=size, wait=wait)
    for rate in LOADS:
        yield make("loaded", f"{rate}/64", wait="busy", rate=rate)
    for producers in DURABLE_PRODUCERS:
        yield make("durable", f"{producers}P", producers, wait=None)
    yield make("steady", "1P1C/64", wait=None)
    yield from one_thread(COUNTED)


def pinned_by_default(cell):
    """A pair of threads is measured on two CPUs that it keeps; more threads go where they are
    put, as they do in programs."""
    if cell.section in ("pingpong", "loaded"):
        return True
    return cell.section == "throughput" and (cell.producers, cell.consumers) == (1, 1)


def chosen(sections, pattern=None, quick=False, pinning="default"):
    """The cells to measure. pinning: default, pinned, unpinned or both."""
    cells = []
    for cell in every_cell():
        if cell.section not in sections:
            continue
        if pattern and not re.search(pattern, cell.key):
            continue
        if quick and not pattern and not QUICK.fullmatch(cell.key):
            continue
        ways = {"default": (pinned_by_default(cell),), "pinned": (True,), "unpinned": (False,),
                "both": (False, True)}[pinning]
        if cell.section == COUNTED:
            ways = (False,)
        cells += [cell._replace(pinned=way) for way in ways]
    return cells


def seconds_of(section, asked=None, quick=False):
    """Of one run. What is counted takes as long as it takes: about so much."""
    if section == COUNTED:
        return SECONDS[section]
    if asked is not None:
        return asked
    if quick:
        return SECONDS_QUICK_STEADY if section == "steady" else SECONDS_QUICK
    return SECONDS.get(section, SECONDS_OTHERS)


def wait_of(cell, traits):
    """How the peer is told to wait, or None. Where the cell leaves it open, a peer that cannot
    yield does what it can."""
    if cell.wait != "yield":
        return cell.wait
    return next((wait for wait in ("yield", "block", "busy") if wait in traits), "yield")


def applies(cell, traits):
    """Whether the cell is for a peer of these traits. What traits do not say, the peer says
    itself when it is run: it exits with 77."""
    if ("durable" in traits) != (cell.section == "durable") and cell.section != "steady":
        return False
    if "floor" in traits and cell.section not in ("pingpong", "durable"):
        return False
    if cell.batch > 1 and "batch" not in traits:
        return False
    if cell.size == "mixed" and "mixed" not in traits:
        return False
    if cell.producers + cell.consumers > 2 and "spsc" in traits and "mpmc" not in traits:
        return False
    if cell.section in ("pingpong", "loaded"):
        waits = {"busy", "yield", "block"} & set(traits)
        return not waits or cell.wait in waits
    return True


def workload(cell):
    return "one" if cell.section == COUNTED else cell.section


def arguments(cell, peer, traits, length, folder):
    """length: how long it is to run, as an option and its value."""
    wait = wait_of(cell, traits)
    words = ["--peer", peer, "--workload", workload(cell), "--producers", str(cell.producers),
             "--consumers", str(cell.consumers), "--groups", str(cell.groups),
             "--size", cell.size, "--batch", str(cell.batch), *length, "--dir", folder]
    words += ["--wait", wait] if wait else []
    words += ["--rate", str(cell.rate)] if cell.rate else []
    return words + (["--pinned"] if cell.pinned else [])
