"""Golden files decoded under other versions: Python, numpy, torch, threads, number formats.

    python -m benchmarks.trust.compatibility --python python3.11 --python python3.12

makes a fresh virtual environment for each leg that an interpreter was given for, decodes the
golden files of format 1 in it, and writes benchmarks/results/compatibility.json. `--also` adds an
environment that exists, with torch in it. Exit code 1 if any index differs anywhere.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.provenance import commit, cpu

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parents[1] / "results" / "compatibility.json"
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
        raise SystemExit(f"{python}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def version_of(python: str) -> str:
    """Python's version as "3.11"."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--python", action="append", default=[], help="an interpreter for the legs")
    parser.add_argument("--also", action="append", default=[], help="an environment that exists")
    options = parser.parse_args()
    interpreters = {version_of(python): python for python in options.python}
    legs = []
    for wanted, packages in LEGS:
        if wanted not in interpreters:
            raise SystemExit(f"--python: none is of version {wanted}")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([interpreters[wanted], "-m", "venv", folder], check=True)
            python = Path(folder) / "bin" / "python"
            install = [str(python), "-m", "pip", "install", "-q", *NEEDS, *packages]
            subprocess.run(install, check=True)
            legs.append({"environment": "fresh", **probe(python)})
        print(json.dumps(legs[-1]), flush=True)
    for python in options.also:
        legs.append({"environment": "existing", **probe(python)})
        print(json.dumps(legs[-1]), flush=True)
    meta = {"commit": commit(), "machine": cpu()}
    RESULTS.write_text(json.dumps({"meta": meta, "legs": legs}, indent=1) + "\n")
    if any(right != total for leg in legs for right, total in leg["equal_files"].values()):
        sys.exit("the indices of a golden file differ")


if __name__ == "__main__":
    main()
