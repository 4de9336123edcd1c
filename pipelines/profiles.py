"""Profiles: how the pixel arrays of a store lie on the disk.

    local    one uncompressed file a unit and array, exactly its bytes in C order: a reader maps it
             into memory, and training is fed at the speed of the page cache.
    remote   one shard a unit and array, each item compressed by itself (zstd) with a checksum
             (crc32c), the shard's index at its end: an item is two ranged reads of an object store.

Both are zarr v3 that stock zarr reads. The table is the same in both: few chunks, zstd, crc32c.
"""

from typing import Any

from zarr.codecs import Crc32cCodec, ZstdCodec

from pipelines.chunks import LEVEL
from pipelines.schema import Field

LOCAL, REMOTE = "local", "remote"
PROFILES = (LOCAL, REMOTE)
TABLE_ROWS = 65_536
"""About so many items share a chunk of the table."""


def pixel_layout(profile: str, field: Field, unit: int) -> dict[str, Any]:
    """What `zarr.Group.create_array` needs to know about a pixel array."""
    whole = (unit, *field.shape)
    if profile == LOCAL:
        return {"chunks": whole, "compressors": None}
    return {"shards": whole, "chunks": (1, *field.shape), "compressors": _compressors()}


def table_layout(field: Field, unit: int) -> dict[str, Any]:
    """The same for an array of the table; its chunks end where units end."""
    rows = unit * max(1, TABLE_ROWS // unit)
    return {"chunks": (rows, *field.shape), "compressors": _compressors()}


def _compressors() -> list[Any]:
    return [ZstdCodec(level=LEVEL), Crc32cCodec()]
