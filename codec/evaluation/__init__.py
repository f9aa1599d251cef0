"""Measuring of codecs: rate, distortion, perception. `Plan` says what is measured."""

from codec.evaluation.plan import Plan

__all__ = ["Plan"]
