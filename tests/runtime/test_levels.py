"""A model of four levels, whose finest is coded from a quality on, from image to file and back."""

import numpy as np
import pytest
import torch
from small_models import TWENTY

import codec
from bitstream.prior import grid_shape
from codec.compressai_adapter import BibCodec
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.models.torch_model import save_model
from codec.runtime.model import CodecModel
from codec.train.novelty import measure


@pytest.fixture(scope="module")
def four():
    return tiny_model(3, TWENTY)


@pytest.fixture(scope="module")
def wide():
    rows, columns = np.mgrid[0:500, 0:650]
    noise = np.random.default_rng(1).normal(0, 10, (500, 650, 3))
    picture = np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2) + noise
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("quality", "stages"), [(30, 17), (49, 17), (50, 20), (100, 20)])
def test_files_hold_the_stages_of_their_quality(four, photo, quality, stages):
    data = codec.encode(photo, quality=quality, model=four)
    assert codec.info(data).stages == stages
    assert codec.info(data).version.startswith("2.")
    image = codec.decode(data, model=four)
    assert image.size == photo.size
    assert image.info["stages"] == (stages, stages)
    codec.verify(data, model=four)


@pytest.mark.parametrize("quality", [40, 70])
@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_tiles_equal_the_whole_image(four, wide, quality, realism):
    whole = codec.encode(wide, quality=quality, model=four, tile=4096)
    assert codec.encode(wide, quality=quality, model=four, tile=512) == whole
    images = [
        np.asarray(codec.decode(whole, model=four, realism=realism, tile=tile))
        for tile in (512, 4096)
    ]
    assert np.array_equal(*images)


def test_a_cut_file_is_decoded_as_a_quality_without_the_level(four, photo):
    """All stages of three levels are there, none of the fourth."""
    data = codec.encode(photo, quality=80, model=four)
    for length in range(len(data) - 1, 0, -1):
        image = codec.decode(data[:length], model=four, allow_partial=True)
        if image.info["stages"][0] == 17:
            break
    assert image.info["stages"] == (17, 20)


def test_the_model_comes_back_from_its_folder(four, photo, tmp_path):
    save_model(four, tmp_path)
    again = load_model(tmp_path)
    assert isinstance(again, CodecModel)
    assert again.config == TWENTY
    data = codec.encode(photo, quality=60, model=again)
    assert codec.decode(data, model=again).size == photo.size


@pytest.mark.parametrize("quality", [30, 70])
def test_adapter_and_calibration_take_models_of_many_stages(four, photo, quality):
    """Their files are of format 2, whose header has a byte for the number of stages."""
    pixels = np.asarray(photo)
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    out = BibCodec(four, quality)(x)
    assert out["x_hat"].shape == x.shape
    coded = four.cells[: TWENTY.coded_stages(quality)]
    cells = sum(np.prod(grid_shape(*pixels.shape[:2], cell)) for cell in coded)
    assert out["likelihoods"]["indices"].shape == (1, cells)
    code, error = measure(four, pixels, (quality,))
    assert code.shape == (1, 21)
    assert error.shape == (1, 4)
