"""Tiled equals untiled: latents, indices and pixels, to the last bit."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

import codec
from codec.images.strips import Strips
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.runtime.maps import Flow, Position
from codec.runtime.reach import reach
from codec.runtime.tiles import Tiles
from codec.runtime.windows import part

WHOLE = 1 << 20  # a tile that holds any image here
ROUNDING = 4e-6  # of a model with few channels: AVX2's products then depend on their rows


@pytest.fixture(scope="module")
def default():
    return load_model(engine="torch")


@pytest.fixture(scope="module")
def scene():
    """1300x1400 pixels with something at every place and scale."""
    with Image.open("examples/kodim23.png") as photo:
        big = np.asarray(photo.convert("RGB").resize((1300, 1400)))
    texture = np.random.default_rng(0).normal(0, 6, big.shape)
    return np.clip(big + texture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def mixing():
    """A small model whose random weights mix all places that its convolutions reach."""
    model = tiny_model()
    engine = model.engine
    for parameter in [*engine.networks.parameters(), *engine.detail.parameters()]:
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def passes(model, image, tile, quality, realism=0.0):
    """Latents, indices and float pixels of an image coded in tiles."""
    size = image.shape[:2]
    analysis = model.analyze(Strips([image]), tile)
    indices = model.quantize(analysis, quality, effort=3).indices
    pixels = model.synthesize(indices, quality, *size, realism=realism, seed=3, tile=tile)
    return [*analysis.latents, *indices, pixels]


def blur():
    """5x5, of random weights: two cells to each side."""
    return torch.nn.Conv2d(1, 1, 5, padding=2)


def convolved(convolution, _, x):
    """A step: one convolution of a map."""
    with torch.inference_mode():
        return [convolution(torch.from_numpy(np.ascontiguousarray(x))).numpy()]


def same(model, image, tile, rounding=0.0, **options):
    """Whether codes are equal, and latents and pixels, too, but for so much rounding."""
    whole, tiled = (passes(model, image, side, **options) for side in (WHOLE, tile))
    return all(np.allclose(a, b, 0, rounding) for a, b in zip(whole, tiled, strict=True))


@pytest.mark.parametrize(
    ("height", "width", "tile", "quality"),
    [(1100, 1030, 512, 40), (545, 1041, 544, 100), (8, 1300, 512, 0), (1399, 201, 768, 70)],
)
def test_default_model(default, scene, height, width, tile, quality):
    assert same(default, scene[:height, :width], tile, quality=quality, realism=1.0)


def test_default_model_in_float32(default, scene, monkeypatch):
    """What a processor without bfloat16 does; the threshold that `LEAST_TILE` is for is here."""
    monkeypatch.setattr(default.engine, "bf16", False)
    assert same(default, scene[5:780, :550], 512, quality=60, realism=1.0)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 20000), (9000, 40), (31, 33), (257, 255), (513, 1299)]
)
@pytest.mark.parametrize("realism", [0.0, 0.5, 1.0])
def test_sizes_with_a_net_of_random_weights(mixing, scene, height, width, realism):
    image = np.tile(scene, (-(-height // 1400), -(-width // 1300), 1))[:height, :width]
    model = mixing
    assert same(model, image, 512, rounding=ROUNDING, quality=50, realism=realism)
    if max(height, width) < 600:  # one window: exactly the plain pass through the networks
        analysis = model.analyze(Strips([image]))
        indices = model.quantize(analysis, 50).indices
        with model.engine.running():
            latents = model.engine.networks.encoder(padded(image))
        for latent, got in zip(latents, analysis.latents, strict=True):
            assert np.array_equal(latent.numpy(), got)
        assert model.synthesize(indices, 50, height, width).shape == (1, 3, height, width)


def test_smaller_margins_would_not_do(mixing, scene, monkeypatch):
    image = scene[:600, :600]
    alike = partial(same, mixing, image, 512, rounding=ROUNDING, quality=50, realism=1.0)
    assert alike()
    found = dict(mixing.reaches)
    for name in ("refine 2", "update 1", "predict 2", "update 2", "render detail"):
        monkeypatch.setitem(mixing.reaches, name, found[name] // 2 // 32 * 32)
        assert not alike(), name
        monkeypatch.undo()


def test_reach_is_found_whatever_the_step():
    block = np.zeros((1, 2, 4, 4), np.float32)
    for step in (1, 10, 20):  # cells of 2 pixels, two of them to each side
        far = torch.nn.Conv2d(2, 1, 5, padding=2 * step, dilation=step)
        assert reach(partial(convolved, far), [block], unit=8) == 4 * step
    with pytest.raises(ValueError, match="cannot be tiled"):
        reach(lambda _, x: [x - x.mean()], [block], unit=32)


def test_reach_of_bfloat16_is_that_of_float32():
    """Its bits travel in int16, see `codec.runtime.engine`."""

    def halves(_, x):
        assert x.dtype == np.int16
        wide = convolved(blur(), None, torch.from_numpy(x).view(torch.bfloat16).float().numpy())[0]
        return [torch.from_numpy(wide).bfloat16().view(torch.int16).numpy()]

    assert reach(halves, [np.zeros((1, 1, 4, 4), np.int16)], unit=8) == 4


def test_reach_is_looked_for_in_windows_of_the_steps_own_cells():
    seen = []

    def step(window, x):
        seen.append(window.height)
        return convolved(blur(), window, x)

    tiles = Tiles(1024, 512, 32, 512, {})
    source = np.zeros((1, 1, 128, 64), np.float32)
    next(tiles.rows("blur", step, [lambda w: part(source, tiles.whole, w)], [lambda *_: None]))
    assert seen == [32, 9 * 8, 17 * 8, 512 + 16]  # a corner, cells of 8 pixels, the tile


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("reaches", "most"),
    [({"blur": 16, "again": 16}, 512 + 3 * 32), ({}, 3 * 512 + 32)],
    ids=["known", "to be found"],
)
def test_no_more_rows_are_held_than_readers_need(reaches, most, count):
    """A row of tiles and the margins that both sides need; more while reaches are to be found."""
    tiles, step = Tiles(4096, 512, 32, 512, reaches), partial(convolved, blur())
    image, held = np.random.default_rng(0).random((1, 1, 512, 64), np.float32), []

    def source(window):
        return image[:, :, window.top // 8 : window.bottom // 8, window.left // 8 :]

    def sink(window, values):
        held.append(flow._held.height)
        results[:, :, window.top // 8 : window.bottom // 8] = values

    flow, results = Flow(tiles.whole), np.empty_like(image)
    flow.made_by(tiles.maker("blur", step, [source], [flow.write]))
    at = Position(32)  # of both readers, as they are of one step
    readers = [flow.reader(at) for _ in range(count)]
    tiles.run("again", lambda _, *maps: step(None, sum(maps)), readers, [sink])
    np.testing.assert_allclose(results, step(None, count * step(None, image)[0])[0], atol=1e-5)
    assert len(held) == 8
    assert max(held) <= most


@pytest.mark.parametrize("height", [512, 544, 800, 1024 + 288, 2048])
def test_no_row_of_tiles_is_narrow(height):
    """Rows that are made as they are asked for: 288 or more, as few are rounded otherwise."""
    tiles, rows = Tiles(height, 512, 32, 512, {"copy": 0, "again": 320}), []

    def copy(window, x):
        rows.append(window.height)
        return [x]

    flow = Flow(tiles.whole)
    image = np.zeros((1, 1, height // 32, 16), np.float32)
    flow.made_by(tiles.maker("copy", copy, [lambda w: part(image, tiles.whole, w)], [flow.write]))
    tiles.run("again", lambda _, x: [x], [flow.reader(Position(1))], [lambda *_: None])
    assert sum(rows) == height
    assert min(rows) >= 288


def test_rows_are_let_go_as_they_are_analyzed(scene):
    strips = Strips([scene[top : top + 100].copy() for top in range(0, len(scene), 100)])
    sizes = []
    model, crop = tiny_model(), strips.read

    def read(*where):
        sizes.append(sum(strip.nbytes for strip in strips._strips))
        return crop(*where)

    strips.read = read
    analysis = model.analyze(strips, 512)
    assert sizes[-1] < scene.nbytes / 2
    whole = model.analyze(Strips([scene])).latents
    assert all(np.array_equal(a, b) for a, b in zip(analysis.latents, whole, strict=True))


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
    image = scene[:600, :700]
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
    height, width = image.shape[:2]
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    x = torch.nn.functional.pad(x, (0, -width % 32, 0, -height % 32), mode="replicate")
    return x.contiguous(memory_format=torch.channels_last)
