"""One-dimensional array that grows at its end; what was read from it before never changes."""

import numpy as np
from jaxtyping import Shaped

Values = Shaped[np.ndarray, "count"]
_ROOM = 1.25
"""Size of the memory that is reserved, divided by the size that is needed."""


class Growing:
    """Array with room at its end.

    Args:
        values: first values; the array itself is used until others follow, and never written to.
    """

    def __init__(self, values: Values) -> None:
        self._memory, self._count = values, len(values)

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> Values:
        """All values, to be read only."""
        seen = self._memory[: self._count]
        seen.flags.writeable = False
        return seen

    def extend(self, values: Values) -> None:
        """Add values at the end."""
        count = self._count + len(values)
        if count > len(self._memory):
            larger = np.empty(int(count * _ROOM) + 16, self._memory.dtype)
            larger[: self._count] = self.values
            self._memory = larger
        self._memory[self._count : count] = values
        self._count = count
