"""What does a .bibc picture cost in a web page, beside the native decoder?"""

import gzip
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Photographs
from bitstream import container, stream

WEB = schema.ROOT / "web"
MODEL = schema.ROOT / "codec" / "models" / "default"
TICKS = os.sysconf("SC_CLK_TCK")
NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
PICTURES = 30
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
CONTEXTS = """
import { readFileSync } from "node:fs";
import { compiled } from "WEB/src/compiled.js";
import { decodeIndices, loadPrior, parse } from "WEB/src/index.js";
const [path, model, turns] = process.argv.slice(2);
const plain = loadPrior(new Uint8Array(readFileSync(`${model}/prior.safetensors`)));
const wasm = await compiled(plain, readFileSync("WEB/wasm/contexts.wasm"));
const file = parse(new Uint8Array(readFileSync(path)));
const costs = { javascript: [], wasm: [] };
for (let turn = 0; turn < turns; turn++) {
  for (const [name, prior] of [["javascript", plain], ["wasm", wasm]]) {
    const before = process.cpuUsage();
    decodeIndices(file, prior);
    const { user, system } = process.cpuUsage(before);
    costs[name].push((user + system) / 1e6);
  }
}
console.log(JSON.stringify(costs));
"""


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images; the first one is decoded in turns, all are shown together.
    """

    photographs: Photographs


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        turns: how often each thing is done; the medians count, without the first.
        quality: of the files.
    """

    turns: int = 5
    quality: int = 50


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Seconds of processor time, by one thread; bytes; and memory."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    os.environ["OMP_NUM_THREADS"] = "1"  # of the native decoder
    browser = next(filter(None, map(shutil.which, NAMES)))
    model = codec.load_model("default", "cpu", engine="onnx")
    with tempfile.TemporaryDirectory() as name:
        site = Path(name) / "dist"
        subprocess.run(["node", WEB / "build.js", MODEL, site], check=True)  # noqa: S607
        for number, path in enumerate(inputs.photographs.paths[:PICTURES]):
            with Image.open(path) as image:
                data = codec.encode(image, model=model, quality=settings.quality)
            (site / f"{number}.bibc").write_bytes(data)
        file = (site / "0.bibc").read_bytes()
        contexts = context_seconds(site / "0.bibc", file, model, settings.turns)
        run.say(contexts)
        with serving(site) as served, sync_playwright() as playwright:
            opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            (site / "one.html").write_text(HEAD + "<bibc-image id=one></bibc-image>")
            context = opened.new_context()
            pages = [visit(context, served, "one.html") for _ in range(2)]
            visits = [asked(site, page_and_paths[1]) for page_and_paths in pages]
            again = second_visit_of_the_page(context, served)
            run.say(visits)
            run.say(again)
            decoding = decode_seconds(pages[0][0], file, model, settings.turns)
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
        "decode_seconds": decoding,
        "page_of_pictures": many,
    }


def visit(context: Any, served: "Served", name: str) -> tuple[Any, list[str]]:
    """A page that has shown its first picture, and the paths that it asked for."""
    before = len(served.paths)
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(served.address + name)
    show(page, 1, "first")
    return page, served.paths[before:]


def second_visit_of_the_page(context: Any, served: "Served") -> list[str]:
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


def context_seconds(path: Path, file: bytes, model: Any, turns: int) -> dict[str, float]:
    """Medians of decoding a file to its indices: C, wasm in Node, plain JavaScript in Node."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "contexts.mjs"
        script.write_text(CONTEXTS.replace("WEB", str(WEB)))
        command = ["node", str(script), str(path), str(MODEL), str(2 * turns)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    costs = {name: median(times[1:]) for name, times in json.loads(done.stdout).items()}
    parsed = container.parse(file)
    native = partial(stream.decode_indices, parsed.payload, model.prior, parsed.header)
    times = [seconds(native, time.process_time)[1] for _ in range(2 * turns)]
    return {"native": round(median(times[1:]), 5)} | {k: round(v, 5) for k, v in costs.items()}


def decode_seconds(page: Any, file: bytes, model: Any, turns: int) -> dict[str, Any]:
    """Medians of decoding and painting in the page, and of the native decoder to an image."""
    page.evaluate(LONG_TASKS)
    times: dict[str, list[tuple[float, float]]] = {}
    for turn in range(turns):
        work: dict[str, Callable[[], Any]] = {}
        for realism in (0, 1):
            work[f"browser_{realism}"] = partial(show, page, realism, turn)
            work[f"native_{realism}"] = partial(codec.decode, file, realism=realism, model=model)
        work["browser_slider"] = partial(slide, page, 0.5 + turn / 100)
        for name, call in work.items():
            clock = time.process_time if name.startswith("native") else browser_clock
            times.setdefault(name, []).append(seconds(call, clock))
    found: dict[str, Any] = {}
    for name, measured in times.items():
        wall, processor = (round(median(column), 3) for column in zip(*measured[1:], strict=True))
        found |= {f"{name}_by_the_clock": wall, name: processor}
    for realism in (0, 1):
        found[f"ratio_{realism}"] = round(
            found[f"browser_{realism}"] / found[f"native_{realism}"], 2
        )
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


def slide(page: Any, realism: float) -> None:
    """Another realism of what is shown; done once the worker answers and two frames were drawn."""
    page.evaluate(
        """(realism) => new Promise((resolve) => {
          one.addEventListener("paint", () => resolve(null), { once: true });
          one.setAttribute("realism", realism);
        })""",
        realism,
    )


def many_pictures(browser: Any, served: "Served", site: Path) -> dict[str, Any]:
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


def renderers() -> Iterator[tuple[float, float]]:
    """Seconds and most megabytes of each process of our browser that shows pages."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" not in (folder / "cmdline").read_bytes() or not ours(folder):
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            peak = (folder / "status").read_text().split("VmHWM:")[1].split()[0]
        except (OSError, IndexError):  # it has ended
            continue
        yield (int(fields[11]) + int(fields[12])) / TICKS, int(peak) / 1024


def browser_clock() -> float:
    """Seconds that the pages' processes have taken."""
    return sum(seconds for seconds, _ in renderers())


def ours(folder: Path) -> bool:
    """Whether a process descends from this one."""
    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return parent == os.getpid() or (parent > 1 and ours(folder.parent / str(parent)))


@dataclass(frozen=True)
class Served:
    """A folder that is served: its address, and the paths that were asked for so far."""

    address: str
    paths: list[str]


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve a folder."""
    paths: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        """Notes the paths, and says nothing."""

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def send_head(self) -> Any:
            """Note the path."""
            paths.append(self.path)
            return super().send_head()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Served(f"http://127.0.0.1:{server.server_port}/", paths)
    server.shutdown()


BENCHMARK = Benchmark(Inputs, Settings, measure, "browser.json")
