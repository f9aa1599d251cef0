"""torchvision beside any build of torch, for the packages that import it."""

import importlib
import sys
from types import ModuleType


def import_torchvision() -> ModuleType:
    """torchvision, also beside a build of torch that its operators do not load into.

    Its import then fails for want of the schema of an operator that nothing here uses; with the
    schema there, it loads. To be called before the import of a package that imports torchvision.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    import torch  # noqa: PLC0415

    boxes = "Tensor dets, Tensor scores, "
    torch.library.define("torchvision::nms", f"({boxes}float iou_threshold) -> Tensor")
    zero_points = "Tensor qboxes, Tensor qscores, "
    torch.library.define("torchvision::qnms", f"({zero_points}float iou_threshold) -> Tensor")
    for name in list(sys.modules):
        if name.partition(".")[0] == "torchvision":
            del sys.modules[name]
    return importlib.import_module("torchvision")
