"""Image.open and Image.save."""

from io import BytesIO

import pytest
from PIL import Image, ImageFile, UnidentifiedImageError

import codec
import codec.pillow_plugin as plugin
from codec.options import DecodeLimits


@pytest.fixture(autouse=True)
def registered(model_dir):
    plugin.register(model=model_dir)
    yield
    plugin.register()


def test_save_and_open(photo, model_dir, tmp_path):
    path = tmp_path / "photo.bibc"
    photo.save(path, quality=30, seed=7)
    about = codec.info(path)
    assert (about.quality, about.seed) == (30, 7)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("BIBC", "RGB", (75, 50))
        assert image.get_format_mimetype() == "image/x-bibc"
        image.load()
        image.load()
        assert image.tobytes() == codec.decode(path, model=model_dir).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_modes(photo, mode):
    image = photo.convert("L") if mode == "I;16" else photo
    buffer = BytesIO()
    image.convert(mode).save(buffer, "BIBC")
    buffer.seek(0)
    with Image.open(buffer) as out:
        expected = {"1": "L", "I;16": "L", "P": "RGB", "CMYK": "RGB"}.get(mode, mode)
        assert out.mode == expected
        assert out.convert("RGB").size == (75, 50)


def test_metadata_comes_from_keywords_or_the_image(photo):
    image = photo.copy()
    image.info |= {"icc_profile": b"profile", "xmp": b"<x/>"}
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    buffer = BytesIO()
    image.save(buffer, "BIBC", exif=exif, icc_profile=None)
    buffer.seek(0)
    with Image.open(buffer) as out:
        assert out.info["xmp"] == b"<x/>"
        assert "icc_profile" not in out.info
        assert out.getexif()[0x010F] == "Maker"
    assert "exif" not in image.info


@pytest.mark.parametrize("source", ["JPEG", "TIFF"])
def test_metadata_and_orientation_are_what_encode_finds_in_the_file(
    photo, model_dir, tmp_path, source
):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    path, out = tmp_path / f"photo.{source}", tmp_path / "photo.bibc"
    photo.save(path, source, exif=exif)
    with Image.open(path) as image:
        image.save(out)
    assert out.read_bytes() == codec.encode(path, model=model_dir)
    with Image.open(out) as image:
        assert (image.size, image.getexif()[0x010F]) == ((50, 75), "Maker")


def test_files_are_closed_once_decoded(coded, tmp_path):
    path = tmp_path / "photo.bibc"
    path.write_bytes(coded)
    image = Image.open(path)
    file = image.fp
    image.load()
    assert file.closed
    assert image.copy().size == (75, 50)
    with Image.open(path) as image:
        image.load()
        assert image.getpixel((0, 0))
    stream = BytesIO(coded)
    Image.open(stream).load()
    assert not stream.closed  # the caller's own


def test_truncated_file(coded, monkeypatch):
    with pytest.raises(UnidentifiedImageError):
        Image.open(BytesIO(coded[:10]))
    cut = coded[: int(0.8 * len(coded))]
    with Image.open(BytesIO(cut)) as image, pytest.raises(OSError, match="cut|ran out"):
        image.load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with Image.open(BytesIO(cut)) as image:
        assert image.copy().size == (75, 50)


def test_pillow_size_limit_counts(coded, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(BytesIO(coded))


def test_the_codecs_own_limits_count_as_well(coded, model_dir, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    plugin.register(model=model_dir, limits=DecodeLimits(max_side=74))
    with pytest.raises(Image.DecompressionBombError, match="the limit is 74 pixels a side"):
        Image.open(BytesIO(coded))
    plugin.register(model=model_dir, limits=DecodeLimits(max_side=75))
    assert Image.open(BytesIO(coded)).copy().size == (75, 50)


def test_other_files_are_left_alone(photo):
    buffer = BytesIO()
    photo.save(buffer, "PNG")
    assert Image.open(buffer).format == "PNG"


def test_what_cannot_be_written_is_an_oserror(tmp_path):
    path = tmp_path / "f.bibc"
    with pytest.raises(OSError, match="mode F"):
        Image.new("F", (3, 3)).save(path)
    assert not path.exists()


def test_animation_saves_the_frame_at_hand(photo, model_dir):
    animation = BytesIO()
    photo.save(animation, "WEBP", save_all=True, append_images=[photo.rotate(180)])
    buffer = BytesIO()
    with Image.open(animation) as frames:
        frames.seek(1)
        frames.save(buffer, "BIBC")
        assert buffer.getvalue() == codec.encode(frames.copy(), model=model_dir)
