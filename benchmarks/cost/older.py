"""What do encoding and decoding cost beside an older build, with torch in both?

The command runs in turns, in a process of its own each time, on one thread, with the same options:
the older build's, then ours. Processor seconds and the peak of memory are medians over the turns.
Both builds are to have their C extension, if they have one: python setup.py build_ext --inplace.
"""

import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import codec
from benchmarks.cost.mosaic import mosaic
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Folder, Photographs
from benchmarks.timing import Cost, process
from codec.options import TILE

ROOT = Path(codec.__file__).parents[1]
COMMON = ("-f", "--quiet", "--threads", "1", "--tile", str(TILE))
KINDS = ("processor_seconds", "seconds", "peak_mb")


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images; the first is coded as it is, and the mosaic is made of all.
        older: folder `codec` of the older build.
    """

    photographs: Photographs
    older: Folder


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        megapixels: of the mosaic; 0: of no mosaic.
        turns: how often each build codes the photograph.
        mosaic_turns: how often each build codes the mosaic.
    """

    megapixels: int = 12
    turns: int = 5
    mosaic_turns: int = 3


@dataclass(frozen=True)
class Build:
    """A checkout whose command runs.

    Attributes:
        root: its folder.
        options: of its command only.
    """

    root: Path
    options: tuple[str, ...] = ()

    def run(self, *arguments: str) -> Cost:
        """Run a verb of its command to the end."""
        command = ("env", f"PYTHONPATH={self.root}", "OMP_NUM_THREADS=1", sys.executable, "-P")
        return process("-m", "codec.cli", *arguments, *self.options, *COMMON, command=command)


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Seconds and megabytes of both builds, and our share of the older one's."""
    builds = {
        "older": Build(inputs.older.path.resolve().parent),
        "ours": Build(ROOT, ("--engine", "torch")),
    }
    first = inputs.photographs.paths[0]
    result = {"photograph": run.part("photograph", lambda: coded(builds, first, settings.turns))}
    run.say(f"photograph: {result['photograph']}")
    if settings.megapixels:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mosaic.png"
            mosaic(inputs.photographs.paths, settings.megapixels).save(path, compress_level=1)
            turns = settings.mosaic_turns
            result["mosaic"] = run.part("mosaic", lambda: coded(builds, path, turns))
        run.say(f"{settings.megapixels} megapixels: {result['mosaic']}")
    return result


def coded(builds: dict[str, Build], image: Path, turns: int) -> dict[str, Any]:
    """What encoding and decoding of an image cost in each build, in turns; medians."""
    costs: dict[str, dict[str, list[Cost]]] = {
        verb: {name: [] for name in builds} for verb in ("encode", "decode")
    }
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(turns):
            for name, build in builds.items():
                file, out = (str(Path(folder) / f"{name}.{kind}") for kind in ("bibc", "png"))
                costs["encode"][name].append(build.run("encode", str(image), "-o", file))
                costs["decode"][name].append(build.run("decode", file, "-o", out))
    return {verb: compared(by_build) for verb, by_build in costs.items()}


def compared(costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Medians by build, and the share of ours in the older build's."""
    rows = {
        name: {kind: median(asdict(cost)[kind] for cost in turns) for kind in KINDS}
        for name, turns in costs.items()
    }
    shares = {kind: round(rows["ours"][kind] / rows["older"][kind], 4) for kind in KINDS}
    rounded = {
        name: {kind: round(value, 3) for kind, value in row.items()} for name, row in rows.items()
    }
    return {**rounded, "ours_of_older": shares}


BENCHMARK = Benchmark(Inputs, Settings, measure, result="older_build.json")
