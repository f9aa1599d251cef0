"""Colours that a file describes by other means than an ICC profile -> sRGB.

PNG has gAMA, cHRM and cICP chunks, AVIF and HEIC have nclx boxes, cameras say Adobe RGB by EXIF.
Where primaries and a transfer function are known, an ICC profile is made of them and LittleCMS
converts (`PIL.ImageCms`). Code points are those of ITU-T H.273.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from codec.images.strips import Samples

Chromaticities = tuple[float, ...]  # x and y of white, red, green and blue

_D65, _C, _E = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3)
_SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ADOBE: Chromaticities = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_PRIMARIES: dict[int, Chromaticities] = {
    1: _SRGB,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_SRGB_CURVE = 0.0  # in place of an exponent
_LIKE_SRGB = (1, 6, 13, 14, 15)  # that of BT.709 is shown as that of sRGB, as viewers do
_EXPONENTS = {4: 2.2, 5: 2.8, 8: 1.0}
_HDR = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = (2,)
_CLOSE = 0.004  # of chromaticities that are the same
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


@dataclass(frozen=True)
class ColourSpace:
    """What the RGB samples of a file mean.

    Attributes:
        primaries: chromaticities of white, red, green and blue.
        exponent: light = sample ^ exponent; 0 stands for the curve of sRGB.
    """

    primaries: Chromaticities = _SRGB
    exponent: float = _SRGB_CURVE

    @property
    def is_srgb(self) -> bool:
        """Whether there is nothing to convert."""
        curve = self.exponent == _SRGB_CURVE or abs(self.exponent - 2.2) < 0.05
        return curve and np.allclose(self.primaries, _SRGB, atol=_CLOSE)


ADOBE_RGB = ColourSpace(_ADOBE, 563 / 256)


def by_gamma(gamma: float | None, chromaticities: Iterable[float] | None) -> ColourSpace:
    """The colour space of PNG's gAMA (sample = light ^ gamma) and cHRM chunks.

    Example:
        >>> by_gamma(0.45455, None).is_srgb, by_gamma(1.0, None).is_srgb
        (True, False)
    """
    primaries = tuple(chromaticities or _SRGB)
    if len(primaries) != 8 or min(primaries[1::2]) <= 0 or not _span_a_triangle(primaries):
        primaries = _SRGB
    exponent = 1 / gamma if gamma and 0.1 <= gamma <= 10 else _SRGB_CURVE
    return ColourSpace(primaries, exponent)


def _span_a_triangle(primaries: Chromaticities) -> bool:
    """Whether red, green and blue are not on one line."""
    red, green, blue = np.asarray(primaries).reshape(4, 2)[1:]
    return bool(abs(np.linalg.det(np.stack([green - red, blue - red]))) > 1e-3)


def by_code_points(primaries: int, transfer: int) -> tuple[ColourSpace | None, str]:
    """The colour space of H.273 code points, or None and what cannot be converted, in words.

    Example:
        >>> by_code_points(9, 16)
        (None, 'HDR colours (PQ)')
    """
    if transfer in _HDR:
        return None, f"HDR colours ({_HDR[transfer]})"
    known = (*_LIKE_SRGB, *_UNSPECIFIED, *_EXPONENTS)
    if transfer not in known or primaries not in (*_PRIMARIES, *_UNSPECIFIED):
        return None, f"colours by the code points {primaries} and {transfer} of H.273"
    exponent = _EXPONENTS.get(transfer, _SRGB_CURVE)
    return ColourSpace(_PRIMARIES.get(primaries, _SRGB), exponent), ""


def to_srgb(strips: Iterable[Samples], space: ColourSpace) -> Iterator[Samples]:
    """Strips uint8 [rows, W, C] converted to sRGB; alpha stays, and grey stays grey.

    Args:
        strips: C is 1 for grey, 2 for grey + alpha, 3 for RGB, 4 for RGBA.
        space: what their colours mean.
    """
    curve = _grey_curve(space)
    srgb = ImageCms.createProfile("sRGB")
    source = ImageCms.ImageCmsProfile(BytesIO(profile(space)))
    transform = ImageCms.buildTransform(source, srgb, "RGB", "RGB")
    for strip in strips:
        converted = strip.copy()
        if strip.shape[2] < 3:
            converted[:, :, 0] = curve[strip[:, :, 0]]
        else:
            image = Image.fromarray(np.ascontiguousarray(strip[:, :, :3]))
            ImageCms.applyTransform(image, transform, inPlace=True)
            rgb = np.array(image)
            colour = strip[:, :, :3]
            neutral = (colour == colour[:, :, :1]).all(axis=2)
            rgb[neutral] = curve[colour[neutral]]
            converted[:, :, :3] = rgb
        yield converted


def _grey_curve(space: ColourSpace) -> NDArray[np.uint8]:
    """uint8 [256]: what each grey is in sRGB (IEC 61966-2-1)."""
    light = np.linspace(0, 1, 256)
    if space.exponent == _SRGB_CURVE:
        return np.arange(256, dtype=np.uint8)
    light = light**space.exponent
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    curve: NDArray[np.uint8] = np.round(coded * 255).astype(np.uint8)
    return curve


def profile(space: ColourSpace) -> bytes:
    """An ICC profile (version 4, matrix and curves) of a colour space."""
    columns = _matrix(space.primaries).T
    if space.exponent == _SRGB_CURVE:
        numbers = _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        curve = struct.pack(">4s4xHxx5i", b"para", 3, *numbers)
    else:
        curve = struct.pack(">4s4xHxxi", b"para", 0, *_fixed(space.exponent))
    text = struct.pack(">4s4xIIHHII", b"mluc", 1, 12, 0x656E, 0x5553, 8, 28) + "RGB ".encode(
        "utf-16-be"
    )
    tags = {b"desc": text, b"cprt": text, b"wtpt": _xyz(_D50)}
    tags |= {
        name: _xyz(column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x12s",
        at + len(body),
        0x04300000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        struct.pack(">3i", *_fixed(*_D50)),
    )
    return head.ljust(128, b"\0") + table + body


def _fixed(*numbers: float) -> list[int]:
    """Numbers as s15Fixed16."""
    return [round(float(number) * 65536) for number in numbers]


def _xyz(values: Iterable[float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *_fixed(*values))


def _matrix(primaries: Chromaticities) -> NDArray[np.float64]:
    """[3, 3]: linear RGB -> XYZ, its white adapted to D50 (Bradford)."""
    xy = np.asarray(primaries).reshape(4, 2)
    xyz = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]])
    white, columns = xyz[0], xyz[1:].T
    matrix = columns * np.linalg.solve(columns, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ matrix
    return adapted
