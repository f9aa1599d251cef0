"""What a TIFF file says of itself, compared with what Pillow makes of it (TIFF 6.0).

Pillow picks an unpacker by a table of tags and passes over the rest. What it would misread is put
right here, or refused with a sentence.
"""

from typing import IO, Any

from PIL import Image, TiffImagePlugin

from codec.errors import UnsupportedImageError
from codec.images.scale import SCALE_16, Scale

_NEW_SUBFILE, _OLD_SUBFILE, _BITS, _PHOTOMETRIC, _MAKE = 254, 255, 258, 262, 271
_PLANAR, _COLOUR_MAP, _SUB_IFDS, _INK_SET, _SAMPLE_FORMAT = 284, 320, 330, 332, 339
_STRIP_BYTES, _TILE_BYTES, _EXTRA = 279, 325, 338
_PREMULTIPLIED = 1  # of ExtraSamples
_INKS, _YCBCR = 5, 6  # photometric interpretations
_RAW_TAGS = (50706, 33421, 50740)  # DNGVersion, CFARepeatPatternDim, DNGPrivateData
_RAW_PHOTOMETRIC = (32803, 34892)  # colour filter array, linear raw
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_SIGNED = 2
_MOST_FRAMES = 64

_RAW_SENTENCE = (
    "a camera's RAW file, of which only an embedded preview could be read: "
    "develop it with a RAW converter and give its result"
)


def choose_frame(image: Image.Image, name: str) -> list[str]:
    """Go to the one picture of a file; of pyramids, previews and masks it is the full one.

    Args:
        image: opened by Pillow, a TIFF or not; its pixels are not loaded.
        name: of the image, for errors.

    Returns:
        What the file holds besides the picture and is left out, in words.

    Raises:
        UnsupportedImageError: the file is a RAW file, or holds several pictures.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return []
    kinds = []
    for frame in range(min(image.n_frames, _MOST_FRAMES)):
        image.seek(frame)
        tags = image.tag_v2
        if _is_raw(image, tags):
            raise UnsupportedImageError(f"{name}: {_RAW_SENTENCE}")
        kinds.append(_subfile_kind(tags))
    full = [frame for frame, kind in enumerate(kinds) if not kind & (_REDUCED | _MASK)]
    if len(full) > 1 or image.n_frames > _MOST_FRAMES:
        raise UnsupportedImageError(
            f"{name}: holds {image.n_frames} pictures, and this codec one: extract a frame first"
        )
    if not full and (len(kinds) > 1 or image.tag_v2.get(_SUB_IFDS)):
        raise UnsupportedImageError(
            f"{name}: every picture that can be read in it is a preview of another one: "
            "export the full picture first"
        )
    image.seek(full[0] if full else 0)
    return ["a transparency mask"] if any(kind & _MASK for kind in kinds) else []


def scale_of(image: Image.Image, name: str) -> Scale:
    """What the samples of an opened file mean, by its own tags.

    Raises:
        UnsupportedImageError: Pillow would read the samples wrongly.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return SCALE_16
    tags = image.tag_v2
    bits, photometric = max(tags.get(_BITS, (1,))), tags.get(_PHOTOMETRIC)
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()) and bits < 32:
        raise UnsupportedImageError(
            f"{name}: signed {bits}-bit samples have no faithful 8-bit form: "
            f"store them as unsigned ones first"
        )
    if _planes_are_misread(image, tags):
        raise UnsupportedImageError(
            f"{name}: {bits}-bit samples in separate planes of this kind cannot be read: "
            "save them interleaved (PlanarConfiguration 1) first"
        )
    if photometric == _INKS and tags.get(_INK_SET) == 2:
        raise UnsupportedImageError(
            f"{name}: inks that are not cyan, magenta, yellow and black: convert to 8-bit RGB first"
        )
    if photometric == _YCBCR and _by_pillow(image) and _bytes_are_few(image, tags):
        raise UnsupportedImageError(
            f"{name}: subsampled YCbCr that is not compressed cannot be read: save it as RGB first"
        )
    if image.mode.startswith("I;16"):
        return Scale(2**bits - 1, inverted=photometric == 0)
    return SCALE_16


def _by_pillow(image: Image.Image) -> bool:
    """Whether Pillow unpacks the samples, and not libtiff."""
    return any(tile[0] == "raw" for tile in getattr(image, "tile", ()))


def _planes_are_misread(image: Image.Image, tags: Any) -> bool:
    bits = tags.get(_BITS, ())
    if tags.get(_PLANAR) != 2 or len(bits) < 2:
        return False
    if _by_pillow(image):
        is_simple = image.mode in ("RGB", "RGBA", "CMYK") and _PREMULTIPLIED not in tags.get(
            _EXTRA, ()
        )
        return max(bits) > 8 or len(bits) > 4 or not is_simple
    return len(bits) > 4 or image.mode == "LA"  # of which the alpha is lost


def _bytes_are_few(image: Image.Image, tags: Any) -> bool:
    """Whether there is less than a byte for each of three samples a pixel."""
    sizes = tags.get(_STRIP_BYTES, tags.get(_TILE_BYTES, ()))
    return bool(sum(sizes) < 3 * image.width * image.height)


def mend_palette(image: Image.Image) -> None:
    """Of a palette file whose colours have 8 bits instead of 16, make them right."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode == "P":
        colours = image.tag_v2.get(_COLOUR_MAP, ())
        if colours and max(colours) < 256:
            count = len(colours) // 3
            planes = [colours[plane * count : (plane + 1) * count] for plane in range(3)]
            image.putpalette([value for entry in zip(*planes, strict=True) for value in entry])


def _is_raw(image: TiffImagePlugin.TiffImageFile, tags: Any) -> bool:
    """Whether a directory, or one below it, is of a camera's RAW file."""
    if any(tag in tags for tag in _RAW_TAGS) or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRIC:
        return True
    file = image.fp
    if file is None:
        return False
    file.seek(8)
    if file.read(2) == b"CR":  # Canon's CR2
        return True
    below = tags.get(_SUB_IFDS)
    offsets = below if isinstance(below, tuple) else (below,) if below else ()
    for offset in offsets[:_MOST_FRAMES]:
        directory = _directory(file, offset)
        if directory.get(_PHOTOMETRIC) in _RAW_PHOTOMETRIC or 33421 in directory:
            return True
    return bool(offsets) and bool(_subfile_kind(tags) & _REDUCED) and _MAKE in tags


def _directory(file: IO[bytes], offset: int) -> Any:
    """A directory that the chain does not lead to; an empty one if it cannot be read."""
    try:
        file.seek(0)
        header = file.read(8)
        if header[2:3] == b"+" or header[3:4] == b"+":  # BigTIFF
            header += file.read(8)
        directory = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(offset)
        directory.load(file)
        return dict(directory)
    except Exception:  # on damage, Pillow raises nearly anything
        return {}


def _subfile_kind(tags: Any) -> int:
    """NewSubfileType, or the older SubfileType in its bits."""
    kind = tags.get(_NEW_SUBFILE)
    if kind is None:
        return _REDUCED if tags.get(_OLD_SUBFILE) == 2 else 0
    return int(kind)
