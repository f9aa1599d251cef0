"""What is fuzzed: functions of any bytes that may refuse, and must never do anything else.

Each target returns the name of what happened, for the log. What they read and code is read and
coded by numpy and by C, which must agree. `repair` makes the checksums of a
mutated file right again, so that mutations reach what is behind them.
"""

import io
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from typing import Any

import native
import numpy as np
from bitstream_samples import any_indices, context_prior, sample_indices, static_prior
from golden import DATA, PRIOR, VERSIONS

from bitstream import (
    Container,
    ContextPrior,
    Header,
    Limits,
    Prior,
    compiled,
    decode_indices,
    encode_indices,
    metadata,
    parse,
    write,
)
from bitstream.alpha import alpha_plane, pack_filtered
from bitstream.compiled import new_decoder
from bitstream.container import KNOWN_CHUNKS
from bitstream.errors import CodecError
from bitstream.header import MAGIC, Reader, crc8
from bitstream.tables import IntArray

Outcome = tuple[str, Sequence[Any]]  # what happened, and the arrays that came out

LIMITS = Limits(max_pixels=2**16, max_side=2**12)
SMALL_CELLS = (32, 16, 16, 8)
SMALL = {
    b"stat": static_prior(3, SMALL_CELLS, symbols=16),
    b"cont": context_prior(3, SMALL_CELLS, symbols=16, tables=8),
}


def golden_files() -> list[bytes]:
    """The golden files of all versions of the format."""
    return [path.read_bytes() for path in sorted(DATA.glob("v[0-9]_*.bibc"))]


GOLDEN = {
    next(DATA.glob(f"{version}_*.bibc")).read_bytes()[7:11]: Prior.load(PRIOR[version])
    for version in VERSIONS
}
PRIORS: dict[bytes, Prior] = SMALL | GOLDEN


def refused(error: Exception) -> str:
    """The name of a refusal, which is one sentence."""
    assert str(error)
    assert "\n" not in str(error)
    return type(error).__name__


def agreed(work: Callable[..., Outcome], *arguments: Any) -> str:
    """What `work` says with numpy; with C it must say the same, and return equal arrays."""
    results = []
    for extension in native.implementations():
        compiled.extension = extension
        results.append(work(*arguments))
    (said, arrays), *others = results
    for other_said, other_arrays in others:
        assert other_said == said
        assert all(map(np.array_equal, other_arrays, arrays))
    return said


def bitstream(data: bytes) -> str:
    """Parse a file, write it again, and decode its indices strictly and in part."""
    try:
        file = parse(data, LIMITS)
    except CodecError as error:
        return f"parse: {refused(error)}"
    assert file.header.width * file.header.height <= LIMITS.max_pixels
    if set(file.chunks) <= set(KNOWN_CHUNKS):
        assert write(file.header, file.payload, file.chunks) == data
    prior = PRIORS.get(file.header.fingerprint, SMALL[b"cont"])
    unpacked(file)
    return agreed(decoded, file, prior)


def unpacked(file: Container) -> None:
    """Unpack the metadata and the alpha plane of a parsed file; what comes out packs again."""
    try:
        found = metadata.unpack(file.chunks)
        assert metadata.unpack(metadata.pack(found)) == found
        plane = alpha_plane(file.chunks, file.header.height, file.header.width)
    except CodecError as error:
        refused(error)
    else:
        if plane is not None:
            assert plane.shape == (file.header.height, file.header.width)


def decoded(file: Container, prior: Prior) -> Outcome:
    """Decode the indices of a parsed file strictly and in part."""
    held = None
    try:
        held = decode_indices(file.payload, prior, file.header, allow_partial=True)
    except CodecError as error:
        outcome = f"decode: {refused(error)}"
    else:
        shapes = prior.begin(file.header.height, file.header.width, 0).shapes
        for grid, shape, codes in zip(held, shapes, prior.codes, strict=False):
            assert grid.shape == shape
            assert 0 <= grid.min() <= grid.max() < codes
        outcome = "decode: whole" if len(held) == file.header.stages else "decode: partial"
    try:
        whole = decode_indices(file.payload, prior, file.header)
    except CodecError as error:
        refused(error)
        assert outcome != "decode: whole" or len(file.payload) % 4  # a last part of a word is cut
    else:
        assert held is not None
        assert outcome == "decode: whole"
        assert all(map(np.array_equal, whole, held))
        assert encode_indices(whole, prior, file.header) == file.payload
    return outcome, held or []


def symbols(data: bytes) -> str:
    """Read symbols from any words with no check to stop them; what they code must come back."""
    if len(data) < 12:
        return "too short"
    prior = list(SMALL.values())[data[0] % 2]
    minor, major = (data[5] % 16, 1) if data[5] < 128 else (0, 2)
    size, stages = (1 + data[1] % 160, 1 + data[2] % 160), 1 + data[4] % 4
    header = Header(*size, data[3] % 101, stages, b"fuzz", minor, major)
    return agreed(read, b"\1" + data[6:], prior, header)


def read(words: bytes, prior: Prior, header: Header) -> Outcome:
    """Read the stages of an image from words, code them and decode them again."""
    decoder = new_decoder(words[: len(words) // 4 * 4])
    state = prior.begin(header.height, header.width, header.quality)
    try:
        for stage in range(header.stages):
            state.code_stage(stage, decoder.code, None)
    except CodecError as error:
        outcome = refused(error)
        while len(state.stages) < header.stages:  # the rest is zeros
            shape = state.shapes[len(state.stages)]
            state.stages.append(np.zeros(shape, np.int32))
    else:
        outcome = "read to the end"
    payload = encode_indices(state.stages, prior, header)
    again = decode_indices(payload, prior, header)
    assert all(map(np.array_equal, again, state.stages))
    return outcome, [*again, np.frombuffer(payload, np.uint8)]


def priors(data: bytes) -> str:
    """Change numbers of a context prior, 8 bytes each, and code an image with it if it is valid."""
    if len(data) < 8:
        return "too short"
    arrays = {name: np.array(array) for name, array in SMALL[b"cont"].to_arrays().items()}
    names = sorted(arrays)
    for at in range(0, len(data) // 8 * 8, 8):
        array = arrays[names[data[at] % len(names)]]
        place = int.from_bytes(data[at + 1 : at + 3], "little") % max(1, array.size)
        value = int.from_bytes(data[at + 3 : at + 7], "little", signed=True) >> data[at + 7] % 32
        if array.size:
            array.flat[place] = value if array.dtype == np.int32 else abs(value)
    try:
        prior = ContextPrior.from_arrays(arrays)
    except ValueError as error:
        return refused(error)
    header = Header(41, 37, data[-1] % 101, len(prior.cells), b"fuzz")
    indices = any_indices(prior, header, seed=data[-1])
    said = agreed(coded, indices, prior, header)
    return f"{said}, {'C' if prior.is_compiled else 'numpy'}"


def coded(indices: list[IntArray], prior: Prior, header: Header) -> Outcome:
    """Code indices and decode them again."""
    payload = encode_indices(indices, prior, header)
    assert all(map(np.array_equal, indices, decode_indices(payload, prior, header)))
    return "coded", [np.frombuffer(payload, np.uint8)]


def command(data: bytes) -> str:
    """The command and the API with the tiny model: info, verify, decode, decode in part."""
    import codec
    from codec.cli import run
    from codec.options import DecodeLimits

    limits = DecodeLimits(max_pixels=LIMITS.max_pixels, max_side=LIMITS.max_side)
    outcome = "decoded"
    try:
        codec.info(data)
        image = codec.decode(data, model=tiny(), limits=limits, allow_partial=True)
        assert image.width * image.height <= LIMITS.max_pixels
    except CodecError as error:
        outcome = refused(error)
    said, stdin = io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    options = ["--max-pixels", str(LIMITS.max_pixels), "-m", str(tiny_folder())]
    try:
        with redirect_stderr(said):
            code = run(["decode", "-", "-o", os.devnull, "--allow-partial", "--quiet", *options])
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.stdin = stdin
    text = said.getvalue()
    assert code in (0, 1), text
    assert text.count("\n") == (code == 1), text
    assert "internal error" not in text, text
    return outcome


TARGETS = {"bitstream": bitstream, "symbols": symbols, "priors": priors, "command": command}


@cache
def tiny_folder() -> str:
    """A folder with the tiny model."""
    from codec.models.tiny import tiny_model
    from codec.models.torch_model import save_model

    folder = tempfile.mkdtemp(prefix="bibcodec-fuzz-")
    save_model(tiny_model(), Path(folder))
    return folder


@cache
def tiny():
    """The model of that folder, loaded once."""
    from codec.models.loading import load_model

    return load_model(tiny_folder(), "cpu")


def repair(data: bytes, fingerprint: bytes | None = None) -> bytes:
    """Make magic, version, header check and chunk checks right, as far as the file has them."""
    out = bytearray(data)
    out[: len(MAGIC)] = MAGIC
    if len(out) < 16:
        return bytes(out)
    out[4] = 0x20 >> (out[4] >> 4 & 1) | out[4] & 0b0111  # version 1 or 2
    if fingerprint:
        out[7:11] = fingerprint
    reader = Reader(bytes(out))
    try:
        reader.take(11, "fields")
        reader.varint("width"), reader.varint("height")
        out[reader.at : reader.at + 1] = bytes([crc8(out[: reader.at])])
        reader.take(1, "check")
        for _ in range(reader.take(1, "count")[0] if out[4] & 0b0100 else 0):
            start = reader.at
            reader.take(4, "type")
            reader.take(reader.varint("length"), "data")
            end = reader.at
            out[end : end + 4] = zlib.crc32(out[start:end]).to_bytes(4, "little")
            reader.take(4, "check")
    except CodecError:
        pass
    return bytes(out)


def seeds(target: str) -> list[bytes]:
    """A first corpus: the golden files, and small files of each small prior."""
    files = golden_files()
    for number, (fingerprint, prior) in enumerate(SMALL.items()):
        for width, height, stages, chunks in (
            (9, 9, 4, {}),
            (64, 40, 3, {"seed": b"12345678"}),
            (100, 33, 4, {"grey": b"", "exif": b"MM\0*"}),
            (20, 30, 4, metadata.pack({"exif": b"MM\0*" * 30, "xmp_": b"<x/>" * 30})),
            (20, 30, 4, {"gry3": b"", "Alpl": pack_filtered(np.full((30, 20), 9, np.uint8))}),
        ):
            header = Header(width, height, 20 + 40 * number, stages, fingerprint)
            indices = sample_indices(prior, header, seed=stages)
            files.append(write(header, encode_indices(indices, prior, header), chunks))
    if target == "command":
        from PIL import Image

        import codec

        picture = Image.linear_gradient("L").resize((70, 40))
        for mode in ("L", "LA", "RGB", "RGBA"):
            files.append(codec.encode(picture.convert(mode), model=tiny(), quality=40))
    if target == "priors":
        numbers = (0, 1, 32767, 32768, -(2**15), 2**31 - 1, -(2**31))
        return [
            bytes([part, 3, 0]) + number.to_bytes(4, "little", signed=True) + bytes([shift])
            for part in range(30)
            for number in numbers
            for shift in (0, 12)
        ]
    if target == "symbols":
        return [bytes([n, 40, 60, 50, 3, 0]) + data for n, data in enumerate(files)]
    return files
