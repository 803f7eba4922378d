# SPDX-License-Identifier: MIT
"""What the tests of the command share: running it, checks, and a directory that is removed."""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

LIMIT_S = 100  # of one command; CTest stops a hanging test later
NOBODY = 65534


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def wait(condition, what):
    """Until the condition holds; the bound only ends a test that has failed."""
    for _ in range(LIMIT_S * 20):
        if condition():
            return
        time.sleep(0.05)
    raise Failure(f"never came: {what}")


class Result:
    """Of a finished command."""

    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    def __str__(self):
        return (f"quire {' '.join(map(str, self.arguments))}\n  status {self.status}\n"
                f"  out {self.out[:2000]!r}\n  err {self.err[:2000]!r}")

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise Failure(f"not JSON ({error}): {self}") from error


def check(condition, what):
    if not condition:
        raise Failure(str(what))


def equal(got, wanted, what=""):
    if got != wanted:
        raise Failure(f"{what}: got {got!r:.600}, wanted {wanted!r:.600}")


class Case:
    """One test: a command, a directory of its own, helpers."""

    def __init__(self, quire):
        self.dir = tempfile.mkdtemp(prefix="quire-cli-")
        os.chmod(self.dir, 0o755)
        self.quire = os.path.join(self.dir, "quire-under-test")
        shutil.copy(quire, self.quire)  # where another user can run it too
        os.chmod(self.quire, 0o755)
        self.work = os.path.join(self.dir, "work")
        os.mkdir(self.work)
        self.running = []

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        subprocess.run(["chmod", "-R", "u+rwX", self.dir], check=False)
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.work, name)

    def start(self, *arguments, **options):
        """In the background, with pipes unless options say otherwise.

        under: a command in front; variables: of the environment, None for one that is not there.
        """
        under, variables = options.pop("under", []), options.pop("variables", {})
        for name in ("stdin", "stdout", "stderr"):
            options.setdefault(name, subprocess.PIPE)
        environment = {**os.environ, "TMPDIR": self.work, **variables}
        environment = {name: value for name, value in environment.items() if value is not None}
        process = subprocess.Popen([*under, self.quire, *map(str, arguments)], cwd=self.work,
                                   env=environment, **options)
        self.running.append(process)
        return process

    def run(self, *arguments, data=b"", status=0, **options):
        """To its end; fails unless the status is the one wanted."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(data, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise Failure(f"hangs: quire {arguments}") from error
        result = Result(arguments, process.returncode, out or b"", (err or b"").decode())
        check(status is None or result.status == status, f"wanted status {status}: {result}")
        return result

    def refused(self, status, words, *arguments, **options):
        """A command that must fail: its status, an error that says why, nothing on stdout."""
        result = self.run(*arguments, status=status, **options)
        for word in [words] if isinstance(words, str) else words:
            check(word.lower() in result.err.lower(), f"no '{word}' in: {result}")
        check(result.err.startswith("quire"), f"does not say who speaks: {result}")
        equal(result.out, b"", result)
        return result

    def stat(self, path):
        return self.run("stat", path, "--json").json()

    def tree(self):
        """Every file with its size and bytes: to see that nothing was changed or left behind."""
        seen = {}
        for folder, folders, files in os.walk(self.work):
            for name in folders:
                seen[os.path.join(folder, name)] = None
            for name in files:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    seen[path] = os.readlink(path)
                    continue
                with open(path, "rb") as file:
                    seen[path] = file.read()
        return seen


def as_nobody():
    """For preexec_fn: file permissions do not bind root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def prefixed(messages):
    return b"".join(struct.pack("<I", len(m)) + m for m in messages)


def unprefixed(data):
    messages = []
    while data:
        size = struct.unpack_from("<I", data)[0]
        check(len(data) >= 4 + size, "output ends inside a message")
        messages.append(data[4:4 + size])
        data = data[4 + size:]
    return messages


def run_case(body, make):
    """The exit status of one case; what make has made is closed whatever comes of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the directory is removed
    case = make()
    try:
        body(case)
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    except Skip as skip:
        print(f"skipped: {skip}", file=sys.stderr)
        return 77
    finally:
        case.close()
    return 0


def main(cases):
    """Runs the case named second; the first argument is the command."""
    if len(sys.argv) != 3 or sys.argv[2] not in cases:
        print(f"usage: {sys.argv[0]} QUIRE CASE; cases: {' '.join(cases)}", file=sys.stderr)
        return 2
    return run_case(cases[sys.argv[2]], lambda: Case(sys.argv[1]))
