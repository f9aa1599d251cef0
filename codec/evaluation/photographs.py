"""The images of a folder that are measured, and their names in the result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from codec.batch.survey import Survey, survey
from codec.errors import CodecError
from codec.images.load import FORMATS, suffixes


def survey_photographs(folder: Path) -> Survey:
    """What is in a folder and the folders in it; its files are images, in order of name.

    Raises:
        CodecError: it is no folder, or there is no image.
    """
    if not folder.is_dir():
        raise CodecError(f"{folder}: not a folder: give one with images")
    found = survey([folder], suffixes())
    if not found.files:
        account = f" ({found.summary()})" if found.summary() else ""
        raise CodecError(f"{folder}: no images: expected {', '.join(FORMATS)} files{account}")
    return found


def photographs(folder: Path) -> list[Path]:
    """The images of a folder and of the folders in it, see `survey_photographs`."""
    return [file.path for file in survey_photographs(folder).files]


def names_of(images: Sequence[Path]) -> dict[Path, str]:
    """Names that tell images apart: their paths within the folder that holds them all.

    Example:
        >>> list(names_of([Path("in/a.png"), Path("in/b/a.png")]).values())
        ['a.png', 'b/a.png']
    """
    if not images:
        return {}
    root = Path(os.path.commonpath([path.parent for path in images]))
    return {path: path.relative_to(root).as_posix() for path in images}
