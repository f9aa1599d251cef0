"""Seconds and memory: of calls that are timed in turns, and of whole processes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

BIBCODEC = (sys.executable, "-m", "codec.cli")
# A small parent: the peak memory of a child counts what its parent held when it forked.
LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss * 1024]))
"""

Clock = Callable[[], float]


def seconds(work: Callable[[], Any], clock: Clock = time.perf_counter) -> float:
    """Seconds that a call takes."""
    start = clock()
    work()
    return clock() - start


def in_turns(
    work: Mapping[str, Callable[[], Any]], turns: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each call in each turn; a turn calls all once, so that a busy machine slows all.

    >>> {name: len(times) for name, times in in_turns({"a": int, "b": str}, 3).items()}
    {'a': 3, 'b': 3}
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(turns):
        for name, call in work.items():
            times[name].append(seconds(call, clock))
    return times


def fastest(
    work: Mapping[str, Callable[[], Any]], turns: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Seconds of each call in its fastest turn."""
    return {name: min(times) for name, times in in_turns(work, turns, clock).items()}


def medians(
    work: Mapping[str, Callable[[], Any]], turns: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each call over the turns."""
    return {name: median(times) for name, times in in_turns(work, turns, clock).items()}


@dataclass(frozen=True)
class Cost:
    """What a process cost.

    Attributes:
        seconds: from its start to its end.
        processor_seconds: of all its threads, and of the children that it waited for.
        peak_mb: the largest resident set, in 10^6 bytes.
    """

    seconds: float
    processor_seconds: float
    peak_mb: float

    def as_json(self, *names: str, digits: int = 2) -> dict[str, float]:
        """Some of the figures, or all, rounded."""
        return {
            name: round(value, digits)
            for name, value in asdict(self).items()
            if name in names or not names
        }


def process(*arguments: str, command: Sequence[str] = BIBCODEC, folder: Path | None = None) -> Cost:
    """Run a command to its end, by default ours, in a folder, by default the present one.

    Raises:
        RuntimeError: its exit code is not 0.
    """
    launch = [sys.executable, "-S", "-c", LAUNCHER, *command, *arguments]
    done = subprocess.run(launch, check=True, stdout=subprocess.PIPE, cwd=folder)
    code, wall, processor, peak = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join([*command, *arguments])}: exit code {code}")
    return Cost(wall, processor, peak / 1e6)
