"""Mutation testing of bitstream/: a sample of small changes to its code, and which no test notices.

    python -m benchmarks.trust.mutation --sample 200 --folder MUTANTS

copies the code and its tests to a folder, makes mutants with mutmut, runs a random sample of them
against the tests that reach them, and writes benchmarks/results/mutation.json. Slow tests (below)
are left out, so the share killed is a lower bound. The folder is kept: a second run with a larger
sample goes on where the first one stopped. tests/trust/mutation/README.md explains the survivors.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.provenance import commit, cpu, installed

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parents[1] / "results" / "mutation.json"
UNNOTICED = (0, 5, 33, 34)  # mutmut's codes of mutants that passed, and of those without a test
TESTS = ("container", "context", "entropy", "reference", "stream", "tables")
CONFIG = """
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = "-p no:cacheprovider"
[tool.mutmut]
source_paths = ["bitstream/"]
do_not_mutate = ["bitstream/__init__.py", "bitstream/compiled.py"]
also_copy = ["tests"]
max_children = 1
pytest_add_cli_args_test_selection = ["tests/"]
pytest_add_cli_args = ["-k", "not speed and not milliseconds and not torch_is_not \
and not overhead and not alone and not (reference and 200)"]
"""
CONFTEST = """
import pytest
from hypothesis import settings
settings.register_profile("quick", max_examples=8, deadline=None, derandomize=True, database=None)
settings.load_profile("quick")
@pytest.fixture
def implementation():
    return "numpy"
"""
SLOW = (
    "every_prefix",
    "damage_in_a_stage",
    "double_flip",
    "extreme_models[15",
    "test_files_come_back",
)


def prepare(folder: Path) -> None:
    """Copy the code and its tests, and let mutmut make the mutants and learn who tests what."""
    (folder / "tests").mkdir(parents=True)
    shutil.copytree(ROOT / "bitstream", folder / "bitstream")
    for name in TESTS:
        shutil.copy(ROOT / "tests" / "bitstream" / f"test_{name}.py", folder / "tests")
    shutil.copy(ROOT / "tests" / "bitstream_samples.py", folder / "tests")
    (folder / "tests" / "conftest.py").write_text(CONFTEST)
    (folder / "pyproject.toml").write_text(CONFIG)
    (folder / "commit").write_text(commit())
    mutmut(folder, ["bitstream.header.x_crc8__mutmut_1"])
    path = folder / "mutants" / "mutmut-stats.json"
    known = json.loads(path.read_text())
    for tests in known["tests_by_mangled_function_name"].values():
        tests[:] = [test for test in tests if not any(slow in test for slow in SLOW)]
    path.write_text(json.dumps(known))


def mutmut(folder: Path, names: list[str]) -> None:
    """Run mutants by name, one at a time."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def exit_codes(folder: Path) -> dict[str, int | None]:
    """What became of each mutant: 1 = a test failed, None = not run, see also UNNOTICED."""
    found: dict[str, int | None] = {}
    for path in sorted((folder / "mutants" / "bitstream").glob("*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="mutation testing of bitstream/")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    if not (options.folder / "mutants").exists():
        prepare(options.folder)
    names = list(exit_codes(options.folder))
    random.seed(options.seed)
    random.shuffle(names)
    sample = names[: options.sample]  # of a larger sample the first ones are the same
    codes = exit_codes(options.folder)
    if left := [name for name in sample if codes[name] is None]:
        mutmut(options.folder, left)
    codes = exit_codes(options.folder)
    survivors = [name for name in sample if codes[name] in UNNOTICED]
    result: dict[str, Any] = {
        "mutants": len(names),
        "sample": len(sample),
        "seed": options.seed,
        "killed": len(sample) - len(survivors),
        "survivors": survivors,
        "meta": {
            "commit": (options.folder / "commit").read_text(),
            "machine": cpu(),
            "python": sys.version.split()[0],
            "mutmut": installed("mutmut"),
            "tests_left_out": list(SLOW),
        },
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['killed']} of {result['sample']} killed; {len(names)} mutants in all")


if __name__ == "__main__":
    main()
