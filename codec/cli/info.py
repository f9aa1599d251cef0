"""The verb `info`."""

import json
import sys
from argparse import Namespace
from dataclasses import asdict

import codec
from codec.cli import VERBS
from codec.cli.arguments import Parser
from codec.cli.common import one_sentence
from codec.files import STDIO
from codec.images.chunks import sizes_text

CUT = "yes: the image data end within a word; decode what it holds with --allow-partial"


def parser() -> Parser:
    """The arguments."""
    p = Parser("info", "FILE", VERBS["info"])
    p.file("A .bibc file; - is standard input.")
    p.add_argument("--json", action="store_true", help="Print the values as JSON.")
    p.add_argument(
        "--novelty",
        action="store_true",
        help="Also decode the indices and print the novelty, a percentile among photographs: a "
        "high one means that the image is unusual.",
    )
    p.model()
    p.verbose()
    return p


def run(given: Namespace) -> int:
    """Print what the header says; returns the exit code."""
    with one_sentence(given.verbose, given.file):
        source = sys.stdin.buffer if given.file == STDIO else given.file
        values = asdict(codec.info(source, novelty=given.novelty, model=given.model))
        if not given.novelty:
            del values["novelty"]
        if given.json:
            print(json.dumps(values, indent=2))
            return 0
        picture, metadata = values.pop("picture_bytes"), values.pop("metadata_bytes")
        values["file_bytes"] = (
            f"{values['file_bytes']:,}, {sizes_text(picture + metadata, metadata)}"
        )
        values["bpp"] = f"{values['bpp']:.4f}"
        sizes = [f"{kind} {size:,} bytes" for kind, size in values["chunks"].items()]
        values["chunks"] = ", ".join(sizes) or "none"
        if values.pop("cut"):
            values["cut"] = CUT
        if values.get("novelty") is not None:
            values["novelty"] = f"{values['novelty']:.1f}, a percentile among photographs"
        for name, value in values.items():
            print(f"{name:11} {value}")
    return 0
