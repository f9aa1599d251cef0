"""Draws docs/pictures/native.jpg: photographs at their own size, at 0.1 bits per pixel and 1:1.

A row is a crop: the original, AVIF, the first model at realism 1, and the packaged model at realism
0 and 1. AVIF gets the largest file within as many bytes as ours, or its smallest. The photographs
are in the public domain, or their owners let everybody use them as they like: of the General
Services Administration (18F), of BuddiesOfBudgie (CC0) and of metadata-extractor-images.
"""

from dataclasses import dataclass

import codec
from benchmarks.figures.photos import AS_JPEG, PICTURES, cells, sheet
from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.inputs import PACKAGED, Model, Photographs

BPP = 0.1
CROPS = {  # name -> left, top of its crop
    "d2b77b71650c2691": (180, 130),  # a head
    "3ec7fb5a19954111": (300, 350),  # sky and a mountain
    "4beebcfec2c7d7a3": (340, 60),  # a building
    "75472c7c77c53c7f": (430, 120),  # foliage
    "b8a73fbcc46e116d": (480, 330),  # handwriting
    "69e385c59e9d765b": (480, 520),  # leaves out of focus
}


@dataclass(frozen=True)
class Inputs:
    """What is shown.

    Attributes:
        photographs: tar file with them, by name.
        first: folder of the first model.
        model: name or folder of our model.
    """

    photographs: Photographs
    first: Model
    model: Model = PACKAGED


def measure(run: Run, inputs: Inputs, settings: Nothing) -> None:
    """Draw them."""
    model, first = inputs.model.load(), inputs.first.load()
    names = [path.stem for path in inputs.photographs.paths]
    photographs = dict(zip(names, inputs.photographs.images(), strict=True))
    rows = []
    for name, corner in CROPS.items():
        image = photographs[name]
        original, avif, *ours = cells(image, BPP, model, (0,), ("AVIF",))
        data = codec.encode(image, target_bpp=BPP, model=first)
        before = codec.decode(data, model=first).convert("RGB")
        caption = f"first model, {len(data):,} bytes"
        rows.append(([original, avif, (caption, before), *ours], corner))
        run.say(name)
    sheet(rows).save(PICTURES / "native.jpg", **AS_JPEG)


BENCHMARK = Benchmark(Inputs, Nothing, measure, result=None)
