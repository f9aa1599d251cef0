"""Folders: mirrored trees, manifests, bad files, shards, and runs that are killed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from command import run_command
from PIL import Image

import codec
from codec import processes
from codec.batch import folder
from codec.batch.folder import Worker, record_of
from codec.batch.manifest import Manifest
from codec.batch.names import Job, name_results
from codec.batch.shard import Shard
from codec.batch.survey import survey
from codec.errors import CodecError, UnusualImageWarning
from codec.processes import Processes


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Ten small pictures in a tree, beside what is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(10):
        path = folder / ("a", "a/b", ".")[number % 3] / f"{number}.{('png', 'jpg')[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40 + number, 60, 3), np.uint8)).save(path)
    (folder / "notes.txt").write_text("no picture")
    return folder


def found(folder):
    return folder.rglob("*.[pj]*g")


def command(*arguments, code=0):
    result = run_command([*map(str, arguments)])
    assert code is None or result.exit_code == code, result.output
    return result.stderr


def contents(folder):
    """Digests of all files but the manifest, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("manifest")
    }


def records(folder):
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return {record["file"]: record for record in map(json.loads, lines[1:])}


def test_there_and_back(photos, tmp_path, model_dir):
    source = shutil.copytree(photos, tmp_path / "in")
    (source / "bad.png").write_bytes(b"not a picture")
    Image.new("L", (9, 9)).save(source / "a/0.tif")  # beside 0.png
    coded, back = tmp_path / "coded", tmp_path / "back"
    said = command("encode", source, "-o", coded, "-m", model_dir, "-q", 20, "-j", 1, code=1)
    assert "bibcodec: bad.png: " in said
    assert "11 files" in said
    assert "1 failed" in said
    expected = {str(path.relative_to(photos).with_suffix(".bibc")) for path in found(photos)}
    assert set(contents(coded)) == expected - {"a/0.bibc"} | {"a/0.png.bibc", "a/0.tif.bibc"}
    listed = records(coded)
    assert listed["bad.png"]["sha256"] is None
    one = listed["a/b/1.jpg"]
    path = coded / one["output"]
    assert one["bytes"] == path.stat().st_size
    assert one["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert one["bpp"] == codec.info(path).bpp
    assert one["error"] is None
    assert path.read_bytes() == codec.encode(photos / "a/b/1.jpg", quality=20, model=model_dir)
    command("decode", coded, "-o", back, "-m", model_dir, "--format", "webp", "-j", 1)
    assert {name.replace(".webp", ".bibc") for name in contents(back)} == set(contents(coded))
    assert Image.open(back / "a/b/1.webp").size == (60, 41)
    said = command("encode", source, "-o", coded, "-m", model_dir, code=1)
    assert "--resume" in said
    (source / "bad.png").unlink()
    before = contents(coded)
    said = command("encode", source, "-o", coded, "-m", model_dir, "-q", 20, "-j", 1, "--resume")
    assert "11 were done" in said
    assert contents(coded) == before


def test_wrong_uses(photos, tmp_path, model_dir):
    out = tmp_path / "out"
    command("encode", photos, code=2)
    command("encode", photos, "-o", photos / "notes.txt", code=2)
    command("encode", photos, "-o", out, "--shard", "3/2", code=2)
    command("encode", photos / "0.png", "-j", 2, code=2)
    command("decode", photos, "-o", out, "--samples", 2, code=2)
    assert "no files to decode" in command("decode", photos, "-o", out, "-m", model_dir, code=1)
    assert not out.exists()
    said = command("encode", photos, "-o", out, "-m", "no/model", "-j", 1, code=1)
    assert said.startswith("bibcodec: no model in no/model")
    assert said.count("\n") == 1


def test_shards_share_the_files(photos, tmp_path):
    names = [
        file.name
        for number in (1, 2, 3)
        for file in survey([photos], {".png", ".jpg"}).files
        if Shard(number, 3).has(file.name)
    ]
    assert Counter(names) == Counter(str(path.relative_to(photos)) for path in found(photos))
    assert len({Shard(number, 3).manifest for number in (1, 2, 3)}) == 3


ABOUT = {"run": "encode", "options": {"quality": 50}}


@pytest.mark.parametrize("torn", ["", '{"file": "c.png", "out'])
@pytest.mark.parametrize(
    "damaged",
    [
        "",
        '{"a":1}\n',
        '{"file": "x.png, "out}\n',
        "[]\n1\n\n",
        '{"file": [1]}\n',
        "[" * 9999 + "\n",
    ],
)
def test_manifest_survives_damage(torn, damaged, tmp_path):
    done = {"file": "a.png", "output": "a.bibc", "bytes": 3, "error": None}
    target, path = tmp_path / "a.bibc", tmp_path / "manifest.jsonl"
    target.write_bytes(b"abc")
    lines = [ABOUT, done, done | {"file": "b.png", "error": "bad"}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + damaged
    path.write_text(text + torn)
    manifest = Manifest(path, ABOUT, resume=True, force=False)
    manifest.add(done | {"file": "d.png"})
    manifest.close()
    assert path.read_text() == text + json.dumps(done | {"file": "d.png"}) + "\n"
    source = tmp_path / "a.png"
    assert manifest.has(Job("a.png", source, target))
    assert not manifest.has(Job("b.png", source, target))
    assert not manifest.has(Job("a.png", source, tmp_path / "b.bibc"))
    target.write_bytes(b"")
    assert not manifest.has(Job("a.png", source, target))


def test_manifest_of_a_run_at_work_or_with_other_options_is_left_alone(tmp_path):
    path = tmp_path / "manifest.jsonl"
    manifest = Manifest(path, ABOUT, resume=False, force=False)
    for resume, force in ((False, False), (True, False), (False, True)):
        with pytest.raises(CodecError, match=r"manifest\.jsonl: another run is at work"):
            Manifest(path, ABOUT, resume=resume, force=force)
    Manifest(tmp_path / Shard(2, 3).manifest, ABOUT, resume=False, force=False).close()
    manifest.close()
    for text in (path.read_text(), "my own notes"):
        path.write_text(text)
        for resume, named in ((True, "begun with other options"), (False, "a run was here")):
            with pytest.raises(CodecError, match=named):
                Manifest(path, ABOUT | {"options": {"quality": 90}}, resume=resume, force=False)
            assert path.read_text() == text
    Manifest(path, ABOUT, resume=False, force=True).close()
    Manifest(path, ABOUT, resume=True, force=False).close()
    assert path.read_text() == json.dumps(ABOUT) + "\n"


def test_results_have_names_of_their_own(tmp_path):
    names = ["a.jpg", "a.png", "a.png.webp", "a.png.webp.png", "b.png", "b/a.png", "c.png.jpg"]
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = survey([tmp_path / "in"], {".png", ".jpg", ".webp"}).files
    jobs = name_results(files, tmp_path, ".bibc", {})
    assert {job.name: job.target.relative_to(tmp_path).as_posix() for job in jobs} == {
        "a.jpg": "a.jpg.bibc",
        "a.png": "a.png.bibc",
        "a.png.webp": "a.png.webp.bibc",
        "a.png.webp.png": "a.png.webp.png.bibc",
        "b.png": "b.bibc",
        "b/a.png": "b/a.bibc",
        "c.png.jpg": "c.png.bibc",
    }


def test_nothing_is_replaced_without_force(tmp_path, coded, model_dir, monkeypatch):
    """Neither what is there at the start, nor what comes later, but what a stopped run left."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.bibc").write_bytes(coded)
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    command_line = ("decode", source, "-o", out, "-m", model_dir, "-j", 1)
    for flags in ((), ("--resume",)):
        said = command(*command_line, *flags, code=1)
        assert said == f"bibcodec: {out}/a.png: exists already: name another folder, or -f\n"
        assert [path.name for path in out.iterdir()] == ["a.png"]
    job = Job("a.bibc", source / "a.bibc", out / "a.png")
    record = Worker(lambda _: (b"new", 0.1), out, force=False, keep_times=False).do(job)
    assert "exists already" in record["error"]
    assert (out / "a.png").read_bytes() == b"mine"
    command(*command_line, "-f")
    assert Image.open(out / "a.png").size == (75, 50)
    path = out / "manifest.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    (out / "a.png").write_bytes(b"stopped before its line was written")
    command(*command_line, "--resume")
    assert Image.open(out / "a.png").size == (75, 50)
    said = command(*command_line, "--resume", "--realism", 0, code=1)
    assert "(realism was 1.0 and is 0.0)" in said
    assert said.count("\n") == 1
    monkeypatch.setattr(processes, "ProcessPoolExecutor", None)  # nothing is left to do
    assert "1 were done" in command(*command_line, "--resume", "--tile", 512)


def test_a_warning_names_its_file(photos, tmp_path, model_dir, monkeypatch):
    def work():
        warnings.warn("unlike\nphotographs", UnusualImageWarning, stacklevel=1)
        warnings.warn("of no interest", stacklevel=1)
        return b"abc", 0.1

    record = record_of("a.png", "a.bibc", work)
    assert (record["warning"], record["error"]) == ("unlike photographs", None)

    def run(worker, jobs, manifest, *, processes, done):
        for job in jobs:
            manifest.add(record | {"file": job.name})
            done(manifest.records[job.name])

    monkeypatch.setattr(folder, "run", run)
    base = ("encode", photos / "a", "-o", tmp_path / "out", "-m", model_dir)
    assert "bibcodec: b/1.jpg: unlike photographs\n" in command(*base)
    assert command(*base, "-f", "--quiet") == ""


def test_cores_are_not_oversubscribed(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert Processes.of(None, None) == Processes(8, 1)
    assert Processes.of(2, None) == Processes(2, 4)
    assert Processes.of(None, 4) == Processes(2, 4)
    assert Processes.of(20, None) == Processes(20, 1)


def test_libraries_begin_with_the_right_number_of_threads():
    """OpenBLAS decides when numpy is imported, which is before a worker's first line of ours."""
    before = os.environ.get("OMP_NUM_THREADS")
    with Processes(1, 3).pool() as pool:
        environment = pool.submit(Path.read_bytes, Path("/proc/self/environ")).result()
    assert b"OMP_NUM_THREADS=3" in environment.split(b"\0")
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.slow
def test_killed_and_resumed_is_undisturbed(photos, tmp_path):
    """With onnxruntime: eight runs begin here, each of two processes, and torch takes seconds."""
    source = tmp_path / "in"
    for copy in range(6):
        shutil.copytree(photos, source / str(copy))
    base = [sys.executable, "-m", "codec.cli", "encode", str(source)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    options = {"env": environment, "stderr": subprocess.PIPE}

    def start(out):
        return subprocess.Popen(
            [*base, "-j", "1", "--engine", "onnx", "--resume", "-o", str(out)], **options
        )

    assert start(tmp_path / "calm").wait() == 0
    out, kills = tmp_path / "killed", 0
    counts = [0]
    for more in np.random.default_rng(1).integers(1, 10, 6):
        process = start(out)
        while process.poll() is None and len(list(out.rglob("*.bibc"))) < counts[-1] + more:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        counts.append(len(list(out.rglob("*.bibc"))))
    assert start(out).wait() == 0
    assert contents(out) == contents(tmp_path / "calm")
    assert len(contents(out)) == 60
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]
    seconds = {"seconds": None}
    calm = {name: record | seconds for name, record in records(tmp_path / "calm").items()}
    assert {name: record | seconds for name, record in records(out).items()} == calm
    assert kills >= 3
    assert counts == sorted(counts)  # nothing that was done is lost
