"""Other codecs, to be measured beside ours: JPEG, WebP, AVIF, JPEG XL and HEIC.

JPEG, WebP and AVIF are Pillow's. AVIF is there twice, as libavif's default was changed from the
best PSNR to better looks: `avif` is Pillow's default, `avif-psnr` is set for the best PSNR. Both
run on one thread, since the bytes depend on the number of threads. JPEG XL needs imagecodecs and
HEIC pillow-heif (the extra `baselines`). `mozjpeg` is the program `cjpeg` of MozJPEG, if it is on
the PATH.
"""

from __future__ import annotations

import itertools
import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO

import numpy as np
from PIL import Image, features

from codec.errors import CodecError

Encode = Callable[[Image.Image, int], bytes]
Decode = Callable[[bytes], Image.Image]
Found = tuple[int, bytes, float]  # a quality, its file, and the seconds that coding it took

NEIGHBOURS = 10  # qualities whose sizes are too close for the lowest to be surely the smallest


@dataclass(frozen=True)
class Peer:
    """A codec with one knob.

    Attributes:
        name: as `--codec` knows it.
        description: encoder, version and settings.
        encode: RGB image and quality -> whole file.
        decode: whole file -> RGB image.
        qualities: from the lowest to the highest.
        growing: sizes grow with the quality, whatever the image, but for a percent between
            neighbours.
    """

    name: str
    description: str
    encode: Encode
    decode: Decode
    qualities: range
    growing: bool = True

    def within(self, image: Image.Image, budgets: Sequence[int]) -> list[Found]:
        """For each budget of bytes the largest file within it, or the smallest file if none is.

        Where sizes grow with the quality a few files are made and the rest is inferred, but for the
        smallest file, which is looked for among the ten lowest qualities; where sizes do not grow,
        the file of every quality is made.

        Returns:
            For each budget the quality, its file and the seconds that coding it took.
        """
        if not self.growing:
            return self._within_any(image, budgets)
        files = _Files(self, image)
        return [files.within(budget) for budget in budgets]

    def _within_any(self, image: Image.Image, budgets: Sequence[int]) -> list[Found]:
        """`within` by looking at every quality; of files of one size the higher quality's."""
        sizes = {quality: len(self.encode(image, quality)) for quality in self.qualities}
        found = []
        for budget in budgets:
            fitting = [quality for quality in sizes if sizes[quality] <= budget]
            smallest = [quality for quality in sizes if sizes[quality] == min(sizes.values())]
            quality = max(fitting or smallest, key=lambda quality: (sizes[quality], quality))
            found.append((quality, *self.timed(image, quality)))
        return found

    def timed(self, image: Image.Image, quality: int) -> tuple[bytes, float]:
        """The file of a quality, and the seconds that coding it took."""
        start = time.perf_counter()
        return self.encode(image, quality), time.perf_counter() - start


class _Files:
    """The files that a peer has made of an image, by index of the quality.

    Args:
        peer: whose sizes grow with the quality.
        image: in RGB.
    """

    def __init__(self, peer: Peer, image: Image.Image) -> None:
        self._peer, self._image = peer, image
        self._made: dict[int, tuple[bytes, float]] = {}

    def size(self, index: int) -> int:
        """Bytes of a file, which is made if it is not there."""
        if index not in self._made:
            self._made[index] = self._peer.timed(self._image, self._peer.qualities[index])
        return len(self._made[index][0])

    def within(self, budget: int) -> Found:
        """The largest file within a budget of bytes, or the smallest file."""
        qualities = self._peer.qualities
        self.size(0)
        low = max((i for i in self._made if self.size(i) <= budget), default=0)
        above = [i for i in self._made if self.size(i) > budget]
        high = min(above, default=len(qualities)) if self.size(0) <= budget else 1
        for step in itertools.count():
            if high - low < 2:
                break
            middle = (low + high) // 2
            if step % 2 and high in self._made:  # sizes are roughly exponential in the quality
                share = math.log(budget / self.size(low)) / math.log(
                    self.size(high) / self.size(low)
                )
                middle = min(max(low + round(share * (high - low)), low + 1), high - 1)
            low, high = (middle, high) if self.size(middle) <= budget else (low, middle)
        if self.size(low) > budget:
            low = min(range(min(NEIGHBOURS, len(qualities))), key=self.size)
        return qualities[low], *self._made[low]


def load(name: str) -> Peer:
    """The codec of that name.

    Raises:
        CodecError: there is none of that name, or what it needs is not installed.

    Example:
        >>> jpeg = load("jpeg")
        >>> [(quality, data, seconds)] = jpeg.within(Image.new("RGB", (64, 64), "teal"), [1000])
        >>> quality, len(data) <= 1000
        (100, True)
    """
    if name not in _PEERS:
        raise CodecError(f"no codec is named {name!r}: expected one of {', '.join(_PEERS)}")
    return _PEERS[name]()


def pillow(file_format: str, **options: object) -> Encode:
    """Pillow's encoder of a format, with these keywords."""
    return partial(_save, file_format, options)


def _save(
    file_format: str, options: Mapping[str, object], image: Image.Image, quality: int
) -> bytes:
    file = BytesIO()
    image.save(file, file_format, quality=quality, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    """An image file's RGB image, by Pillow."""
    return Image.open(BytesIO(data)).convert("RGB")


def _jpeg() -> Peer:
    return Peer(
        "jpeg",
        f"libjpeg-turbo {features.version('libjpeg_turbo')} by Pillow, progressive, 4:2:0",
        pillow("JPEG", optimize=True, progressive=True),
        opened,
        range(1, 101),
    )


def _webp() -> Peer:
    described = f"libwebp {features.version('webp')} by Pillow, method 6"
    return Peer("webp", described, pillow("WEBP", method=6), opened, range(101))


def _avif() -> Peer:
    described = f"{_libavif()}, defaults (speed 6, 4:2:0)"
    return Peer("avif", described, pillow("AVIF", max_threads=1), opened, range(101))


def _avif_psnr() -> Peer:
    described = f"{_libavif()}, tune=psnr, speed 4, 4:4:4"
    encode = pillow("AVIF", max_threads=1, speed=4, subsampling="4:4:4", advanced={"tune": "psnr"})
    return Peer("avif-psnr", described, encode, opened, range(101))


def _libavif() -> str:
    """Versions of libavif and its encoders."""
    from PIL import _avif  # noqa: PLC0415

    encoders = re.findall(r"(\S+) \[enc[^]]*\]:([^,]+)", _avif.codec_versions())
    named = ", ".join(f"{name} {number}" for name, number in encoders)
    return f"libavif {features.version('avif')} ({named}) by Pillow, one thread"


def _jxl() -> Peer:
    _need("imagecodecs", "jxl")
    import imagecodecs  # noqa: PLC0415

    described = (
        f"{imagecodecs.jpegxl_version()} by imagecodecs, effort 7; "
        "quality q is distance (100 - q) / 4"
    )
    # 25 is the format's largest distance; from 20 on libjxl codes half the resolution by default,
    # in more bytes than at 19.75
    return Peer("jxl", described, _jxl_encode, _jxl_decode, range(100), growing=False)


def _jxl_encode(image: Image.Image, quality: int) -> bytes:
    import imagecodecs  # noqa: PLC0415

    distance = (100 - quality) / 4
    return bytes(imagecodecs.jpegxl_encode(np.asarray(image), distance=distance, effort=7))


def _jxl_decode(data: bytes) -> Image.Image:
    import imagecodecs  # noqa: PLC0415

    return Image.fromarray(np.asarray(imagecodecs.jpegxl_decode(data))[..., :3])


def _heic() -> Peer:
    _need("pillow_heif", "heic")
    import pillow_heif  # noqa: PLC0415

    pillow_heif.register_heif_opener()
    encoder = pillow_heif.libheif_info()["HEIF"]
    described = f"{encoder} by pillow-heif {version('pillow-heif')}, defaults (4:2:0)"
    return Peer("heic", described, pillow("HEIF"), opened, range(101))


def _mozjpeg() -> Peer:
    program = shutil.which("cjpeg")
    about = _run([program, "-version"], b"", stderr=True) if program else b""
    if program is None or b"mozjpeg" not in about.lower():
        raise CodecError("the codec mozjpeg needs MozJPEG's program cjpeg on the PATH: install it")
    described = about.decode(errors="replace").splitlines()[0] + ", cjpeg's defaults"
    return Peer("mozjpeg", described, partial(_cjpeg, program), opened, range(1, 101))


def _cjpeg(program: str, image: Image.Image, quality: int) -> bytes:
    ppm = BytesIO()
    image.save(ppm, "PPM")
    return _run([program, "-quality", str(quality)], ppm.getvalue())


_PEERS: Mapping[str, Callable[[], Peer]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": _avif,
    "avif-psnr": _avif_psnr,
    "jxl": _jxl,
    "heic": _heic,
    "mozjpeg": _mozjpeg,
}
NAMES = tuple(_PEERS)


def _need(module: str, name: str) -> None:
    if find_spec(module) is None:
        raise CodecError(f"the codec {name} needs {module}: pip install 'bibcodec[baselines]'")


def _run(command: list[str], data: bytes, stderr: bool = False) -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise CodecError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stderr if stderr else done.stdout
