"""Plans of stores of any source, and the items of a plan: pixels or a backbone's features."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pipelines.errors import PipelineError
from pipelines.features import FeatureRequest, features_of, list_features, place_in_frames
from pipelines.gist import NAME as GIST
from pipelines.plan import Plan, Planned, Unit, make_plan
from pipelines.profiles import LOCAL, PROFILES
from pipelines.records import Item, Record, Value
from pipelines.sources import SOURCES, Option, Source

KEYWORDS = ("product", "profile", "unit", "features", "weights", "enlarge", "mirrored")
"""The keyword arguments of `prepare` that every source knows."""


def options() -> dict[str, Option]:
    """The options of all sources by name, in the order of the sources.

    Raises:
        ValueError: two sources define one name differently.
    """
    found: dict[str, Option] = {}
    for option in (option for source in SOURCES.values() for option in source.options):
        if found.setdefault(option.name, option) != option:
            raise ValueError(
                f"one definition of the option {option.name} expected, two found; let the sources "
                "share one Option, or rename one of them"
            )
    return found


def prepare(
    dataset: str,
    root: Path,
    *,
    product: str | None = None,
    profile: str | None = None,
    unit: int | None = None,
    features: str | None = None,
    weights: str | None = None,
    enlarge: float | None = None,
    mirrored: bool = False,
    **parameters: Any,
) -> Planned:
    """Search a dataset and plan its store.

    Args:
        dataset: name of a source.
        root: the dataset's folder.
        product: one of the source's; default: its first, or the features of it with `features`.
        profile: "local" or "remote"; default: by product.
        unit: items a task; default: by product.
        features: backbone and tap, as in "alexnet:relu5", whose features replace the pixels; or
            "gist", for images of 32×32 pixels.
        weights: file of the backbone's weights, for features; none for "gist".
        enlarge: factor by which images are enlarged before, for features; default: by product.
        mirrored: whether features of the mirror images are wanted as well.
        parameters: values of the sources' options; those of other sources have no effect.

    Raises:
        PipelineError: the request makes no sense, or there is no dataset there.
    """
    source = SOURCES[_one_of("a dataset", dataset, SOURCES)]
    first = source.readers[0].product
    product = product or (first.features if features else first.name)
    seen = source.reader(_one_of(f"a product of {dataset}", product, source.products)).product
    of_features = product == seen.features
    profile = profile or (LOCAL if of_features else seen.profile)
    _one_of("a profile", profile, PROFILES)
    given = _parameters(source, seen.name, root, parameters)
    if of_features != bool(features and (weights or features == GIST)):
        raise PipelineError(
            "--features and --weights together, for a product of features",
            f"product {product}, features {features}, weights {weights}",
            "give both, as in --features alexnet:relu5 --weights alexnet.safetensors",
        )
    if of_features:
        given |= _feature_parameters(str(features), weights, enlarge, mirrored, seen.enlarge)
    unit = seen.unit if unit is None else unit
    if unit < 1:
        raise PipelineError("at least one item a unit", f"{unit}", "raise --unit")
    listing = source.discover(root, seen.name, given)
    if of_features:
        listing = list_features(listing, msgspec.convert(given, FeatureRequest))
    return make_plan(
        listing, dataset=dataset, product=product, parameters=given, profile=profile, unit=unit
    )


def prepare_again(plan: Plan, root: Path) -> Planned:
    """Search a dataset again, for a plan with the same request.

    Raises:
        PipelineError: there is no dataset there.
    """
    given: dict[str, Any] = plan.options
    return prepare(
        plan.dataset, root, product=plan.product, profile=plan.profile, unit=plan.unit, **given
    )


def read_items(plan: Plan, lines: bytes) -> Iterator[Item]:
    """The items of a unit's records, one after the other, each decoded when it is its turn.

    Raises:
        PipelineError: a file is another one than when the plan was made.
        OSError: a file cannot be read at all.
    """
    reader = SOURCES[plan.dataset].reader(plan.product)
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reader.record)
    root, given = Path(plan.root), plan.options
    numbers = {official: number for number, (official, _) in enumerate(plan.categories)}
    for line in lines.splitlines():
        items = reader.items(decoder.decode(line), root, given, numbers)
        if plan.product == reader.product.features:
            if reader.product.frame:
                items = place_in_frames(items, int(given[reader.product.frame]))
            items = features_of(items, msgspec.convert(given, FeatureRequest), plan.schema)
        yield from items


def name_item(plan: Plan, unit: Unit, lines: bytes, slot: int) -> str:
    """An item of a unit in words, for errors; `lines` are the unit's records."""
    reader = SOURCES[plan.dataset].reader(plan.product)
    position = slot - unit.start
    for line in lines.splitlines():
        record: Record = msgspec.json.decode(line, type=reader.record)
        if position < record.items:
            return f"{plan.item} {slot}, {reader.name(record.part(position, position + 1))}"
        position -= record.items
    return f"the end of unit {unit.index}"


def _feature_parameters(
    features: str, weights: str | None, enlarge: float | None, mirrored: bool, usual: float
) -> dict[str, Value]:
    """The parameters of a `FeatureRequest`; `usual` is the product's enlargement."""
    if features == GIST:
        if weights or enlarge not in (None, 1):
            raise PipelineError(
                "gist without --weights, of images as they are",
                f"weights {weights}, enlarge {enlarge}",
                "leave --weights and --enlarge out",
            )
        return {"features": GIST, "weights": "", "enlarge": 1.0, "mirrored": mirrored}
    enlarge = usual if enlarge is None else enlarge
    if enlarge <= 0:
        raise PipelineError("a positive --enlarge", f"{enlarge}", "give 1 for none")
    path = str(Path(str(weights)).resolve())
    return {"features": features, "weights": path, "enlarge": enlarge, "mirrored": mirrored}


def _parameters(
    source: Source, product: str, root: Path, given: dict[str, Any]
) -> dict[str, Value]:
    """The source's parameters for a product, with defaults filled in."""
    if unknown := set(given) - set(options()):
        raise PipelineError(
            f"options out of {', '.join([*KEYWORDS, *options()])}",
            ", ".join(sorted(unknown)),
            "correct the name",
        )
    values = {
        option.name: option.value(given.get(option.name))
        for option in source.options
        if not option.products or product in option.products
    }
    places = [option.name for option in source.options if option.place]
    return values | {name: _inside(root, str(values[name])) for name in places if values[name]}


def _inside(root: Path, path: str) -> str:
    """A path relative to the dataset's folder, there or else from the working directory."""
    found = root / path
    place = found if found.exists() else Path(path)
    return os.path.relpath(os.path.realpath(place), os.path.realpath(root))


def _one_of(what: str, found: str, allowed: Iterable[str]) -> str:
    if found not in allowed:
        raise PipelineError(f"{what} out of {', '.join(allowed)}", repr(found), "name one of them")
    return found
