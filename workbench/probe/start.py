"""`workbench.probe`: record any torch module on any images into a run folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.probe.capture import Select, named_layers, require_evaluation
from workbench.probe.images import image_source, with_truths
from workbench.probe.preprocessing import preprocessing_of
from workbench.probe.recording import (
    TRUTH,
    ProbeConfig,
    Recorder,
    digest_of_network,
    read_statistics,
)
from workbench.probe.result import Probe
from workbench.probe.truths import TruthFiles
from workbench.runs import Run, Status
from workbench.runs.files import to_json
from workbench.runs.plain import plain

FOLDER = "runs"
"""Folder below the working directory in which probes without a path are made."""


def probe(
    model: nn.Module,
    images: Any,
    layers: str | Sequence[str],
    *,
    path: Path | str | None = None,
    preprocessing: Any = None,
    output: Select | None = None,
    call: int | None = None,
    tokens: tuple[int, int] | None = None,
    channels_last: bool = False,
    keep: int = 4 << 30,
    batch: int = 8,
    truths: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> Probe:
    """Record a network's features of images at some layers.

    Args:
        model: any module in evaluation mode, on the device where it shall run.
        images: a folder, files, a store, a torch dataset or loader; see `image_source`.
        layers: names or patterns with wildcards; `probe.layers(model)` lists them.
        path: path of the run folder; None: a new one in `runs/`.
        preprocessing: see `preprocessing_of`; None: that of the model, else ImageNet's.
        output: function from a layer's output to its tensor, where that is a tuple or a dataclass.
        call: index of the run of a layer that counts, where there are several in a forward pass.
        tokens: rows and columns of the grid of tokens, where it cannot be found.
        channels_last: whether maps are (batch, rows, columns, channels).
        keep: largest number of bytes of features that are kept; statistics count all images anyway.
        batch: number of images of one size in a forward pass.
        truths: folder of label maps with the images' stems (.png, .npy, BSDS's .mat and .seg; one
            file an annotator, or all in one), at the images' own size; None: those that come with
            the images, see `image_source`. They are kept of the images whose features are.
        resume: go on with the record that is there.
        overwrite: delete the record that is there first.
        progress: show a bar.

    Raises:
        WorkbenchError: no such layer, a model in training mode, no images, outputs without a grid,
            or a record of another question.
    """
    require_evaluation(model)
    names = named_layers(model, layers)
    source = image_source(images)
    files = None if truths is None else TruthFiles.of(truths, source.ids)
    if files is not None:
        source = with_truths(source, files)
    prepared = preprocessing_of(model, preprocessing)
    config = ProbeConfig(
        network=type(model).__name__,
        digest=digest_of_network(model),
        layers=tuple(names),
        preprocessing=prepared.to_dict(),
        images=source.title,
        ids=tuple(source.ids),
        tokens=tokens,
        channels_last=channels_last,
        keep=keep,
        batch=batch,
        truths=None if truths is None else str(truths),
    )
    place = _new_folder(config.network) if path is None else Path(path)
    run, statistics, done = _begun(place, config, resume, overwrite)
    if files is not None and not resume:
        for sentence in files.unmatched(source.ids):
            run.append(TRUTH, 0, reason=sentence)
            tqdm.write(sentence)
    if run.status is not Status.FINISHED:
        recorder = Recorder(model, source, config, run, prepared, output, call, statistics, done)
        recorder.record(progress)
    return Probe(run)


def _begun(
    path: Path, config: ProbeConfig, resume: bool, overwrite: bool
) -> tuple[Run, dict[str, Any], int]:
    """Run to record into, with its statistics so far."""
    if not resume:
        if overwrite and path.exists():
            Run.delete(path)
        return Run.create(path, plain(config)), {}, 0
    run = Run.open(path)
    asked = json.loads(to_json(plain(config)))
    changed = [name for name in asked if run.config.get(name) != asked[name]]
    if changed:
        raise WorkbenchError(
            f"what {path} was begun with",
            f"another {', '.join(changed)}",
            "ask the same, or give another path",
        )
    if run.status is Status.FINISHED:
        return run, {}, 0
    try:
        statistics, done = read_statistics(run)
    except WorkbenchError:
        statistics, done = {}, 0
    run.resume(done)
    return run, statistics, done


def _new_folder(network: str) -> Path:
    """First folder runs/probe-<network>-<number> that is not there yet."""
    number = 1
    while (path := Path(FOLDER) / f"probe-{network.lower()}-{number}").exists():
        number += 1
    return path
