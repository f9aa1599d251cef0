"""Nearest-centroid search: one answer, to the bit, on every device.

``nearest`` finds the codebook entry with the least squared distance plus bias; ``nearest_stages``
runs all stages of a residual quantizer. What counts as nearest is a float64 score computed in a
fixed order (see ``cuda_ext.canonical``); every path only has to find its smallest value.
"""

from cuda_ext.operator import nearest, nearest_stages

__all__ = ["nearest", "nearest_stages"]
