"""Processes that share the cores of a machine."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context, parent_process
from typing import Self

from codec.runtime.cpu import core_count, limit_threads

THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Processes:
    """How many processes work at once, and how many threads each of them has.

    By default there are as many processes of one thread as there are cores: files are independent,
    and threads that are more than the cores cost several times what they gain.
    """

    count: int
    threads: int

    @classmethod
    def of(cls, count: int | None, threads: int | None) -> Self:
        """Fill in what is not given: processes times threads is the number of cores.

        >>> Processes.of(3, 2)
        Processes(count=3, threads=2)
        """
        cores = core_count()
        count = count or max(cores // (threads or 1), 1)
        return cls(count, threads or max(cores // count, 1))

    def for_jobs(self, jobs: int) -> Self:
        """The same, but no more processes than there are jobs: all are started at once.

        >>> Processes(64, 2).for_jobs(3)
        Processes(count=3, threads=2)
        """
        return replace(self, count=min(self.count, max(jobs, 1)))

    @contextmanager
    def pool(self) -> Iterator[ProcessPoolExecutor]:
        """The processes, started anew; they end with this one and leave interrupts to it.

        Libraries decide how many threads they start when they are imported, so the number is in the
        environment that the processes begin with.
        """
        before = os.environ.get(THREADS)
        os.environ[THREADS] = str(self.threads)
        pool = ProcessPoolExecutor(self.count, get_context("spawn"), _begin, (self.threads,))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            os.environ.pop(THREADS)
            if before is not None:
                os.environ[THREADS] = before


def _begin(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    limit_threads(threads)


def _follow(sentinel: int) -> None:
    """End this process when its parent ends."""
    connection.wait([sentinel])
    os._exit(1)
