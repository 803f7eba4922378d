#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""quire beside what one would otherwise pick: the same messages, the same pattern, one run.

usage: compare.py BUILD [SECTION...] [options]
       compare.py --report FILE.jsonl [--markdown]

BUILD is a build directory; every benches/peers/**/peer_* in it is asked which peers it has. The
sections are one, throughput, fanout, pingpong, loaded, durable, steady and instructions; all but
steady are run unless some are named, and instructions, which are counted by valgrind, where there
is one. In each cell the peers run one after the other, round after round, and each ratio is between
neighbours in time. A run that did not verify what it moved has no figure.

exit status: 0 measured; 1 a run failed, or one of quire's did not end in time, or there was nothing
to measure; 2 usage. Whether the goals are met does not change it.
"""
import argparse
import datetime
import math
import pathlib
import re
import signal
import sys

sys.dont_write_bytecode = True  # the sources stay as they are
from comparison import cells, figures, host, instructions, peers, rounds, tables  # noqa: E402

ROUNDS_LEAST = 5
LIMIT_BEGIN_S, LIMIT_TIMES = 10, 10


def positive(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def parser():
    made = argparse.ArgumentParser(
        prog="compare.py", formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="compare.py BUILD [SECTION...] [options]\n"
              "       compare.py --report FILE.jsonl [--markdown]",
        description=__doc__.split("\n\n", 2)[0], epilog=__doc__.split("\n\n", 2)[2])
    made.add_argument("build", nargs="?", metavar="BUILD", help="a build directory")
    made.add_argument("sections", nargs="*", metavar="SECTION", help="see below")
    made.add_argument("--rounds", type=int, metavar="N", help="rounds, at least 5 (default 5)")
    made.add_argument("--seconds", type=positive, metavar="S",
                      help="of each run (default 0.3; durable 2, steady 60; not of instructions)")
    made.add_argument("--limit", type=positive, metavar="S",
                      help="after which a run is killed (default 10 and ten times its seconds; "
                           "instructions 60)")
    made.add_argument("--name", help="of the run (default: the date and the time)")
    made.add_argument("--out", metavar="FILE", help="JSON lines (default NAME.jsonl)")
    made.add_argument("--dir", help="for files of the peers, on a disk (default beside FILE)")
    made.add_argument("--peers", type=pattern, metavar="REGEX", help="only these peers")
    made.add_argument("--cells", type=pattern, metavar="REGEX",
                      help="only these cells, e.g. throughput/2P2C/64/1")
    made.add_argument("--quick", action="store_true",
                      help="one short round of a few cells: shows that everything runs")
    pinning = made.add_mutually_exclusive_group()
    for way, words in (("pinned", "every thread on a CPU of its own"),
                       ("unpinned", "no thread is bound to a CPU"),
                       ("both", "each cell in both ways; default: pairs of threads pinned")):
        pinning.add_argument("--" + way, dest="pinning", action="store_const", const=way,
                             default="default", help=words)
    made.add_argument("--report", metavar="FILE", help="print the tables of a run file")
    made.add_argument("--markdown", action="store_true", help="tables in Markdown")
    return made


def default_sections():
    chosen = [name for name in cells.SECTIONS if name != "steady"]
    if not instructions.available():
        print("compare.py: there is no valgrind: instructions are left out", file=sys.stderr)
        chosen.remove(cells.COUNTED)
    return chosen


def checked(made):
    asked = made.parse_intermixed_args()
    if asked.report:
        if asked.build:
            made.error("--report takes a run file and measures nothing")
        return asked
    if not asked.build:
        made.error("a build directory is needed")
    for section in asked.sections:
        if section not in cells.SECTIONS:
            made.error(f"no section {section!r}; there are {' '.join(cells.SECTIONS)}")
    asked.sections = asked.sections or default_sections()
    asked.rounds = asked.rounds if asked.rounds is not None else 1 if asked.quick else ROUNDS_LEAST
    if asked.rounds < (1 if asked.quick else ROUNDS_LEAST):
        made.error(f"--rounds: at least {ROUNDS_LEAST}, or --quick")
    now = datetime.datetime.now().astimezone()
    asked.date = now.strftime("%Y-%m-%d %H:%M %z")
    asked.name = asked.name or now.strftime("%Y-%m-%d-%H%M%S")
    asked.out = pathlib.Path(asked.out or f"{asked.name}.jsonl")
    asked.dir = pathlib.Path(asked.dir or asked.out.parent).absolute()
    return asked


def find_peers(asked, records):
    """The peers of all binaries. Whether one could not say what it has is seen in the records."""
    found, broken = [], False
    for binary in peers.binaries(asked.build):
        try:
            found += [peer for peer in peers.listed(binary)
                      if not asked.peers or asked.peers.search(peer.name)]
        except peers.Failed as failure:
            records.add("failed", peer=binary.name, reason=str(failure), cause="list")
            broken = True
    for peer in found:
        records.add("peer", **peer.record, binary=peer.binary.name)
    return found, broken


def plan_of(asked, found):
    def seconds_of(section):
        return cells.seconds_of(section, asked.seconds, asked.quick)

    def limit_of(section):
        return asked.limit or LIMIT_BEGIN_S + LIMIT_TIMES * seconds_of(section)

    def more_of(cell):
        return instructions.more_of(cell, asked.quick)
    chosen = cells.chosen(asked.sections, asked.cells, asked.quick, asked.pinning)
    return rounds.Plan(chosen, found, asked.rounds, seconds_of, limit_of, more_of,
                       asked.dir)


def measure(asked):
    if cells.COUNTED in asked.sections and not instructions.available():
        print("compare.py: there is no valgrind to count instructions", file=sys.stderr)
        return 1
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.dir.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(__file__).absolute().parent
    about = host.description(asked.build, source, asked.dir)
    disk = {"durable", "steady"} & set(asked.sections)
    if disk and about["file_system"] in ("tmpfs", "ramfs"):
        print(f"compare.py: {asked.dir} is in memory: what is said to be durable there is not",
              file=sys.stderr)
    records = rounds.Records(asked.out)
    try:
        records.add("run", name=asked.name, date=asked.date, **about, rounds=asked.rounds,
                    sections=asked.sections, quick=asked.quick, pinning=asked.pinning)
        found, broken = find_peers(asked, records)
        if not found:
            print(f"compare.py: no peers in {asked.build}/benches/peers", file=sys.stderr)
            return 1
        rounds.run(plan_of(asked, found), records)
    finally:
        records.close()
    run = figures.read(asked.out)
    sys.stdout.write(tables.report(run, asked.markdown))
    return 1 if broken or went_wrong(run) else 0


def went_wrong(run):
    if not any(cell.samples for cell in [*run.cells.values(), *run.counted.values()]):
        print("compare.py: no run has a figure", file=sys.stderr)
        return True
    return any(record["cause"] != "limit" or run.family(record["peer"]) == figures.QUIRE
               for record in run.failed)


def main():
    # Stopped, it still kills the run that it has begun, and removes its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = checked(parser())
    try:
        if asked.report:
            sys.stdout.write(tables.report(figures.read(asked.report), asked.markdown))
            return 0
        return measure(asked)
    except (OSError, figures.Unreadable) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
