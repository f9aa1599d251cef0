"""When the machine fails in a run over a folder: what was done is kept, --resume does the rest."""

import os
import signal

import numpy as np
import pytest
from fault_runs import SIGNALS, disk
from PIL import Image
from test_folder import records

import codec
from bitstream import Header, encode_indices, write
from bitstream.prior import grid_shape

COUNT = 9


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def whole(folder):
    """The results that are there, each of which must be whole."""
    found = sorted(folder.glob("*.bibc"))
    for path in found:
        assert codec.info(path).width == 60
    return len(found)


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_process_is_killed_and_two_signals_come(run, photos):
    """As if memory ran out: a sentence, and what was being written is removed; signals let it end.

    Each run goes on with what those before it did, and the last one finishes.
    """
    command = ("encode", photos, "-o", run.folder, "-j", 1, "--resume")

    def interrupted(number, worker):
        pid = run.start(*command, pause_workers="writing")
        run.until(run.paused)
        assert len(hidden(run.folder)) == 1
        os.kill(run.paused()[0] if worker else pid, number)
        run.go()
        code = run.wait(pid)
        for path in run.scratch.glob("[ag]*"):
            path.unlink()
        assert hidden(run.folder) == []
        return code

    assert interrupted(signal.SIGKILL, worker=True) == 1
    assert whole(run.folder) == 0
    assert run.said() == (
        "bibcodec: a process died, perhaps for lack of memory: "
        "go on with --resume and fewer processes\n"
    )
    assert interrupted(signal.SIGINT, worker=False) == SIGNALS[signal.SIGINT]
    assert 1 <= whole(run.folder) < COUNT
    assert interrupted(signal.SIGTERM, worker=False) == SIGNALS[signal.SIGTERM]
    assert run(*command) == 0
    assert whole(run.folder) == len(records(run.folder)) == COUNT


def test_a_file_too_large_for_the_memory(run, photos, model, model_dir, tmp_path):
    """It is named, and the others are done."""
    coded, side = tmp_path / "coded", 30_000
    coded.mkdir()
    head = Header(side, side // 4, 50, 4, codec.load_model(model_dir, "cpu").fingerprint)
    indices = [np.zeros(grid_shape(side // 4, side, cell), np.int32) for cell in model.cells]
    (coded / "large.bibc").write_bytes(write(head, encode_indices(indices, model.prior, head)))
    for path in sorted(photos.iterdir())[:2]:
        (coded / f"{path.stem}.bibc").write_bytes(codec.encode(path, model=model_dir))
    command = ("decode", coded, "-o", run.folder, "-j", 1)
    assert run(*command, memory_bytes=500 << 20) == 1
    done = records(run.folder)
    says = "not enough memory for an image of this size"
    assert {name: record["error"] for name, record in done.items()} == {
        "0.bibc": None,
        "1.bibc": None,
        "large.bibc": says,
    }
    assert f"bibcodec: large.bibc: {says}\n" in run.said()
    assert run.files() == ["0.png", "1.png", "manifest.jsonl"]


def test_a_full_disk(run, photos, tmp_path):
    """Room for the manifest and two results: the others are named."""
    command = ("encode", photos, "-j", 1, "-o")
    with disk(tmp_path / "small", 3 * 4096) as small:
        assert run(*command, small) == 1
        assert whole(small) == 2
        assert hidden(small) == []
        assert run.said().count(": No space left on device\n") == COUNT - 2
        assert sum(record["error"] is None for record in records(small).values()) == 2
