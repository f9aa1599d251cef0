"""The rate search: the best quality whose file is within a budget."""

from collections.abc import Callable

from codec.errors import RateTargetError

FULL = 0.98  # of the budget: closer is not worth another trial
FINEST = 8.0  # qualities that λ may run ahead of the quality in the header
FINE_TRIALS = 5


def best_within(file_at: Callable[[int, float], bytes], budget: int) -> bytes:
    """Bisect on the quality, then on λ between two qualities; sizes are taken to grow with both.

    Args:
        file_at: the whole file at a quality 0..100, with λ as of a quality so much higher.
        budget: the most bytes.

    Returns:
        The largest file found that is within the budget.

    Raises:
        RateTargetError: the file of quality 0 is larger than the budget.

    Example:
        >>> len(best_within(lambda quality, finer: bytes(100 + int(50 * (quality + finer))), 333))
        325
    """
    quality, best, least = -1, b"", 0
    low, high = 0, 100
    while low <= high:
        middle = (low + high) // 2
        data = file_at(middle, 0.0)
        if len(data) <= budget:
            quality, low = middle, middle + 1
            best = max(best, data, key=len)
        else:
            least, high = len(data), middle - 1
    if not best:
        raise RateTargetError(
            f"the target of {budget} bytes is out of reach: at quality 0 this image takes {least}"
        )
    below, above = 0.0, FINEST
    for _ in range(FINE_TRIALS):
        if len(best) >= FULL * budget:
            break
        finer = (below + above) / 2
        data = file_at(quality, finer)
        if len(data) <= budget:
            best, below = max(best, data, key=len), finer
        else:
            above = finer
    return best
