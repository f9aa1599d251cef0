"""A page in Chromium: the server that it comes from, and what it shows.

Needs the npm packages (npm ci --prefix web), the model's graphs and the Chromium of the machine;
where one of them lacks, the tests are skipped and say so.
"""

import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import numpy as np
import pytest
from golden import DATA

ROOT = Path(__file__).parents[1]
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
HELD = "/held/"  # below it the second half of a file waits for `Handler.released`
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}

needs_browser = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and says that a browser is to ask again for what it has."""

    released = threading.Event()
    paths: ClassVar[list[str]] = []  # that were asked for
    headers_of_site: ClassVar[dict[str, str]] = {}

    def log_message(self, *_):
        pass

    def send_head(self):
        self.paths.append(urlsplit(self.path).path)
        return super().send_head()

    def end_headers(self):
        for name, value in {"Cache-Control": "no-cache", **self.headers_of_site}.items():
            self.send_header(name, value)
        super().end_headers()

    def copyfile(self, source, outputfile):
        data = source.read()
        first = len(data) // 2 if self.path.startswith(HELD) else len(data)
        outputfile.write(data[:first])
        outputfile.flush()
        if first < len(data):
            assert self.released.wait(200)
            outputfile.write(data[first:])


@contextmanager
def serving(folder, headers=None):
    """Serve a folder; its address. The headers are added to each answer."""
    kind = type("HandlerOfSite", (Handler,), {"headers_of_site": headers or {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


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


def element_page(site, body):
    """Write element.html with this body into the site."""
    folder, _ = site
    head = '<!doctype html><link rel="icon" href="data:,">'
    script = "<script type=module src=bibc-image.js></script>"
    (folder / "element.html").write_text(head + script + body)


def kept(page, name):
    """Wait until the service worker is there, and the last file that it answers with is kept."""
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("(name) => caches.match(name).then(Boolean)", arg=name)


def downloaded(page, button):
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()
