"""docs/paper.md names classes, tests and files that exist, and every objective with its terms."""

import re
from pathlib import Path

import pytest

from codec import lagrangian

ROOT = Path(__file__).parents[1]
NAMES = re.findall(r"`([^`]+)`", (ROOT / "docs/paper.md").read_text())
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))


@pytest.mark.parametrize("name", sorted({name for name in NAMES if name.startswith("test_")}))
def test_named_tests_exist(name):
    assert f"\ndef {name}(" in TESTS


@pytest.mark.parametrize("name", sorted({n for n in NAMES if re.match(r"[A-Z][a-z]+[A-Z(]?", n)}))
def test_named_classes_exist(name):
    for part in re.findall(r"\w+", name):
        assert hasattr(lagrangian, part)


@pytest.mark.parametrize("name", sorted({n for n in NAMES if "/" in n and " " not in n}))
def test_named_files_exist(name):
    assert (ROOT / name).exists()


def test_every_objective_has_its_row():
    rows = {}
    for line in (ROOT / "docs/paper.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in lagrangian.OBJECTIVES:
            rows[cells[0]] = cells[2].replace("\N{MINUS SIGN}", "-").replace("½", "0.5")
    assert rows == {name: str(value) for name, value in lagrangian.OBJECTIVES.items()}
