#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""demo, bench, help, and what is seen on a terminal. usage: loads.py QUIRE CASE"""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import termios

import case as t

NOT_THERE = "no such"
COMMANDS = ["create", "send", "recv", "groups", "dead", "nack", "sync", "stat", "doctor", "demo",
            "bench", "help", "version"]
MANUAL = pathlib.Path(__file__).parents[2] / "docs/man/quire.1"


def write_text(c, paragraphs=500):
    """Input whose messages are known here, too."""
    pieces = [f"paragraph {i}\n" + "word " * (i % 90) for i in range(paragraphs)]
    with open(c.path("text"), "w", encoding="utf-8") as file:
        file.write("\n\n\n".join(pieces) + "\n")
    return pieces


def check_demo(seen, pieces, passes, producers, consumers):
    t.equal(seen["verified"], True, seen)
    t.equal(seen["messages"], passes * len(pieces), "messages")
    for part in ("expected", "work", "audit"):
        t.equal(seen[part]["messages"], seen["messages"], part)
        t.equal(seen[part]["bytes"], passes * sum(map(len, pieces)), part)
        t.equal((seen[part]["sum"], seen[part]["xor"]),
                (seen["expected"]["sum"], seen["expected"]["xor"]), part)
    t.equal((seen["unordered"], seen["malformed"]), (0, 0), seen)
    roles = [(x["role"], x.get("group")) for x in seen["threads"]]
    t.equal(roles, [("producer", None)] * producers + [("consumer", "work")] * consumers +
            [("consumer", "audit")], "threads")
    for role, group in (("producer", None), ("consumer", "work"), ("consumer", "audit")):
        total = sum(x["messages"] for x in seen["threads"]
                    if (x["role"], x.get("group")) == (role, group))
        t.equal(total, seen["messages"], f"{role} {group}")
    for group in ("work", "audit"):
        marks = seen["latency_ns"][group]
        t.check(marks["p50"] <= marks["p99"] <= marks["p99_9"] <= marks["max"], marks)


def demo(c):
    """Every message of the input comes out of both groups, whatever the shape."""
    pieces = [p.rstrip("\n") for p in write_text(c)]
    for passes, producers, consumers, options in [
            (40, 2, 2, []), (7, 1, 1, ["--page-size", "12K", "--max-pages", "2"]),
            (5, 7, 5, ["--page-size", "12K", "--max-pages", "3", "--max-messages", "3"]),
            (5, 3, 2, ["--directory", "d"])]:
        seen = c.run("demo", "--json", "--input", "text", "--passes", passes, "--producers",
                     producers, "--consumers", consumers, *options).json()
        check_demo(seen, pieces, passes, producers, consumers)
        t.equal(os.listdir(c.work), ["text"], "left behind")
    lines = [line for piece in pieces for line in piece.split("\n") if line]
    seen = c.run("demo", "--json", "--split", "line", "--input", "text", "--passes", 3).json()
    check_demo(seen, lines, 3, 2, 2)


def demo_text(c):
    """What people see: within 80 columns, with the proof; the kept channel can be read."""
    pieces = write_text(c)
    result = c.run("demo", "--input", "text", "text", "--passes", "20", "--directory", "d",
                   "--keep")
    out = result.out.decode()
    t.check(max(map(len, out.splitlines())) <= 80, out)
    for words in ("PROOF: ok", "producer 2", "consumer 2 of work", "consumer 1 of audit", "p99.9",
                  "###", "20,000 messages"):
        t.check(words in out, f"no '{words}': {out}")
    t.equal(c.stat(c.path("d"))["messages"], 20 * 2 * len(pieces), "kept")
    c.refused(8, ["exists", "d"], "demo", "--input", "text", "--directory", "d")
    t.check(os.path.isdir(c.path("d")), "a channel of somebody else was removed")
    with open(c.path("long"), "wb") as file:
        file.write(b"x" * 9000)
    c.refused(2, ["--page-size", "8208 bytes"], "demo", "--input", "long", "--page-size", "8K")
    c.refused(2, "no text", "demo", "--input", "/dev/null")
    c.refused(3, [NOT_THERE, "missing"], "demo", "--input", "missing")


def demo_found(c):
    """Text found on the machine."""
    result = c.run("demo", "--passes", "1", "--json", status=None)
    if result.status == 2 and "no text was found" in result.err:
        raise t.Skip("no text was found")
    t.equal(result.status, 0, result)
    t.equal(result.json()["verified"], True, result)


def bench(c):
    """Every shape verifies, and the object has what is promised."""
    shapes = [(1, 1, 64, 1, []), (2, 3, 16, 32, []), (3, 2, 100, 7, ["--wait", "yield"]),
              (1, 1, 0, 1, []), (2, 2, 1, 5, []), (1, 2, 7, 1, []), (1, 1, 8, 1, []),
              (2, 1, 15, 64, []), (2, 2, 3000, 3, ["--page-size", "4K", "--max-pages", "3"]),
              (1, 1, 16, 4096, ["--wait", "busy"]), (4, 4, 40, 1, ["--backing", "directory"]),
              (1, 1, 40, 16, ["--backing", "directory", "--path", c.work, "--checksum", "off"])]
    for producers, consumers, size, batch, options in shapes:
        seen = c.run("bench", "--json", "--messages", "30001", "--producers", producers,
                     "--consumers", consumers, "--size", size, "--batch", batch, "--runs", 3,
                     *options).json()
        t.equal(seen["verified"], True, seen)
        t.equal(len(seen["results"]), 3, seen)
        rates = sorted(r["messages_per_s"] for r in seen["results"])
        t.equal(rates[1], seen["messages_per_s"], "the median")
        t.equal((rates[0], rates[2]), (seen["messages_per_s_min"], seen["messages_per_s_max"]), "")
        t.check(rates[0] > 0 and seen["minor_faults"] >= 0, seen)
        t.check(abs(seen["bytes_per_s"] - seen["messages_per_s"] * size) <= size + 1, seen)
        marks = seen["latency_ns"]
        if size < 16:
            t.equal(marks, None, "latency of messages without a time")
        else:
            t.check(0 < marks["p50"] <= marks["p90"] <= marks["p99"] <= marks["p99_9"]
                    <= marks["max"], marks)
        t.equal(c.tree(), {}, "left behind")
    for batch in (1, 16):
        seen = c.run("bench", "--json", "--messages", "3000", "--rate", "20000", "--batch", batch,
                     "--producers", "2").json()
        result = seen["results"][0]
        t.equal(result["latency_samples"], 3000, "with --rate each message is measured")
        t.check(result["latency_ns"]["max"] <= result["seconds"] * 1e9, "longer than the run")
        t.check(result["seconds"] >= 0.149, "sent before they were due")
    text = c.run("bench", "--messages", "5000", "--rate", "1M", "--runs", "2").out.decode()
    t.check("messages/s" in text and "latency p99.9" in text, text)
    t.check(max(map(len, text.splitlines())) <= 80, text)


def stopped(c):
    """A signal ends demo and bench with nothing printed and nothing left behind."""
    write_text(c)
    for number, line in ((signal.SIGINT, "bench --rate 10 --messages 1M --backing directory"),
                         (signal.SIGTERM, "bench --messages 500M --size 16"),
                         (signal.SIGTERM, "demo --input text --passes 1M --directory d")):
        process = c.start(*line.split())
        t.wait(lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 2, "the threads")
        process.send_signal(number)
        out, err = process.communicate(timeout=t.LIMIT_S)
        t.equal((process.returncode, out), (128 + number, b""), f"{line}: {err}")
        t.check(b"stopped by a signal" in err, err)
        t.equal(os.listdir(c.work), ["text"], "left behind")


def on_terminal(c, *arguments):
    """The output of a command on a terminal of 80 columns, and its status."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    process = c.start(*arguments, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    return seen.decode(), process.wait(timeout=t.LIMIT_S)


def terminal(c):
    """A bar after a second, wiped at the end; never beyond 80 columns; none when not wanted."""
    if not hasattr(termios, "tcsetwinsize"):
        raise t.Skip("this Python cannot set the size of a terminal")
    load = ["bench", "--rate", "1000", "--messages", "2500"]  # takes two and a half seconds
    seen, status = on_terminal(c, *load)
    t.equal(status, 0, seen)
    t.check(re.search(r"bench \[#+-+\] +\d+ %", seen), f"no bar: {seen!r}")
    drawn = seen.split("\r")
    t.check(max(map(len, drawn)) <= 80, f"too wide: {drawn}")
    last = max(i for i, part in enumerate(drawn) if "bench [" in part)
    t.equal(drawn[last + 1].strip(" "), "", "the bar is not wiped")
    seen, status = on_terminal(c, *load, "--quiet")
    t.check(status == 0 and "[#" not in seen, seen)
    quick, status = on_terminal(c, "bench", "--messages", "1000")
    t.check(status == 0 and "[" not in quick, quick)
    t.check(b"[#" not in c.run(*load).err.encode(), "a bar without a terminal")


def help_pages(c):
    """help COMMAND, COMMAND --help and -h are one page: complete, and within 80 columns."""
    for command in ["", *COMMANDS]:
        page = c.run("help", *command.split()).out.decode()
        same = c.run(*command.split(), "--help").out.decode()
        t.equal(page, same, command)
        t.equal(page, c.run(*command.split(), "-h").out.decode(), command)
        t.check(max(map(len, page.splitlines())) <= 80, page)
        for part in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES"):
            t.check(f"\n{part}\n" in "\n" + page, f"{command}: no {part}")
        if command in ("", "help"):
            continue
        described = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", page, re.M))
        synopsis = set(re.findall(r"--[\w-]+", page.split("DESCRIPTION")[0]))
        t.equal(synopsis - described, set(), f"{command}: in the synopsis only")
        t.equal(described - synopsis, {"--help", "--quiet"}, f"{command}: not in the synopsis")
        for option in described - {"--help", "--quiet"}:
            result = c.run(command, option, "1", "--no-such-option", status=2)
            t.check(f"unknown or ambiguous option '{option}'" not in result.err, result)
    t.check(c.run("version").out.startswith(b"quire "), "version")
    t.equal(c.run("version", "--json").json()["version"],
            c.run("--version").out.decode().split()[1], "version")


def manual(c):
    """quire(1) has the options of every command, its synopsis and the exit statuses."""
    text = MANUAL.read_text(encoding="utf-8")
    shown = subprocess.run(["mandoc", "-Tascii", str(MANUAL)], capture_output=True, check=False)
    if shown.returncode > 1:
        raise t.Skip("no mandoc")
    sections = dict(re.findall(r"^\.Ss ([a-z]+)\n(.*?)(?=^\.S[sh] )", text, re.M | re.S))
    for command in COMMANDS[:-2]:
        page = c.run("help", command).out.decode()
        wanted = set(re.findall(r"--([\w-]+)", page.split("DESCRIPTION")[0]))
        synopsis = text.split(f".Cm {command}\n")[1].split(".Nm")[0]
        t.equal(set(re.findall(r"Fl -([\w-]+)", synopsis)), wanted, f"synopsis of {command}")
        described = {o for line in re.findall(r"^\.It (Fl .*)", sections[command], re.M)
                     for o in re.findall(r"Fl -([\w-]+)", line)}
        t.equal(wanted - described - {"json"}, set(), f"{command}: not described")
    overview = c.run("help").out.decode()
    statuses = re.findall(r"^  (\d+) +(\S.*)", overview.split("EXIT STATUS")[1], re.M)
    t.equal(len(statuses), 13, "exit statuses")
    for number, _ in statuses:
        t.check(re.search(rf"^\.It {number}\+?$", text, re.M), f"status {number}")


CASES = {f.__name__: f for f in (demo, demo_text, demo_found, bench, stopped, terminal, help_pages,
                                 manual)}

if __name__ == "__main__":
    sys.exit(t.main(CASES))
