"""What does a .bibc picture cost in a web page, beside the native decoder?"""

import gzip
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

import codec
from benchmarks import schema
from benchmarks.browsing import ISOLATED, Served, browser_clock, chromium, renderers, serving
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Photographs
from bitstream import container, stream

WEB = schema.ROOT / "web"
MODEL = schema.ROOT / "codec" / "models" / "default"
PICTURES = 30
FILES = 8  # of which those pictures are
ROUNDS = 3  # of processes in turn, C and then wasm, so that a machine that slows down slows both
SLIDES = 10  # of the slider, one after the other: one takes less than the clock can tell
LONG_TASKS = """new PerformanceObserver((list) => {
  window.longest = Math.max(window.longest ?? 0, ...list.getEntries().map((e) => e.duration));
}).observe({ type: "longtask", buffered: true })"""
HEAD = """<!doctype html><link rel="icon" href="data:,">
<script type="module" src="bibc-image.js"></script>"""
ALL_SHOWN = """() => Promise.all([...document.querySelectorAll("bibc-image")].map((element) =>
  new Promise((done) => {
    element.addEventListener("load", done);
    element.setAttribute("src", element.dataset.src);
  }))).then(() => null)"""


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images; the first one is decoded in turns, the first eight are shown
            together, in 30 sizes.
    """

    photographs: Photographs


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        turns: how often each thing is done; the fastest one counts.
        quality: of the files.
    """

    turns: int = 5
    quality: int = 50


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Seconds of processor time, by one thread; bytes; and memory."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    os.environ["OMP_NUM_THREADS"] = "1"  # of the native decoder
    browser = chromium()
    model = codec.load_model("default", "cpu", engine="onnx")
    with tempfile.TemporaryDirectory() as name:
        site = Path(name) / "dist"
        build(site, inputs.photographs.paths[:FILES], model, settings.quality)
        contexts = context_seconds(site / "0.bibc", model, settings.turns)
        threads = two_threads(site / "0.bibc")
        run.say({**contexts, **threads})
        with serving(site) as served, sync_playwright() as playwright:
            opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            context = opened.new_context()
            pages = [visit(context, served, "one.html") for _ in range(2)]
            visits = [asked(site, page_and_paths[1]) for page_and_paths in pages]
            again = second_visit_of_the_page(context, served)
            run.say([*visits, again])
            with isolated_page(context, site) as isolated:
                shown = {"browser": pages[0][0], "isolated": isolated}
                decoding = decode_seconds(shown, site / "0.bibc", model, settings.turns)
            run.say(decoding)
            context.close()
            many = many_pictures(opened, served, site)
            version = opened.version
            opened.close()
    return {
        "browser": f"Chromium {version}, headless",
        "first_visit": visits[0],
        "second_visit": visits[1],
        "second_visit_of_the_page": again,
        "entropy_decoding_seconds": contexts,
        "two_threads": threads,
        "decode_seconds": decoding,
        "page_of_pictures": many,
    }


def build(site: Path, photographs: tuple[Path, ...], model: Any, quality: int) -> None:
    """The built page, with files of photographs beside it."""
    subprocess.run(["node", WEB / "build.js", MODEL, site], check=True)  # noqa: S607
    for number, path in enumerate(photographs):
        with Image.open(path) as image:
            data = codec.encode(image, model=model, quality=quality)
        (site / f"{number}.bibc").write_bytes(data)
    (site / "one.html").write_text(HEAD + "<bibc-image id=one></bibc-image>")


def visit(context: Any, served: Served, name: str) -> tuple[Any, list[str]]:
    """A page that has shown its first picture, and the paths that it asked for."""
    before = len(served.paths)
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(served.address + name)
    show(page, 1, "first")
    return page, served.paths[before:]


def second_visit_of_the_page(context: Any, served: Served) -> list[str]:
    """The paths that the page, index.html, asks for once its files are kept."""
    page = context.new_page()
    page.goto(served.address)
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("caches.match('page.js').then(Boolean)")
    before = len(served.paths)
    page.reload()
    page.wait_for_load_state("networkidle")
    page.close()
    return served.paths[before:]


def asked(site: Path, paths: list[str]) -> dict[str, Any]:
    """Bytes of what a visit asked for beside the picture, as they travel when text is gzipped."""
    sizes = {"model": 0, "wasm": 0, "javascript": 0}
    for name in {urlsplit(path).path.lstrip("/") for path in paths}:
        data = (site / name).read_bytes()
        if name.endswith(".gz"):
            sizes["wasm" if name.endswith(".wasm.gz") else "model"] += len(data)
        elif name.endswith(".js"):
            sizes["javascript"] += len(gzip.compress(data))
    return sizes | {"bytes": sum(sizes.values()), "requests": len(paths)}


@contextmanager
def isolated_page(context: Any, site: Path) -> Iterator[Any]:
    """A page on two threads; None where this process may use one core only."""
    if len(os.sched_getaffinity(0)) < 2:
        yield None
        return
    with serving(site, ISOLATED) as served:
        yield visit(context, served, "one.html")[0]


def in_node(what: str, path: Path, turns: int) -> list[float]:
    """What `browser.mjs` measures of a file."""
    script = str(Path(__file__).with_suffix(".mjs"))
    command = ["node", script, what, str(path), str(MODEL), str(turns)]
    found: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def context_seconds(path: Path, model: Any, turns: int) -> dict[str, float]:
    """Seconds of decoding a file to its indices: C, wasm in Node, plain JavaScript in Node."""
    file = container.parse(path.read_bytes())
    native = partial(stream.decode_indices, file.payload, model.prior, file.header)
    times: dict[str, list[float]] = {"native": [], "wasm": []}
    for _ in range(ROUNDS):
        times["native"] += [seconds(native, time.process_time)[1] for _ in range(4 * turns)]
        times["wasm"] += in_node("wasm", path, 4 * turns)
    times["javascript"] = in_node("javascript", path, 2)
    least = {name: round(min(column), 5) for name, column in times.items()}
    return least | {"ratio": round(least["wasm"] / least["native"], 2)}


def two_threads(path: Path) -> dict[str, list[float]]:
    """The part of the networks' time in Node that two threads can share, at realism 0 and 1.

    Returns:
        That, and how many times sooner two threads can end for it.
    """
    shares = in_node("shares", path, 3)
    return {
        "shared_part": [round(share, 3) for share in shares],
        "times_sooner_at_best": [round(1 / (1 - share / 2), 2) for share in shares],
    }


def decode_seconds(pages: dict[str, Any], path: Path, model: Any, turns: int) -> dict[str, Any]:
    """Seconds of decoding and painting in the pages, and of the native decoder to an image."""
    page, file = pages["browser"], path.read_bytes()
    page.evaluate(LONG_TASKS)
    times: dict[str, list[tuple[float, float]]] = {}
    for turn in range(turns):
        work: dict[str, Callable[[], Any]] = {}
        for realism in (0, 1):
            work[f"native_{realism}"] = partial(codec.decode, file, realism=realism, model=model)
            for name, shown in pages.items():
                if shown is not None:
                    work[f"{name}_{realism}"] = partial(show, shown, realism, turn)
        work["browser_slider"] = partial(slide_often, page, turn)
        for name, call in work.items():
            clock = time.process_time if name.startswith("native") else browser_clock
            times.setdefault(name, []).append(seconds(call, clock))
    found: dict[str, Any] = {}
    for name, measured in times.items():
        count = SLIDES if name == "browser_slider" else 1
        wall, processor = (min(column) / count for column in zip(*measured, strict=True))
        found |= {f"{name}_by_the_clock": round(wall, 4), name: round(processor, 4)}
    for realism in (0, 1):
        browser, native = found[f"browser_{realism}"], found[f"native_{realism}"]
        found[f"ratio_{realism}"] = round(browser / native, 2)
    found["slider_share"] = round(found["browser_slider"] / found["browser_1"], 3)
    found["longest_main_thread_task_ms"] = page.evaluate("window.longest ?? 0")
    return found


def show(page: Any, realism: int, turn: int | str) -> None:
    """Load the file anew and wait until it is shown."""
    page.evaluate(
        """([realism, turn]) => new Promise((resolve) => {
          one.removeAttribute("src"); // or the picture that is shown is painted again
          one.setAttribute("realism", realism);
          one.addEventListener("load", () => resolve(null), { once: true });
          one.setAttribute("src", `0.bibc?${realism}${turn}`);
        })""",
        [realism, turn],
    )


def slide_often(page: Any, turn: int) -> None:
    """Move the slider of what is shown at realism 1."""
    for n in range(SLIDES):
        slide(page, 0.5 + turn / 100 + n / 1000)


def slide(page: Any, realism: float) -> None:
    """Another realism of what is shown; done once the worker answers and two frames were drawn."""
    page.evaluate(
        """(realism) => new Promise((resolve) => {
          one.addEventListener("paint", () => resolve(null), { once: true });
          one.setAttribute("realism", realism);
        })""",
        realism,
    )


def many_pictures(browser: Any, served: Served, site: Path) -> dict[str, Any]:
    """Thirty pictures of many sizes on one page: seconds, and the most memory of its process."""
    count = len(list(site.glob("*.bibc")))
    body = "".join(
        f'<bibc-image data-src="{n % count}.bibc?{n}" style="width: {120 + 20 * n}px"></bibc-image>'
        for n in range(PICTURES)
    )
    (site / "many.html").write_text(HEAD + body)
    page = browser.new_page()
    page.set_default_timeout(600_000)
    page.goto(served.address + "many.html")
    before = browser_clock()
    page.evaluate(ALL_SHOWN)
    return {
        "pictures": PICTURES,
        "processor_seconds": round(browser_clock() - before, 1),
        "most_megabytes": round(max(memory for _, memory in renderers())),
    }


def seconds(call: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, float]:
    """What a call takes by the clock, and of processor time."""
    before = time.perf_counter(), clock()
    call()
    return time.perf_counter() - before[0], clock() - before[1]


BENCHMARK = Benchmark(Inputs, Settings, measure, "browser.json")
