"""Tiled equals untiled: latents, indices and pixels, to the last bit."""

import numpy as np
import pytest
import torch
from PIL import Image

import codec
from codec.images.strips import Bands
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.runtime.tiles import Flow, Tiles, part, reach

WHOLE = 1 << 20  # a tile that holds any image here


@pytest.fixture(scope="module")
def default():
    return load_model()


@pytest.fixture(scope="module")
def scene():
    """1300x1400 pixels with something at every place and scale."""
    with Image.open("examples/kodim23.png") as photo:
        big = np.asarray(photo.convert("RGB").resize((1300, 1400)))
    texture = np.random.default_rng(0).normal(0, 6, big.shape)
    return torch.from_numpy(np.clip(big + texture, 0, 255).astype(np.uint8)).permute(2, 0, 1)[None]


@pytest.fixture(scope="module")
def mixing():
    """A small model whose random weights mix all places that its convolutions reach."""
    model = tiny_model()
    for parameter in [*model.networks.parameters(), *model.detail.parameters()]:
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def passes(model, image, tile, quality, realism=0.0):
    """Latents, indices and float pixels of an image coded in tiles."""
    height, width = image.shape[2:]
    analysis = model.analyse(image, tile)
    indices = model.quantize(analysis, quality, effort=3).indices
    pixels = torch.full((1, 3, height, width), torch.nan)

    def put(top, left, x):
        pixels[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x

    model.render(indices, quality, height, width, put, realism=realism, seed=3, tile=tile)
    return [latent.numpy() for latent in analysis.latents] + indices + [pixels.numpy()]


def same(model, image, tile, **options):
    whole, tiled = (passes(model, image, side, **options) for side in (WHOLE, tile))
    return all(np.array_equal(a, b) for a, b in zip(whole, tiled, strict=True))


@pytest.mark.parametrize(
    ("height", "width", "tile", "quality"),
    [(1100, 1030, 512, 40), (545, 1041, 544, 100), (8, 1300, 512, 0), (1399, 201, 768, 70)],
)
def test_default_model(default, scene, height, width, tile, quality):
    assert same(default, scene[:, :, :height, :width], tile, quality=quality, realism=1.0)


def test_default_model_in_float32(default, scene, monkeypatch):
    """What a processor without bfloat16 does; the threshold that `LEAST_TILE` is for is here."""
    monkeypatch.setattr(default, "_bf16", False)
    assert same(default, scene[:, :, 5:780, :550], 512, quality=60, realism=1.0)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 20000), (9000, 40), (31, 33), (257, 255), (513, 1299)]
)
@pytest.mark.parametrize("realism", [0.0, 0.5, 1.0])
def test_sizes_with_a_net_of_random_weights(mixing, scene, height, width, realism):
    repeats = (1, 1, -(-height // 1400), -(-width // 1300))
    image = scene.repeat(repeats)[:, :, :height, :width]
    model = mixing
    assert same(model, image, 512, quality=50, realism=realism)
    if max(height, width) < 600:  # one window: exactly the plain pass through the networks
        indices = model.quantize(model.analyse(image), 50).indices
        with torch.inference_mode(), model._autocast():
            latents = model.networks.encoder(padded(image))
        for latent, got in zip(latents, model.analyse(image).latents, strict=True):
            assert torch.equal(latent, got)
        assert model.synthesise(indices, 50, height, width).shape == (1, 3, height, width)


def test_smaller_margins_would_not_do(mixing, scene, monkeypatch):
    image = scene[:, :, :600, :600]
    assert same(mixing, image, 512, quality=50, realism=1.0)
    found = dict(mixing._reaches)
    for name in ("correct 2", "absorb 1", "expect 2", "absorb 2", "render detail"):
        monkeypatch.setitem(mixing._reaches, name, found[name] // 2 // 16 * 16)
        assert not same(mixing, image, 512, quality=50, realism=1.0), name
        monkeypatch.undo()


def test_reach_is_found_whatever_the_step():
    for step in (1, 10, 20):  # cells of 2 pixels, two of them to each side
        far = torch.nn.Conv2d(2, 1, 5, padding=2 * step, dilation=step)
        block = torch.zeros(1, 2, 4, 4)
        assert reach(lambda _, x, far=far: [far(x)], [block], unit=8) == 4 * step
    with pytest.raises(ValueError, match="cannot be tiled"):
        reach(lambda _, x: [x - x.mean()], [torch.zeros(1, 2, 4, 4)], unit=32)


def test_reach_is_looked_for_in_windows_of_the_steps_own_cells():
    blur, seen = torch.nn.Conv2d(1, 1, 5, padding=2), []

    def step(window, x):
        seen.append(window.height)
        return [blur(x)]

    tiles = Tiles(1024, 512, 32, 512, {})
    source = torch.zeros(1, 1, 128, 64)
    with torch.inference_mode():
        rows = tiles.rows("blur", step, [lambda w: part(source, tiles.whole, w)], [lambda *_: None])
        next(rows)
    assert seen == [32, 9 * 8, 17 * 8, 512 + 16]  # a corner, cells of 8 pixels, the tile


@pytest.mark.parametrize("count", [1, 2])
def test_no_more_rows_are_held_than_readers_need(count):
    tiles, blur = Tiles(4096, 512, 32, 512, {}), torch.nn.Conv2d(1, 1, 5, padding=2)
    image, held = torch.rand(1, 1, 512, 64), []

    def source(window):
        return image[:, :, window.top // 8 : window.bottom // 8, window.left // 8 :]

    def sink(window, values):
        held.append(flow._held.height)
        results[:, :, window.top // 8 : window.bottom // 8] = values

    flow, results = Flow(tiles.whole), torch.empty_like(image)
    flow.made_by(tiles.rows("blur", lambda _, x: [blur(x)], [source], [flow.write]))
    readers = [flow.reader() for _ in range(count)]
    with torch.inference_mode():
        tiles.run("again", lambda _, *maps: [blur(sum(maps))], readers, [sink])
        assert torch.allclose(results, blur(count * blur(image)), atol=1e-5)
    assert len(held) == 8
    assert max(held) <= (1 + count) * 512 + 32


def test_rows_are_let_go_as_they_are_analysed(scene):
    rows = scene[0].permute(1, 2, 0).numpy()
    bands = Bands([rows[top : top + 100].copy() for top in range(0, len(rows), 100)])
    sizes = []
    model, crop = tiny_model(), bands.read

    def read(*where):
        sizes.append(sum(band.nbytes for band in bands._bands))
        return crop(*where)

    bands.read = read
    analysis = model.analyse(bands, 512)
    assert sizes[-1] < rows.nbytes / 2
    for latent, expected in zip(analysis.latents, model.analyse(scene).latents, strict=True):
        assert torch.equal(latent, expected)


@pytest.mark.parametrize(
    ("height", "width", "side"), [(32, 32, 512), (4000, 1024, 512), (64, 8192, 512)]
)
def test_tiles_cover_and_do_not_overlap(height, width, side):
    count = np.zeros((height, width), int)
    for tile in Tiles(height, width, 32, side, {}):
        count[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert tile.height * tile.width >= min(height * width, 288**2)
        assert tile.rounded(32) == tile
    assert (count == 1).all()


def test_tile_does_not_change_a_file_or_its_picture(scene):
    image = scene[0, :, :600, :700].permute(1, 2, 0).numpy()
    model = tiny_model()
    data = [codec.encode(image, model=model, tile=tile) for tile in (512, 4096)]
    assert data[0] == data[1]
    one, other = (np.asarray(codec.decode(data[0], model=model, tile=tile)) for tile in (512, 4096))
    assert np.array_equal(one, other)
    with pytest.raises(ValueError, match="at least 512"):
        codec.encode(image, model=model, tile=100)
    with pytest.raises(ValueError, match="at least 512"):
        codec.decode(data[0], model=model, tile=100)


def padded(image):
    height, width = image.shape[2:]
    x = image.float() / 255 * 2 - 1
    x = torch.nn.functional.pad(x, (0, -width % 32, 0, -height % 32), mode="replicate")
    return x.contiguous(memory_format=torch.channels_last)
