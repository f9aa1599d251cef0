"""Which small changes to the code of bitstream/ does no test notice?

The code and its tests are copied to the cache, mutmut makes mutants of it, and a random sample of
them is run against the tests that reach them. Slow tests (below) are left out, so the share that is
killed is a lower bound. The copy is kept: a second run with a larger sample goes on where the first
one stopped. tests/trust/mutation/README.md explains the survivors.
"""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.schema import ROOT, commit

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
    (folder / "commit").write_text(commit() or "")
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


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        sample: how many mutants are run.
        seed: of the sample.
    """

    sample: int = 200
    seed: int = 1


def measure(run: Run, inputs: Nothing, settings: Settings) -> dict[str, Any]:
    """Run a sample of the mutants, and count those that are killed."""
    folder = run.folder / "mutated"
    if not (folder / "mutants").exists():
        prepare(folder)
    names = list(exit_codes(folder))
    random.seed(settings.seed)
    random.shuffle(names)
    sample = names[: settings.sample]  # of a larger sample the first ones are the same
    codes = exit_codes(folder)
    if left := [name for name in sample if codes[name] is None]:
        mutmut(folder, left)
    codes = exit_codes(folder)
    survivors = [name for name in sample if codes[name] in UNNOTICED]
    run.say(f"{len(sample) - len(survivors)} of {len(sample)} killed; {len(names)} mutants in all")
    return {
        "mutants": len(names),
        "sample": len(sample),
        "killed": len(sample) - len(survivors),
        "survivors": survivors,
        "meta": {
            "commit": (folder / "commit").read_text(),
            "mutmut": version("mutmut"),
            "tests_left_out": list(SLOW),
        },
    }


BENCHMARK = Benchmark(Nothing, Settings, measure, result="mutation.json")
