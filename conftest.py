"""How the tests share the cores of the machine: one worker a core, longest files first."""

import os

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
MOST = 8  # workers: each holds torch and a model

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    # Before numpy or torch is imported: threads that are more than the cores collapse.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(CORES // int(workers), 1)))


def pytest_xdist_auto_num_workers():
    """The cores that we may use, which pytest-xdist does not ask for; 0: no workers at all."""
    return min(CORES, MOST) if CORES > 1 else 0


def pytest_collection_modifyitems(items):
    """Files with slow tests first, so that no worker begins one when the other has no work left."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
