"""The JavaScript decoder in Node: its own tests, which need Node and no npm package."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2] / "web" / "tests"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="no Node: apt-get install nodejs")
@pytest.mark.parametrize("path", sorted(TESTS.glob("*.test.js")), ids=lambda path: path.name)
def test_in_node(path):
    done = subprocess.run([NODE, "--test", path], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# tests 0" not in done.stdout
    assert "# fail 0" in done.stdout
    assert "# skipped 0" in done.stdout
