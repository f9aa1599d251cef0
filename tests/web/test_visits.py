"""What a first visit loads, and what later ones do."""

import gzip
import shutil
from urllib.parse import urlsplit

from browser import (
    Handler,
    element_page,
    kept,
    largest_difference,
    loaded,
    needs_browser,
    opened,
    pixels,
)
from golden import DATA

import codec

pytestmark = needs_browser


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
