"""What Python callers bring: bytes are taken, and what is no image gets one sentence."""

import io
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from picture_samples import stored
from PIL import Image

import codec
from codec.errors import LeftOutWarning, UnsupportedImageError
from codec.images import heif
from codec.images.load import load, suffixes

PNG = stored(Image.effect_noise((20, 10), 60).convert("RGB"), "PNG")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes_are_taken(kind, model):
    """MemeCrafters/nonebot-plugin-imageutils#17, python-pillow/Pillow#4097, #4302."""
    data = codec.encode(kind(PNG), model=model)
    assert data == codec.encode(Image.open(io.BytesIO(PNG)), model=model)
    assert codec.decode(kind(data), model=model).size == (20, 10)


def test_a_view_that_steps_over_bytes_is_taken():
    twice = bytes(byte for byte in PNG for _ in range(2))
    assert load(memoryview(twice)[::2]).rgb.shape == (10, 20, 3)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "NoneType is no image: expected a path, bytes, .*imread returns None"),
        ({"bytes": PNG}, "dict is no image: .*pass one of its values"),
        (torch.zeros(3, 4, 4), r"Tensor is no image: .*permute\(1, 2, 0\)"),
        ([[1, 2], [3, 4]], "list is no image: .*numpy.asarray"),
        ((1, 2), "tuple is no image"),
        (3, "int is no image"),
        (2.5, "float is no image: expected a path"),
        (object(), "object is no image"),
        (io.StringIO("text"), 'opened as text: open it with mode "rb"'),
    ],
)
def test_what_is_no_image_is_a_type_error(source, says, model):
    with pytest.raises(TypeError, match=says) as caught:
        codec.encode(source, model=model)
    assert str(caught.value).isprintable()


def test_closed_files_are_a_value_error(model, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    with (tmp_path / "a.png").open("rb") as file:
        pass
    image = Image.open(tmp_path / "a.png")
    image.close()
    buffer = io.BytesIO(PNG)
    buffer.close()
    for source in (file, buffer, image):
        with pytest.raises(ValueError, match="closed"):
            codec.encode(source, model=model)
    with pytest.raises(ValueError, match="null byte"):
        codec.encode("a\0b.png", model=model)


@pytest.mark.parametrize("source", [None, {"a": 1}, 3, [b"BIBC"], np.zeros(3)])
def test_what_is_no_coded_file_is_a_type_error(source):
    for use in (codec.decode, codec.info, codec.verify):
        with pytest.raises(TypeError, match=f"{type(source).__name__} is no coded file"):
            use(source)


@pytest.mark.parametrize("dtype", [">u2", "<u2", "u1"])
def test_arrays_of_any_byte_order(dtype):
    samples = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    wide = (samples.astype(np.uint16) * 257 if dtype != "u1" else samples).astype(dtype)
    assert np.array_equal(load(wide).rgb, samples)


def test_files_that_cannot_be_sought(model):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.file = io.BytesIO(PNG)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.file.readinto(buffer)

    assert codec.encode(Pipe(), model=model) == codec.encode(PNG, model=model)


class Socket:
    """A file without seek, which gives three bytes at most."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, size):
        return self.file.read(min(size, 3))


def test_files_that_give_fewer_bytes_than_are_asked_for(model):
    data = codec.encode(Socket(PNG), model=model)
    assert data == codec.encode(PNG, model=model)
    assert codec.decode(Socket(data), model=model).size == (20, 10)
    assert codec.info(Socket(data)).width == 20


class Upload:
    async def read(self, size=-1):
        return PNG


class Reads:
    """A file object that reads one thing."""

    def __init__(self, thing):
        self.thing = thing

    def read(self, size=-1):
        return self.thing


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Upload(), r"Upload reads asynchronously: pass the bytes, await file.read\(\)"),
        (io.StringIO("text"), 'StringIO is a file opened as text: open it with mode "rb"'),
        (Reads("text"), "Reads is a file opened as text"),
        (Reads(None), "Reads gives NoneType where it is read: expected bytes"),
    ],
)
@pytest.mark.parametrize("use", [codec.encode, codec.decode, codec.info, codec.verify])
def test_files_that_give_no_bytes_are_a_type_error(source, says, use):
    with pytest.raises(TypeError, match=says):
        use(source)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_an_array():
    assert load(np.matrix([[1, 2], [3, 4]], np.uint8)).rgb[1, :, 0].tolist() == [3, 4]


@pytest.mark.parametrize("target", ["0.1", float("nan"), float("inf"), 0, -1, b"9"])
def test_targets_that_are_no_rates(target):
    with pytest.raises(ValueError, match="expected a number of more than 0"):
        codec.encode(PNG, target_bpp=target)


# ---- HEIC


def heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    samples = np.zeros((64, 96, 3), np.uint8)
    samples[:20, :30, 0] = 255
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    buffer = io.BytesIO()
    file = pillow_heif.from_pillow(Image.fromarray(samples))
    file.save(buffer, format="HEIF", quality=90, exif=exif.tobytes())
    return buffer.getvalue()


def test_heic_is_read_upright_where_pillow_heif_is_installed(tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(heic())
    picture = load(path)
    assert picture.rgb.shape == (96, 64, 3)
    assert picture.rgb[10, 55, 0] > 150
    found = Image.Exif()
    found.load(picture.metadata["exif"])
    assert (found[0x010F], found.get(0x0112, 1)) == ("Maker", 1)
    assert ".heic" in suffixes()


def test_heic_names_the_extra_where_it_is_not(tmp_path, monkeypatch):
    path = tmp_path / "photo.HEIC"
    path.write_bytes(heic() if find_spec("pillow_heif") else b"\0\0\0\x18ftypheic")
    monkeypatch.setattr(heif, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedImageError, match=r"pip install 'bibcodec\[heic\]'"):
        load(path)
    assert ".heic" not in suffixes()


def test_a_second_picture_in_heic_is_named():
    pillow_heif = pytest.importorskip("pillow_heif")
    file, buffer = pillow_heif.from_pillow(Image.new("RGB", (64, 64))), io.BytesIO()
    file.add_from_pillow(Image.new("RGB", (64, 64), "red"))
    file.save(buffer, format="HEIF", save_all=True)
    with pytest.warns(LeftOutWarning, match="input: left out: a second picture$"):
        load(buffer)


def test_damaged_heic_is_one_sentence():
    data = heic()
    for damaged in (data[:40], data[: len(data) // 2]):
        with pytest.raises(UnsupportedImageError, match="^input: damaged image"):
            load(damaged)


@pytest.mark.parametrize("name", ["quality", "effort", "seed", "target_bpp", "target_size", "tile"])
def test_truth_values_are_no_numbers(name, model):
    with pytest.raises(TypeError, match=f"^{name} is True: expected a number, not a truth value$"):
        codec.encode(PNG, model=model, **{name: True})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"realism": "1"}, "realism is '1': expected a number"),
        ({"realism": None}, "realism is None: expected a number"),
        ({"realism": True}, "realism is True: expected a number"),
        ({"seed": np.True_}, "seed is True: expected a number"),
        ({"limits": 5}, "limits is 5: expected a DecodeLimits"),
        ({"keep": "exif"}, "keep is 'exif': expected a collection of names"),
        ({"keep": None}, "keep is None: expected a collection of names"),
        ({"model": None}, "model is None: expected a name, a folder or a loaded model"),
    ],
)
def test_options_of_another_type_are_a_type_error(given, says, model):
    coded = codec.encode(PNG, model=model)
    with pytest.raises(TypeError, match=f"^{says}"):
        codec.decode(coded, **{"model": model} | given)


@pytest.mark.parametrize("tile", [600.5, None, "big", 100])
def test_tiles_are_integers(tile, model):
    with pytest.raises(ValueError, match="tile is .*: expected an integer of at least 512 pixels"):
        codec.encode(PNG, model=model, tile=tile)
