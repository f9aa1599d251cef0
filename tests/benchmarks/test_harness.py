"""The harness of the benchmarks: command lines, provenance, going on, and the results' schema."""

import doctest
import json
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import arguments, harness, inputs, markdown, schema, timing
from benchmarks.harness import Benchmark, Known, Run
from benchmarks.inputs import File, Missing, Photographs


@dataclass(frozen=True)
class Inputs:
    """What.

    Attributes:
        photographs: folder of images.
        weights: of nothing.
    """

    photographs: Photographs
    weights: File | None = None


@dataclass(frozen=True)
class Settings:
    """How.

    Attributes:
        turns: how often.
        rates: bits per pixel, of which
            there may be several.
    """

    turns: int = 2
    rates: tuple[float, ...] = (0.1,)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (2, 1):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Make a benchmark of a measuring function, and run it with arguments."""
    monkeypatch.setattr(harness, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(inputs, "UNPACKED", tmp_path / "unpacked")
    monkeypatch.setattr(schema, "commit", lambda: "0123456789ab")  # CI's copy is no checkout

    def declared(measure, result="made.json"):
        module = ModuleType("benchmarks.quality.made")
        module.BENCHMARK = Benchmark(Inputs, Settings, measure, result)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return lambda *texts: harness.run(
            Known("made", "quality", "Is it so?"), [*map(str, texts), "-o", str(tmp_path / "out")]
        )

    return declared


def test_a_result_has_what_was_measured_and_where_it_comes_from(declare, photos, tmp_path):
    def measure(run, given, settings):
        sizes = [image.size for image in given.photographs.images()]
        return {"sizes": sizes, "turns": settings.turns}

    [path] = declare(measure)(photos, "--turns", 3, "--rates", "0.1,0.2")
    result = json.loads(path.read_text())
    assert result["sizes"] == [[8, 6], [8, 6]]
    assert result["turns"] == 3
    meta = result["meta"]
    assert meta["script"] == "benchmarks/quality/made.py"
    assert meta["settings"] == {"turns": 3, "rates": [0.1, 0.2]}
    assert meta["images"] == 2
    assert meta["images_sha256"] == inputs.sha256(photos / "1.png", photos / "2.png")
    assert set(schema.FIELDS) <= set(meta)
    # of all that is checked, only the script of this test is not there
    assert schema.faults(path) == [
        "made.json: meta.script is benchmarks/quality/made.py: there is no such script"
    ]


def test_a_stopped_run_goes_on_and_a_finished_one_measures_again(declare, photos):
    done, stop = [], [True]

    def measure(run, given, settings):
        values = {}
        for path in given.photographs.paths:
            if stop and path.stem == "2":
                stop.pop()
                raise KeyboardInterrupt
            values[path.stem] = run.part(path.stem, lambda: done.append(path.stem) or len(done))  # noqa: B023
        return values

    benchmark = declare(measure)
    with pytest.raises(KeyboardInterrupt):
        benchmark(photos)
    benchmark(photos)
    assert done == ["1", "2"]
    benchmark(photos)
    assert done == ["1", "2", "1", "2"]


def test_parts_of_other_settings_or_images_are_not_used(declare, photos):
    done = []

    def measure(run, given, settings):
        run.part("all", lambda: done.append(1))
        raise KeyboardInterrupt

    benchmark = declare(measure)
    for texts in ((photos,), (photos,), (photos, "--turns", 5)):
        with pytest.raises(KeyboardInterrupt):
            benchmark(*texts)
    assert len(done) == 2
    Image.new("RGB", (8, 6), "blue").save(photos / "1.png")
    with pytest.raises(KeyboardInterrupt):
        benchmark(photos)
    assert len(done) == 3


def test_what_is_kept_is_kept_for_its_identity(tmp_path):
    done = []
    for identity in ("libavif 1", "libavif 1", "libavif 2"):
        run = Run(tmp_path, "any")
        assert run.kept("avif", identity, lambda: done.append(1) or {"dB": 30}) == {"dB": 30}
        run.done()
    assert len(done) == 2


def test_a_line_that_a_killed_run_left_is_measured_again(tmp_path):
    Run(tmp_path, "x").part("first", lambda: 1)
    with (tmp_path / "finished-x.jsonl").open("a") as file:
        file.write('{"name": "second", "val')
    assert Run(tmp_path, "x").part("second", lambda: 2) == 2
    assert Run(tmp_path, "x").part("first", lambda: 3) == 1
    assert Run(tmp_path, "x").part("second", lambda: 3) == 2


def test_several_results_by_part(declare, photos):
    def measure(run, given, settings):
        return {"": {"psnr": 1.0}, "_avif": {"psnr": 2.0, "meta": {"description": "libavif"}}}

    ours, avif = declare(measure, result="rdp{part}_{turns}.json")(photos)
    assert (ours.name, avif.name) == ("rdp_2.json", "rdp_avif_2.json")
    assert json.loads(avif.read_text())["meta"]["description"] == "libavif"


def test_a_result_with_nan_is_refused_and_the_old_one_stays(declare, photos, tmp_path):
    values = [1.0, float("nan")]
    benchmark = declare(lambda run, given, settings: {"psnr": values.pop(0)})
    [path] = benchmark(photos)
    with pytest.raises(ValueError, match="not JSON compliant"):
        benchmark(photos)
    assert json.loads(path.read_text())["psnr"] == 1.0
    assert [p.name for p in path.parent.iterdir()] == ["made.json"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: Photographs(str(p / "nowhere")), "not there"),
        (lambda p: Photographs(str(p)), "no images"),
        (lambda p: File(str(p)), "not a file"),
        (lambda p: inputs.Folder(str(p / "nowhere")), "not a folder"),
        (lambda p: inputs.Shards(str(p)), "no val-"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_measured(tmp_path, make, said):
    with pytest.raises(Missing, match=said):
        make(tmp_path)


def test_the_command_says_in_one_sentence_what_is_wrong(capsys):
    assert command.main(["noise", "/nowhere"]) == 1
    assert "benchmarks: /nowhere: not there" in capsys.readouterr().err
    assert command.main(["nothing"]) == 2
    assert "expected one of" in capsys.readouterr().err


def test_the_list_has_each_benchmark_once_with_a_question(capsys):
    assert command.main(["--list"]) == 0
    listed = capsys.readouterr().out
    benchmarks = list(harness.known())
    assert len({one.name for one in benchmarks}) == len(benchmarks) > 0
    for one in benchmarks:
        assert one.question in listed
        if one.room != "figures":
            assert one.question.endswith("?"), f"{one.script}: its first line is no question"


def test_every_committed_result_has_the_schema_a_known_script_and_a_commit(capsys):
    assert command.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.pop("meta"), "no meta"),
        (lambda r: r["meta"].update(schema=2), "meta.schema is 2"),
        (lambda r: r["meta"].update(script="benchmarks/gone.py"), "no such script"),
        (lambda r: r["meta"].update(commit="unknown"), "12 hexadecimal digits"),
        (lambda r: r["meta"].pop("date"), "meta.date is missing"),
        (lambda r: r["meta"].update(not_known=["date"]), "not_known names it"),
        (lambda r: r.update(rows=[{"psnr": float("inf")}]), r"rows\[0\].psnr is inf"),
    ],
)
def test_faults_of_a_result_are_named(tmp_path, change, said):
    result = schema.read("noise")
    path = tmp_path / "noise.json"
    path.write_text(json.dumps(result))
    assert schema.faults(path) == []
    change(result)
    path.write_text(json.dumps(result))
    with pytest.raises(AssertionError, match=said):
        assert not schema.faults(path), "; ".join(schema.faults(path))


def test_without_git_the_commit_is_the_environments(monkeypatch, tmp_path):
    monkeypatch.setattr(schema, "ROOT", tmp_path)
    monkeypatch.setenv("COMMIT", "0123456789ab")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert schema.commit() == "0123456789ab"
    monkeypatch.delenv("COMMIT")
    assert schema.commit() is None
    assert schema.changes() == ""


def test_turns_take_every_call_in_order():
    order = []
    work = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = timing.in_turns(work, 3, clock=iter(range(100)).__next__)
    assert order == ["a", "b"] * 3
    assert times == {"a": [1, 1, 1], "b": [1, 1, 1]}


def test_a_process_is_measured_and_its_failure_is_named():
    cost = timing.process("x = b'.' * 60_000_000", command=(sys.executable, "-c"))
    small = timing.process("pass", command=(sys.executable, "-c"))
    assert cost.peak_mb > small.peak_mb + 50
    assert cost.seconds > 0 and cost.processor_seconds > 0
    with pytest.raises(RuntimeError, match="exit code 3"):
        timing.process("raise SystemExit(3)", command=(sys.executable, "-c"))


@pytest.mark.parametrize("module", [arguments, markdown, timing])
def test_examples_of_docstrings(module):
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0 and found.failed == 0
