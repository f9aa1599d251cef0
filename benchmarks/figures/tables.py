"""Writes docs/figures.md and the table of the README from the committed results."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from benchmarks import schema
from benchmarks.cost import scale
from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.markdown import number, paragraph, table
from benchmarks.quality import rdp
from codec.models.files import EARLIER

README, FIGURES = schema.ROOT / "README.md", schema.ROOT / "docs" / "figures.md"
BEGIN, END = (
    "<!-- figures: `python -m benchmarks tables` writes this -->",
    "<!-- end of figures -->",
)
TARGET = 0.1  # bits per pixel of the README's table


@dataclass(frozen=True)
class Section:
    """A section of docs/figures.md.

    Attributes:
        title: heading.
        modules: benchmarks whose `figures()` it has, under benchmarks/.
        picture: file in docs/pictures/ and what it shows.
    """

    title: str
    modules: tuple[str, ...]
    picture: tuple[str, str] | None = None


SECTIONS = (
    Section(
        "Rate, distortion and perception",
        ("quality.rdp",),
        ("detail.jpg", "Original, AVIF, WebP, and ours at realism 0 and 1 with three seeds"),
    ),
    Section(
        "Rate and distortion at realism 0",
        ("quality.rd",),
        ("kodak.png", "PSNR by rate on Kodak, and a photograph at a low rate"),
    ),
    Section(
        "The synthesized detail",
        ("quality.noise",),
        ("noise.jpg", "A photograph, and the standard deviation over seeds"),
    ),
    Section("Repeated saves", ("quality.generations",)),
    Section("A learned peer", ("studies.learned_peer",)),
    Section("Time and memory", ("cost.speed", "cost.scale", "cost.folders")),
    Section("Metadata", ("cost.metadata",)),
    Section("Unusual images", ("quality.novelty",)),
    Section(
        "The packaged model beside the first",
        ("quality.training",),
        ("native.jpg", "Original, AVIF, the first model, and ours at realism 0 and 1"),
    ),
)
HEAD = """# Figures

`python -m benchmarks tables` writes this page from the files in `benchmarks/results/`. Every file
has the date, the commit, the machine, the versions and the images of its measurement. Means are
over images, and sizes are those of whole files. [context.md](context.md) has what contexts save,
[paper.md](paper.md) the paper's family, and [benchmarks/README.md](../benchmarks/README.md) says
how to measure again.
"""


def page() -> str:
    """The text of docs/figures.md."""
    lines = HEAD.splitlines()
    for section in SECTIONS:
        lines += ["", f"## {section.title}", ""]
        if section.picture:
            name, shown = section.picture
            lines += [f"![{shown}](pictures/{name})", ""]
        for module in section.modules:
            lines += ["", *import_module(f"benchmarks.{module}").figures()]
    return text(lines)


def readme() -> str:
    """The README with its table and its sentences on time and memory as the results have them."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n\n" + text([*comparison(), *costs()]) + "\n" + END + after


def comparison() -> list[str]:
    """The README's table: ours and other codecs at one rate."""
    codecs = {one["name"]: one for one in rdp.read_all("kodak")}
    ours = codecs["bibcodec"]
    points: list[tuple[str, dict[str, Any], float | None]]
    points = [("bibcodec, realism 0", ours, 0.0), ("bibcodec, realism 1", ours, 1.0)]
    peers = [name for name in ("avif", "avif-psnr", "heic", "jxl") if name in codecs]
    points += [(rdp.NAMES[name], codecs[name], None) for name in peers]
    images = ours["meta"]["images"]
    shown = {"bpp": 3, "psnr-rgb": 1, "lpips": 2, "frechet-256": 0}
    rows = []
    for name, one, realism in points:
        over = round(rdp.at(one, "over-target", TARGET, realism))
        values = {key: rdp.at(one, key, TARGET, realism) for key in shown}
        cells = [number(values[key], digits) for key, digits in shown.items()]
        rows.append([f"{name} ({over} of {images} are larger)" if over else name, *cells])
    better = ["PSNR, dB: higher is better", "LPIPS: lower is better", "Fréchet: lower is better"]
    heads = ["", "bits per pixel", *better]
    return [
        *table(heads, rows),
        *paragraph(
            f"Means over the {images} Kodak photographs. Each file is the largest of its codec",
            f"within {TARGET:g} bits per pixel. Where there is none, its smallest file is taken,",
            'and "are larger" counts these. PSNR compares pixels. LPIPS compares what the eye',
            "sees. The Fréchet distance says how much the results look like photographs.",
        ),
    ]


def costs() -> list[str]:
    """The README's sentences on time and memory."""
    speed, sizes = schema.read("speed"), scale.sizes()
    ms = {name: 1e3 * value for name, value in speed["beside_avif"]["seconds"].items()}
    largest = max(sizes, key=int)
    row = sizes[largest]
    memory = max(row["encode"]["peak_mb"], row["decode"]["peak_mb"]) / 1e3
    return paragraph(
        f"**Speed.** On two cores, encoding a Kodak photograph takes {ms['encode']:.0f} ms and",
        f"decoding takes {ms['decode']:.0f} ms; AVIF takes {ms['avif_encode_default']:.0f} ms",
        f"and {ms['avif_decode_default']:.0f} ms, in a program that has loaded its codecs.",
        f"**Memory.** A photograph of {largest} megapixels needs {memory:.1f} GB, to encode it",
        "or to decode it.",
        *(["An earlier model was measured."] if speed["meta"]["model"] in EARLIER else []),
    )


def text(lines: list[str]) -> str:
    """Lines as text, with one empty line where there are several."""
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept).rstrip("\n") + "\n"


def measure(run: Run, inputs: Nothing, settings: Nothing) -> None:
    """Write both files."""
    FIGURES.write_text(page())
    README.write_text(readme())
    run.say(f"{FIGURES}\n{README}")


BENCHMARK = Benchmark(Nothing, Nothing, measure, result=None)
