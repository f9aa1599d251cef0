"""Do the golden files decode to the same indices under other versions of what they need?

The versions are Python's, numpy's and torch's, the number of threads and the format of numbers. A
fresh virtual environment is made for each leg, and the golden files of all formats are decoded in
it. If any index differs anywhere, that is an error, and there is no result.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.inputs import Missing
from benchmarks.schema import ROOT

NEEDS = ["constriction==0.5.*", "safetensors"]
LEGS: list[tuple[str, list[str]]] = [  # Python's version, packages
    ("3.11", ["numpy==1.26.*", "torch==2.13.0"]),
    ("3.12", ["numpy==1.26.*"]),
    ("3.12", ["numpy>=2"]),
]
PROBE = """
import contextlib, json, os, platform, sys
from importlib.metadata import version
root = sys.argv[1]
sys.path[:0] = [root, root + "/tests"]
from golden import DATA, INDEX, PRIOR, VERSIONS, hash_of, version_of
from bitstream import container, reference, stream
from bitstream.prior import Prior
golden = {n: entry for v in VERSIONS for n, entry in json.loads(INDEX[v].read_text()).items()}
priors = {version: Prior.load(PRIOR[version]) for version in VERSIONS}

def package(name):
    file = container.parse((DATA / name).read_bytes())
    return stream.decode_indices(file.payload, priors[version_of(name)], file.header)

def plain(name):
    prior = reference.load_prior(PRIOR[version_of(name)].read_bytes())
    return reference.decode((DATA / name).read_bytes(), prior)

def equal(decode):
    right = (hash_of(decode(name)) == golden[name]["indices_sha256"] for name in golden)
    return [sum(right), len(golden)]

ways = {}
packages = ["numpy", "constriction", "safetensors"]
try:
    import torch
except ImportError:
    ways["package"] = equal(package)
else:
    packages.append("torch")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for kind in (torch.float32, torch.bfloat16):
            with torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
                torch.rand(64, 64) @ torch.rand(64, 64)  # the settings are in use
                ways[f"package, {threads} threads, {str(kind)[6:]}"] = equal(package)
ways["reference decoder"] = equal(plain)
print(json.dumps({
    "python": platform.python_version(),
    "versions": {name: version(name) for name in packages},
    "equal_files": ways,
}))
"""


def probe(python: str | Path) -> dict[str, Any]:
    """Decode all golden files with an interpreter."""
    command = [str(python), "-c", PROBE, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{python}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(frozen=True)
class Interpreters:
    """Programs of Python.

    Args:
        source: their paths, with commas between.
    """

    source: str

    @cached_property
    def by_version(self) -> dict[str, str]:
        """Paths by version, such as "3.11"."""
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        found = {}
        for path in self.source.split(","):
            try:
                said = subprocess.check_output([path, "-c", code], text=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise Missing(f"{path}: no interpreter of Python: {error}") from None
            found[said.strip()] = path
        return found

    @property
    def identity(self) -> str:
        """Their versions."""
        return " ".join(self.by_version)


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        pythons: interpreters for the legs, with commas between: 3.11 and 3.12 are needed.
        also: an environment that exists, with torch in it: its interpreter.
    """

    pythons: Interpreters
    also: Interpreters | None = None


def fresh(python: str, packages: list[str]) -> dict[str, Any]:
    """What a new environment of an interpreter with some packages gives."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        inside = Path(folder) / "bin" / "python"
        install = [str(inside), "-m", "pip", "install", "-q", *NEEDS, *packages]
        subprocess.run(install, check=True)
        return {"environment": "fresh", **probe(inside)}


def measure(run: Run, inputs: Inputs, settings: Nothing) -> dict[str, Any]:
    """How many golden files are equal, by leg and way to decode."""
    legs = []
    for wanted, packages in LEGS:
        if wanted not in inputs.pythons.by_version:
            raise Missing(f"no interpreter of version {wanted} was given")
        python = inputs.pythons.by_version[wanted]
        legs.append(run.part(f"{wanted} {packages}", lambda: fresh(python, packages)))  # noqa: B023
        run.say(legs[-1])
    for python in inputs.also.by_version.values() if inputs.also else ():
        legs.append({"environment": "existing", **probe(python)})
    for leg in legs:
        if any(right != total for right, total in leg["equal_files"].values()):
            raise RuntimeError(f"the indices of a golden file differ: {leg}")
    return {"legs": legs}


BENCHMARK = Benchmark(Inputs, Nothing, measure, result="compatibility.json")
