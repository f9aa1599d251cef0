"""The site, the browser, and its pages."""

import shutil
import subprocess

import pytest
from browser import BROWSER, NODE, ROOT, serving
from golden import DATA

import codec


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built page, with files to show beside it: its folder, and its address."""
    folder = tmp_path_factory.mktemp("site") / "dist"
    model = ROOT / "codec/models/default"
    subprocess.run([NODE, ROOT / "web/build.js", model, folder], check=True, timeout=120)
    (folder / "held").mkdir()
    for path in DATA.glob("packaged_*.bibc"):
        shutil.copy(path, folder)
        shutil.copy(path, folder / "held")
    with serving(folder) as address:
        yield folder, address


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def visit(browser, site):
    """Opens a page; errors and requests to elsewhere are in `.said`, its own in `.asked`."""

    def at(path, width=1000, scheme="light", context=None, address=site[1]):
        context = context or browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.said, page.asked = [], []
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.said.append(m.text))

        def asked(request):
            own = request.url.startswith((address, "data:", "blob:"))
            (page.asked if own else page.said).append(request.url)

        context.on("request", asked)
        page.on("close", lambda: context.remove_listener("request", asked))
        page.goto(address + path)
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


@pytest.fixture(scope="session")
def model():
    """The packaged model in onnxruntime, as in the browser."""
    return codec.load_model("default", "cpu", engine="onnx")
