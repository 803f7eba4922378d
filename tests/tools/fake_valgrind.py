# SPDX-License-Identifier: MIT
"""A valgrind that counts nothing: it runs the program, and writes what callgrind would.

valgrind.json beside it tells of each peer: "each", instructions of a message, "once", those of the
rest, and "does", one of the things below.
"""
import json
import os
import pathlib
import subprocess
import sys

ME = pathlib.Path(os.path.abspath(sys.argv[0]))
OUT = "--callgrind-out-file="


def main():
    # Its own options are what comes before the program.
    first = next(place for place, word in enumerate(sys.argv) if place > 0 and word[0] != "-")
    options, command = sys.argv[1:first], sys.argv[first:]
    if "--tool=callgrind" not in options:
        print("another tool", file=sys.stderr)
        return 1
    path = next(word[len(OUT):] for word in options if word.startswith(OUT))
    told = json.loads(ME.with_suffix(".json").read_text())[command[command.index("--peer") + 1]]
    if told.get("does") == "fail":
        print("unhandled instruction bytes: 0x62", file=sys.stderr)
        return 1
    status = subprocess.run(command).returncode
    messages = int(command[command.index("--messages") + 1])
    lines = ["events: Ir", "fn=main", "3 77"]
    if told.get("does") != "cut":
        lines.append(f"totals: {told['once'] + round(told['each'] * messages)}")
    if told.get("does") != "no_file":
        pathlib.Path(path).write_text("\n".join(lines) + "\n")
    return status


sys.exit(main())
