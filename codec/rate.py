"""The rate search: the best quality whose file is within a budget."""

from collections.abc import Callable

from codec.errors import RateTargetError

QUALITIES = range(101)


def best_within(file_at: Callable[[int], bytes], budget: int) -> bytes:
    """Bisect on the quality; sizes are taken to grow with it.

    Args:
        file_at: the whole file at a quality 0..100.
        budget: the most bytes.

    Returns:
        The largest file found that is within the budget.

    Raises:
        RateTargetError: the file of quality 0 is larger than the budget.

    Example:
        >>> len(best_within(lambda quality: bytes(100 + 10 * quality), 333))
        330
    """
    low, high = QUALITIES[0], QUALITIES[-1]
    best, size = b"", 0
    while low <= high:
        middle = (low + high) // 2
        data = file_at(middle)
        size = len(data)
        if size <= budget:
            best = max(best, data, key=len)
            low = middle + 1
        else:
            high = middle - 1
    if not best:
        raise RateTargetError(
            f"the target of {budget} bytes is out of reach: at quality 0 this image takes {size}"
        )
    return best
