"""The report: result files in, one page of curves and pictures out."""
