#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input: each with its exit status, an error that names the cause, and nothing changed.

usage: refusals.py QUIRE CASE
"""
import os
import shutil
import signal
import struct
import subprocess
import sys

import case as t

OPENERS = [["send"], ["recv", "--group", "g"], ["stat"], ["groups"]]
NOT_THERE = "no such"


def refused_by_all(c, status, words, path):
    """Every command that opens a channel refuses this one and leaves every byte as it was."""
    for command in OPENERS:
        before = c.tree()
        c.refused(status, [path, *words], *command, path, data=b"never\n")
        t.equal(c.tree(), before, f"{command} changed something")


def channel(c, name, *options):
    path = c.path(name)
    c.run("create", "-q", path, "--page-size", "4K", "--max-pages", "3", *options)
    c.run("send", "-q", path, data=b"a\nb\n")
    c.run("recv", "-q", path, "--group", "old", "--count", "1")
    return path


def paths(c):
    """Paths that are no channel, or not there."""
    refused_by_all(c, 3, [NOT_THERE], c.path("nowhere"))
    refused_by_all(c, 3, [NOT_THERE], c.path("nowhere/below"))
    with open(c.path("file"), "wb") as file:
        file.write(b"just bytes\n" * 1000)
    refused_by_all(c, 3, ["not a"], c.path("file"))
    refused_by_all(c, 3, [], c.path("file/below"))
    os.mkdir(c.path("empty"))
    refused_by_all(c, 3, ["not a quire channel"], c.path("empty"))
    os.makedirs(c.path("other/pages"))
    with open(c.path("other/control"), "wb") as file:
        file.write(b"another program's control file" * 1000)
    refused_by_all(c, 3, ["not a quire channel"], c.path("other"))
    refused_by_all(c, 3, [], "/" + "x" * 300)
    refused_by_all(c, 3, [], "/" + "x/" * 5000)
    for command in OPENERS:
        c.refused(3, [NOT_THERE], *command, "", data=b"never\n")


def versions(c):
    """A channel of another version."""
    path = channel(c, "c")
    with open(path + "/control", "r+b") as control:
        for block in (0, 4096):
            control.seek(block + 8)
            version = struct.unpack("<I", control.read(4))[0]
            control.seek(block + 8)
            control.write(struct.pack("<I", version + 1))
    refused_by_all(c, 3, ["version"], path)


def damage(c):
    """Short and missing files, and both copies of the superblock damaged."""
    whole = channel(c, "whole")

    def copy(name):
        shutil.copytree(whole, c.path(name))
        return c.path(name)

    for size in (0, 1, 4095, 4096, 8192, os.stat(whole + "/control").st_size - 1):
        path = copy(f"control{size}")
        os.truncate(path + "/control", size)
        refused_by_all(c, 3, [], path)
    path = copy("superblocks")
    with open(path + "/control", "r+b") as control:
        for block in (0, 4096):
            control.seek(block + 100)
            control.write(b"\xff")
    refused_by_all(c, 3, ["damaged"], path)
    path = copy("one-superblock")
    with open(path + "/control", "r+b") as control:
        control.seek(100)
        control.write(b"\xff")
    t.equal(c.run("recv", path, "--group", "new").out, b"a\nb\n", "one copy is enough")
    for size in (0, 4096, os.stat(whole + "/pages/00000.page").st_size - 1):
        path = copy(f"page{size}")
        os.truncate(path + "/pages/00000.page", size)
        refused_by_all(c, 3, ["short or damaged"], path)
    path = copy("no-page")
    os.remove(path + "/pages/00000.page")
    refused_by_all(c, 3, [], path)
    path = copy("group")
    os.truncate(path + "/groups/old.group", 100)
    refused_by_all(c, 3, ["short or damaged"], path)


def permissions(c):
    """File permissions, seen by another user: refused by name, nothing left behind."""
    path = channel(c, "c")
    os.chmod(c.path("."), 0o755)
    before = c.tree()
    for command in OPENERS:
        c.refused(7, ["permission", path], *command, path, data=b"never\n",
                  preexec_fn=t.as_nobody)
    c.refused(7, ["permission"], "create", c.path("new"), preexec_fn=t.as_nobody)
    c.refused(7, ["permission"], "send", c.path("new"), "--create", data=b"x",
              preexec_fn=t.as_nobody)
    with open(c.path("secret"), "wb") as file:
        file.write(b"x\n")
    os.chmod(c.path("secret"), 0o600)
    c.refused(7, ["permission", "secret"], "send", c.path("new"), "secret", "--create",
              preexec_fn=t.as_nobody)
    os.remove(c.path("secret"))
    t.equal(c.tree(), before, "something was changed or left behind")


def read_only(c):
    """An observer needs no permission to write."""
    path = channel(c, "c", "--mode", "0644")
    before = c.tree()
    seen = c.run("stat", path, "--json", preexec_fn=t.as_nobody).json()
    t.equal(seen["messages"], 2, seen)
    t.equal(c.tree(), before, "stat changed something")


def busy(c):
    """A channel that another process has open, and one whose process was killed."""
    path = channel(c, "c")
    holder = c.start("recv", path, "--group", "g", "--follow")
    t.equal(holder.stdout.readline(), b"a\n", "the holder")
    for command in OPENERS[:2]:
        c.refused(4, [path, f"process {holder.pid} has it open"], *command, path, data=b"x\n")
    c.run("stat", path)
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=t.LIMIT_S)
    c.run("send", path, data=b"c\n")
    t.equal(c.run("recv", path, "--group", "new").out, b"a\nb\nc\n", "after the kill")
    t.equal(c.stat(path)["recoveries"], 1, "repaired")


def exists(c):
    """create never touches what is there, and makes no parents."""
    path = channel(c, "c")
    os.mkdir(c.path("d"))
    with open(c.path("f"), "wb"):
        pass
    os.symlink("nowhere", c.path("link"))
    before = c.tree()
    for name in ("c", "d", "f", "link"):
        c.refused(8, ["exists", name], "create", c.path(name))
    c.refused(3, [NOT_THERE], "create", c.path("no/parent"))
    c.refused(3, [], "create", c.path("f/below"))
    t.equal(c.tree(), before, "something was changed or left behind")
    c.run("send", path, "--create", data=b"c\n")
    t.equal(c.run("recv", path, "--group", "new").out, b"a\nb\nc\n", "--create keeps what is there")


def inputs(c):
    """Inputs that cannot be read are found before the channel is touched."""
    with open(c.path("good"), "wb") as file:
        file.write(b"x\n")
    before = c.tree()
    c.refused(3, [NOT_THERE, "missing"], "send", c.path("c"), "good", "missing", "--create")
    c.refused(3, ["directory"], "send", c.path("c"), "good", c.work, "--create")
    t.equal(c.tree(), before, "a channel was made")


def no_space(c):
    """A file system that is too small: refused, and empty afterwards."""
    small = c.path("small")
    os.mkdir(small)
    script = """
        mount -t tmpfs -o size=2m none "$2" || exit 99
        "$1" create "$2/c"; echo "create $?"
        printf 'x\\n' | "$1" send --create "$2/c"; echo "send $?"
        "$1" demo --passes 1 --directory "$2/c" --page-size 1M --input /etc/passwd; echo "demo $?"
        "$1" bench --backing directory --path "$2" --messages 1000; echo "bench $?"
        ls -A "$2"
        "$1" create -q "$2/fits" --page-size 64K --max-pages 4 && echo fits
    """
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else \
        ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run([*namespace, "sh", "-c", script, "sh", c.quire, small],
                          capture_output=True, text=True, check=False, timeout=t.LIMIT_S)
    if done.returncode == 99 or "unshare" in done.stderr:
        raise t.Skip(f"no file system may be mounted here: {done.stderr}")
    t.equal(done.stdout.split("\n"),
            ["create 6", "send 6", "demo 6", "bench 6", "fits", ""], done)
    t.equal(done.stderr.lower().count("no space"), 4, done.stderr)


USAGE = [
    ("", []), ("frob", ["frob"]), ("--frob", ["--frob"]), ("help frob", ["frob"]),
    ("help create send", ["one"]), ("version x", ["x"]), ("version --frob", ["--frob"]),
    ("create", ["PATH"]), ("create a b", ["one PATH"]), ("create a --frob", ["--frob"]),
    ("create a -x", ["-x"]), ("create a --page-size", ["--page-size", "value"]),
    ("create a --dry-run=1", ["--dry-run", "no value"]),
    ("create a --m 1", ["ambiguous", "--m"]),
    ("create a --page-size 0", ["--page-size", "4096"]),
    ("create a --page-size 4095", ["--page-size"]), ("create a --page-size 5000", ["4096"]),
    ("create a --page-size 4G", ["--page-size"]), ("create a --page-size -4096", ["--page-size"]),
    ("create a --page-size 4KB", ["--page-size"]), ("create a --page-size 0x1000", ["--page-size"]),
    ("create a --page-size 1.5M", ["--page-size"]), ("create a --page-size=", ["--page-size"]),
    ("create a --page-size 18446744073709551617", ["--page-size", "range"]),
    ("create a --page-size 18014398509481985K", ["--page-size", "range"]),
    ("create a --max-pages 0", ["--max-pages"]), ("create a --max-pages 32769", ["--max-pages"]),
    ("create a --max-messages 0", ["--max-messages"]),
    ("create a --max-messages 65536", ["--max-messages"]),
    ("create a --policy drop", ["--policy", "drop-oldest"]),
    ("create a --checksum yes", ["--checksum"]),
    ("create a --max-bytes 1G", ["--max-bytes", "grow"]),
    ("create a --max-queued 0", ["--max-queued"]),
    ("create a --max-queued 9 --policy drop-oldest", ["--max-queued", "drop-oldest"]),
    ("create a --policy grow --max-bytes 1M", ["--max-bytes", "1048576"]),
    ("create a --mode 999", ["--mode"]), ("create a --mode 0400", ["--mode"]),
    ("create a --mode 1777", ["--mode"]),
    ("send", ["PATH"]), ("send a --timeout x", ["--timeout"]),
    ("send a --timeout -1", ["--timeout"]),
    ("send a --timeout 1e3", ["--timeout"]), ("send a --timeout .5", ["--timeout"]),
    ("recv", ["PATH"]), ("recv a", ["--group"]), ("recv a b --group g", ["one PATH"]),
    ("recv a --group ../x", ["--group"]), ("recv a --group .x", ["--group"]),
    ("recv a --group " + "x" * 64, ["--group"]), ("recv a --group g/h", ["--group"]),
    ("recv a --group g --count 0", ["--count"]), ("recv a --group g --from soon", ["--from"]),
    ("send a --durability soon", ["--durability", "interval"]),
    ("send a --sync-every 5", ["--sync-every", "interval"]),
    ("send a --durability each --sync-delay 5", ["--sync-delay", "interval"]),
    ("send a --durability interval --sync-every 0", ["--sync-every"]),
    ("send a --durability interval --sync-delay 3600001", ["--sync-delay", "3600000"]),
    ("send a --engine fast", ["--engine", "uring, threads"]),
    ("recv a --group g --max-attempts 3", ["--max-attempts", "--ack"]),
    ("recv a --group g --ack --max-attempts 0", ["--max-attempts", "255"]),
    ("recv a --group g --ack --max-attempts 256", ["--max-attempts", "255"]),
    ("recv a --group g --ack=1", ["--ack", "no value"]),
    ("recv a --group g --commit-every 0", ["--commit-every"]),
    ("recv a --group g --commit-delay 0", ["--commit-delay"]),
    ("creat a", ["did you mean 'create'"]), ("gruops a", ["did you mean 'groups'"]),
    ("group a", ["did you mean 'groups'"]), ("zzzzzz a", ["'zzzzzz' is not a command"]),
    ("groups", ["CHANNEL"]), ("groups list", ["CHANNEL"]),
    ("groups a b", ["list, holders, create"]),
    ("groups list a b", ["'b' is too much"]), ("groups creat a b", ["did you mean 'create'"]),
    ("groups rm a b", ["'rm'", "delete"]), ("groups delet a b", ["did you mean 'delete'"]),
    ("groups holder a", ["'holder'"]), ("groups holder a b", ["did you mean 'holders'"]),
    ("groups holders a --from 0", ["'groups holders' has no --from"]),
    ("groups create", ["CHANNEL"]), ("groups create a", ["NAME"]),
    ("groups create a b c", ["'c' is too much"]), ("groups create a .x", ["NAME", ".x"]),
    ("groups pause a " + "x" * 64, ["NAME"]), ("groups create a b --from soon", ["--from", "soon"]),
    ("groups create a b --to 3", ["'groups create' has no --to"]),
    ("groups a --mode ack", ["'groups list' has no --mode"]),
    ("groups delete a b --json", ["'groups delete' has no --json"]),
    ("groups seek a b --from 0", ["'groups seek' has no --from"]),
    ("groups seek a b", ["--to"]), ("groups seek a b --to 1:70000", ["--to", "1:70000"]),
    ("groups create a b --mode both", ["--mode", "auto, ack"]),
    ("groups create a b --hold on", ["--hold", "required, lossy"]),
    ("groups create a b --max-attempts 3", ["--max-attempts", "--mode ack"]),
    ("groups create a b --lease 3", ["--lease", "--mode ack"]),
    ("groups create a b --mode ack --max-attempts 256", ["--max-attempts", "255"]),
    ("groups create a b --mode ack --lease 0", ["--lease", "4294967"]),
    ("groups create a b --mode ack --lease 4294968", ["--lease", "4294967"]),
    ("groups create a b --mode ack --lease forever", ["--lease", "out of range"]),
    ("groups create a b --mode ack --lease soon", ["--lease", "seconds"]),
    ("groups --frob", ["--frob"]),
    ("dead", ["CHANNEL"]), ("dead a", ["GROUP"]), ("dead a b c", ["one GROUP only"]),
    ("dead a ../x", ["GROUP"]), ("dead a b --requeue some", ["--requeue", "all"]),
    ("dead a b --discard 0:65535", ["--discard", "0:65535"]),
    ("dead a b --requeue all --discard all", ["--requeue", "--discard"]),
    ("dead a b --requeue 0:1 --requeue 0:2", ["once"]),
    ("dead a b --json --requeue all", ["--json"]), ("dead a b --all", ["--all"]),
    ("nack", ["CHANNEL"]), ("nack a", ["GROUP"]), ("nack a b", ["POSITION"]),
    ("nack a /b 0:0", ["GROUP"]), ("nack a b 0:0 last", ["'last'"]), ("nack a b -- -1", ["'-1'"]),
    ("nack a b 65535", ["65535"]), ("nack a b 0:0 --delay 0", ["--delay", "seconds"]),
    ("nack a b 0:0 --delay 63072001", ["--delay", "63072000"]),
    ("nack a b 0:0 --delay forever", ["--delay", "63072000"]), ("nack a b 0:0 --all", ["--all"]),
    ("sync", ["PATH"]), ("sync a b", ["one PATH"]), ("sync a --timeout x", ["--timeout"]),
    ("sync a --engine aio", ["--engine"]), ("doctor a b", ["one PATH"]),
    ("doctor --fix", ["--fix"]),
    ("demo --durability each", ["--durability", "memory"]),
    ("bench --durability interval", ["--durability", "memory"]),
    ("bench --sync-every 3", ["--sync-every", "interval"]),
    ("stat", ["PATH"]), ("stat a b", ["one PATH"]), ("stat a --pages", ["--pages"]),
    ("demo x", ["--input"]), ("demo --producers 0", ["--producers"]),
    ("demo --consumers 65", ["--consumers"]), ("demo --keep", ["--directory"]),
    ("demo --split word", ["--split", "paragraph"]), ("demo --passes 0", ["--passes"]),
    ("bench x", ["x"]), ("bench --size 2M", ["--size", "1048568"]),
    ("bench --batch 0", ["--batch"]),
    ("bench --batch 4097", ["--batch"]), ("bench --messages 0", ["--messages"]),
    ("bench --runs 0", ["--runs"]), ("bench --rate 0", ["--rate"]),
    ("bench --backing disk", ["--backing", "directory"]), ("bench --path /tmp", ["--backing"]),
    ("bench --wait sleep", ["--wait", "yield"]), ("bench --producers 257", ["--producers"]),
]


def usage(c):
    """Every bad option: status 2, the option named, what is allowed, and where to read on."""
    for line, words in USAGE:
        result = c.refused(2, [*words, "Try 'quire"], *line.split())
        t.equal(c.tree(), {}, f"left behind by: quire {line}")
        t.check(max(map(len, result.err.splitlines())) <= 240, result)
    c.refused(2, ["--group", "''"], "recv", "a", "--group", "")


CASES = {f.__name__: f for f in (paths, versions, damage, permissions, read_only, busy, exists,
                                 inputs, no_space, usage)}

if __name__ == "__main__":
    sys.exit(t.main(CASES))
