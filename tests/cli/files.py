#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""create, send, recv and stat on real files. usage: files.py QUIRE CASE"""
import base64
import os
import random
import signal
import struct
import sys

import case as t


def disk_use(path):
    """Bytes and allocated bytes of all files below path."""
    size = blocks = 0
    for folder, _, files in os.walk(path):
        for name in files:
            info = os.stat(os.path.join(folder, name))
            size += info.st_size
            blocks += info.st_blocks * 512
    return size, blocks


def create(c):
    """The dry run says what creation takes, to the byte, and makes nothing."""
    shapes = [[], ["--page-size", "4K", "--max-pages", "1"],
              ["--page-size", "64K", "--max-pages", "5", "--max-messages", "65535"],
              ["--page-size", "8192", "--max-pages", "3", "--max-messages", "1", "--checksum",
               "off", "--policy", "drop-oldest"],
              ["--page-size", "1M", "--policy", "grow", "--max-bytes", "64M", "--mode", "0660"]]
    for number, shape in enumerate(shapes):
        path = c.path(f"c{number}")
        before = c.tree()
        plan = c.run("create", path, "--dry-run", "--json", *shape).json()
        t.equal(plan["created"], False, "a dry run")
        t.check(b"dry run" in c.run("create", path, "--dry-run", *shape).out, "no word of it")
        t.equal(c.tree(), before, "a dry run changed something")
        made = c.run("create", path, "--json", *shape, preexec_fn=lambda: os.umask(0)).json()
        t.equal({**made, "created": False}, plan, "plan and creation")
        size, blocks = disk_use(path)
        t.equal(size, plan["total_bytes"], f"bytes of {shape}")
        t.check(blocks >= size, f"sparse: {blocks} allocated of {size}")
        t.equal(c.stat(path)["bytes"], size, "stat")
        t.check(plan["limit_bytes"] >= plan["total_bytes"], plan)
    t.equal(os.stat(c.path("c4/control")).st_mode & 0o777, 0o660, "mode")
    t.equal(os.stat(c.path("c0/control")).st_mode & 0o777, 0o600, "mode")
    text = c.run("create", c.path("text")).out
    t.check(b"22,638,592" in text and b": created" in text, text)
    c.run("create", "-q", c.path("quiet"))


def roundtrip_lines(c):
    """Lines, empty ones and a last one without newline, from files and stdin, in order."""
    path = c.path("c")
    with open(c.path("a"), "wb") as file:
        file.write(b"one\n\n\x00\xff binary \x01\ncut")
    with open(c.path("b"), "wb") as file:
        file.write(b"two\n")
    open(c.path("empty"), "wb").close()
    sent = c.run("send", path, "a", "-", "empty", "b", "--create", "--json",
                 data=b"from stdin\n\n").json()
    wanted = [b"one", b"", b"\x00\xff binary \x01", b"cut", b"from stdin", b"", b"two"]
    t.equal(sent["messages"], len(wanted), "sent")
    t.equal(sent["bytes"], sum(map(len, wanted)), "sent bytes")
    t.equal(c.run("recv", path, "--group", "g").out, b"\n".join(wanted) + b"\n", "lines")
    t.equal(c.run("recv", path, "--group", "g").out, b"", "received twice")
    t.equal(unread(c, path, "h"), wanted, "the other group")


def unread(c, path, group, *options):
    return t.unprefixed(c.run("recv", path, "--group", group, "--length-prefixed", *options).out)


def roundtrip_binary(c):
    """Any bytes of any size behind their length, over many pages, and through a slow pipe."""
    path = c.path("c")
    dice = random.Random(1)
    sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 4087, 4088] * 20
    dice.shuffle(sizes)
    messages = [dice.randbytes(size) for size in sizes]
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "400")
    data = t.prefixed(messages)
    sender = c.start("send", path, "--length-prefixed")
    at = 0
    while at < len(data):  # pieces that end anywhere, each written at once
        step = dice.choice([1, 3, 5, 100, 5000, 70000])
        sender.stdin.write(data[at:at + step])
        sender.stdin.flush()
        at += step
    _, err = sender.communicate(timeout=t.LIMIT_S)
    t.equal(sender.returncode, 0, err)
    t.equal(unread(c, path, "g"), messages, "binary")
    lines = c.run("recv", path, "--group", "json", "--json").out.splitlines()
    t.equal(len(lines), len(messages), "JSON lines")
    last = -1
    for line, message in zip(lines, messages):
        entry = t.json.loads(line)
        t.equal(entry["size"], len(message), entry)
        got = entry["data"].encode() if "data" in entry else \
            base64.b64decode(entry["data_base64"])
        t.equal(got, message, entry)
        t.equal(entry["position"], entry["page"] << 16 | entry["slot"], entry)
        t.check(entry["position"] > last, "positions grow")
        last = entry["position"]


def too_large(c):
    """A message that cannot fit is named; those before it are sent, nothing of it."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "8")
    limit = 4088
    data = b"first\n" + b"x" * limit + b"\n" + b"y" * (limit + 1) + b"\nafter\n"
    c.refused(9, ["line 3", "standard input", "4088"], "send", path, data=data)
    t.equal(c.run("recv", path, "--group", "g").out, data[:6 + limit + 1], "what was sent")
    c.refused(9, ["line 1"], "send", path, data=b"z" * (3 << 20))
    endless = c.start("send", path)  # refused before its end is seen
    endless.stdin.write(b"z" * (limit + 1))
    endless.stdin.flush()
    t.equal(endless.wait(timeout=t.LIMIT_S), 9, "a line without end")
    c.refused(9, ["message 2"], "send", path, "--length-prefixed",
              data=t.prefixed([b"a"]) + struct.pack("<I", limit + 1) + b"b" * (limit + 1))
    c.refused(1, ["ends inside message 2"], "send", path, "--length-prefixed",
              data=t.prefixed([b"c"]) + struct.pack("<I", 10) + b"short")
    c.refused(1, ["ends inside message 1"], "send", path, "--length-prefixed", data=b"\x01\x00")
    t.equal(unread(c, path, "g"), [b"a", b"c"], "what was sent")
    t.equal(c.stat(path)["voids"], 0, "claimed in vain")


def full(c):
    """A full channel: every policy does what it says and every message is accounted for."""
    lines = [str(i).encode() for i in range(2000)]
    data = b"\n".join(lines)
    for policy, options in [("block", []), ("block", ["--timeout", "0.3"]), ("reject", []),
                            ("reject", ["--timeout", "0.1"])]:
        path = c.path(policy + str(len(options)))
        c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "3", "--policy", policy)
        result = c.refused(5, "is full; line", "send", path, *options, data=data)
        number = int(result.err.split("line ")[1].split()[0])
        got = c.run("recv", path, "--group", "g").out.split()
        t.equal(got, lines[:number - 1], f"sent before line {number} under {policy}")
        c.run("send", path, data=b"more")  # there is room again
        t.equal(c.run("recv", path, "--group", "g").out, b"more\n", "afterwards")
    path = c.path("bound")
    c.run("create", "-q", path, "--max-queued", "7", "--policy", "reject")
    c.refused(5, "is full; line 8", "send", path, data=data)
    t.equal(c.run("recv", path, "--group", "g").out.split(), lines[:7], "a bound of seven")
    path = c.path("grow")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "3", "--policy", "grow",
          "--max-bytes", "10M")
    c.run("send", path, data=data)
    t.equal(c.run("recv", path, "--group", "g").out.split(), lines, "grow")


def lapped(c):
    """What drop-oldest takes from a group is told once, exactly, and fails the command."""
    path = c.path("c")
    lines = [str(i).encode() for i in range(4000)]
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "4", "--policy",
          "drop-oldest")
    c.run("send", path, data=b"\n".join(lines[:10]))
    t.equal(c.run("recv", path, "--group", "g", "--count", "4").out.split(), lines[:4], "begin")
    c.run("send", path, data=b"\n".join(lines[10:]))
    result = c.run("recv", path, "--group", "g", status=1)
    got = result.out.split()
    t.check("group g lost" in result.err, result)
    lost = int(result.err.split("group g lost ")[1].split()[0])
    t.equal(got, sorted(got, key=int), "in order")
    t.equal(got[-1], lines[-1], "the newest stay")
    t.check(lost > 0, "nothing was overwritten, so nothing is tested")
    t.equal(4 + lost + len(got), len(lines), f"the account closes: {lost} lost, {len(got)} left")
    t.equal(c.stat(path)["groups"][0]["lost"], lost, "stat")
    t.equal(c.run("recv", path, "--group", "g").out, b"", "told once")


def places(c):
    """--from: oldest, newest, a page, a slot; what is not there is refused."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "16")
    c.run("send", path, data=b"\n".join(b"%d" % i for i in range(1500)))
    every = [t.json.loads(line) for line in
             c.run("recv", path, "--group", "all", "--json").out.splitlines()]
    t.equal([e["data"] for e in every], [str(i) for i in range(1500)], "all")
    third = [e for e in every if e["page"] >= 3]

    def first(group, where):
        out = c.run("recv", path, "--group", group, "--count", "1", "--json", "--from", where).out
        return t.json.loads(out)["position"] if out else None

    t.equal(first("o", "oldest"), every[0]["position"], "oldest")
    t.equal(first("n", "newest"), None, "newest")
    t.equal(first("p", "3"), third[0]["position"], "page")
    t.equal(first("s", "3:7"), third[7]["position"], "page and slot")
    t.equal(first("q", f"position:{third[9]['position']}"), third[9]["position"], "position")
    c.run("send", path, data=b"later")
    t.equal(c.run("recv", path, "--group", "n").out, b"later\n", "newest then")
    result = c.run("recv", path, "--group", "s", "--from", "oldest", "--count", "1")
    t.equal(result.out, third[8]["data"].encode() + b"\n", "an existing group goes on")
    t.check("no effect" in result.err, result)
    c.refused(2, ["not there yet", "--from 99"], "recv", path, "--group", "x", "--from", "99")
    for bad in ["", "latest", "1:2:3", "-1", "3:65535", "position:", "99999999999999999999"]:
        c.refused(2, "--from", "recv", path, "--group", "x", f"--from={bad}")
    t.check("x" not in [g["name"] for g in c.stat(path)["groups"]], "a group half made")


def recycled(c):
    """A page that every group is done with is no place to begin at."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "2")
    for part in range(6):
        c.run("send", path, data=b"\n".join(b"%d" % i for i in range(100)))
        t.equal(len(c.run("recv", path, "--group", "g").out.split()), 100, f"part {part}")
    t.check(c.stat(path)["first_page"] > 0, "a page was used again")
    c.refused(3, "no longer held", "recv", path, "--group", "h", "--from", "0")


def stat(c):
    """stat: figures that add up, text within 80 columns, nothing changed, while others work."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "64")
    t.check(b"no groups" in c.run("stat", path).out, "an empty channel")
    c.run("send", path, data=b"\n".join(b"%d" % i for i in range(5000)))
    long_name = "n" * 63
    c.run("recv", path, "--group", long_name, "--count", "1000")
    c.run("recv", path, "--group", "done")
    before = c.tree()
    seen = c.stat(path)
    text = c.run("stat", path).out.decode()
    whole = c.run("stat", path, "--all").out.decode()
    t.equal(c.tree(), before, "stat changed something")
    t.equal(seen["messages"], 5000, seen)
    groups = {g["name"]: g for g in seen["groups"]}
    t.equal(groups[long_name]["lag_messages"], 4000, groups)
    t.equal((groups["done"]["lag_messages"], groups["done"]["lag_bytes"]), (0, 0), groups)
    t.equal(sum(p["messages"] for p in seen["pages"]), 5000, "messages of pages")
    t.check(max(map(len, (text + whole).splitlines())) <= 80, text)
    t.check("are left out" in text and "are left out" not in whole, "the list of pages")
    follower = c.start("recv", path, "--group", "late", "--follow")

    def consumers():
        return [(h["group"], h["pid"]) for h in c.stat(path)["handles"] if h["kind"] == "consumer"]

    t.wait(consumers, "the holder")
    t.equal(consumers(), [("late", follower.pid)], "holders")
    t.wait(lambda: all(h["page"] is None for h in c.stat(path)["handles"]
                       if h["kind"] == "consumer"), "an idle follower to let go of its page")
    text = c.run("stat", path).out.decode()
    t.check(str(follower.pid) in text and "consumer" in text, text)
    t.check(max(map(len, text.splitlines())) <= 80, text)
    follower.send_signal(signal.SIGTERM)
    follower.communicate(timeout=t.LIMIT_S)
    t.equal(follower.returncode, 128 + signal.SIGTERM, "a signal")
    t.equal(consumers(), [], "nobody")


def counts(c):
    """--count and --timeout."""
    path = c.path("c")
    c.run("send", path, "--create", data=b"1\n2\n3\n4\n5\n")
    t.equal(c.run("recv", path, "--group", "g", "--count", "2").out, b"1\n2\n", "two")
    result = c.run("recv", path, "--group", "g", "--count", "9", "--timeout", "0.2", status=5)
    t.equal(result.out, b"3\n4\n5\n", "the rest")
    t.check("the time was up" in result.err, result)
    c.run("recv", path, "--group", "g", "--timeout", "0.2")
    c.run("recv", path, "--group", "g", "--follow", "--timeout", "0.2")
    t.equal(c.run("recv", "-q", path, "--group", "q").err, "", "quiet")


def signals(c):
    """SIGTERM and SIGINT end a command in order: the channel is clean and nothing is lost."""
    path = c.path("c")
    c.run("send", path, "--create", data=b"a\nb\n")
    for number in (signal.SIGTERM, signal.SIGINT):
        follower = c.start("recv", path, "--group", f"g{number}", "--follow")
        t.equal([follower.stdout.readline() for _ in range(2)], [b"a\n", b"b\n"], "followed")
        follower.send_signal(number)
        follower.communicate(timeout=t.LIMIT_S)
        t.equal(follower.returncode, 128 + number, "status")
        t.equal(c.stat(path)["clean"], True, "closed cleanly")
    sender = c.start("send", path)
    sender.stdin.write(b"c\nhalf")
    sender.stdin.flush()
    t.wait(lambda: c.stat(path)["messages"] == 3, "the whole line")
    sender.send_signal(signal.SIGTERM)
    t.equal(sender.wait(timeout=t.LIMIT_S), 128 + signal.SIGTERM, "status")
    err = sender.stderr.read()
    t.check(b"standard input: stopped by a signal; line 2 " in err, err)
    seen = c.stat(path)
    t.equal((seen["clean"], seen["messages"], seen["voids"]), (True, 3, 0), seen)


def broken_pipe(c):
    """The reader goes away: no message is unaccounted for."""
    path = c.path("c")
    total = 20000
    c.run("send", path, "--create", data=b"\n".join(b"%0100d" % i for i in range(total)))
    receiver = c.start("recv", path, "--group", "g")
    first = receiver.stdout.readline()
    t.equal(int(first), 0, "first")
    receiver.stdout.close()
    err = receiver.stderr.read().decode()
    t.equal(receiver.wait(timeout=t.LIMIT_S), 128 + signal.SIGPIPE, err)
    unwritten = int(err.split(" messages were received and not written")[0].split()[-1])
    written = int([line for line in err.splitlines() if " in " in line][-1].split()[2])
    rest = c.run("recv", path, "--group", "g").out.split()
    t.equal(written + unwritten + len(rest), total, err)
    t.equal([int(line) for line in rest], list(range(total - len(rest), total)), "the rest")


def output_full(c):
    """Standard output that takes nothing is an error, and names what was lost to it."""
    path = c.path("c")
    c.run("send", path, "--create", data=b"a\nb\n")
    with open("/dev/full", "wb") as device:
        result = c.run("recv", path, "--group", "g", stdout=device, status=6)
        t.check("standard output" in result.err and "2 messages were received" in result.err,
                result)
        for arguments in (["stat", path, "--json"], ["help"], ["version"],
                          ["create", c.path("d"), "--dry-run"]):
            result = c.run(*arguments, stdout=device, status=6)
            t.check("standard output" in result.err, result)


CASES = {f.__name__: f for f in (create, roundtrip_lines, roundtrip_binary, too_large, full, lapped,
                                 places, recycled, stat, counts, signals, broken_pipe, output_full)}

if __name__ == "__main__":
    sys.exit(t.main(CASES))
