# SPDX-License-Identifier: MIT
"""Peers: finding them, running one once, and judging what it says."""
import json
import math
import os
import pathlib
import signal
import subprocess

from . import cells

NOT_APPLICABLE = 77
LIST_LIMIT_S = 20
NEEDED = {"pingpong": ("p50_ns", "p99_ns", "p999_ns", "max_ns"),
             "loaded": ("p50_ns", "p99_ns", "p999_ns", "max_ns"),
             "durable": ("p50_ns", "p99_ns", "max_ns"),
             "steady": ("resident_begin_kib", "resident_end_kib")}


class Failed(Exception):
    """A run that has no figure; its words are the reason. cause: failed or limit."""

    def __init__(self, reason, cause="failed"):
        super().__init__(reason)
        self.cause = cause


class NotApplicable(Exception):
    """The combination is not for this peer."""


class Peer:
    def __init__(self, binary, record):
        self.binary, self.record = binary, record
        self.name, self.traits = record["peer"], record["traits"]


def output_of(command, limit):
    """(status, stdout, stderr) of a command in a process group of its own, of which nothing is
    left when this returns or raises."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except BaseException as error:
            # The leader was not waited for yet, so that its id still names its own group.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"did not end within {limit:g} s", "limit") from None
            raise
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def complaint(text):
    """What a program said, or the end of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines)[-300:] or "it did not say why"


def ended_badly(status, err):
    if status < 0:
        return f"killed by signal {-status}: {complaint(err)}"
    return f"exit status {status}: {complaint(err)}"


def one_object(line):
    try:
        value = json.loads(line)
    except ValueError:
        raise Failed(f"not JSON: {line[:80]!r}") from None
    if not isinstance(value, dict):
        raise Failed(f"not a JSON object: {line[:80]!r}")
    return value


def listed(binary):
    """The peers of a binary."""
    status, out, err = output_of([str(binary), "--list"], LIST_LIMIT_S)
    if status != 0:
        raise Failed("--list: " + ended_badly(status, err))
    peers = []
    for line in filter(None, map(str.strip, out.splitlines())):
        record = one_object(line)
        if not isinstance(record.get("peer"), str) or not isinstance(record.get("family"), str) \
                or not isinstance(record.get("traits"), list):
            raise Failed(f"--list: no peer, family or traits in {line[:80]!r}")
        peers.append(Peer(binary, record))
    return peers


def binaries(build):
    folder = pathlib.Path(build) / "benches" / "peers"
    return sorted(path.absolute() for path in folder.rglob("peer_*")
                  if path.is_file() and os.access(path, os.X_OK))


def is_figure(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) \
        and math.isfinite(value) and value >= 0


def check_answer(answer, cell, peer, wait):
    """A figure counts only when the run verified what it moved, and is the run asked for."""
    if answer.get("verified") is not True:
        raise Failed("not verified")
    asked = {"peer": peer.name, "workload": cells.workload(cell), "producers": cell.producers,
             "consumers": cell.consumers, "groups": cell.groups, "size": cell.size,
             "batch": cell.batch, "pinned": cell.pinned}
    if wait:
        asked["wait"] = wait
    for name, value in asked.items():
        needed = name in ("peer", "workload", "pinned")
        if (needed or name in answer) and str(answer.get(name)) != str(value):
            raise Failed(f"answered for {name} {answer.get(name)!r}, asked for {value!r}")
    for name in ("messages", "seconds", "rate"):
        if not is_figure(answer.get(name)) or answer[name] == 0:
            raise Failed(f"{name} is {answer.get(name)!r}")
    for name in NEEDED.get(cell.section, ()):
        if not is_figure(answer.get(name)):
            raise Failed(f"{name} is {answer.get(name)!r}")
    if cell.section == "steady" and not (
            isinstance(answer.get("series"), list) and all(map(is_figure, answer["series"]))):
        raise Failed("series is not a list of rates")


def measure(peer, cell, length, limit, folder, under=()):
    """What one run of the peer says, when that may be believed. under: what runs the program."""
    command = [*under, str(peer.binary),
               *cells.arguments(cell, peer.name, peer.traits, length, folder)]
    status, out, err = output_of(command, limit)
    if status == NOT_APPLICABLE:
        raise NotApplicable(complaint(err))
    if status != 0:
        raise Failed(ended_badly(status, err))
    lines = out.splitlines()
    if len(lines) != 1:
        raise Failed(f"{len(lines)} lines on stdout, not one")
    answer = one_object(lines[0])
    check_answer(answer, cell, peer, cells.wait_of(cell, peer.traits))
    return answer
