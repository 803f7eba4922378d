# SPDX-License-Identifier: MIT
"""What a run was measured on. It names the kind of machine, never the machine."""
import os
import pathlib
import platform
import re
import subprocess


def first_line(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20,
                              stdin=subprocess.DEVNULL, **options)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.split("\n", 1)[0].strip()


def field(path, pattern):
    try:
        match = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1).strip() if match else ""


def compiler(build):
    cache = pathlib.Path(build) / "CMakeCache.txt"
    path = field(cache, r"^CMAKE_C_COMPILER:\w+=(.*)$")
    version = first_line([path, "--version"]) if path else ""
    kind = field(cache, r"^CMAKE_BUILD_TYPE:\w+=(.*)$")
    return " ".join(filter(None, (version, kind))) or "unknown"


def commit(source):
    name = first_line(["git", "rev-parse", "--short=12", "HEAD"], cwd=source)
    changed = name and first_line(["git", "status", "--porcelain", "-uno"], cwd=source)
    return (name or "unknown") + (" and changes" if changed else "")


def file_system(folder):
    """The type of the file system that the folder is on."""
    return first_line(["stat", "-f", "-c", "%T", str(folder)]) or "unknown"


def description(build, source, folder):
    memory = field("/proc/meminfo", r"^MemTotal:\s+(\d+) kB")
    return {"cpu": field("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
            "cpus": len(os.sched_getaffinity(0)), "memory_kib": int(memory or 0),
            "kernel": f"{platform.system()} {platform.release()}", "compiler": compiler(build),
            "commit": commit(source), "load": round(os.getloadavg()[0], 2),
            "file_system": file_system(folder)}
