# SPDX-License-Identifier: MIT
"""Instructions of a message and memory in benches/compare.py, on peers and a valgrind that answer
as they are told."""
import sys

from bench import ROOT, RunFile, check, equal, is_gone, main, peer, wait

sys.path.insert(0, str(ROOT / "benches"))
from comparison import cells as driver  # noqa: E402

ONES = "^instructions/64/1$"
COUNTS = {"each": 100, "once": 5000000}
TITLE = "Instructions of one message, x{}, with filling and checking it"


def count(bench, *arguments, status=0, cells=ONES, sections=("instructions",), **told):
    """(table, stderr) of a run with a valgrind that is told so."""
    some = ["--cells", cells] if cells else []
    return bench.run(bench.build, *sections, *some, "--seconds", "0.01", "--out",
                     bench.out, *arguments, status=status, environment=bench.valgrind(**told))


def rows(table, title):
    """{first cell: the others} of a table, in its order."""
    check(f"{title}\n" in table, f"no {title!r} in\n{table}")
    lines = table.split(f"{title}\n")[1].split("\n\n")[1].split("\n")
    return {line.split()[0]: line.split()[1:] for line in lines if not line.startswith("---")}


def counted(bench):
    """The difference of two runs, in which what happens once is not; whole rounds of the queue."""
    bench.binary("a", peer("quire", [1e6]), peer("bee", [1e6]))
    table, err = count(bench, quire={"each": 98.25, "once": 5000000},
                       bee={"each": 1234.5, "once": 7})
    equal(err, "", "stderr")
    equal([(record["peer"], record["size"], record["batch"], record["instructions"])
           for record in bench.records("instructions")],
          [("quire", "64", 1, 98.25), ("bee", "64", 1, 1234.5)], "records")
    calls = bench.calls()
    equal([(call["peer"], int(call["messages"])) for call in calls],
          [("quire", 4096), ("quire", 69632), ("bee", 4096), ("bee", 69632)], "runs")
    equal({(call["workload"], call["producers"], call["consumers"], call["wait"],
            "seconds" in call, "pinned" in call) for call in calls},
          {("one", "1", "1", "yield", False, False)}, "asked")
    equal(bench.records("sample"), [], "no samples: nothing was timed")
    equal(rows(table, TITLE.format(1)), {"peer": ["64"], "quire": ["98.2"], "bee": ["1234"]},
          "table")
    bench.nothing_left()


def cells(bench):
    """Every size and both ways, for the peers that can; never pinned, and the fewest first."""
    bench.binary("a", peer("quire", [1e6]), peer("plain", [1e6], traits=["mpmc", "yield"]),
                 peer("line", [1e6], traits=["busy", "floor"]))
    bench.binary("durable_a", peer("disk", [1e6], traits=["durable"]))
    table, _ = count(bench, "--both", cells=None, quire=COUNTS, plain={"each": 99, "once": 1})
    sizes = ["16", "64", "512", "4096"]
    seen = {name: [(record["size"], record["batch"]) for record in bench.records("instructions")
                   if record["peer"] == name] for name in ("quire", "plain", "line", "disk")}
    equal(seen, {"quire": [(size, batch) for size in sizes + ["mixed"] for batch in (1, 32)],
                 "plain": [(size, 1) for size in sizes], "line": [], "disk": []}, "cells")
    check(not any("pinned" in call for call in bench.calls()), "pinned")
    for size, messages in (("16", 65536), ("512", 65536), ("4096", 32768), ("mixed", 65536)):
        lengths = {int(call["messages"]) for call in bench.calls() if call["size"] == size}
        equal(lengths, {4096, 4096 + messages}, f"lengths of {size}")
    singles = rows(table, TITLE.format(1))
    equal(list(singles), ["peer", "plain", "quire"], "order")
    equal(singles["plain"], ["99.0"] * 4 + ["-"], "plain")
    equal(rows(table, TITLE.format(32)), {"peer": sizes + ["mixed"], "quire": ["100.0"] * 5},
          "batches")
    wide = [line for line in table.splitlines() if len(line) > 80]
    equal(wide, [], "wider than 80 columns")


def quick(bench):
    """One cell and short runs; sorted by what there is."""
    bench.binary("a", peer("quire", [1e6]), peer("bee", [1e6]))
    table, _ = count(bench, "--quick", cells=None, quire=COUNTS, bee={"each": 9, "once": 0})
    equal({(call["size"], call["batch"], call["messages"]) for call in bench.calls()},
          {("4096", "1", "4096"), ("4096", "1", "8192")}, "runs")
    equal(list(rows(table, TITLE.format(1))), ["peer", "bee", "quire"], "order")
    check("the fewest first, at size 4096" in table.replace("\n", " "), table)


FAULTS = {
    "no-file": ({"does": "no_file"}, {}, "callgrind wrote no file"),
    "cut": ({"does": "cut"}, {}, "callgrind wrote 0 totals"),
    "failing": ({"does": "fail"}, {}, "unhandled instruction bytes"),
    "constant": ({"each": 0}, {}, "5000000 instructions of 69632 messages, 5000000 of 4096"),
    "shrinking": ({"each": -1}, {}, "instructions of 69632 messages"),
    "unverified": ({}, {"fields": {"verified": False}}, "not verified"),
    "short": ({}, {"fields": {"messages": 4095}}, "sent 4095 messages, not 4096"),
    "other": ({}, {"fields": {"workload": "instructions"}}, "answered for workload"),
}


def no_figure(bench):
    """What was not verified, not counted or not as long as asked for has no figure; one that
    declines has failed in nothing."""
    bench.binary("a", peer("quire", [1e6]), peer("elsewhere", [1e6], does="absent"))
    bench.binary("b", *(peer(name, [1e6], **lie) for name, (_, lie, _) in FAULTS.items()))
    told = {name: {**COUNTS, **wrong} for name, (wrong, _, _) in FAULTS.items()}
    table, _ = count(bench, status=1, quire=COUNTS, elsewhere=COUNTS, **told)
    equal([record["peer"] for record in bench.records("instructions")], ["quire"], "figures")
    equal(rows(table, TITLE.format(1)), {"peer": ["64"], "quire": ["100.0"]}, "table")
    reasons = {record["peer"]: record["reason"] for record in bench.records("failed")}
    equal(set(reasons), set(FAULTS), "failed")
    for name, (_, _, words) in FAULTS.items():
        check(words in reasons[name], f"{name}: {reasons[name]!r}")
        check(f" {name} " in table.split("Runs without a figure")[1], f"{name} is not told")
    equal([record["peer"] for record in bench.records("not_applicable")], ["elsewhere"], "77")
    # Where nobody was counted there is no table, and the run says so.
    table, err = count(bench, "--peers", "cut", status=1, cut=told["cut"])
    check("Instructions of" not in table and "no run has a figure" in err, (table, err))


def hanging(bench):
    """What does not end is killed with all that it has started, be it under valgrind; a count takes
    its time, however short the runs are that were asked for."""
    bench.binary("a", peer("quire", [1e6]))
    bench.binary("b", peer("stuck", [1e6], does="hang"))
    count(bench, "--limit", "1", quire=COUNTS, stuck=COUNTS)
    equal([(record["peer"], record["cause"]) for record in bench.records("failed")],
          [("stuck", "limit")], "failed")
    for pid in bench.hung("b"):
        wait(lambda pid=pid: is_gone(pid), f"the end of {pid}")
    bench.nothing_left()
    equal(driver.seconds_of("instructions", 0.01, True), driver.seconds_of("instructions"), "time")


def missing(bench):
    """Without valgrind they are left out, and that is said; who asks for them is told at once."""
    bench.binary("a", peer("quire", [1e6]))
    both = "^(one|instructions)/64/1$"
    _, err = count(bench, cells=both, sections=())
    check("no valgrind" in err, err)
    equal([record["cell"] for record in bench.records("sample")], ["one/64/1"] * 5, "the others")
    check("instructions" not in bench.records("run")[0]["sections"], "said to be in the run")
    before = bench.calls()
    _, err = count(bench, cells=both, sections=("one", "instructions"), status=1)
    check("no valgrind" in err, err)
    equal(bench.calls(), before, "measured nevertheless")
    # With it they are among the sections that are run by themselves.
    _, err = count(bench, cells=both, sections=(), quire=COUNTS)
    equal(err, "", "stderr")
    equal([record["cell"] for record in bench.records("instructions")], ["instructions/64/1"],
          "by itself")


def report(bench):
    """A run file says again what the run said, and in Markdown."""
    bench.binary("a", peer("quire", [1e6]), peer("bee", [2e6]))
    table, _ = count(bench, cells="64/1$", sections=("one", "instructions"), quire=COUNTS,
                     bee={"each": 7, "once": 0})
    equal(bench.run("--report", bench.out)[0], table, "again")
    marked = bench.run("--report", bench.out, "--markdown")[0]
    check(f"### {TITLE.format(1)}\n\n| peer | 64 |\n|---|---:|\n| bee | 7.0 |\n| quire | 100.0 |"
          in marked, marked)
    text = bench.out.read_text()
    check('"instructions": 100.0' in text, text)
    bench.out.write_text(text.replace('"instructions": 100.0', '"instructions": 250.5'))
    check("| quire | 250.5 |" in bench.run("--report", bench.out, "--markdown")[0], "of the file")


def sorted_by_64(bench):
    """Who has no figure there comes last, however few he has elsewhere."""
    made = RunFile()
    for name, counts in (("bee", {"16": 1}), ("cee", {"16": 50, "64": 300}),
                         ("quire", {"16": 90, "64": 200})):
        made.peer(name, name, "mpmc")
        for size, instructions in counts.items():
            made.lines.append({"record": "instructions", "cell": f"instructions/{size}/1",
                               "round": 1, "section": "instructions", "peer": name, "size": size,
                               "pinned": False, "batch": 1, "instructions": instructions})
    table = bench.run("--report", made.write(bench.out))[0]
    equal(rows(table, TITLE.format(1)),
          {"peer": ["16", "64"], "quire": ["90.0", "200.0"], "cee": ["50.0", "300.0"],
           "bee": ["1.0", "-"]}, "table")
    check(list(rows(table, TITLE.format(1)))[1:] == ["quire", "cee", "bee"], table)
    check("at size 64." in table, table)


def memory(bench):
    """Medians of what the samples of two crews say, both batches together."""
    made = RunFile()
    made.peer("quire", "quire", "mpmc")
    made.peer("ring", "ring", "mpmc")
    made.peer("mute", "mute", "mpmc")
    for crew, more in (("1P1C", 0), ("2P2C", 5000), ("4P4C", 100)):
        for size, batch, kib in (("16", 1, 300), ("16", 32, 500), ("mixed", 1, 2048)):
            made.sample(f"throughput/{crew}/{size}/{batch}", "quire", [1e6] * 5,
                        resident_kib=kib + more)
        made.sample(f"throughput/{crew}/mixed/1", "ring", [1e6] * 5, resident_kib=100 + more)
        made.sample(f"throughput/{crew}/16/1", "mute", [1e6] * 5, resident_kib=-1)
    table = bench.run("--report", made.write(bench.out))[0]
    title = "Memory, {}: resident in the whole process"
    equal(rows(table, title.format("1P1C")),
          {"peer": ["16", "mixed"], "quire": ["400", "KiB", "2.00", "MiB"],
           "ring": ["-", "100", "KiB"]}, "1P1C")
    equal(rows(table, title.format("4P4C"))["ring"], ["-", "200", "KiB"], "4P4C")
    equal(table.count("Memory, "), 2, "tables")
    marked = bench.run("--report", bench.out, "--markdown")[0]
    check("| quire | 400 KiB | 2.00 MiB |" in marked, marked)


if __name__ == "__main__":
    sys.exit(main({case.__name__: case for case in (
        counted, cells, quick, no_figure, hanging, missing, report, sorted_by_64,
        memory)}))
