"""The rate search: the best quality whose file is within a budget."""

import math
from collections.abc import Callable, Sized
from typing import TypeVar

from codec.errors import RateTargetError

BEST = 100  # the highest quality
GROWTH = 0.03  # of a file's logarithm per quality, where nothing better is known
FULL = 0.98  # of the budget: closer is not worth another trial
FINEST = 8.0  # qualities that λ may run ahead of the quality in the header
FINE_TRIALS = 5

File = TypeVar("File", bound=Sized)


def best_within(file_at: Callable[[int, float], File], budget: int) -> File:
    """Search for the quality, then for λ between two qualities; sizes are taken to grow with both.

    Args:
        file_at: the whole file at a quality 0..100, with λ taken from quality + the second
            argument. Anything that has a length in bytes will do.
        budget: the most bytes.

    Returns:
        The file of the highest quality that is within the budget, or a larger one, of the same
        quality and a smaller λ, if that file leaves more than 2 % of the budget.

    Raises:
        RateTargetError: the file of quality 0 is larger than the budget.

    Example:
        >>> len(best_within(lambda quality, offset: bytes(100 + int(50 * (quality + offset))), 333))
        325
    """
    quality, best = _best_quality(file_at, budget)
    below, above = 0.0, FINEST
    for trial in range(FINE_TRIALS):
        if len(best) >= FULL * budget:
            break
        offset = FINEST if quality == BEST and not trial else (below + above) / 2
        data = file_at(quality, offset)
        if len(data) <= budget:
            best, below = max(best, data, key=len), offset
        else:
            above = offset
        if below == FINEST:
            break
    return best


def _best_quality(file_at: Callable[[int, float], File], budget: int) -> tuple[int, File]:
    """The highest quality whose file is within the budget, and the largest such file found.

    A secant search on the logarithm of the size, every fourth trial in the middle.
    """
    low, high = -1, BEST + 1  # the highest that fits so far, the lowest that does not
    size: dict[int, int] = {}
    best: File | None = None
    trial = BEST // 2
    while True:
        data = file_at(trial, 0.0)
        size[trial] = len(data)
        if len(data) <= budget:
            low = trial
            best = data if best is None else max(best, data, key=len)
        else:
            high = trial
        if high - low < 2:
            break
        growth = GROWTH
        if others := [tried for tried in size if tried != trial]:
            near = min(others, key=lambda tried: abs(tried - trial))
            growth = max(math.log(size[near] / len(data)) / (near - trial), GROWTH / 4)
        guess = trial + math.log(max(budget, 1) / len(data)) / growth
        if len(size) % 4 == 0:  # whatever the sizes are, the bracket shrinks
            guess = (low + high) / 2
        trial = min(max(math.floor(guess), low + 1), high - 1)
    if best is None:
        raise RateTargetError(
            f"the target of {budget} bytes is out of reach: at quality 0 this image takes "
            f"{size[0]:,} bytes",
            size[0],
        )
    return low, best
