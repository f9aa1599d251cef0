"""The report's page in a browser: no request, no error, the slider and the curves work.

Needs the Chromium of the machine (Debian: chromium-headless-shell); a page that nobody opened is
not tested, so without one the test is skipped and says so.
"""

import re
import shutil

import pytest
from PIL import Image, ImageChops
from report_samples import PUBLISHED, ours, peer, write

from codec.report import decodings, page, pictures, read

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium: apt-get install chromium-headless-shell"
)


@pytest.fixture(scope="module")
def html(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("page")
    noise = Image.effect_noise((200, 120), 60).convert("RGB")
    noise.save(folder / "photo0.png")
    results, published = read([*write(folder, ours(), peer("jpeg")), PUBLISHED])
    made = decodings.decoder(results, model)
    gallery = pictures.gallery(pictures.originals(folder), made)
    path = folder / "report.html"
    path.write_text(page(results, published, gallery))
    return path


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def visit(browser, html):
    """Opens a page at a width; what the browser complains of or asks for is in `.said`."""

    def at(width, height=800, html=html):
        opened = browser.new_page(viewport={"width": width, "height": height})
        opened.set_default_timeout(120_000)
        opened.said = []
        opened.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.on("console", lambda m: m.type == "error" and opened.said.append(m.text))
        opened.on(
            "request",
            lambda r: (
                r.url.startswith(("data:", "blob:"))
                or r.url == html.as_uri()
                or opened.said.append(r.url)
            ),
        )
        opened.goto(html.as_uri())
        opened.wait_for_selector("html[data-drawn=yes]")
        opened.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
        return opened

    return at


@pytest.fixture(scope="module")
def laptop(visit):
    opened = visit(1280)
    yield opened
    opened.close()


def traces(opened, chart):
    """Name, number of points and line width of each curve that is drawn."""
    return opened.evaluate(
        "id => document.getElementById(id).data.map("
        "t => [t.name, t.x.length, (t.line || {}).width])",
        chart,
    )


def test_the_curves(laptop, tmp_path):
    opened = laptop
    drawn = traces(opened, "rd-chart")
    assert {"bibcodec, realism 1", "jpeg", "MS-ILLM"} <= {name for name, *_ in drawn}
    widths = {name: width for name, _, width in drawn}
    assert widths["bibcodec, realism 1"] > widths["bibcodec, realism 0"]

    fills = opened.evaluate(
        "document.getElementById('rd-chart').data.filter((t) => t.name.startsWith('bibcodec'))"
        ".map((t) => t.marker.color)"
    )
    assert len(set(fills)) == 3  # hollow, half and full: to be told apart in print

    slider = opened.locator("#realism")
    slider.focus()
    slider.press("Home")
    assert opened.locator("#realism-value").inner_text() == "0"
    assert slider.get_attribute("aria-valuetext") == "realism 0"
    widths = {name: width for name, _, width in traces(opened, "rd-chart")}
    assert widths["bibcodec, realism 0"] > widths["bibcodec, realism 1"]
    marks = "document.getElementById('dp-chart').data.at(-1)"
    assert opened.evaluate(f"{marks}.name") == "realism 0"
    at_0 = opened.evaluate(f"[...{marks}.x]")
    slider.press("End")
    assert all(
        x < before for x, before in zip(opened.evaluate(f"[...{marks}.x]"), at_0, strict=True)
    )

    button = opened.locator("#rd-legend button", has_text="jpeg")
    button.press("Enter")
    assert "jpeg" not in {name for name, *_ in traces(opened, "rd-chart")}
    assert button.get_attribute("aria-pressed") == "false"
    assert "Published curves that are not drawn" in opened.locator("#rd-caption").inner_text()
    opened.select_option("#published", "none")
    assert "MS-ILLM" not in {name for name, *_ in traces(opened, "rd-chart")}
    opened.select_option("#bd-anchor", "bibcodec, realism 0")
    assert "Against bibcodec, realism 0" in opened.locator("#bd-table").inner_text()

    point = opened.locator("#rd-chart .trace", has=opened.locator(".point")).last
    box = point.locator(".point").nth(2).bounding_box()  # of the codec that is drawn last: ours
    opened.mouse.move(box["x"], box["y"] + 4)
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.wait_for_selector("#thumb img", state="visible")
    assert "photo0.png: bibcodec, quality" in opened.locator("#thumb p").inner_text()
    assert opened.locator("#rd-chart .modebar-btn").count() == 4

    opened.locator("#surface").scroll_into_view_if_needed()
    opened.wait_for_selector("#surface-chart canvas", state="attached")
    assert opened.evaluate("document.getElementById('surface-chart').data[0].type") == "surface"
    caption = opened.locator("#surface-caption").inner_text()
    assert "Fewer bits, higher PSNR and lower Fréchet 256 are better." in caption
    titles = opened.evaluate(
        "(({xaxis, yaxis}) => [xaxis, yaxis].map((a) => a.title.text))"
        "(document.getElementById('dp-chart').layout)"
    )
    assert [title.split(" (")[1] for title in titles] == ["higher is better)", "lower is better)"]

    shot = tmp_path / "page.png"
    opened.screenshot(path=shot)
    assert len(Image.open(shot).convert("RGB").getcolors(2**24)) > 100  # not an empty page
    assert opened.said == []


def test_the_picture_panel_by_keyboard_and_by_pointer(laptop, tmp_path):
    opened = laptop
    opened.locator("#pictures").scroll_into_view_if_needed()
    compare, split = opened.locator("#compare"), opened.locator("#split")

    def share():
        return opened.evaluate("getComputedStyle(compare).getPropertyValue('--split')")

    split.focus()
    split.press("ArrowRight")
    assert share() == "51%"
    assert split.get_attribute("aria-valuetext") == "51 percent of the left picture"
    shots = []
    for key in ("Home", "End"):
        split.press(key)
        shots.append(tmp_path / f"{key}.png")
        compare.screenshot(path=shots[-1])
    right, left = (Image.open(shot).convert("RGB") for shot in shots)
    assert max(ImageChops.difference(left, right).convert("L").histogram()[40:]) > 0
    box = compare.bounding_box()
    opened.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 10)
    assert share() == "25%"

    side = opened.locator("#side-right select")
    before = opened.locator("#image-right").get_attribute("src")
    side.nth(3).select_option("1")
    assert opened.locator("#image-right").get_attribute("src") != before  # another seed
    side.nth(2).select_option("0")
    caption = opened.locator("#caption-right").inner_text()
    assert "realism 0" in caption and "seed" not in caption and "bytes" in caption
    side.nth(0).select_option('"jpeg"')
    assert "jpeg" in opened.locator("#image-right").get_attribute("alt")
    assert opened.said == []


def test_a_phone(visit):
    opened = visit(390, 844)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    small = opened.evaluate(
        "[...document.querySelectorAll('select, .legend button')].filter(e => e.offsetParent)"
        ".filter(e => e.getBoundingClientRect().height < 30).length"
    )
    assert small == 0  # to be hit with a thumb
    assert opened.said == []


def test_peers_alone(visit, tmp_path):
    above = peer("avif")
    low, high = min(above["results"]["psnr-rgb"]), max(above["results"]["psnr-rgb"])
    for key, shift in (("psnr-rgb", 0.96 * (high - low)), ("ms-ssim-rgb", 9)):
        above["results"][key] = [value + shift for value in above["results"][key]]
    count = len(above["results"]["bpp"])
    above["results"] |= {"target-bpp": [0.05] * count, "over-target": [2, *[0] * (count - 1)]}
    above["images"] = [{"file": f"{n}.png", "points": []} for n in range(3)]
    path = tmp_path / "peers.html"
    path.write_text(page(*read([*write(tmp_path, above, peer("avif")), PUBLISHED])))
    opened = visit(1280, html=path)
    assert not opened.locator("#realism-bar").is_visible()  # nothing to choose
    cell = opened.locator("#bd-table td.little")
    assert re.fullmatch(r"\W\d\d\.\d %\s+\(4 % shared\)", cell.inner_text())
    assert opened.locator("#bd-table td.best").inner_text() == "better everywhere"
    legend = opened.locator("#rd-legend").inner_text()
    assert "MS-ILLM" in legend
    assert "StableCodec" not in legend  # all its points are at lower rates
    chart = "document.getElementById('rd-chart')"
    hover = opened.evaluate(f"{chart}.data.find((t) => t.name === 'avif').text")
    assert ["2 of 3 images above the target of 0.05 bpp" in text for text in hover] == [
        True,
        *[False] * (count - 1),
    ]
    missed = opened.locator("#rd-values tbody tr td:last-child").all_text_contents()
    assert missed == ["2 of 3 (0.05 bpp)", *["none"] * (count - 1), *["\u2013"] * count]
    assert opened.said == []
    opened.close()


def test_every_picture_has_a_text_and_every_control_a_name(laptop):
    opened = laptop
    unnamed = opened.evaluate(
        "[...document.querySelectorAll('select, input')].filter(e => e.offsetParent)"
        ".filter(e => !e.labels.length && !e.getAttribute('aria-label')).map(e => e.id)"
    )
    assert unnamed == []
    assert opened.evaluate("[...document.querySelectorAll('#compare img')].every(i => i.alt)")
    captions = opened.locator("figcaption").all_inner_texts()
    assert len(captions) == 4
    assert all(len(text) > 40 for text in captions[:3])
