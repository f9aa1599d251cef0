"""How much work something takes, whatever else the machine does meanwhile."""

import time
from collections.abc import Callable
from typing import Self


def processor_time(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


class Effort:
    """The processor time of a block, in units of a loop's that takes a millisecond or two here.

    Both slow down alike on a slow or a busy machine, so a limit on `units` holds on any. Limits are
    ten times what an idle core needs: they find work that grows out of hand, not slow code.
    """

    seconds = 0.0

    def __enter__(self) -> Self:
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._start

    @property
    def units(self) -> float:
        return self.seconds / min(processor_time(lambda: sum(range(50_000))) for _ in range(3))
