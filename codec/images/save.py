"""Images out: a decoded image -> a file of any format that Pillow writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from codec.errors import UnsupportedImageError

if TYPE_CHECKING:
    from PIL import Image


def save(image: Image.Image, target: BinaryIO, file_format: str, **options: Any) -> None:
    """Write a decoded image with its metadata, at the format's best quality.

    Args:
        image: of mode L, LA, RGB or RGBA; `info` has the metadata under Pillow's names.
        target: binary file object; some formats need it to be seekable.
        file_format: Pillow's name: "PNG", "JPEG", "TIFF", "WEBP", ...
        options: keywords for Pillow's writer, beside those that are best.

    Raises:
        UnsupportedImageError: the format cannot hold the image or its metadata.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
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
        advice = ": leave metadata out with --strip" if image.info.keys() & _METADATA else ""
        raise UnsupportedImageError(
            f"{file_format} cannot hold this image: {error}{advice}"
        ) from None


def _options(image: Image.Image, file_format: str) -> dict[str, Any]:
    """Keywords for Pillow's writer of a format: quality, and the image's metadata."""
    from PIL import PngImagePlugin  # noqa: PLC0415  (`format_name` needs none of it for PNG files)

    from codec.images.metadata import TIFF_XMP, describing  # noqa: PLC0415

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


_METADATA = {"icc_profile", "exif", "xmp"}
_BEST: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95},
}


def format_name(wanted: str | None, path: Path) -> str:
    """Pillow's name of a format given by name or suffix, else of the suffix of a file's name.

    Raises:
        UnsupportedImageError: there is no such format.

    Example:
        >>> format_name(None, Path("photo.JPG")), format_name("tif", Path("-"))
        ('JPEG', 'TIFF')
    """
    wanted = wanted and wanted.removeprefix(".")
    suffix = f".{wanted}" if wanted else path.suffix or ".png"
    if suffix.lower() == ".png":
        return "PNG"
    from PIL import Image  # noqa: PLC0415

    found = None
    if suffix.lower() != ".bibc":  # which `codec.pillow_plugin` may have registered
        found = _known(wanted or "", suffix.lower(), Image.EXTENSION)
        if found is None:  # then Pillow loads all that it has, which takes a while
            found = _known(wanted or "", suffix.lower(), Image.registered_extensions())
    if found is None:
        raise UnsupportedImageError(
            f"{wanted or path}: no image format of that name is known: expected one such as png, "
            "jpg, webp or tiff, as a suffix or by --format"
        )
    return found


def _known(name: str, suffix: str, extensions: dict[str, str]) -> str | None:
    """Pillow's name of a format, by that name or by a suffix, among those that are loaded."""
    return name.upper() if name.upper() in extensions.values() else extensions.get(suffix)
