"""The engines beside each other: onnxruntime gives what torch gives, tiled or not."""

import hashlib
import json
import multiprocessing
import shutil
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_models import FOUR, mixing

import codec
from bitstream import container, stream
from codec.errors import CodecError
from codec.images.strips import Strips
from codec.models import choose, loading, onnx_model
from codec.models.export import export
from codec.models.loading import load_model
from codec.models.tiny import TINY, tiny_model
from codec.models.torch_model import save_model
from codec.options import Running

WHOLE = 1 << 20
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[TINY, FOUR], ids=["three levels", "four levels"])
def engines(request, tmp_path_factory):
    """A small model in torch (float32) and in onnxruntime, and its folder."""
    folder = tmp_path_factory.mktemp("graphs")
    save_model(mixing(tiny_model(config=request.param)), folder)
    export(folder)
    in_torch = load_model(folder, "cpu", "torch")
    in_torch.engine.bf16 = False
    return in_torch, load_model(folder, "cpu", "onnx"), folder


@pytest.fixture(scope="module")
def default():
    """The packaged model in torch (float32) and in onnxruntime."""
    in_torch = load_model("default", "cpu", "torch")
    in_torch.engine.bf16 = False
    return in_torch, load_model("default", "cpu", "onnx")


def indices(data, model):
    file = container.parse(data)
    return stream.decode_indices(file.payload, model.prior, file.header)


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("quality", [10, 60])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 300), (33, 31), (100, 257)])
def test_small_models(engines, scene, height, width, quality):
    in_torch, in_onnx, _ = engines
    image = scene[:height, :width]
    a, b = (codec.encode(image, quality=quality, model=model) for model in (in_torch, in_onnx))
    one, other = indices(a, in_torch), indices(b, in_torch)
    assert len(one) == len(other) == in_torch.config.coded_stages(quality)
    same = sum(int((x == y).sum()) for x, y in zip(one, other, strict=True))
    assert same >= 0.99 * sum(x.size for x in one)  # random weights have near ties
    for realism in (0.0, 1.0):
        x, y = (
            np.asarray(codec.decode(a, model=model, realism=realism)).astype(int)
            for model in (in_torch, in_onnx)
        )
        assert np.abs(x - y).max() <= 1


@pytest.mark.parametrize("effort", [1, 5, 9])
def test_packaged_model_on_a_photo(default, scene, effort):
    """The same file; pixels that differ are rare, and by one step."""
    image = scene[100:300, 200:440]
    a, b = (codec.encode(image, quality=60, effort=effort, model=model) for model in default)
    assert a == b
    for realism in (0.0, 1.0):
        x, y = (
            np.asarray(codec.decode(a, model=model, realism=realism)).astype(int)
            for model in default
        )
        assert np.abs(x - y).max() <= 1
        assert (x != y).mean() < 1e-3


@pytest.mark.parametrize(
    ("height", "width", "tile", "quality"),
    [(600, 1030, 512, 60), (8, 1300, 512, 10), (1700, 530, 512, 60)],
)
def test_tiles_equal_the_whole_at_any_number_of_threads(
    engines, scene, height, width, tile, quality
):
    """Latents, indices and pixels, to the last bit."""
    folder = engines[2]
    image = np.tile(scene, (4, 2, 1))[:height, :width]
    results = []
    for side, threads in ((WHOLE, 1), (tile, 1), (tile, 3)):
        model = load_model(folder, "cpu", "onnx")
        model.engine._threads = threads
        analysis = model.analyze(Strips([image]), side)
        found = model.quantize(analysis, quality, effort=3).indices
        pixels = model.synthesize(found, quality, height, width, realism=1.0, seed=3, tile=side)
        results.append([*analysis.latents, *found, pixels])
    assert equal(results[0], results[1])
    assert equal(results[1], results[2])


def test_margins_of_the_manifest_are_those_that_are_found(engines, scene):
    in_torch, in_onnx, _ = engines
    assert in_torch.reaches == {}
    image = np.tile(scene, (2, 2, 1))[:600, :1030]
    for quality in (10, 60):
        found = in_torch.quantize(in_torch.analyze(Strips([image]), 512), quality).indices
        for realism in (0.0, 1.0):
            in_torch.synthesize(found, quality, 600, 1030, realism=realism, tile=512)
    assert in_torch.reaches == in_onnx.reaches
    in_torch.reaches.clear()


def test_no_weights_are_in_the_graphs():
    """They exist once: in the model's own files."""
    graphs = list((ROOT / "codec" / "models" / "default" / "graphs").glob("*.onnx"))
    assert graphs
    assert sum(graph.stat().st_size for graph in graphs) < 200_000


def cut(path):
    path.write_bytes(path.read_bytes()[:500])


def bit_flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def manifest_with(**changes):
    def change(path):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


REFUSED = {
    "no graphs": ("", shutil.rmtree, "has no graphs for onnxruntime"),
    "one is missing": ("render.onnx", Path.unlink, "render.onnx is missing"),
    "one is cut": (
        "detail.onnx",
        lambda p: p.write_bytes(p.read_bytes()[:500]),
        "detail.onnx is not",
    ),
    "one is changed": ("update_1.onnx", bit_flipped, "update_1.onnx is not the file"),
    "manifest is cut": ("graphs.json", lambda p: p.write_text(p.read_text()[:100]), "not valid"),
    "no json": ("graphs.json", lambda p: p.write_bytes(b"\xff"), "not valid"),
    "too long": ("graphs.json", lambda p: p.write_text(" " * 70_000), "longer than 65536 bytes"),
    "another opset": ("graphs.json", manifest_with(opset=99), "opset is 99"),
    "another schema": ("graphs.json", manifest_with(schema=2), "schema is 2"),
    "a list": ("graphs.json", lambda p: p.write_text("[]"), "not valid"),
    "other weights": (
        "graphs.json",
        manifest_with(fingerprint="00" * 4),
        "belong to other weights",
    ),
    "other detail": ("graphs.json", manifest_with(detail="0"), "belong to other weights"),
    "reach": ("graphs.json", manifest_with(reaches={"update 1": -32}), "the reach of 'update 1'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_graphs_that_do_not_belong_are_refused(name, engines, tmp_path):
    file, change, says = REFUSED[name]
    folder = tmp_path / "model"
    shutil.copytree(engines[2], folder)
    change(folder / "graphs" / file)
    with pytest.raises(CodecError) as caught:
        load_model(folder, "cpu", "onnx")
    assert says in str(caught.value)
    assert "python -m codec.models.export" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_graph_that_onnxruntime_cannot_load_is_one_sentence(engines, tmp_path, capfd):
    """Its manifest is right: only onnxruntime can tell."""
    folder = tmp_path / "model"
    shutil.copytree(engines[2], folder)
    graph, manifest = (folder / "graphs" / name for name in ("embed.onnx", "graphs.json"))
    graph.write_bytes(b"no graph")
    table = json.loads(manifest.read_text())
    table["graphs"]["embed"] = hashlib.sha256(b"no graph").hexdigest()
    manifest.write_text(json.dumps(table))
    model = load_model(folder, "cpu", "onnx")
    with pytest.raises(CodecError, match="graph embed of the model cannot be loaded by"):
        model.synthesize([np.zeros((1, 1), np.int32)], 50, 8, 8)
    assert capfd.readouterr().err == ""


def test_the_oldest_onnxruntime_is_the_one_that_is_installed_at_least():
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    assert "onnxruntime>={}.{}".format(*onnx_model.OLDEST) in needed


def test_an_onnxruntime_that_is_too_old_or_missing_gets_a_sentence(engines, monkeypatch):
    monkeypatch.setattr("onnxruntime.__version__", "1.23.2")  # it cannot take weights from memory
    with pytest.raises(CodecError, match=r"onnxruntime 1\.23\.2 is too old: expected 1\.24"):
        load_model(engines[2], "cpu", "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CodecError, match="onnxruntime cannot be imported: pip install onnxruntime"):
        load_model(engines[2], "cpu", "onnx")


@pytest.mark.parametrize(
    ("device", "engine", "processor", "packaged", "installed", "chosen"),
    [
        ("cpu", "auto", "AMD", True, "torch openvino", "torch"),
        ("cpu", "auto", "AMX", True, "torch openvino", "openvino"),
        ("cpu", "auto", "AMX", True, "torch", "torch"),
        ("cpu", "auto", "AMX", True, "openvino", "openvino"),
        ("cpu", "auto", "AMX", False, "torch openvino", "torch"),
        ("cpu", "auto", "", True, "torch openvino", "onnx"),
        ("cpu", "auto", "AMX", True, "", "onnx"),
        ("cpu", "quick", "AMX", True, "torch openvino", "onnx"),
        ("cpu", "auto", "", False, "torch", "torch"),
        ("cpu", "quick", "", False, "", "onnx"),
        ("cpu", "onnx", "AMX", False, "torch openvino", "onnx"),
        ("cpu", "openvino", "", False, "torch openvino", "openvino"),
        ("cpu", "torch", "", True, "torch", "torch"),
        ("cuda:0", "auto", "", True, "torch", "torch"),
        ("cuda", "quick", "", True, "torch", "torch"),
    ],
)
def test_choice_of_an_engine(
    device, engine, processor, packaged, installed, chosen, tmp_path, monkeypatch
):
    monkeypatch.setattr(choose, "has_amx", lambda: processor == "AMX")
    monkeypatch.setattr(choose, "fast_bfloat16", lambda: processor in ("AMX", "AMD"))
    monkeypatch.setattr(choose, "is_installed", lambda package: package in installed)
    if packaged:
        monkeypatch.setattr(choose, "PACKAGED", tmp_path)
    assert choose.choose_engine(tmp_path, device, engine) == chosen


@pytest.mark.parametrize(
    ("engine", "pixels", "asked_for"),
    [
        ("quick", choose.LARGE - 1, "quick"),
        ("quick", choose.LARGE, "auto"),
        ("onnx", choose.LARGE, "onnx"),
    ],
)
def test_one_large_image_is_worth_the_engine_of_many(engine, pixels, asked_for, monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "loaded", lambda *given: asked.append(given))
    loading.network_of(Running("m", "cpu", engine=engine), pixels)
    assert asked == [("m", "cpu", asked_for)]


@pytest.mark.parametrize(
    ("device", "engine", "says"),
    [
        (
            "cpu",
            "tensorflow",
            "no engine is named 'tensorflow': expected auto, quick, onnx, openvino or torch",
        ),
        ("cuda", "onnx", "the engine onnx runs on the CPU only, not on cuda: use torch"),
        ("cpu", "torch", r"torch is not installed: pip install 'bibcodec\[torch\]'"),
        ("cuda", "auto", "torch is not installed"),
    ],
)
def test_engines_that_are_not_there(device, engine, says, tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "is_installed", lambda _: False)
    with pytest.raises(CodecError, match=says):
        choose.choose_engine(tmp_path, device, engine)


def test_a_weight_that_is_not_finite_is_refused(engines, tmp_path):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(engines[2] / "weights.safetensors")
    arrays["quantizer.codebook1"][3, 4] = np.inf
    save_file(arrays, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="quantizer.codebook1 has values that are not finite"):
        onnx_model.read_codebooks(tmp_path / "weights.safetensors", engines[1].config)


def decoded_size(model, data, results):
    results.put(codec.decode(data, model=model).size)


def test_a_model_with_threads_survives_a_fork(engines, scene):
    model = load_model(engines[2], "cpu", "onnx")
    model.engine._threads = 3
    data = codec.encode(scene[:200, :300], model=model)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=decoded_size, args=(model, data, results))
    child.start()
    try:
        assert results.get(timeout=120) == (300, 200)
    finally:
        child.kill()
        child.join()


def test_threads_share_a_model(engines, scene):
    model = load_model(engines[2], "cpu", "onnx")
    data = codec.encode(scene[:200, :300], model=engines[1])
    expected = np.asarray(codec.decode(data, model=engines[1]))
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda _: np.asarray(codec.decode(data, model=model)), range(8)))
    assert all(np.array_equal(image, expected) for image in images)
