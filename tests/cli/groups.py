#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""groups, dead, nack, and recv --ack. usage: groups.py QUIRE CASE"""
import os
import resource
import signal
import subprocess
import sys
import time

import case as t

SIZE = 4000  # of messages that fill a pipe soon


def channel(c, count=0, *options):
    """A channel of small pages, ten messages in each, with lines 0, 1, 2..."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "50", "--max-messages", "10",
          *options)
    if count:
        c.run("send", "-q", path, data=b"".join(b"%d\n" % i for i in range(count)))
    return path


def heavy(c, count):
    """A channel of count lines, each of SIZE bytes that begin with its number."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "1M", "--max-pages", "4", "--max-messages", "500")
    c.run("send", "-q", path, data=b"".join(line(i) for i in range(count)))
    return path


def line(number):
    return b"%d " % number + b"x" * (SIZE - len(b"%d " % number) - 1) + b"\n"


def numbers(data):
    """Of whole lines; what is cut at the end is left out."""
    return [int(part.split()[0]) for part in data.split(b"\n")[:-1]]


def groups(c, path):
    return {g["name"]: g for g in c.run("groups", path, "--json").json()["groups"]}


def ageless(c, path):
    """The same without what goes on by itself."""
    return {name: {**group, "oldest_s_at_most": None} for name, group in groups(c, path).items()}


def received(c, path, group, *options, **more):
    return numbers(c.run("recv", "-q", path, "--group", group, *options, **more).out)


def dead(c, path, group):
    seen = c.run("dead", path, group, "--json").json()
    t.equal((seen["path"], seen["group"]), (path, group), seen)
    return seen["dead"]


def no_room(c, path, group, times, *options):
    """Receives into a full device: every time one message, or a batch, is given in vain."""
    with open("/dev/full", "wb") as device:
        for _ in range(times):
            c.run("recv", "-q", path, "--group", group, "--ack", *options, stdout=device, status=6)


def narrow(text):
    t.check(max(map(len, text.splitlines())) <= 80, text)
    return text


def listing(c):
    """Every figure of groups of each kind; within 80 columns; nothing is changed."""
    path = channel(c)
    t.check(b"no groups" in c.run("groups", path).out, "an empty channel")
    t.equal(groups(c, path), {}, "no groups")
    c.run("send", "-q", path, data=b"".join(b"%d\n" % i for i in range(45)))
    long_name = "n" * 63
    c.run("groups", "create", path, "-q", long_name, "--mode", "ack", "--max-attempts", "2",
          "--lease", "0.5", "--hold", "lossy")
    c.run("recv", "-q", path, "--group", "plain", "--count", "3")
    c.run("groups", "create", path, "work", "--mode", "ack", "--max-attempts", "1")
    c.run("groups", "create", path, "end", "--from", "newest")
    t.equal(received(c, path, "work", "--ack", "--count", "12"), list(range(12)), "work")
    no_room(c, path, "work", 1, "--count", "1")
    before = c.tree()
    seen = groups(c, path)
    text = narrow(c.run("groups", "list", path).out.decode())
    t.equal(c.tree(), before, "looking changed something")
    work = seen["work"]
    t.equal((work["mode"], work["hold"], work["members"], work["paused"], work["max_attempts"],
             work["lease_s"], work["dead"], work["leased"], work["lost"]),
            ("ack", "required", 0, False, 1, None, 1, 0, 0), work)
    t.equal(work["lag_messages"], 45 - 12 - 1, "a dead letter does not lag")
    t.equal(work["position"], work["page"] << 16 | work["slot"], work)
    t.equal(work["oldest_page"], 1, "what was returned lies there")
    t.equal((seen[long_name]["max_attempts"], seen[long_name]["lease_s"], seen[long_name]["hold"]),
            (2, 0.5, "lossy"), seen)
    plain = seen["plain"]
    t.equal((plain["mode"], plain["lag_messages"], plain["returned"], plain["max_attempts"]),
            ("auto", 42, 1, None), plain)
    t.equal(plain["oldest_page"], 0, "what was claimed and not received lies there")
    t.equal((seen["end"]["lag_messages"], seen["end"]["oldest_page"],
             seen["end"]["oldest_s_at_most"]), (0, None, None), seen)
    t.check(0 < work["oldest_s_at_most"] < 3600, work)
    rows = [row.split() for row in text.splitlines() if row.split()[:1] == ["work"]]
    t.equal(rows[0][1:6], ["ack", "required", "0", "no", f"{work['page']}:{work['slot']}"], text)
    t.equal(rows[1][1:6], ["0", str(work["returned"]), "0", "1", "1"], text)
    for name in ("work", "plain", "end"):
        t.check(name in text, text)
    t.check("nn.." in text and "no end" in text and "500 ms" in text, text)


def oldest(c):
    """The page of the oldest message that is not finished moves on with its group."""
    path = channel(c, 45)
    c.run("groups", "create", "-q", path, "a", "--from", "2")
    t.equal(groups(c, path)["a"]["oldest_page"], 2, "begins there")
    t.equal(received(c, path, "a", "--count", "10"), list(range(20, 30)), "a page")
    t.equal(groups(c, path)["a"]["oldest_page"], 3, "the next one")
    received(c, path, "a")
    t.equal(groups(c, path)["a"]["oldest_page"], None, "everything is finished")


def holders(c):
    """Who keeps which page: groups, with what they have not finished, and handles."""
    path = channel(c, 45)
    t.check(b"nobody keeps a page" in c.run("groups", "holders", path).out, "no groups")
    c.run("groups", "create", "-q", path, "late", "--from", "1:3")
    c.run("groups", "create", "-q", path, "work", "--mode", "ack", "--max-attempts", "2")
    c.run("recv", "-q", path, "--group", "plain", "--count", "3")
    received(c, path, "work", "--ack", "--count", "12")
    no_room(c, path, "work", 2, "--count", "1")
    before = c.tree()
    listed = c.run("groups", "holders", path, "--json").json()["holders"]
    text = narrow(c.run("groups", "holders", path).out.decode())
    t.equal(c.tree(), before, "looking changed something")
    t.equal([h["page"] for h in listed], sorted(h["page"] for h in listed), "pages ascending")
    late = [h for h in listed if h["group"] == "late"]
    t.equal([(h["kind"], h["page"], h["messages"]) for h in late],
            [("group", 1, 7), ("group", 2, 10), ("group", 3, 10), ("group", 4, 5)], "late")
    t.equal([h["since"] is None for h in late], [False, False, False, True], "page 4 is written")
    row = [line.split() for line in text.splitlines() if "group late" in line][0]
    t.equal(row[2:7], ["-", "4", "1", "4", "32"], text)
    t.check("closed" in text and "of plain" in text, text)
    for name, group in groups(c, path).items():
        kept = [h for h in listed if h["group"] == name]
        t.equal(sum(h["messages"] for h in kept), group["lag_messages"] + group["dead"], name)
        t.equal(min(h["page"] for h in kept), group["oldest_page"], name)
    t.equal(groups(c, path)["work"]["dead"], 1, "a dead letter keeps its page, too")
    for name in ("late", "work", "plain"):
        c.run("groups", "delete", "-q", path, name)
    t.equal(c.run("groups", "holders", path, "--json").json()["holders"], [], "nobody")


def in_state(process, state):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == state


def blocked(c, path, *options):
    """A receiver that has filled its pipe and sleeps in a write, with leases."""
    reader = c.start("recv", path, "--group", "g", "--ack", *options, bufsize=0)
    t.wait(lambda: groups(c, path).get("g", {}).get("leased", 0) > 0, "leases")
    t.wait(lambda: in_state(reader, "S"), "a full pipe")
    return reader


def borrowed(c):
    """A handle that only borrows keeps its page; its group has finished it."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "48K", "--max-pages", "8", "--max-messages", "10")
    c.run("send", "-q", path, data=b"".join(line(i) for i in range(50)))
    reader = c.start("recv", path, "--group", "g", bufsize=0)  # a pipe holds less than two pages
    t.wait(lambda: groups(c, path).get("g", {}).get("lag_messages") == 30, "two pages received")
    listed = c.run("groups", "holders", path, "--json").json()["holders"]
    t.equal([(h["page"], h["kind"], h["messages"]) for h in listed],
            [(1, "handle", 0), (2, "group", 10), (3, "group", 10), (4, "group", 10)], listed)
    t.equal(groups(c, path)["g"]["oldest_page"], 2, "what is not finished")
    t.equal(numbers(reader.communicate(timeout=t.LIMIT_S)[0]), list(range(50)), "all")


def in_use(c):
    """Who only looks may do so while somebody has the channel open; who changes it may not."""
    path = heavy(c, 100)
    c.run("groups", "create", "-q", path, "other")
    no_room(c, path, "dying", 1, "--max-attempts", "1", "--count", "1")
    holder = blocked(c, path)
    seen = groups(c, path)["g"]
    t.equal((seen["members"], seen["lag_messages"]), (1, 100), seen)
    t.check(0 < seen["leased"] <= 100, seen)
    narrow(c.run("groups", path).out.decode())
    listed = c.run("groups", "holders", path, "--json").json()["holders"]
    t.equal([(h["page"], h["group"], h["pid"]) for h in listed if h["kind"] == "handle"],
            [(0, "g", holder.pid)], listed)
    t.check(str(holder.pid) in narrow(c.run("groups", "holders", path).out.decode()), "its process")
    t.equal([d["position"] for d in dead(c, path, "dying")], [0], "dead letters, from outside")
    narrow(c.run("dead", path, "dying").out.decode())
    for command in (["groups", "create", path, "new"], ["groups", "delete", path, "other"],
                    ["groups", "seek", path, "other", "--to", "newest"],
                    ["groups", "pause", path, "other"], ["groups", "resume", path, "other"],
                    ["dead", path, "dying", "--requeue", "all"],
                    ["dead", path, "dying", "--discard", "0:0"], ["nack", path, "dying", "0:0"],
                    ["recv", path, "--group", "g", "--ack"]):
        c.refused(4, [path, f"process {holder.pid} has it open"], *command)
    holder.kill()
    holder.communicate()
    t.equal(sorted(groups(c, path)), ["dying", "g", "other"], "nothing was done")


def verbs(c):
    """create, pause, resume, seek and delete do what they say, and say it."""
    path = channel(c, 45)
    made = c.run("groups", "create", path, "work", "--from", "1:3", "--mode", "ack", "--hold",
                 "required", "--max-attempts", "255", "--lease", "4294967")
    t.check("begins at 1:3" in made.err and "32 messages" in made.err, made)
    t.equal(groups(c, path)["work"]["max_attempts"], 255, "attempts")
    t.equal(received(c, path, "work", "--ack"), list(range(13, 45)), "from there on")
    c.refused(8, ["work already", path], "groups", "create", path, "work")
    for to, first in (("oldest", 0), ("newest", 45), ("2", 20), ("2:7", 27),
                      (f"position:{3 << 16 | 9}", 39), ("@0", 0)):
        told = c.run("groups", "seek", path, "work", "--to", to)
        t.check("goes on at" in told.err and f"{45 - first} messages" in told.err, told)
        t.equal(received(c, path, "work", "--ack"), list(range(first, 45)), to)
    c.run("groups", "seek", "-q", path, "work", "--to", "oldest")
    t.check("holds on" in c.run("groups", "pause", path, "work").err, "told")
    t.equal(groups(c, path)["work"]["paused"], True, "paused")
    t.check("yes" in c.run("groups", path).out.decode(), "paused, for people")
    seen = c.run("recv", path, "--group", "work", "--ack")
    t.equal(seen.out, b"", "paused")
    t.check("is paused" in seen.err, seen)
    c.run("groups", "pause", "-q", path, "work")  # as it is
    c.run("groups", "resume", path, "work")
    t.equal(groups(c, path)["work"]["paused"], False, "resumed")
    t.equal(len(received(c, path, "work", "--ack")), 45, "resumed")
    t.equal(c.run("groups", "delete", "-q", path, "work").err, "", "quiet")
    t.equal(groups(c, path), {}, "deleted")
    c.run("groups", "create", path, "work")
    t.equal(groups(c, path)["work"]["mode"], "auto", "made anew")
    os.rename(path, c.path("create"))  # a channel of the name of a verb
    t.equal(sorted(groups(c, "./create")), ["work"], "./create")


def times(c):
    """A time: every message sent since, and up to a page before."""
    path = channel(c, 25)
    then = time.time_ns()
    c.run("send", "-q", path, data=b"".join(b"%d\n" % i for i in range(25, 50)))
    seconds, rest = divmod(then, 10 ** 9)
    utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    c.run("groups", "create", "-q", path, "a", "--from", f"{utc}.{rest:09}Z")
    c.run("groups", "create", "-q", path, "b")
    c.run("groups", "seek", "-q", path, "b", "--to", f"@{seconds}.{rest:09}")
    for got in (received(c, path, "a"), received(c, path, "b"),
                received(c, path, "d", "--from", f"@{seconds}.{rest:09}")):
        t.equal(got, list(range(got[0], 50)), "in order, to the end")
        t.check(15 < got[0] <= 25, f"begins at {got[0]}")
    got = received(c, path, "e", "--from", "2500-12-31T23:59:59Z")
    t.check(40 <= got[0], "later than everything: the page that is written")
    t.equal(received(c, path, "f", "--from", "1970-01-01T00:00:00Z"), list(range(50)), "all")
    for bad in ("@", "@-1", "@1x", "@1.", "2025-01-31", "2025-01-31T10:00:00", "@99999999999999",
                "2025-02-30T00:00:00Z", "2025-01-31T24:00:00Z", "2025-01-31T10:00:60Z",
                "2025-01-31T10:00:00.Z", "2025-1-31T10:00:00Z", "1969-12-31T23:59:59Z",
                "2025-01-31T10:00:00+01:00", "2025-13-01T00:00:00Z", "9999-01-01T00:00:00Z"):
        c.refused(2, ["--to", bad], "groups", "seek", path, "a", "--to", bad)
        c.refused(2, ["--from", bad], "recv", path, "--group", "a", "--from", bad)


def recv_ack(c):
    """A group that acknowledges is made and received from so, and given what was not written."""
    path = channel(c, 30)
    t.equal(received(c, path, "g", "--ack", "--max-attempts", "3", "--count", "7"),
            list(range(7)), "the first")
    seen = groups(c, path)["g"]
    t.equal((seen["mode"], seen["max_attempts"], seen["lag_messages"]), ("ack", 3, 23), seen)
    c.refused(2, ["--ack", "mode ack"], "recv", path, "--group", "g")
    c.run("recv", "-q", path, "--group", "plain", "--count", "1")
    c.refused(2, ["without --ack", "mode auto"], "recv", path, "--group", "plain", "--ack")
    told = c.run("recv", path, "--group", "g", "--ack", "--from", "0", "--max-attempts", "9",
                 "--count", "1")
    t.check("--from 0 has no effect" in told.err and "9 has no effect" in told.err, told)
    t.equal(numbers(told.out), [7], told)
    no_room(c, path, "g", 2, "--count", "1")
    lines = c.run("recv", path, "--group", "g", "--ack", "--json", "--commit-every",
                  "5").out.splitlines()
    entries = [t.json.loads(one) for one in lines]
    t.equal([int(e["data"]) for e in entries], list(range(8, 30)), "the rest")
    t.equal([e.get("attempt", 1) for e in entries], [3] + [1] * 21, "attempts")
    t.equal(groups(c, path)["g"]["lag_messages"], 0, "nothing is left")
    t.equal(received(c, path, "g", "--ack"), [], "nothing is left")
    t.equal(received(c, path, "plain"), list(range(1, 30)), "the other group")
    c.run("send", "-q", path, data=b"30\n")
    follower = c.start("recv", path, "--group", "g", "--ack", "--follow")
    t.equal(follower.stdout.readline(), b"30\n", "followed")
    t.wait(lambda: groups(c, path)["g"]["lag_messages"] == 0, "its acknowledgement")
    follower.send_signal(signal.SIGTERM)
    t.equal(follower.wait(timeout=t.LIMIT_S), 128 + signal.SIGTERM, "stopped")


def overwritten(c):
    """A lossy group is told what it lost, and leases that end come again."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "2", "--policy", "drop-oldest")
    c.run("groups", "create", "-q", path, "g", "--mode", "ack", "--lease", "50")
    t.equal(groups(c, path)["g"]["hold"], "lossy", "the default of the policy")
    c.run("send", "-q", path, data=b"".join(b"%d\n" % i for i in range(2000)))
    result = c.run("recv", path, "--group", "g", "--ack", status=1)
    got, lost = numbers(result.out), groups(c, path)["g"]["lost"]
    t.check(lost > 0 and f"lost {lost} messages" in result.err, result)
    t.equal(got, list(range(lost, 2000)), "what is left")
    c.run("recv", path, "--group", "g", "--ack")


def broken_pipe(c):
    """The reader goes away: nothing of the batch that met it is acknowledged."""
    for form in ([], ["--json"], ["--length-prefixed"]):
        path = heavy(c, 60)
        receiver = c.start("recv", path, "--group", "g", "--ack", *form)
        t.check(receiver.stdout.read(100), "the first bytes")
        receiver.stdout.close()
        err = receiver.stderr.read().decode()
        t.equal(receiver.wait(timeout=t.LIMIT_S), 128 + signal.SIGPIPE, err)
        t.check("60 messages were not written and not acknowledged" in err and "from 0:0" in err,
                err)
        t.equal(groups(c, path)["g"]["lag_messages"], 60, "nothing is acknowledged")
        t.equal(received(c, path, "g", "--ack"), list(range(60)), "all of it comes again")
        subprocess.run(["rm", "-r", path], check=True)


def output_full(c):
    """A file that takes no more: what is in it whole is acknowledged, and exactly that."""
    path = heavy(c, 60)
    result = None
    with open("/dev/full", "wb") as device:
        result = c.run("recv", path, "--group", "g", "--ack", stdout=device, status=6)
    t.check("standard output: No space left" in result.err and
            "60 messages were not written and not acknowledged" in result.err, result)
    t.equal(groups(c, path)["g"]["lag_messages"], 60, "nothing is acknowledged")
    limit = 20 * SIZE + 123

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with open(c.path("out"), "wb") as out:
        result = c.run("recv", path, "--group", "h", "--ack", stdout=out, status=1,
                       preexec_fn=small_files)
    t.check("File too large" in result.err and
            "40 messages were not written and not acknowledged" in result.err and
            "from 0:20 " in result.err, result)
    with open(c.path("out"), "rb") as out:
        data = out.read()
    t.equal(len(data), limit, "cut inside a message")
    t.equal(numbers(data), list(range(20)), "whole ones")
    t.equal(groups(c, path)["h"]["lag_messages"], 40, "these are acknowledged")
    t.equal(received(c, path, "h", "--ack"), list(range(20, 60)), "the rest, from the cut one on")


def stopped(c):
    """A signal: what the reader gets whole is acknowledged, and exactly that."""
    total = 400
    path = heavy(c, total)
    receiver = blocked(c, path)
    receiver.send_signal(signal.SIGTERM)  # it goes on with its batch, which is read now
    out, err = receiver.communicate(timeout=t.LIMIT_S)
    t.equal(receiver.returncode, 128 + signal.SIGTERM, err)
    got = len(numbers(out))
    t.check(0 < got < total, f"a batch: {got}")
    t.equal(numbers(out), list(range(got)), "in order")
    t.equal(groups(c, path)["g"]["lag_messages"], total - got, "what was written is acknowledged")
    receiver = blocked(c, path)
    receiver.send_signal(signal.SIGSTOP)  # ends the write that has written something
    t.wait(lambda: in_state(receiver, "T"), "a stop")
    receiver.send_signal(signal.SIGCONT)
    t.wait(lambda: in_state(receiver, "S"), "a write that has written nothing")
    receiver.send_signal(signal.SIGTERM)
    t.equal(receiver.wait(timeout=t.LIMIT_S), 128 + signal.SIGTERM, "status")
    out, err = receiver.communicate()
    more = numbers(out)
    t.equal(more, list(range(got, got + len(more))), "in order")
    t.check(0 < len(more) < len(out) / SIZE, f"the last message is cut: {len(out)}")
    t.check(" not written and not acknowledged" in err.decode(), err)
    t.equal(received(c, path, "g", "--ack"), list(range(got + len(more), total)), "the rest")


def killed(c):
    """A kill: what was not acknowledged comes again, and nothing is missing."""
    total = 400
    path = heavy(c, total)
    receiver = blocked(c, path)
    out = b""
    while groups(c, path)["g"]["lag_messages"] == total:
        out += receiver.stdout.read(SIZE)
    receiver.kill()
    out += receiver.communicate(timeout=t.LIMIT_S)[0]
    got = numbers(out)
    t.equal(got, list(range(len(got))), "in order")
    again = received(c, path, "g", "--ack")
    t.check(0 < again[0] <= len(got), f"written: {len(got)}; goes on at {again[0]}")
    t.equal(again, list(range(again[0], total)), "and to the end")


def letters(c):
    """dead: a list with the bytes, requeue and discard, one and all."""
    path = c.path("c")
    messages = [b"plain text", b"\x00\xff\x01 bytes", b"", b"x" + "ä".encode() * 200, b"y" * 3000,
                b"last\ttab"]
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "4")
    c.run("send", "-q", path, "--length-prefixed", data=t.prefixed(messages))
    c.run("groups", "create", "-q", path, "g", "--mode", "ack", "--max-attempts", "2")
    t.equal(dead(c, path, "g"), [], "none")
    t.check(b"no dead letters" in c.run("dead", path, "g").out, "none, for people")
    no_room(c, path, "g", 1)
    t.equal(dead(c, path, "g"), [], "one attempt is left")
    no_room(c, path, "g", len(messages))  # what was returned is given one by one
    seen = dead(c, path, "g")
    t.equal([(d["attempts"], d["size"]) for d in seen], [(2, len(m)) for m in messages], seen)
    for entry in seen:
        t.equal(entry["position"], entry["page"] << 16 | entry["slot"], entry)
    t.equal([d.get("begins") for d in seen],
            ["plain text", None, "", "x" + "ä" * 127, "y" * 256, "last\ttab"], seen)
    t.equal(t.json.loads(t.json.dumps(seen[1]["begins_base64"])), "AP8BIGJ5dGVz", seen)
    text = narrow(c.run("dead", path, "g").out.decode())
    for words in ("plain text", "... bytes", "y" * 40 + "..", "3,000", "last.tab",
                  f"{seen[4]['page']}:{seen[4]['slot']}"):
        t.check(words in text, f"no {words}: {text}")
    t.equal(c.run("recv", path, "--group", "g", "--ack").out, b"", "nobody gets them")
    told = c.run("dead", path, "g", "--requeue", f"{seen[0]['page']}:{seen[0]['slot']}")
    t.check("1 dead letter of group g is given again" in told.err, told)
    t.equal(c.run("recv", path, "--group", "g", "--ack").out, b"plain text\n", "given again")
    c.run("dead", path, "g", "--discard", seen[4]["position"])
    t.equal([d["size"] for d in dead(c, path, "g")], [9, 0, 401, 8], "the others")
    t.check("4 dead letters" in c.run("dead", path, "g", "--requeue", "all").err, "told")
    again = c.run("recv", path, "--group", "g", "--ack", "--length-prefixed").out
    t.equal(t.unprefixed(again), [messages[i] for i in (1, 2, 3, 5)], "all of them")
    c.refused(3, ["0:0 is no dead letter of group g"], "dead", path, "g", "--discard", "0:0")
    c.refused(3, ["is no dead letter"], "dead", path, "g", "--requeue", "77:5")
    c.run("groups", "seek", "-q", path, "g", "--to", "oldest")
    no_room(c, path, "g", 1 + len(messages))
    c.run("dead", path, "g", "-q", "--discard", "all")
    t.equal((dead(c, path, "g"), groups(c, path)["g"]["lag_messages"]), ([], 0), "discarded")
    t.check("0 dead letters" in c.run("dead", path, "g", "--discard", "all").err, "none are left")


def many_letters(c):
    """More dead letters than are read at once."""
    path = c.path("c")
    total = 2500
    c.run("send", "-q", path, "--create", data=b"".join(b"%d\n" % i for i in range(total)))
    with open("/dev/full", "wb") as device:
        while len(dead(c, path, "g") if "g" in groups(c, path) else []) < total:
            c.run("recv", "-q", path, "--group", "g", "--ack", "--max-attempts", "1",
                  stdout=device, status=6)
    t.equal([int(d["begins"]) for d in dead(c, path, "g")], list(range(total)), "all, in order")
    c.run("dead", path, "g", "--requeue", "all")
    t.equal(received(c, path, "g", "--ack"), list(range(total)), "and again")


def nack(c):
    """Another attempt for dead letters at once, for what was returned later."""
    path = channel(c, 20)
    c.run("groups", "create", "-q", path, "g", "--mode", "ack", "--max-attempts", "2")
    no_room(c, path, "g", 1, "--count", "4")
    no_room(c, path, "g", 4)
    t.equal([d["slot"] for d in dead(c, path, "g")], [0, 1, 2, 3], "dead")
    before = ageless(c, path)
    c.refused(3, ["0:4 is no dead letter", "--delay"], "nack", path, "g", "0:1", "0:4")
    t.equal(ageless(c, path), before, "all or nothing")
    told = c.run("nack", path, "g", "0:2", "1", "2")  # the same twice
    t.check("2 messages of group g will be given again" in told.err, told)
    t.equal(received(c, path, "g", "--ack", "--count", "2"), [1, 2], "given again, first")
    told = c.run("nack", path, "g", "position:0", "0:5", "--delay", "1000")
    t.check("2 messages of group g put off" in told.err, told)
    t.equal(received(c, path, "g", "--ack"), [4] + list(range(6, 20)), "not what is put off")
    seen = groups(c, path)["g"]
    t.equal((seen["returned"], seen["dead"]), (2, 1), "they wait")
    c.refused(3, ["0:5 does not wait", "put off"], "nack", path, "g", "0:5", "--delay", "1")
    c.refused(3, ["0:6 does not wait"], "nack", path, "g", "0:6", "--delay", "1")
    c.refused(3, ["9:9 does not wait"], "nack", path, "g", "9:9", "--delay", "1")
    c.run("nack", path, "g", "0:3", "--delay", "0.05")
    result = c.run("recv", path, "--group", "g", "--ack", "--follow", "--count", "1", "--json")
    t.equal(t.json.loads(result.out)["slot"], 3, "given when the time has come")
    c.run("groups", "pause", "-q", path, "g")
    c.refused(1, ["is paused", "resume"], "nack", path, "g", "0:5", "--delay", "1")
    c.run("groups", "create", "-q", path, "once", "--mode", "ack", "--max-attempts", "1")
    c.refused(2, ["once"], "nack", path, "once", "0:5", "--delay", "1")


def nack_others(c):
    """What comes before the message that is put off is received, too: it says so, none dies."""
    path = channel(c, 10)
    c.run("groups", "create", "-q", path, "g", "--mode", "ack", "--max-attempts", "3")
    no_room(c, path, "g", 1)
    told = c.run("nack", path, "g", "0:7", "--delay", "1000")
    t.check("1 message of group g put off" in told.err and "7 other messages" in told.err, told)
    lines = c.run("recv", path, "--group", "g", "--ack", "--json").out.splitlines()
    seen = {e["slot"]: e.get("attempt", 1) for e in map(t.json.loads, lines)}
    t.equal(seen, {**{i: 3 for i in range(7)}, 8: 2, 9: 2}, "attempts")
    c.run("groups", "seek", "-q", path, "g", "--to", "oldest")
    no_room(c, path, "g", 1)
    for _ in range(5):  # at the last attempt they begin anew; it is not to be had before its time
        t.wait(lambda: c.run("nack", path, "g", "0:9", "--delay", "0.001",
                             status=None).status == 0, "0:9 put off again")
        t.equal(groups(c, path)["g"]["dead"], 0, "none died")
    t.equal(sorted(received(c, path, "g", "--ack")), list(range(10)), "none is lost")


def nack_lossy(c):
    """nack meets what the group lost: it tells it, as it is told but once."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "2", "--policy", "drop-oldest")
    c.run("groups", "create", "-q", path, "g", "--mode", "ack")
    c.run("send", "-q", path, data=b"".join(b"%d\n" % i for i in range(2000)))
    first = c.run("recv", "-q", path, "--group", "other", "--count", "1", "--json").json()
    result = c.run("nack", path, "g", first["position"], "--delay", "1000", status=1)
    t.check(f"lost {first['data']} messages" in result.err and "1 message of group g put off" in
            result.err, result)
    t.equal(groups(c, path)["g"]["returned"], 1, "nothing else was claimed")
    t.equal(received(c, path, "g", "--ack"), list(range(int(first["data"]) + 1, 2000)), "the rest")


def no_space(c):
    """A full disk: no group is made, no message put off, and what is there is not harmed."""
    small = c.path("small")
    os.mkdir(small)
    script = """
        mount -t tmpfs -o size=2m none "$2" || exit 99
        "$1" create -q "$2/c" --page-size 64K --max-pages 4
        seq 9 | "$1" send -q "$2/c"
        "$1" recv -q "$2/c" --group g --ack --count 1
        cat /dev/zero >"$2/rest" 2>/dev/null
        "$1" groups create "$2/c" new; echo "create $?"
        "$1" recv "$2/c" --group new --ack; echo "recv $?"
        "$1" nack "$2/c" g 0:1 --delay 100; echo "nack $?"
        "$1" groups "$2/c" --json
        "$1" recv -q "$2/c" --group g --ack | wc -l
    """
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else \
        ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run([*namespace, "sh", "-c", script, "sh", c.quire, small],
                          capture_output=True, text=True, check=False, timeout=t.LIMIT_S)
    if done.returncode == 99 or "unshare" in done.stderr:
        raise t.Skip(f"no file system may be mounted here: {done.stderr}")
    lines = done.stdout.split("\n")
    t.equal(lines[:4] + lines[5:], ["1", "create 6", "recv 6", "nack 6", "8", ""], done)
    t.equal([g["name"] for g in t.json.loads(lines[4])["groups"]], ["g"], "half made")
    t.equal(done.stderr.lower().count("no space"), 3, done.stderr)


def refused(c):
    """Channels and groups that are not there, or not for us: each status, nothing changed."""
    path = channel(c, 5)
    c.run("groups", "create", "-q", path, "workers", "--mode", "ack")
    c.run("groups", "create", "-q", path, "auto")
    commands = [["groups", "list"], ["groups", "holders"], ["groups", "create", "", "new"],
                ["groups", "delete", "", "auto"], ["groups", "pause", "", "auto"],
                ["groups", "resume", "", "auto"],
                ["groups", "seek", "", "auto", "--to", "newest"], ["dead", "", "workers"],
                ["dead", "", "workers", "--requeue", "all"], ["nack", "", "workers", "0:0"]]
    with open(c.path("file"), "wb") as file:
        file.write(b"x" * 9000)
    before = c.tree()
    for command in commands:
        def on(where, line=command):
            return [*(word or where for word in line), *([where] if "" not in line else [])]
        c.refused(3, ["no such", "nowhere"], *on(c.path("nowhere")))
        c.refused(3, ["not a", "file"], *on(c.path("file")))
        c.refused(7, ["permission", path], *on(path), preexec_fn=t.as_nobody)
    t.equal(c.tree(), before, "something was changed")
    before = ageless(c, path)
    for command in (["groups", "delete", path, "worker"], ["groups", "pause", path, "worker"],
                    ["groups", "resume", path, "worker"], ["dead", path, "worker"],
                    ["groups", "seek", path, "worker", "--to", "0"],
                    ["nack", path, "worker", "0:0"], ["dead", path, "worker", "--discard", "all"]):
        c.refused(3, ["no group 'worker'", "did you mean 'workers'?"], *command)
    c.refused(3, ["no group 'nobody'", "but auto, workers"], "dead", path, "nobody")
    for command in (["dead", path, "auto"], ["dead", path, "auto", "--requeue", "all"],
                    ["nack", path, "auto", "0:0"]):
        c.refused(2, ["does not acknowledge"], *command)
    for place, words in (("99", "not there yet"), ("0:6", "not there yet")):
        c.refused(2, ["--to " + place, words, "pages 0 to 0"], "groups", "seek", path, "auto",
                  "--to", place)
        c.refused(2, ["--from " + place, words], "groups", "create", path, "new", "--from", place)
    t.equal(ageless(c, path), before, "something was changed")
    c.run("groups", "delete", "-q", path, "auto")
    c.run("groups", "delete", "-q", path, "workers")
    c.refused(3, ["no group 'x', nor any other"], "dead", path, "x")


def recycled(c):
    """A place whose page is no longer held."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "2")
    for _ in range(6):
        c.run("send", "-q", path, data=b"\n".join(b"%d" % i for i in range(100)))
        t.equal(len(c.run("recv", "-q", path, "--group", "g").out.split()), 100, "all")
    c.refused(3, ["--to 0:3", "no longer held"], "groups", "seek", path, "g", "--to", "0:3")
    c.refused(3, ["--from 0", "no longer held"], "groups", "create", path, "h", "--from", "0")


def observers(c):
    """Who may read the files may look; nothing is written."""
    path = channel(c, 5, "--mode", "0644")
    no_room(c, path, "g", 1, "--max-attempts", "1", "--count", "1")
    before = c.tree()
    seen = c.run("groups", path, "--json", preexec_fn=t.as_nobody).json()["groups"]
    t.equal([(g["name"], g["dead"]) for g in seen], [("g", 1)], seen)
    listed = c.run("dead", path, "g", "--json", preexec_fn=t.as_nobody).json()["dead"]
    t.equal([d["begins"] for d in listed], ["0"], listed)
    t.equal(c.tree(), before, "something was changed")
    with open("/dev/full", "wb") as device:
        for command in (["groups", path], ["groups", path, "--json"],
                        ["groups", "holders", path], ["groups", "holders", path, "--json"],
                        ["dead", path, "g"],
                        ["dead", path, "g", "--json"]):
            result = c.run(*command, stdout=device, status=6)
            t.check("standard output" in result.err, result)


CASES = {f.__name__: f for f in (listing, oldest, holders, borrowed, in_use, verbs, times,
                                 recv_ack, overwritten, broken_pipe, output_full, stopped, killed,
                                 letters, many_letters, nack, nack_others, nack_lossy, no_space,
                                 refused, recycled, observers)}


if __name__ == "__main__":
    sys.exit(t.main(CASES))
