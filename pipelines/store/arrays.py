"""Opens an array of a store for reading by item: the reader follows from the array's codecs."""

from typing import Any

import numpy as np
import zarr
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.codec import Codec
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec
from zarr.codecs.sharding import ShardingCodecIndexLocation

from pipelines.errors import StoreError
from pipelines.schema import digest_name
from pipelines.store.attributes import Place, array_of, open_group
from pipelines.store.items import ItemArray
from pipelines.store.mapped import Mapped
from pipelines.store.sharded import Sharded, fetch_from, fetch_local


def open_items(path: Place, name: str, digests: np.ndarray | None = None) -> ItemArray:
    """The items of one array of a store, by slot, whatever the store's profile.

    Args:
        path: the store's folder, or its URL for fsspec (profile `remote` only).
        name: of an array with a digest an item: `image`, `mask`, `label`, `feature`.
        digests: of the items, where the store's table does not have them yet.

    Raises:
        StoreError: no such array there, or one in a layout that is not a profile's.
    """
    path = str(path)
    array = _array(path, name)
    if digests is None:
        digests = np.asarray(_array(path, digest_name(name))[:])
    filesystem, root = url_to_fs(path)
    local = isinstance(filesystem, LocalFileSystem)
    codecs = array.metadata.codecs  # type: ignore[union-attr]

    def file(chunk: int) -> str:
        key = array.metadata.encode_chunk_key((chunk, *(0,) * (array.ndim - 1)))
        return f"{root}/{name}/{key}"

    common: dict[str, Any] = {
        "path": path,
        "name": name,
        "shape": array.shape,
        "dtype": np.dtype(array.dtype),
        "digests": digests,
        "file": file,
    }
    whole_items = array.chunks[1:] == array.shape[1:]
    if whole_items and _types(codecs) == [BytesCodec]:
        if not local:
            raise StoreError(
                f"a store of profile remote at {path}",
                "one of profile local, whose files can be mapped on this machine only",
                "copy it here, or write it again with --profile remote",
            )
        return Mapped(**common, unit=array.chunks[0])
    if whole_items and array.chunks[0] == 1 and _is_remote(codecs):
        assert array.shards is not None
        fetch = fetch_local if local else fetch_from(filesystem)
        return Sharded(**common, unit=array.shards[0], fetch=fetch)
    raise StoreError(
        f"{name} of {path} in the layout of profile local or remote",
        f"chunks of {array.chunks} with {', '.join(t.__name__ for t in _types(codecs))}",
        "write the store again: python -m pipelines run … --overwrite",
    )


def valid_slots(path: Place) -> np.ndarray:
    """Slots of the items that are not quarantined, int64, ascending: the rows of `open_store`.

    Raises:
        StoreError: no store there.
    """
    return np.flatnonzero(np.asarray(_array(str(path), "valid")[:]))


def _array(path: str, name: str) -> zarr.Array:
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
