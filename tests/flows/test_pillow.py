"""Image.open and Image.save."""

from io import BytesIO

import pytest
from PIL import Image, ImageFile, UnidentifiedImageError

import codec
import codec.pillow_plugin as plugin
from bitstream import container
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


def with_damage(coded):
    """The file with one bit flipped in its image data, in its middle, and without its end."""
    flipped = bytearray(coded)
    flipped[len(coded) // 2] ^= 0x55
    return [bytes(flipped), coded[: len(coded) * 3 // 4], coded[:-1]]


def test_verify_compares_every_checksum(coded, monkeypatch):
    """GrandComicsDatabase/gcd-django#213: upload forms rely on it."""
    import codec.runtime.model as runtime

    def never(*_, **__):
        raise AssertionError("a network was run")

    monkeypatch.setattr(runtime.CodecModel, "strips", never)
    image = Image.open(BytesIO(coded))
    image.verify()
    for damaged in with_damage(coded):
        image = Image.open(BytesIO(damaged))
        with pytest.raises(OSError, match="cut or damaged|ran out|whole number"):
            image.verify()


def test_verify_unpacks_alpha_and_metadata(photo):
    image = photo.copy()
    image.putalpha(photo.convert("L"))
    image.info["xmp"] = b"<x/>" * 100
    buffer = BytesIO()
    image.save(buffer, "BIBC")
    file = container.parse(buffer.getvalue())
    Image.open(buffer).verify()
    for kind, content in (("meta", b"\1exif\1junk"), ("alph", b"junk")):
        chunks = {**file.chunks, kind: content}
        chunks.pop("Alpl" if kind == "alph" else "", None)
        damaged = container.write(file.header, file.payload, chunks)
        with pytest.raises((OSError, SyntaxError), match="damaged"):
            Image.open(BytesIO(damaged)).verify()


def test_an_image_can_be_loaded_after_verify(coded):
    image = Image.open(BytesIO(coded))
    image.verify()
    assert image.copy().size == (75, 50)


def test_realism_and_seed_are_chosen_before_the_pixels_are_loaded(coded, model_dir):
    mean = codec.decode(coded, model=model_dir, realism=0)
    image = Image.open(BytesIO(coded))
    image.draft(realism=0.0)
    assert image.tobytes() == mean.tobytes()
    assert image.info["realism"] == 0
    plugin.register(model=model_dir, realism=0.5, seed=7)
    image = Image.open(BytesIO(coded))
    image.load()
    assert (image.info["realism"], image.info["seed"]) == (0.5, 7)
    image = Image.open(BytesIO(coded))
    image.draft("RGB", (10, 10), seed=9)
    assert image.copy().info["seed"] == 9
    for wrong in ({"realism": 2}, {"seed": -1}):
        with pytest.raises(ValueError, match="expected"):
            plugin.register(**wrong)
        with pytest.raises(ValueError, match="expected"):
            Image.open(BytesIO(coded)).draft(**wrong)


def test_lossless_is_refused(photo, tmp_path):
    with pytest.raises(ValueError, match="never lossless"):
        photo.save(tmp_path / "a.bibc", lossless=True)
    assert not (tmp_path / "a.bibc").exists()
    photo.save(tmp_path / "a.bibc", lossless=False)


def test_errors_name_the_file_or_the_image(tmp_path):
    with pytest.raises(OSError, match=r"cannot write the image as BIBC: image: images of mode F"):
        Image.new("F", (3, 3)).save(BytesIO(), "BIBC")
    with pytest.raises(OSError, match=r"cannot write '.*f\.bibc' as BIBC"):
        Image.new("F", (3, 3)).save(tmp_path / "f.bibc")


def test_an_orientation_that_the_caller_gives_is_applied(photo):
    """As a viewer of a JPEG file that was saved with it would."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    photo.save(buffer, "BIBC", exif=exif)
    assert Image.open(buffer).size == (50, 75)
    jpeg = BytesIO()
    photo.save(jpeg, "JPEG", exif=exif)
    opened, again = Image.open(jpeg), BytesIO()
    opened.save(again, "BIBC", exif=opened.getexif())
    assert Image.open(again).size == (50, 75)


@pytest.mark.parametrize("exif", [b"", None])
def test_to_leave_exif_out_does_not_turn_the_picture(photo, exif):
    own = Image.Exif()
    own[0x0112] = 6
    jpeg, buffer = BytesIO(), BytesIO()
    photo.save(jpeg, "JPEG", exif=own)
    Image.open(jpeg).save(buffer, "BIBC", exif=exif)
    with Image.open(buffer) as out:
        assert out.size == (50, 75)
        assert "exif" not in out.info
