"""The command and what people bring: metadata, thumbnails, files that are cut off."""

import io
import json
import os
import re
import threading

import pytest
from command import run_command
from picture_samples import corner, exif, stored
from PIL import Image

import codec

THUMBNAIL = stored(corner(160, 107), "JPEG")
SIZES = r"picture ([\d,]+) bytes \+ metadata ([\d,]+) bytes"


@pytest.fixture
def bibcodec(model_dir):
    def run(*arguments):
        command = [str(argument) for argument in arguments]
        return run_command([*command, *(("-m", str(model_dir)))])

    return run


@pytest.fixture
def photo_file(tmp_path):
    """A JPEG file that lies on its side, with EXIF, a thumbnail, and XMP full of padding."""
    block = exif({0x010F: (2, b"Maker\0"), 0x0112: (3, [6])}, {0xA002: (4, [300])}, THUMBNAIL)
    path = tmp_path / "photo.jpg"
    packet = b"<?xpacket begin=''?><x:xmpmeta>kept</x:xmpmeta>" + b" " * 9000 + b"<?xpacket end?>"
    options = {"exif": b"Exif\0\0" + block, "xmp": packet}
    path.write_bytes(stored(corner(300, 200), "JPEG", **options))
    return path


def test_picture_and_metadata_are_told_apart(bibcodec, photo_file, tmp_path):
    """thumbor/thumbor#917, immich-app/immich#4438, imgproxy/imgproxy#1263."""
    out = tmp_path / "photo.bibc"
    done = bibcodec("encode", photo_file, "-o", out)
    shown = re.search(SIZES, done.stderr).groups()
    picture, metadata = (int(number.replace(",", "")) for number in shown)
    assert picture + metadata == out.stat().st_size
    assert metadata < 300
    said = run_command(["info", str(out)])
    assert re.search(SIZES, said.stdout).groups() == shown
    values = json.loads(run_command(["info", "--json", str(out)]).stdout)
    assert (values["picture_bytes"], values["metadata_bytes"]) == (picture, metadata)
    bare = tmp_path / "bare.bibc"
    done = bibcodec("encode", photo_file, "-o", bare, "--strip", "all")
    assert re.search(SIZES, done.stderr).groups() == (f"{bare.stat().st_size:,}", "0")


def test_a_rate_that_is_out_of_reach_says_what_is_metadata(bibcodec, photo_file, tmp_path):
    done = bibcodec("encode", photo_file, "-o", tmp_path / "a.bibc", "--target-size", 20)
    assert done.exit_code == 1
    assert re.search(r"the target of 20 bytes is out of reach.*" + SIZES, done.stderr)
    assert "--strip" in done.stderr
    assert done.stderr.count("\n") == 1


def test_decode_strips(bibcodec, photo_file, tmp_path):
    coded = tmp_path / "photo.bibc"
    bibcodec("encode", photo_file, "-o", coded)
    for strip, left in (
        ((), {"exif", "xmp"}),
        (("--strip", "exif"), {"xmp"}),
        (("--strip", "exif", "--strip", "xmp"), set()),
        (("--strip", "all"), set()),
    ):
        out = tmp_path / "out.png"
        assert bibcodec("decode", coded, "-o", out, "-f", *strip).exit_code == 0
        with Image.open(out) as image:
            image.load()
            assert {"exif", "xmp"} & image.info.keys() == left
    assert codec.decode(coded, keep=["icc"], model=bibcodec_model(bibcodec)).info.keys() == {
        *("stages", "realism", "seed"),
    }
    with pytest.raises(ValueError, match="keep names"):
        codec.decode(coded, keep=["thumbnail"])


def bibcodec_model(bibcodec):
    return bibcodec.__closure__[0].cell_contents


def test_a_folder_is_stripped_when_it_is_decoded(bibcodec, photo_file, tmp_path):
    coded, out = tmp_path / "coded", tmp_path / "out"
    coded.mkdir()
    bibcodec("encode", photo_file, "-o", coded / "photo.bibc")
    assert bibcodec("decode", coded, "-o", out, "-j", 1, "--strip", "all").exit_code == 0
    assert "exif" not in Image.open(out / "photo.png").info


@pytest.mark.parametrize("keep", [False, True])
def test_the_thumbnail(bibcodec, photo_file, tmp_path, keep):
    coded = tmp_path / "photo.bibc"
    flags = ["--keep-thumbnail"] if keep else []
    assert bibcodec("encode", photo_file, "-o", coded, *flags).exit_code == 0
    block = codec.decode(coded, model=bibcodec_model(bibcodec)).info["exif"]
    at = block.find(b"\xff\xd8")
    assert (at > 0) == keep
    if keep:
        assert Image.open(io.BytesIO(block[at:])).size == (107, 160)


@pytest.mark.parametrize("file_format", ["jpg", "png"])
def test_a_cut_file(bibcodec, tmp_path, file_format):
    path = tmp_path / f"cut.{file_format}"
    whole = stored(corner(300, 200), "JPEG" if file_format == "jpg" else "PNG")
    path.write_bytes(whole[:-30])
    done = bibcodec("encode", path, "-o", tmp_path / "a.bibc")
    assert done.exit_code == 1
    assert "--allow-truncated" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "a.bibc").exists()
    assert bibcodec("encode", path, "-o", tmp_path / "a.bibc", "--allow-truncated").exit_code == 0


def test_what_is_left_out_is_one_line_and_no_failure(bibcodec, tmp_path):
    path = tmp_path / "motion.jpg"
    path.write_bytes(stored(corner(), "JPEG") + b"\0\0\0\x18ftypmp42" + bytes(1000))
    done = bibcodec("encode", path, "-o", tmp_path / "a.bibc", "--quiet")
    assert done.exit_code == 0
    assert done.stderr == f"bibcodec: {path}: left out: a motion video of 1,012 bytes\n"


def test_too_much_metadata_for_a_format_names_the_flag(bibcodec, model, tmp_path):
    image = corner()
    image.info["xmp"] = b"<x:xmpmeta>" + bytes(range(33, 127)) * 900 + b"</x:xmpmeta>"
    (tmp_path / "a.bibc").write_bytes(codec.encode(image, model=bibcodec_model(bibcodec)))
    done = bibcodec("decode", tmp_path / "a.bibc", "-o", tmp_path / "a.jpg")
    assert done.exit_code == 1
    assert "--strip" in done.stderr
    again = bibcodec("decode", tmp_path / "a.bibc", "-o", tmp_path / "a.jpg", "--strip", "xmp")
    assert again.exit_code == 0


def test_a_named_pipe_is_read(bibcodec, photo_file, tmp_path):
    """As the shell makes one of <(...)."""
    pipe, out = tmp_path / "pipe.jpg", tmp_path / "out.bibc"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(photo_file.read_bytes()))
    writer.start()
    done = bibcodec("encode", pipe, "-o", out)
    writer.join()
    assert done.exit_code == 0, done.stderr
    assert codec.info(out).width == 200


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_a_file_is_not_replaced_by_what_is_made_of_it(bibcodec, photo_file, verb):
    if verb == "decode":
        assert bibcodec("encode", photo_file, "-o", photo_file.with_suffix(".bibc")).exit_code == 0
        photo_file = photo_file.with_suffix(".bibc").rename(photo_file)
    before, other = photo_file.read_bytes(), photo_file.with_name("link.jpg")
    other.symlink_to(photo_file)
    for target in (photo_file, other):
        done = bibcodec(verb, photo_file, "-o", target, "-f")
        assert done.exit_code == 1
        assert "is the file that is read" in done.stderr
        assert photo_file.read_bytes() == before


def test_an_empty_name_is_not_the_current_folder(bibcodec, photo_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (("", "-o", "out"), (photo_file, "-o", "")):
        done = bibcodec("encode", *arguments)
        assert done.exit_code == 2
        assert "a name is empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
