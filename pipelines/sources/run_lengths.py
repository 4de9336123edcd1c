"""Run lengths, COCO's form of a mask: down the columns, from the left, zeros and ones in turn.

pycocotools decodes whole images, byte by byte, which takes as long as decoding the JPEG. Here the
columns of a region are cut out of the run lengths first, and painted run by run.
"""

import numpy as np

MOST_DIGITS = 12
"""Characters of a number in pycocotools' text, five bits each."""


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
    return paint(lengths_of(runs), runs["size"][0], left, right)


def lengths_of(runs: dict) -> np.ndarray:
    """The run lengths of a mask, int64, zeros and ones in turn; arguments as `decode` has them."""
    height, width = runs["size"]
    counts = runs["counts"]
    lengths = _whole(counts) if isinstance(counts, list) else uncompressed(counts)
    pixels = height * width
    # One by one first: a sum of numbers that are too large may overflow to the right one.
    fits = not len(lengths) or (lengths.min() >= 0 and lengths.max() <= pixels)
    if not fits or lengths.sum() != pixels:
        found = f"{lengths.sum()} pixels" if fits else f"from {lengths.min()} to {lengths.max()}"
        raise ValueError(f"run lengths of {found} for {width}×{height}")
    return lengths


def paint(lengths: np.ndarray, height: int, left: int, right: int) -> np.ndarray:
    """The columns of a mask from `left` on, before `right`: (height, right - left) uint8."""
    ends = np.clip(np.cumsum(lengths), left * height, right * height)
    values = (np.arange(len(ends)) & 1).astype(np.uint8)
    columns = np.repeat(values, np.diff(ends, prepend=left * height))
    return columns.reshape(right - left, height).T


def area(lengths: np.ndarray) -> int:
    """Pixels inside."""
    return int(lengths[1::2].sum())


def of_box(box: tuple[int, int, int, int], height: int, width: int) -> np.ndarray:
    """Run lengths of a box inside a mask: first column and row, those after the last ones."""
    left, top, right, bottom = box
    lengths = np.tile([height - (bottom - top), bottom - top], right - left)
    lengths[0] = left * height + top
    return np.append(lengths, (width - right) * height + height - bottom)


def bounds(lengths: np.ndarray, height: int) -> tuple[float, float, float, float]:
    """The box around what is inside, x, y, width, height; all 0 where nothing is."""
    ends = np.cumsum(lengths)[1::2]
    starts = ends - lengths[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(ends):
        return 0.0, 0.0, 0.0, 0.0
    left, right = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    over = starts // height != (ends - 1) // height  # into the next column
    top = 0 if over.any() else int((starts % height).min())
    bottom = height if over.any() else int(((ends - 1) % height).max()) + 1
    return float(left), float(top), float(right - left), float(bottom - top)


def _whole(counts: list) -> np.ndarray:
    numbers = np.asarray(counts) if counts else np.zeros(0, np.int64)
    if numbers.dtype.kind == "f" and (numbers == np.floor(numbers)).all():
        numbers = numbers.clip(-1, 2**62)
    elif numbers.dtype.kind not in "iu":
        raise ValueError("run lengths that are no whole numbers")
    if numbers.ndim != 1:
        raise ValueError("run lengths that are no list of numbers")
    return numbers.astype(np.int64)


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
    if digits.max() > MOST_DIGITS:
        raise ValueError("compressed run lengths beyond 60 bits")
    places = 5 * (np.arange(len(codes)) - np.repeat(starts, digits))
    numbers = np.add.reduceat((codes & 31) << places, starts)
    negative = (codes[ends - 1] & 16) != 0
    numbers[negative] -= 1 << (5 * digits[negative])
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
