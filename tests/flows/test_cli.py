"""The command: verbs, flags, streams, exit codes."""

import json
import os
import re
import subprocess
import sys
from io import BufferedReader, BytesIO

import numpy as np
import pytest
from command import run_command
from PIL import Image

import codec
from bitstream import container
from codec import encoding
from codec.cli.encode import Piped
from codec.errors import UnsupportedImageError
from codec.images.load import load


@pytest.fixture
def folder(tmp_path, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo.save("photo.png")
    return tmp_path


@pytest.fixture
def command(model_dir):
    """Run a verb in this process; verbs that need a model get the tiny one."""

    def run(verb, *arguments, code=0, data=b""):
        extra = ["-m", str(model_dir)] if verb in ("encode", "decode", "verify") else []
        result = run_command([verb, *extra, *map(str, arguments)], data)
        assert result.exit_code == code, result.output
        return result

    return run


def test_encode_then_decode(folder, command):
    said = command("encode", "photo.png").stderr
    size = (folder / "photo.bibc").stat().st_size
    assert said.startswith(f"photo.png -> photo.bibc: 75x50, {size:,} bytes, ")
    assert said.count("\n") == 1
    said = command("decode", "photo.bibc", "-o", "out.png").stderr
    assert said.startswith("photo.bibc -> out.png: 75x50 RGB, 4 of 4 stages, ")
    assert Image.open("out.png").size == (75, 50)
    assert sorted(p.name for p in folder.iterdir()) == ["out.png", "photo.bibc", "photo.png"]


def test_quality_and_seed_are_stored(folder, command):
    command("encode", "photo.png", "-q", 7, "--seed", 99)
    shown = json.loads(command("info", "photo.bibc", "--json").stdout)
    assert (shown["quality"], shown["seed"], shown["chunks"]) == (7, 99, {"seed": 8})
    assert shown["bpp"] == 8 * (folder / "photo.bibc").stat().st_size / (75 * 50)
    text = command("info", "photo.bibc").stdout
    assert "quality     7\n" in text
    assert "chunks      seed 8 bytes\n" in text


def test_samples_without_detail_are_refused(folder, command, model_dir):
    done = command("decode", "photo.bibc", "-o", "no.png", "--samples", 2, "--realism", 0, code=2)
    assert "without detail all are the same" in done.stderr
    assert not list(folder.glob("no*"))


def test_samples_are_the_pictures_of_seeds_in_turn(folder, command, model_dir):
    command("encode", "photo.png", "--seed", 2**64 - 1)
    said = command("decode", "photo.bibc", "-o", "out.png", "--samples", 3).stderr
    seeds = [2**64 - 1, 0, 1]
    assert all(f"seed {n}," in line for n, line in zip(seeds, said.splitlines(), strict=True))
    for number, seed in enumerate(seeds, 1):
        with Image.open(f"out-{number}.png") as sample:
            expected = codec.decode("photo.bibc", seed=seed, model=model_dir)
            assert np.array_equal(sample, expected)
    assert not (folder / "out.png").exists()
    said = command("decode", "photo.bibc", "-o", "r.png", "--samples", 2, "--seed", "random").stderr
    drawn = [line.split("seed ")[1].split(",")[0] for line in said.splitlines()]
    assert drawn[0] != drawn[1]


def test_default_quality_is_50(folder, command):
    command("encode", "photo.png")
    assert codec.info("photo.bibc").quality == 50


def test_nothing_is_overwritten_without_force(folder, command):
    command("encode", "photo.png")
    before = (folder / "photo.bibc").stat()
    said = command("encode", "photo.png", code=1).stderr
    assert "photo.bibc: exists already" in said
    said = command("decode", "photo.bibc", code=1).stderr
    assert "photo.png: exists already" in said
    assert (folder / "photo.bibc").stat().st_mtime_ns == before.st_mtime_ns
    command("encode", "photo.png", "-f", "-q", 51)
    assert codec.info("photo.bibc").quality == 51


def test_output_may_be_a_folder(folder, command):
    os.mkdir("out")
    command("encode", "photo.png", "-o", "out")
    command("decode", "out/photo.bibc", "-o", "out", "--format", "webp")
    assert Image.open("out/photo.webp").format == "WEBP"


@pytest.mark.parametrize("name", ["out.jpg", "out.tiff", "out.webp"])
def test_suffix_is_the_format(folder, command, name):
    command("encode", "photo.png")
    command("decode", "photo.bibc", "-o", name)
    assert Image.open(name).size == (75, 50)


def test_stdio(folder, command):
    coded = command("encode", "-", data=(folder / "photo.png").read_bytes()).stdout_bytes
    assert coded == codec_of(command, folder)
    image = command("decode", "-", data=coded).stdout_bytes
    assert Image.open(BytesIO(image)).format == "PNG"
    image = command("decode", "-", "-o", "-", "--format", "jpg", data=coded).stdout_bytes
    assert Image.open(BytesIO(image)).format == "JPEG"
    assert "75" in command("info", "-", data=coded).stdout
    command("verify", "-", data=coded)
    assert sorted(p.name for p in folder.iterdir()) == ["photo.bibc", "photo.png"]


def codec_of(command, folder):
    command("encode", "photo.png")
    return (folder / "photo.bibc").read_bytes()


@pytest.mark.parametrize("dropped", ["none", "all", "icc", "exif", "xmp"])
def test_strip(folder, command, dropped, photo):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    image = photo.copy()
    image.info["xmp"] = b"<x/>"
    image.save("meta.webp", exif=exif, icc_profile=b"profile", xmp=b"<x/>", lossless=True)
    command("encode", "meta.webp", "--strip", dropped)
    kept = set(codec.info("meta.bibc").chunks)
    every = {"icc": "iccp", "exif": "exif", "xmp": "xmp_"}
    gone = set(every.values()) if dropped == "all" else {every.get(dropped)}
    assert kept == set(every.values()) - gone


def test_targets_reach_the_search(folder, command, monkeypatch):
    budgets = []
    monkeypatch.setattr(
        encoding, "best_within", lambda file_at, budget: budgets.append(budget) or file_at(33, 0.0)
    )
    command("encode", "photo.png", "-o", "a.bibc", "--target-size", 700)
    command("encode", "photo.png", "-o", "b.bibc", "--target-bpp", 0.5)
    command("encode", "photo.png", "-o", "c.bibc", "--target-bpp", "1e308")
    command("encode", "photo.png", "-o", "d.bibc", "--target-size", "9" * 400)
    assert budgets == [700, 75 * 50 * 0.5 // 8, 2**28, 2**28]
    assert codec.info("a.bibc").quality == 33


def test_target_out_of_reach(folder, command):
    said = command("encode", "photo.png", "--target-size", 20, code=1).stderr
    assert "target of 20 bytes is out of reach" in said
    assert not (folder / "photo.bibc").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("encode",),
        ("encode", "photo.png", "-q", "101"),
        ("encode", "photo.png", "-q", "5", "--target-size", "500"),
        ("encode", "photo.png", "--target-bpp", "-1"),
        ("encode", "photo.png", "--seed", "-1"),
        ("encode", "photo.png", "--strip", "gps"),
        ("encode", "photo.png", "--device", "tpu"),
        ("encode", "-", "-o", "."),
        ("decode", "photo.bibc", "--seed", "1" * 5000),
        ("decode", "photo.bibc", "--max-pixels", "0"),
        ("decode", "photo.bibc", "--threads", "0"),
        ("decode", "photo.bibc", "--threads", "1" * 12),
        ("encode", ".", "-o", "out", "--jobs", "1" * 12),
        ("encode", "photo.png", "--no-such-flag"),
        ("no-such-verb",),
    ],
)
def test_usage_errors_are_2(folder, command, wrong):
    result = run_command(wrong)
    assert result.exit_code == 2
    assert list(folder.iterdir()) == [folder / "photo.png"]


@pytest.mark.parametrize("name", ["-dash.png", "-o.png", "-q.png", "-vf.png"])
def test_a_name_like_an_option_gets_a_hint(folder, command, name):
    (folder / "photo.png").rename(name)
    assert f"write ./{name} to give the file" in " ".join(
        command("encode", name, code=2).stderr.split()
    )
    command("encode", f"./{name}", "-o", "a.bibc")
    assert codec.info("a.bibc").width == 75


def test_what_is_coded_already_is_not_coded_again(folder, command):
    command("encode", "photo.png", "-o", "photo.name")
    said = command("encode", "photo.name", code=1).stderr
    assert said == (
        "bibcodec: photo.name: is coded already: make an image of it with bibcodec decode "
        "(codec.decode)\n"
    )


def test_verify(folder, command):
    command("encode", "photo.png")
    assert command("verify", "photo.bibc").stderr.startswith("photo.bibc: sound: 75x50, ")


def test_allow_partial(folder, command, coded):
    (folder / "cut.bibc").write_bytes(coded[: int(0.8 * len(coded))])
    said = command("decode", "cut.bibc", code=1).stderr
    assert re.search(r": get it again, or decode the [1-3] of 4 stages that it holds with ", said)
    assert not (folder / "cut.png").exists()
    said = command("decode", "cut.bibc", "--allow-partial").stderr
    assert "of 4 stages" in said
    assert "4 of 4" not in said


@pytest.mark.parametrize("missing", range(5))
def test_info_of_a_cut_file(folder, command, coded, missing):
    """It says so unless the cut is between two words, which decoding alone would find."""
    (folder / "cut.bibc").write_bytes(coded[: len(coded) - missing])
    within = missing % 4 > 0
    assert (
        "cut         yes: the image data end within" in command("info", "cut.bibc").stdout
    ) is within
    assert json.loads(command("info", "cut.bibc", "--json").stdout)["cut"] is within


def test_a_cut_file_that_holds_no_stage_gets_no_advice(folder, command, coded):
    payload = len(container.parse(coded).payload)
    (folder / "cut.bibc").write_bytes(coded[: len(coded) - payload + 8])
    said = command("decode", "cut.bibc", code=1).stderr
    assert said.endswith(": the file is cut or damaged: get it again\n")


@pytest.mark.parametrize(
    ("flag", "held"),
    [("--max-pixels", 3750), ("--max-side", 75), ("--max-stages", 4), ("--max-chunk-bytes", 8)],
)
def test_limits(folder, command, flag, held):
    command("encode", "photo.png", "--seed", 5)
    for verb in (["decode", "photo.bibc", "-o", "x.png", "-f"], ["verify", "photo.bibc"]):
        said = command(*verb, flag, held - 1, code=1).stderr
        assert f"the limit is {held - 1} " in said
        command(*verb, flag, held)


def test_quiet_and_device_output(folder, command):
    result = command("encode", "photo.png", "-o", os.devnull, "-f", "--quiet")
    assert (result.stdout, result.stderr) == ("", "")
    assert not os.path.isfile(os.devnull)


def test_unwritable_target_names_it(folder, command):
    said = command("encode", "photo.png", "-o", "no/such/out.bibc", code=1).stderr
    assert said == "bibcodec: no/such/out.bibc: there is no folder no/such: make it first\n"


@pytest.mark.parametrize("verb", ["encode", "decode"])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("n" * 300,), "n: File name too long"),
        (("photo.png", "-o", "n" * 300), "n: File name too long"),
        (("photo.png", "-o", "loop"), "loop: Too many levels of symbolic links"),
        (("photo.png", "-o", "loop", "-f"), "loop: Too many levels of symbolic links"),
        (("photo.png", "-o", "photo.png/out"), "photo.png/out: Not a directory"),
    ],
)
def test_impossible_names_are_one_sentence(folder, command, coded, verb, arguments, named):
    (folder / "loop").symlink_to("loop")
    if verb == "decode":
        (folder / "photo.png").write_bytes(coded)
        arguments += ("--format", "png")
    said = command(verb, *arguments, code=1).stderr
    assert said.endswith(f"{named}\n")
    assert said.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["loop", "photo.png"]


def test_a_format_of_a_strange_name(folder, command):
    command("encode", "photo.png")
    said = command("decode", "photo.bibc", "--format", "a/b", code=1).stderr
    assert said.startswith("bibcodec: a/b: no image format of that name is known: expected one ")
    said = command("decode", "photo.bibc", "-o", "out.bibc", code=1).stderr
    assert "out.bibc: no image format of that name is known: expected one such as png" in said
    command("decode", "photo.bibc", "--format", ".jpg")
    assert Image.open("photo.jpg").format == "JPEG"


@pytest.mark.parametrize("name", ["out.jpg", "out.PNG", "./a.b.webp"])
def test_a_result_is_not_named_as_an_image(folder, command, name):
    said = command("encode", "photo.png", "-o", name, code=2).stderr
    assert "give a name that ends in .bibc" in said
    command("encode", "photo.png", "-o", "out.of.any.name")


def test_what_is_coded_already(folder, command):
    command("encode", "photo.png")
    for more in ((), ("-f",)):
        said = command("encode", "photo.bibc", *more, code=1).stderr
        assert "photo.bibc: is coded already: `bibcodec decode` makes an image of it" in said


def test_the_sentence_of_a_cut_file_says_what_reads_it(folder, command):
    command("encode", "photo.png")
    whole = (folder / "photo.bibc").read_bytes()
    for size in (len(whole) - 1, len(whole) - 8):
        (folder / "cut.bibc").write_bytes(whole[:size])
        said = command("decode", "cut.bibc", "-f", code=1).stderr
        assert said.endswith("with --allow-partial (allow_partial=True)\n")
        command("decode", "cut.bibc", "-f", "--allow-partial")


def test_verify_of_a_folder_names_what_is_not_sound(folder, command):
    os.makedirs("coded/sub")
    command("encode", "photo.png", "-o", "coded/a.bibc")
    whole = (folder / "coded/a.bibc").read_bytes()
    (folder / "coded/sub/b.bibc").write_bytes(whole)
    assert command("verify", "coded").stderr.endswith("2 files: 2 sound, 0 not\n")
    (folder / "coded/a.bibc").write_bytes(whole[:-1])
    lines = command("verify", "coded", code=1).stderr.splitlines()
    assert lines[0].startswith("bibcodec: coded/a.bibc: ")
    assert lines[1].startswith("coded/sub/b.bibc: sound: ")
    assert lines[2:] == ["2 files: 1 sound, 1 not"]
    os.mkdir("empty")
    said = command("verify", "empty", code=1).stderr
    assert said == "bibcodec: empty: no .bibc files in this folder\n"


def test_any_name_that_a_file_may_have(folder, command):
    command("encode", "photo.png", "-o", "é" * 127)
    assert codec.info("é" * 127).width == 75


def test_a_replaced_file_keeps_its_mode(folder, command):
    (folder / "photo.bibc").touch()
    (folder / "photo.bibc").chmod(0o600)
    command("encode", "photo.png", "-f")
    assert (folder / "photo.bibc").stat().st_mode & 0o777 == 0o600


def test_nothing_is_encoded_that_would_not_decode(folder, command):
    Image.new("L", (65536, 1)).save("wide.png")
    said = command("encode", "wide.png", code=1).stderr
    assert said == "bibcodec: wide.png: the image is 65536x1; the limit is 65535 pixels a side\n"


class Counted:
    """A pipe without an end that counts what is read from it."""

    def __init__(self, start):
        self.start, self.count = BytesIO(start), 0

    def read(self, size):
        self.count += size
        assert self.count < 2**22
        return self.start.read(size).ljust(size, b"\0")


@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF", "WEBP", "PPM", "BMP", "GIF", "AVIF"])
def test_a_pipe_is_read_as_a_file(photo, name):
    file = BytesIO()
    photo.save(file, name)
    piped = load(BufferedReader(Piped(BytesIO(file.getvalue()))))
    assert np.array_equal(piped.rgb, load(file).rgb)


def test_a_pipe_is_read_no_further_than_its_image(photo):
    file = BytesIO()
    photo.save(file, "PNG")
    load(BufferedReader(Piped(Counted(file.getvalue()))))
    with pytest.raises(UnsupportedImageError, match="input: not an image"):
        load(BufferedReader(Piped(Counted(b""))))


def test_image_problems_are_one_sentence(folder, command):
    (folder / "text.jpg").write_text("not an image")
    Image.fromarray(np.zeros((4, 4), np.float32)).save("float.tiff")
    for name, word in (("text.jpg", "not an image"), ("float.tiff", "mode F")):
        said = command("encode", name, code=1).stderr
        assert said.startswith(f"bibcodec: {name}: ")
        assert word in said
        assert said.count("\n") == 1
    command("encode", "photo.png")
    Image.open("photo.png").convert("RGBA").save("rgba.png")
    command("encode", "rgba.png")
    assert "JPEG cannot hold" in command("decode", "rgba.bibc", "-o", "a.jpg", code=1).stderr
    assert "xyz" in command("decode", "photo.bibc", "-o", "a.xyz", code=1).stderr
    assert not list(folder.glob("a.*"))


def test_missing_gpu_is_said(folder, command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no CUDA" in command("encode", "photo.png", "--device", "cuda", code=1).stderr


def test_missing_model_is_said(folder):
    result = run_command(["encode", "photo.png", "-m", "no/model"])
    assert result.exit_code == 1
    assert "no/model" in result.stderr


def test_traceback_only_on_request(folder, command, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("surprise")

    monkeypatch.setattr(encoding, "encode_image", broken)
    assert "Traceback" not in command("encode", "photo.png", code=1).stderr
    assert "Traceback" in command("encode", "photo.png", "-vv", code=1).stderr


def test_as_a_process(folder, model_dir):
    """As a process: real streams, the exit status, no terminal, no colour."""
    base = [sys.executable, "-m", "codec.cli"]
    png = (folder / "photo.png").read_bytes()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    options = {"capture_output": True, "env": environment, "timeout": 120}
    model = ["-m", str(model_dir)]
    done = subprocess.run([*base, "encode", "-", *model], input=png, **options)
    assert done.returncode == 0
    assert codec.info(done.stdout).width == 75
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
    done = subprocess.run([*base, "decode", "-", *model], input=done.stdout[:30], **options)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"bibcodec: -: ")


def test_files_and_options_in_any_order(folder, command):
    (folder / "other.png").write_bytes((folder / "photo.png").read_bytes())
    command("encode", "photo.png", "-q", "7", "other.png", "--output=out")
    assert [codec.info(f"out/{name}.bibc").quality for name in ("photo", "other")] == [7, 7]
    (folder / "photo.png").rename("-dash.png")
    command("encode", "-fq9", "-o", "a.bibc", "--", "-dash.png")
    assert codec.info("a.bibc").quality == 9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), "usage: bibcodec VERB ..."),
        (("nothing",), "bibcodec: there is no verb nothing: expected one of encode, "),
        (("info",), "bibcodec: the following arguments are required: FILE; `bibcodec info --help`"),
        (("encode", "a", "-q", "x\ny"), "--quality: expected an integer in 0..100, got x\\ny;"),
        (("decode", "a", "--realism", "nan"), "--realism: expected a number in 0..1, got nan;"),
        (("decode", "a", "--tile", "9"), "--tile: expected an integer of at least 512, got 9;"),
        (("encode", "a", "--qual", "9"), "unrecognized arguments: --qual"),
    ],
)
def test_what_is_said_of_wrong_arguments(wrong, said):
    result = run_command(wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1 or not wrong
