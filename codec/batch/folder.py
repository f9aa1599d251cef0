"""Folders of files, coded by several processes: a mirrored tree with a manifest, restartable.

A run that was stopped in any way, resumed, ends with the files of one that was not.
"""

import hashlib
import os
import re
import signal
import threading
import time
import warnings
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

import codec
from codec.batch.manifest import Manifest, Record
from codec.errors import CodecError, CodecWarning, sentence
from codec.files import writing
from codec.options import DecodeOptions, Running
from codec.runtime.cpu import limit_threads

Options = Mapping[str, Any]
Work = Callable[[Path, Options], tuple[bytes, float]]

AHEAD = 4  # files handed out at once, per process
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")  # what `codec.files.writing` names them
# Options that may change when a run goes on.
OF_THE_MACHINE = ("device", "engine", "tile", "limits")


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
        becomes: suffix of the results; files that would share a result keep theirs: a.png.bibc.
        shard: which files.
    """
    names = []
    for folder, _, files in os.walk(source, onerror=_refuse):
        here = Path(folder).relative_to(source)
        names += [here / file for file in files if Path(file).suffix.lower() in suffixes]
    stems = Counter([*(name.with_suffix("") for name in names), *names])
    jobs = []
    for name in sorted(names):
        alone = stems[name.with_suffix("")] == 1
        target = name.with_suffix(becomes) if alone else name.with_name(name.name + becomes)
        if shard.has(name.as_posix()):
            jobs.append(Job(name.as_posix(), source / name, out / target))
    return jobs


def _refuse(error: OSError) -> None:
    raise error


def about(work: Work, options: Options) -> Record:
    """What decides the results of a run, the first line of its manifest."""
    deciding = {key: options[key] for key in options if key not in OF_THE_MACHINE}
    return {"run": work.__name__.removesuffix("d"), "options": deciding}


def refuse_overwrite(jobs: list[Job], manifest: Path) -> None:
    """Raise CodecError if there are results of no run: when one begins, there are none."""
    if manifest.is_file() and manifest.stat().st_size:
        return
    for job in jobs:
        if os.path.lexists(job.target):
            raise CodecError(f"{job.target}: exists already: name another folder, or -f")


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
    work: Work,
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
    left = [job for job in jobs if not manifest.has(job.name, job.target)]
    if not left:
        return
    _clear(left)
    pool = ProcessPoolExecutor(processes.count, get_context("spawn"), begin, (processes.threads,))
    try:
        pool.submit(_warm, _running(options)).result()
        running: set[Future[Record]] = set()
        for job in left:
            running.add(
                pool.submit(_do, work, job, manifest.path.parent, options, force=manifest.replaces)
            )
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
    targets = {(job.target.parent, job.target.name) for job in jobs}
    for folder in {folder for folder, _ in targets}:
        for path in _files(folder):
            match = TEMPORARY.fullmatch(path.name)
            if match and (folder, match[1]) in targets:
                path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def begin(threads: int) -> None:
    """A process starts: it ends with its parent, and leaves interrupts to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    limit_threads(threads)


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _warm(running: Running) -> None:
    from codec.models.loading import network_of  # noqa: PLC0415

    network_of(running)


def _do(work: Work, job: Job, out: Path, options: Options, *, force: bool) -> Record:
    def to_file() -> tuple[bytes, float]:
        data, bpp = work(job.source, options)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with writing(str(job.target), force) as file:
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
    record |= {"sha256": None, "warning": None, "error": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CodecWarning)
        try:
            data, bpp = work()
            record |= {"bytes": len(data), "bpp": bpp, "sha256": hashlib.sha256(data).hexdigest()}
        except Exception as error:
            record["error"] = sentence(error)
    if caught:
        record["warning"] = "; ".join(" ".join(str(one.message).split()) for one in caught)
    record["seconds"] = round(time.perf_counter() - start, 4)
    return record


def _running(options: Options) -> Running:
    names = ("model", "device", "tile", "engine")
    return Running(**{name: options[name] for name in names if name in options})


def encoded(source: Path, options: Options) -> tuple[bytes, float]:
    """Encode a file: the coded bytes and their bits a pixel (options: of `codec.encode`)."""
    data = codec.encode(source, **options)
    return data, codec.info(data).bpp


def decoded(source: Path, options: Options) -> tuple[bytes, float]:
    """Decode a file to "format" (other options: of `codec.decode`): bytes, and its bits a pixel."""
    from codec.decoding import open_file  # noqa: PLC0415
    from codec.files import read_coded  # noqa: PLC0415

    data = read_coded(source)
    wanted = DecodeOptions(
        options["realism"],
        options["seed"],
        options["allow_partial"],
        options["limits"],
        tuple(options["keep"]),
    )
    running = _running(options)
    buffer = BytesIO()
    open_file(data, wanted, running).write(buffer, options["format"])
    return buffer.getvalue(), codec.info(data).bpp
