"""Folders: mirrored trees, manifests, bad files, shards, and runs that are killed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import codec
from codec.cli import app
from codec.folder import Job, Manifest, Processes, Shard, find


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
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
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
    return {record["file"]: record for record in map(json.loads, lines)}


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
        job.name
        for number in (1, 2, 3)
        for job in find(photos, tmp_path, {".png", ".jpg"}, ".bibc", Shard(number, 3))
    ]
    assert Counter(names) == Counter(str(path.relative_to(photos)) for path in found(photos))
    assert len({Shard(number, 3).manifest for number in (1, 2, 3)}) == 3


def test_manifest_survives_a_torn_line(tmp_path):
    done = {"file": "a.png", "output": "a.bibc", "bytes": 3, "error": None}
    (tmp_path / "a.bibc").write_bytes(b"abc")
    text = json.dumps(done) + "\n" + json.dumps(done | {"file": "b.png", "error": "bad"}) + "\n"
    (tmp_path / "manifest.jsonl").write_text(text + '{"file": "c.png", "out')
    manifest = Manifest(tmp_path, Shard(), resume=True, force=False)
    manifest.close()
    assert list(records(tmp_path)) == ["a.png"]
    job = Job("a.png", tmp_path / "a.png", tmp_path / "a.bibc")
    assert manifest.has(job)
    (tmp_path / "a.bibc").write_bytes(b"")
    assert not manifest.has(job)


def test_cores_are_not_oversubscribed(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert Processes.of(None, None) == Processes(8, 1)
    assert Processes.of(2, None) == Processes(2, 4)
    assert Processes.of(None, 4) == Processes(2, 4)
    assert Processes.of(20, None) == Processes(20, 1)


def test_killed_and_resumed_is_undisturbed(photos, tmp_path, model_dir):
    source = tmp_path / "in"
    for copy in range(6):
        shutil.copytree(photos, source / str(copy))
    base = [sys.executable, "-m", "codec.cli", "encode", str(source), "-m", str(model_dir)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    options = {"env": environment, "stderr": subprocess.PIPE}

    def start(out):
        return subprocess.Popen([*base, "-j", "1", "--resume", "-o", str(out)], **options)

    began = time.monotonic()
    assert start(tmp_path / "calm").wait() == 0
    whole = time.monotonic() - began
    out, kills = tmp_path / "killed", 0
    counts = []
    for moment in np.random.default_rng(1).uniform(0.3, 0.95, 10):
        process = start(out)
        time.sleep(whole * moment)
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
