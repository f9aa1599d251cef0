"""Pages in Chromium: the server that they come from, and what their processes take."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.inputs import Missing

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
TICKS = os.sysconf("SC_CLK_TCK")
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def chromium() -> str:
    """The path of the machine's Chromium; refuses a machine that has none."""
    for path in map(shutil.which, NAMES):
        if path:
            return path
    raise Missing(f"no browser: expected one of {', '.join(NAMES)}; apt-get install {NAMES[0]}")


@dataclass(frozen=True)
class Served:
    """A folder that is served: its address, and the paths that were asked for so far."""

    address: str
    paths: list[str]


@contextmanager
def serving(folder: Path, headers: dict[str, str] | None = None) -> Iterator[Served]:
    """Serve a folder, with these headers in each answer."""
    paths: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        """Notes the paths, and says nothing."""

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def send_head(self) -> Any:
            """Note the path."""
            paths.append(self.path)
            return super().send_head()

        def end_headers(self) -> None:
            """Add the headers."""
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Served(f"http://127.0.0.1:{server.server_port}/", paths)
    server.shutdown()


def renderers() -> Iterator[tuple[float, float]]:
    """Seconds and most megabytes of each process of our browser that shows pages."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" not in (folder / "cmdline").read_bytes() or not ours(folder):
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            peak = (folder / "status").read_text().split("VmHWM:")[1].split()[0]
        except (OSError, IndexError):  # it has ended
            continue
        yield (int(fields[11]) + int(fields[12])) / TICKS, int(peak) / 1024


def browser_clock() -> float:
    """Seconds of processor time that the pages' processes have taken."""
    return sum(seconds for seconds, _ in renderers())


def ours(folder: Path) -> bool:
    """Whether a process descends from this one."""
    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return parent == os.getpid() or (parent > 1 and ours(folder.parent / str(parent)))
