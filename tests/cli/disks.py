#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Durability, engines and doctor: what is said of disks is so. usage: disks.py QUIRE CASE

QUIRE_TEST_DENY names the program that runs a command under a seccomp filter.
"""
import os
import shutil
import struct
import subprocess
import sys

import case as t

POISON = 2 * 4096 + 448  # in the control file: see docs/format.md, 3.2
ANY_ENGINE = {"QUIRE_ENGINE": None}  # whatever the tests as a whole run with
THREADS = {"QUIRE_ENGINE": "threads"}
NUMBERS = b"".join(b"%d\n" % i for i in range(1000))


def denied(c, call, *arguments, **options):
    """A command under a filter that refuses the call."""
    deny = os.environ.get("QUIRE_TEST_DENY")
    if not deny:
        raise t.Skip("QUIRE_TEST_DENY is not set")
    options.setdefault("variables", ANY_ENGINE)
    result = c.run(*arguments, under=[deny, call], status=None, **options)
    if result.status == 77:
        raise t.Skip("the kernel takes no filter")
    return result


def finding(seen, name):
    found = [f for f in seen["findings"] if f["name"] == name]
    t.equal(len(found), 1, f"{name} in {seen}")
    return found[0]


def has_uring(c):
    return c.run("doctor", "--json", status=None, variables=ANY_ENGINE).json()["io_uring"]


def modes(c):
    """send in each mode: what it calls durable, stat and sync call durable, too."""
    path = c.path("c")
    sent = c.run("send", path, "--create", "--json", data=NUMBERS).json()
    t.equal((sent["durability"], sent["commits"]), ("none", 0), sent)
    t.equal(c.stat(path)["undurable"], 1000, "none")
    t.check("not the 1,000 from there on" in c.run("stat", path).out.decode(), "stat says so")
    synced = c.run("sync", path, "--json").json()
    t.equal(synced["durable_position"], synced["end_position"], synced)
    t.check(synced["commits"] >= 1, synced)
    seen = c.stat(path)
    t.equal((seen["undurable"], seen["durable_position"], seen["poisoned"]),
            (0, synced["durable_position"], False), seen)
    t.check("durable   everything" in c.run("stat", path).out.decode(), "stat says so")
    t.check("POISONED" not in c.run("stat", path).out.decode(), "stat says so")

    each = c.run("send", path, "--durability", "each", "--json", data=b"a\nb\n").json()
    t.equal((each["durability"], each["durable_position"]), ("each", each["end_position"]), each)
    t.check(each["commits"] >= 1, each)
    many = c.run("send", path, "--durability", "interval", "--sync-every", "100", "--sync-delay",
                 "3600000", "--json", data=NUMBERS).json()
    t.equal((many["durability"], many["durable_position"]), ("interval", many["end_position"]),
            many)
    t.equal(c.stat(path)["undurable"], 0, "interval")
    err = c.run("send", path, "--durability", "each", data=b"c\n").err
    t.check(err.rstrip().endswith("what was sent is durable"), err)
    t.check(max(map(len, err.splitlines())) <= 80, err)
    err = c.run("send", path, data=b"d\n").err
    t.check("durable" not in err, err)

    out = c.run("sync", path).out.decode()
    position = c.stat(path)["durable_position"]
    t.check(f"page {position >> 16}, slot {position & 65535} (position {position})" in out, out)
    t.check(max(map(len, out.splitlines())) <= 80, out)
    t.equal(c.run("sync", "-q", path).out, b"", "quiet")
    got = c.run("recv", path, "--group", "g", "--commit-every", "10", "--commit-delay", "5").out
    t.equal(got, NUMBERS + b"a\nb\n" + NUMBERS + b"c\nd\n", "everything is there")
    t.equal(c.run("recv", path, "--group", "g").out, b"", "the place was kept")

    c.run("send", path, data=b"e\n")
    c.run("recv", path, "--group", "g")
    t.equal(c.stat(path)["undurable"], 1, "recv alone syncs nothing")
    for option in ("--commit-every", "--commit-delay"):
        c.run("send", path, data=b"f\n")
        c.run("recv", path, "--group", "g", option, "10")
        t.equal(c.stat(path)["undurable"], 0, option)


def full_each(c):
    """A page is waited for in slices of time; the disk is not."""
    path = c.path("c")
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "3")
    result = c.refused(5, "is full; line", "send", path, "--durability", "each", "--timeout",
                       "0.3", data=NUMBERS)
    number = int(result.err.split("line ")[1].split()[0])
    t.equal(c.stat(path)["undurable"], 0, "what was sent is durable")
    got = c.run("recv", path, "--group", "g").out.split()
    t.equal(got, NUMBERS.split()[:number - 1], "what was sent")


def observed(c):
    """Another process has the channel: sync leaves it alone, stat and doctor look."""
    path = c.path("c")
    c.run("send", path, "--create", data=b"a\n")
    holder = c.start("recv", path, "--group", "g", "--follow")
    t.equal(holder.stdout.readline(), b"a\n", "the holder")
    c.refused(4, [path, f"process {holder.pid} has it open"], "sync", path)
    t.equal(c.stat(path)["undurable"], 1, "an observer sees it")
    seen = c.run("doctor", path, "--json", status=None).json()
    t.equal((seen["place"], seen["poisoned"]), ("channel", False), seen)


def poisoned(c):
    """A sync has failed: refused from then on, with a status of its own; receiving goes on."""
    path = c.path("c")
    c.run("send", path, "--create", "--durability", "each", data=NUMBERS)
    with open(path + "/control", "r+b") as control:
        control.seek(POISON)
        t.equal(control.read(4), bytes(4), "the poison before")
        control.seek(POISON)
        control.write(struct.pack("<I", 5))
    for command in (["send"], ["send", "--durability", "each"], ["send", "--durability",
                                                                 "interval"], ["sync"]):
        result = c.refused(10, ["sync", "failed", "quire recv"], command[0], path, *command[1:],
                           data=b"never\n")
        t.check(command == ["sync"] or "line 1 and what follows" in result.err, result)
        t.check("what was sent is durable" not in result.err, result)
        t.equal(result.err.count("failed"), 1, f"said once: {result}")
    t.equal(c.stat(path)["poisoned"], True, "stat")
    t.check("POISONED" in c.run("stat", path).out.decode(), "stat")
    seen = c.run("doctor", path, "--json", status=11).json()
    t.equal((seen["ok"], seen["poisoned"]), (False, True), seen)
    t.equal(finding(seen, "place")["level"], "wrong", seen)
    t.check("poisoned" in c.run("doctor", path, status=11).out.decode(), "doctor")
    t.equal(c.run("recv", path, "--group", "g").out, NUMBERS, "receiving goes on")
    result = c.run("recv", path, "--group", "h", "--commit-every", "7", status=10)
    t.equal(result.out, NUMBERS, "the same, but the place is not durable")
    t.check("may come again" in result.err, result)


def engines(c):
    """The engine that was asked for, by option or environment, is the one that is named."""
    path = c.path("c")
    sent = c.run("send", path, "--create", "--durability", "interval", "--engine", "threads",
                 "--json", data=NUMBERS).json()
    t.equal(sent["engine"], "threads", sent)
    sent = c.run("send", path, "--durability", "interval", "--json", data=NUMBERS,
                 variables=THREADS).json()
    t.equal(sent["engine"], "threads", sent)
    t.check("threads were asked for" in sent["engine_reason"], sent)
    if has_uring(c):
        for options in (["--engine", "uring"], []):
            sent = c.run("send", path, "--durability", "interval", "--json", *options,
                         data=NUMBERS, variables=ANY_ENGINE).json()
            t.equal((sent["engine"], sent["engine_reason"]), ("uring", None), sent)
    for engine in ("threads", "uring") if has_uring(c) else ("threads",):
        seen = c.run("bench", "--backing", "directory", "--messages", "500", "--durability",
                     "each", "--engine", engine, "--json").json()
        t.equal(seen["engine"], engine, seen)


def refused(c):
    """io_uring denied by a filter: doctor names it, threads do the work, uring alone is refused."""
    path = c.path("c")
    result = denied(c, "io_uring", "doctor", "--json")
    t.equal(result.status, 11, result)
    seen = result.json()
    t.equal((seen["ok"], seen["engine"], seen["io_uring"], seen["io_uring_blocker"]),
            (False, "threads", False, "seccomp"), seen)
    t.check("seccomp" in seen["io_uring_reason"], seen)
    t.equal(finding(seen, "io_uring")["level"], "wrong", seen)
    t.check("io_uring_setup" in finding(seen, "io_uring")["advice"], seen)
    text = denied(c, "io_uring", "doctor").out.decode()
    t.check("WRONG  io_uring" in text and "seccomp filter" in text, text)
    t.check(max(map(len, text.splitlines())) <= 80, text)
    t.equal(denied(c, "io_uring", "doctor", "--quiet").out, b"", "quiet")

    sent = denied(c, "io_uring", "send", path, "--create", "--durability", "interval", "--json",
                  data=NUMBERS).json()
    t.equal(sent["engine"], "threads", sent)
    t.check("seccomp" in sent["engine_reason"], sent)
    before = c.tree()
    for command, variables in ((["send", path, "--engine", "uring"], ANY_ENGINE),
                               (["sync", path, "--engine", "uring"], ANY_ENGINE),
                               (["sync", path], {"QUIRE_ENGINE": "uring"})):
        result = denied(c, "io_uring", *command, data=b"never\n", variables=variables)
        t.equal((result.status, result.out), (11, b""), result)
        t.check("quire doctor" in result.err and "engine" in result.err, result)
        t.equal(c.tree()[path + "/pages/00000.page"], before[path + "/pages/00000.page"], result)
    result = denied(c, "io_uring", "doctor", "--json", variables={"QUIRE_ENGINE": "uring"})
    t.equal((result.status, result.json()["engine"]), (11, None), result)
    t.check("none" in finding(result.json(), "engine")["text"], result)

    result = denied(c, "membarrier", "doctor", "--json")
    t.equal(result.json()["membarrier"], False, result)
    t.equal(finding(result.json(), "membarrier")["level"], "note", result)


def doctor(c):
    """The machine and a directory: every figure is there, and the text says the same."""
    seen = c.run("doctor", "--json", status=None, variables=ANY_ENGINE).json()
    t.equal(seen["kernel"], os.uname().release, seen)
    t.equal(seen["engine"], "uring" if seen["io_uring"] else "threads", seen)
    t.equal(seen["engine_asked"], None, seen)
    t.check("path" not in seen and "place" not in [f["name"] for f in seen["findings"]], seen)
    names = [f["name"] for f in seen["findings"]]
    t.equal(names, ["io_uring", "engine", "kernel", "membarrier", "memlock", "huge pages"], seen)
    t.equal(seen["ok"], all(f["level"] != "wrong" for f in seen["findings"]), seen)
    t.equal(c.run("doctor", status=None, variables=ANY_ENGINE).status, 0 if seen["ok"] else 11, "")

    seen = c.run("doctor", "--json", status=11, variables=THREADS).json()
    t.equal((seen["engine"], seen["engine_asked"], seen["ok"]), ("threads", "threads", False), seen)
    t.check("QUIRE_ENGINE" in finding(seen, "engine")["text"], seen)
    seen = c.run("doctor", "--json", status=11, variables={"QUIRE_ENGINE": "steam"}).json()
    t.equal((seen["engine"], finding(seen, "engine")["level"]), (None, "wrong"), seen)
    t.check("names neither" in finding(seen, "engine")["text"], seen)
    c.refused(2, ["QUIRE_ENGINE", "steam", "uring, threads"], "send", c.path("new"), "--create",
              data=b"never\n", variables={"QUIRE_ENGINE": "steam"})

    before = c.tree()
    room = os.statvfs(c.work)
    seen = c.run("doctor", ".", "--json", status=None, variables=ANY_ENGINE).json()
    t.equal((seen["path"], seen["place"]), (".", "directory"), seen)
    t.equal(seen["bytes"], room.f_blocks * room.f_frsize, seen)
    kind = subprocess.run(["df", "--output=fstype", c.work], capture_output=True, text=True,
                          check=True).stdout.split()[-1]
    t.equal(seen["file_system"], kind, seen)
    for name in ("file system", "allocation", "sync"):
        finding(seen, name)
    t.equal(c.tree(), before, "doctor changed something")
    c.run("create", "-q", c.path("c"))
    before = c.tree()
    seen = c.run("doctor", c.path("c"), "--json", status=None, variables=ANY_ENGINE).json()
    t.equal((seen["place"], seen["files"], seen["files_shared"], seen["files_unknown"]),
            ("channel", 17, 0, 0), seen)
    text = c.run("doctor", c.path("c"), status=None).out.decode()
    t.check("none of 17 files shares its blocks" in text, text)
    t.check(max(map(len, text.splitlines())) <= 80, text)
    t.equal(c.tree(), before, "doctor changed something")
    with open(c.path("c/pages/00000.page"), "r+b") as page:
        subprocess.run(["fallocate", "-p", "-o", "8192", "-l", "8192", page.name], check=True)
    seen = c.run("doctor", c.path("c"), "--json", status=None, variables=ANY_ENGINE).json()
    t.equal((seen["files_sparse"], finding(seen, "holes")["level"]), (1, "note"), seen)

    c.refused(3, ["no such", "nowhere"], "doctor", "nowhere")
    c.refused(3, ["directory"], "doctor", c.path("c/control"))
    os.mkdir(c.path("secret"), 0o700)
    c.refused(7, ["permission"], "doctor", c.path("secret"), preexec_fn=t.as_nobody)
    os.mkdir(c.path("other"))
    shutil.copy(c.path("c/pages/00001.page"), c.path("other/control"))
    c.refused(3, ["not a quire channel"], "doctor", c.path("other"))


def mounted(c, script):
    """A script with the right to mount, that no mount outlives; its lines."""
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else \
        ["unshare", "--user", "--map-root-user", "--mount"]
    environment = {k: v for k, v in os.environ.items() if k != "QUIRE_ENGINE"}
    done = subprocess.run([*namespace, "sh", "-c", script, "sh", c.quire, c.work],
                          capture_output=True, text=True, check=False, timeout=t.LIMIT_S,
                          env=environment)
    if done.returncode == 99 or "unshare" in done.stderr:
        raise t.Skip(f"no file system may be mounted here: {done.stderr}")
    return done


def file_systems(c):
    """tmpfs is memory, an overlay unknown, a volatile one not believed, too little room a note."""
    script = """
        cd "$2" && mkdir tmp low && mount -t tmpfs -o size=8m none tmp || exit 99
        "$1" doctor --json tmp; echo "$?"
        mkdir tmp/up tmp/work tmp/up2 tmp/work2 over volatile || exit 99
        mount -t overlay -o lowerdir=low,upperdir=tmp/up,workdir=tmp/work none over || exit 99
        "$1" doctor --json over; echo "$?"
        mount -t overlay -o volatile,lowerdir=low,upperdir=tmp/up2,workdir=tmp/work2 none volatile \
            || exit 99
        "$1" doctor --json volatile; echo "$?"
        mount -o remount,ro tmp && "$1" doctor --json tmp; echo "$?"
    """
    done = mounted(c, script)
    lines = done.stdout.split("\n")
    t.equal(lines[1::2], ["11"] * 4, done)
    tmp, over, volatile, frozen = [t.json.loads(line) for line in lines[:8:2]]
    t.equal((tmp["file_system"], tmp["sync"], tmp["preallocation"]), ("tmpfs", "memory", True), tmp)
    t.equal((tmp["bytes"], finding(tmp, "file system")["level"]), (8 << 20, "note"), tmp)
    t.check("takes 21.6 MiB" in finding(tmp, "file system")["advice"], tmp)
    t.equal((over["file_system"], over["sync"]), ("overlay", "unknown"), over)
    t.check("unknown" in finding(over, "sync")["text"], over)
    t.equal(volatile["sync"], "ignored", volatile)
    t.check("volatile" in volatile["sync_option"], volatile)
    t.equal(frozen["read_only"], True, frozen)
    t.equal(finding(frozen, "allocation")["level"], "wrong", frozen)
    t.check("mounted read-only" in finding(frozen, "allocation")["text"], frozen)


def shared(c):
    """A reflinked copy shares its blocks until it is opened; btrfs wants the attribute C."""
    script = """
        cd "$2" && truncate -s 320M image && mkdir disk || exit 99
        mkfs.$3 >log 2>&1 && mount -o loop image disk || exit 99
        "$1" doctor --json disk; "$1" create -q disk/c --page-size 64K
        cp -a --reflink disk/c disk/d
        "$1" doctor --json disk/d; echo x | "$1" send disk/d; echo "send $?"
        "$1" doctor --json disk/d
    """
    done = mounted(c, script.replace("$3", "xfs -q -m reflink=1 image"))
    empty, copy, send, after = done.stdout.strip().split("\n")
    t.equal((t.json.loads(empty)["file_system"], t.json.loads(empty)["sync"]),
            ("xfs", "believed"), done)
    copy, after = t.json.loads(copy), t.json.loads(after)
    t.check(copy["files_shared"] > 0 and not copy["ok"], copy)
    t.equal(finding(copy, "sharing")["level"], "wrong", copy)
    t.equal((send, after["files_shared"]), ("send 0", 0), done)
    for name in ("disk", "image", "log"):
        if os.path.isdir(c.path(name)):
            os.rmdir(c.path(name))
        else:
            os.remove(c.path(name))

    done = mounted(c, script.replace("$3", "btrfs -q image").replace("cp -a --reflink disk/c",
                   "mkdir disk/d disk/d/pages disk/d/groups disk/d/quarantine && "
                   "cp disk/c/control disk/d && cp disk/c/pages/* disk/d/pages; : disk/c"))
    empty, copy, send, after = done.stdout.strip().split("\n")
    t.equal((t.json.loads(empty)["file_system"], t.json.loads(empty)["copy_on_write"]),
            ("btrfs", False), done)
    copy = t.json.loads(copy)
    t.equal((copy["copy_on_write"], finding(copy, "blocks")["level"]), (True, "wrong"), copy)
    t.equal(send, "send 3", done)
    t.check("shares its blocks" in done.stderr and "reflink=never" in done.stderr, done)


def bench(c):
    """bench: what is to be durable is verified as ever, and its commits are counted."""
    for durability, options in (("each", []), ("each", ["--producers", "4", "--batch", "8"]),
                                ("interval", ["--sync-every", "100", "--sync-delay", "1"])):
        seen = c.run("bench", "--json", "--backing", "directory", "--messages", "800", "--runs", 3,
                     "--durability", durability, *options).json()
        t.equal((seen["verified"], seen["durability"]), (True, durability), seen)
        for result in [seen, *seen["results"]]:
            t.check(result["durable_messages_per_s"] > 0, seen)
            t.check(result["commits"] >= 1 and result["commit_ns"] > 0, seen)
            # Places of groups have commits of their own.
            t.check(options != [] or result["commits"] >= 800, "one at a time")
        t.equal(c.tree(), {}, "left behind")
    seen = c.run("bench", "--json", "--messages", "800").json()
    t.equal((seen["durability"], seen["durable_messages_per_s"], seen["commits"],
             seen["commit_ns"]), ("none", None, None, None), seen)
    text = c.run("bench", "--backing", "directory", "--messages", "200", "--durability",
                 "each").out.decode()
    for words in ("durable messages/s", "commits", "time of a commit", "durability each, engine "):
        t.check(words in text, text)
    t.check(max(map(len, text.splitlines())) <= 80, text)
    with open(c.path("text"), "wb") as file:
        file.write(NUMBERS)
    seen = c.run("demo", "--json", "--input", "text", "--passes", 20, "--split", "line",
                 "--directory", "d", "--keep", "--durability", "interval").json()
    t.equal((seen["verified"], seen["durability"]), (True, "interval"), seen)
    t.equal(c.stat(c.path("d"))["undurable"], 0, "demo")


CASES = {f.__name__: f for f in (modes, full_each, observed, poisoned, engines, refused, doctor,
                                 file_systems, shared, bench)}

if __name__ == "__main__":
    sys.exit(t.main(CASES))
