"""How long does entropy coding with contexts take in C, beside numpy and an older build?

All three code the same images in turns, each in a process of its own, on one thread. The times are
processor time. The older build is the folder `bitstream` of another checkout; it loads our prior.
In this checkout the extension is built by `python setup.py build_ext --inplace`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any, cast

import codec
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Folder, Missing, Model, Photographs
from bitstream import compiled
from codec.runtime.model import CodecModel

# One implementation: says once what it decodes to, then how long each call took.
PROCESS = """
import hashlib, sys, time
import bitstream
from bitstream import Prior, decode_indices, encode_indices, parse
prior = Prior.load(sys.argv[1])
files = [parse(open(path, "rb").read()) for path in sys.argv[2:]]
start = time.process_time()
images = [decode_indices(f.payload, prior, f.header) for f in files[:1]]
first = time.process_time() - start
images += [decode_indices(f.payload, prior, f.header) for f in files[1:]]
digest = hashlib.sha256(b"".join(grid.tobytes() for image in images for grid in image))
payloads = [encode_indices(i, prior, f.header) for i, f in zip(images, files)]
digest.update(b"".join(payloads))
print(bitstream.__file__, digest.hexdigest(), first, flush=True)
for line in sys.stdin:
    verb, number = line.split()
    file, indices = files[int(number)], images[int(number)]
    start = time.process_time()
    if verb == "decode":
        decode_indices(file.payload, prior, file.header)
    else:
        encode_indices(indices, prior, file.header)
    print(time.process_time() - start, flush=True)
"""
ROOT = Path(codec.__file__).parents[1]


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images.
        older: folder `bitstream` of the older build.
        model: name or folder of a model.
    """

    photographs: Photographs
    older: Folder
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        qualities: of the files, written with commas between.
        turns: how often each file is coded; the time is the median.
    """

    qualities: tuple[int, ...] = (20, 50, 80)
    turns: int = 5


class Implementation:
    """A process that codes files when it is told to."""

    def __init__(self, path: Path, prior: Path, files: Sequence[Path], **environment: str) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(prior), *map(str, files)],
            cwd=path,  # the first place where it looks for packages
            env=os.environ | one | {"PYTHONPATH": ""} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._asked = cast(IO[str], self._process.stdin)
        self._said = cast(IO[str], self._process.stdout)
        source, self.digest, first = self._line().split()
        if Path(source) != path / "bitstream" / "__init__.py":
            raise RuntimeError(f"expected the build of {path}, got {source}")
        self.first = float(first)

    def seconds(self, verb: str, number: int) -> float:
        """Processor seconds to decode or encode a file."""
        print(verb, number, file=self._asked, flush=True)
        return float(self._line())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _line(self) -> str:
        line = self._said.readline()
        if not line:
            raise RuntimeError("a build could not code the files")
        return line


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Milliseconds an image by quality, and their shares of the older build's."""
    if compiled.extension is None:
        raise Missing("the C extension is not there: run python setup.py build_ext --inplace")
    model = inputs.model.load()
    result = {}
    for quality in settings.qualities:
        result[f"quality_{quality}"] = run.part(
            f"{quality}",
            lambda: at_quality(inputs, model, quality, settings.turns),  # noqa: B023
        )
        run.say(f"quality {quality}: {result[f'quality_{quality}']}")
    return result


def at_quality(inputs: Inputs, model: CodecModel, quality: int, turns: int) -> dict[str, Any]:
    """Milliseconds of the three at one quality, means over the images."""
    with tempfile.TemporaryDirectory() as name:
        prior, files = Path(name) / "prior.safetensors", []
        model.prior.save(prior)
        for path, image in zip(inputs.photographs.paths, inputs.photographs.images(), strict=True):
            files.append(Path(name) / f"{path.stem}.bibc")
            files[-1].write_bytes(codec.encode(image, quality=quality, model=model))
        builds = {
            "older": Implementation(inputs.older.path.resolve().parent, prior, files),
            "numpy": Implementation(ROOT, prior, files, **{compiled.SWITCH: "1"}),
            "c": Implementation(ROOT, prior, files),
        }
        if len({build.digest for build in builds.values()}) > 1:
            raise RuntimeError("the builds do not code alike")
        row: dict[str, Any] = {"bytes_an_image": sum(f.stat().st_size for f in files) // len(files)}
        row["first_decode_ms"] = {name: 1e3 * build.first for name, build in builds.items()}
        for verb in ("decode", "encode"):
            row[f"{verb}_ms"] = in_turns(builds, verb, len(files), turns)
        for build in builds.values():
            build.close()
    for kind in [kind for kind in row if kind.endswith("_ms")]:
        older = row[kind]["older"]
        row[f"{kind[:-3]}_share"] = {name: round(ms / older, 4) for name, ms in row[kind].items()}
        row[kind] = {name: round(ms, 2) for name, ms in row[kind].items()}
    return row


def in_turns(
    builds: dict[str, Implementation], verb: str, files: int, turns: int
) -> dict[str, float]:
    """Milliseconds an image: the mean over the files of the median over the turns."""
    times = {name: [[0.0] * turns for _ in range(files)] for name in builds}
    for turn in range(turns):
        for number in range(files):
            for name, build in builds.items():
                times[name][number][turn] = build.seconds(verb, number)
    return {name: 1e3 * sum(map(median, rows)) / files for name, rows in times.items()}


BENCHMARK = Benchmark(Inputs, Settings, measure, result="contexts.json")
