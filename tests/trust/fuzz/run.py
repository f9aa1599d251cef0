"""Fuzz all targets for a while with atheris (libFuzzer for Python); exit code 1 on any find.

    python tests/trust/fuzz/run.py                          # a minute
    python tests/trust/fuzz/run.py --seconds 3600 --target bitstream --corpus CORPUS --log fuzz.json

A find (a crash, a hang of 5 seconds, memory over the limit) is printed and kept in the corpus
folder. `--log` adds this run to the counts of earlier ones.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import paths  # noqa: F401
import targets

from benchmarks import harness, schema

HANG = 5  # seconds that one input may take
LONGEST = 2048  # bytes of an input


def fuzz(name: str, corpus: Path, seconds: int) -> tuple[dict, str]:
    """Run one worker; what it counted, and what it said if it found something."""
    corpus.mkdir(parents=True, exist_ok=True)
    for data in targets.seeds(name):
        (corpus / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)
    with tempfile.TemporaryDirectory() as scratch:
        counts = Path(scratch) / "counts.json"
        command = [
            *(sys.executable, str(Path(__file__).with_name("worker.py")), name, str(counts)),
            *(f"-max_total_time={seconds}", f"-timeout={HANG}", f"-max_len={LONGEST}"),
            *("-rss_limit_mb=2048", f"-artifact_prefix={corpus}/find-", str(corpus)),
        ]
        environment = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        seen = json.loads(counts.read_text()) if counts.exists() else {}
    finished = re.search(r"^Done (\d+) runs in (\d+) second", done.stderr, re.MULTILINE)
    if done.returncode or not finished:
        return {}, done.stderr
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", done.stderr)[-1]
    found = {"executions": int(finished[1]), "seconds": int(finished[2])}
    return found | dict(zip(("edges", "features", "corpus"), map(int, covered), strict=True)) | {
        name: seen[name] for name in ("slowest_ms", "peak_rss_mb", "outcomes")
    }, ""


def add(log: Path, name: str, found: dict) -> None:
    """Add a run to the log: sums of counts, the most of the rest."""
    whole = json.loads(log.read_text()) if log.exists() else {"targets": {}}
    old = whole["targets"].get(name, {})
    whole["targets"][name] = {
        **{key: old.get(key, 0) + found[key] for key in ("executions", "seconds")},
        **{
            key: max(old.get(key, 0), found[key])
            for key in ("edges", "features", "corpus", "slowest_ms", "peak_rss_mb")
        },
        "outcomes": dict(Counter(old.get("outcomes", {})) + Counter(found["outcomes"])),
    }  # fmt: skip
    nothing = harness.Nothing()
    meta = harness.provenance("tests/trust/fuzz/run.py", nothing, nothing)
    meta["versions"]["atheris"] = version("atheris")
    schema.write(log, whole | {"meta": meta})


def main() -> None:
    parser = argparse.ArgumentParser(description="fuzz with atheris")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--target", action="append", choices=targets.TARGETS)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    names = options.target or list(targets.TARGETS)
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            corpus = (options.corpus or Path(scratch)) / name
            found, said = fuzz(name, corpus, max(1, options.seconds // len(names)))
            if said:
                sys.exit(f"{name}: a find\n{said[-4000:]}")
            print(
                f"{name}: {found['executions']:,} executions in {found['seconds']} s, no crash, "
                f"no hang, slowest {found['slowest_ms']} ms, at most {found['peak_rss_mb']} MB; "
                f"{found['edges']} edges"
            )
            if options.log:
                add(options.log, name, found)


if __name__ == "__main__":
    main()
