"""Distance ratios of triplets: how a network moves images of one class and of different classes.

A triplet is an anchor u, an image u₊ of its class and an image u₋ of another one. At a layer v the
intra ratio is ‖v₊ − v‖ / ‖u₊ − u‖, the inter ratio ‖v₋ − v‖ / ‖u₋ − u‖; distances at the input are
those of the network's own, standardised input. Kinds of triplets:

    random      u₊ and u₋ at random
    boundary    u₊ the farthest image of the class, u₋ the closest image of another class
    control     u₊ the closest image of the class, u₋ the farthest image of another class

Weights have an arbitrary scale, which grows in training: ratios are divided by the median of all
ratios, intra and inter, of random triplets of the same network and layer. Networks tend to shrink
far pairs and to stretch close ones whatever their class, so boundary triplets are to be read beside
the control: the quotients at equal rank (`at_equal_rank`) are what belongs to the class.

Intervals are percentile bootstraps over anchors. Many anchors share a farthest or a closest image
(hubs), which the bootstrap does not see: intervals of boundary and control are too narrow.

Source: Giryes, Sapiro and Bronstein, "Deep Neural Networks with Random Gaussian Weights: A
Universal Classification Strategy?", IEEE Transactions on Signal Processing 2016, arXiv 1504.08291.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int64, Num
from scipy.stats import rankdata
from torch import Tensor, nn

from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.evaluation.statistics import LEVEL
from workbench.probe.capture import Capture, named_layers
from workbench.probe.geometry.live import undisturbed

Kind = Literal["random", "boundary", "control"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Prepare = Callable[[Tensor], Tensor]
"""Function from pixels (batch, 3, y, x) uint8 to the network's input."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
RESAMPLES = 2000
_ANCHORS = 64
"""Anchors whose triplets go through the network at once."""
_ROWS = 50
"""Anchors whose distances to all images are in memory at once."""


@dataclass(frozen=True, eq=False)
class Triplets:
    """Triplets of images by their positions, the same for every network.

    Attributes:
        kind: kind of the triplets.
        anchors: positions of the anchors.
        inside: positions of an image of each anchor's class.
        outside: positions of an image of another class.
        distances: (triplet, 2) input distances to `inside` and `outside`.
    """

    kind: Kind
    anchors: Int64[np.ndarray, "triplets"]
    inside: Int64[np.ndarray, "triplets"]
    outside: Int64[np.ndarray, "triplets"]
    distances: Float64[np.ndarray, "triplets 2"]

    def __len__(self) -> int:
        return len(self.anchors)

    @property
    def distinct(self) -> tuple[int, int]:
        """Number of different images in `inside` and in `outside`: few where there are hubs."""
        return len(np.unique(self.inside)), len(np.unique(self.outside))


@dataclass(frozen=True, eq=False)
class Ratios:
    """Distance ratios of triplets at the layers of one network.

    Attributes:
        kind: kind of the triplets.
        intra, inter: ratio of each triplet (row) at each layer (column), divided by `unit`.
        unit: median of the ratios of random triplets, intra and inter together, by layer.
    """

    kind: Kind
    intra: pd.DataFrame
    inter: pd.DataFrame
    unit: pd.Series

    @property
    def auc(self) -> pd.Series:
        """P(inter ratio > intra ratio) by layer; .5: the network treats the two alike."""
        return pd.Series({tap: auc(self.intra[tap], self.inter[tap]) for tap in self.intra})

    @property
    def delta(self) -> pd.Series:
        """Cliff's delta of inter over intra ratios by layer, 2 AUC − 1."""
        return 2 * self.auc - 1

    def quantiles(self) -> pd.DataFrame:
        """Quantiles of `QUANTILES`, a row a layer and side: intra or inter."""
        sides = {"intra": self.intra, "inter": self.inter}
        parts = {side: values.quantile(list(QUANTILES)).T for side, values in sides.items()}
        return pd.concat(parts, names=["side", "tap"]).swaplevel()

    def _repr_html_(self) -> str:
        return f"<p>{self.kind} triplets</p>{self.quantiles().round(2).to_html()}"


def ratios(
    network: nn.Module,
    images: Images,
    kind: Kind = "random",
    taps: str | Sequence[str] = ("block1", "block2", "block3", "logits"),
    *,
    anchors: int = 1000,
    seed: int = 0,
    prepare: Prepare | None = None,
) -> Ratios:
    """Distance ratios of one kind of triplets among images.

    Args:
        network: any module from images to something; measured in evaluation mode.
        images: images to choose anchors and their partners from.
        kind: kind of the triplets.
        taps: names of layers or patterns.
        anchors: number of anchors, chosen at random.
        seed: seed of the random choices.
        prepare: function from pixels to the network's input; default: the network's own `prepare`
            if it has one, otherwise division by 255.

    Raises:
        WorkbenchError: fewer images than anchors, a class of one image, or no such layer.
    """
    prepare = prepare or getattr(network, "prepare", None) or _unit_range
    inputs = prepare(images.pixels())
    kinds: tuple[Kind, ...] = ("random",) if kind == "random" else ("random", kind)
    chosen = choose(inputs, images.labels, kinds, anchors=anchors, seed=seed)
    return measure(network, inputs, chosen, taps)[kind]


def choose(
    inputs: Float[Tensor, "images *shape"],
    labels: Int64[Tensor, "images"],
    kinds: Sequence[Kind] = KINDS,
    *,
    anchors: int = 1000,
    seed: int = 0,
) -> list[Triplets]:
    """Choose triplets of several kinds with the same anchors.

    Distances are sums of squared differences, not differences of inner products, which lose close
    pairs in float32. Copies of an anchor (distance 0) are no partners.

    Args:
        inputs: inputs of the network, among which anchors and partners are chosen.
        labels: their classes.
        kinds: kinds of the triplets.
        anchors: number of anchors, chosen at random; equal seeds choose equal ones.
        seed: seed of the random choices.

    Raises:
        WorkbenchError: fewer images than anchors, no anchor, or an anchor without an image of its
            class or of another one that differs from it.
    """
    if not 1 <= anchors <= len(inputs):
        raise WorkbenchError(f"1 to {len(inputs)} anchors", f"{anchors}", "lower --anchors")
    rng = np.random.default_rng(seed)
    rows, known = inputs.flatten(1), labels.numpy()
    chosen = np.sort(rng.choice(len(rows), anchors, replace=False))
    found: dict[Kind, list[tuple[int, int]]] = {kind: [] for kind in kinds}
    for part in np.array_split(chosen, -(-anchors // _ROWS)):
        away = torch.cdist(rows[part], rows, compute_mode="donot_use_mm_for_euclid_dist").numpy()
        for anchor, far in zip(part, away, strict=True):
            own = known == known[anchor]
            inside, outside = (np.flatnonzero(each & (far > 0)) for each in (own, ~own))
            if not len(inside) or not len(outside):
                raise WorkbenchError(
                    "two different images of each class, and two classes",
                    f"an image of class {known[anchor]} without a partner",
                    "give more images",
                )
            random = int(rng.choice(inside)), int(rng.choice(outside))
            ranked = {
                "random": random,
                "boundary": (_at(far, inside, np.argmax), _at(far, outside, np.argmin)),
                "control": (_at(far, inside, np.argmin), _at(far, outside, np.argmax)),
            }
            for kind in kinds:
                found[kind].append(ranked[kind])
    return [_triplets(kind, rows, chosen, np.array(pairs)) for kind, pairs in found.items()]


def measure(
    network: nn.Module,
    inputs: Float[Tensor, "images *shape"],
    chosen: Sequence[Triplets],
    taps: str | Sequence[str],
) -> dict[Kind, Ratios]:
    """Distance ratios of chosen triplets at layers of a network, by kind.

    Args:
        network: any module; measured in evaluation mode, on its device.
        inputs: inputs from which the triplets were chosen.
        chosen: triplets of several kinds with the same anchors; random ones among them.
        taps: names of layers or patterns.

    Raises:
        WorkbenchError: no random triplets, no such layer, or one whose output is no tensor.
    """
    if "random" not in {each.kind for each in chosen}:
        raise WorkbenchError(
            "random triplets, whose median ratio is the unit", "none", 'add the kind "random"'
        )
    names = named_layers(network, taps)
    device = next(network.parameters(), torch.empty(0)).device
    places = np.stack([chosen[0].anchors, *(p for each in chosen for p in _partners(each))])
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    with undisturbed(network, device), Capture(network, names) as capture:
        for start in range(0, places.shape[1], _ANCHORS):
            part = places[:, start : start + _ANCHORS]
            capture.clear()
            network(inputs[torch.from_numpy(part.ravel())].to(device))
            for name, output in capture.outputs.items():
                maps = output.double().reshape(*part.shape, -1)
                parts[name].append((maps[1:] - maps[:1]).norm(dim=2).T.cpu().numpy())
    away = np.stack([np.concatenate(each) for each in parts.values()], axis=2)
    raw = away / np.concatenate([each.distances for each in chosen], axis=1)[:, :, None]
    pairs = {each.kind: raw[:, 2 * i : 2 * i + 2] for i, each in enumerate(chosen)}
    unit = np.median(pairs["random"].reshape(-1, len(names)), axis=0)
    if not (unit > 0).all():
        dead = ", ".join(name for name, each in zip(names, unit, strict=True) if not each > 0)
        raise WorkbenchError(
            "layers that tell images apart", f"the same output for most at {dead}", "leave it out"
        )
    return {kind: _ratios(kind, each / unit, names, unit) for kind, each in pairs.items()}


def auc(lower: Num[np.ndarray, "_"] | pd.Series, higher: Num[np.ndarray, "_"] | pd.Series) -> float:
    """P(higher > lower) over all pairs of values; equal ones count half."""
    ranks = rankdata(np.concatenate([lower, higher]))[len(lower) :]
    return float((ranks.mean() - (len(higher) + 1) / 2) / len(lower))


def effects(before: Mapping[Kind, Ratios], after: Mapping[Kind, Ratios]) -> pd.DataFrame:
    """Effect sizes of a training on the ratios of triplets.

    Args:
        before, after: ratios of the same triplets by two networks.

    Returns:
        A row a layer, kind and side, with the difference of medians `shift`, after − before, the
        ends `low` and `high` of its 95 % interval (of the bootstrap over anchors), and Cliff's
        `delta`, P(after > before) − P(after < before).
    """
    rows = []
    for kind, found in after.items():
        for side in ("intra", "inter"):
            new, old = getattr(found, side), getattr(before[kind], side)
            for tap in new:
                drawn = _medians(new[tap]) - _medians(old[tap])
                shift = float(new[tap].median() - old[tap].median())
                low, high = _ends(drawn)
                delta = 2 * auc(old[tap], new[tap]) - 1
                rows.append((tap, kind, side, shift, low, high, delta))
    columns = ["tap", "kind", "side", "shift", "low", "high", "delta"]
    return pd.DataFrame(rows, columns=columns).set_index(["tap", "kind", "side"])


def at_equal_rank(found: Mapping[Kind, Ratios]) -> pd.DataFrame:
    """Quotients of median ratios of images of other classes and of the class, at equal rank.

    Args:
        found: ratios of boundary and control triplets.

    Returns:
        A row a layer and rank, with the `quotient` and the ends `low` and `high` of its 95 %
        interval. Rank `closest`: the closest image of another class over the closest of the class;
        `farthest`: the farthest of another class over the farthest of the class. At 1 the network
        treats pairs as close or as far apart alike, whatever their class; above 1 it separates
        classes.
    """
    boundary, control = found["boundary"], found["control"]
    ranks = {
        "closest": (boundary.inter, control.intra),
        "farthest": (control.inter, boundary.intra),
    }
    rows = []
    for rank, (outside, inside) in ranks.items():
        for tap in outside:
            drawn = _medians(outside[tap]) / _medians(inside[tap])
            quotient = float(outside[tap].median() / inside[tap].median())
            rows.append((tap, rank, quotient, *_ends(drawn)))
    columns = ["tap", "rank", "quotient", "low", "high"]
    return pd.DataFrame(rows, columns=columns).set_index(["tap", "rank"])


def _at(
    far: Float[np.ndarray, "images"],
    among: Int64[np.ndarray, "some"],
    extreme: Callable[[np.ndarray], np.integer],
) -> int:
    return int(among[extreme(far[among])])


def _triplets(
    kind: Kind,
    rows: Float[Tensor, "images entries"],
    anchors: Int64[np.ndarray, "triplets"],
    pairs: Int64[np.ndarray, "triplets 2"],
) -> Triplets:
    """Triplets with their distances in float64."""
    own = rows[torch.from_numpy(anchors)].double()
    away = [(rows[torch.from_numpy(each)].double() - own).norm(dim=1) for each in pairs.T]
    return Triplets(kind, anchors, pairs[:, 0], pairs[:, 1], torch.stack(away, 1).numpy())


def _partners(each: Triplets) -> tuple[np.ndarray, np.ndarray]:
    return each.inside, each.outside


def _ratios(
    kind: Kind,
    values: Float64[np.ndarray, "triplets 2 taps"],
    names: Sequence[str],
    unit: Float64[np.ndarray, "taps"],
) -> Ratios:
    intra, inter = (pd.DataFrame(values[:, side], columns=list(names)) for side in (0, 1))
    return Ratios(kind, intra, inter, pd.Series(unit, list(names)))


def _medians(values: pd.Series) -> Float64[np.ndarray, "resamples"]:
    """Medians of the bootstrap over anchors, which draws the same anchors every time."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return np.asarray(np.median(values.to_numpy()[draws], axis=1))


def _ends(drawn: Float64[np.ndarray, "resamples"]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _unit_range(pixels: Tensor) -> Tensor:
    return pixels.float() / 255
