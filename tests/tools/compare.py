# SPDX-License-Identifier: MIT
"""benches/compare.py on peers that answer as they are told."""
import json
import signal
import sys

from bench import CELL, MPMC, check, equal, is_gone, main, peer, wait


def row(table, words):
    """The cells of the first line that begins with the words, without them."""
    for line in table.splitlines():
        if line.startswith(words + " "):
            return line[len(words):].split()
    check(False, f"no line {words!r} in\n{table}")
    return []


def order(bench):
    """A B C, B C A, C A B ...: nobody always goes first, and neighbours are compared."""
    bench.binary("a", peer("quire", [1e6]), peer("bee", [1e6]))
    bench.binary("b", peer("cee", [1e6]))
    bench.measure()
    names = [call["peer"] for call in bench.calls()]
    wanted = ["quire", "bee", "cee", "bee", "cee", "quire", "cee", "quire", "bee"]
    equal(names, wanted + wanted[:6], "order")
    equal([record["peer"] for record in bench.records("sample")], names, "recorded")
    equal([record["round"] for record in bench.records("sample")],
          [number for number in range(1, 6) for _ in range(3)], "rounds")
    calls = bench.calls()
    equal({(call["producers"], call["consumers"], call["size"], call["batch"], call["wait"])
           for call in calls}, {("2", "2", "64", "1", "yield")}, "asked")
    equal(len({call["dir"] for call in calls}), len(calls), "folders")
    bench.nothing_left()


def ratio(bench):
    """Ratios are of one round, and the best is who has the highest median."""
    bench.binary("a", peer("quire", [10e6, 20e6, 30e6, 40e6, 50e6]))
    bench.binary("b", peer("rival", [40e6, 30e6, 20e6, 10e6, 30e6]),
                 peer("lucky", [1e6, 1e6, 1e6, 1e6, 9e9]), peer("slow", [2e6]))
    table = bench.measure()
    equal(row(table, "2P2C 64 x1"), ["30.0", "M", "30.0", "M", "rival", "1.50", "(0.25..4.00)"],
          "row")
    equal(row(table, "lucky"), ["1.00", "M"], "matrix")
    equal(row(table, "slow"), ["2.00", "M"], "matrix")


def run_record(bench):
    """What was measured on, and with which peers."""
    bench.binary("a", peer("quire", [1e6], version="9"))
    bench.measure()
    (about,), (known,) = bench.records("run"), bench.records("peer")
    equal(about["name"], "n", "name")
    equal(about["rounds"], 5, "rounds")
    for name in ("date", "cpu", "kernel", "compiler", "commit"):
        check(about[name], f"{name} is empty")
    check(about["cpus"] > 0 and about["memory_kib"] > 0 and about["load"] >= 0, about)
    equal((known["peer"], known["binary"], known["traits"]), ("quire", "peer_a", MPMC), "peer")
    first = json.loads(bench.out.read_text().splitlines()[0])
    equal(first["record"], "run", "first record")


LIES = {
    "unverified": {"fields": {"verified": False}},
    "unsaid": {"fields": {"verified": "yes"}},
    "fails": {"does": "fail"},
    "aborts": {"does": "abort"},
    "garbage": {"does": "garbage"},
    "twice": {"does": "twice"},
    "silent": {"does": "silent"},
    "nothing": {"fields": {"messages": 0}},
    "endless": {"fields": {"rate": float("inf")}},
    "not-a-number": {"fields": {"rate": float("nan")}},
    "other-peer": {"fields": {"peer": "quire"}},
    "other-crew": {"fields": {"producers": 1}},
    "other-size": {"fields": {"size": "16"}},
    "other-wait": {"fields": {"wait": "busy"}},
    "loose": {"fields": {"pinned": True}},
}


def no_figure(bench):
    """A run that failed, was not verified, or answered another question has no figure, however
    fast it was; after two of them the peer is left out of the cell."""
    bench.binary("a", peer("quire", [2e6]), peer("honest", [1e6]))
    bench.binary("b", *(peer(name, [9e9], **lie) for name, lie in LIES.items()))
    table = bench.measure(status=1)
    equal({record["peer"] for record in bench.records("sample")}, {"quire", "honest"}, "samples")
    equal(row(table, "2P2C 64 x1")[4:], ["honest", "2.00", "(2.00..2.00)"], "best")
    check("9.00 G" not in table, table)
    for name in LIES:
        failed = [record for record in bench.records("failed") if record["peer"] == name]
        equal([record["round"] for record in failed], [1, 2], name)
        equal([record["round"] for record in bench.records("left_out")
               if record["peer"] == name], [2], name)
        equal(sum(call["peer"] == name for call in bench.calls()), 2, f"runs of {name}")
        check(f" {name} " in table.split("Runs without a figure")[1], f"{name} is not told")
    reasons = {record["peer"]: record["reason"] for record in bench.records("failed")}
    equal(reasons["unverified"], "not verified", "reason")
    equal(reasons["fails"], "exit status 1: message 7 came twice; the sum is wrong", "reason")
    check("signal 6" in reasons["aborts"], reasons)


def late_failure(bench):
    """A round without a figure takes its ratio away, and the table says so."""
    bench.binary("a", peer("quire", [4e6]), peer("rival", [1e6, 2e6, float("nan"), 2e6, 4e6]))
    table = bench.measure(status=1)
    equal(row(table, "2P2C 64 x1")[4:], ["rival", "2.00", "(1.00..4.00)*"], "row")
    equal(len(bench.calls()), 10, "one failure leaves nobody out")
    equal(bench.records("left_out"), [], "left out")


def hanging(bench):
    """A run that does not end is killed with all it has started; that is not quire's failure."""
    bench.binary("a", peer("quire", [1e6]), peer("honest", [1e6]))
    bench.binary("b", peer("stuck", [9e9], does="hang"))
    table = bench.measure("--limit", "1")
    equal([(record["peer"], record["cause"]) for record in bench.records("failed")],
          [("stuck", "limit")] * 2, "failed")
    equal(len(bench.records("sample")), 10, "samples")
    check("did not end within 1 s" in table, table)
    for pid in bench.hung("b"):
        wait(lambda pid=pid: is_gone(pid), f"the end of {pid}")
    bench.nothing_left()


def hanging_quire(bench):
    bench.binary("a", peer("quire", [1e6], does="hang"), peer("honest", [1e6]))
    bench.measure("--limit", "1", status=1)


def stopped(bench):
    """A driver that is stopped leaves neither processes nor files of its runs."""
    bench.binary("b", peer("stuck", [1e6], does="hang"))
    process = bench.start(bench.build, "throughput", "--cells", CELL, "--out", bench.out)
    pids = bench.hung("b")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    equal(process.returncode, 143, "status")
    for pid in pids:
        wait(lambda pid=pid: is_gone(pid), f"the end of {pid}")
    bench.nothing_left()


def inapplicable(bench):
    """Exit status 77: asked once, no failure, not in the cell."""
    bench.binary("a", peer("quire", [1e6]), peer("honest", [1e6]))
    bench.binary("b", peer("elsewhere", [9e9], does="absent"))
    table = bench.measure()
    equal(sum(call["peer"] == "elsewhere" for call in bench.calls()), 1, "asked")
    equal(bench.records("failed"), [], "failed")
    check("9.00 G" not in table, table)
    check("elsewhere" not in table.split("Peers\n")[0], table)


def traits(bench):
    """A cell is for the peers that can do it, and each waits as it can."""
    bench.binary("a", peer("quire", [1e6]), peer("single", [2e6], traits=["spsc", "yield"]),
                 peer("plain", [2e6], traits=["mpmc", "block"],
                      package="lib" + "plain" * 6, version="1." * 20),
                 peer("disk", [2e6], traits=["durable"]),
                 peer("bare", [9e9], traits=["busy", "floor"]))
    bench.measure(cells="throughput/(1P1C|2P2C)/(64|mixed)/")
    seen = {(call["peer"], f"{call['producers']}P", call["size"], call["batch"], call["wait"])
            for call in bench.calls()}
    equal({key for key in seen if key[0] != "quire"},
          {("single", "1P", "64", "1", "yield"), ("plain", "1P", "64", "1", "block"),
           ("plain", "2P", "64", "1", "block")}, "others")
    equal(len({key for key in seen if key[0] == "quire"}), 8, "quire")
    table, _ = bench.run(bench.build, "pingpong", "durable", "--seconds", "0.01", "--out",
                         bench.out)
    rest = {(record["section"], record["peer"], record["wait"])
            for record in bench.records("sample")}
    equal(rest, {("pingpong", "quire", "busy"), ("pingpong", "quire", "block"),
                 ("pingpong", "plain", "block"), ("durable", "disk", "block"),
                 ("pingpong", "bare", "busy")}, "sections")
    equal(row(table, "busy 64 pinned"), ["1.00", "us", "-", "-", "-"], "a floor is no rival")
    wide = [line for line in table.splitlines() if len(line) > 80]
    equal(wide, [], "wider than 80 columns")


def same_name(bench):
    """quire of memory and quire on disk are two programs and one peer."""
    bench.binary("a", peer("quire", [3e6]))
    bench.binary("durable_a", peer("quire", [1e3], traits=["durable"]))
    bench.binary("durable_b", peer("store", [500.0], traits=["durable"]))
    bench.run(bench.build, "throughput", "durable", "--cells", f"{CELL}|durable/1P",
              "--seconds", "0.01", "--out", bench.out)
    equal({(record["cell"], record["rate"]) for record in bench.records("sample")
           if record["peer"] == "quire"}, {(CELL, 3e6), ("durable/1P", 1e3)}, "rates")
    # Where both could be asked, the first that does not decline is the peer.
    bench.run(bench.build, "steady", "--seconds", "0.01", "--out", bench.out)
    equal([record["rate"] for record in bench.records("sample") if record["peer"] == "quire"],
          [3e6] * 5, "steady")


def pinning(bench):
    """Pairs are pinned unless one says otherwise; both ways are two rows."""
    bench.binary("a", peer("quire", [1e6]), peer("rival", [1e6]))
    cells = "throughput/[12]P[12]C/64/1"
    ways = {"default": [True, False, False, False], "--pinned": [True] * 4,
            "--unpinned": [False] * 4}
    for option, wanted in ways.items():
        table = bench.measure(*([option] if option != "default" else []), cells=cells)
        pinned = {record["cell"]: record["pinned"] for record in bench.records("sample")}
        equal([pinned[f"throughput/{crew}/64/1"] for crew in ("1P1C", "2P1C", "1P2C", "2P2C")],
              wanted, option)
        equal("2P2C 64 x1 pinned" in table, option == "--pinned", option)
    table = bench.measure("--both", cells=CELL)
    row(table, "2P2C 64 x1 pinned")
    check("\n2P2C 64 x1   " in table, table)
    equal(sorted(record["pinned"] for record in bench.records("sample")),
          [False] * 10 + [True] * 10, "both")


def quick(bench):
    """One round of a few cells of every section."""
    bench.binary("a", peer("quire", [1e6], traits=MPMC + ["groups"]))
    bench.binary("durable_a", peer("store", [1e3], traits=["durable"]))
    out, err = bench.run(bench.build, "one", "throughput", "fanout", "pingpong", "loaded",
                         "durable", "steady", "--quick", "--out", bench.out)
    samples = bench.records("sample")
    equal({record["round"] for record in samples}, {1}, "rounds")
    equal({record["section"] for record in samples},
          {"one", "throughput", "fanout", "pingpong", "loaded", "durable", "steady"}, "sections")
    check(len({record["cell"] for record in samples}) <= 12, "a few")
    check("its figures say nothing" in out, out)
    equal(err, "", "progress where there is no terminal")


def report(bench):
    """A run file says again what the run said; half a last line is no harm, other damage is."""
    bench.binary("a", peer("quire", [2e6]), peer("rival", [1e6]))
    table = bench.measure()
    equal(bench.run("--report", bench.out)[0], table, "again")
    marked = bench.run("--report", bench.out, "--markdown")[0]
    check("| 2P2C 64 x1 | 2.00 M | 1.00 M | rival | 2.00 (2.00..2.00) |" in marked, marked)
    whole = bench.out.read_text()
    bench.out.write_text(whole + '{"record": "sam')
    equal(bench.run("--report", bench.out)[0], table, "cut")
    for damaged, words in ((whole.replace('"verified": true', '"verified": false', 1),
                            "not verified"),
                           ("{\n" + whole, ":1:"), (whole.split("\n", 1)[1], "begin"), ("", "")):
        bench.out.write_text(damaged)
        out, err = bench.run("--report", bench.out, status=1)
        equal(out, "", "tables of a damaged file")
        check(words in err and err.startswith("compare.py: "), err)
    bench.run("--report", bench.dir / "none", status=1)


def usage(bench):
    for arguments in ([], [bench.build, "sideways"], [bench.build, "--rounds", "4"],
                      [bench.build, "--seconds", "0"], [bench.build, "--peers", "("],
                      [bench.build, "--pinned", "--both"], [bench.build, "--report", "x"],
                      [bench.build, "--quick", "--rounds", "0"]):
        out, err = bench.run(*arguments, status=2)
        check(not out and "usage" in err, (arguments, err))
    _, err = bench.run(bench.build, "--out", bench.out, status=1)
    check("no peers" in err, err)
    bench.binary("a", peer("quire", [1e6]))
    _, err = bench.run(bench.build, "--peers", "other", "--out", bench.out, status=1)
    check("no peers" in err, err)
    _, err = bench.run(bench.build, "--cells", "nothing", "--out", bench.out, status=1)
    check("no run has a figure" in err, err)
    (bench.peers / "peer_b").write_text("#!/bin/sh\nexit 3\n")
    (bench.peers / "peer_b").chmod(0o755)
    bench.measure(status=1)
    equal([record["peer"] for record in bench.records("failed")], ["peer_b"], "broken list")


if __name__ == "__main__":
    sys.exit(main({case.__name__: case for case in (
        order, ratio, run_record, no_figure, late_failure, hanging, hanging_quire, stopped,
        inapplicable, traits, same_name, pinning, quick, report, usage)}))
