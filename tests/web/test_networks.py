"""Models of other shapes in Node, beside Python."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from small_models import FOUR, TWENTY, mixing

import codec
from bitstream import container, stream
from codec.models.export import export
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.models.torch_model import save_model

WEB = Path(__file__).parents[2] / "web"
NODE = shutil.which("node")
SHAPES = {"four levels and texture codes": (FOUR, 60), "format 2": (TWENTY, 70)}
SHAPES["format 2 without its finest level"] = (TWENTY, 40)

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node: apt-get install nodejs")


@pytest.fixture(scope="module")
def scene():
    rows, columns = np.mgrid[0:70, 0:101]
    noise = np.random.default_rng(1).normal(0, 10, (70, 101, 3))
    picture = np.stack([rows * 3, columns * 2, rows + columns], 2) + noise
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", SHAPES)
def test_files_and_pixels_are_those_of_python(name, scene, tmp_path):
    config, quality = SHAPES[name]
    save_model(mixing(tiny_model(3, config)), tmp_path / "model")
    export(tmp_path / "model")
    model = load_model(tmp_path / "model", "cpu", "onnx")
    given = codec.encode(scene, quality=quality, model=model)
    (tmp_path / "given.bibc").write_bytes(given)
    rgba = np.dstack([scene, np.full(scene.shape[:2], 255, np.uint8)])
    (tmp_path / "photo.rgba").write_bytes(rgba.tobytes())
    about = {"width": rgba.shape[1], "height": rgba.shape[0], "quality": quality}
    (tmp_path / "photo.json").write_text(json.dumps(about))
    command = [NODE, WEB / "tests" / "networks.js", tmp_path / "model", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    made = container.parse((tmp_path / "made.bibc").read_bytes())
    theirs = container.parse(given)
    assert made.header == theirs.header
    mine = stream.decode_indices(made.payload, model.prior, made.header)
    expected = stream.decode_indices(theirs.payload, model.prior, theirs.header)
    # A float tie may fall to either side, and what is coded after it then differs, too.
    different = sum((a != b).sum() for a, b in zip(mine, expected, strict=True))
    assert different <= 0.01 * sum(grid.size for grid in expected)
    for realism in (0, 1):
        shown = np.fromfile(tmp_path / f"pixels_{realism}.rgba", np.uint8).reshape(rgba.shape)
        image = np.asarray(codec.decode(given, realism=realism, model=model)).astype(int)
        assert np.abs(shown[..., :3] - image).max() <= 1
