"""The command in a process of its own, paused, starved or killed at will: see fault_server.py."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = 200  # that a run may take to reach a place
SIGNALS = {
    signal.SIGINT: 128 + signal.SIGINT,
    signal.SIGTERM: 128 + signal.SIGTERM,
    signal.SIGKILL: -signal.SIGKILL,
}  # exit codes


class Server:
    """The process of fault_server.py, with these modules imported."""

    def __init__(self, *modules: str) -> None:
        script = Path(__file__).with_name("fault_server.py")
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, str(script), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, **request) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(SECONDS) == 0


@contextmanager
def disk(place: Path, size: int):
    """A file system of so many bytes; only root may make one."""
    place.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    if subprocess.run(mount).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["/bin/umount", place], check=True)


class Runs:
    """Starts commands; `said` is their stderr, `folder` a place for what they write."""

    def __init__(self, server: Server, tmp_path: Path, model: Path | None = None) -> None:
        self.server, self.model = server, model
        self.folder, self.scratch = tmp_path / "out", tmp_path / "scratch"
        self.folder.mkdir()
        self.scratch.mkdir()

    def __call__(self, *argv, **options) -> int:
        return self.wait(self.start(*argv, **options))

    def start(self, *argv, **options) -> int:
        command = [str(part) for part in argv]
        if command[0] in ("encode", "decode"):
            command += ["-m", str(self.model)]
        streams = {"stderr": str(self.scratch / "stderr")}
        return self.server.ask(argv=command, scratch=str(self.scratch), **(streams | options))

    def wait(self, pid: int) -> int:
        return self.server.ask(wait=pid)

    def until(self, happened) -> None:
        limit = time.monotonic() + SECONDS
        while not happened():
            assert time.monotonic() < limit, self.said()
            time.sleep(0.01)

    def reach(self, *pids: int) -> None:
        self.until(lambda: all((self.scratch / f"at{pid}").exists() for pid in pids))

    def paused(self) -> list[int]:
        return [int(path.name[2:]) for path in self.scratch.glob("at*")]

    def go(self) -> None:
        (self.scratch / "go").touch()

    def said(self) -> str:
        path = self.scratch / "stderr"
        return path.read_text() if path.exists() else ""

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())
