"""When a training run saves, and when it stops before its last step."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any, Self


class Clock:
    """Two timers, and signals that wait.

    Within the block SIGINT and SIGTERM only make `over` true, so that a checkpoint can be written.
    They take effect at the block's end, as they would have before it: under the command `bibcodec`
    the exit codes 130 and 143.

    Args:
        seconds: until the run is over.
        save_seconds: between checkpoints.

    Example:
        >>> with Clock(seconds=60, save_seconds=0) as clock:
        ...     clock.over(), clock.due()
        (False, True)
    """

    def __init__(self, seconds: float, save_seconds: float) -> None:
        self._seconds, self._save_seconds = seconds, save_seconds
        self._signal: int | None = None

    def __enter__(self) -> Self:
        self._began = self._saved = time.monotonic()
        numbers = (signal.SIGINT, signal.SIGTERM)
        self._handlers = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._signal is not None and kind is None:
            signal.raise_signal(self._signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def over(self) -> bool:
        """Whether a signal came or the time is up."""
        return self._signal is not None or time.monotonic() - self._began >= self._seconds

    def due(self) -> bool:
        """Whether it is time for a checkpoint; the wait for the next one begins."""
        now = time.monotonic()
        due = now - self._saved > self._save_seconds
        if due:
            self._saved = now
        return due
