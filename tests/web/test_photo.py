"""Photos that the page encodes."""

import numpy as np
from browser import downloaded, largest_difference, needs_browser, pixels, settled
from golden import DATA
from PIL import Image

import codec
from bitstream import container, stream

pytestmark = needs_browser


def stages_of(data, model):
    file = container.parse(data)
    return stream.decode_indices(file.payload, model.prior, file.header)


def encoded_at(page, quality):
    """Set the quality slider and wait until the picture is that of the new file."""
    page.locator("#quality").fill(str(quality))
    page.wait_for_selector(f"#facts tr:has(th:text-is('Quality')) td:text-is('{quality}')")
    settled(page, ", realism")


def test_a_photo_is_encoded_as_python_does(page, model, tmp_path):
    photo = codec.decode(DATA / "packaged_rgb_q100.bibc", model=model)
    photo.save(tmp_path / "holiday.png")
    page.set_input_files("#choose", tmp_path / "holiday.png")
    settled(page, "holiday.png, realism")
    assert np.array_equal(pixels(page, "#before")[..., :3], np.asarray(photo))
    sizes = []
    for quality in (50, 90):
        encoded_at(page, quality)
        name, data = downloaded(page, "#save-file")
        assert name == "holiday.bibc"
        expected = stages_of(codec.encode(photo, quality=quality, model=model), model)
        pairs = list(zip(stages_of(data, model), expected, strict=True))
        # A float tie in the search may fall to either side: another CPU sums in another order.
        assert sum((mine != theirs).sum() for mine, theirs in pairs) <= 2
        assert largest_difference(pixels(page, "#after"), codec.decode(data, model=model)) <= (1, 0)
        assert f"{len(data):,} bytes" in page.locator("#size").inner_text()
        sizes.append(len(data))
    assert sizes[0] < sizes[1]
    assert page.said == []


def test_alpha_and_grey_of_a_photo_are_kept(page, model, tmp_path):
    alpha = Image.linear_gradient("L").resize((90, 70))
    photo = Image.merge("LA", (alpha.transpose(Image.Transpose.ROTATE_180), alpha))
    photo.save(tmp_path / "shade.png")
    page.set_input_files("#choose", tmp_path / "shade.png")
    settled(page, "shade.png, realism")
    _, data = downloaded(page, "#save-file")
    image = codec.decode(data, model=model)
    assert image.mode == "RGBA"
    red, green, blue, kept = image.split()
    assert np.array_equal(kept, alpha)
    assert np.array_equal(red, green)
    assert np.array_equal(red, blue)
    assert page.said == []
