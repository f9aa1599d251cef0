"""A bar for runs over many files."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from codec.files import printable

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """Finished files, their rate and the time to go, on stderr and on a terminal only.

    Args:
        total: files of the run.
        finished: files of an earlier run, which do not count for the rate.
        quiet: show nothing.
    """

    def __init__(self, total: int, finished: int = 0, quiet: bool = False) -> None:
        self._total, self._finished = total, finished
        self._shown = not quiet and sys.stderr.isatty()
        self._bar: Progress | None = None
        self._count, self._start = 0, time.perf_counter()

    def __enter__(self) -> Self:
        if self._shown:
            from rich import progress  # noqa: PLC0415  (a tenth of a second)
            from rich.console import Console  # noqa: PLC0415

            self._bar = progress.Progress(
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[rate]:.2f} files/s, to go"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.add_task("", total=self._total, completed=self._finished, rate=0.0)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self) -> None:
        """One more file is finished."""
        self._count += 1
        if self._bar:
            rate = self._count / (time.perf_counter() - self._start)
            self._bar.update(self._bar.task_ids[0], advance=1, rate=rate)

    def say(self, line: str) -> None:
        """A line above the bar."""
        if self._bar:
            self._bar.console.print(printable(line), markup=False, highlight=False)
        else:
            print(printable(line), file=sys.stderr)
