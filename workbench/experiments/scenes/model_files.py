"""A trained network as one safetensors file: the head, and the backbone where training changed it.

Metadata describe the architecture. An unchanged pretrained backbone is left out and read from the
known weights; a digest of its half-precision values ensures that it is the same one, whichever
precision the file of weights has.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from workbench.data import Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.cut_heights import held_out_curves
from workbench.models import ArchitectureConfig, DeepNCuts, load_weights
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.runs.files import atomic_write, to_json
from workbench.runs.plain import from_plain, plain
from workbench.segmentation import HierarchyConfig
from workbench.training.building import trained_model
from workbench.training.scenes.config import DeepNCutsConfig

FORMAT, VERSION = "structured-layers-model", 1
_BACKBONE = "backbone."


@dataclass(frozen=True)
class SavedModel:
    """Contents of a model file.

    Attributes:
        model: network in evaluation mode.
        height: default height at which its hierarchies are cut; None: not known.
    """

    model: DeepNCuts
    height: float | None


def export_model(run: Run, path: Path, *, half: bool = False, height: float | None = None) -> bool:
    """Write a run's network.

    Args:
        run: run with a checkpoint.
        path: the .safetensors file, replaced if it exists.
        half: write half precision: half the size, and a change of results below that of seeds.
        height: default height at which its hierarchies are cut, see `best_height`.

    Returns:
        Whether the backbone is in the file.

    Raises:
        WorkbenchError: the run has no checkpoint.
    """
    config, model = DeepNCutsConfig.from_dict(run.config), trained_model(run, DeepNCutsConfig)
    stored = not _is_pretrained(model, config)
    state = {
        name: (value.half() if half else value).contiguous()
        for name, value in model.state_dict().items()
        if stored or not name.startswith(_BACKBONE)
    }
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": plain(config.architecture),
        "backbone": "stored" if stored else _digest(model.backbone),
        "height": height,
        "run": {"config": run.config, "provenance": run.provenance},
    }
    with atomic_write(path) as file:
        file.write(save(state, {name: to_json(value) for name, value in metadata.items()}))
    return stored


def read_model(path: Path) -> SavedModel:
    """Network of a file.

    Raises:
        WorkbenchError: the file is no model file, or its backbone is not among the known weights.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise WorkbenchError(
            "a model file from `workbench export`",
            f"{path}, which does not read as one ({error})",
            "export it again",
        ) from error
    if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
        raise WorkbenchError(
            f"a model file from `workbench export`, version {VERSION}",
            f"{metadata.get('format', 'other tensors')} in {path}",
            "export it with this version: workbench export RUN FILE",
        )
    model = DeepNCuts(from_plain(ArchitectureConfig, metadata["architecture"], "export it again"))
    if metadata["backbone"] != "stored":
        weights = known_weights(model.config.backbone)
        load_weights(model.backbone, weights)
        if _digest(model.backbone) != metadata["backbone"]:
            raise WorkbenchError(
                f"the weights of {model.config.backbone} that {path} was trained on",
                f"others in {weights}",
                "put those there that the training had",
            )
        state |= {_BACKBONE + name: value for name, value in model.backbone.state_dict().items()}
    model.load_state_dict(state)
    return SavedModel(model.eval(), metadata["height"])


def best_height(run: Run) -> float | None:
    """Height whose cuts cover best, in the mean over the scenes that a run held out.

    None without held-out scenes.

    Raises:
        PipelineError: the run's store is not there.
    """
    training = DeepNCutsConfig.from_dict(run.config)
    if training.holdout == 0:
        return None
    _, held = Scenes.open(training.store, "train").hold_out(training.holdout, training.seed)
    heights, curves = held_out_curves(trained_model(run, DeepNCutsConfig), held, HierarchyConfig())
    means = sum(curve.mean(axis=1) for curve in curves)
    return float(heights[int(means.argmax())])


def _is_pretrained(model: DeepNCuts, config: DeepNCutsConfig) -> bool:
    """Whether the backbone's weights are still those of its file."""
    if config.weights is None:
        return False
    before = DeepNCuts(config.architecture).backbone
    load_weights(before, Path(config.weights))
    return _digest(before) == _digest(model.backbone)


def _digest(module: nn.Module) -> str:
    """Digest of all parameters in half precision."""
    hashed = hashlib.sha256()
    values: dict[str, Tensor] = module.state_dict()
    for name, value in sorted(values.items()):
        hashed.update(name.encode() + value.half().numpy(force=True).tobytes())
    return hashed.hexdigest()
