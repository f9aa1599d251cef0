"""PNG files written in strips: the pixels, and the chunks that Pillow writes of the whole image."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import codec
from codec.decoding import open_file
from codec.images.exif import PREFIX
from codec.images.metadata import to_info
from codec.images.png import ROWS, PngFile
from codec.images.save import save
from codec.models.tiny import tiny_model
from codec.options import DecodeOptions, Running


def picture(mode, height, width=50):
    rng = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width]
    samples = np.stack([128 + 90 * np.sin(x / (3 + c) + y / 9) for c in range(4)], axis=2)
    samples = (samples + rng.normal(0, 5, samples.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(samples, "RGBA").convert(mode)


def parts(data):
    """Chunks of a PNG file in order, but for its rows, and the filtered rows."""
    chunks, rows, file = [], b"", BytesIO(data[8:])
    while head := file.read(8):
        kind, content = head[4:], file.read(int.from_bytes(head[:4]))
        assert int.from_bytes(file.read(4)) == zlib.crc32(kind + content)
        if kind == b"IDAT":
            rows += content
        else:
            chunks.append((kind, content))
    return chunks, zlib.decompress(rows)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("heights", [[1], [ROWS], [3, 1, 200], [ROWS + 1, ROWS - 1, 2 * ROWS]])
def test_same_chunks_and_pixels_as_pillow(mode, heights):
    whole = picture(mode, sum(heights))
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    icc = b"profile" * 20
    metadata = {"icc": icc, "exif": exif.tobytes().removeprefix(PREFIX), "xmp": b"<x/>\xff"}
    whole.info.update(to_info(metadata))
    expected, got = BytesIO(), BytesIO()
    save(whole, expected, "PNG")
    samples = np.asarray(whole).reshape(whole.height, whole.width, -1)
    file, top = PngFile(got, whole.height, metadata), 0
    for height in heights:
        file.write(samples[top : top + height])
        top += height
    file.close()
    chunks, rows = parts(got.getvalue())
    assert chunks == parts(expected.getvalue())[0]
    assert len(rows) == whole.height * (1 + whole.width * len(mode))
    got.seek(0)
    assert np.array_equal(np.asarray(Image.open(got)), np.asarray(whole))


def test_every_tie_of_the_filter():
    """Neighbours equally near in every way: Pillow must undo what the filter did."""
    rng = np.random.default_rng(0)
    samples = rng.choice(np.array([0, 1, 2, 4, 128, 254, 255], np.uint8), (500, 300, 1))
    buffer = BytesIO()
    file = PngFile(buffer, 500, {})
    file.write(samples)
    file.close()
    assert np.array_equal(np.asarray(Image.open(buffer)), samples[:, :, 0])


def test_a_decoded_file(tmp_path):
    """The file that is written while the picture is made holds the picture that `decode` makes."""
    model = tiny_model()
    image = picture("RGBA", 700, 600)
    data = codec.encode(image, model=model)
    for source in (data, codec.encode(image.convert("L"), model=model)):
        decoded = codec.decode(source, model=model, tile=512)
        buffer = BytesIO()
        open_file(source, DecodeOptions(), Running(model, tile=512)).write(buffer, "PNG")
        again = Image.open(buffer)
        assert isinstance(again, PngImagePlugin.PngImageFile)
        assert again.mode == decoded.mode
        assert np.array_equal(np.asarray(again), np.asarray(decoded))
