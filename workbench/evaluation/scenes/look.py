"""Images of an evaluation whose snapshots were not kept, looked at again when somebody asks."""

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

from workbench.data import Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.networks import Snapshot, look_at_scene
from workbench.models import DeepNCuts
from workbench.runs import Run
from workbench.training.building import trained_model
from workbench.training.scenes.config import DeepNCutsConfig


def looker(
    run: Run | Path | str, store: str | None = None, device: str = "cpu"
) -> Callable[[str, str], Snapshot]:
    """A function of a split and an image's id that gives its snapshot by the trained network.

    The network is loaded at the first look, a look takes half a second; the run is only read.

    Args:
        run: or its folder.
        store: of scenes; None: the one that the run trained on.
        device: of torch, as a name.
    """
    opened = run if isinstance(run, Run) else Run.open(run)

    @cache
    def model() -> DeepNCuts:
        return trained_model(opened, DeepNCutsConfig).to(device).eval()

    @cache
    def scenes(split: str) -> Scenes:
        config = DeepNCutsConfig.from_dict(opened.config)
        return Scenes.open(store or config.store, split)

    @lru_cache(maxsize=2)
    def look(split: str, id: str) -> Snapshot:
        there = scenes(split)
        if id not in there.ids:
            raise WorkbenchError(
                f"an image of {split}", repr(id), "name one of workbench.data.Scenes.ids"
            )
        return look_at_scene(model(), there[there.ids.index(id)])[1]

    return look
