"""The page in Chromium: pixels as in Python, its controls, phones."""

import io
import re

import numpy as np
import pytest
from browser import largest_difference, needs_browser, opened, pixels, set_realism, settled
from golden import DATA
from PIL import Image, ImageCms

import codec
from codec.images.colour import ColourSpace, profile

FILES = ("packaged_rgb_q50", "packaged_rgba_metadata_q40", "packaged_grey_q30")

pytestmark = needs_browser


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_python(page, model, name):
    opened(page, name)
    for realism in (0, 1):
        set_realism(page, realism)
        settled(page, f"{name}.bibc, realism {realism},")
        image = codec.decode(DATA / f"{name}.bibc", realism=realism, model=model)
        assert largest_difference(pixels(page, "#after"), image) <= (1, 0)
    assert page.said == []


def test_realism_and_seed_by_keyboard(page):
    opened(page, "packaged_seed_q60")
    stored = pixels(page, "#after")
    slider = page.locator("#realism")
    slider.focus()
    slider.press("Home")
    settled(page, "realism 0,")
    assert page.locator("#realism-value").inner_text() == "0"
    assert not np.array_equal(pixels(page, "#after"), stored)
    slider.press("End")
    settled(page, "realism 1,")
    assert np.array_equal(pixels(page, "#after"), stored)
    page.locator("#seed").fill("7")
    page.locator("#seed").press("Enter")
    settled(page, "seed 7.")
    assert not np.array_equal(pixels(page, "#after"), stored)
    page.locator("#seed").fill(str(2**64 - 1))  # the seed that the file stores
    page.locator("#seed").press("Enter")
    settled(page, f"seed {2**64 - 1}.")
    assert np.array_equal(pixels(page, "#after"), stored)
    page.locator("#seed").fill(str(2**64))
    page.locator("#seed").press("Enter")
    page.wait_for_selector("#message:has-text('expected stored, random or a number')")
    page.locator("#seed").fill("stored")
    page.locator("#seed").press("Enter")
    page.wait_for_selector("#message", state="hidden")
    assert page.said == []


def test_four_seeds_differ_and_one_can_be_chosen(page):
    opened(page, "packaged_seed_q60")
    page.locator("#four").click()
    page.wait_for_selector("#seeds button >> nth=3")
    settled(page, "Four seeds of")
    shown = [pixels(page, f"#seeds button:nth-child({n}) canvas") for n in range(1, 5)]
    assert len({picture.tobytes() for picture in shown}) == 4
    page.locator("#seeds button").nth(2).press("Enter")
    settled(page, "seed 3.")
    assert np.array_equal(pixels(page, "#after"), shown[2])
    assert page.said == []


def test_the_original_beside_it_and_the_line_between(page, tmp_path):
    original = Image.new("RGB", (256, 192), "red")
    original.save(tmp_path / "packaged_rgb_q50.png")
    page.set_input_files(
        "#choose", [DATA / "packaged_rgb_q50.bibc", tmp_path / "packaged_rgb_q50.png"]
    )
    settled(page, "packaged_rgb_q50.bibc, realism")
    page.wait_for_selector("#before-name:has-text('Original')")
    assert pixels(page, "#before")[5, 5].tolist() == [255, 0, 0, 255]
    split = page.locator("#split")
    split.focus()
    split.press("ArrowRight")
    assert split.get_attribute("aria-valuetext") == "51 percent of the left picture"
    compare = page.locator("#compare")
    compare.click(position={"x": compare.bounding_box()["width"] / 4, "y": 10})
    assert split.input_value() == "25"


def test_a_saved_png_has_the_pixels(page, tmp_path):
    opened(page, "packaged_rgb_q50")
    shown = pixels(page, "#after")
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "saved.png")
    assert download.value.suggested_filename == "packaged_rgb_q50.png"
    with Image.open(tmp_path / "saved.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGBA")), shown)


def test_a_damaged_file_is_one_sentence(page, tmp_path):
    data = bytearray((DATA / "packaged_rgb_q50.bibc").read_bytes())
    data[200] ^= 1
    (tmp_path / "broken.bibc").write_bytes(data)
    page.set_input_files("#choose", tmp_path / "broken.bibc")
    page.wait_for_selector("#message:has-text('broken.bibc: ')")
    said = page.locator("#message").inner_text()
    assert re.search(r" of \d+: the file is cut or damaged$", said)
    assert page.said == []


def test_every_control_has_a_name(page):
    opened(page, "packaged_rgb_q50")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, button, canvas')].filter(e => e.offsetParent)"
        ".filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.id)"
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(visit, scheme, tmp_path):
    phone = visit("index.html", 390, scheme)
    opened(phone, "packaged_rgb_q50")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.screenshot(path=tmp_path / "phone.png", full_page=True)
    shot = np.asarray(Image.open(tmp_path / "phone.png").convert("L"))
    assert (np.median(shot) > 128) == (scheme == "light")
    assert phone.said == []
    phone.context.close()


def test_colours_are_converted_from_the_profile(page, model):
    wide = codec.decode(DATA / "packaged_rgb_q100.bibc", model=model)
    wide.info["icc_profile"] = profile(
        ColourSpace((0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06))
    )
    data = codec.encode(wide, quality=80, model=model)
    page.set_input_files(
        "#choose", {"name": "wide.bibc", "mimeType": "application/octet-stream", "buffer": data}
    )
    settled(page, "wide.bibc, realism")
    set_realism(page, 0)
    settled(page, "wide.bibc, realism 0,")
    decoded = codec.decode(data, realism=0, model=model)
    of_file = ImageCms.ImageCmsProfile(io.BytesIO(decoded.info["icc_profile"]))
    in_srgb = ImageCms.profileToProfile(decoded, of_file, ImageCms.createProfile("sRGB"))
    shown = pixels(page, "#after", {"colorSpace": "srgb"})[..., :3].astype(int)
    assert np.abs(shown - np.asarray(decoded)).max() > 20
    assert np.abs(shown - np.asarray(in_srgb)).max() <= 4  # two colour engines, in 8 bits
    assert page.said == []


def test_what_is_no_image_is_one_sentence(page, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    page.set_input_files("#choose", tmp_path / "notes.txt")
    page.wait_for_selector("#message:has-text('notes.txt: neither a .bibc file nor an image')")
    assert page.said == []


def test_novelty_is_that_of_python(page, model):
    data = codec.encode(Image.effect_noise((300, 260), 90), quality=40, model=model)
    for make, words in ((data, "unusual"), (DATA / "packaged_rgb_q50.bibc", "not known")):
        name = "some.bibc"
        given = make if isinstance(make, bytes) else make.read_bytes()
        page.set_input_files(
            "#choose", {"name": name, "mimeType": "application/octet-stream", "buffer": given}
        )
        settled(page, f"{name}, realism")
        shown = page.locator("#facts tr:has(th:text-is('Novelty')) td").inner_text()
        expected = codec.info(given, novelty=True, model=model).novelty
        assert words in shown
        assert expected is None or f"percentile {expected:.1f} of" in shown
    assert page.said == []
