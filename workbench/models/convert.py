"""Conversion of a torchvision checkpoint to a backbone's convolutions, as safetensors.

`pipelines download weights` finds `write_features` by the entry point group `pipelines.weights`:
that package does not import torch. Of the 61 and 138 million parameters of AlexNet and VGG-16 the
2.5 and 14.7 million of their convolutions are kept, as they are, in a file that holds no code.
"""

from pathlib import Path

from safetensors.torch import save_file

from workbench.errors import WorkbenchError
from workbench.models.backbones import DEVIATION, MEAN, Backbone, backbone_entry
from workbench.models.weights import read_state


def write_features(source: Path, target: Path, backbone: str) -> None:
    """Write the convolutions of a checkpoint under torchvision's names (`features.0.weight` …).

    Args:
        source: a torchvision .pth file, read without running any code of it.
        target: the .safetensors file to write.
        backbone: name of the backbone in `backbones.BACKBONES`.

    Raises:
        WorkbenchError: the file cannot be read, or is another network's.
    """
    deepest = backbone_entry(backbone).taps[-1]
    state = read_state(source)
    kept = {}
    for name, parameter in Backbone(backbone, deepest).state_dict().items():
        if name not in state or state[name].shape != parameter.shape:
            found = tuple(state[name].shape) if name in state else "nothing"
            raise WorkbenchError(
                f"a checkpoint of {backbone}, with {name} of shape {tuple(parameter.shape)}",
                f"{found} in {source}",
                "give torchvision's own file",
            )
        kept[name] = state[name].contiguous()
    metadata = {
        "source": source.name,
        "layout": "torchvision state_dict keys, OIHW",
        "input": f"RGB in [0, 1], mean {MEAN}, deviation {DEVIATION}",
    }
    save_file(kept, target, metadata=metadata)
