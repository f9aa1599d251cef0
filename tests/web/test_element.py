"""The element in Chromium: its pictures, and when it shows them."""

import numpy as np
from browser import Handler, canvas_of, element_page, largest_difference, loaded, needs_browser
from golden import DATA

import codec

pytestmark = needs_browser


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
