"""What tests share: implementations of the bitstream, a tiny model of random weights, a photo."""

import native
import numpy as np
import pytest
from fault_runs import Runs, Server
from PIL import Image

from bitstream import compiled


@pytest.fixture(scope="module", params=["numpy", "c"])
def implementation(request):
    """Contexts and entropy coder by numpy, and by C."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr(compiled, "extension", None)
        elif native.compiler() is None:
            pytest.skip("there is no C compiler")
        else:
            patch.setattr(compiled, "extension", native.extension())
        yield request.param


@pytest.fixture(scope="session")
def model():
    from codec.models.tiny import tiny_model

    return tiny_model()


@pytest.fixture(scope="session")
def model_dir(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    from codec.models.torch_model import save_model

    save_model(model, folder)
    return folder


@pytest.fixture(scope="session")
def photo():
    """RGB, 75x50: not a multiple of any cell, smooth with an edge and some noise."""
    rows, columns = np.mgrid[0:50, 0:75]
    noise = np.random.default_rng(0).normal(0, 8, (50, 75, 3))
    colour = np.stack([3 * columns, 5 * rows, 128 + 100 * (columns > 40)], axis=2)
    return Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def coded(photo, model_dir):
    """The photo's file under the model of `model_dir`."""
    import codec

    return codec.encode(photo, model=model_dir, quality=60)


@pytest.fixture(scope="session")
def vgg16_weights(tmp_path_factory):
    """A file of random weights, in torchvision's layout."""
    import weights_samples

    path = tmp_path_factory.mktemp("weights") / "vgg16.pt"
    weights_samples.vgg16(path)
    return path


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory):
    """A file of random weights, in the layout of FID's Inception-v3."""
    import weights_samples

    path = tmp_path_factory.mktemp("weights") / "inception.pt"
    weights_samples.inception(path)
    return path


@pytest.fixture(scope="module")
def server():
    """The command in a process of its own, for faults."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def run(server, tmp_path, model_dir):
    """Runs of the command that fail or are stopped at a place."""
    return Runs(server, tmp_path, model_dir)
