"""How images of a folder are read here, beside Pillow with exif_transpose (and pillow-heif).

    PYTHONPATH=. python tests/trust/survey.py FOLDER

Prints a table of counts and, below it, a line for every file that is read differently: refused by
one of the two, another size, other pixels, other metadata. Animations and files of several pages
are counted only. A difference is not a fault: TIFF files that Pillow misreads, colours that become
sRGB and thumbnails that are left out differ on purpose.
"""

import argparse
import io
import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from codec.errors import CodecError, LeftOutWarning
from codec.images.load import load, suffixes
from codec.images.metadata import read

SEVERAL = re.compile(
    r"holds \d+ pictures, and this codec one"
)  # animations and pages: no line each
MORE = {".dng", ".nef", ".cr2", ".arw", ".heic", ".heif", ".mpo"}
OWN_TAGS = {  # what is made true here, and the pointers between directories
    *(0x0112, 0x0100, 0x0101, 0xA002, 0xA003, 0x1001, 0x1002, 0x9214, 0xA214, 0xA001),
    *(0x8769, 0x8825, 0xA005, 0x0201, 0x0202),
}


@dataclass(frozen=True)
class Reading:
    """What somebody makes of a file: pixels (RGBA) and metadata, or a refusal."""

    refused: str = ""
    pixels: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 4), np.uint8))
    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""


def ours(path: Path) -> tuple[Reading, list[str]]:
    """Our reading, and the warnings that came with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", LeftOutWarning)
        try:
            picture = load(path)
        except CodecError as error:
            return Reading(refused=str(error).removeprefix(f"{path}: ")), []
    told = [str(one.message).removeprefix(f"{path}: ") for one in caught]
    rgba = np.dstack([picture.rgb, np.full(picture.rgb.shape[:2], 255, np.uint8)])
    if picture.alpha is not None:
        rgba[:, :, 3] = picture.alpha
    kept = {name: picture.metadata.get(name, b"") for name in ("icc", "exif", "xmp")}
    return Reading("", rgba, **kept), told


def of_pillow(path: Path) -> Reading:
    """Pillow's reading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(path)
            image.load()
            found = read(image)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                wide = (np.asarray(upright).astype(np.int64) * 255 + 32767) // 65535
                upright = Image.fromarray(wide.clip(0, 255).astype(np.uint8))
            rgba = np.asarray(upright.convert("RGBA"))
            return Reading("", rgba, found.icc, found.exif, found.xmp)
        except Exception as error:  # on damage, Pillow raises nearly anything
            return Reading(refused=str(error) or type(error).__name__)


def tags(block: bytes) -> dict[tuple[int, int], object]:
    """The entries of an EXIF block by directory and tag, without those that are made true."""
    exif, found = Image.Exif(), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif.load(block)
            directories = {0: dict(exif)}
            for number in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop):
                directories[int(number)] = dict(exif.get_ifd(number))
        except Exception:  # on damage, Pillow raises nearly anything
            return {}
    for number, directory in directories.items():
        found |= {(number, t): repr(v) for t, v in directory.items() if t not in OWN_TAGS}
    return found


def differences(mine: Reading, theirs: Reading) -> list[str]:
    """What is read differently, in words."""
    if mine.refused or theirs.refused:
        return []
    said = []
    if mine.pixels.shape != theirs.pixels.shape:
        (h, w), (v, u) = mine.pixels.shape[:2], theirs.pixels.shape[:2]
        said.append(f"size {w}x{h}, not {u}x{v}")
    else:
        visible = mine.pixels[:, :, 3] > 0
        apart = np.abs(mine.pixels.astype(int) - theirs.pixels)
        if apart[:, :, 3].max():
            said.append(f"alpha differs by {apart[:, :, 3].max()}")
        if apart[visible].size and apart[visible][:, :3].max():
            said.append(f"colour differs by {apart[visible][:, :3].max()}")
    if mine.icc != theirs.icc:
        said.append("ICC taken out" if not mine.icc else "another ICC profile")
    kept = tags(mine.exif)
    if lost := [key for key, value in tags(theirs.exif).items() if kept.get(key) != value]:
        said.append(f"{len(lost)} EXIF entries lost or changed")
    if theirs.xmp and not mine.xmp:
        said.append("XMP lost")
    elif len(mine.xmp) < len(theirs.xmp):
        said.append(f"XMP {len(theirs.xmp):,} -> {len(mine.xmp):,} bytes")
    if len(mine.exif) < len(theirs.exif):
        said.append(f"EXIF {len(theirs.exif):,} -> {len(mine.exif):,} bytes")
    return said


def shorter_only(said: list[str]) -> bool:
    """Whether padding and thumbnails are all that differs."""
    return all(one.split(" ")[0] in ("XMP", "EXIF") and "->" in one for one in said)


def survey(folder: Path) -> tuple[Counter[str], list[str]]:
    """Counts, and a line for every file that is read differently."""
    counts: Counter[str] = Counter()
    lines = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix.lower() not in suffixes() | MORE:
            continue
        name = path.relative_to(folder).as_posix()
        mine, told = ours(path)
        theirs = of_pillow(path)
        counts["files"] += 1
        if mine.refused:
            several = SEVERAL.match(mine.refused) is not None
            alone = "several pictures, refused here" if several else "refused here only"
            counts["refused by both" if theirs.refused else alone] += 1
            if not theirs.refused and not several:
                lines.append(f"| {name} | refused here: {mine.refused} |")
            continue
        if theirs.refused:
            counts["refused by Pillow only"] += 1
            lines.append(f"| {name} | refused by Pillow: {theirs.refused} |")
            continue
        counts["read by both"] += 1
        said = differences(mine, theirs)
        if shorter_only(said) and not told:
            counts["read alike" if not said else "alike, with less padding or no thumbnail"] += 1
            continue
        counts["read differently, or with a warning"] += 1
        lines.append(f"| {name} | {'; '.join([*said, *told])} |")
    return counts, lines


def main() -> None:
    """Print the table of a folder."""
    parser = argparse.ArgumentParser(description="compare readings of a folder of images")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if not folder.is_dir():
        sys.exit(f"{folder}: no such folder")
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except ImportError:
        print("pillow-heif is not installed: HEIC files are not compared", file=sys.stderr)
    out = io.StringIO()
    counts, lines = survey(folder)
    print("| | files |\n| --- | --- |", file=out)
    for what, count in counts.items():
        print(f"| {what} | {count} |", file=out)
    print("\n| file | difference |\n| --- | --- |", file=out)
    for line in lines:
        print(" ".join(line.split()), file=out)
    print(out.getvalue(), end="")


if __name__ == "__main__":
    main()
