"""The README's table and docs/figures.md are what the committed results give."""

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


def test_the_readme_fits_a_screen():
    text = tables.README.read_text()
    assert len(text.splitlines()) <= 115
    assert len(text.split()) < 900


def test_a_paragraph_stands_between_empty_lines():
    lines = markdown.paragraph("one two", "three " * 40)
    assert lines[0] == lines[-1] == ""
    assert max(map(len, lines)) <= markdown.WIDTH
