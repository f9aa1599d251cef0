"""What every benchmark shares: its declaration, its command line, its result file, going on.

A benchmark is a module of one of the rooms with

- a docstring whose first line is the question,
- `Inputs` and `Settings`, two frozen dataclasses (see `benchmarks.arguments`),
- `measure(run, inputs, settings)`, which returns what is written, and
- `BENCHMARK = Benchmark(Inputs, Settings, measure, result="NAME.json")`;
- if it has something to show, `figures()`: lines of Markdown for docs/figures.md.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import arguments, schema
from benchmarks.inputs import Input, Model, Photographs

ROOMS = ("quality", "cost", "trust", "studies", "figures")
CACHE = Path.home() / ".cache" / "bibcodec" / "benchmarks"
T = TypeVar("T")
Measure = Callable[..., dict[str, Any] | None]  # of a run, the inputs and the settings


@dataclass(frozen=True)
class Nothing:
    """No inputs, or no settings."""


@dataclass(frozen=True)
class Benchmark:
    """The declaration of a benchmark.

    Attributes:
        inputs: dataclass of what is measured; every field is one of `benchmarks.inputs`.
        settings: dataclass of how it is measured; every field is a number, a text or a tuple.
        measure: of a `Run`, the inputs and the settings; returns what is written beside "meta".
        result: name of the result file, with settings in braces, such as "rdp_{name}.json". With
            {part} in it, `measure` returns several results by part. None: there is no result
            file, as `measure` draws or trains.
    """

    inputs: type
    settings: type
    measure: Measure
    result: str | None


@dataclass(frozen=True)
class Known:
    """A benchmark that is in a room, before it is imported.

    Attributes:
        name: of its module.
        room: its folder.
        question: first line of its docstring.
    """

    name: str
    room: str
    question: str

    @property
    def script(self) -> str:
        """Its file, from the root of the repository."""
        return f"benchmarks/{self.room}/{self.name}.py"

    def load(self) -> Benchmark:
        """Import it."""
        declared: Benchmark = import_module(f"benchmarks.{self.room}.{self.name}").BENCHMARK
        return declared


class Run:
    """One run of a benchmark: a stopped run goes on, and what does not change is kept.

    Args:
        folder: where finished parts are kept.
        identity: of inputs, settings and code; parts of another are not used.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self._finished = folder / f"finished-{identity}.jsonl"
        self._kept = folder / "kept.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def part(self, name: str, work: Callable[[], T]) -> T:
        """What the work returns (JSON); a run that goes on does not do it again."""
        return _once(self._finished, name, work)

    def kept(self, name: str, identity: str, work: Callable[[], T]) -> T:
        """What the work returns (JSON), which later runs do not do again: another codec, say.

        Args:
            name: of this part.
            identity: everything that the value depends on.
            work: to be done once.
        """
        return _once(self._kept, f"{name} {identity}", work)

    def say(self, text: object) -> None:
        """Tell the user how far it is."""
        print(text, file=sys.stderr, flush=True)

    def done(self) -> None:
        """Forget the parts of this run: the next run measures again."""
        self._finished.unlink(missing_ok=True)


def _once(file: Path, name: str, work: Callable[[], T]) -> T:
    text = file.read_text() if file.exists() else ""
    for line in text.splitlines():
        try:
            known = json.loads(line)
        except ValueError:  # the run was killed while it wrote
            continue
        if known["name"] == name:
            value: T = known["value"]
            return value
    made = json.dumps({"name": name, "value": work()}, allow_nan=False) + "\n"
    with file.open("a") as appended:
        appended.write(made if text.endswith("\n") or not text else "\n" + made)
    read_back: T = json.loads(made)["value"]  # as a run that goes on sees it
    return read_back


def known() -> Iterator[Known]:
    """All benchmarks, by room and name; none is imported."""
    for room in ROOMS:
        for path in sorted((schema.ROOT / "benchmarks" / room).glob("*.py")):
            tree = ast.parse(path.read_text())
            names = [ast.unparse(n.targets[0]) for n in tree.body if isinstance(n, ast.Assign)]
            if "BENCHMARK" in names:
                yield Known(path.stem, room, (ast.get_docstring(tree) or "").split("\n")[0])


def run(which: Known, texts: list[str]) -> list[Path]:
    """Run a benchmark with a command line's texts; returns the files that it wrote."""
    benchmark = which.load()
    parser = argparse.ArgumentParser(f"python -m benchmarks {which.name}", None, which.question)
    arguments.add(parser, benchmark.inputs, positional=True)
    arguments.add(parser, benchmark.settings, positional=False)
    if benchmark.result:
        folder: dict[str, Any] = {"type": Path, "default": schema.RESULTS, "metavar": "FOLDER"}
        parser.add_argument("-o", "--output", help="folder of the result file", **folder)
    parsed = parser.parse_args(texts)
    inputs = arguments.taken(benchmark.inputs, parsed)
    settings = arguments.taken(benchmark.settings, parsed)
    print(which.question, file=sys.stderr)
    if benchmark.result is None:
        benchmark.measure(Run(CACHE / which.name, "any"), inputs, settings)
        return []
    meta = provenance(which.script, inputs, settings)
    varying = ("date", "load")
    fixed = {key: value for key, value in meta.items() if key not in varying}
    going = Run(CACHE / which.name, _digest([fixed, schema.changes()]))
    measured = benchmark.measure(going, inputs, settings)
    if measured is None:
        raise TypeError(f"{which.script}: it declares {benchmark.result} and measures nothing")
    if torch := sys.modules.get("torch"):
        meta["threads"] = torch.get_num_threads()
    parts = measured if "{part}" in benchmark.result else {"": measured}
    written = []
    for part, result in parts.items():
        name = benchmark.result.format(**asdict(settings), part=part)
        more = result.pop("meta", {})
        schema.write(parsed.output / name, {**result, "meta": meta | more})
        written.append(parsed.output / name)
    going.done()
    return written


def provenance(script: str, inputs: Any, settings: Any) -> dict[str, Any]:
    """The "meta" of a result, see `benchmarks.schema`."""
    from codec.evaluation.provenance import Provenance  # noqa: PLC0415

    given = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    images = given.pop("photographs", None)
    model = given.pop("model", None)
    paths = images.paths if isinstance(images, Photographs) else ()
    meta = {
        "schema": schema.SCHEMA,
        "script": script,
        "commit": schema.commit(),
        **asdict(Provenance.of(paths)),
        "settings": asdict(settings),
        "inputs": {name: identity(one) for name, one in given.items() if one is not None},
    }
    return meta | ({"model": model.identity} if isinstance(model, Model) else {})


def identity(one: Input | tuple[Input, ...]) -> str:
    """What an input is, or several are."""
    return " ".join(i.identity for i in one) if isinstance(one, tuple) else one.identity


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
