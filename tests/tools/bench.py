# SPDX-License-Identifier: MIT
"""What the tests of the comparison share: a build of fake peers, the driver run on it, and run
files made by hand."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).absolute().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))
from case import Failure, Skip, check, equal, run_case, wait  # noqa: E402, F401

DRIVER = ROOT / "benches" / "compare.py"
FAKE = pathlib.Path(__file__).absolute().parent / "fake_peer.py"
FAKE_VALGRIND = FAKE.parent / "fake_valgrind.py"
LIMIT_S = 100
MPMC = ["mpmc", "batch", "mixed", "yield", "busy", "block", "ordered"]
CELL = "throughput/2P2C/64/1"


def peer(name, rates, family=None, traits=None, **more):
    return {"peer": name, "family": family or ("quire" if name.startswith("quire") else name),
            "traits": MPMC if traits is None else traits, "rates": rates, **more}


def is_gone(pid):
    """Ended: it may still be waited for by whoever inherited it."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return stat.rsplit(")", 1)[1].split()[0] in "ZX"


class Bench:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="quire-compare-"))
        self.build = self.dir / "build"
        self.peers = self.build / "benches" / "peers"
        self.peers.mkdir(parents=True)
        self.out = self.dir / "run.jsonl"
        self.running = []

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        shutil.rmtree(self.dir)

    def binary(self, name, *peers):
        path = self.peers / f"peer_{name}"
        path.write_text(f"#!{sys.executable} -B\n" + FAKE.read_text(encoding="utf-8"))
        path.chmod(0o755)
        path.with_suffix(".json").write_text(json.dumps(peers))

    def valgrind(self, **told):
        """An environment with a valgrind that counts as it is told for each peer; with none
        where it is told nothing."""
        folder = self.dir / "bin"
        if not folder.exists():
            folder.mkdir()
            for tool in ("sh", "sleep"):
                (folder / tool).symlink_to(shutil.which(tool))
        if told:
            path = folder / "valgrind"
            path.write_text(f"#!{sys.executable} -B\n" + FAKE_VALGRIND.read_text(encoding="utf-8"))
            path.chmod(0o755)
            path.with_suffix(".json").write_text(json.dumps(told))
        return {**os.environ, "PATH": str(folder)}

    def calls(self):
        log = self.peers / "calls.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def start(self, *arguments, program=DRIVER, environment=None):
        process = subprocess.Popen(
            [sys.executable, "-B", str(program), *map(str, arguments)], cwd=self.dir, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment)
        self.running.append(process)
        return process

    def run(self, *arguments, status=0, **options):
        """(stdout, stderr) of the driver; fails unless the status is the one wanted."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise Failure(f"hangs: {arguments}") from error
        check(process.returncode == status,
              f"wanted status {status}, got {process.returncode}: {arguments}\n{out}\n{err}")
        return out, err

    def measure(self, *arguments, status=0, cells=f"^{CELL}$"):
        """The table of a run of one cell."""
        return self.run(self.build, "throughput", "--cells", cells, "--seconds", "0.01", "--name",
                        "n", "--out", self.out, *arguments, status=status)[0]

    def records(self, kind):
        lines = self.out.read_text(encoding="utf-8").splitlines()
        return [record for record in map(json.loads, lines) if record["record"] == kind]

    def hung(self, name):
        """The processes of a binary that hangs, when it has told them."""
        path = self.peers / f"peer_{name}.pids"
        wait(lambda: path.exists() and len(path.read_text().split()) == 2, path)
        return [int(pid) for pid in path.read_text().split()]

    def nothing_left(self):
        """No folder of a run is there any more."""
        equal([path.name for path in self.dir.rglob("peer-*")], [], "left behind")


class RunFile:
    """A run file without a run."""

    def __init__(self, rounds=5):
        self.rounds = rounds
        self.lines = [{"record": "run", "name": "by-hand", "date": "2026-01-02 03:04 +0000",
                       "cpu": "a CPU", "cpus": 2, "memory_kib": 1 << 20, "kernel": "Linux",
                       "compiler": "cc", "commit": "0", "load": 0.0, "file_system": "ext4",
                       "rounds": rounds, "quick": False}]

    def peer(self, name, family, *traits):
        self.lines.append({"record": "peer", "peer": name, "family": family,
                           "traits": list(traits)})

    def sample(self, cell, name, values, pinned=False, **fields):
        """One sample for each value, a rate or a p50."""
        section = cell.split("/")[0]
        for number, value in enumerate(values, 1):
            sample = {"record": "sample", "round": number, "cell": cell, "section": section,
                      "peer": name, "pinned": pinned, "verified": True, "rate": value}
            if section in ("pingpong", "loaded", "durable"):
                sample.update(p50_ns=value, p99_ns=value * 2, p999_ns=value * 3, max_ns=value * 9)
            self.lines.append({**sample, **fields})

    def failed(self, cell, name, pinned=False):
        self.lines.append({"record": "failed", "round": 1, "cell": cell, "peer": name,
                           "section": cell.split("/")[0], "pinned": pinned, "cause": "failed",
                           "reason": "not verified"})

    def write(self, path):
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path


def main(cases):
    """Runs the case named first."""
    if len(sys.argv) != 2 or sys.argv[1] not in cases:
        print(f"usage: {sys.argv[0]} CASE; cases: {' '.join(cases)}", file=sys.stderr)
        return 2
    return run_case(cases[sys.argv[1]], Bench)
