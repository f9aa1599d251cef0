"""The manifest of a folder run: JSON lines that say what decides the results, and what is done.

The first line is about the run: "run", encode or decode, and "options". Each other is about a file:
"file" and "output" (paths within the two folders), "bytes" and "sha256" of the output, "bpp" of the
coded file, "seconds", "warning" and "error", null or one sentence, and "source": "bytes",
"mtime_ns" and "sha256" of the file itself. A file that was passed over has "file", "output" (null)
and "passed_over", its kind. Of a file with several lines the last one counts.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from codec.batch.names import Job
from codec.errors import CodecError
from codec.files import lock, naming

Record = dict[str, Any]  # a line
MANIFESTS = "manifest*.jsonl"  # names of manifests, those of shards too


def fingerprint(path: Path) -> Record:
    """What tells whether a file is still the same: its size, its time, and its bytes' digest.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}


def is_unchanged(path: Path, known: object) -> bool:
    """Whether a file is the one of a fingerprint; its bytes are read only if its time differs."""
    if not isinstance(known, dict):
        return True  # the manifest does not say
    try:
        status = path.stat()
        if status.st_size != known.get("bytes"):
            return False
        return status.st_mtime_ns == known.get("mtime_ns") or (
            fingerprint(path)["sha256"] == known.get("sha256")
        )
    except OSError:
        return False  # coding it says what is wrong


def given_names(folder: Path) -> dict[str, str]:
    """Names of results that runs into a folder have given, by the names of their files."""
    given: dict[str, str] = {}
    with suppress(OSError):
        for path in sorted(folder.glob(MANIFESTS)):
            for record in _records(path.read_bytes()):
                if isinstance(record.get("output"), str):
                    given[record["file"]] = record["output"]
    return given


def _records(text: bytes) -> Iterator[Record]:
    """The lines about files, but for damaged ones: those files are done again."""
    for line in text.splitlines()[1:]:
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("file"), str):
                yield record


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
            raise CodecError(
                f"{self.path}: begun with other options ({_differences(text, first)}): "
                "give the same to --resume, or -f instead of it"
            )
        whole = text[: text.rfind(b"\n") + 1]  # without a line that was torn
        self.records = {record["file"]: record for record in _records(whole)}
        self.replaces = force or bool(whole)
        self._file.truncate(len(whole))
        self._file.write(b"" if whole else first)
        self._file.flush()

    def has(self, job: Job) -> bool:
        """Whether a file is done, its result there, and the file still the same."""
        record = self.records.get(job.name, {})
        try:
            size = job.target.stat().st_size if job.target.is_file() else None
        except OSError:  # a name that is too long
            return False
        output = job.target.relative_to(self.path.parent).as_posix()
        done = {"output": output, "bytes": size, "error": None}
        return done.items() <= record.items() and is_unchanged(job.source, record.get("source"))

    def pass_over(self, kinds: Mapping[str, str]) -> None:
        """List files that are not read, with their kinds by name, unless that is known."""
        for name, kind in kinds.items():
            record = {"file": name, "output": None, "passed_over": kind}
            if self.records.get(name) != record:
                self.add(record)

    def add(self, record: Record) -> None:
        """One file more."""
        self.records[record["file"]] = record
        with naming(str(self.path)):
            self._file.write(_line(record))
            self._file.flush()

    def close(self) -> None:
        """No more files."""
        self._file.close()


def _differences(was: bytes, now: bytes) -> str:
    """How the first lines of two manifests differ, in words.

    >>> _differences(b'{"run": "encode", "options": {"quality": 50}}', b'{"run": "decode"}')
    'run was encode and is decode, quality was 50 and is null'
    """
    try:
        before, after = (
            {"run": line["run"], **line.get("options", {})}
            for line in (json.loads(text.split(b"\n")[0]) for text in (was, now))
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "its first line is none of a run"
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    return ", ".join(
        f"{name} was {_value(before.get(name))} and is {_value(after.get(name))}"
        for name in changed
    )


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _line(record: Record) -> bytes:
    return (json.dumps(record) + "\n").encode()
