"""Images in: a file of one of `FORMATS`, an array or a Pillow image -> `Picture`.

What is changed on the way in: the orientation that a file states is applied to its pixels and set
to 1, 16-bit samples become 8 (arrays and grey images are rounded; of colour, Pillow gives the high
bytes only), palettes are looked up, CMYK and colours that a file describes without an ICC profile
become sRGB. All else stays as it was.
"""

import errno
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from bitstream.header import MAGIC
from codec.errors import CodecError, LeftOutWarning, UnsupportedImageError
from codec.forks import around_forks
from codec.images import (
    alpha,
    gif,
    heif,
    jpeg,
    jpeg2000,
    jpeg_scans,
    png_chunks,
    png_rows,
    tiff,
    xmp,
)
from codec.images.declared import Declared, declared
from codec.images.metadata import Metadata, besides, read
from codec.images.picture import Picture
from codec.images.reasons import CUT, TAKE_IT, reason
from codec.images.samples import cmyk_to_srgb, image_samples
from codec.images.scale import SCALE_16, Scale
from codec.images.sources import ImageSource, is_at_hand, opened
from codec.images.tolerance import truncated_files
from codec.images.turning import UPRIGHT, Upright
from codec.images.unread import unread
from codec.options import METADATA

# Pillow's names of what is read. It knows more: formats whose pixels another program makes (EPS:
# Ghostscript), and some that nothing decodes (HDF5, MPEG). A JPEG may be an MPO.
FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF"),
    *("JPEG2000", "QOI", "SGI", "PCX", "TGA"),
)
_WITH_COMPANIONS = ("MPO", "HEIF")  # a phone's photo and further pictures
_OPENING = Lock()  # filters of warnings are the whole process's
_OF_OFFSETS = (None, errno.EINVAL, errno.EOVERFLOW)  # errors of Pillow, or of where it seeks
around_forks(before=_OPENING.acquire, in_parent=_OPENING.release, in_child=_OPENING.release)


def load(
    source: ImageSource,
    keep: Collection[str] = METADATA,
    *,
    allow_truncated: bool = False,
) -> Picture:
    """Read an image of one of `FORMATS`, or take one that is in memory.

    Args:
        source: path, bytes, binary file object, Pillow image (of whatever format), or array: uint8
            or uint16 of shape [H, W] or [H, W, C], C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA. A
            Pillow image that is not a file's own (a copy, a crop, a rotated one) is taken as it
            stands, whatever orientation its metadata state. A `Picture` is returned as it is.
        keep: which of "icc", "exif", "xmp" and "thumbnail" to carry along.
        allow_truncated: take what is there of a file that was cut off; the rest is grey or black.

    Warns:
        LeftOutWarning: the file holds more than the picture, or describes its colours in a way
            that is not known; one warning for each image.

    Raises:
        UnsupportedImageError: not an image, damaged, empty, too large, or of a kind that has no
            faithful 8-bit RGB form (floating point, animation, RAW files).
        TypeError: the source is none of these.
        ValueError: the source is a closed file.
        OSError: the file cannot be read.

    Example:
        >>> load(np.zeros((4, 6), np.uint16)).rgb.shape
        (4, 6, 3)
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    with truncated_files(allow_truncated):
        if isinstance(source, Image.Image):
            with _sentences("image"):
                return from_image(source, keep)
        with opened(source) as (file, name), _sentences(name, file):
            return _from_file(file, name, keep)


def from_image(
    image: Image.Image,
    keep: Collection[str],
    name: str = "image",
    *,
    given: Mapping[str, object] = MappingProxyType({}),
    file: BinaryIO | None = None,
) -> Picture:
    """The picture of a Pillow image.

    Args:
        image: of any mode and format; a file that Pillow opened is turned upright.
        keep: which metadata to carry along.
        name: of the image, in messages.
        given: "icc_profile", "exif" and "xmp" in place of the image's own; an orientation that such
            EXIF states is applied, too.
        file: that the image was opened from, to look at what Pillow does not tell.
    """
    if not image.width or not image.height:
        raise UnsupportedImageError(f"{name}: {image.width}x{image.height}: no pixels")
    is_file = isinstance(image, ImageFile.ImageFile)
    notes = tiff.choose_frame(image, name)
    frames = _frames(image, name)
    beyond = unread(image, file)
    scale = _scale(image, name, beyond.depths)
    box = gif.bounds(image)
    image.load()
    if file is not None and _is_strict() and _is_part(image, file):
        raise UnsupportedImageError(f"{name}: {CUT}{TAKE_IT}")
    tiff.mend_palette(image)
    own = read(image, beyond.metadata)
    found = own.replaced(given)
    notes += besides(image)
    if unfit := found.unfit_profile(image.mode):
        notes.append(f"an ICC profile of {unfit} colours, which these are not")
        found = found.without_icc()
    # of a TIFF, Pillow turns the pixels when it loads them
    orientation = own.orientation if is_file and image.format != "TIFF" else 1
    if given.get("exif"):
        orientation = found.stated_by_exif or orientation
    space = declared(image, found, beyond) if is_file else Declared()
    image = jpeg2000.unshifted(image, beyond.depths, name)
    image = gif.clear_outside(alpha.without_unset(image, file), box)
    if orientation != 1:
        image = image.transpose(UPRIGHT[orientation])
    if image.mode == "CMYK":
        image = cmyk_to_srgb(image, found.icc)
        found, space = found.without_icc(), Declared()
    upright = Upright(
        image.width,
        image.height,
        orientation,
        became_srgb=space.converts,
        in_memory=not is_file,
    )
    strips = space.to_srgb(image_samples(image, name, scale))
    picture = Picture.of_samples(strips, found.kept(keep, upright))
    _tell(name, [*notes, *_companions(image, found, file, frames)], space.ignored)
    return picture


def _frames(image: Image.Image, name: str) -> int:
    """How many pictures a file holds, if this codec can leave the others out."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in (*_WITH_COMPANIONS, "TIFF"):
        raise UnsupportedImageError(
            f"{name}: holds {frames} pictures, and this codec one: extract a frame first"
        )
    return int(frames)


def suffixes() -> set[str]:
    """Suffixes of the files that can be read, in lower case.

    Example:
        >>> {".png", ".jpeg", ".tif", ".mpo"} <= suffixes(), ".eps" in suffixes()
        (True, False)
    """
    known = Image.registered_extensions().items()
    found = {suffix for suffix, name in known if name in (*FORMATS, "MPO")}
    return found | heif.SUFFIXES if heif.is_installed() else found - heif.SUFFIXES


@contextmanager
def _sentences(name: str, file: BinaryIO | None = None) -> Iterator[None]:
    """What Pillow raises becomes one sentence about the image, which may be a file's."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise UnsupportedImageError(f"{name}: {error}") from None
    except (CodecError, MemoryError):
        raise
    except Exception as error:  # on damage, Pillow raises nearly anything
        if isinstance(error, OSError) and error.errno not in _OF_OFFSETS:
            error.filename = error.filename or name
            raise
        if "closed" in str(error):
            raise ValueError(f"{name}: the Pillow image is closed: pass an open one") from None
        raise UnsupportedImageError(f"{name}: {reason(error, file, FORMATS)}") from None


def _from_file(file: BinaryIO, name: str, keep: Collection[str]) -> Picture:
    head = file.read(32)
    if head.startswith(MAGIC):
        raise UnsupportedImageError(
            f"{name}: is coded already: make an image of it with bibcodec decode (codec.decode)"
        )
    notes: list[str] = []
    strict = _is_strict()
    if head.startswith(png_chunks.SIGNATURE):
        if strict and png_chunks.is_cut(file):
            raise UnsupportedImageError(f"{name}: {CUT}{TAKE_IT}")
        file, notes = png_chunks.without_large_texts(file)
    elif head.startswith(b"\xff\xd8\xff") and strict and jpeg.end_of(file) is None:
        raise UnsupportedImageError(f"{name}: {CUT}{TAKE_IT}")
    file.seek(0)
    if heif.is_heif(head):
        image = heif.open_heif(file, name)
    else:
        with _OPENING, warnings.catch_warnings():  # Pillow warns at a size that is ordinary here
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
    _tell(name, notes, "")
    with image:
        return from_image(image, keep, name, file=file)


def _is_part(image: Image.Image, file: BinaryIO) -> bool:
    """Whether a file holds a part of its picture only, where Pillow does not say so."""
    if image.format == "PNG":
        return png_rows.are_missing(image, file)
    return image.format in ("JPEG", "MPO") and jpeg_scans.are_missing(image, file)


def _is_strict() -> bool:
    return not ImageFile.LOAD_TRUNCATED_IMAGES


def _scale(image: Image.Image, name: str, depths: Sequence[int]) -> Scale:
    """What the samples of an opened image mean, by the file's own description."""
    if image.mode == "I;16" and len(depths) == 1 and depths[0] < 16:
        return Scale(largest=((1 << depths[0]) - 1) << (16 - depths[0]))  # as Pillow shifts them
    if image.format == "PNG" and (tile := getattr(image, "tile", None)):
        raw = tile[0][3][0] if isinstance(tile[0][3], tuple) else tile[0][3]
        if raw in ("L;2", "L;4"):
            return Scale(key_factor={"L;2": 85, "L;4": 17}[raw])
        if raw == "RGB;16B":
            return Scale(key_shift=8)
    return tiff.scale_of(image, name) if image.format == "TIFF" else SCALE_16


def _companions(
    image: Image.Image, found: Metadata, file: BinaryIO | None, frames: int
) -> list[str]:
    """What a file holds besides the picture and is left out, in words."""
    announced = xmp.announced(found.xmp)
    if file is None:
        return announced
    notes: list[str] = []
    if image.format in ("HEIF", "AVIF"):
        notes = heif.left_out(file, frames - 1)
    elif image.format in ("JPEG", "MPO") and (announced or frames > 1 or is_at_hand(file)):
        notes = jpeg.left_out(file, frames - 1)
    return [*notes, *(what for what in announced if not any(n.startswith(what) for n in notes))]


def _tell(name: str, left_out: list[str], ignored: str) -> None:
    """One warning about what of a file is not in the picture."""
    parts = [f"left out: {', '.join(left_out)}"] if left_out else []
    parts += [f"ignored: {ignored}"] if ignored else []
    if parts:
        warnings.warn(f"{name}: {'; '.join(parts)}", LeftOutWarning, stacklevel=5)


def _from_array(array: NDArray[Any]) -> Picture:
    array = np.asarray(array)  # not a matrix, whose shape stays as it is
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise UnsupportedImageError(
            f"array of {array.dtype}: expected uint8 (0..255) or uint16 (0..65535)"
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        hint = ""
        if array.ndim == 1:
            hint = "; of the bytes of an image file, pass array.tobytes()"
        elif array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; of an array [C, H, W], pass array.transpose(1, 2, 0)"
        raise UnsupportedImageError(
            f"array of shape {array.shape}: expected [H, W] or [H, W, C] with C in 1..4{hint}"
        )
    if not array.size:
        raise UnsupportedImageError(f"array of shape {array.shape}: no pixels")
    wide = array.dtype.itemsize == 2
    return Picture.of_samples([SCALE_16.to_8_bits(array) if wide else array], {})
