"""Parts of the regions under a configuration: to train on, to measure the error on, to test on."""

from workbench.data import RegionParts, Regions, region_parts
from workbench.errors import WorkbenchError
from workbench.training.regions.config import RegionConfig


def parts_of(config: RegionConfig) -> RegionParts:
    """Regions of a configuration's store, split and limited as it says; masks if it needs them.

    Raises:
        PipelineError: there is no finished store of regions.
        WorkbenchError: the store has other categories than the network, or too few images.
    """
    return split_as(config, ("image", "mask") if config.architecture.masked else ("image",))


def split_as(config: RegionConfig, fields: tuple[str, ...]) -> RegionParts:
    """Parts as in `parts_of`, with the given fields, see `Regions.open`."""
    regions = Regions.open(config.store, fields=fields)
    if len(regions.names) != config.architecture.classes:
        raise WorkbenchError(
            f"{config.architecture.classes} categories in {config.store}, as the network has",
            f"{len(regions.names)}",
            "set the architecture's classes to theirs, or name another store",
        )
    return region_parts(regions, config.protocol, config.holdout).limited(config.limit)
