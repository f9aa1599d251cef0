"""The page and the element in Chromium: pixels as in Python, controls, no foreign request.

Needs the npm packages (npm ci --prefix web), the model's graphs and the Chromium of the machine;
where one of them lacks, the tests are skipped and say so.
"""

import gzip
import io
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import numpy as np
import pytest
from golden import DATA
from PIL import Image, ImageCms

import codec
from bitstream import container, stream
from codec.images.colour import ColourSpace, profile

ROOT = Path(__file__).parents[2]
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
NODE = shutil.which("node")
NEEDED = {
    "no Node: apt-get install nodejs": NODE,
    "no npm packages: npm ci --prefix web": (ROOT / "web/node_modules/esbuild").exists(),
    "no graphs: python -m codec.models.export": (ROOT / "codec/models/default/graphs").exists(),
    "no Chromium: apt-get install chromium-headless-shell": BROWSER,
}
MISSING = [reason for reason, there in NEEDED.items() if not there]
FILES = ("packaged_rgb_q50", "packaged_rgba_metadata_q40", "packaged_grey_q30")
HELD = "/held/"  # below it the second half of a file waits for `Handler.released`

pytestmark = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and says that a browser is to ask again for what it has."""

    released = threading.Event()
    paths: ClassVar[list[str]] = []  # that were asked for

    def log_message(self, *_):
        pass

    def send_head(self):
        self.paths.append(urlsplit(self.path).path)
        return super().send_head()

    def end_headers(self):
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def copyfile(self, source, outputfile):
        data = source.read()
        first = len(data) // 2 if self.path.startswith(HELD) else len(data)
        outputfile.write(data[:first])
        outputfile.flush()
        if first < len(data):
            assert self.released.wait(200)
            outputfile.write(data[first:])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the built page, with files to show beside it."""
    folder = tmp_path_factory.mktemp("site") / "dist"
    model = ROOT / "codec/models/default"
    subprocess.run([NODE, ROOT / "web/build.js", model, folder], check=True, timeout=120)
    (folder / "held").mkdir()
    for path in DATA.glob("packaged_*.bibc"):
        shutil.copy(path, folder)
        shutil.copy(path, folder / "held")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def visit(browser, site):
    """Opens a page; errors and requests to elsewhere are in `.said`, its own in `.asked`."""

    def at(path, width=1000, scheme="light", context=None):
        context = context or browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.said, page.asked = [], []
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.said.append(m.text))

        def asked(request):
            own = request.url.startswith((site[1], "data:", "blob:"))
            (page.asked if own else page.said).append(request.url)

        context.on("request", asked)
        page.on("close", lambda: context.remove_listener("request", asked))
        page.goto(site[1] + path)
        return page

    return at


@pytest.fixture(scope="module")
def context(browser):
    opened = browser.new_context(viewport={"width": 1000, "height": 800}, color_scheme="light")
    yield opened
    opened.close()


@pytest.fixture
def page(visit, context):
    """The page, newly opened; the browser has kept its files since the first test."""
    opened = visit("index.html", context=context)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def model():
    """The packaged model in onnxruntime, as in the browser."""
    return codec.load_model("default", "cpu", engine="onnx")


def settled(page, text):
    """Wait until the page's status has this text."""
    page.wait_for_selector(f"#status:has-text('{text}')")


def opened(page, name):
    """Open a file of the conformance set, and wait until it is shown."""
    page.set_input_files("#choose", DATA / f"{name}.bibc")
    settled(page, f"{name}.bibc, realism 1, seed stored.")


def set_realism(page, value):
    page.locator("#realism").fill(str(value))


def pixels(page, selector, options=None):
    """uint8 (H, W, 4) of a canvas, in its own colours unless the options of getImageData say."""
    width, height, data = page.locator(selector).evaluate(
        "(c, options) => [c.width, c.height, Array.from("
        "c.getContext('2d').getImageData(0, 0, c.width, c.height, options ?? {}).data)]",
        options,
    )
    return np.array(data, np.uint8).reshape(height, width, 4)


def largest_difference(shown, image):
    """Of the colours where the picture is opaque enough for a canvas to keep them, and of alpha."""
    expected = np.asarray(image.convert("RGBA")).astype(int)
    difference = np.abs(expected - shown)
    return difference[expected[..., 3] == 255].max(), difference[..., 3].max()


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


def element_page(site, body):
    folder, _ = site
    head = '<!doctype html><link rel="icon" href="data:,">'
    script = "<script type=module src=bibc-image.js></script>"
    (folder / "element.html").write_text(head + script + body)


def loaded(page, name):
    """Wait until an element says that it is loaded, or why it is not."""
    return page.evaluate(
        """id => new Promise((resolve) => {
          const element = document.getElementById(id);
          element.addEventListener("load", () => resolve("loaded"));
          element.addEventListener("error", ({ detail }) => resolve(detail));
          element.setAttribute("src", element.dataset.src);
        })""",
        name,
    )


def canvas_of(page, name):
    return pixels(page, f"#{name} >> canvas")


def test_the_element(visit, site, model):
    element_page(
        site,
        """
        <bibc-image id=mean data-src=packaged_rgb_q50.bibc realism=0 alt="A parrot"></bibc-image>
        <bibc-image id=detail data-src=packaged_rgb_q50.bibc></bibc-image>
        <bibc-image id=none data-src=none.bibc><b id=instead>no picture</b></bibc-image>
        """,
    )
    page = visit("element.html")
    for name, realism in (("mean", 0), ("detail", 1)):
        assert loaded(page, name) == "loaded"
        image = codec.decode(DATA / "packaged_rgb_q50.bibc", realism=realism, model=model)
        assert largest_difference(canvas_of(page, name), image) <= (1, 0)
    assert page.locator("#mean canvas").get_attribute("aria-label") == "A parrot"
    assert page.said == []
    assert "cannot be loaded: the server says 404" in loaded(page, "none")
    assert page.locator("#instead").is_visible()
    assert page.said == [
        "Failed to load resource: the server responded with a status of 404 (File not found)"
    ]
    page.context.close()


def test_another_file_while_one_is_painted(visit, site, model):
    element_page(site, "<bibc-image id=one></bibc-image>")
    page = visit("element.html")
    page.evaluate(
        """() => new Promise((resolve) => {
          const one = document.getElementById("one");
          one.addEventListener("load", () => resolve(null));
          one.setAttribute("src", "packaged_rgb_q50.bibc");
          setTimeout(() => one.setAttribute("src", "packaged_odd_q70.bibc"), 50);
          setTimeout(() => one.setAttribute("realism", "0"), 60);
        })"""
    )
    image = codec.decode(DATA / "packaged_odd_q70.bibc", realism=0, model=model)
    page.wait_for_timeout(500)
    assert largest_difference(canvas_of(page, "one"), image) <= (1, 0)
    page.evaluate("void one.setAttribute('realism', '2')")
    page.wait_for_selector("#one >> canvas", state="hidden")  # its content instead
    assert page.said == []
    page.context.close()


def test_the_element_shows_coarse_pictures_while_bytes_come(visit, site):
    element_page(site, '<bibc-image id=held data-src="held/packaged_rgb_q100.bibc"></bibc-image>')
    page = visit("element.html")
    stages = page.evaluate(
        """() => new Promise((resolve) => {
          const element = document.getElementById("held");
          element.addEventListener("coarse", ({ detail }) => resolve(detail));
          element.setAttribute("src", element.dataset.src);
        })"""
    )
    assert 0 < stages < codec.info(DATA / "packaged_rgb_q100.bibc").stages
    coarse = canvas_of(page, "held")
    assert coarse.shape == (192, 256, 4)
    page.evaluate("void (held.finished = new Promise((go) => held.addEventListener('load', go)))")
    Handler.released.set()
    page.evaluate("held.finished.then(() => null)")
    assert not np.array_equal(canvas_of(page, "held"), coarse)
    assert page.said == []
    page.context.close()


def test_lazy_pictures_wait(visit, site):
    element_page(
        site,
        """<div style="height: 5000px"></div>
        <bibc-image id=far src=packaged_odd_q70.bibc loading=lazy realism=0></bibc-image>""",
    )
    page = visit("element.html")
    page.wait_for_timeout(500)
    assert not [url for url in page.asked if url.endswith("odd_q70.bibc")]
    page.evaluate("document.getElementById('far').scrollIntoView()")
    page.wait_for_function(
        "document.getElementById('far').shadowRoot.querySelector('canvas').width === 77"
    )
    assert [url for url in page.asked if url.endswith("odd_q70.bibc")]
    page.context.close()


def test_a_first_visit_loads_no_more_than_14_megabytes(visit, site):
    element_page(site, "<bibc-image id=one data-src=packaged_odd_q70.bibc></bibc-image>")
    page = visit("element.html")
    assert loaded(page, "one") == "loaded"
    names = {urlsplit(url).path.lstrip("/") for url in page.asked if url.startswith(site[1])}
    assert any(name.endswith("decoder.safetensors.gz") for name in names)
    assert not any("encoder" in name for name in names)
    sizes = {name: travels(site[0] / name) for name in names}
    assert sum(sizes.values()) < 14_000_000
    assert sum(size for name, size in sizes.items() if name.endswith(".js")) < 150_000
    page.context.close()


def travels(path):
    """Bytes of a file on its way: the server packs text."""
    data = path.read_bytes()
    return len(data if path.suffix in (".gz", ".bibc") else gzip.compress(data))


def kept(page, name):
    """Wait until the service worker is there, and the last file that it answers with is kept."""
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("(name) => caches.match(name).then(Boolean)", arg=name)


def test_a_second_visit_asks_only_for_what_is_not_of_the_build(visit, site, browser, model):
    element_page(site, "<bibc-image id=one data-src=packaged_odd_q70.bibc></bibc-image>")
    context = browser.new_context()
    first = visit("", context=context)
    opened(first, "packaged_rgb_q50")
    kept(first, "page.js")
    element = visit("element.html", context=context)
    assert loaded(element, "one") == "loaded"
    kept(element, "bibc-image.js")
    for page in (first, element):
        page.close()
    Handler.paths.clear()
    second = visit("", context=context)
    opened(second, "packaged_rgb_q50")
    image = codec.decode(DATA / "packaged_rgb_q50.bibc", model=model)
    assert largest_difference(pixels(second, "#after"), image) <= (1, 0)
    # The browser asks by itself whether there is a new service worker, and so a new build.
    assert set(Handler.paths) <= {"/service-worker.js"}
    element = visit("element.html", context=context)
    assert loaded(element, "one") == "loaded"
    own = {"/element.html", "/packaged_odd_q70.bibc"}
    assert set(Handler.paths) - {"/service-worker.js"} <= own
    assert second.said + element.said == []
    context.close()


def test_a_new_build_replaces_the_old_one(visit, browser, site):
    folder, _ = site
    context = browser.new_context()
    old = visit("", context=context)
    opened(old, "packaged_rgb_q50")
    kept(old, "page.js")
    [name] = (path.name for path in folder.glob("build-*"))
    shutil.copytree(folder / name, folder / "build-other")
    changed = {path: path.read_text() for path in [*folder.glob("*.js"), folder / "index.html"]}
    try:
        for path, text in changed.items():
            path.write_text(text.replace(name, "build-other").replace("<h1>", "<h1>New "))
        old.evaluate("navigator.serviceWorker.ready.then((own) => own.update()).then(() => null)")
        told = (
            "fetch('index.html').then((answer) => answer.text()).then((text) => /New/.test(text))"
        )
        old.wait_for_function(told)  # the new service worker answers
        old.close()
        new = visit("", context=context)
        assert new.locator("h1").inner_text() == "New bibcodec"
        opened(new, "packaged_rgb_q50")
        new.wait_for_function(
            "caches.keys().then((names) => names.length === 1 && / build-other$/.test(names[0]))"
        )
        assert new.said == []
    finally:
        for path, text in changed.items():
            path.write_text(text)
        shutil.rmtree(folder / "build-other")
    context.close()


def stages_of(data, model):
    file = container.parse(data)
    return stream.decode_indices(file.payload, model.prior, file.header)


def downloaded(page, button):
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


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
