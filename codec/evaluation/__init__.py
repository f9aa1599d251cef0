"""Measuring of codecs: rate, distortion, perception."""
