"""The report: result files in, one page of curves and pictures out.

Example:
    >>> from codec.report.results import Point, Result
    >>> points = tuple(Point(bpp, {"psnr-rgb": db}) for bpp, db in [(0.1, 26.0), (0.2, 28.0)])
    >>> text = page([Result("a codec", "", points, (), {})])
    >>> text.count("<h1>")
    1
"""

from codec.report.page import page, viewer_beside, warnings
from codec.report.results import read

__all__ = ["page", "read", "viewer_beside", "warnings"]
