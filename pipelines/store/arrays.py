"""Describes an array of a store and chooses its reader, which follows from the array's codecs."""

import numpy as np
import zarr
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.codec import Codec
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec
from zarr.codecs.sharding import ShardingCodecIndexLocation

from pipelines.errors import StoreError
from pipelines.store.attributes import array_of, open_group
from pipelines.store.description import ArrayDescription, ItemReader
from pipelines.store.mapped import Mapped
from pipelines.store.sharded import Sharded, fetch_from, fetch_local


def describe(path: str, name: str) -> tuple[ArrayDescription, ItemReader]:
    """An array and the reader of its items, whatever the store's profile.

    Raises:
        StoreError: no such array there, or one in a layout that is not a profile's.
    """
    array = find_array(path, name)
    filesystem, root = url_to_fs(path)
    local = isinstance(filesystem, LocalFileSystem)
    codecs = array.metadata.codecs  # type: ignore[union-attr]

    def file(chunk: int) -> str:
        key = array.metadata.encode_chunk_key((chunk, *(0,) * (array.ndim - 1)))
        return f"{root}/{name}/{key}"

    unit = (array.shards or array.chunks)[0]
    described = ArrayDescription(path, name, array.shape, np.dtype(array.dtype), unit, file)
    whole_items = array.chunks[1:] == array.shape[1:]
    if whole_items and _types(codecs) == [BytesCodec]:
        if not local:
            raise StoreError(
                f"a store of profile remote at {path}",
                "one of profile local, whose files can be mapped on this machine only",
                "copy it here, or write it again with --profile remote",
            )
        return described, Mapped(described)
    if whole_items and array.chunks[0] == 1 and _is_remote(codecs):
        return described, Sharded(described, fetch_local if local else fetch_from(filesystem))
    raise StoreError(
        f"{name} of {path} in the layout of profile local or remote",
        f"chunks of {array.chunks} with {', '.join(t.__name__ for t in _types(codecs))}",
        "write the store again: python -m pipelines run … --overwrite",
    )


def find_array(path: str, name: str) -> zarr.Array:
    """An array of a store, as zarr opens it.

    Raises:
        StoreError: no such array there.
    """
    try:
        return array_of(open_group(path), name)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"a store with the array {name} in {path}",
            f"none ({type(error).__name__}: {error})",
            "name another field, or write the store: python -m pipelines run …",
        ) from error


def _is_remote(codecs: tuple[Codec, ...]) -> bool:
    """Whether an array is sharded as the profile `remote` has it."""
    if len(codecs) != 1 or not isinstance(codecs[0], ShardingCodec):
        return False
    sharding = codecs[0]
    return (
        _types(sharding.codecs) == [BytesCodec, ZstdCodec, Crc32cCodec]
        and _types(sharding.index_codecs) == [BytesCodec, Crc32cCodec]
        and sharding.index_location == ShardingCodecIndexLocation.end
    )


def _types(codecs: tuple[Codec, ...]) -> list[type]:
    return [type(codec) for codec in codecs]
