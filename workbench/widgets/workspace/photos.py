"""Photographs of a user's own, segmented by a run's network, as images of a workspace."""

from functools import lru_cache
from pathlib import Path

from pipelines.errors import BadInput
from pipelines.images import decode_photo
from workbench.data.photos import resized, working_size
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot, snapshot_of
from workbench.experiments.scenes.photographs import SIDE, Segmenter, load_segmenter
from workbench.runs import Run
from workbench.training.kinds import kind_name


def can_segment(run: Run) -> bool:
    """Whether a run has a trained network that segments photographs."""
    return kind_name(run.config) == "scenes" and any(run.checkpoints.glob("*.pt"))


def photo_snapshot(run: Run, name: str, content: bytes) -> Snapshot:
    """Snapshot of a photograph by the trained network of a run.

    Args:
        run: run of a segmentation network.
        name: name of the file, for messages.
        content: the file.

    Raises:
        WorkbenchError: the file is no photograph, is too large, or the run has no such network.
    """
    if not can_segment(run):
        raise WorkbenchError(
            "a run with a trained segmentation network",
            f"{run.path.name} without one",
            "choose another run in the table; of any network: workbench probe --images FOLDER",
        )
    try:
        pixels = decode_photo(content, name)
    except BadInput as error:
        raise WorkbenchError(error.expected, error.found, error.remedy) from error
    height, width = pixels.shape[:2]
    small = resized(pixels, working_size((height, width), SIDE))
    return snapshot_of(_segmenter(run.path).prediction(small), small)


@lru_cache(maxsize=2)
def _segmenter(path: Path) -> Segmenter:
    return load_segmenter(path)
