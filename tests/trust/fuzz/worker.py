"""One fuzzing process of `run.py`: python worker.py TARGET COUNTS libFuzzer-arguments.

An input may allocate HEADROOM bytes on top of what the process holds; COUNTS is rewritten now and
then.
"""

import json
import os
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import atheris
import paths  # noqa: F401

with atheris.instrument_imports(include=["bitstream", "codec.decoding", "codec.images"]):
    import targets

HEADROOM = {"command": 256 << 20}  # bytes
EVERY = 1.0  # seconds between two reports


def main() -> None:
    name, counts_path = sys.argv[1], Path(sys.argv[2])
    target, counts = targets.TARGETS[name], Counter()
    started = written = time.monotonic()
    slowest = 0.0
    own = {"bitstream": [None, b"stat", b"cont"]}.get(name, [None])
    if name == "command":
        own = [None, targets.tiny().fingerprint]

    def one(data: bytes) -> None:
        nonlocal written, slowest
        if counts.total() % 4096 == 0:  # anew, as the engine itself keeps some bytes of each input
            allow(HEADROOM.get(name, 64 << 20))
        began = time.monotonic()
        counts[target(data)] += 1
        now = time.monotonic()
        slowest = max(slowest, now - began)
        if now - written > EVERY:
            report()

    def report() -> None:
        nonlocal written
        written = time.monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        values = {
            "outcomes": dict(counts),
            "slowest_ms": round(1000 * slowest, 1),
            "seconds": round(written - started, 1),
            "peak_rss_mb": round(peak / 1024, 1),
        }
        temporary = counts_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(values))
        os.replace(temporary, counts_path)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        data = atheris.Mutate(data, max_size)
        draw = random.Random(seed)  # noqa: S311
        return targets.repair(data, draw.choice(own))[:max_size] if draw.random() < 0.9 else data

    arguments = [sys.argv[0], *sys.argv[3:]]
    if name in ("symbols", "priors"):
        atheris.Setup(arguments, one)
    else:
        atheris.Setup(arguments, one, custom_mutator=mutate)
    for seed in targets.seeds(name):
        target(seed)  # loads and builds all that is built once
    atheris.Fuzz()


def allow(headroom: int) -> None:
    """Let the process allocate so many bytes more than it holds now."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + headroom, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
