# SPDX-License-Identifier: MIT
"""tools/plot and tools/compare: that there are pictures, and that the one command does it all."""
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree

from bench import DRIVER, ROOT, RunFile, Skip, check, equal, main, peer

PLOT = ROOT / "tools" / "plot"
NAMES = ("one", "throughput-1", "throughput-32", "scaling", "fanout", "pingpong", "loaded",
         "durable", "steady")
HOSTILE = "it's_a \"peer\" $x `y` %s {z} ^w @v \\n <&>"


def made_run(others=("ring", HOSTILE)):
    """Every section, with a peer whose name must not be taken for gnuplot's language."""
    made = RunFile()
    made.peer("quire", "quire", "mpmc")
    made.peer("quire-file", "quire", "mpmc")
    made.peer("line", "reference", "busy")
    for name in others:
        made.peer(name, "other", "mpmc")
    cells = [f"one/{size}/{batch}" for size in ("16", "mixed") for batch in (1, 32)]
    cells += [f"throughput/{crew}/{size}/{batch}" for crew in ("1P1C", "2P2C")
              for size in ("16", "64", "mixed") for batch in (1, 32)]
    cells += ["fanout/1G/64", "fanout/16G/64", "pingpong/busy/64", "pingpong/block/64",
              "loaded/10000/64", "loaded/1000000/64", "durable/1P", "durable/16P", "steady/1P1C/64"]
    for cell in cells:
        for place, name in enumerate(("quire", "quire-file", "line", *others)):
            values = [1e3 * (place + 1) ** 2 * factor for factor in (1, 1.1, 0.9, 1.2, 1)]
            made.sample(cell, name, values, series=[1e6, 2e6, 1.5e6])
    return made


def need_gnuplot():
    if not shutil.which("gnuplot"):
        raise Skip("there is no gnuplot")


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 2000


def texts(path):
    """Every text of an SVG, which is well formed."""
    found = xml.etree.ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()).replace("\xa0", " ").strip() for text in found]


def pictures(bench):
    need_gnuplot()
    folder = bench.dir / "plots"
    out, err = bench.run(made_run().write(bench.out), folder, program=PLOT)
    equal(out, f"Plots: {len(NAMES)}, each as SVG and PNG, in {folder}\n", "said")
    equal(err, "", "complaints")
    equal(sorted(path.name for path in folder.iterdir()),
          sorted(f"{name}.{kind}" for name in NAMES for kind in ("svg", "png", "gp")), "files")
    for name in NAMES:
        check(is_png(folder / f"{name}.png"), f"{name}.png")
        seen = texts(folder / f"{name}.svg")
        for word in ("quire", "ring", HOSTILE):
            check(word in seen, f"{word!r} is not in {name}.svg: {seen}")
        check(any(text.startswith("Run by-hand, 2026-01-02; a CPU") for text in seen), seen)
        check(any(unit in seen for unit in ("messages/s", "seconds")), f"no unit: {seen}")


def few(bench):
    """What was not measured has no picture; many peers, one group, equal values are no harm."""
    need_gnuplot()
    made = RunFile()
    made.peer("quire", "quire", "mpmc")
    made.sample("throughput/2P2C/64/1", "quire", [1e6] * 5)
    for number in range(25):
        made.peer(f"peer-{number}", "other", "mpmc")
        made.sample("throughput/2P2C/64/1", f"peer-{number}", [1e6] * 5)
    made.failed("pingpong/busy/64", "quire")
    folder = bench.dir / "plots"
    bench.run(made.write(bench.out), folder, program=PLOT)
    equal(sorted(path.name for path in folder.iterdir()),
          ["throughput-1.gp", "throughput-1.png", "throughput-1.svg"], "files")
    seen = texts(folder / "throughput-1.svg")
    equal([f"peer-{number}" for number in range(25) if f"peer-{number}" not in seen], [], "legend")


def no_gnuplot(bench):
    nowhere = bench.dir / "nowhere"
    nowhere.mkdir()
    out, err = bench.run(made_run().write(bench.out), bench.dir / "plots", program=PLOT, status=77,
                         environment={**os.environ, "PATH": str(nowhere)})
    equal(out, "", "said")
    check("there is no gnuplot" in err, err)
    check(not (bench.dir / "plots").exists(), "a folder of nothing")


def broken_gnuplot(bench):
    """A gnuplot that fails, or says that it did not, is not believed."""
    for status in (0, 1):
        program = bench.dir / "gnuplot"
        program.write_text(f"#!/bin/sh\necho 'no terminal' >&2\nexit {status}\n")
        program.chmod(0o755)
        _, err = bench.run(made_run().write(bench.out), bench.dir / "plots", program=PLOT, status=1,
                           environment={**os.environ, "PATH": f"{bench.dir}:{os.environ['PATH']}"})
        check("did not make one.svg: no terminal" in err, err)


def refused(bench):
    need_gnuplot()
    bench.run(program=PLOT, status=2)
    bench.run(bench.out, program=PLOT, status=2)
    bench.run(bench.dir / "none", bench.dir / "plots", program=PLOT, status=1)
    made = RunFile()
    _, err = bench.run(made.write(bench.out), bench.dir / "plots", program=PLOT, status=1)
    check("no figures" in err, err)
    # Instructions have a table and no picture: there is nothing wrong with a run of them alone.
    made.peer("quire", "quire", "mpmc")
    made.lines.append({"record": "instructions", "cell": "instructions/64/1", "round": 1,
                       "section": "instructions", "peer": "quire", "pinned": False, "size": "64",
                       "batch": 1, "instructions": 99.5})
    out, _ = bench.run(made.write(bench.out), bench.dir / "plots", program=PLOT)
    equal(out, "Plots: none; instructions are in the table\n", "instructions alone")


class Tree:
    """tools/compare with a tree of its own, whose peers are built already."""

    def __init__(self, bench):
        self.root = bench.dir / "tree"
        self.bench = bench
        (self.root / "tools").mkdir(parents=True)
        (self.root / "build").mkdir()
        shutil.copy(ROOT / "tools" / "compare", self.root / "tools")
        shutil.copy(PLOT, self.root / "tools")
        shutil.copytree(DRIVER.parent / "comparison", self.root / "benches" / "comparison")
        shutil.copy(DRIVER, self.root / "benches")
        (self.root / "build" / "release").symlink_to(bench.build)
        self.log = bench.dir / "log"
        self.program(self.root / "tools" / "deps", 0)
        self.program(bench.dir / "bin" / "cmake", 0)

    def program(self, path, status):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{self.log}"\n'
                        f'echo "{path.name} says so"\nexit {status}\n')
        path.chmod(0o755)

    def run(self, *arguments, status=0):
        path = f"{self.bench.dir}/bin:{os.environ['PATH']}"
        done = subprocess.run([str(self.root / "tools" / "compare"), *arguments],
                              env={**os.environ, "PATH": path}, cwd="/", capture_output=True,
                              text=True, check=False, timeout=100, stdin=subprocess.DEVNULL)
        equal(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done.stdout, done.stderr

    def runs(self):
        folder = self.root / "build" / "compare"
        return sorted(path.name for path in folder.iterdir() if path.is_dir())


def command(bench):
    """It installs, builds, measures, and leaves tables and plots where it says."""
    tree = Tree(bench)
    bench.binary("a", peer("quire", [2e6]), peer("rival", [1e6]))
    out, _ = tree.run("throughput", "--quick", "--name", "first", "--cells", "2P2C/(16|64)/1$")
    equal(tree.log.read_text().splitlines(),
          ["deps compare", "cmake --preset release",
           "cmake --build build/release --target benches/peers/all"], "steps")
    folder = tree.root / "build" / "compare" / "first"
    table = (folder / "table.txt").read_text()
    check("2.00 (2.00..2.00)" in table and table in out, out)
    check("| 2P2C 16 x1 |" in (folder / "table.md").read_text(), "Markdown")
    check(out.endswith("Tables and plots: build/compare/first\n"), out)
    if shutil.which("gnuplot"):
        check(is_png(folder / "throughput-1.png"), "plots")
    equal(list(folder.glob("peer-*")), [], "left behind")
    _, err = tree.run("--quick", "--name=first", status=2)
    check("there is a run of that name" in err, err)
    tree.log.unlink()
    tree.run("throughput", "--quick", "--no-install", "--cells", "2P2C/64/1$")
    equal([line.split()[0] for line in tree.log.read_text().splitlines()], ["cmake"] * 2, "steps")
    equal(len(tree.runs()), 2, "a name of its own")


def command_fails(bench):
    """A build that fails, a run that fails, and usage: each its status, and no empty folder."""
    tree = Tree(bench)
    bench.binary("a", peer("quire", [2e6], does="fail"), peer("rival", [1e6]))
    out, _ = tree.run("throughput", "--quick", "--name", "bad", "--cells", "2P2C/64/1$", status=1)
    check("message 7 came twice" in out, out)
    for arguments in (["--name", ".."], ["--name", "a/b"], ["--name"], ["--out", "x"],
                      ["--report=x"], ["--rounds", "2"], ["sideways"]):
        tree.run(*arguments, status=2)
    equal(tree.runs(), ["bad"], "folders")
    tree.program(bench.dir / "bin" / "cmake", 1)
    _, err = tree.run("--name", "unbuilt", status=1)
    check("cmake says so" in err, err)
    equal(tree.runs(), ["bad"], "folders")
    out, _ = tree.run("--help")
    check("tools/compare [--name NAME]" in out and "--rounds" in out and "set -u" not in out, out)


if __name__ == "__main__":
    sys.exit(main({case.__name__: case for case in (
        pictures, few, no_gnuplot, broken_gnuplot, refused, command, command_fails)}))
