"""Images in and out: a file of one of `FORMATS` -> `Picture` (8-bit samples, metadata) -> any file.

What is changed on the way in: the EXIF orientation is applied to the pixels and set to 1, 16-bit
samples become 8 (arrays and grey images are rounded; of colour, Pillow gives the high bytes only),
palettes are looked up, CMYK becomes sRGB. All else stays as it was.
"""

import warnings
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from codec.errors import BitstreamError, CodecError, UnsupportedImageError
from codec.images.metadata import TIFF_XMP, describing, from_image, orientation, to_info
from codec.images.strips import Samples
from codec.options import METADATA

BAND = 256  # rows converted at once
# Pillow's names of what is read. It knows more: formats whose pixels another program makes (EPS:
# Ghostscript), and some that nothing decodes (HDF5, MPEG). A JPEG may be an MPO.
FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF"),
    *("JPEG2000", "QOI", "SGI", "PCX", "TGA"),
)
_OPENING = Lock()  # filters of warnings are the whole process's

ImageSource: TypeAlias = "Image.Image | NDArray[Any] | str | PathLike[str] | BinaryIO"


@dataclass(frozen=True)
class Picture:
    """An upright image as the codec sees it.

    Attributes:
        bands: uint8 [rows, W, 3] each, top to bottom; the three channels are equal where `grey` is
            set.
        grey: the image has no colour, and decodes to mode L or LA.
        alpha: uint8 [H, W], or None for an opaque image.
        metadata: verbatim bytes under "icc", "exif" and "xmp", those that the image has.
    """

    bands: list[Samples]
    grey: bool = False
    alpha: Samples | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)

    @property
    def rgb(self) -> Samples:
        """The bands together, uint8 [H, W, 3]."""
        return self.bands[0] if len(self.bands) == 1 else np.concatenate(self.bands)

    def to_image(self) -> Image.Image:
        """The picture as a Pillow image of mode L, LA, RGB or RGBA.

        Example:
            >>> Picture([np.zeros((2, 3, 3), np.uint8)], grey=True).to_image().mode
            'L'
        """
        rgb = self.rgb
        colour = rgb[:, :, 0] if self.grey else rgb
        image = Image.fromarray(np.ascontiguousarray(colour))
        if self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha))
        image.info.update(to_info(self.metadata))
        return image


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


def save(image: Image.Image, target: BinaryIO, file_format: str, **options: Any) -> None:
    """Write a decoded image with its metadata, at the format's best quality.

    Args:
        image: as `Picture.to_image` returns it.
        target: binary file object; some formats need it to be seekable.
        file_format: Pillow's name: "PNG", "JPEG", "TIFF", "WEBP", ...
        options: keywords for Pillow's writer, beside those that are best.

    Raises:
        UnsupportedImageError: the format cannot hold the image or its metadata.

    Example:
        >>> save(Image.new("L", (2, 2)), BytesIO(), "PNG")
    """
    try:
        image.save(target, format=file_format, **_options(image, file_format) | options)
    except KeyError:
        raise UnsupportedImageError(f"Pillow cannot write {file_format} files") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's own, and whatever it makes of metadata from strangers
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnsupportedImageError(f"{file_format} cannot hold this image: {error}") from None


def _options(image: Image.Image, file_format: str) -> dict[str, Any]:
    """Keywords for Pillow's writer of a format: quality, and the image's metadata."""
    options = dict(_BEST.get(file_format, {}))
    if icc := image.info.get("icc_profile"):
        options["icc_profile"] = icc
    if exif := image.info.get("exif"):
        options["exif"] = exif
    if xmp := image.info.get("xmp"):
        if file_format == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
        options["xmp"] = xmp
    if file_format == "TIFF":  # its own directory holds both
        options["exif"] = describing(image.getexif())
        if xmp:
            options["exif"][TIFF_XMP] = xmp
    return options


_BEST: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95},
}


def pack_alpha(alpha: Samples) -> bytes:
    """Data of an `alph` chunk: zlib (RFC 1950) over the rows, left neighbour subtracted mod 256.

    Args:
        alpha: uint8 [H, W].

    Example:
        >>> unpack_alpha(pack_alpha(np.full((2, 3), 7, np.uint8)), 2, 3).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
    return zlib.compress(np.diff(alpha, axis=1, prepend=np.uint8(0)).tobytes(), 6)


def unpack_alpha(data: bytes, height: int, width: int) -> Samples:
    """Inverse of `pack_alpha`: uint8 [height, width]; never allocates more than that.

    Raises:
        BitstreamError: the data is not what `pack_alpha` writes for this size.
    """
    size = height * width
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise BitstreamError(f"alpha chunk: damaged ({error})") from None
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise BitstreamError(f"alpha chunk: does not hold {width}x{height} bytes exactly")
    differences = np.frombuffer(raw, np.uint8).reshape(height, width)
    return np.cumsum(differences, axis=1, dtype=np.uint8)


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
    samples = _to_8_bits(array) if array.dtype == np.uint16 else array
    return _from_samples([samples], {})


def _from_samples(bands: Iterable[Samples], metadata: dict[str, bytes]) -> Picture:
    """`bands`: uint8 [rows, W, C] each, C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA."""
    rgb, alpha, grey = [], [], False
    for band in bands:
        channels = band.shape[2]
        grey = channels < 3
        colour = np.repeat(band[:, :, :1], 3, axis=2) if grey else band[:, :, :3]
        rgb.append(np.ascontiguousarray(colour))
        if channels in (2, 4):
            alpha.append(np.ascontiguousarray(band[:, :, -1]))
    return Picture(rgb, grey, np.concatenate(alpha) if alpha else None, metadata)


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
        image = _cmyk_to_srgb(image, metadata.pop("icc", None))
    kept = {key: data for key, data in metadata.items() if key in keep}
    return _from_samples(_samples(image, name), kept)


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _samples(image: Image.Image, name: str) -> Iterator[Samples]:
    """Bands uint8 [rows, W, C] of an image of any mode that has a faithful 8-bit form."""
    mode = image.mode
    if mode == "I" or mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise UnsupportedImageError(
                f"{name}: 32-bit samples from {values.min()} to {values.max()}: expected 0..65535"
            )
        yield _to_8_bits(values)[:, :, None]
        return
    if mode == "P":
        target = "RGBA" if "transparency" in image.info else "RGB"
    elif "transparency" in image.info and mode in ("L", "RGB"):  # a colour that means transparent
        target = mode[:-1] + "LA" if mode == "L" else "RGBA"
    else:
        target = _TARGET.get(mode, "")
    if not target:
        raise UnsupportedImageError(
            f"{name}: images of mode {mode} are not supported: convert to 8-bit RGB first"
        )
    for top in range(0, image.height, BAND):  # at once, Pillow would hold three copies
        band = image.crop((0, top, image.width, min(top + BAND, image.height))).convert(target)
        yield np.asarray(band).reshape(band.height, band.width, -1)


_TARGET = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}


def _to_8_bits(values: NDArray[Any]) -> Samples:
    """0..65535 -> 0..255, to the nearest."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return cast(Image.Image, converted)
        except ImageCms.PyCMSError:  # a broken profile says nothing about the colours
            pass
    return image.convert("RGB")


def suffixes() -> set[str]:
    """Suffixes of the files of `FORMATS`, in lower case.

    Example:
        >>> {".png", ".jpeg", ".tif"} <= suffixes(), ".eps" in suffixes()
        (True, False)
    """
    return {s for s, name in Image.registered_extensions().items() if name in FORMATS}


def format_name(wanted: str | None, path: Path) -> str:
    """Pillow's name of a format given by name or suffix, else of the suffix of a file's name.

    Raises:
        UnsupportedImageError: there is no such format.

    Example:
        >>> format_name(None, Path("photo.JPG")), format_name("tif", Path("-"))
        ('JPEG', 'TIFF')
    """
    known = Image.registered_extensions()
    suffix = f".{wanted}" if wanted else path.suffix or ".png"
    name = (wanted or "").upper()
    found = name if name in known.values() else known.get(suffix.lower())
    if found is None:
        raise UnsupportedImageError(f"{wanted or path}: no image format of that name is known")
    return found
