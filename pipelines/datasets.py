"""What can be asked for, and which source answers: datasets, their products, their defaults."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pipelines import features
from pipelines.errors import PipelineError
from pipelines.plan import Plan, Planned, make_plan
from pipelines.profiles import LOCAL, PROFILES, REMOTE
from pipelines.sources import bsds, coco, coco_items
from pipelines.sources.records import Item, Listing, Value

UNITS = {"scenes": 16, "regions": 256, "features": 16}
"""Items a task, by product, unless something else is asked for."""
DEFAULT_PROFILES = {"scenes": REMOTE, "regions": LOCAL, "features": LOCAL}
"""Canvases are mostly empty and are read rarely: compressed. Regions are full and read often."""
PRODUCTS = {"bsds": ("scenes", "features"), "coco": ("regions", "scenes", "features")}
"""What each dataset can become; the first is the default."""


@dataclass(frozen=True)
class Request:
    """What a store is asked to be.

    Attributes:
        dataset: "bsds" (BSDS300 and BSDS500) or "coco".
        product: "scenes", "regions" or "features"; default: the dataset's first.
        profile: "local" or "remote"; default: by product.
        unit: items a task; default: by product.
        protocol: of BSDS, what its image folders are used for (`sources.bsds.PROTOCOLS`).
        longest: of COCO's regions, pixels of the longer side.
        size: of COCO's regions, pixels of the square frame.
        crowds: of COCO, "exclude" or "include".
        splits: of COCO, those wanted; default: all that are there.
        features: of whole scenes, in place of their pixels: a backbone and a tap, as in
            "alexnet:relu5"; the product is then "features".
        weights: of features, the backbone's file.
        enlarge: of features, the factor by which images are enlarged before.
        mirrored: of features, whether those of the mirror images are wanted as well.
    """

    dataset: str
    product: str | None = None
    profile: str | None = None
    unit: int | None = None
    protocol: str = "bsds300"
    longest: int = 200
    size: int = 227
    crowds: str = "exclude"
    splits: tuple[str, ...] = ()
    features: str | None = None
    weights: str | None = None
    enlarge: float = 2.0
    mirrored: bool = False

    def checked(self) -> "Request":
        """The request with its defaults filled in.

        Raises:
            PipelineError: it makes no sense.
        """
        _one_of("a dataset", self.dataset, PRODUCTS)
        product = self.product or ("features" if self.features else PRODUCTS[self.dataset][0])
        _one_of(f"a product of {self.dataset}", product, PRODUCTS[self.dataset])
        profile = self.profile or DEFAULT_PROFILES[product]
        _one_of("a profile", profile, PROFILES)
        _one_of("a protocol", self.protocol, bsds.PROTOCOLS)
        _one_of("crowds", self.crowds, ("exclude", "include"))
        if (product == "features") != bool(self.features and self.weights):
            raise PipelineError(
                "--features and --weights together, for the product features",
                f"product {product}, features {self.features}, weights {self.weights}",
                "give both, as in --features alexnet:relu5 --weights alexnet.safetensors",
            )
        if self.enlarge <= 0:
            raise PipelineError("a positive --enlarge", f"{self.enlarge}", "give 1 for none")
        unit = UNITS[product] if self.unit is None else self.unit
        if unit < 1:
            raise PipelineError("at least one item a unit", f"{unit}", "raise --unit")
        if not 0 < self.longest <= self.size:
            raise PipelineError(
                f"regions that fit into frames of {self.size} px",
                f"--longest {self.longest}",
                "correct --longest or --size",
            )
        return replace(self, product=product, profile=profile, unit=unit, splits=tuple(self.splits))

    @property
    def parameters(self) -> dict[str, Value]:
        """Those that the source of the dataset listens to."""
        given: dict[str, Value] = {"protocol": self.protocol}
        if self.dataset == "coco":
            given = {"crowds": self.crowds, "splits": ",".join(self.splits)}
        if self.product == "regions":
            given |= {"longest": self.longest, "size": self.size}
        if self.product == "features":
            given |= {
                "features": str(self.features),
                "weights": str(Path(str(self.weights)).resolve()),
                "enlarge": self.enlarge,
                "mirrored": self.mirrored,
            }
        return given


def prepare(request: Request, root: Path) -> Planned:
    """Search a dataset and plan its store.

    Raises:
        PipelineError: the request makes no sense, or there is no dataset there.
    """
    request = request.checked()
    assert request.product
    assert request.profile
    assert request.unit
    listing = _SOURCES[request.dataset](request, root)
    if request.product == "features":
        listing = features.of_scenes(listing, _feature_request(request.parameters))
    return make_plan(
        listing,
        dataset=request.dataset,
        product=request.product,
        parameters=request.parameters,
        profile=request.profile,
        unit=request.unit,
    )


def request_of(plan: Plan) -> Request:
    """The request that a plan answers."""
    options: dict[str, Any] = {name: value for name, value in plan.parameters if name != "splits"}
    splits = str(plan.options.get("splits", ""))
    return Request(
        plan.dataset,
        plan.product,
        plan.profile,
        plan.unit,
        splits=tuple(splits.split(",")) if splits else (),
        **options,
    )


def read_items(plan: Plan, lines: bytes) -> Iterator[Item]:
    """The items of a unit's records, one after the other, each decoded when it is its turn.

    Raises:
        PipelineError: a file is another one than when the plan was made.
        OSError: a file cannot be read at all.
    """
    scenes = plan.product == "features"
    record_type, read = _READERS[plan.dataset, "scenes" if scenes else plan.product]
    decoder = msgspec.json.Decoder(record_type)
    root, options = Path(plan.root), plan.options
    numbers = {official: number for number, (official, _) in enumerate(plan.categories)}
    for line in lines.splitlines():
        items = read(decoder.decode(line), root, options, numbers)
        if scenes:
            items = features.features(items, _feature_request(options), plan.schema)
        yield from items


def _feature_request(options: Mapping[str, Value]) -> features.FeatureRequest:
    return features.FeatureRequest(
        spec=str(options["features"]),
        weights=str(options["weights"]),
        enlarge=float(options["enlarge"]),
        mirrored=bool(options["mirrored"]),
    )


def _search_bsds(request: Request, root: Path) -> Listing:
    return bsds.discover(root, request.protocol)


def _search_coco(request: Request, root: Path) -> Listing:
    assert request.product
    return coco.discover(
        root,
        product=request.product,
        size=request.size,
        crowds=request.crowds == "include",
        splits=request.splits,
    )


_SOURCES: dict[str, Callable[[Request, Path], Listing]] = {
    "bsds": _search_bsds,
    "coco": _search_coco,
}
_READERS: dict[tuple[str, str], tuple[Any, Callable[..., Iterator[Item]]]] = {
    ("bsds", "scenes"): (bsds.SceneRecord, bsds.items),
    ("coco", "regions"): (coco.ImageRecord, coco_items.regions),
    ("coco", "scenes"): (coco.ImageRecord, coco_items.scenes),
}


def _one_of(what: str, found: str, allowed: Iterable[str]) -> None:
    if found not in allowed:
        raise PipelineError(f"{what} out of {', '.join(allowed)}", repr(found), "name one of them")
