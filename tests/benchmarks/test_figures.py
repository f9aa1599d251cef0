"""The README's table and docs/figures.md are what the committed results give."""

import ast
import re

from benchmarks import markdown, schema
from benchmarks.figures import tables


def test_figures_and_readme_are_what_the_results_give():
    """If this fails: python -m benchmarks tables."""
    assert tables.FIGURES.read_text() == tables.page()
    assert tables.README.read_text() == tables.readme()


def test_every_benchmark_with_figures_has_a_section():
    listed = {module for section in tables.SECTIONS for module in section.modules}
    scripts = (schema.ROOT / "benchmarks").glob("*/*.py")
    having = {
        f"{path.parent.name}.{path.stem}"
        for path in scripts
        if re.search(r"^def figures\(", path.read_text(), re.MULTILINE)
    }
    assert having == listed


def test_what_the_documents_link_to_is_there():
    pages = [
        schema.ROOT / "README.md",
        schema.ROOT / "SECURITY.md",
        schema.ROOT / "bitstream/FORMAT.md",
    ]
    pages += [*(schema.ROOT / "docs").glob("*.md"), schema.ROOT / "benchmarks" / "README.md"]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not link.startswith("http")
    ]
    assert len(links) >= 20
    assert [link for page, link in links if not (page.parent / link).exists()] == []


def names(path):
    """Functions and classes of a file, methods as Class.method."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, ast.FunctionDef):
                yield f"{node.name}.{inner.name}"


def test_inside_says_where_things_are():
    text = (schema.ROOT / "docs" / "inside.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `([^`]+\.py)` \| `([\w.]+)` \|$", text, re.MULTILINE)
    assert len(rows) >= 10
    table = text[text.index("Where is it decided") :]
    assert len(re.findall(r"^\| [^|]+ \| `", table, re.MULTILINE)) == len(rows)
    assert [row for row in rows if row[1] not in names(schema.ROOT / row[0])] == []
    paths = re.findall(r"`((?:codec|bitstream)/[\w/.]+)`", text)
    assert [path for path in paths if not (schema.ROOT / path).exists()] == []


def test_the_readme_fits_a_screen():
    text = tables.README.read_text()
    assert len(text.splitlines()) <= 115
    assert len(text.split()) < 900


def test_a_paragraph_stands_between_empty_lines():
    lines = markdown.paragraph("one two", "three " * 40)
    assert lines[0] == lines[-1] == ""
    assert max(map(len, lines)) <= markdown.WIDTH
