"""Geometry of a network's layers on images: widths, dimensions, angles, beside random weights.

    look = workbench.layer_geometry(model, "holiday/", layers=["features.*"], beside="random")
    look.table()     # a layer and network a row
    look.pairs()     # a layer, network and pair of images a row

A layer's features of an image, flattened, are one point. Only the Gram matrix of the points is kept
for each layer, (images, images) in float64, from which everything else follows. Angles at a layer
depend on the gauge (`models.gauge`), and their ratio to the input's on what the input is: here the
tensor that the network receives.

Sources: Giryes, Sapiro, Bronstein, IEEE TSP 2016 (angles of random layers); Vershynin,
"High-Dimensional Probability", 2018, chapter 7 (width, stable dimension, Sudakov and Fernique).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from tqdm.auto import tqdm

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.geometry.assumptions import LinearMap, predicted_angles, why_not
from workbench.geometry.mean_width import CeilingWarning, MeanWidth, mean_width
from workbench.geometry.random_layers import angle_after
from workbench.linalg.effective_rank import effective_rank
from workbench.models.chains import chain_of
from workbench.models.gauge import balanced
from workbench.models.random_weights import randomised
from workbench.probe.capture import Capture, Select, named_layers
from workbench.probe.images import image_source
from workbench.probe.preprocessing import Preprocessing, preprocessing_of

Gauge = Literal["given", "balanced"]
INPUT = "input"
"""Name of the input among the layers."""
GIVEN = "given"
"""Name of the model's own weights; random draws are "random 1", "random 2", …"""
CENTRE = Preprocessing(shorter=256, crop=(224, 224), source="shorter side 256, middle 224×224")
"""Preprocessing where neither the user nor the model states one: images of one size."""
CHUNK = 1 << 16
"""Features of a block of an inner product, which is computed in float64."""
PASSED = (nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, nn.Identity, nn.Dropout)
"""Modules beside linear maps in a chain beside which the fully connected formula is shown."""


@dataclass(frozen=True, eq=False)
class LayerCloud:
    """Images as points at one layer of one network.

    Attributes:
        layer: name of the layer, or "input".
        weights: "given", or "random 1", …
        features: d, number of features of an image.
        gram: (images, images) inner products of the images' features.
        width: Gaussian mean width; None where `outcome` says why there is none.
        unit_width: that of the features divided by their norms.
        effective_rank: effective rank of the centred points; NaN without a width.
        bound: upper bound of ω from the input's and the largest stretch of a pair (theorem of
            Sudakov and Fernique); NaN at the input.
        outcome: sentence on dead features, NaN or a width near its ceiling; "" where all is well.
    """

    layer: str
    weights: str
    features: int
    gram: Float64[Tensor, "images images"]
    width: MeanWidth | None
    unit_width: MeanWidth | None
    effective_rank: float
    bound: float
    outcome: str

    @property
    def angles(self) -> Float64[np.ndarray, "pairs"]:
        """Angles of all pairs i < j, radians; NaN with an image whose features are 0 or NaN."""
        return _angles(self.gram)


@dataclass(frozen=True, eq=False)
class LayerPrediction:
    """Angles at a layer that random weights would give, from the theory.

    Attributes:
        layer: name of the layer.
        exact: (pairs,) by the recursion over patches, exact for many channels; None where an
            assumption fails.
        formula: (pairs,) by the formula of fully connected layers, whatever the layers' kind and
            pooling; None where the network is no chain of linear maps, ReLU and pooling.
        why_not: sentence that names the first assumption that fails; "" where none does.
    """

    layer: str
    exact: Float64[np.ndarray, "pairs"] | None
    formula: Float64[np.ndarray, "pairs"] | None
    why_not: str


@dataclass(frozen=True, eq=False)
class LayerGeometry:
    """Geometry of the layers of a network and of random networks beside it, on the same images.

    Attributes:
        network: class of the model.
        images: ids of the images.
        left_out: image → reason, of images that could not be read.
        gauge: "given", or "balanced": of the model's own weights.
        preprocessing: preprocessing of the images, in words and values.
        clouds: every layer of every network; each network's input first.
        predictions: one for each layer.
    """

    network: str
    images: tuple[str, ...]
    left_out: dict[str, str]
    gauge: Gauge
    preprocessing: dict[str, Any]
    clouds: tuple[LayerCloud, ...]
    predictions: tuple[LayerPrediction, ...]

    @property
    def layers(self) -> list[str]:
        """Names of the layers, the input left out."""
        return [each.layer for each in self.predictions]

    @property
    def draws(self) -> list[str]:
        """Names of the networks: "given", "random 1", …"""
        return list(dict.fromkeys(each.weights for each in self.clouds))

    def cloud(self, layer: str, weights: str = GIVEN) -> LayerCloud:
        """Images at a layer of a network.

        Raises:
            WorkbenchError: no such layer or network here.
        """
        for each in self.clouds:
            if (each.layer, each.weights) == (layer, weights):
                return each
        raise WorkbenchError(
            f"a layer out of {', '.join([INPUT, *self.layers])}, weights {', '.join(self.draws)}",
            f"{layer!r}, {weights!r}",
            "name one of them",
        )

    def prediction(self, layer: str) -> LayerPrediction:
        """Prediction for a layer."""
        return next(each for each in self.predictions if each.layer == layer)

    def table(self) -> pd.DataFrame:
        """A layer and network a row: widths, dimensions, angles, prediction, outcome.

        Columns: layer, weights, features; width (ω), low, high, ceiling, squared_width, bound (of
        ω), diameter, stable_dimension, effective_rank, unit_width, unit_ceiling; angle, angle_05,
        angle_95 (radians); ratio, ratio_05, ratio_95 (output angle over input angle of a pair);
        correlation (of both angles); predicted and formula (median ratios); outcome, why_not.
        """
        return pd.DataFrame([self._row(each) for each in self.clouds])

    def pairs(self) -> pd.DataFrame:
        """A layer, network and pair a row: first and second image, angles, prediction, radians."""
        first, second = _pairs(len(self.images))
        names = np.array(self.images)
        angles_in = self.cloud(INPUT).angles
        none = np.full(len(first), np.nan)
        frames = []
        for cloud in self.clouds:
            if cloud.layer == INPUT:
                continue
            found = self.prediction(cloud.layer)
            angles = cloud.angles
            frames.append(pd.DataFrame({
                "layer": cloud.layer, "weights": cloud.weights,
                "first": names[first], "second": names[second],
                "angle_in": angles_in, "angle": angles, "ratio": _ratios(angles, angles_in),
                "predicted": none if found.exact is None else found.exact,
                "formula": none if found.formula is None else found.formula,
            }))  # fmt: skip
        return pd.concat(frames, ignore_index=True)

    def _row(self, cloud: LayerCloud) -> dict[str, Any]:
        width, unit = cloud.width, cloud.unit_width
        row: dict[str, Any] = {
            "layer": cloud.layer, "weights": cloud.weights, "features": cloud.features
        }  # fmt: skip
        names = ("value", "low", "high", "ceiling")
        values = [np.nan if width is None else getattr(width, name) for name in names]
        row |= dict(zip(("width", *names[1:]), values, strict=True))
        row |= {
            "squared_width": row["width"] ** 2,
            "bound": cloud.bound,
            "diameter": np.nan if width is None else width.diameter,
            "stable_dimension": np.nan if width is None else width.stable_dimension,
            "effective_rank": cloud.effective_rank,
            "unit_width": np.nan if unit is None else unit.value,
            "unit_ceiling": np.nan if unit is None else unit.ceiling,
        }
        angles, angles_in = cloud.angles, self.cloud(INPUT).angles
        ratios = _ratios(angles, angles_in)
        for name, found in (("angle", angles), ("ratio", ratios)):
            middle, low, high = _quantiles(found, (0.5, 0.05, 0.95))
            row |= {name: middle, f"{name}_05": low, f"{name}_95": high}
        row["correlation"] = _correlation(angles, angles_in)
        if cloud.layer != INPUT:
            found_here = self.prediction(cloud.layer)
            for name, theory in (("predicted", found_here.exact), ("formula", found_here.formula)):
                known = np.full(1, np.nan) if theory is None else _ratios(theory, angles_in)
                row[name] = _quantiles(known, (0.5,))[0]
            row["why_not"] = found_here.why_not
        return row | {"outcome": cloud.outcome}

    def __repr__(self) -> str:
        shown = self.table()[
            ["layer", "weights", "squared_width", "stable_dimension", "effective_rank", "angle",
             "ratio", "formula", "outcome"]
        ]  # fmt: skip
        words = shown.to_string(index=False, float_format="{:.3f}".format)
        return f"{self.network}, {len(self.images)} images, gauge {self.gauge}\n{words}"


def layer_geometry(
    model: nn.Module,
    images: Any,
    layers: str | Sequence[str],
    *,
    beside: Literal["random"] | None = None,
    draws: int = 2,
    gauge: Gauge = "given",
    count: int | None = None,
    preprocessing: Any = None,
    output: Select | None = None,
    call: int | None = None,
    seed: int = 0,
    directions: int = 256,
    memory: float = 2.0,
    progress: bool = True,
) -> LayerGeometry:
    """Geometry of layers of any torch module on images, beside random weights and the theory.

    >>> look = workbench.layer_geometry(model, "holiday/", ["features.4"], beside="random")
    >>> look.table()[["layer", "weights", "stable_dimension", "ratio", "formula"]]

    Images run one by one. Features are held up to `memory`; where all do not fit, images are run
    again, and each layer's inner products are found a block of images at a time.

    Args:
        model: network in evaluation mode, on any device.
        images: as `workbench.probe` takes them, at least two that can be read.
        layers: names or patterns of layers.
        beside: "random": the same architecture with weights after He et al., `draws` times.
        draws: number of random networks.
        gauge: "balanced": the model's channels are scaled as `models.gauge` says; random networks
            are left as drawn.
        count: number of images, the first by name; None: all.
        preprocessing: as `workbench.probe`; default: that of the model where it carries one, else
            the shorter side 256, the middle 224×224 and ImageNet's normalisation.
        output: function from a layer's output to its tensor, where that is not one tensor.
        call: index of the run of a layer that runs several times.
        seed: seed of the random weights and of the directions of widths.
        directions: number of directions of a width.
        memory: gigabytes of features that are held at most (at least those of one image).
        progress: show a bar.

    Raises:
        WorkbenchError: no such layer, a model in training mode, fewer than two images, images of
            different sizes, a gauge that the network does not have.
    """
    if any(module.training for module in model.modules()):
        raise WorkbenchError(
            "a network in evaluation mode", "a module in training mode", "call model.eval() first"
        )
    if draws < 1:
        raise WorkbenchError(
            "at least one random network", f"{draws}", 'or leave out beside="random"'
        )
    names = named_layers(model, layers)
    own = balanced(model) if gauge == "balanced" else model
    prepared = _preprocessing(model, preprocessing)
    ids, inputs, left_out = _inputs(images, prepared, count)
    networks = {GIVEN: own}
    if beside == "random":
        networks |= {f"random {i + 1}": randomised(model, seed + i) for i in range(draws)}
    flat = torch.stack([each.flatten() for each in inputs])
    first = _cloud(INPUT, GIVEN, flat.shape[1], _gram_of_rows(flat, flat), None, directions, seed)
    clouds = []
    with tqdm(total=len(networks) * len(inputs), unit="image", disable=not progress) as bar:
        for weights, network in networks.items():
            bar.set_description(weights)
            grams, sizes = _grams(network, inputs, names, output, call, memory * 2**30, bar)
            clouds.append(
                LayerCloud(INPUT, weights, first.features, first.gram, first.width,
                           first.unit_width, first.effective_rank, first.bound, first.outcome)
            )  # fmt: skip
            clouds += [
                _cloud(name, weights, sizes[name], grams[name], first, directions, seed)
                for name in names
            ]
    theory = networks.get("random 1", own)
    predictions = tuple(_predicted(theory, name, inputs, first.angles) for name in names)
    return LayerGeometry(
        type(model).__name__, ids, left_out, gauge, prepared.to_dict(), tuple(clouds), predictions
    )


def _preprocessing(model: nn.Module, given: Any) -> Preprocessing:
    if given is None and not hasattr(model, "pretrained_cfg"):
        return CENTRE
    return preprocessing_of(model, given)


def _inputs(
    images: Any, preprocessing: Preprocessing, count: int | None
) -> tuple[tuple[str, ...], list[Tensor], dict[str, str]]:
    """Ids and inputs of the images, and the reasons of those that could not be read."""
    source = image_source(images)
    ids: list[str] = []
    inputs: list[Tensor] = []
    left_out: dict[str, str] = {}
    for number, name in enumerate(source.ids):
        if count is not None and len(inputs) == count:
            break
        try:
            tensor = preprocessing.input_of(source.read(number).image)[1]
        except (UserError, OSError) as error:
            left_out[name] = str(error)
            continue
        if inputs and tensor.shape != inputs[0].shape:
            raise WorkbenchError(
                f"images of one size, {tuple(inputs[0].shape[1:])} as the first",
                f"{name} of {tuple(tensor.shape[1:])}",
                "crop them: preprocessing=Preprocessing(shorter=256, crop=(224, 224))",
            )
        ids.append(name)
        inputs.append(tensor)
    if len(inputs) < 2:
        raise WorkbenchError(
            "at least two images, for angles and widths are of pairs",
            f"{len(inputs)} of {source.title}" + f" ({len(left_out)} unreadable)" * bool(left_out),
            "give a folder with more",
        )
    return tuple(ids), inputs, left_out


def _grams(
    network: nn.Module,
    inputs: Sequence[Tensor],
    names: Sequence[str],
    select: Select | None,
    call: int | None,
    memory: float,
    bar: Any,
) -> tuple[dict[str, Float64[Tensor, "images images"]], dict[str, int]]:
    """Gram matrix and number of features of each layer; a block of images is held at a time."""
    count = len(inputs)
    with Capture(network, names, select, call) as capture, torch.inference_mode():
        sizes = {name: len(x) for name, x in _features(network, inputs[0], capture).items()}
        block = min(max(int(memory // (4 * sum(sizes.values()))), 1), count)
        bar.total += sum(count - start for start in range(block, count, block))
        grams = {name: torch.zeros(count, count, dtype=torch.float64) for name in names}
        for start in range(0, count, block):
            stop = min(start + block, count)
            held = {name: torch.empty(stop - start, sizes[name]) for name in names}
            for number in range(start, count):
                features = _features(network, inputs[number], capture)
                for name, rows in held.items():
                    if number < stop:
                        rows[number - start] = features[name]
                    else:
                        products = _gram_of_rows(rows, features[name][None])[:, 0]
                        grams[name][start:stop, number] = grams[name][number, start:stop] = products
                bar.update()
            for name, rows in held.items():
                grams[name][start:stop, start:stop] = _gram_of_rows(rows, rows)
    return grams, sizes


def _features(
    network: nn.Module, image: Tensor, capture: Capture
) -> dict[str, Float[Tensor, "features"]]:
    """Features of an image at each layer, flattened, float32 on the CPU."""
    capture.clear()
    parameter = next(network.parameters(), image)
    network(image[None].to(parameter))
    return {name: found.float().flatten().cpu() for name, found in capture.outputs.items()}


def _gram_of_rows(
    rows: Float[Tensor, "rows features"], columns: Float[Tensor, "columns features"]
) -> Float64[Tensor, "rows columns"]:
    """Inner products in float64, a block of features at a time."""
    total = torch.zeros(len(rows), len(columns), dtype=torch.float64)
    for a, b in zip(rows.split(CHUNK, 1), columns.split(CHUNK, 1), strict=True):
        total.addmm_(a.double(), b.double().T)
    return total


def _cloud(
    layer: str,
    weights: str,
    features: int,
    gram: Float64[Tensor, "images images"],
    before: LayerCloud | None,
    directions: int,
    seed: int,
) -> LayerCloud:
    norms = gram.diagonal().clamp(min=0).sqrt()
    zero = int((norms == 0).sum())
    if not bool(torch.isfinite(gram).all()):
        bad = int((~torch.isfinite(norms)).sum())
        outcome = f"NaN or infinity in the features of {bad} images: nothing is measured"
        return LayerCloud(
            layer, weights, features, gram, None, None, float("nan"), float("nan"), outcome
        )
    if zero == len(gram):
        outcome = "dead: all features are 0 for every image"
        return LayerCloud(layer, weights, features, gram, None, None, 0.0, float("nan"), outcome)
    width = _width(gram, directions, seed)
    alive = norms > 0
    units = gram[alive][:, alive] / (norms[alive][:, None] * norms[alive])
    unit_width = _width(units, directions, seed) if len(units) > 1 else None
    sentences = [f"{zero} images have no feature: their pairs have no angle"] if zero else []
    if unit_width is not None and unit_width.near_ceiling:
        sentences.append(
            f"unit width at {unit_width.ratio:.0%} of its ceiling: it measures the number of images"
        )
    bound = float("nan") if before is None else _bound(before, gram)
    centred = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    rank = float(effective_rank(torch.linalg.eigvalsh(centred)))
    return LayerCloud(
        layer, weights, features, gram, width, unit_width, rank, bound, "; ".join(sentences)
    )


def _width(gram: Float64[Tensor, "images images"], directions: int, seed: int) -> MeanWidth:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CeilingWarning)  # the table's outcome says it
        return mean_width(gram=gram, directions=directions, seed=seed)


def _bound(before: LayerCloud, gram: Float64[Tensor, "images images"]) -> float:
    """Certified upper bound L ω(input), L the largest stretch of a pair."""
    if before.width is None:
        return float("nan")
    squares_in, squares = _squared_distances(before.gram), _squared_distances(gram)
    apart = squares_in > 1e-12 * before.gram.diagonal().max()
    stretch = torch.where(apart, squares, 0.0) / torch.where(apart, squares_in, 1.0)
    return float(stretch.max().sqrt()) * before.width.value


def _squared_distances(
    gram: Float64[Tensor, "images images"],
) -> Float64[Tensor, "images images"]:
    norms = gram.diagonal()
    squares: Tensor = (norms[:, None] + norms - 2 * gram).clamp(min=0)
    return squares


def _pairs(count: int) -> tuple[Int64[np.ndarray, "pairs"], Int64[np.ndarray, "pairs"]]:
    first, second = np.triu_indices(count, 1)
    return first.astype(np.int64), second.astype(np.int64)


def _angles(gram: Float64[Tensor, "images images"]) -> Float64[np.ndarray, "pairs"]:
    first, second = _pairs(len(gram))
    norms = gram.diagonal().clamp(min=0).sqrt()
    cosines = gram[first, second] / (norms[first] * norms[second])
    angles: np.ndarray = cosines.clamp(-1, 1).acos().numpy()
    return angles


def _ratios(
    angles: Float64[np.ndarray, "pairs"], angles_in: Float64[np.ndarray, "pairs"]
) -> Float64[np.ndarray, "pairs"]:
    """Output over input angle; NaN for images that are equal."""
    apart = angles_in > 0
    return np.where(apart, angles / np.where(apart, angles_in, 1.0), np.nan)


def _quantiles(values: Float64[np.ndarray, "_"], shares: tuple[float, ...]) -> list[float]:
    known = values[np.isfinite(values)]
    return [float(np.quantile(known, each)) if len(known) else float("nan") for each in shares]


def _correlation(
    angles: Float64[np.ndarray, "pairs"], angles_in: Float64[np.ndarray, "pairs"]
) -> float:
    both = np.isfinite(angles) & np.isfinite(angles_in)
    first, second = angles[both], angles_in[both]
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _predicted(
    network: nn.Module,
    layer: str,
    inputs: Sequence[Tensor],
    angles_in: Float64[np.ndarray, "pairs"],
) -> LayerPrediction:
    try:
        chain = chain_of(network)
    except WorkbenchError as error:
        return LayerPrediction(layer, None, None, error.found)
    names = [name for name, _ in chain]
    last = max(
        (i for i, n in enumerate(names) if n == layer or n.startswith(f"{layer}.")), default=-1
    )
    before = [module for _, module in chain[: last + 1]]
    formula = _formula(before, angles_in)
    reasons = [
        f"{name} ({type(module).__name__}): {sentence.partition(': ')[2]}"
        for name, module in chain[: last + 1]
        for sentence in why_not([module])
    ]
    if reasons:
        return LayerPrediction(layer, None, formula, reasons[0])
    exact = [
        _last(predicted_angles(before, inputs[i], inputs[j]), angle) if angle == angle else np.nan
        for i, j, angle in zip(*_pairs(len(inputs)), angles_in, strict=True)
    ]
    return LayerPrediction(layer, np.array(exact), formula, "")


def _last(found: dict[str, float], otherwise: float) -> float:
    return next(reversed(found.values()), float(otherwise))


def _formula(
    modules: Sequence[nn.Module], angles_in: Float64[np.ndarray, "pairs"]
) -> Float64[np.ndarray, "pairs"] | None:
    """Formula of fully connected layers, activation by activation, poolings left out."""
    if not all(isinstance(each, (*LinearMap, *PASSED)) for each in modules):
        return None
    known = np.isfinite(angles_in)
    angles = torch.from_numpy(np.where(known, angles_in, 0.0))
    for each in modules:
        if isinstance(each, nn.ReLU | nn.LeakyReLU):
            angles = angle_after(angles, 1, float(getattr(each, "negative_slope", 0.0)))
    found: np.ndarray = np.where(known, angles.numpy(), np.nan)
    return found
