"""Repeated saves: what is counted, on codecs whose loss is known."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from benchmarks.quality import generations


def png(image):
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_lossless_codec_loses_nothing_and_stays_the_same():
    image = Image.radial_gradient("L").convert("RGB")
    found = generations.of_saves(image, png, lambda data: Image.open(BytesIO(data)), 3)
    assert found["psnr"] == [100.0] * 3
    assert found["bytes"] == [len(png(image))] * 3
    assert found["shift"] == [[0, 0, 0]] * 3
    assert found["same"] == 1


def test_a_codec_that_reddens_by_one_step_is_seen_to_drift():
    image = Image.new("RGB", (16, 16), (10, 20, 30))

    def decode(data):
        return Image.fromarray(np.asarray(Image.open(BytesIO(data))) + np.uint8([1, 0, 0]))

    found = generations.of_saves(image, png, decode, 4)
    assert found["shift"] == [[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0]]
    assert found["psnr"][0] - found["psnr"][3] == pytest.approx(20 * np.log10(4))
    assert found["same"] == 0
