"""Without torch: the command, folders, the API and the Pillow plugin, in processes that lack it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = """
import importlib.util, sys

hidden = ("torch", "torchvision", "compressai", "onnx", "openvino")
for name in hidden:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError

real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name.split(".")[0] in hidden else real(name, package)
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two photos, and a folder that takes torch from every interpreter that has it in its path."""
    path = tmp_path_factory.mktemp("light")
    (path / "site").mkdir()
    (path / "site" / "sitecustomize.py").write_text(WITHOUT_TORCH)
    shutil.copy(ROOT / "tests" / "data" / "packaged_one_pixel_q50.bibc", path / "pixel.bibc")
    rng = np.random.default_rng(0)
    (path / "photos").mkdir()
    for number in range(2):
        coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8))
        coarse.resize((64, 48)).save(path / "photos" / f"{number}.png")
    return path


def python(folder, *arguments):
    """Run an interpreter without torch; what it starts has none either."""
    environment = os.environ | {"PYTHONPATH": f"{folder / 'site'}{os.pathsep}{ROOT}"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )


def bibcodec(folder, *arguments):
    return python(folder, "-m", "codec.cli", *arguments)


def test_torch_is_not_there(folder):
    done = python(folder, "-c", "import torch")
    assert "ModuleNotFoundError" in done.stderr


def test_the_command(folder):
    for arguments in (
        ("encode", "photos/0.png", "-o", "0.bibc"),
        ("decode", "0.bibc", "-o", "back.png"),
        ("info", "0.bibc"),
        ("verify", "0.bibc"),
    ):
        done = bibcodec(folder, *arguments)
        assert done.returncode == 0, done.stderr
    with Image.open(folder / "back.png") as image:
        assert image.size == (64, 48)


def test_a_folder(folder):
    done = bibcodec(folder, "encode", "photos", "-o", "coded", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "coded").glob("*.bibc")) == ["0.bibc", "1.bibc"]
    done = bibcodec(folder, "decode", "coded", "-o", "decoded", "-j", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "decoded").glob("*.png")) == ["0.png", "1.png"]


API = """
import io, codec, codec.pillow_plugin
from PIL import Image

buffer = io.BytesIO()
Image.open("photos/1.png").save(buffer, "BIBC", quality=30)
print(Image.open(buffer).convert("L").size, type(codec.load_model().engine).__name__)
print(codec.info(buffer.getvalue(), novelty=True).novelty, codec.verify(buffer.getvalue()).stages)
"""


def test_api_and_pillow(folder):
    done = python(folder, "-c", API)
    assert done.stdout.splitlines() == ["(64, 48) OnnxEngine", "None 18"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("decode", "pixel.bibc", "-o", "no.png", "--engine", "torch"), "torch is not installed"),
        (("decode", "pixel.bibc", "-o", "no.png", "--device", "cuda"), "torch is not installed"),
        (("train", "--data", "photos", "-o", "run"), "this needs the package torch"),
    ],
)
def test_what_needs_torch_says_so(folder, arguments, says):
    done = bibcodec(folder, *arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "pip install 'bibcodec[" in done.stderr
