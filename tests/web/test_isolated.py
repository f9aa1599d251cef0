"""A page that is cross-origin isolated: two threads, the same pixels and bytes."""

import numpy as np
import pytest
from browser import (
    ISOLATED,
    downloaded,
    needs_browser,
    opened,
    pixels,
    serving,
    set_realism,
    settled,
)
from PIL import Image

pytestmark = needs_browser


@pytest.fixture
def isolated(visit, site):
    """The page from a server that isolates it."""
    with serving(site[0], ISOLATED) as address:
        opened = visit("index.html", address=address)
        yield opened
        opened.context.close()


def made(page, photo):
    """The pixels of a file at realism 0 and 1, and the file of a photo."""
    opened(page, "packaged_rgb_q50")
    shown = []
    for realism in (0, 1):
        set_realism(page, realism)
        settled(page, f"realism {realism},")
        shown.append(pixels(page, "#after"))
    page.set_input_files("#choose", photo)
    settled(page, f"{photo.name}, realism")
    return *shown, downloaded(page, "#save-file")[1]


def test_two_threads_make_what_one_makes(page, isolated, tmp_path):
    photo = tmp_path / "ramp.png"
    Image.linear_gradient("L").resize((210, 170)).save(photo)
    expected = made(page, photo)
    assert not page.evaluate("crossOriginIsolated")
    found = made(isolated, photo)
    assert isolated.evaluate("crossOriginIsolated")
    names = [address.rpartition("/")[2] for address in isolated.asked]
    assert "networks-shared.wasm.gz" in names
    assert "networks.wasm.gz" not in names
    assert names.count("worker.js") >= 2  # one decodes, one helps
    for one, two in zip(expected, found, strict=True):
        assert np.array_equal(one, two) if isinstance(one, np.ndarray) else one == two
    assert page.said + isolated.said == []
