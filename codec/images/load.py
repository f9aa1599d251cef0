"""Images in: a file of one of `FORMATS`, an array or a Pillow image -> `Picture`.

What is changed on the way in: the EXIF orientation is applied to the pixels and set to 1, 16-bit
samples become 8 (arrays and grey images are rounded; of colour, Pillow gives the high bytes only),
palettes are looked up, CMYK becomes sRGB. All else stays as it was.
"""

import warnings
from collections.abc import Collection
from os import PathLike, fspath
from threading import Lock
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from codec.errors import CodecError, UnsupportedImageError
from codec.images.metadata import from_image, orientation
from codec.images.picture import Picture, from_samples
from codec.images.samples import cmyk_to_srgb, image_samples, to_8_bits
from codec.options import METADATA

# Pillow's names of what is read. It knows more: formats whose pixels another program makes (EPS:
# Ghostscript), and some that nothing decodes (HDF5, MPEG). A JPEG may be an MPO.
FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF"),
    *("JPEG2000", "QOI", "SGI", "PCX", "TGA"),
)
_OPENING = Lock()  # filters of warnings are the whole process's

ImageSource: TypeAlias = "Image.Image | NDArray[Any] | str | PathLike[str] | BinaryIO"


def load(source: ImageSource, keep: Collection[str] = METADATA) -> Picture:
    """Read an image of one of `FORMATS`, or take one that is in memory.

    Args:
        source: path, binary file object, Pillow image (of whatever format), or array: uint8 or
            uint16 of shape [H, W] or [H, W, C], C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
        keep: which of "icc", "exif" and "xmp" to carry along.

    Raises:
        UnsupportedImageError: not an image, damaged, empty, too large, or of a kind that has no
            faithful 8-bit RGB form (floating point, animation).
        OSError: the file cannot be read.

    Example:
        >>> load(np.zeros((4, 6), np.uint16)).rgb.shape
        (4, 6, 3)
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, keep, "image")
    name = fspath(source) if isinstance(source, str | PathLike) else "input"
    try:
        with _OPENING, warnings.catch_warnings():  # Pillow warns at a size that is ordinary here
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(source, formats=FORMATS)
        with image:
            return _from_image(image, keep, name)
    except UnidentifiedImageError:
        raise UnsupportedImageError(
            f"{name}: not an image of a format that is read here ({', '.join(FORMATS)})"
        ) from None
    except Image.DecompressionBombError as error:
        raise UnsupportedImageError(f"{name}: {error}") from None
    except (CodecError, MemoryError):
        raise
    except Exception as error:  # on damage, Pillow raises nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnsupportedImageError(f"{name}: damaged image: {error}") from None


def _from_array(array: NDArray[Any]) -> Picture:
    if array.dtype not in (np.uint8, np.uint16):
        raise UnsupportedImageError(
            f"array of {array.dtype}: expected uint8 (0..255) or uint16 (0..65535)"
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise UnsupportedImageError(
            f"array of shape {array.shape}: expected [H, W] or [H, W, C] with C in 1..4"
        )
    if not array.size:
        raise UnsupportedImageError(f"array of shape {array.shape}: no pixels")
    samples = to_8_bits(array) if array.dtype == np.uint16 else array
    return from_samples([samples], {})


def _from_image(image: Image.Image, keep: Collection[str], name: str) -> Picture:
    if not image.width or not image.height:
        raise UnsupportedImageError(f"{name}: {image.width}x{image.height}: no pixels")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a phone's photo and its companions
        raise UnsupportedImageError(
            f"{name}: holds {frames} pictures, and this codec one: extract a frame first"
        )
    metadata = from_image(image)
    image.load()  # Pillow turns a TIFF upright here
    turn = _UPRIGHT.get(orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode == "CMYK":
        image = cmyk_to_srgb(image, metadata.pop("icc", None))
    kept = {key: data for key, data in metadata.items() if key in keep}
    return from_samples(image_samples(image, name), kept)


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def suffixes() -> set[str]:
    """Suffixes of the files of `FORMATS`, in lower case.

    Example:
        >>> {".png", ".jpeg", ".tif"} <= suffixes(), ".eps" in suffixes()
        (True, False)
    """
    return {s for s, name in Image.registered_extensions().items() if name in FORMATS}
