"""A run over many files accounts for everything it saw, and nothing stops the rest."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from test_folder import command, records

import codec
from codec.batch.manifest import fingerprint, given_names, is_unchanged
from codec.batch.names import name_results
from codec.batch.survey import Survey, counted, survey
from codec.processes import Processes
from codec.report import pictures


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Processes take seconds to start; test_folder.py has them."""
    monkeypatch.setattr(Processes, "pool", lambda self: ThreadPoolExecutor(1))


SUFFIXES = {".jpg", ".png", ".mpo"}


def picture(path, side=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, 20), "teal").save(path)


@pytest.fixture
def encode(model_dir, tmp_path):
    """Run `encode` into tmp_path / "out" and give what it says."""

    def run(*arguments, code=0):
        return command(
            *("encode", *arguments, "-o", tmp_path / "out", "-m", model_dir, "-j", 1), code=code
        )

    return run


def names(found):
    return [file.name for file in found.files]


def test_other_kinds_are_counted_and_named(tmp_path, encode):
    """A6: a phone's backup; darktable-org/darktable#11225, immich-app/immich#6311."""
    source = tmp_path / "in"
    picture(source / "a.jpg")
    Image.new("RGB", (20, 20)).save(source / "d.mpo", "JPEG")
    for name in ("b.DNG", "e.MOV", "f.mov", "README", "g.jpg.part"):
        (source / name).write_bytes(bytes(99))
    picture(tmp_path / "other" / "e.jpg")
    (source / "link").symlink_to("../other")
    said = encode(source)
    account = "2 MOV, 1 DNG, 1 PART, 1 file without a suffix, 1 linked folder passed over"
    assert said.endswith(f"bibcodec: {account}\n")
    assert "2 files, " in said
    listed = records(tmp_path / "out")
    assert listed["b.DNG"] == {"file": "b.DNG", "output": None, "passed_over": "DNG"}
    assert listed["link"]["passed_over"] == "linked folder"
    assert listed["d.mpo"]["error"] is None
    lines = (tmp_path / "out/manifest.jsonl").read_text().count("\n")
    assert account in encode(source, "--resume", "--strict", "--quiet", code=1)
    assert (tmp_path / "out/manifest.jsonl").read_text().count("\n") == lines


def test_what_systems_leave_is_no_picture(tmp_path):
    source = tmp_path / "in"
    for name in (
        *("._IMG_1.jpg", ".DS_Store", "Thumbs.db", "thumbs.DB", "Desktop.ini", "@eaDir/a.jpg"),
        *(".thumbnails/a.jpg", "__MACOSX/._a.jpg", "$RECYCLE.BIN/a.jpg", "#recycle/a.jpg"),
        *(".trashed-1700000000-a.jpg", ".Trash-1000/a.jpg", "b/.@__thumb/a.jpg"),
    ):
        picture(source / name) if name.endswith("jpg") else (source / name).touch()
    picture(source / "b" / "IMG_1.jpg")
    picture(source / ".hidden.jpg")
    found = survey([source], SUFFIXES)
    assert names(found) == [".hidden.jpg", "b/IMG_1.jpg"]
    assert not found.passed_over
    assert found.summary() == "13 system files left out"


def test_a_strict_run_does_not_mind_what_systems_leave(tmp_path, encode):
    picture(tmp_path / "in/a.jpg")
    (tmp_path / "in/Thumbs.db").touch()
    assert "1 system file left out" in encode(tmp_path / "in", "--strict")


def test_linked_folders_are_followed_on_demand_without_loops(tmp_path):
    """photoprism/photoprism#1265; each folder once, wherever links lead."""
    source = tmp_path / "in"
    picture(source / "a" / "1.jpg")
    picture(source / "b" / "2.jpg")
    picture(tmp_path / "outside" / "deep" / "3.jpg")
    (source / "0-to-outside").symlink_to(tmp_path / "outside")
    (source / "a" / "up").symlink_to("..")
    (source / "a" / "to-b").symlink_to("../b")
    (source / "b" / "to-a").symlink_to("../a")
    (tmp_path / "outside" / "back").symlink_to(source)
    (source / "self").symlink_to("self")
    alone = survey([source], SUFFIXES)
    assert names(alone) == ["a/1.jpg", "b/2.jpg"]
    assert sorted(alone.passed_over) == ["0-to-outside", "a/to-b", "a/up", "b/to-a", "self"]
    found = survey([source], SUFFIXES, follow_links=True)
    assert names(found) == ["0-to-outside/deep/3.jpg", "a/1.jpg", "b/2.jpg"]
    assert found.left_out == ["link to a folder of this run"] * 4
    assert counted(found.left_out) == "4 links to a folder of this run"


def test_pipes_and_sockets_are_not_opened(tmp_path):
    picture(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = survey([tmp_path], SUFFIXES)
    assert names(found) == ["a.jpg"]
    assert found.passed_over == {"pipe.jpg": "special file"}


def test_one_bad_name_does_not_stop_the_rest(tmp_path, encode):
    """A7: mikf/gallery-dl#814, #3450; names that are too long, not text, or move a terminal."""
    source = tmp_path / "in"
    picture(source / "ok.jpg")
    for name in ("x" * 251 + ".jpg", "日" * 83 + "12.jpg", "y" * 249 + ".jpg", "y" * 249 + ".png"):
        shutil.copy(source / "ok.jpg", source / name)
    for name in (b"caf\xe9.jpg", b"two\nlines.jpg", b"red\x1b[31m.jpg"):
        shutil.copy(source / "ok.jpg", os.fsencode(source) + b"/" + name)
    (source / "two\nlines.png").write_bytes(b"no picture")
    said = encode(source, code=1)
    assert said.count("File name too long\n") == 4
    assert "bibcodec: two\\nlines.png: not an image" in said
    assert "\x1b" not in said
    assert "4 files" in said
    assert "5 failed" in said
    for name in (b"ok.bibc", b"caf\xe9.bibc", b"two\nlines.jpg.bibc", b"red\x1b[31m.bibc"):
        assert os.path.exists(os.fsencode(tmp_path / "out") + b"/" + name)
    again = encode(source, "--resume", code=1)
    assert "4 were done" in again


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, encode):
    """A path of more than 4096 bytes: even root cannot list it."""
    source = tmp_path / "in"
    picture(source / "ok.jpg")
    here = os.open(source, os.O_DIRECTORY)
    for _ in range(17):
        os.mkdir("d" * 250, dir_fd=here)
        there = os.open("d" * 250, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)
    try:
        said = encode(source, code=1)
    finally:
        shutil.rmtree(source)
    assert said.count("File name too long\n") == 1
    assert "1 files, " in said
    assert "1 failed" in said
    assert (tmp_path / "out/ok.bibc").is_file()


def test_what_vanishes_or_leads_nowhere_is_named(tmp_path, encode, monkeypatch):
    source = tmp_path / "in"
    picture(source / "ok.jpg")
    (source / "dangling.jpg").symlink_to("nothing")
    (source / "loop.jpg").symlink_to("loop.jpg")
    said = encode(source, code=1)
    assert "bibcodec: dangling.jpg: No such file or directory\n" in said
    assert "bibcodec: loop.jpg: Too many levels of symbolic links\n" in said
    real = os.scandir

    def scandir(path):
        if os.path.basename(path) == "gone":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path)

    (source / "gone").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    found = survey([source], SUFFIXES)
    assert names(found) == ["dangling.jpg", "loop.jpg", "ok.jpg"]
    assert found.unreadable == {"gone": f"{source}/gone: No such file or directory"}


def test_failures_and_warnings_name_a_file_once(tmp_path, encode):
    source = tmp_path / "in"
    picture(source / "sub" / "ok.jpg")
    (source / "sub" / "bad.png").write_bytes(b"no picture")
    said = encode(source, code=1)
    assert said.count("bad.png") == 1
    assert "bibcodec: sub/bad.png: not an image" in said
    error = records(tmp_path / "out")["sub/bad.png"]["error"]
    assert error.startswith("not an image")


def test_resume_sees_changed_originals(tmp_path, encode):
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("same.bmp", "touched.bmp", "larger.bmp", "other.bmp"):
        picture(source / name)
    encode(source)
    before = {path.name: path.read_bytes() for path in out.glob("*.bibc")}
    os.utime(source / "touched.bmp", (1, 1))
    picture(source / "larger.bmp", side=77)
    size = (source / "other.bmp").stat().st_size
    Image.linear_gradient("L").convert("RGB").resize((20, 20)).save(source / "other.bmp")
    assert (source / "other.bmp").stat().st_size == size
    assert "2 were done" in encode(source, "--resume")
    assert codec.info(out / "larger.bibc").width == 77
    after = {path.name: path.read_bytes() for path in out.glob("*.bibc")}
    assert sorted(name for name in before if before[name] != after[name]) == [
        *("larger.bibc", "other.bibc")
    ]
    assert "4 were done" in encode(source, "--resume")


def test_a_time_alone_does_not_count_as_a_change(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    known = fingerprint(path)
    os.utime(path, (5, 5))
    assert is_unchanged(path, known)
    path.write_bytes(b"abd")
    assert not is_unchanged(path, known)
    path.unlink()
    assert not is_unchanged(path, known)
    assert is_unchanged(path, None)  # manifests of older versions do not say


def test_a_name_does_not_depend_on_a_neighbour_that_came_later(tmp_path, encode, model_dir):
    """A6: two originals give two pictures."""
    source, out = tmp_path / "in", tmp_path / "out"
    picture(source / "a.jpg")
    encode(source)
    picture(source / "a.png")
    picture(source / "a.gif")
    encode(source, "--resume")
    assert sorted(path.name for path in out.glob("*.bibc")) == [
        *("a.bibc", "a.gif.bibc", "a.png.bibc")
    ]
    encode(source, "-f")
    assert len(list(out.glob("*.bibc"))) == 3
    (source / "a.jpg").unlink()
    (source / "a.gif").unlink()
    encode(source, "--resume")  # a.png does not take the name of a.jpg
    assert len(list(out.glob("*.bibc"))) == 3
    command("decode", out, "-o", tmp_path / "back", "-m", model_dir, "-j", 1)
    assert sorted(path.name for path in (tmp_path / "back").glob("*.png")) == [
        *("a.gif.png", "a.png", "a.png.png")
    ]


def test_a_manifest_is_not_believed_about_places(tmp_path):
    """Names from a manifest stay within the folder of their file."""
    picture(tmp_path / "in/a.jpg")
    (tmp_path / "out").mkdir()
    lines = [{}, {"file": "a.jpg", "output": "../../a.bibc"}, {"file": "b.jpg", "output": 3}]
    text = "\n".join(map(json.dumps, lines)) + "\n[[["
    (tmp_path / "out/manifest.jsonl").write_text(text)
    given = given_names(tmp_path / "out")
    assert given == {"a.jpg": "../../a.bibc"}
    [job] = name_results(
        survey([tmp_path / "in"], SUFFIXES).files, tmp_path / "out", ".bibc", given
    )
    assert job.target == tmp_path / "out/a.bibc"


def test_several_files(tmp_path, encode, monkeypatch):
    """`encode a.jpg b.png *.webp -o DIR`; libjxl users try this first."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png", "x/c.webp", "y/c.webp", "in/d.jpg", "strange.suffix.png"):
        picture(tmp_path / name)
    os.rename("strange.suffix.png", "strange.suffix")
    said = encode(
        "a.jpg", "b.png", "x/c.webp", "y/c.webp", "in", "strange.suffix", "no.jpg", code=1
    )
    assert said.startswith("bibcodec: no.jpg: No such file or directory\n")
    assert "6 files" in said
    out = tmp_path / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.bibc")) == [
        *("a.bibc", "b.bibc", "c.webp-2.bibc", "c.webp.bibc", "in/d.bibc", "strange.bibc")
    ]
    assert records(out)["x/c.webp"]["output"] == "c.webp.bibc"
    assert "name a folder for the results" in command("encode", "a.jpg", "b.png", code=2)
    assert "one file" in command("encode", "a.jpg", "-", "-o", "out", code=2)
    assert "for folders and several files" in command("encode", "a.jpg", "--strict", code=2)


def test_a_file_that_is_given_twice_is_coded_once(tmp_path, encode):
    folder = tmp_path / "in"
    picture(folder / "a.png")
    picture(folder / "b.png")
    said = encode(folder / "a.png", folder / "a.png", folder / "b.png", folder)
    assert "2 files, " in said
    assert "2 repeated files" not in said
    assert "3 repeated files left out" in said
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"a.bibc", "b.bibc", "manifest.jsonl"}


def test_results_in_the_folder_itself(tmp_path, model_dir):
    """What runs write is not counted as passed over, nor looked at as sources."""
    picture(tmp_path / "in/a.jpg")
    arguments = ("encode", tmp_path / "in", "-m", model_dir, "-j", 1, "--strict")
    command(*arguments, "-o", tmp_path / "in")
    command(*arguments, "-o", tmp_path / "in", "--resume")
    picture(tmp_path / "in/sub/b.jpg")
    said = command(*arguments, "-o", tmp_path / "in/sub", code=1)
    assert "1 files" in said
    assert "1 BIBC passed over" in said


def test_times_are_kept(tmp_path, model_dir):
    """libjxl/libjxl#1038, Huluti/Curtail#103."""
    picture(tmp_path / "in/a.jpg")
    os.utime(tmp_path / "in/a.jpg", ns=(10**18 + 1, 10**18 + 7))
    more = ("--keep-times", "-m", model_dir)
    command("encode", tmp_path / "in", "-o", tmp_path / "out", "-j", 1, *more)
    command("decode", tmp_path / "out", "-o", tmp_path / "back", "-j", 1, *more)
    command("encode", tmp_path / "in/a.jpg", "-o", tmp_path / "one.bibc", *more)
    command("decode", tmp_path / "one.bibc", "-o", tmp_path / "one.png", *more)
    for name in ("out/a.bibc", "back/a.png", "one.bibc", "one.png"):
        assert (tmp_path / name).stat().st_mtime_ns == 10**18 + 7, name
    command("encode", tmp_path / "in/a.jpg", "-o", tmp_path / "new.bibc", "-m", model_dir)
    assert (tmp_path / "new.bibc").stat().st_mtime_ns != 10**18 + 7


def test_nothing_to_do_says_what_is_there(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.dng").touch()
    said = command("encode", tmp_path / "in", "-o", tmp_path / "out", code=1)
    assert (
        said == f"bibcodec: {tmp_path}/in: no files to encode in this folder (1 DNG passed over)\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_survey_of_nothing():
    assert Survey().summary() == ""


def test_a_report_passes_over_what_cannot_be_read(tmp_path):
    """A6 (c): `eval` names such files and leaves them out."""
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    picture(tmp_path / "._0.png")
    (tmp_path / "0.png").write_bytes(b"no picture")
    assert [path.name for path in pictures.originals(tmp_path)] == ["1.png", "2.png", "3.png"]
