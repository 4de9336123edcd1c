"""Evaluation of a probe: how well the cuts of each layer cover what annotators drew.

Every image with ground truth is cut by every layer into eight flat clusterings, as a network's
scenes are; a layer is a method of the table, the first one its baseline.
"""

import json
from pathlib import Path

from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.pool import PoolScores, evaluate_pool
from workbench.evaluation.scenes.scores import MethodScores
from workbench.evaluation.scenes.table import BenchmarkTable
from workbench.probe.affinities import Choice
from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.runs.files import atomic_write
from workbench.segmentation import CutConfig, cut


def evaluate_probe(
    probe: Probe | Run | Path | str,
    *,
    affinity: Choice = "cosine",
    limit: int | None = None,
    pool: CutConfig | None = None,
    progress: bool = True,
) -> BenchmarkTable:
    """Cut the annotated images of a probe by each of its layers and score them.

    The table is also written into the run, as evaluations/<affinity>.json.

    Args:
        probe: probe, or its run or folder.
        affinity: kind of the cells' affinity, see `probe.affinities`.
        limit: number of images, from the first; None: all.
        pool: flat clusterings or a hierarchy; default: eight flat clusterings.
        progress: show a bar.

    Raises:
        WorkbenchError: no image has ground truth, or normalized cuts are not defined.
    """
    found = probe if isinstance(probe, Probe) else Probe(probe)
    images = found.annotated[:limit]
    if not images:
        raise WorkbenchError(
            f"images with ground truth among those that {found.path} keeps",
            "none",
            "probe again with truths=FOLDER (--truths), or images that come with label maps",
        )
    scores: dict[str, dict[str, PoolScores]] = {layer: {} for layer in found.layers}
    for image in tqdm(images, desc="evaluating", unit="image", disable=not progress):
        truths = found.truths(image)
        for layer, by_image in scores.items():
            cuts = cut(found.prediction(image, layer, affinity), pool).segmentations
            by_image[image] = evaluate_pool(cuts, truths)
    table = BenchmarkTable(tuple(MethodScores(layer, each) for layer, each in scores.items()))
    with atomic_write(found.path / "evaluations" / f"{affinity}.json") as file:
        file.write(json.dumps(table.to_dict()).encode())
    return table
