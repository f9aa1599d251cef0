"""bibcodec inside CompressAI: its evaluation, its plot, its checkpoints."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from report_samples import ours, peer, write

import codec
from codec import compressai_adapter as adapter
from codec.errors import CodecError


@pytest.fixture(scope="module")
def compressai():
    if find_spec("compressai") is None:
        pytest.skip("compressai is not installed, though the package depends on it")
    threads = torch.get_num_threads()
    adapter.register()
    import compressai
    import compressai.utils.eval_model.__main__  # (it sets the number of threads)

    torch.set_num_threads(threads)
    return compressai


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two photographs with sides above 160, as MS-SSIM wants, and multiples of 64."""
    folder = tmp_path_factory.mktemp("photos")
    rows, columns = np.mgrid[0:192, 0:256]
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(0, 6, (192, 256, 3))
        colour = np.stack([columns, rows, 128 + 90 * (columns > 128 + 20 * seed)], axis=2)
        image = Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8))
        image.save(folder / f"photo{seed}.png")
    return folder


def test_eval_model_counts_whole_files(compressai, photos, tmp_path, capsys):
    command = ["eval", "pretrained", str(photos), "-a", "bibcodec", "-q", "20,60"]
    adapter.main([*command, "-d", str(tmp_path), "-o", "ours"])
    results = json.loads((tmp_path / "ours.json").read_text())["results"]
    paths = sorted(photos.iterdir())
    for i, quality in enumerate((20, 60)):
        files = [codec.encode(path, quality=quality, engine="torch") for path in paths]
        decoded = [codec.decode(file, realism=0.0, engine="torch") for file in files]
        bpp = np.mean([8 * len(file) / (256 * 192) for file in files])
        assert results["bpp"][i] == pytest.approx(bpp, rel=1e-12)
        errors = [
            np.square(np.asarray(Image.open(path), float) - np.asarray(image, float)).mean()
            for path, image in zip(paths, decoded, strict=True)
        ]
        psnr = np.mean(10 * np.log10(255**2 / np.array(errors)))
        assert results["psnr-rgb"][i] == pytest.approx(psnr, abs=1e-3)
    assert results["bpp"][0] < results["bpp"][1]
    assert len(results["ms-ssim-rgb"]) == 2


def test_estimated_bits_are_near_those_of_the_file(compressai, photos):
    from compressai.utils.eval_model.__main__ import eval_model

    net = adapter.bibcodec(40, pretrained=True).eval()
    common = {"architecture": "bibcodec", "half": False, "per_image": False}
    found = {
        estimate: eval_model(
            net, photos, photos, sorted(photos.iterdir()), entropy_estimation=estimate, **common
        )
        for estimate in (False, True)
    }
    overhead = (found[False]["bpp"] - found[True]["bpp"]) * 256 * 192 / 8
    assert 0 < overhead < 60  # bytes: header, checksums, rounding of the coder
    assert found[True]["psnr-rgb"] == pytest.approx(found[False]["psnr-rgb"], abs=0.1)


def test_a_checkpoint_is_the_same_codec(compressai, model, photos, tmp_path):
    net = adapter.BibCodec(model, quality=35, realism=0.5)
    path = tmp_path / "ours.pth.tar"
    torch.save({"state_dict": net.state_dict()}, path)
    from compressai.utils.eval_model.__main__ import load_checkpoint

    again = load_checkpoint("bibcodec", False, str(path))
    assert (again.quality, again.realism) == (35, 0.5)
    x = torch.rand(2, 3, 64, 64)
    first, second = net.compress(x), again.compress(x)
    assert [len(file) for file in first["strings"][0]] == [len(f) for f in second["strings"][0]]
    theirs = again.decompress(**second)["x_hat"]
    assert theirs.shape == x.shape
    assert (net.decompress(**first)["x_hat"] - theirs).abs().mean() < 0.02  # weights are rounded
    third = adapter.BibCodec.from_state_dict(again.state_dict())  # and stay as they are then
    assert third.compress(x) == second
    with pytest.raises(CodecError, match="not a state dict"):
        adapter.BibCodec.from_state_dict({"a": 1})


def test_the_packaged_model_survives_a_checkpoint_to_the_byte(compressai, photos):
    net = adapter.bibcodec(30, pretrained=True)
    again = adapter.BibCodec.from_state_dict(net.state_dict())
    assert again.codec.fingerprint == net.codec.fingerprint
    x = torch.rand(1, 3, 64, 64)
    assert again.compress(x) == net.compress(x)


def test_registries(compressai):
    from compressai.registry import MODELS

    assert MODELS["bibcodec"] is adapter.BibCodec
    assert compressai.zoo.image_models["bibcodec"] is adapter.bibcodec
    assert compressai.zoo.image.model_architectures["bibcodec"] is adapter.BibCodec
    net = adapter.bibcodec(10, pretrained=True)
    assert net.update(force=True) is False
    assert float(net.aux_loss()) == 0
    assert sum(p.numel() for p in net.parameters()) > 1e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--half"], "half precision"),
        (["-m", "ms-ssim"], "no model trained for ms-ssim"),
        (["-q", "101"], "no quality 101"),
    ],
)
def test_what_cannot_be_is_said(compressai, photos, arguments, message):
    command = ["eval", "pretrained", str(photos), "-a", "bibcodec", *arguments]
    with pytest.raises(SystemExit, match=message):
        adapter.main(command)
    with pytest.raises(CodecError, match="comes trained"):
        adapter.bibcodec(10)
    with pytest.raises(SystemExit, match="usage"):
        adapter.main(["train"])


def test_plot_draws_our_files(compressai, tmp_path):
    files = write(tmp_path, ours(), peer("jpeg"))
    for metric in ("psnr", "ms-ssim", "frechet-256"):
        out = tmp_path / f"{metric}.png"
        adapter.main(["plot", "-f", *map(str, files), "-m", metric, "-o", str(out)])
        assert Image.open(out).width > 1000
