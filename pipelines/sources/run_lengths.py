"""Run lengths, COCO's form of a mask: down the columns, from the left, zeros and ones in turn.

pycocotools decodes whole images, byte by byte, which takes as long as decoding the JPEG. Here the
columns of a region are cut out of the run lengths first, and painted run by run.
"""

import numpy as np


def decode(runs: dict, left: int, right: int) -> np.ndarray:
    """Some columns of a mask.

    Args:
        runs: `size` (height, width) and `counts`, as pycocotools compresses them or as a list.
        left, right: the columns from `left` on, before `right`.

    Returns:
        (height, right - left) uint8, 1 inside.

    Raises:
        ValueError: the run lengths are not those of a mask of that size.
    """
    height, width = runs["size"]
    counts = runs["counts"]
    lengths = np.asarray(counts, np.int64) if isinstance(counts, list) else uncompressed(counts)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"run lengths of {lengths.sum()} pixels for {width}×{height}")
    ends = np.clip(np.cumsum(lengths), left * height, right * height)
    values = (np.arange(len(ends)) & 1).astype(np.uint8)
    columns = np.repeat(values, np.diff(ends, prepend=left * height))
    return columns.reshape(right - left, height).T


def uncompressed(counts: bytes | str) -> np.ndarray:
    """The run lengths in pycocotools' compressed text, int64.

    A number is written five bits a character, the lowest first, with a sixth bit where more
    follow, as a character from "0" on; it is signed. From the fourth number on it is what the run
    is longer than the one two before.

    Raises:
        ValueError: the text ends within a number, or has other characters.
    """
    text = counts.encode("ascii") if isinstance(counts, str) else counts
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError("compressed run lengths that end or begin nowhere")
    ends = np.flatnonzero((codes & 32) == 0) + 1
    starts = np.concatenate([[0], ends[:-1]])
    digits = ends - starts
    places = 5 * (np.arange(len(codes)) - np.repeat(starts, digits))
    numbers = np.add.reduceat((codes & 31) << places, starts)
    negative = (codes[ends - 1] & 16) != 0
    numbers[negative] -= 1 << (5 * digits[negative])
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
