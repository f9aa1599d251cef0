"""What goes in and out of the API besides images: limits, and what a header says."""

from dataclasses import dataclass

from bitstream.container import Limits as DecodeLimits

__all__ = [
    "DEFAULT_LIMITS",
    "EFFORT",
    "LEAST_TILE",
    "METADATA",
    "NO_LIMITS",
    "TILE",
    "DecodeLimits",
    "StreamInfo",
]

METADATA = ("icc", "exif", "xmp")
EFFORT = 5  # of the encoder, 1..9, unless asked for another; what the model is trained with
TILE = 768  # pixels a side of what the networks see at once: as fast as any larger on a CPU
LEAST_TILE = 512  # the smallest that may be asked for, see `codec.runtime.tiles.Tiles`
DEFAULT_LIMITS = DecodeLimits()
NO_LIMITS = DecodeLimits(max_pixels=0, max_side=0, max_chunk_bytes=0, max_stages=0)


@dataclass(frozen=True)
class StreamInfo:
    """What a file's header says; only `novelty` needs the model.

    Attributes:
        width, height: in pixels.
        mode: Pillow's name of what decodes from it: "L", "LA", "RGB" or "RGBA".
        quality: 0..100.
        stages: stages the file was written with.
        seed: of the synthesised detail; 0 if the file stores none.
        model: fingerprint of the model that wrote it, 8 hexadecimal digits.
        version: of the format, "major.minor".
        file_bytes: size of the whole file.
        bpp: bits of the whole file per pixel.
        chunks: sizes in bytes of the optional chunks.
        novelty: percentile, above 0 and below 100, of the image among photographs, by how far its
            code is from theirs; from 99 on it is unusual. None if it was not asked for, the image
            is below 256 pixels a side, or the model does not know.
    """

    width: int
    height: int
    mode: str
    quality: int
    stages: int
    seed: int
    model: str
    version: str
    file_bytes: int
    bpp: float
    chunks: dict[str, int]
    novelty: float | None = None
