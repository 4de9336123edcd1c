"""Profiles: how the pixel arrays of a store lie on the disk.

    local    one uncompressed file a unit and array, exactly its bytes in C order: a reader maps it
             into memory, and training is fed at the speed of the page cache.
    remote   one shard a unit and array, each item compressed by itself (zstd) with a checksum
             (crc32c), the shard's index at its end: an item is two ranged reads of an object store.

Both are zarr v3 that stock zarr reads. The table is the same in both: few chunks, zstd, crc32c.
`pipelines.store.layout` translates a profile into zarr's terms.
"""

LOCAL, REMOTE = "local", "remote"
PROFILES = (LOCAL, REMOTE)
TABLE_ROWS = 65_536
"""Number of items that share a chunk of the table, about."""
