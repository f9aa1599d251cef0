"""The manifest of a folder run: JSON lines that say what decides the results, and what is done.

The first line is about the run: "run", encode or decode, and "options". Each other is about a file:
"file" and "output" (paths within the two folders), "bytes" and "sha256" of the output, "bpp" of the
coded file, "seconds", and "warning" and "error", null or one sentence. Of a file that was tried
again the last line counts.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from codec.errors import CodecError
from codec.files import lock, naming

Record = dict[str, Any]


class Manifest:
    """The record of a run: read at the start, a line more for every file.

    Args:
        path: of the manifest, in the folder of the results.
        about: its first line.
        resume: go on with the one that is there, if any.
        force: begin anew even if there is one.

    Raises:
        CodecError: there is a manifest, and neither `resume` nor `force` is given, or it is of a
            run with other options, or of one that is still at work.

    Attributes:
        records: the last one of each file, by its name.
        replaces: whether results that are there may be replaced: those of a run that was stopped,
            or any if `force` is given.
    """

    def __init__(self, path: Path, about: Record, *, resume: bool, force: bool) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        with naming(str(self.path)):
            self._file = self.path.open("a+b")
            try:
                lock(self._file.fileno(), f"{path}: another run is at work in this folder")
                self._begin(_line(about), resume, force)
            except BaseException:
                self.close()
                raise

    def _begin(self, first: bytes, resume: bool, force: bool) -> None:
        self._file.seek(0)
        text = self._file.read() if resume or not force else b""
        if text and not resume:
            raise CodecError(f"{self.path}: a run was here: --resume to go on with it, or -f")
        if not (text.startswith(first) or first.startswith(text)):
            was = text[:500].split(b"\n")[0].decode(errors="replace")
            raise CodecError(
                f"{self.path}: begun with other options, {was}: "
                "give the same to --resume, or -f instead of it"
            )
        whole = text[: text.rfind(b"\n") + 1]  # without a line that was torn
        for line in whole.splitlines()[1:]:
            with suppress(ValueError, TypeError, KeyError):  # damaged: the file is done again
                record = json.loads(line)
                self.records[record["file"]] = record
        self.replaces = force or bool(whole)
        self._file.truncate(len(whole))
        self._file.write(b"" if whole else first)
        self._file.flush()

    def has(self, name: str, target: Path) -> bool:
        """Whether a file is done, and its result there."""
        output = target.relative_to(self.path.parent).as_posix()
        size = target.stat().st_size if target.is_file() else None
        done = {"output": output, "bytes": size, "error": None}
        return done.items() <= self.records.get(name, {}).items()

    def add(self, record: Record) -> None:
        """One file more."""
        self.records[record["file"]] = record
        with naming(str(self.path)):
            self._file.write(_line(record))
            self._file.flush()

    def close(self) -> None:
        """No more files."""
        self._file.close()


def _line(record: Record) -> bytes:
    return (json.dumps(record) + "\n").encode()
