"""What do whole processes cost, beside an older version's, AVIF's and an empty Python's?

Every turn runs each command once, one after the other, so that other work on the machine falls on
all of them. A figure is the median over the turns; a share is this version's figure by the older
one's. The older version is a checkout whose C extension is built, run by the same Python.
"""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from benchmarks.cost.engines import processor
from benchmarks.cost.mosaic import mosaic
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Folder, Photographs
from benchmarks.timing import BIBCODEC, Cost, process

ROOT = Path(__file__).parents[2]
NO_NEED = "PYTHONDONTWRITEBYTECODE"  # with it every start compiles all modules
AVIF = "from PIL import Image; import sys; Image.open(sys.argv[1]).save(sys.argv[2])"


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images, of which the first is coded.
        before: checkout of the older version.
    """

    photographs: Photographs
    before: Folder


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        quality: of the files.
        turns: of every command.
        cores: that a process may use.
        megapixels: of the large image.
        large_turns: of every command on it.
    """

    quality: int = 50
    turns: int = 5
    cores: int = 1
    megapixels: int = 12
    large_turns: int = 2


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Costs of commands, and their shares."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: settings.cores])
    os.environ.pop(NO_NEED, None)
    os.environ["OMP_NUM_THREADS"] = str(settings.cores)
    before = inputs.before.path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Image.open(inputs.photographs.paths[0]) as image:
            image.convert("RGB").save(folder / "small.png")
        mosaic(inputs.photographs.paths, settings.megapixels).save(folder / "large.png")
        for size in ("small", "large"):
            command = ("encode", f"{size}.png", "-q", str(settings.quality), "--quiet")
            of_version(ROOT, folder, command)
        small = run.part("small", lambda: in_turns(small_work(before), folder, settings.turns))
        run.say(f"small: {small['decode']}")
        large = run.part(
            "large", lambda: in_turns(large_work(before), folder, settings.large_turns)
        )
    return {
        "processor": processor(),
        "cores": settings.cores,
        "load_average": round(os.getloadavg()[0], 1),
        "photograph": inputs.photographs.paths[0].name,
        "commands": with_shares(small | large),
    }


Work = Mapping[str, tuple[Path | None, Sequence[str]]]  # by name: version and command


def small_work(before: Path) -> Work:
    """Commands on a photograph."""
    decode = ("decode", "small.bibc", "-o", "out.png", "-f", "--quiet")
    encode = ("encode", "small.png", "-o", "out.bibc", "-f", "--quiet")
    work: dict[str, tuple[Path | None, Sequence[str]]] = {}
    for mark, root in (("", ROOT), (" before", before)):
        work |= {
            f"decode{mark}": (root, decode),
            f"decode realism 0{mark}": (root, (*decode, "--realism", "0")),
            f"encode{mark}": (root, encode),
            f"version{mark}": (root, ("--version",)),
            f"info{mark}": (root, ("info", "small.bibc")),
        }
    python = (sys.executable, "-c")
    return work | {
        "empty Python": (None, (*python, "pass")),
        "AVIF encode": (None, (*python, AVIF, "small.png", "small.avif")),
        "AVIF decode": (None, (*python, AVIF, "small.avif", "out.png")),
    }


def large_work(before: Path) -> Work:
    """Commands on a large image."""
    decode = ("decode", "large.bibc", "-o", "out.png", "-f", "--quiet")
    encode = ("encode", "large.png", "-o", "out.bibc", "-f", "--quiet")
    return {
        f"{verb} large{mark}": (root, command)
        for mark, root in (("", ROOT), (" before", before))
        for verb, command in (("decode", decode), ("encode", encode))
    }


def of_version(root: Path | None, folder: Path, command: Sequence[str]) -> Cost:
    """The cost of a command of a version, or of any command."""
    if root is None:
        return process(command=command, folder=folder)
    os.environ["PYTHONPATH"] = str(root)
    return process(*command, command=BIBCODEC, folder=folder)


def in_turns(work: Work, folder: Path, turns: int) -> dict[str, dict[str, float]]:
    """Medians over the turns, of each command."""
    costs: dict[str, list[Cost]] = {name: [] for name in work}
    for turn in range(turns + 1):  # the first warms what the system keeps in memory
        for name, (root, command) in work.items():
            cost = of_version(root, folder, command)
            if turn:
                costs[name].append(cost)
    return {
        name: {
            "seconds": round(median(c.seconds for c in of), 4),
            "processor_seconds": round(median(c.processor_seconds for c in of), 4),
            "peak_mb": round(max(c.peak_mb for c in of), 1),
        }
        for name, of in costs.items()
    }


def with_shares(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """The rows of this version also say which share they are of the older one's."""
    shares: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        before = rows.get(f"{name} before")
        shares[name] = {**row}
        if before is not None:
            shares[name]["share"] = {key: round(row[key] / before[key], 3) for key in row}
    return shares


BENCHMARK = Benchmark(Inputs, Settings, measure, result="processes.json")
