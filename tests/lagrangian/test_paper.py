"""docs/paper.md names classes, tests and files that exist, and every objective with its terms."""

import ast
import re
from pathlib import Path

import pytest

from codec import lagrangian
from codec.cli import train

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs/paper.md").read_text()
NAMES = re.findall(r"`([^`]+)`", PAPER)
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
ROWS = [line for line in PAPER.splitlines() if line.startswith("|") and "`test_" in line]


@pytest.mark.parametrize("name", sorted({name for name in NAMES if name.startswith("test_")}))
def test_named_tests_exist(name):
    assert f"\ndef {name}(" in TESTS


@pytest.mark.parametrize("row", ROWS)
def test_named_tests_use_the_classes_of_their_row(row):
    """As far as a test can say that another one tests something: it names it."""
    source = (ROOT / "tests/lagrangian/test_lagrangian.py").read_text()
    body = {
        node.name: "".join(
            ast.get_source_segment(source, part) for part in (*node.decorator_list, node)
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    names = re.findall(r"`([^`]+)`", row)
    tested = "".join(body.get(name, "") for name in names)
    for name in names:
        if name.startswith("test_") or not tested:
            continue
        assert all(part in tested for part in re.findall(r"\w+", name))


@pytest.mark.parametrize("name", sorted({n for n in NAMES if re.match(r"[A-Z][a-z]+[A-Z(]?", n)}))
def test_named_classes_exist(name):
    for part in re.findall(r"\w+", name):
        assert hasattr(lagrangian, part)


@pytest.mark.parametrize("name", sorted({n for n in NAMES if "/" in n and " " not in n}))
def test_named_files_exist(name):
    assert (ROOT / name).exists()


def test_every_objective_has_its_row_with_terms_and_equation():
    rows = {}
    for line in PAPER.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in lagrangian.OBJECTIVES:
            rows[cells[0]] = cells[1].replace("\N{MINUS SIGN}", "-"), cells[2]
    declared = lagrangian.OBJECTIVES.items()
    assert rows == {name: (str(objective), objective.equation) for name, objective in declared}


def test_the_help_and_the_guide_list_every_objective():
    for text in (train.ABOUT, (ROOT / "docs/train.md").read_text()):
        names = set(re.findall(r"[a-z]+(?:-[a-z]+)*", text))
        assert names >= {"codec", "detail", *lagrangian.OBJECTIVES}
