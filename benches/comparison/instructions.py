# SPDX-License-Identifier: MIT
"""Instructions of one message, under callgrind: the difference of two runs that differ only in how
many messages they have, so that all that happens once cancels. It does not depend on time or load,
but for what a thread of the queue's own does: that comes as it comes, within two per cent or so."""
import pathlib
import re
import shutil

from . import peers

RUNS = 2
# Messages of the shorter run, and how many more the longer one has: whole rounds of the queue and
# of the text, so that what happens once in a round is in the difference as often as it should be.
FEW = 4096
MORE, MORE_LARGE, MORE_QUICK = 65536, 32768, 4096
TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def available():
    return shutil.which("valgrind") is not None


def more_of(cell, quick=False):
    if quick:
        return MORE_QUICK
    return MORE_LARGE if cell.size == "4096" else MORE


def total(path):
    """What callgrind counted; it is said at the end of the file."""
    try:
        found = TOTAL.findall(pathlib.Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise peers.Failed(f"callgrind wrote no file: {error.strerror}") from error
    if len(found) != 1:
        raise peers.Failed(f"callgrind wrote {len(found)} totals, not one")
    return int(found[0])


def run(peer, cell, messages, limit, folder):
    """Instructions of a whole run of so many messages."""
    out = pathlib.Path(folder) / f"callgrind-{messages}"
    answer = peers.measure(peer, cell, ("--messages", str(messages)), limit, folder, (
        "valgrind", "--command-line-only=yes", "--quiet", "--tool=callgrind",
        f"--callgrind-out-file={out}"))
    if answer["messages"] != messages:
        raise peers.Failed(f"sent {answer['messages']} messages, not {messages}")
    return total(out)


def count(peer, cell, more, limit, folder):
    """What a record says of a peer in a cell. more: messages the longer run has more."""
    few, many = (run(peer, cell, messages, limit, folder) for messages in (FEW, FEW + more))
    if many <= few:
        raise peers.Failed(f"{many} instructions of {FEW + more} messages, {few} of {FEW}")
    return {"size": cell.size, "batch": cell.batch, "instructions": (many - few) / more}
