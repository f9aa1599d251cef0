"""What is measured of bibcodec, and how: one module a benchmark, results in `results/`."""
