"""Many files, coded by several processes, with a manifest; a run that was stopped can go on.

A run that was stopped in any way, resumed, ends with the files of one that was not.
"""

import hashlib
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from codec.batch.manifest import Manifest, Record, fingerprint
from codec.batch.names import Job
from codec.batch.tasks import Task
from codec.errors import CodecError, CodecWarning, sentence
from codec.files import keep_times, shortened, writing
from codec.options import Running
from codec.processes import Processes

AHEAD = 4  # files handed out at once, per process
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp", re.S)  # what `codec.files.writing` names them


def header(task: Task) -> Record:
    """What decides the results of a run, the first line of its manifest."""
    return {"run": task.verb, "options": dict(task.settings())}


def refuse_overwrite(jobs: Sequence[Job], manifest: Path) -> None:
    """Raise CodecError if there are results of no run: when one begins, there are none."""
    if manifest.is_file() and manifest.stat().st_size:
        return
    for job in jobs:
        if os.path.lexists(job.target):
            raise CodecError(f"{job.target}: exists already: name another folder, or -f")


@dataclass(frozen=True)
class Worker:
    """Does the jobs of a run; it is sent to other processes.

    Attributes:
        task: what is done to each file.
        out: the folder of the results.
        force: replace results that are there.
        keep_times: give results the times of their files.
    """

    task: Task
    out: Path
    force: bool
    keep_times: bool

    def prepare(self) -> None:
        """Load the model of this process."""
        load(self.task.running)

    def do(self, job: Job) -> Record:
        """Do one job, whatever is wrong with it."""
        output = job.target.relative_to(self.out).as_posix()
        source: Record | None = None
        with suppress(OSError):  # the task says what is wrong
            source = fingerprint(job.source)
        record = record_of(job.name, output, lambda: self._write(job))
        for key in ("warning", "error"):
            if record[key] is not None:  # the record has the file's name already
                record[key] = record[key].replace(f"{' '.join(str(job.source).split())}: ", "")
        return record | {"source": source}

    def _write(self, job: Job) -> tuple[bytes, float]:
        data, bpp = self.task(job.source)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with writing(str(job.target), self.force) as file:
            file.write(data)
        if self.keep_times:
            keep_times(job.source, job.target)
        return data, bpp


def load(running: Running) -> None:
    """Load a model, for the files of this process."""
    from codec.models.loading import network_of  # noqa: PLC0415  (torch: in the processes only)

    network_of(running)


def run(
    worker: Worker,
    jobs: Sequence[Job],
    manifest: Manifest,
    *,
    processes: Processes,
    done: Callable[[Record], None],
) -> None:
    """Do jobs, and list them in the manifest.

    Args:
        worker: does each of them.
        jobs: that the manifest does not have yet.
        manifest: takes their records.
        processes: how many do it.
        done: called with each record.

    Raises:
        CodecError: the model cannot be loaded, or a process died.
    """
    if not jobs:
        return
    _clear(jobs)
    try:
        with processes.pool() as pool:
            pool.submit(worker.prepare).result()
            running: set[Future[Record]] = set()
            for job in jobs:
                running.add(pool.submit(worker.do, job))
                while len(running) >= AHEAD * processes.count:
                    running = _take(running, manifest, done)
            while running:
                running = _take(running, manifest, done)
    except BrokenProcessPool:
        raise CodecError(
            "a process died, perhaps for lack of memory: go on with --resume and fewer processes"
        ) from None
    finally:
        _clear(jobs)  # what a process that was killed was writing


def _take(
    running: set[Future[Record]], manifest: Manifest, done: Callable[[Record], None]
) -> set[Future[Record]]:
    ready, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in ready:
        record = future.result()
        manifest.add(record)
        done(record)
    return rest


def _clear(jobs: Sequence[Job]) -> None:
    """Remove temporary files that a process left when it was killed, those of these jobs only."""
    targets = {(job.target.parent, shortened(job.target.name)) for job in jobs}
    for folder in {folder for folder, _ in targets}:
        for path in _files(folder):
            match = TEMPORARY.fullmatch(path.name)
            if match and (folder, match[1]) in targets:
                path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError):  # not there yet, or of a name that is too long
        yield from list(folder.iterdir())


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
