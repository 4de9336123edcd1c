"""`Source`: description of a dataset for the pipelines, and its parts.

A module of this package describes a dataset by one `Source`; `pipelines.sources.SOURCES` lists
them. Planning, reading, resuming and the command line follow from the description.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines import images
from pipelines.errors import PipelineError
from pipelines.profiles import LOCAL, REMOTE
from pipelines.records import Item, Listing, RawFile, Value

Parameters = Mapping[str, Value]
"""The values of a source's options by name, as a plan keeps them."""


@dataclass(frozen=True)
class Option:
    """A parameter of a source, for plans, keyword arguments and the command line.

    Attributes:
        name: the keyword and the name in plans.
        default: value where none is given; its type is the parameter's.
        help: text of the command line's help.
        choices: the allowed values; empty: all of the type.
        products: names of the products that depend on it; empty: all of the source's.
        repeated: several values may be given; a plan keeps them joined by commas.
        flag: the name on the command line; default: `--` and the name.
        place: "file" or "folder": the value is a path, which a plan keeps relative to the
            dataset's folder. A folder may stand for the dataset's, where none is named.
    """

    name: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    repeated: bool = False
    flag: str = ""
    place: str = ""

    def value(self, given: Value | Path | tuple[str, ...] | list[str] | None) -> Value:
        """The value for a plan: the given one, or the default in place of None.

        Raises:
            PipelineError: the value is not one of the choices.
        """
        if given is None:
            return self.default
        found = ",".join(given) if isinstance(given, tuple | list) else given
        found = str(found) if isinstance(found, Path) else found
        if self.choices and found not in self.choices:
            raise PipelineError(
                f"{self.name} out of {', '.join(self.choices)}", repr(found), "name one of them"
            )
        return found


PIXEL_LIMIT = Option(
    "most_pixels",
    images.LARGEST_PHOTO,
    "Pixels of an image by its header, as bsds, coco and images have it; larger ones are "
    "quarantined.",
)
"""An option that sources of images of any size share."""


def most_pixels(parameters: Parameters) -> int:
    """The value of `PIXEL_LIMIT`, or its default in plans that are older than it.

    Raises:
        PipelineError: Pillow decodes no image of so many pixels.
    """
    most = int(parameters.get(PIXEL_LIMIT.name, PIXEL_LIMIT.default))
    if not 0 < most <= images.MOST_PIXELS:
        raise PipelineError(
            f"--most-pixels from 1 to {images.MOST_PIXELS}", f"{most}", "correct it"
        )
    return most


@dataclass(frozen=True)
class Product:
    """A kind of items that a store may hold, whatever the dataset.

    Attributes:
        name: on the command line.
        help: text of the command line's help.
        unit: default number of items a task.
        profile: default profile.
        features: name of the product that keeps a backbone's features of these items; empty: none.
        enlarge: default factor by which images are enlarged before the backbone.
        frame: name of the option with the side of the square frame in which an item is placed, in
            pixels; empty: items lie at the origin of their slots.
    """

    name: str
    help: str
    unit: int
    profile: str
    features: str = ""
    enlarge: float = 1.0
    frame: str = ""


SCENES = Product(
    name="scenes",
    help="whole images, with label maps where the dataset has them",
    unit=16,
    profile=REMOTE,  # canvases are mostly empty and are read rarely: compressed
    features="features",
    enlarge=2.0,
)
REGIONS = Product(
    name="regions",
    help="objects in frames, with their masks",
    unit=256,
    profile=LOCAL,  # frames are full and are read often
    features="region-features",
    frame="size",
)


IMAGES = Product(
    name="images",
    help="small images of one size, each of one category",
    unit=1000,
    profile=LOCAL,  # images fill their slots and are read often
    features="image-features",
    enlarge=7.0,  # 32 px to 224, the side that backbones were trained on
)


def _name_of_file(record: Any) -> str:
    file = getattr(record, "image", None) or getattr(record, "file", None)
    return file.path if isinstance(file, RawFile) else str(record)


@dataclass(frozen=True)
class Reader:
    """Reading of a product's items.

    Attributes:
        product: the product.
        record: type of the records, for msgspec.
        items: (record, dataset's folder, parameters, contiguous category numbers by official id) →
            the record's items, each decoded when it is its turn.
        name: a record of one item in words, for errors; default: its image file.
    """

    product: Product
    record: type
    items: Callable[[Any, Path, Parameters, Mapping[int, int]], Iterator[Item]]
    name: Callable[[Any], str] = field(default=_name_of_file)


@dataclass(frozen=True)
class Source:
    """A dataset: where it lies, what can be made of it, and how it is read.

    Attributes:
        name: on the command line.
        title: the dataset's name in words.
        folder: folder of the dataset below WORKBENCH_DATA, where `download` puts it; empty: it has
            no place there, and its folder must be named.
        readers: one for each product; the first one is that of the default product.
        discover: (folder, name of the product, parameters) → the listing of what is there. Raises
            PipelineError where there is no dataset or the parameters do not fit together.
        options: the source's own parameters.
    """

    name: str
    title: str
    folder: str
    readers: tuple[Reader, ...]
    discover: Callable[[Path, str, Parameters], Listing]
    options: tuple[Option, ...] = ()

    @property
    def products(self) -> dict[str, Product]:
        """The products by name, those of features included, each after that of its pixels."""
        found: dict[str, Product] = {}
        for product in (reader.product for reader in self.readers):
            found[product.name] = product
            if product.features:
                found[product.features] = product
        return found

    def reader(self, product: str) -> Reader:
        """The reader of a product's pixels; that of the images for a product of features."""
        return next(r for r in self.readers if product in (r.product.name, r.product.features))
