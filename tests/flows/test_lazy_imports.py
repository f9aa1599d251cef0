"""Header work needs no torch, and nothing needs compressai."""

import subprocess
import sys

import pytest
from golden import DATA

from bitstream import compiled

NUMPY = ("numpy", "PIL", "onnxruntime", "constriction", "safetensors")
HEAVY = ("torch", "torchvision", "compressai", "matplotlib", "plotly", "rich.console")


def run(code, *arguments, heavy=HEAVY):
    script = f"{code}\nimport sys\nprint('HEAVY', [m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip().splitlines()


def cli(*arguments):
    return (
        f"import codec.cli\ntry:\n    codec.cli.run({list(arguments)!r})\nexcept SystemExit: pass"
    )


@pytest.fixture(scope="module")
def file(coded, tmp_path_factory):
    path = tmp_path_factory.mktemp("lazy") / "photo.bibc"
    path.write_bytes(coded)
    return path


def test_import_codec_is_light():
    assert run("import codec; dir(codec)")[-1] == "HEAVY []"


def test_info_is_light(file):
    assert run(f"import codec; codec.info({str(file)!r})", heavy=NUMPY + HEAVY)[-1] == "HEAVY []"


def test_pillow_open_is_light(file):
    code = (
        "from PIL import Image\n"
        "import codec.pillow_plugin\n"
        f"with Image.open({str(file)!r}) as image: print(image.size)"
    )
    assert run(code) == ["(75, 50)", "HEAVY []"]


def test_command_info_is_light(file):
    lines = run(cli("info", str(file)), heavy=NUMPY + HEAVY)
    assert "75" in lines[0]
    assert lines[-1] == "HEAVY []"


def test_command_version_imports_nothing_of_use():
    assert ours(cli("--version")) == {"codec", "codec.cli"}
    heavy = (*NUMPY, *HEAVY, "argparse", "dataclasses")
    assert run(cli("--version"), heavy=heavy)[-1] == "HEAVY []"


VERBS = ("encode", "decode", "info", "verify", "train", "eval", "report")


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)])
def test_help_is_light(verb):
    lines = run(cli(*verb, "--help"), heavy=NUMPY + HEAVY)
    assert len(lines) > 5
    assert lines[-1] == "HEAVY []"


def test_encode_and_decode_do_without_compressai(file, model_dir):
    code = f"import codec; codec.decode({str(file)!r}, model={str(model_dir)!r})"
    assert "compressai" not in run(code)[-1]
    assert "torchvision" not in run(code)[-1]


OURS = "[m for m in sys.modules if m.split('.')[0] in ('codec', 'bitstream', 'cuda_ext')]"


def ours(code):
    """The modules of this project that some code loads."""
    script = f"import sys\n{code}\nprint(' '.join({OURS}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_codec_loads_nothing_else():
    assert ours("import codec") == {"codec"}


def test_info_loads_few_modules(file):
    """What `bibcodec info` costs is what it imports; benchmarks/cost/speed.py has the figure."""
    loaded = ours(f"import codec; codec.info({str(file)!r})")
    assert not [m for m in loaded if m.startswith(("codec.networks", "codec.runtime", "cuda_ext"))]
    assert len(loaded) <= 12
    assert len(ours(cli("info", str(file)))) <= 16


def test_decoding_loads_neither_training_nor_the_papers_family(file, model_dir):
    loaded = ours(f"import codec; codec.decode({str(file)!r}, model={str(model_dir)!r})")
    rooms = ("codec.train", "codec.lagrangian", "codec.evaluation", "codec.report", "codec.batch")
    assert not [m for m in loaded if m.startswith(rooms)]
    assert "codec.models.tiny" not in loaded


def test_a_png_file_is_decoded_without_pillow(tmp_path):
    packaged, out = DATA / "packaged_rgb_q50.bibc", tmp_path / "out.png"
    decode = cli("decode", str(packaged), "-o", str(out), "--engine", "onnx", "--quiet")
    assert run(decode, heavy=("PIL", *HEAVY))[-1] == "HEAVY []"
    assert out.stat().st_size > 1000


NOT_FOR_DECODING = {  # a plain file, where the C extension is there
    "bitstream.entropy",
    "bitstream.metadata",
    "codec.images",
    "codec.novelty",
    "codec.runtime.encoder_pass",
    "codec.runtime.engine",
    "codec.runtime.quantize",
    "codec.runtime.reach",
}


SLOW = {"bitstream.entropy"} if compiled.extension is None else set()  # what stands in for C


def test_the_command_decodes_with_few_modules(tmp_path):
    """Those of `codec.decode`, and eight that are the command's own or write the PNG file."""
    packaged, out = DATA / "packaged_rgb_q50.bibc", tmp_path / "out.png"
    decode = cli("decode", str(packaged), "-o", str(out), "--engine", "onnx", "--quiet")
    assert len(ours(decode) - SLOW) <= 42


def test_decoding_loads_one_engine():
    """In onnxruntime: 34 modules of ours, and none that defines a network."""
    packaged = DATA / "packaged_rgb_q50.bibc"
    loaded = ours(f"import codec; codec.decode({str(packaged)!r}, engine='onnx')")
    networks = {m for m in loaded if m.startswith(("codec.networks.", "cuda_ext"))}
    assert networks == {"codec.networks.config"}
    assert "codec.runtime.torch_engine" not in loaded
    assert not loaded & (NOT_FOR_DECODING - SLOW)
    assert len(loaded - SLOW) <= 34
