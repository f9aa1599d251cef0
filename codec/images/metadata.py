"""ICC, EXIF and XMP: the bytes that came in, with the orientation set to 1.

Orientation is the one thing that is changed, in place, because it is applied to the pixels: writing
EXIF anew would lose thumbnails and maker notes.
"""

import re
import struct

from PIL import ExifTags, Image

TIFF_XMP = 700
_INFO_KEY = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}  # Pillow's names
_EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
# of a TIFF's own directory, what is about the photo and not about the layout of the file
_TIFF_KEPT = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)


def from_image(image: Image.Image) -> dict[str, bytes]:
    """The image's own metadata; the orientation, which is going to be applied, set to 1."""
    exif = image.info.get("exif") or b""
    if image.format == "TIFF" and not exif and len(described := describing(image.getexif())):
        exif = described.tobytes()
    xmp = image.info.get("xmp") or b""
    found = {
        "icc": image.info.get("icc_profile") or b"",
        "exif": _upright_exif(exif.removeprefix(_EXIF_PREFIX)),
        "xmp": _upright_xmp(xmp.encode() if isinstance(xmp, str) else xmp),
    }
    return {name: data for name, data in found.items() if data}


def orientation(image: Image.Image) -> int:
    """1..8 as EXIF (or else XMP) has it; 1 if that is damaged.

    Example:
        >>> orientation(Image.new("L", (2, 2)))
        1
    """
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # on damage, Pillow raises nearly anything; the picture is still good
        return 1


def to_info(metadata: dict[str, bytes]) -> dict[str, bytes]:
    """What Pillow calls the metadata, in `Image.info`.

    Example:
        >>> to_info({"icc": b"profile", "xmp": b"<x/>"})
        {'icc_profile': b'profile', 'xmp': b'<x/>'}
    """
    return {
        _INFO_KEY[name]: _EXIF_PREFIX + data if name == "exif" else data
        for name, data in metadata.items()
    }


def describing(own: Image.Exif) -> Image.Exif:
    """Of a directory that may be a TIFF file's own, what does not describe the file's layout."""
    kept = Image.Exif()
    kept.update({tag: own[tag] for tag in _TIFF_KEPT if tag in own})
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if directory := own.get_ifd(tag):
            kept.get_ifd(tag).update(directory)
    return kept


def _upright_exif(exif: bytes) -> bytes:
    """EXIF (a TIFF header onwards) with orientation 1, all other bytes untouched."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return exif
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    if directory + 2 > len(exif):
        return exif
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    for start in range(directory + 2, min(directory + 2 + 12 * entries, len(exif) - 11), 12):
        (tag,) = struct.unpack_from(order + "H", exif, start)
        if tag == _ORIENTATION:
            return exif[: start + 8] + struct.pack(order + "HH", 1, 0) + exif[start + 12 :]
    return exif


def _upright_xmp(xmp: bytes) -> bytes:
    return re.sub(rb"(tiff:Orientation(?:>|\s*=\s*[\"'])\s*)[2-8](?=\s*[<\"'])", rb"\g<1>1", xmp)
