"""Every attack gets its sentence, within its memory; hostile metadata harms no format."""

import gc
import tracemalloc
from pathlib import Path

import pytest
from attack_files import ATTACKS, METADATA, SIZE, Kit
from command import run_command
from effort import Effort
from PIL import Image

import codec
from bitstream import reference, write
from codec.errors import CodecError
from codec.models.torch_model import save_model

UNITS = 2000  # of effort that a refusal may take


@pytest.fixture(scope="module")
def kit(model):
    return Kit(model.prior, model.fingerprint)


def memory_of(run):
    """The most MB that a call holds at a time: of Python and numpy, and of the process."""
    status = Path("/proc/self/status")

    def resident(line):
        return int(status.read_text().split(f"{line}:")[1].split()[0]) / 1024

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    before = resident("VmRSS")
    tracemalloc.start()
    try:
        run()
        traced = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    return max(traced, resident("VmHWM") - before)


def test_the_honest_file_decodes(kit, model):
    assert codec.decode(kit.data, model=model).size == SIZE


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_gets_its_sentence_and_little_memory(name, kit, model):
    attack = ATTACKS[name]
    data = attack.make(kit)

    def run():
        with pytest.raises(CodecError) as caught:
            codec.decode(data, model=model)
        said, _, advice = str(caught.value).partition(": get it again")
        assert said == attack.says
        assert not advice or advice.startswith(", or decode the ")
        assert attack.says.isprintable()

    with Effort() as effort:
        memory = memory_of(run)
    assert effort.units < UNITS
    assert memory < attack.megabytes + len(data) / 1e6
    with pytest.raises(CodecError):
        codec.verify(data, model=model)


NOT_FOR_THE_REFERENCE = (  # it has one limit, no model and no pixels, and is slow
    *("a strip", "255 chunks of 300 kB", "the most pixels that are allowed"),
    *("another model", "more stages than the model"),
    *(name for name in ATTACKS if "alpha" in name and name != "two alphas"),
)


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - set(NOT_FOR_THE_REFERENCE)))
def test_the_reference_decoder_refuses_it_too(name, kit, model, tmp_path):
    model.prior.save(tmp_path / "prior.safetensors")
    prior = reference.load_prior((tmp_path / "prior.safetensors").read_bytes())
    with pytest.raises(reference.Refused):
        reference.decode(ATTACKS[name].make(kit), prior)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The model under the fingerprint that it has as a folder."""
    path = tmp_path_factory.mktemp("model")
    save_model(model, path)
    return path, Kit(model.prior, codec.load_model(path, "cpu").fingerprint)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about the metadata
@pytest.mark.parametrize("file_format", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("name", METADATA)
def test_hostile_metadata_is_written_or_refused(name, file_format, folder, tmp_path):
    """The pixels are whole, so an image comes out, or a sentence; no traceback, no bomb."""
    path, kit = folder
    coded, out = tmp_path / "file.bibc", tmp_path / f"out.{file_format}"
    coded.write_bytes(write(kit.file.header, kit.file.payload, METADATA[name]))
    command = ["decode", str(coded), "-o", str(out), "-m", str(path), "--quiet"]

    def run():
        result = run_command(command)
        if result.exit_code == 0:
            assert Image.open(out).size == SIZE
        else:
            assert result.exit_code == 1
            assert result.stderr.startswith("bibcodec: ")
            assert result.stderr.count("\n") == 1
            assert "internal error" not in result.stderr
            assert not out.exists()

    with Effort() as effort:
        memory = memory_of(run)
    assert effort.units < 2 * UNITS
    assert memory < 30 + 10 * coded.stat().st_size / 1e6
