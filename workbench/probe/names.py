"""Names of images in a record: usable as file names, and unique."""

import re
from collections import Counter
from collections.abc import Iterable


def plain_name(name: str) -> str:
    """Name of letters, digits, "_" and "-"."""
    return re.sub(r"[^\w-]", "_", name) or "image"


def unique_names(names: Iterable[str]) -> list[str]:
    """Names for files, numbered where they repeat."""
    plain = [plain_name(name) for name in names]
    counts, seen, found = Counter(plain), Counter[str](), []
    for name in plain:
        seen[name] += 1
        found.append(f"{name}.{seen[name]}" if counts[name] > 1 else name)
    return found
