"""When the machine fails: nothing half-written, nothing lost, and the right exit code."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fault_runs import SIGNALS

import codec
from bitstream import Header, encode_indices, write
from bitstream.prior import grid_shape
from codec.errors import CodecError


@pytest.fixture
def source(tmp_path, photo, coded):
    """Arguments of encode and decode, from files that are there."""
    photo.save(tmp_path / "photo.png", icc_profile=np.random.default_rng(0).bytes(4000))
    (tmp_path / "photo.bibc").write_bytes(coded)
    return {"encode": tmp_path / "photo.png", "decode": tmp_path / "photo.bibc"}


VERBS = {"encode": "a.bibc", "decode": "a.png"}
EARLY = {"encode": "reading", "decode": "decoding"}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("place", "number"),
    [("early", signal.SIGINT), *(("writing", number) for number in SIGNALS)],
)
def test_a_signal_leaves_the_old_file(verb, place, number, run, source):
    target = run.folder / VERBS[verb]
    target.write_bytes(b"old")
    pid = run.start(
        verb, source[verb], "-o", target, "-f", pause=place if place == "writing" else EARLY[verb]
    )
    run.reach(pid)
    os.kill(pid, number)
    assert run.wait(pid) == SIGNALS[number]
    assert target.read_bytes() == b"old"
    assert run.said() == ""
    left = [name for name in run.files() if name != target.name]
    if number == signal.SIGKILL:  # a hidden file stays, which is in no one's way
        assert len(left) == 1
        assert left[0].startswith(f".{target.name}.")
        assert run(verb, source[verb], "-o", target, "-f") == 0
        assert target.stat().st_size > 3
    else:
        assert left == []


@pytest.mark.parametrize("verb", VERBS)
def test_disk_full(verb, run, source):
    """The limit on file sizes stands for a full disk: the write fails in the middle."""
    target = run.folder / VERBS[verb]
    for old in (None, b"old"):
        if old:
            target.write_bytes(old)
        assert run(verb, source[verb], "-o", target, "-f", file_bytes=2000) == 1
        assert run.said() == f"bibcodec: {target}: File too large\n"
        assert run.files() == ([target.name] if old else [])
        (run.scratch / "stderr").unlink()
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("verb", VERBS)
def test_full_device_and_full_stdout(verb, run, source):
    for options in (["-o", "/dev/full", "-f"], ["-o", "-"]):
        assert run(verb, source[verb], *options, stdout="/dev/full") == 1
    lines = run.said().splitlines()
    assert len(lines) == 2
    assert lines[0] == "bibcodec: /dev/full: No space left on device"
    assert lines[1] == "bibcodec: -: No space left on device"


@pytest.mark.parametrize("verb", VERBS)
def test_a_reader_that_went_away(verb, run, source):
    pipe = run.scratch / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    pid = run.start(verb, source[verb], "-o", "-", stdout=str(pipe), pause=EARLY[verb])
    run.reach(pid)
    os.close(reader)
    run.go()
    assert run.wait(pid) == 1
    assert run.said() == "bibcodec: -: Broken pipe\n"


@pytest.mark.parametrize("verb", VERBS)
def test_output_folder_vanishes(verb, run, source):
    target = run.folder / "inner" / VERBS[verb]
    for place in (EARLY[verb], "writing"):
        target.parent.mkdir()
        pid = run.start(verb, source[verb], "-o", target, pause=place)
        run.reach(pid)
        shutil.rmtree(target.parent)
        run.go()
        assert run.wait(pid) == 1
        (run.scratch / "go").unlink()
    missing = f"there is no folder {target.parent}: make it first"
    assert run.said() == f"bibcodec: {target}: {missing}\n" * 2
    assert run.files() == []


@pytest.mark.parametrize("verb", VERBS)
def test_read_only_target(verb, run, source):
    """/sys refuses new files even to root."""
    target = Path("/sys") / VERBS[verb]
    assert run(verb, source[verb], "-o", target) == 1
    assert run.said() == f"bibcodec: {target}: Permission denied\n"


@pytest.mark.parametrize("force", [[], ["-f"]])
def test_two_processes_write_one_file(force, run, source):
    """Without -f the first to finish wins, and the other one says so; with -f either wins."""
    target = run.folder / "a.bibc"
    pids = [
        run.start("encode", source["encode"], "-o", target, "-q", q, *force, pause="writing")
        for q in (20, 80)
    ]
    run.reach(*pids)
    run.go()
    codes = sorted(run.wait(pid) for pid in pids)
    assert codes == ([0, 0] if force else [0, 1])
    assert run.files() == ["a.bibc"]
    assert codec.info(target).quality in (20, 80)
    assert run.said().count("exists already") == (0 if force else 1)


def test_out_of_memory(run, source, model, model_dir):
    """3000x3000 pixels in 64 MB: one sentence, in whichever part it ends."""
    fingerprint = codec.load_model(model_dir, "cpu").fingerprint
    header = Header(3000, 3000, 50, 4, fingerprint)
    indices = [np.zeros(grid_shape(3000, 3000, cell), np.int32) for cell in model.cells]
    source["decode"].write_bytes(write(header, encode_indices(indices, model.prior, header)))
    for megabytes in (16, 64):
        code = run(
            "decode", source["decode"], "-o", run.folder / "a.png", memory_bytes=megabytes << 20
        )
        assert code == 1
    lines = run.said().splitlines()
    assert lines == ["bibcodec: not enough memory for an image of this size"] * 2
    assert run.files() == []


def test_threads_share_a_model(photo, model_dir):
    """A model that no one has used yet, and eight threads at once: the pixels of one thread."""
    files = [
        codec.encode(photo.resize(size), model=model_dir, quality=q)
        for size, q in (((75, 50), 20), ((130, 90), 60), ((33, 200), 90))
    ]
    alone = [codec.decode(data, model=model_dir).tobytes() for data in files]
    fresh = codec.load_model(model_dir, "cpu")
    with ThreadPoolExecutor(8) as threads:
        images = threads.map(lambda n: codec.decode(files[n % 3], model=fresh).tobytes(), range(24))
        assert list(images) == alone * 8


@pytest.mark.parametrize("name", ["weights.safetensors", "prior.safetensors", "config.json"])
def test_a_tampered_model_is_another_model(name, coded, model_dir, tmp_path):
    """Any changed byte either makes the model invalid or another one, which the file names."""
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    data = (folder / name).read_bytes()
    for at in (len(data) // 3, len(data) // 2, len(data) - 2):
        changed = bytearray(data)
        changed[at] ^= 1
        (folder / name).write_bytes(changed)
        with pytest.raises(CodecError):
            codec.decode(coded, model=codec.load_model(folder, "cpu"))
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(CodecError, match=str(folder)):
        codec.load_model(folder, "cpu")
    (folder / name).write_bytes(data)
    assert codec.decode(coded, model=codec.load_model(folder, "cpu")).size == (75, 50)
