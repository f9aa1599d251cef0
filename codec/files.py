"""Files and standard streams: read all of one, write one whole or not at all."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from bitstream.errors import CodecError, LimitExceeded
from bitstream.header import MAGIC

try:
    import fcntl
except ImportError:  # on Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

CodedSource: TypeAlias = "bytes | bytearray | memoryview | str | PathLike[str] | BinaryIO"

STDIO = "-"
MAX_CODED_BYTES = 2**28  # the largest image and the most metadata of the default limits fit
PIECE = 2**20  # bytes read at once


def read_coded(source: CodedSource) -> bytes:
    """All bytes of a coded file; of what does not begin like one, only the beginning.

    Bytes are taken as they are.

    Raises:
        LimitExceeded: the file is larger than any that is reasonable (256 MiB).
        TypeError: the source is none of these.
        OSError: the file cannot be read.

    Example:
        >>> read_coded(b"BIBC")
        b'BIBC'
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | PathLike):
        with naming(os.fsdecode(source)), open(source, "rb") as file:
            return read_coded(file)
    if not callable(getattr(source, "read", None)):
        raise TypeError(
            f"{type(source).__name__} is no coded file: expected bytes, a path or a binary file"
        )
    head = read_piece(source, len(MAGIC))
    while len(head) < len(MAGIC) and (piece := read_piece(source, len(MAGIC) - len(head))):
        head += piece  # a socket may give fewer bytes than were asked for
    if head != MAGIC:
        return head
    pieces, size = [head], len(head)
    while piece := read_piece(source, PIECE):
        size += len(piece)
        if size > MAX_CODED_BYTES:
            raise LimitExceeded(f"the file is larger than {MAX_CODED_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def read_piece(source: Any, size: int) -> bytes:
    """At most so many bytes of a file object; none at its end.

    Raises:
        TypeError: it gives something else: it was opened as text, or reads asynchronously.

    Example:
        >>> from io import BytesIO
        >>> read_piece(BytesIO(b"BIBC"), 2)
        b'BI'
    """
    kind = type(source).__name__
    if iscoroutinefunction(source.read):
        raise TypeError(f"{kind} reads asynchronously: pass the bytes, await file.read()")
    piece = source.read(size)
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    if isinstance(piece, str):
        raise TypeError(f'{kind} is a file opened as text: open it with mode "rb"')
    raise TypeError(f"{kind} gives {type(piece).__name__} where it is read: expected bytes")


def printable(name: str) -> str:
    r"""A name of a file as it can be shown: what moves or colours a terminal becomes its number.

    Example:
        >>> printable("a\nb\x1b.jpg")
        'a\\nb\\x1b.jpg'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in name
    )


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors of the operating system in the block name this file, the one that the user knows."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = path, None
        raise


def lock(descriptor: int, busy: str) -> None:
    """Keep other processes out until an open file or folder is closed, by this process's end too.

    On Windows and on file systems without locks it does nothing.

    Raises:
        CodecError: another process is in, with the sentence `busy`.
    """
    if not HAS_LOCKS:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CodecError(busy) from None
    except OSError:  # a file system without locks
        pass


@contextmanager
def writing(path: str, force: bool) -> Iterator[BinaryIO]:
    """A binary file to fill: it takes its name only when the block ends well.

    The bytes go to a temporary file in the same folder, which is renamed over `path` at the end and
    removed if anything fails. "-" is standard output, and devices and pipes are written directly.

    Args:
        path: where to; a symbolic link is followed.
        force: replace a file that exists.

    Raises:
        CodecError: the file exists (now, or by the time the block ends) and `force` is not set.
        OSError: the file cannot be written.
    """
    with naming(path):
        if path == STDIO:
            if sys.stdout is None:
                raise CodecError("standard output is closed: name a file with -o")
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        target = Path(os.path.realpath(path))
        try:
            mode = os.stat(path).st_mode  # of /dev/stdout, which may lead to a pipe without a name
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            with open(path, "wb") as device:
                yield device
            return
        refuse_overwrite(path, force)
        with _temporary(target) as (temporary, file):
            if mode is not None and hasattr(os, "fchmod"):  # who may read it stays as it was
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())  # a power cut after the renaming leaves the whole file
            if force:
                temporary.replace(target)
            else:
                _place(temporary, target, path)


def shortened(name: str) -> str:
    """What of a file's name is in that of its temporary file; a name has 255 bytes at most."""
    return os.fsdecode(os.fsencode(name)[:200])


def keep_times(source: str | PathLike[str], target: str | PathLike[str]) -> None:
    """Give a file the times of access and modification of another one."""
    status = os.stat(source)
    with naming(os.fspath(target)):
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside `target`, which is gone at the end unless it was renamed."""
    temporary = target.with_name(f".{shortened(target.name)}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def _place(temporary: Path, target: Path, path: str) -> None:
    """Give the file its name unless another process took it meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        refuse_overwrite(path, force=False)
        raise
    except OSError:  # a file system without links
        refuse_overwrite(path, force=False)
        temporary.replace(target)


def refuse_itself(source: str, path: str) -> None:
    """Raise CodecError if writing `path` would replace the file that it is made of."""
    if STDIO in (source, path) or not (Path(source).is_file() and Path(path).is_file()):
        return
    if os.path.samefile(source, path):
        raise CodecError(f"{path}: is the file that is read: give the result another name")


def refuse_overwrite(path: str, force: bool) -> None:
    """Raise CodecError if `path` is a file that writing would replace and `force` is not set.

    Raises:
        OSError: its folder is missing, too.
    """
    parent = os.path.dirname(path) or "."
    if path != STDIO and not os.path.lexists(parent):
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {parent}: make it first", path)
    if not force and path != STDIO and Path(path).is_file():
        raise CodecError(f"{path}: exists already: give another name, or -f to replace it")
