"""The packaged model in OpenVINO, where that is installed, beside onnxruntime."""

import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import codec
from codec.errors import CodecError
from codec.images.strips import Strips
from codec.models.loading import load_model
from codec.runtime.cpu import has_amx

NEAR = 4 if has_amx() else 1  # steps of 8 bits: bfloat16 is used where the processor has it


@pytest.fixture(scope="module")
def models():
    """The packaged model in OpenVINO and in onnxruntime."""
    pytest.importorskip("openvino")
    return load_model("default", "cpu", "openvino"), load_model("default", "cpu", "onnx")


def test_it_reads_what_onnxruntime_wrote_and_the_other_way_round(models, scene):
    image = scene[100:300, 200:440]
    one, other = (codec.encode(image, quality=60, model=model) for model in models)
    assert len(one) == pytest.approx(len(other), rel=0.02)
    for data in (one, other):
        codec.verify(data, model=models[1])
        for realism in (0.0, 1.0):
            x, y = (
                np.asarray(codec.decode(data, model=model, realism=realism)).astype(int)
                for model in models
            )
            assert np.abs(x - y).max() <= NEAR


def test_tiles_and_threads_change_nothing(models, scene):
    """Of windows of any size: latents, indices and pixels, to the last bit."""
    image = np.tile(scene, (2, 2, 1))[:600, :1030]
    results = []
    for side, threads in ((1 << 20, 1), (512, 1), (512, 2)):
        model = load_model("default", "cpu", "openvino")
        model.engine._threads = threads
        analysis = model.analyze(Strips([image]), side)
        found = model.quantize(analysis, 60).indices
        pixels = model.synthesize(found, 60, 600, 1030, realism=1.0, seed=3, tile=side)
        results.append([*analysis.latents, *found, pixels])
    for tiled in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], tiled, strict=True))


def test_threads_share_a_model(models, scene):
    data = codec.encode(scene[:100, :150], model=models[1])
    expected = np.asarray(codec.decode(data, model=models[0]))
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda _: np.asarray(codec.decode(data, model=models[0])), range(8)))
    assert all(np.array_equal(image, expected) for image in images)


def decoded_size(model, data, results):
    results.put(codec.decode(data, model=model).size)


def test_a_model_survives_a_fork(models, scene):
    model = load_model("default", "cpu", "openvino")
    model.engine._threads = 2
    data = codec.encode(scene[:100, :150], model=model)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=decoded_size, args=(model, data, results))
    child.start()
    try:
        assert results.get(timeout=120) == (150, 100)
    finally:
        child.kill()
        child.join()


def test_without_openvino_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "codec.runtime.openvino_engine", raising=False)
    with pytest.raises(CodecError, match=r"openvino cannot be .*: pip install 'bibcodec\[open"):
        load_model("default", "cpu", "openvino")
