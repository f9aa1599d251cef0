"""Pillow's switch for truncated files, which is the whole process's, for one thread at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Condition

from PIL import ImageFile

from codec.forks import around_forks


class _Switch:
    """Many threads read strictly, or one reads truncated files."""

    def __init__(self) -> None:
        self._condition, self._strict = Condition(), 0
        around_forks(
            before=self._condition.acquire,
            in_parent=self._condition.release,
            in_child=self._begin_in_child,
        )

    def _begin_in_child(self) -> None:
        """In a forked child there is no other thread that reads."""
        self._strict = 0
        self._condition.release()

    @contextmanager
    def strictly(self) -> Iterator[None]:
        with self._condition:
            self._strict += 1
        try:
            yield
        finally:
            with self._condition:
                self._strict -= 1
                self._condition.notify_all()

    @contextmanager
    def tolerantly(self) -> Iterator[None]:
        with self._condition:  # held to the end: nobody begins to read strictly
            self._condition.wait_for(lambda: not self._strict)
            before = ImageFile.LOAD_TRUNCATED_IMAGES
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            try:
                yield
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = before


_SWITCH = _Switch()


def truncated_files(allowed: bool) -> AbstractContextManager[None]:
    """A block in which Pillow takes truncated files, or (unless a user set its switch) does not."""
    return _SWITCH.tolerantly() if allowed else _SWITCH.strictly()
