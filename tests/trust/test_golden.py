"""Files that were written once decode to the same indices for ever."""

import json
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from golden import DATA, INDEX, PACKAGED, PRIOR, VERSIONS, hash_of, means, version_of

import codec
from bitstream import compiled, container, reference, stream
from bitstream.prior import Prior

GOLDEN = {name: entry for v in VERSIONS for name, entry in json.loads(INDEX[v].read_text()).items()}
PACKAGED_FILES = json.loads(PACKAGED.read_text())
PIXEL_STEPS = 1.0  # means over areas may differ by so much between machines


@pytest.fixture(scope="module")
def priors():
    return {version: Prior.load(PRIOR[version]) for version in VERSIONS}


@cache
def packaged(engine):
    return codec.load_model("default", "cpu", engine)


def indices_of(name, priors):
    file = container.parse((DATA / name).read_bytes())
    return stream.decode_indices(file.payload, priors[version_of(name)], file.header)


def test_golden_files_are_complete():
    """Nothing below is left out because a file is missing."""
    assert sorted(GOLDEN) == sorted(path.name for path in DATA.glob("v[0-9]_*.bibc"))
    assert sorted(PACKAGED_FILES) == sorted(path.name for path in DATA.glob("packaged_*.bibc"))


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("threads", [1, 2])
def test_indices(name, threads, priors, implementation):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=threads == 2):
            assert hash_of(indices_of(name, priors)) == GOLDEN[name]["indices_sha256"]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", PACKAGED_FILES)
def test_implementations_agree_on_files_of_the_packaged_model(name, implementation, monkeypatch):
    file, prior = (
        container.parse((DATA / name).read_bytes()),
        codec.load_model("default", "cpu").prior,
    )
    indices = stream.decode_indices(file.payload, prior, file.header)
    monkeypatch.setattr(compiled, "extension", None)
    again = stream.decode_indices(file.payload, prior, file.header)
    assert hash_of(again) == hash_of(indices)


@pytest.mark.parametrize("name", GOLDEN)
def test_indices_by_the_reference_decoder(name):
    prior = reference.load_prior(PRIOR[version_of(name)].read_bytes())
    found = reference.decode((DATA / name).read_bytes(), prior)
    assert hash_of(found) == GOLDEN[name]["indices_sha256"]


@pytest.mark.parametrize("name", GOLDEN)
def test_reference_as_a_script(name):
    prior = PRIOR[version_of(name)]
    command = [sys.executable, reference.__file__, str(DATA / name), str(prior)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert GOLDEN[name]["indices_sha256"] in done.stdout


@pytest.mark.parametrize("name", GOLDEN)
def test_header(name):
    about = codec.info(DATA / name)
    assert about.version == {"v1": "1.0", "v2": "2.0"}[version_of(name)]
    assert about.mode == GOLDEN[name]["mode"]
    assert [about.width, about.height] == GOLDEN[name]["size"]


@pytest.mark.parametrize("realism", ["0", "1"])
@pytest.mark.parametrize("name", PACKAGED_FILES)
@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_pixels_of_the_packaged_model(name, realism, engine):
    model = packaged(engine)
    assert codec.info(DATA / name).model == model.fingerprint.hex(), "run tests/make_packaged.py"
    image = codec.decode(DATA / name, realism=float(realism), model=model)
    expected = PACKAGED_FILES[name]
    assert [image.mode, list(image.size)] == [expected["mode"], expected["size"]]
    difference = np.abs(np.subtract(means(image), expected["means"][realism])).max()
    assert difference <= PIXEL_STEPS
