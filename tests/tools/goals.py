# SPDX-License-Identifier: MIT
"""The goals of benches/compare.py, met and missed, on run files made by hand."""
import sys

from bench import RunFile, check, equal, main

SIZES = ("16", "64", "512", "4096")
MANY = "MPMC: each cell >= 1.0 x the best MPMC peer"
MEAN = "MPMC: geometric mean >= 1.5"
PAIR = "1P1C, one at a time: >= 1.0 x the best MPMC peer"
PAIR_BATCH = "1P1C, batches of 32: >= 1.0 x the best MPMC peer"
SPSC = "1P1C: >= 0.9 x the best ordered SPSC peer of variable sizes"
BUSY = "ping-pong p50, busy: <= 1.15 x the bare line"
BLOCK = "ping-pong p50, block: <= 1.2 x the bare futex"
DURABLE_1 = "durable, 1P: >= 2 x the best other"
DURABLE_16 = "durable, 16P: >= 5 x the best other"


def begin():
    made = RunFile()
    made.peer("quire", "quire", "mpmc", "batch", "mixed")
    made.peer("quire-file", "quire", "mpmc", "batch", "mixed")
    made.peer("ring", "ring", "mpmc", "batch")
    made.peer("single", "single", "spsc", "ordered", "mixed")
    made.peer("fixed", "fixed", "spsc", "ordered")
    made.peer("line", "reference", "busy")
    made.peer("futex", "reference", "block")
    made.peer("store", "store", "durable")
    made.peer("device", "reference", "durable")
    return made


def verdicts(bench, made):
    """{goal: (verdict, detail)} as the report prints them."""
    table = bench.run("--report", made.write(bench.out))[0]
    lines = table.split("Goals\n=====\n\n")[1].split("\n\n")[0].split("\n")
    found, words = {}, None
    for line in lines:
        if line.startswith(" "):
            found[words] = (found[words][0], (found[words][1] + " " + line.strip()).strip())
        else:
            words = line[14:].strip()
            found[words] = (line[:13].strip(), "")
    return found


def verdict(bench, made, goal):
    found = verdicts(bench, made)
    check(goal in found, f"{goal!r} is not among {list(found)}")
    return found[goal][0]


def many(made, quire, crews=("2P2C", "4P4C", "8P8C"), but=(), pinned=False):
    """Every cell with a ring of 1 M, and quire of so many."""
    for crew in crews:
        for size in SIZES:
            for batch in (1, 32):
                cell = f"throughput/{crew}/{size}/{batch}"
                made.sample(cell, "ring", [1e6] * 5, pinned)
                if cell not in but:
                    made.sample(cell, "quire", [quire * 1e6] * 5, pinned)


def mpmc(bench):
    made = begin()
    many(made, 1.6)
    found = verdicts(bench, made)
    equal(found[MANY], ("met", "24 of 24 cells; least 1.600"), "all above")
    equal(found[MEAN], ("met", "1.600 over 24 cells"), "mean")
    equal(found[PAIR][0], "not measured", "pairs")
    check(BUSY not in found and DURABLE_1 not in found, found)

    made = begin()
    many(made, 1.4)
    found = verdicts(bench, made)
    equal((found[MANY][0], found[MEAN][0]), ("met", "NOT MET"), "all above, mean below")

    made = begin()
    many(made, 1.0, crews=("2P2C", "4P4C"))
    many(made, 2.5, crews=("8P8C",))
    found = verdicts(bench, made)  # their sum is 1.5 times their number, their mean is not 1.5
    equal(found[MEAN], ("NOT MET", "1.357 over 24 cells"), "another mean")

    low = "throughput/4P4C/512/32"
    made = begin()
    many(made, 2.0, but=(low,))
    made.sample(low, "quire", [0.999e6] * 5)
    found = verdicts(bench, made)
    equal(found[MANY], ("NOT MET", "23 of 24 cells; 4P4C/512/32 0.999"), "one below")
    equal(found[MEAN][0], "met", "mean")


def mpmc_rivals(bench):
    """Variants of quire, and what bears one thread on each side only, are no rivals there; mixed
    sizes and fewer threads are not in the goal."""
    made = begin()
    many(made, 1.6)
    made.sample("throughput/2P2C/64/1", "single", [9e9] * 5)
    made.sample("throughput/2P2C/64/1", "quire-file", [9e9] * 5)
    for cell in ("throughput/2P2C/mixed/1", "throughput/2P1C/64/1"):
        made.sample(cell, "quire", [1e6] * 5)
        made.sample(cell, "ring", [9e6] * 5)
    found = verdicts(bench, made)
    equal((found[MANY][0], found[MEAN][0]), ("met", "met"), "verdicts")
    table = bench.run("--report", bench.out)[0]
    row = next(line for line in table.splitlines() if line.startswith("2P2C 64 x1 "))
    equal(row.split()[7:], ["ring", "1.60", "(1.60..1.60)"], "the table's best")


def partial(bench):
    """Cells that were not measured are told; a cell that quire has lost is not overlooked."""
    made = begin()
    many(made, 1.6, crews=("2P2C",))
    found = verdicts(bench, made)
    equal(found[MANY], ("met in part", "8 of 8 cells; 16 of 24 not measured; least 1.600"), "part")
    equal(found[MEAN][0], "met in part", "part")
    lost = "throughput/2P2C/64/1"
    made = begin()
    many(made, 1.6, but=(lost,))
    made.failed(lost, "quire")
    found = verdicts(bench, made)
    equal(found[MANY], ("NOT MET", "23 of 24 cells; 2P2C/64/1 without a figure"), "lost")
    equal(found[MEAN][0], "NOT MET", "mean without the cell")


def both_ways(bench):
    made = begin()
    many(made, 1.6)
    many(made, 0.5, pinned=True)
    found = verdicts(bench, made)
    equal(found[MANY + ", unpinned"][0], "met", "unpinned")
    equal(found[MANY + ", pinned"][0], "NOT MET", "pinned")


def pairs(bench):
    """Beside the MPMC peers 1.0 in each kind, beside the specialist of variable sizes 0.9."""
    def made_with(single, batched):
        made = begin()
        for size in SIZES:
            for batch, factor in ((1, single), (32, batched)):
                cell = f"throughput/1P1C/{size}/{batch}"
                made.sample(cell, "quire", [factor * 1e6] * 5, True)
                made.sample(cell, "ring", [1e6] * 5, True)
            made.sample(f"throughput/1P1C/{size}/1", "fixed", [9e9] * 5, True)
        return made

    found = verdicts(bench, made_with(1.0, 1.1))
    equal((found[PAIR][0], found[PAIR_BATCH][0]), ("met", "met"), "both met")
    equal(found[SPSC][0], "not measured", "no specialist of variable sizes")
    found = verdicts(bench, made_with(1.1, 0.99))
    equal((found[PAIR][0], found[PAIR_BATCH][0]), ("met", "NOT MET"), "batches below")
    for factor, wanted in ((0.9, "met"), (0.89, "NOT MET")):
        made = made_with(1.0, 1.0)
        made.sample("throughput/1P1C/64/1", "single", [1e6 / factor] * 5, True)
        equal(verdict(bench, made, SPSC), wanted, factor)


def latency(bench):
    """Less is better, and the bare exchange is no rival of the table."""
    for factor, wanted in ((1.15, "met"), (1.16, "NOT MET"), (0.5, "met")):
        made = begin()
        made.sample("pingpong/busy/64", "line", [100] * 5, True)
        made.sample("pingpong/busy/64", "quire", [100 * factor] * 5, True)
        made.sample("pingpong/busy/64", "ring", [200] * 5, True)
        made.sample("pingpong/busy/64", "single", [300] * 5, True)
        equal(verdict(bench, made, BUSY), wanted, factor)
        equal(verdict(bench, made, BLOCK), "not measured", factor)
        check("  200 ns  ring" in bench.run("--report", bench.out)[0], "the best other")
    for factor, wanted in ((1.2, "met"), (1.21, "NOT MET")):
        made = begin()
        made.sample("pingpong/block/16", "futex", [5000] * 5)
        made.sample("pingpong/block/16", "quire", [5000 * factor] * 5)
        equal(verdict(bench, made, BLOCK), wanted, factor)


def durable(bench):
    """The bare device is the floor, not a rival."""
    for goal, producers, factor, wanted in (
            (DURABLE_1, 1, 2.0, "met"), (DURABLE_1, 1, 1.99, "NOT MET"),
            (DURABLE_16, 16, 5.0, "met"), (DURABLE_16, 16, 4.9, "NOT MET")):
        made = begin()
        made.sample(f"durable/{producers}P", "store", [1000] * 5)
        made.sample(f"durable/{producers}P", "device", [90000] * 5)
        made.sample(f"durable/{producers}P", "quire", [1000 * factor] * 5)
        equal(verdict(bench, made, goal), wanted, (goal, factor))


def rounds(bench):
    """The ratio that is judged is the median of the rounds' ratios, not the ratio of medians."""
    cell = "throughput/1P1C/64/1"
    made = begin()
    made.sample(cell, "quire", [1e6, 2e6, 3e6, 4e6, 5e6], True)
    made.sample(cell, "ring", [4e6, 3e6, 2e6, 1e6, 3e6], True)
    equal(verdicts(bench, made)[PAIR], ("met in part",
                                        "1 of 1 cells; 3 of 4 not measured; least 1.500"), "ratio")


if __name__ == "__main__":
    sys.exit(main({case.__name__: case for case in (
        mpmc, mpmc_rivals, partial, both_ways, pairs, latency, durable, rounds)}))
