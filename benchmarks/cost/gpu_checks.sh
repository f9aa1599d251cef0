#!/usr/bin/env bash
# Every check of cuda_ext that needs a GPU, in under ten minutes: one JSON out.
#
#     benchmarks/cost/gpu_checks.sh [OUTPUT.json]
#
# Needs Python 3.11 or newer with torch (CUDA build) and NumPy; uses compute-sanitizer and the
# package flash-kmeans where they are installed. The default output is in $OUT if that is set, else
# benchmarks/results/nearest_centroid_gpu.json. Exits 1 if a check fails.
set -euo pipefail

cd "$(dirname "$0")/../.."
output=${1:-${OUT:-benchmarks/results}/nearest_centroid_gpu.json}
export PYTHONPATH=".:tests${PYTHONPATH:+:$PYTHONPATH}"
exec timeout 595 "${PYTHON:-python3}" -m benchmarks.cost.gpu_checks "$output"
