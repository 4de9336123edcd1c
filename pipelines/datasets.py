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

UNITS = {"scenes": 16, "regions": 256, "features": 16, "region-features": 256}
"""Items a task, by product, unless something else is asked for."""
DEFAULT_PROFILES = {
    "scenes": REMOTE,
    "regions": LOCAL,
    "features": LOCAL,
    "region-features": LOCAL,
}
"""Canvases are mostly empty and are read rarely: compressed. Regions are full and read often."""
PRODUCTS = {
    "bsds": ("scenes", "features"),
    "coco": ("regions", "region-features", "scenes", "features"),
}
"""What each dataset can become; the first is the default, or the second with features."""
SEEN = {"features": "scenes", "region-features": "regions"}
"""What the backbone sees, by the product that keeps its features."""
ENLARGE = {"features": 2.0, "region-features": 1.0}
"""How much images are enlarged before the backbone unless something else is asked for."""


@dataclass(frozen=True)
class Request:
    """What a store is asked to be.

    Attributes:
        dataset: "bsds" (BSDS300 and BSDS500) or "coco".
        product: "scenes", "regions", or what a backbone makes of them: "features" or
            "region-features"; default: the dataset's first, or the second with `features`.
        profile: "local" or "remote"; default: by product.
        unit: items a task; default: by product.
        protocol: of BSDS, what its image folders are used for (`sources.bsds.PROTOCOLS`).
        longest: of COCO's regions, pixels of the longer side.
        size: of COCO's regions, pixels of the square frame.
        crowds: of COCO, "exclude" or "include".
        splits: of COCO, those wanted; default: all that are there.
        features: in place of pixels: a backbone and a tap, as in "alexnet:relu5".
        weights: of features, the backbone's file.
        enlarge: of features, the factor by which images are enlarged before; default: `ENLARGE`.
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
    enlarge: float | None = None
    mirrored: bool = False

    def checked(self) -> "Request":
        """The request with its defaults filled in.

        Raises:
            PipelineError: it makes no sense.
        """
        _one_of("a dataset", self.dataset, PRODUCTS)
        product = self.product or PRODUCTS[self.dataset][1 if self.features else 0]
        _one_of(f"a product of {self.dataset}", product, PRODUCTS[self.dataset])
        profile = self.profile or DEFAULT_PROFILES[product]
        _one_of("a profile", profile, PROFILES)
        _one_of("a protocol", self.protocol, bsds.PROTOCOLS)
        _one_of("crowds", self.crowds, ("exclude", "include"))
        if (product in SEEN) != bool(self.features and self.weights):
            raise PipelineError(
                "--features and --weights together, for a product of features",
                f"product {product}, features {self.features}, weights {self.weights}",
                "give both, as in --features alexnet:relu5 --weights alexnet.safetensors",
            )
        enlarge = ENLARGE.get(product) if self.enlarge is None else self.enlarge
        if enlarge is not None and enlarge <= 0:
            raise PipelineError("a positive --enlarge", f"{enlarge}", "give 1 for none")
        unit = UNITS[product] if self.unit is None else self.unit
        if unit < 1:
            raise PipelineError("at least one item a unit", f"{unit}", "raise --unit")
        if not 0 < self.longest <= self.size:
            raise PipelineError(
                f"regions that fit into frames of {self.size} px",
                f"--longest {self.longest}",
                "correct --longest or --size",
            )
        return replace(
            self,
            product=product,
            profile=profile,
            unit=unit,
            splits=tuple(self.splits),
            enlarge=enlarge,
        )

    @property
    def parameters(self) -> dict[str, Value]:
        """Those that the source of the dataset listens to."""
        given: dict[str, Value] = {"protocol": self.protocol}
        if self.dataset == "coco":
            given = {"crowds": self.crowds, "splits": ",".join(self.splits)}
        if SEEN.get(str(self.product), self.product) == "regions":
            given |= {"longest": self.longest, "size": self.size}
        if self.product in SEEN:
            assert self.enlarge
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
    elif request.product == "region-features":
        listing = features.of_regions(listing, _feature_request(request.parameters), request.size)
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
    product = SEEN.get(plan.product, plan.product)
    record_type, read = _READERS[plan.dataset, product]
    decoder = msgspec.json.Decoder(record_type)
    root, options = Path(plan.root), plan.options
    numbers = {official: number for number, (official, _) in enumerate(plan.categories)}
    for line in lines.splitlines():
        items = read(decoder.decode(line), root, options, numbers)
        if product == "regions" and product != plan.product:
            items = features.framed(items, int(options["size"]))
        if product != plan.product:
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
        product=SEEN.get(request.product, request.product),
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
