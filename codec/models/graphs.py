"""The ONNX graphs in a model's folder, which may come from strangers: checked before they run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitstream.errors import CodecError
from codec.models.files import DETAIL, GRAPHS, MANIFEST
from codec.networks.config import Level
from codec.untrusted import INVALID, in_range, read_text, reason

SCHEMA, OPSET = 1, 17
MAX_GRAPH_BYTES = 2**20
MAX_REACH = 2**12  # pixels


@dataclass(frozen=True)
class Graphs:
    """The steps of a model's networks as ONNX graphs.

    Attributes:
        files: by name, the bytes of the ONNX files.
        noise: cell and channels of the noise at each scale; () without a detail network.
        reaches: how far the steps of the passes reach, see `codec.runtime.tiles.Tiles`.
        detail: the bytes of the model's detail network, which belong to them; None if it has none.
    """

    files: dict[str, bytes]
    noise: tuple[tuple[int, int], ...]
    reaches: dict[str, int]
    detail: bytes | None


def step_names(levels: Sequence[Level], detail: bool) -> set[str]:
    """The names of all graphs of a model.

    >>> sorted(step_names([Level(8, 16, 1)], detail=False))
    ['analyze', 'embed', 'refine_0', 'render', 'search_0', 'synthesize', 'update_0']
    """
    names = {"analyze", "embed", "synthesize", "render"} | ({"detail"} if detail else set())
    for number, level in enumerate(levels):
        names |= {f"{step}_{number}" for step in ("refine", "update", "search")}
        if number:
            names.add(f"predict_{number}")
        if level.begin:
            names.add(f"extend_{number}")
    return names


def read_graphs(folder: Path, fingerprint: bytes, levels: Sequence[Level]) -> Graphs:
    """Read the graphs of a model.

    Args:
        folder: the model's.
        fingerprint: of the model: the graphs have to belong to it.
        levels: of the model.

    Raises:
        CodecError: there are none, they are damaged, or they belong to other weights.
    """
    place = folder / GRAPHS
    again = f"`python -m codec.models.export {folder}` makes them"
    if not (place / MANIFEST).is_file():
        raise CodecError(f"the model in {folder} has no graphs for onnxruntime: {again}")
    try:
        manifest = json.loads(read_text(place / MANIFEST))
        in_range("schema", manifest["schema"], SCHEMA, SCHEMA)
        in_range("opset", manifest["opset"], OPSET, OPSET)
        noise = tuple((cell, channels) for cell, channels in manifest["noise"])
        reaches = dict(manifest["reaches"])
        for name, pixels in reaches.items():
            in_range(f"the reach of {name!r:.40}", pixels, 0, MAX_REACH)
        owner, detail, digests = manifest["fingerprint"], manifest["detail"], manifest["graphs"]
        files = {name: _read(place, name, digests) for name in step_names(levels, bool(noise))}
    except INVALID as error:
        message = f"the graphs in {place} are not valid: {reason(error)}; {again}"
        raise CodecError(message) from error
    weights = (folder / DETAIL).read_bytes() if (folder / DETAIL).is_file() else None
    if owner != fingerprint.hex() or detail != digest_of(weights):
        raise CodecError(f"the graphs in {place} belong to other weights: {again}")
    return Graphs(files, noise, reaches, weights)


def digest_of(detail: bytes | None) -> str | None:
    """SHA-256 of the weights of a model's detail network; None if there is none."""
    return None if detail is None else hashlib.sha256(detail).hexdigest()


def _read(place: Path, name: str, digests: dict[str, str]) -> bytes:
    path = place / f"{name}.onnx"
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    with path.open("rb") as file:
        data = file.read(MAX_GRAPH_BYTES + 1)
    if hashlib.sha256(data).hexdigest() != digests[name]:
        raise ValueError(f"{path.name} is not the file that was exported")
    return data
