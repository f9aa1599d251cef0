#!/usr/bin/env bash
# Every check of cuda_ext that needs a GPU, in under ten minutes: one result file.
#
#     benchmarks/cost/gpu_checks.sh [FOLDER]
#
# Needs Python 3.11 or newer with torch (CUDA build) and NumPy; uses compute-sanitizer and the
# package flash-kmeans where they are installed. The result is nearest_centroid_gpu.json in FOLDER,
# by default $OUT if that is set, else benchmarks/results. Where there is no git, $COMMIT says which
# commit this is. Exits 1 if a check fails.
set -euo pipefail

cd "$(dirname "$0")/../.."
folder=${1:-${OUT:-benchmarks/results}}
export PYTHONPATH=".:tests${PYTHONPATH:+:$PYTHONPATH}"
timeout 595 "${PYTHON:-python3}" -m benchmarks gpu_checks -o "$folder"
! grep '"ok": false' "$folder/nearest_centroid_gpu.json"
