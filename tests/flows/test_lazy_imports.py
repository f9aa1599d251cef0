"""Header work needs no torch, and nothing needs compressai."""

import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "compressai", "matplotlib", "plotly", "rich.console")


def run(code, *arguments):
    script = f"{code}\nimport sys\nprint('HEAVY', [m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip().splitlines()


def cli(*arguments):
    return f"import sys\nfrom codec.cli import app\napp({list(arguments)!r}, standalone_mode=False)"


@pytest.fixture(scope="module")
def file(coded, tmp_path_factory):
    path = tmp_path_factory.mktemp("lazy") / "photo.bibc"
    path.write_bytes(coded)
    return path


def test_import_codec_is_light():
    assert run("import codec; dir(codec)")[-1] == "HEAVY []"


def test_info_is_light(file):
    assert run(f"import codec; codec.info({str(file)!r})")[-1] == "HEAVY []"


def test_pillow_open_is_light(file):
    code = (
        "from PIL import Image\n"
        "import codec.pillow_plugin\n"
        f"with Image.open({str(file)!r}) as image: print(image.size)"
    )
    assert run(code) == ["(75, 50)", "HEAVY []"]


def test_command_info_is_light(file):
    lines = run(cli("info", str(file)))
    assert "75" in lines[0]
    assert lines[-1] == "HEAVY []"


def test_command_version_is_light():
    assert run(cli("--version"))[-1] == "HEAVY []"


VERBS = ("encode", "decode", "info", "verify", "train", "eval", "report")


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)])
def test_help_is_light(verb):
    lines = run(cli(*verb, "--help"))
    assert len(lines) > 5
    assert lines[-1] in ("HEAVY []", "HEAVY ['rich.console']")  # help is drawn with rich


def test_encode_and_decode_do_without_compressai(file, model_dir):
    code = f"import codec; codec.decode({str(file)!r}, model={str(model_dir)!r})"
    assert "compressai" not in run(code)[-1]
    assert "torchvision" not in run(code)[-1]


def test_info_is_quick(file):
    """Processor time, which other work on the machine does not stretch much."""
    command = [sys.executable, "-m", "codec.cli", "info", str(file)]
    before = os.times()
    for _ in range(3):
        subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    assert spent / 3 < 0.6  # a third of that on an idle machine; benchmarks/speed.py has the figure
