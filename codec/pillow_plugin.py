"""Pillow reads and writes .bibc files once this module is imported.

Example:
    >>> from PIL import Image
    >>> import codec.pillow_plugin
    >>> Image.registered_extensions()[".bibc"]
    'BIBC'

Then `Image.open("photo.bibc")` and `im.save("photo.bibc", quality=30)`. Saving takes the keywords
quality, target_bpp, target_size, seed and effort of `codec.encode`, and icc_profile, exif and xmp,
which default to the image's own. For a model that is not the default one, call `register`. What is
decoded can be chosen before the pixels are loaded: `im.draft(realism=0)`, or `register(realism=0)`.
"""

import os
from functools import partial
from typing import IO, Any, BinaryIO, cast

from PIL import Image, ImageFile

from bitstream import container
from bitstream.header import MAGIC
from codec.decoding import decode
from codec.encoding import encode
from codec.errors import BitstreamError, CodecError, LimitExceeded
from codec.files import read_coded
from codec.images.chunks import picture_metadata
from codec.images.load import from_image
from codec.images.metadata import to_info
from codec.inspecting import verify
from codec.options import DEFAULT_LIMITS, METADATA, DecodeLimits, DecodeOptions, Model

FORMAT = "BIBC"
_CODING = ("quality", "target_bpp", "target_size", "seed", "effort")
_METADATA = ("icc_profile", "exif", "xmp")


class BibcImageFile(ImageFile.ImageFile):
    """A file whose header has been read; pixels are decoded at the first `load`."""

    format, format_description = FORMAT, "bibcodec learned image"

    def __init__(
        self,
        fp: IO[bytes],
        filename: str | bytes,
        *,
        model: Model,
        device: str,
        limits: DecodeLimits,
        realism: float = 1.0,
        seed: int | str = "stored",
    ) -> None:
        self._model, self._device, self._limits = model, device, limits
        self._realism, self._seed = realism, seed
        super().__init__(fp, filename)

    def _open(self) -> None:
        try:
            self._coded: bytes | None = read_coded(cast(BinaryIO, self.fp))
            file = container.parse(self._coded, self._limits)
        except LimitExceeded as error:
            raise Image.DecompressionBombError(str(error)) from error
        except BitstreamError as error:
            raise SyntaxError(str(error)) from error
        try:
            metadata = picture_metadata(file)
        except BitstreamError as error:  # the file is ours, so no other format is tried
            raise OSError(str(error)) from error
        self._size = file.header.width, file.header.height
        self._mode = file.mode
        self.info.update(to_info(metadata))
        self.tile = []

    def draft(
        self,
        mode: str | None = None,
        size: tuple[int, int] | None = None,
        *,
        realism: float | None = None,
        seed: int | str | None = None,
    ) -> None:
        """Set how the picture is going to be decoded; it has no effect after `load`.

        Args:
            mode: ignored, as by other formats that do not scale.
            size: ignored.
            realism: 0..1, see `codec.decode`.
            seed: "stored", "random" or a number.

        Raises:
            ValueError: realism or seed is out of its range.
        """
        wanted = DecodeOptions(
            self._realism if realism is None else realism, self._seed if seed is None else seed
        )
        self._realism, self._seed = wanted.realism, wanted.seed

    def verify(self) -> None:
        """Compare every checksum of the file; no network is run, and no picture is made.

        Raises:
            OSError: the file is damaged or cut, or of another model than this plugin has.
        """
        if self._coded is not None:
            try:
                verify(self._coded, model=self._model, limits=self._limits)
            except CodecError as error:
                raise OSError(str(error)) from error

    def load(self) -> Any:
        """Decode, the first time; raises OSError where Pillow's own formats would."""
        if self._coded is not None:
            try:
                image = decode(
                    self._coded,
                    realism=self._realism,
                    seed=self._seed,
                    model=self._model,
                    limits=self._limits,
                    allow_partial=ImageFile.LOAD_TRUNCATED_IMAGES,
                    device=self._device,
                )
            except CodecError as error:
                raise OSError(str(error)) from error
            self.im, self._coded = image.im, None
            self.info.update({name: image.info[name] for name in ("stages", "realism", "seed")})
            if self._exclusive_fp and self.fp:  # opened by Pillow, for this image alone
                self.fp.close()
            self.fp = None
        return super().load()


def register(
    model: Model = "default",
    device: str = "auto",
    limits: DecodeLimits = DEFAULT_LIMITS,
    *,
    realism: float = 1.0,
    seed: int | str = "stored",
) -> None:
    """Register the format with Pillow, for files of this model; a later call replaces it.

    Pillow's own `Image.MAX_IMAGE_PIXELS` counts as well as these limits: Pillow warns of an image
    with more pixels and refuses one with twice as many, and `limits` refuse with the same error.

    Args:
        model: see `codec.decode`, as the others.
        device: where the model is loaded.
        limits: what is acceptable.
        realism: of every file that is opened, unless `BibcImageFile.draft` says another.
        seed: likewise.

    Raises:
        ValueError: realism or seed is out of its range.
    """
    DecodeOptions(realism, seed)
    opener = partial(
        BibcImageFile, model=model, device=device, limits=limits, realism=realism, seed=seed
    )
    Image.register_open(FORMAT, opener, _accept)
    Image.register_save(FORMAT, partial(_save, model=model, device=device))
    Image.register_extension(FORMAT, ".bibc")
    Image.register_mime(FORMAT, "image/x-bibc")


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(
    im: Image.Image, fp: IO[bytes], filename: str | bytes, *, model: Model, device: str
) -> None:
    options = im.encoderinfo
    where = f"{os.fsdecode(filename)!r}" if filename else "the image"
    if options.get("lossless"):
        raise ValueError(f"cannot write {where} as {FORMAT}: this codec is never lossless")
    image = im.copy() if getattr(im, "n_frames", 1) > 1 else im  # of an animation, this frame
    coding = {name: options[name] for name in _CODING if name in options}
    try:
        given = {key: options[key] for key in _METADATA if key in options}
        picture = from_image(image, METADATA, given=given)
        fp.write(encode(picture, model=model, device=device, **coding))
    except CodecError as error:
        raise OSError(f"cannot write {where} as {FORMAT}: {error}") from error


register()
