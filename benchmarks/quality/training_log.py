"""How many steps and hours did training take, and what did its curves do?

Each run's log.jsonl is cut into windows of equally many lines; a window's figures are the means
over its steps. Losses of different settings (λ range, levels, data) do not compare. Runs that the
committed result has already are kept: the logs are of one machine, the result is of all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import File

NAME = "training_log"
Line = dict[str, float]  # of log.jsonl: step, seconds of a step, learning rate, means of figures


@dataclass(frozen=True)
class Inputs:
    """What is summed up.

    Attributes:
        logs: log.jsonl of each run, in the order in which they were trained.
    """

    logs: tuple[File, ...]


@dataclass(frozen=True)
class Settings:
    """How it is shown.

    Attributes:
        names: what each run is, in the order of the logs.
        windows: of each run.
    """

    names: tuple[str, ...] = ()
    windows: int = 24


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Steps, hours and curves of every run."""
    if len(settings.names) != len(inputs.logs):
        raise SystemExit(f"{len(inputs.logs)} logs: give as many names, with --names")
    before = [one for one in schema.read(NAME)["runs"] if one["name"] not in settings.names]
    runs = [
        {"name": name, **summed_up(lines_of(log.path), settings.windows)}
        for name, log in zip(settings.names, inputs.logs, strict=True)
    ]
    return {"runs": [*before, *runs]}


def lines_of(path: Path) -> list[Line]:
    """The whole lines of a log."""
    return [json.loads(text) for text in path.read_text().splitlines() if text.endswith("}")]


def summed_up(lines: Sequence[Line], windows: int) -> dict[str, Any]:
    """Steps, hours and windows of a log.

    >>> lines = [{"step": 50.0 * k, "seconds": 0.5, "loss": 1 / k} for k in (1, 2, 3, 4)]
    >>> summed_up(lines, 2)["curve"][1]
    {'step': 200, 'seconds': 0.5, 'loss': 0.291667}
    >>> summed_up(lines, 2)["steps"]
    200
    """
    steps = [b - a for a, b in pairwise([0.0, *(line["step"] for line in lines)])]
    hours = sum(n * line["seconds"] for n, line in zip(steps, lines, strict=True)) / 3600
    bounds = [round(k * len(lines) / windows) for k in range(windows + 1)]
    curve = [mean_of(lines[a:b], steps[a:b]) for a, b in pairwise(bounds) if b > a]
    return {"steps": int(sum(steps)), "hours": round(hours, 3), "curve": curve}


def mean_of(lines: Sequence[Line], steps: Sequence[float]) -> dict[str, float]:
    """The last step of some lines, and the means of their figures over their steps."""
    figures = [name for name in lines[0] if name != "step"]
    means = {
        name: round(
            sum(n * line[name] for n, line in zip(steps, lines, strict=True)) / sum(steps), 6
        )
        for name in figures
    }
    return {"step": int(lines[-1]["step"]), **means}


BENCHMARK = Benchmark(Inputs, Settings, measure, result=f"{NAME}.json")
