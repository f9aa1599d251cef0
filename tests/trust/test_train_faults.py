"""When the machine fails in training: checkpoints are whole, and what is wrong is said."""

import json
import os
import pickle
import shutil
import signal
import zipfile

import numpy as np
import pytest
import torch
from command import run_command
from fault_runs import SIGNALS, Runs, Server, disk
from PIL import Image
from test_train import TOY

from codec.models.loading import load_model

DETAIL = {
    "detail.widths": [8, 8, 8],
    "detail.blocks": [1, 1, 1],
    "detail.noise": [4, 2, 2],
    "batch": 2,
    "crop": 64,
    "log_steps": 1,
    "save_seconds": 0,
}
OBJECTIVES = {"codec": TOY | {"start_batches": 2, "contexts": 0}, "detail": DETAIL}


@pytest.fixture(scope="module")
def server():
    server = Server("codec.train.dispatch")
    yield server
    server.close()


@pytest.fixture
def run(server, tmp_path):
    return Runs(server, tmp_path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(2):
        Image.fromarray(rng.integers(0, 255, (70, 70, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def command(objective, data, out, base, *more):
    settings = OBJECTIVES[objective] | ({"base": str(base)} if objective == "detail" else {})
    given = [
        text for key, value in settings.items() for text in ("--set", f"{key}={json.dumps(value)}")
    ]
    arguments = ["train", "--objective", objective, "--data", data, "-o", out, *given, *more]
    return [str(argument) for argument in arguments]


def steps(out):
    return [step for step, _ in losses(out)]


def losses(out):
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [(line["step"], line.get("loss")) for line in lines]


def test_a_killed_run_goes_on_with_the_same_loss_curve(run, data, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    contexts = ("--set", "contexts=8", "--resume")
    assert run(*command("codec", data, whole, None, *contexts)) == 0
    assert steps(whole) == list(range(1, 31))
    log = cut / "log.jsonl"
    for reach in (7, 19):
        pid = run.start(*command("codec", data, cut, None, *contexts))
        run.until(lambda reach=reach: log.exists() and log.read_text().count("\n") >= reach)
        os.kill(pid, signal.SIGKILL)
        assert run.wait(pid) == -signal.SIGKILL  # or it ended before it could be killed
    with log.open("a") as file:
        file.write('{"step": 99')  # what a kill in the middle of a line leaves
    assert run(*command("codec", data, cut, None, *contexts)) == 0
    assert losses(cut) == losses(whole)
    one, other = load_model(whole / "model", "cpu"), load_model(cut / "model", "cpu")
    assert one.fingerprint == other.fingerprint


def test_a_run_is_not_overwritten(run, data):
    (run.folder / "checkpoint.pt").write_bytes(b"precious")
    assert run(*command("codec", data, run.folder, None)) == 1
    assert "--resume" in run.said()
    assert (run.folder / "checkpoint.pt").read_bytes() == b"precious"


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_signals_while_a_checkpoint_is_written(objective, run, data, model_dir):
    """SIGINT and SIGTERM end the step with a checkpoint, SIGKILL leaves the last; all go on."""
    out, log, reached = run.folder, run.folder / "log.jsonl", 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        run.go()
        more = ("--resume", "--set", "steps=100000")
        pid = run.start(*command(objective, data, out, model_dir, *more), pause="writing")
        until = reached + 2
        run.until(lambda until=until: log.exists() and len(steps(out)) >= until)
        (run.scratch / "go").unlink()
        (run.scratch / f"at{pid}").unlink(missing_ok=True)
        run.reach(pid)
        os.kill(pid, number)
        run.go()
        assert run.wait(pid) == SIGNALS[number]
        assert run.said() == ""
        with zipfile.ZipFile(out / "checkpoint.pt") as file:
            assert file.testzip() is None
        before = reached
        reached = torch.load(out / "checkpoint.pt", weights_only=True)["step"]
        assert reached > before
        temporary = [path for path in out.rglob(".*") if path.name.endswith(".tmp")]
        if number == signal.SIGKILL:
            assert len(temporary) <= 1
        else:
            assert steps(out) == list(range(1, reached + 1))
            assert temporary == []
            assert (out / "model" / "weights.safetensors").exists()
    more = ("--resume", "--set", f"steps={reached + 1}")
    assert run(*command(objective, data, out, model_dir, *more)) == 0
    assert steps(out) == list(range(1, reached + 2))


def invoke(*arguments):
    return run_command(arguments)


@pytest.fixture(scope="module", params=OBJECTIVES)
def trained(request, data, model_dir, tmp_path_factory):
    """The objective and the folder of a run of two steps."""
    out = tmp_path_factory.mktemp("run")
    more = ("--set", "steps=2", "--set", "log_steps=5")
    done = invoke(*command(request.param, data, out, model_dir, *more))
    assert done.exit_code == 0, done.output
    assert steps(out) == [2]  # no more than were asked for
    return request.param, out


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def flipped(path):
    """A bit changed within the numbers of the largest tensor."""
    with zipfile.ZipFile(path) as file:
        largest = max(file.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 4
    return bytes(content)


def saved(thing, **options):
    def content(path):
        torch.save(thing, path.with_suffix(".other"), **options)
        return path.with_suffix(".other").read_bytes()

    return content


def other_numbers(path):
    state = torch.load(path, weights_only=True)
    state["average"] = {name: tensor[..., :1] for name, tensor in state["average"].items()}
    return saved(state)(path)


DAMAGED, OTHER = "is damaged or no checkpoint of a training run", "is of a run of another config"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: b"", DAMAGED),
        (lambda path: b"precious", DAMAGED),
        (lambda path: path.read_bytes()[:-1000], DAMAGED),
        (lambda path: path.read_bytes()[: path.stat().st_size // 2], DAMAGED),
        (flipped, DAMAGED),
        (lambda path: pickle.dumps(Hostile()), DAMAGED),
        (saved(Hostile()), DAMAGED),
        (saved({"step": 1}, _use_new_zipfile_serialization=False), DAMAGED),
        (saved({"step": 1}), OTHER),
        (saved([1, 2]), OTHER),
        (saved({"step": 1, "objective": 3, "detail": 3}), OTHER),
        (other_numbers, OTHER),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_with(damage, says, trained, data, model_dir, tmp_path):
    """One sentence, nothing of it run, and the file as it was."""
    objective, whole = trained
    out = shutil.copytree(whole, tmp_path / "run")
    path = out / "checkpoint.pt"
    content = damage(path)
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        more = ("--resume", "--set", "steps=3")
        done = invoke(*command(objective, data, out, model_dir, *more))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"bibcodec: {path} {says}")
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == content
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("trained", ["codec"], indirect=True)
def test_a_full_disk(trained, run, data, model_dir, tmp_path):
    """With room for one checkpoint the old one stays; without any for the model, it says so."""
    objective, whole = trained
    checkpoint = (whole / "checkpoint.pt").stat().st_size
    model = sum(path.stat().st_size for path in (whole / "model").iterdir())
    weights = (whole / "model" / "weights.safetensors").stat().st_size
    with disk(tmp_path / "small", 40_000 + model + checkpoint * 3 // 2) as small:
        out = shutil.copytree(whole, small / "run")
        before = (out / "checkpoint.pt").read_bytes()
        more = ("--resume", "--set", "steps=4")
        assert run(*command(objective, data, out, model_dir, *more)) == 1
        assert run.said() == f"bibcodec: {out / 'checkpoint.pt'}: No space left on device\n"
        assert (out / "checkpoint.pt").read_bytes() == before
        assert sorted(path.name for path in out.iterdir()) == sorted(
            path.name for path in whole.iterdir()
        )
    (run.scratch / "stderr").unlink()
    with disk(tmp_path / "smaller", 4 * 4096 + checkpoint + weights // 2) as small:
        more = ("--set", "steps=1", "--set", "save_seconds=1000")
        assert run(*command(objective, data, small / "run", model_dir, *more)) == 1
        where = small / "run" / "model"
        assert run.said().startswith(f"bibcodec: the model cannot be written to {where}: ")
        assert "No space left on device" in run.said()
        assert run.said().count("\n") == 1
        torch.load(small / "run" / "checkpoint.pt", weights_only=True)
