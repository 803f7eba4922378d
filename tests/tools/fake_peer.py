# SPDX-License-Identifier: MIT
"""A peer binary that measures nothing: it answers as the JSON file beside it tells.

The file, NAME.json of the program NAME, is a list of peers: what --list says of each, "rates" (one
for each run, the last one again when there are no more), "fields" (of the answer, in place of what
was asked), and "does", one of the things below. Each run adds its arguments to calls.log beside it.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

ME = pathlib.Path(os.path.abspath(sys.argv[0]))


def asked():
    words, values = iter(sys.argv[1:]), {}
    for word in words:
        values[word.lstrip("-")] = True if word == "--pinned" else next(words)
    return values


def answer(peer, values, number):
    rates = peer["rates"]
    rate = rates[min(number, len(rates) - 1)]
    said = {"peer": values["peer"], "workload": values["workload"],
            "producers": int(values["producers"]), "consumers": int(values["consumers"]),
            "groups": int(values["groups"]), "size": values["size"],
            "batch": int(values["batch"]), "wait": values.get("wait", "block"),
            "pinned": "pinned" in values, "capacity": 65536,
            "messages": int(values.get("messages", 1000)),
            "seconds": float(values.get("seconds", 0.01)), "rate": rate, "verified": True,
            "resident_kib": 1000, "p50_ns": 1e9 / rate, "p99_ns": 2e9 / rate, "p999_ns": 3e9 / rate,
            "max_ns": 4e9 / rate, "written": 64, "series": [rate, rate],
            "resident_begin_kib": 900, "resident_end_kib": 950}
    said.update(peer.get("fields", {}))
    return said


def hang(values):
    """Leaves its own number and that of a child where a test finds them, and a file behind. Where
    nobody kills them, they end when the test removes the program."""
    child = subprocess.Popen(["sh", "-c", 'while [ -e "$0" ]; do sleep 1; done', str(ME)])
    pathlib.Path(values["dir"], "left").write_text("behind")
    ME.with_suffix(".pids").write_text(f"{os.getpid()} {child.pid}")
    while ME.exists():
        time.sleep(1)


def main():
    peers = json.loads(ME.with_suffix(".json").read_text())
    if sys.argv[1:] == ["--list"]:
        for peer in peers:
            print(json.dumps({name: value for name, value in peer.items()
                              if name not in ("rates", "does", "fields")}))
        return 0
    values = asked()
    peer = next(peer for peer in peers if peer["peer"] == values["peer"])
    log = ME.parent / "calls.log"
    before = log.read_text().splitlines() if log.exists() else []
    number = sum(json.loads(line)["peer"] == values["peer"] for line in before)
    with log.open("a") as file:
        file.write(json.dumps(values) + "\n")
    does = peer.get("does", "answer")
    if does == "hang":
        hang(values)
    if does == "absent":
        print("not for this peer", file=sys.stderr)
        return 77
    if does != "silent":
        print("{" if does == "garbage" else json.dumps(answer(peer, values, number)))
    if does == "twice":
        print(json.dumps(answer(peer, values, number)))
    if does == "fail":
        print("message 7 came twice\nthe sum is wrong", file=sys.stderr)
        return 1
    if does == "abort":
        os.abort()
    return 0


sys.exit(main())
