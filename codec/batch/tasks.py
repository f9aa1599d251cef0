"""What is done to each file of a run: it is encoded, or decoded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Protocol

import codec
from codec.files import read_coded
from codec.options import DecodeOptions, EncodeOptions, Running


class Task(Protocol):
    """What is done to each file; it is sent to other processes."""

    verb: ClassVar[str]

    @property
    def running(self) -> Running:
        """Which model runs, and where."""

    @property
    def suffix(self) -> str:
        """Suffix of the results."""

    def settings(self) -> Mapping[str, Any]:
        """What decides the results, as JSON: a run goes on with the same only."""

    def __call__(self, source: Path) -> tuple[bytes, float]:
        """The result, and the bits per pixel of the coded file."""


@dataclass(frozen=True)
class EncodeTask:
    """Encode images to .bibc files."""

    verb: ClassVar[str] = "encode"
    options: EncodeOptions
    running: Running
    suffix: str = ".bibc"

    def settings(self) -> Mapping[str, Any]:
        """See `Task.settings`."""
        return asdict(self.options) | {"model": str(self.running.model)}

    def __call__(self, source: Path) -> tuple[bytes, float]:
        """See `Task`."""
        from codec.encoding import encode_image  # noqa: PLC0415  (Pillow: not for --help)

        data = encode_image(source, self.options, self.running)
        return data, codec.info(data).bpp


@dataclass(frozen=True)
class DecodeTask:
    """Decode .bibc files to images.

    Attributes:
        file_format: Pillow's name of the images' format.
        suffix: of the images.
    """

    verb: ClassVar[str] = "decode"
    options: DecodeOptions
    running: Running
    file_format: str
    suffix: str

    def settings(self) -> Mapping[str, Any]:
        """See `Task.settings`."""
        settings = asdict(self.options)
        del settings["limits"]
        return settings | {"model": str(self.running.model), "format": self.file_format}

    def __call__(self, source: Path) -> tuple[bytes, float]:
        """See `Task`."""
        from codec.decoding import open_file  # noqa: PLC0415  (Pillow: not for --help)

        data = read_coded(source)
        buffer = BytesIO()
        open_file(data, self.options, self.running).write(buffer, self.file_format)
        return buffer.getvalue(), codec.info(data).bpp
