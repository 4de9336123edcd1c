"""Measured geometries beside each other: results on the same images, with their layers matched."""

from collections.abc import Sequence

import numpy as np

from workbench.errors import WorkbenchError
from workbench.probe.geometry.result import LayerGeometry

_SAME = "measure both on the same folder, with the same count and preprocessing"


def check_same_images(looks: Sequence[LayerGeometry]) -> None:
    """Refuse results on different images: their pairs could not be compared.

    Raises:
        WorkbenchError: ids differ, or the photographs of the same ids and preprocessing.
    """
    first = looks[0]
    for other in looks[1:]:
        lacking = [name for name in first.images if name not in other.images]
        more = [name for name in other.images if name not in first.images]
        if lacking or more:
            found = [f"{len(lacking)} only in the first ({_some(lacking)})"] * bool(lacking)
            found += [f"{len(more)} only in the other ({_some(more)})"] * bool(more)
            raise WorkbenchError("results on the same images", " and ".join(found), _SAME)
        if other.images != first.images:
            raise WorkbenchError("results on the same images", "another order of them", _SAME)
        if other.preprocessing == first.preprocessing and (moved := _moved(first, other)):
            raise WorkbenchError(
                "results on the same images", f"other photographs named {_some(moved)}", _SAME
            )


def matched_layers(looks: Sequence[LayerGeometry]) -> list[tuple[str, ...]]:
    """Layers of the results that belong together, one of each, in the order of the first.

    Layers of the same name; where no name is in all results, layers of the same position.
    """
    common = [each for each in looks[0].layers if all(each in look.layers for look in looks)]
    if common:
        return [(each,) * len(looks) for each in common]
    return list(zip(*(look.layers for look in looks), strict=False))


def _moved(first: LayerGeometry, other: LayerGeometry) -> list[str]:
    pairs = zip(first.images, first.thumbnails, other.thumbnails, strict=True)
    return [name for name, one, another in pairs if not np.array_equal(one, another)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", …" * (len(names) > 3)
