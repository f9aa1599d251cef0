"""ICC, EXIF and XMP of an image: what it has, which orientation they state, and what is kept.

This is the one place that says what an image's metadata is, wherever it stood in its file. What is
kept agrees with the pixels: see `codec.images.exif.made_true` and `codec.images.xmp.made_true`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from PIL import ExifTags, Image

from codec.files import printable
from codec.images import exif as exif_block
from codec.images import xmp as xmp_packet
from codec.images.turning import Upright
from codec.options import THUMBNAIL

TIFF_XMP = 700
_INFO_KEY = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}  # Pillow's names
# of a TIFF's own directory, what is about the photo and not about the layout of the file
_TIFF_KEPT = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)
_IPTC_IN_TIFF, _IPTC_IN_PHOTOSHOP = 33723, 0x0404
_USUAL_TEXTS = ("Software", "Creation Time", "exif", "xmp")  # of PNG: read, or not of the picture
_BY_PROGRAMS = ("Created with ", "Created by ", "File written by ")
_COMMENTS_BY_PROGRAMS = (
    *(words.encode() for words in _BY_PROGRAMS),
    *(b"CREATOR: ", b"Lavc", b"Optimized by ", b"Compressed by ", b"LEAD Tech", b"Intel(R) JPEG"),
    *(b"JPEG Encoder Copyright", b"AppleMark", b"Kakadu", b"*\0"),
)
_GEO_KEYS = 34735  # GeoKeyDirectory
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_XMP_IN_APP1 = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Metadata:
    """The metadata of an image as they came, each empty if there is none.

    Attributes:
        icc: an ICC profile.
        exif: from the TIFF header on.
        xmp: an XMP packet.
    """

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def orientation(self) -> int:
        """1..8 as EXIF states it, else XMP, else 1."""
        return self.stated_by_exif or xmp_packet.orientation(self.xmp) or 1

    @property
    def stated_by_exif(self) -> int | None:
        """The orientation 1..8 that EXIF states, if any."""
        return exif_block.orientation(self.exif)

    def replaced(self, given: Mapping[str, object]) -> Metadata:
        """The same but for what is given under Pillow's names.

        Example:
            >>> Metadata(icc=b"old", xmp=b"<x/>").replaced({"icc_profile": None})
            Metadata(icc=b'', exif=b'', xmp=b'<x/>')
        """
        new = {name: _bytes(given[key]) for name, key in _INFO_KEY.items() if key in given}
        if "exif" in new:
            new["exif"] = _without_prefix(new["exif"])
        return replace(self, **new)

    def without_icc(self) -> Metadata:
        """The same without the ICC profile, once the colours are no longer those of it."""
        return replace(self, icc=b"")

    def unfit_profile(self, mode: str) -> str:
        """What the ICC profile is of, if it cannot be of pixels of a mode; else "".

        Example:
            >>> Metadata(icc=bytes(16) + b"GRAY" + bytes(16) + b"acsp").unfit_profile("RGB")
            'GRAY'
        """
        space = self.icc[16:20]
        fit = (b"RGB ", b"GRAY") if mode in _GREY_MODES else (b"RGB ",)
        if self.icc[36:40] != b"acsp" or space in ((b"CMYK",) if mode == "CMYK" else fit):
            return ""
        return printable(space.decode("latin-1").strip())

    def kept(self, keep: Collection[str], upright: Upright) -> dict[str, bytes]:
        """What goes with the picture as it is coded: bytes under "icc", "exif" and "xmp"."""
        thumbnail = THUMBNAIL in keep and not upright.in_memory
        found = {
            "icc": self.icc,
            "exif": exif_block.made_true(self.exif, upright, keep_thumbnail=thumbnail),
            "xmp": xmp_packet.made_true(self.xmp, upright, keep_thumbnail=thumbnail),
        }
        return {name: data for name, data in found.items() if data and name in keep}


NOTHING = Metadata()


def read(image: Image.Image, beyond: Metadata = NOTHING) -> Metadata:
    """The metadata of an image whose pixels are loaded: some formats have them behind the pixels.

    Args:
        image: opened by Pillow, or made in memory.
        beyond: what Pillow does not read of its file.

    Example:
        >>> image = Image.new("L", (2, 2))
        >>> image.info["xmp"] = "<x/>"
        >>> read(image)
        Metadata(icc=b'', exif=b'', xmp=b'<x/>')
    """
    info = image.info
    exif = _bytes(info.get("exif")) or beyond.exif
    xmp = _bytes(info.get("xmp")) or beyond.xmp
    for name in ("exif", "APP1"):
        profile = _raw_profile(info.get(f"Raw profile type {name}"))
        if profile.startswith(_XMP_IN_APP1):
            xmp = xmp or profile.removeprefix(_XMP_IN_APP1)
        else:
            exif = exif or profile
    xmp = xmp or _bytes(info.get("XML:com.adobe.xmp"))
    xmp = xmp or _raw_profile(info.get("Raw profile type xmp"))
    if image.format == "TIFF" and not exif and len(described := describing(image.getexif())):
        exif = described.tobytes()
    exif = _without_prefix(exif)
    icc = _bytes(info.get("icc_profile")) or beyond.icc
    icc = icc or _raw_profile(info.get("Raw profile type icc"))
    return Metadata(icc or _raw_profile(info.get("Raw profile type icm")), exif, xmp)


def besides(image: Image.Image) -> list[str]:
    """What an opened image has of metadata that is never kept, in words: IPTC, texts, comments."""
    notes = []
    photoshop = image.info.get("photoshop")
    of_tiff = _IPTC_IN_TIFF in getattr(image, "tag_v2", ())
    if of_tiff or (isinstance(photoshop, dict) and _IPTC_IN_PHOTOSHOP in photoshop):
        notes.append("IPTC")
    texts = [
        f"the text field {printable(name[:40])!r}"
        for name, text in getattr(image, "text", {}).items()
        if not (":" in name or name in _USUAL_TEXTS or name.startswith("Raw profile"))
        and not text.startswith(_BY_PROGRAMS)
    ]
    if "Raw profile type iptc" in image.info:
        notes.append("IPTC")
    if image.info.get("icc_profile", b"") is None:
        notes.append("a damaged ICC profile")
    if _GEO_KEYS in getattr(image, "tag_v2", ()):
        notes.append("a place on the map (GeoTIFF)")
    comment = _bytes(image.info.get("comment"))
    if comment.strip(b"\0 \r\n") and not comment.startswith(_COMMENTS_BY_PROGRAMS):
        notes.append("a comment")
    more = [f"{len(texts) - 3} more texts"] if len(texts) > 4 else []
    return [*notes, *(texts[:3] + more if more else texts)]


def to_info(metadata: dict[str, bytes]) -> dict[str, bytes]:
    """What Pillow calls the metadata, in `Image.info`.

    Example:
        >>> to_info({"icc": b"profile", "xmp": b"<x/>"})
        {'icc_profile': b'profile', 'xmp': b'<x/>'}
    """
    return {
        _INFO_KEY[name]: exif_block.PREFIX + data if name == "exif" else data
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


def _bytes(value: object) -> bytes:
    if isinstance(value, Image.Exif):
        return value.tobytes()
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""


def _without_prefix(exif: bytes) -> bytes:
    while exif.startswith(exif_block.PREFIX):  # twice in the files of some programs
        exif = exif.removeprefix(exif_block.PREFIX)
    return exif


def _raw_profile(text: object) -> bytes:
    r"""A profile that ImageMagick wrote as text: its name, its length, and hexadecimal digits.

    >>> _raw_profile("\nexif\n       4\n4d4d002a\n")
    b'MM\x00*'
    """
    parts = text.split(None, 2) if isinstance(text, str) else []
    try:
        return bytes.fromhex(parts[2]) if len(parts) == 3 else b""
    except ValueError:
        return b""
