"""Folders of files, coded by several processes: a mirrored tree with a manifest, restartable.

The manifest is a JSON object a line and file: "file" and "output" (paths within the two folders),
"bytes" and "sha256" of the output, "bpp" of the coded file, "seconds", and "error", null or one
sentence. A run that was stopped in any way, resumed, ends with the files of one that was not.
"""

import hashlib
import json
import os
import re
import signal
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, Self

from codec.errors import CodecError, sentence
from codec.files import naming, writing

Record = dict[str, Any]
Options = Mapping[str, Any]

AHEAD = 4  # files handed out at once, per process
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")  # what `codec.files.writing` names them


@dataclass(frozen=True)
class Job:
    """One file: where it is, where its result goes, and its name within the folder."""

    name: str
    source: Path
    target: Path


@dataclass(frozen=True)
class Shard:
    """One of several runs that share a folder, each on a machine of its own.

    >>> shards = [Shard(number, 3) for number in (1, 2, 3)]
    >>> [[shard.has(f"{k}.png") for shard in shards].count(True) for k in range(3)]
    [1, 1, 1]
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Shard i of n from "i/n", 1 <= i <= n.

        >>> Shard.parse("2/8")
        Shard(number=2, count=8)
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text}: expected i/n with 1 <= i <= n, such as 2/8")
        return cls(int(match[1]), int(match[2]))

    def has(self, name: str) -> bool:
        """Whether a file is this shard's; it does not depend on the other files."""
        return zlib.crc32(name.encode(errors="surrogateescape")) % self.count == self.number - 1

    @property
    def manifest(self) -> str:
        """Name of the manifest."""
        return "manifest.jsonl" if self.count == 1 else f"manifest-{self.number}-{self.count}.jsonl"


def find(
    source: Path, out: Path, suffixes: Collection[str], becomes: str, shard: Shard
) -> list[Job]:
    """The files of a shard, in order of their names.

    Args:
        source: the folder; links to folders are not followed.
        out: the folder of the results.
        suffixes: of the files that count, in lower case.
        becomes: suffix of the results; files that differ in theirs only keep it: a.png.bibc.
        shard: which files.
    """
    names = []
    for folder, _, files in os.walk(source, onerror=_refuse):
        here = Path(folder).relative_to(source)
        names += [here / file for file in files if Path(file).suffix.lower() in suffixes]
    stems = Counter(name.with_suffix("") for name in names)
    jobs = []
    for name in sorted(names):
        alone = stems[name.with_suffix("")] == 1
        target = name.with_suffix(becomes) if alone else name.with_name(name.name + becomes)
        if shard.has(name.as_posix()):
            jobs.append(Job(name.as_posix(), source / name, out / target))
    return jobs


def _refuse(error: OSError) -> None:
    raise error


class Manifest:
    """The record of a run: read at the start, a line more for every file.

    Args:
        out: folder of the results.
        shard: whose manifest.
        resume: go on with the one that is there; its whole lines of files without error count.
        force: begin anew even if there is one.

    Raises:
        CodecError: there is a manifest, and neither `resume` nor `force` is given.
    """

    def __init__(self, out: Path, shard: Shard, *, resume: bool, force: bool) -> None:
        self._out = out
        self.path = out / shard.manifest
        if self.path.exists() and not (resume or force):
            raise CodecError(f"{self.path}: a run was here: --resume to go on with it, or -f")
        self.records: dict[str, Record] = {}
        if resume and self.path.exists():
            for line in self.path.read_text(errors="surrogateescape").splitlines(keepends=True):
                if line.endswith("}\n"):
                    record = json.loads(line)
                    self.records[record["file"]] = record
        kept = [record for record in self.records.values() if record["error"] is None]
        self.records = {record["file"]: record for record in kept}
        with writing(str(self.path), force=True) as file:
            file.writelines(_line(record) for record in kept)
        self._file = self.path.open("ab")

    def has(self, job: Job) -> bool:
        """Whether a job is done, and its result there."""
        record = self.records.get(job.name)
        if record is None:
            return False
        target = self._out / record["output"]
        return target == job.target and _size(target) == record["bytes"]

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


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


@dataclass(frozen=True)
class Processes:
    """How many processes code files, and how many threads each has.

    By default as many processes of one thread as there are cores: files are independent, and
    threads that are more than the cores cost several times what they gain.
    """

    count: int
    threads: int

    @classmethod
    def of(cls, count: int | None, threads: int | None) -> Self:
        """Fill in what is not given: processes times threads is the number of cores.

        >>> Processes.of(3, 2)
        Processes(count=3, threads=2)
        """
        cores = len(os.sched_getaffinity(0))
        count = count or max(cores // (threads or 1), 1)
        return cls(count, threads or max(cores // count, 1))


def run(
    work: Callable[[Path, Options], tuple[bytes, float]],
    jobs: list[Job],
    manifest: Manifest,
    *,
    options: Options,
    processes: Processes,
    done: Callable[[Record], None],
) -> None:
    """Do all jobs that the manifest does not have yet.

    Args:
        work: `encoded` or `decoded`.
        jobs: from `find`.
        manifest: takes their records.
        options: for `work`, "model" and "device" among them.
        processes: how many do it.
        done: called with each record.

    Raises:
        CodecError: the model cannot be loaded, or a process died.
    """
    left = [job for job in jobs if not manifest.has(job)]
    _clear(left)
    pool = ProcessPoolExecutor(processes.count, get_context("spawn"), _begin, (processes.threads,))
    try:
        pool.submit(_warm, options["model"], options["device"]).result()
        running: set[Future[Record]] = set()
        for job in left:
            running.add(pool.submit(_do, work, job, manifest.path.parent, options))
            while len(running) >= AHEAD * processes.count:
                running = _take(running, manifest, done)
        while running:
            running = _take(running, manifest, done)
    except BrokenProcessPool:
        raise CodecError(
            "a process died, perhaps for lack of memory: go on with --resume and fewer processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
        _clear(left)  # what a process that was killed was writing


def _take(
    running: set[Future[Record]], manifest: Manifest, done: Callable[[Record], None]
) -> set[Future[Record]]:
    ready, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in ready:
        record = future.result()
        manifest.add(record)
        done(record)
    return rest


def _clear(jobs: list[Job]) -> None:
    """Remove temporary files that a process left when it was killed, those of these jobs only."""
    targets = {(job.target.parent, job.target.name[:200]) for job in jobs}
    for folder in {folder for folder, _ in targets}:
        for path in _files(folder):
            match = TEMPORARY.fullmatch(path.name)
            if match and (folder, match[1]) in targets:
                path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _begin(threads: int) -> None:
    """A process starts: it ends with its parent, and leaves interrupts to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    import torch  # noqa: PLC0415  (not in the process that hands out files)

    torch.set_num_threads(threads)


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _warm(model: str, device: str) -> None:
    from codec import pipeline  # noqa: PLC0415

    pipeline.loaded(model, device)


def _do(
    work: Callable[[Path, Options], tuple[bytes, float]], job: Job, out: Path, options: Options
) -> Record:
    def to_file() -> tuple[bytes, float]:
        data, bpp = work(job.source, options)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with writing(str(job.target), force=True) as file:
            file.write(data)
        return data, bpp

    return record_of(job.name, job.target.relative_to(out).as_posix(), to_file)


def record_of(name: str, output: str, work: Callable[[], tuple[bytes, float]]) -> Record:
    """Do the work of one file, and record how it went.

    Args:
        name: of the file.
        output: name of its result.
        work: writes the result and returns its bytes and the bits a pixel of the coded file.
    """
    start = time.perf_counter()
    record: Record = {"file": name, "output": output, "bytes": 0, "bpp": None, "seconds": 0.0}
    record |= {"sha256": None, "error": None}
    try:
        data, bpp = work()
        record |= {"bytes": len(data), "bpp": bpp, "sha256": hashlib.sha256(data).hexdigest()}
    except Exception as error:
        record["error"] = sentence(error)
    record["seconds"] = round(time.perf_counter() - start, 4)
    return record


def encoded(source: Path, options: Options) -> tuple[bytes, float]:
    """Encode a file: the coded bytes and their bits a pixel (options: of `codec.encode`)."""
    from codec import pipeline  # noqa: PLC0415

    data = pipeline.encode(source, **options)
    return data, pipeline.info(data).bpp


def decoded(source: Path, options: Options) -> tuple[bytes, float]:
    """Decode a file to "format" (other options: of `codec.decode`): bytes, and its bits a pixel."""
    from codec import pipeline  # noqa: PLC0415
    from codec.files import read_coded  # noqa: PLC0415

    data = read_coded(source)
    buffer, wanted = BytesIO(), {key: options[key] for key in options if key != "format"}
    pipeline.rendering(data, **wanted).write(buffer, options["format"])
    return buffer.getvalue(), pipeline.info(data).bpp
