"""The image data: all stages of an image as one string of ANS words, and back (FORMAT.md 4)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bitstream.compiled import LEAST_SEAL, new_decoder, new_encoder
from bitstream.container import WORD_BYTES
from bitstream.errors import Checksum, ModelMismatchError, Truncated
from bitstream.header import Header
from bitstream.prior import Prior
from bitstream.tables import IntArray, Tables, uniform

if TYPE_CHECKING:
    from bitstream.entropy import Coder

CHECK = uniform(4)  # a check between stages: 2 bits of the running CRC32
MARGIN = 3  # in a damaged file, how many stages before the first failing check are not trusted


def encode_indices(indices: Sequence[IntArray], prior: Prior, header: Header) -> bytes:
    """Code an image's indices.

    Args:
        indices: one int32 array for each of the header's stages, coarse to fine, of shape
            (ceil(height / cell), ceil(width / cell)), values in [0, K).
        prior: the model's prior.
        header: size, quality, stage count and model.

    Returns:
        The payload for `bitstream.container.write`, a whole number of 32-bit words.

    Raises:
        ValueError: if the indices fit neither the header nor the prior.
        ModelMismatchError: if the header has more stages than the prior.

    >>> from bitstream.prior import StaticPrior
    >>> prior = StaticPrior((8, 8), [[[2**22, 3 * 2**22]], [[2**22, 3 * 2**22]]])
    >>> header = Header(16, 8, quality=50, stages=2, fingerprint=b"mmmm")
    >>> stage = np.array([[1, 0]], np.int32)
    >>> payload = encode_indices([stage, stage], prior, header)
    >>> [grid.tolist() for grid in decode_indices(payload, prior, header)]
    [[[1, 0]], [[1, 0]]]
    """
    _check_fit(prior, header)
    if len(indices) != header.stages:
        raise ValueError(f"got {len(indices)} stages, the header says {header.stages}")
    encoder = new_encoder()
    crc = _code_known(indices, prior, header, encoder.code)
    return encoder.finish(crc | LEAST_SEAL)


def decode_indices(
    payload: bytes, prior: Prior, header: Header, *, allow_partial: bool = False
) -> list[IntArray]:
    """Decode an image's indices, or refuse.

    Args:
        payload: a parsed file's payload.
        prior: the prior of the model whose fingerprint the header has; the caller compares.
        header: the parsed file's header.
        allow_partial: return the stages that a cut or damaged payload still holds, if it holds any,
            instead of refusing it. FORMAT.md 5 says how sure they are.

    Returns:
        One int32 grid for each stage, coarse to fine; fewer than `header.stages` only if the
        payload is not whole and `allow_partial` is given.

    Raises:
        Truncated, Checksum: if the payload is cut or damaged.
        ModelMismatchError: if the header has more stages than the prior.
    """
    _check_fit(prior, header)
    cut = len(payload) % WORD_BYTES
    if cut and not allow_partial:
        raise Truncated("the image data is no whole number of words: the file is cut or lengthened")
    if len(payload) < WORD_BYTES:
        raise Truncated("the file holds no image data: it is cut")
    decoder = new_decoder(payload[: len(payload) - cut])
    state = prior.begin(header.height, header.width, header.quality)
    right = 0  # stages whose check was read and right
    try:
        crc = zlib.crc32(header.fields())
        for stage in range(header.stages - 1):
            crc = _extend(crc, state.code_stage(stage, decoder.code, None))
            if _code_check(decoder.code, None) != crc % CHECK.symbols:
                raise Checksum("a check fails")
            right += 1
        crc = _extend(crc, state.code_stage(right, decoder.code, None))
        if not decoder.ends_with(crc | LEAST_SEAL):
            kind = Checksum if decoder.has_more() else Truncated
            raise kind("the seal does not match")
    except (Truncated, Checksum) as error:
        kept = right - MARGIN if isinstance(error, Checksum) else right
        if allow_partial and kept > 0:
            return state.stages[:kept]
        where = f"in stage {right + 1} of {header.stages}"
        raise type(error)(f"{error} {where}: the file is cut or damaged") from None
    return state.stages


def ideal_bits(indices: Sequence[IntArray], prior: Prior, header: Header) -> float:
    """Return the code length -sum(log2 p) of the indices under the prior, without any checks.

    >>> from bitstream.prior import StaticPrior
    >>> prior = StaticPrior((8,), [[[2**22, 3 * 2**22]]])
    >>> header = Header(16, 8, quality=50, stages=1, fingerprint=b"mmmm")
    >>> ideal_bits([np.array([[0, 0]], np.int32)], prior, header)
    4.0
    """
    total = 0.0

    def add(table_ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        nonlocal total
        if symbols is None:
            raise ValueError("an ideal code length needs the symbols")
        total += float(tables.bits[table_ids, symbols].sum(dtype=np.float64))
        return symbols

    state = prior.begin(header.height, header.width, header.quality)
    for stage, known in enumerate(indices):
        state.code_stage(stage, add, known)
    return total


def _code_known(indices: Sequence[IntArray], prior: Prior, header: Header, code: Coder) -> int:
    """Code known indices with a check between any two stages; return the CRC32 of it all."""
    state = prior.begin(header.height, header.width, header.quality)
    crc = zlib.crc32(header.fields())
    for stage, known in enumerate(indices):
        if known.shape != state.shapes[stage] or known.dtype != np.int32:
            raise ValueError(
                f"stage {stage} is {known.dtype} {known.shape}, "
                f"expected int32 {state.shapes[stage]}"
            )
        crc = _extend(crc, state.code_stage(stage, code, known))
        if stage + 1 < len(indices):
            _code_check(code, crc % CHECK.symbols)
    return crc


def _check_fit(prior: Prior, header: Header) -> None:
    if header.stages > len(prior.cells):
        raise ModelMismatchError(
            f"the file has {header.stages} stages, the model has {len(prior.cells)}"
        )


def _extend(crc: int, symbols: IntArray) -> int:
    """Extend a CRC32 by a stage's symbols in raster order, 16 bits each, little-endian."""
    return zlib.crc32(symbols.astype("<u2").tobytes(), crc)


def _code_check(code: Coder, value: int | None) -> int:
    """Code one check symbol; the decoder passes None."""
    symbols = None if value is None else np.array([value], np.int32)
    return int(code(np.zeros(1, np.int32), CHECK, symbols)[0])
