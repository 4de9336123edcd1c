"""Order in which training sees samples, as functions of a seed without any state.

Every pass (epoch) is a permutation of all samples, made from the seed and the epoch's number; the
random numbers of a visit are made from the seed, the epoch and the position in the permutation. So
a training that is resumed anywhere goes on exactly as if it had not stopped, and neither the number
of threads nor that of processes changes a sample.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from workbench.errors import WorkbenchError

DRAWS = 4
"""Number of random numbers of a visit: the output of one step of Philox's counter."""


@dataclass(frozen=True)
class Order:
    """Order of single samples, each mirrored at random.

    Attributes:
        samples: number of samples.
        seed: seed of permutations and mirroring.
    """

    samples: int
    seed: int

    def permutation(self, epoch: int) -> Int[np.ndarray, "samples"]:
        """Samples in the order of an epoch; read-only."""
        return _permutation(self.samples, self.seed, epoch)

    def __getitem__(self, visit: int) -> tuple[int, bool]:
        """Sample of the given visit (from 0), and whether it is mirrored."""
        epoch, position = divmod(visit, self.samples)
        mirrored = np.random.default_rng((self.seed, epoch, position)).random() < 0.5
        return int(self.permutation(epoch)[position]), bool(mirrored)


@dataclass(frozen=True)
class Schedule:
    """Schedule of the samples in each batch of each rank.

    The ranks' batches of one step are together one range of the epoch's permutation, distributed
    in turns as by torch's `DistributedSampler`. All ranks have equally many batches of equal sizes:
    without `drop_last` the permutation is repeated from its beginning until its length divides by
    the ranks, which repeats up to `world_size - 1` samples (their positions are `samples` and
    above); with `drop_last` the epoch ends before the first step that would not be full.

    Attributes:
        samples: number of samples.
        batch_size: samples a batch, on each rank.
        seed: seed of the permutations.
        shuffle: False keeps the samples in their own order.
        rank: number of this process, from 0.
        world_size: number of processes that share an epoch.
        drop_last: leave out samples that do not fill a batch on every rank.

    Raises:
        WorkbenchError: there would be no batch.
    """

    samples: int
    batch_size: int
    seed: int = 0
    shuffle: bool = True
    rank: int = 0
    world_size: int = 1
    drop_last: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.seed < 0:
            raise WorkbenchError(
                "a batch size from 1 and a seed from 0",
                f"batch_size={self.batch_size}, seed={self.seed}",
                "raise them",
            )
        if not 0 <= self.rank < self.world_size:
            raise WorkbenchError(
                f"a rank from 0 to {self.world_size - 1}",
                f"rank {self.rank} of {self.world_size} processes",
                "pass torch.distributed's get_rank() and get_world_size()",
            )
        if not self.batches:
            raise WorkbenchError(
                f"at least {self._step if self.drop_last else 1} samples for a batch of "
                f"{self.batch_size} on each of {self.world_size} ranks",
                f"{self.samples}",
                "lower batch_size, or keep what does not fill a batch: drop_last=False",
            )

    @property
    def batches(self) -> int:
        """Number of batches an epoch, the same on every rank."""
        if self.drop_last:
            return self.samples // self._step
        return -(-self.samples // self._step)

    @property
    def _step(self) -> int:
        """Number of positions that one batch of every rank takes."""
        return self.batch_size * self.world_size

    def positions(self, batch: int) -> Int[np.ndarray, "batch"]:
        """Positions in an epoch's permutation that this rank's batch holds."""
        if not 0 <= batch < self.batches:
            raise IndexError(f"a batch from 0 to {self.batches - 1} expected, {batch} found")
        padded = -(-self.samples // self.world_size) * self.world_size
        end = min((batch + 1) * self._step, padded)
        return np.arange(batch * self._step + self.rank, end, self.world_size)

    def indices(self, epoch: int, batch: int) -> Int[np.ndarray, "batch"]:
        """Samples of this rank's batch."""
        wrapped = self.positions(batch) % self.samples
        if not self.shuffle:
            return wrapped
        chosen: np.ndarray = _permutation(self.samples, self.seed, epoch)[wrapped]
        return chosen


def draws(
    seed: int, epoch: int, positions: Int[np.ndarray, "batch"]
) -> Float[np.ndarray, "batch draws"]:
    """Draw `DRAWS` random numbers in [0, 1) a visit, from Philox with the position as counter.

    Args:
        seed: seed, from 0, below 2⁶⁴.
        epoch: number of the epoch, likewise.
        positions: in the epoch's permutation, ascending.
    """
    first, last = int(positions[0]), int(positions[-1])
    generator = np.random.Philox(key=np.array([seed, epoch], np.uint64), counter=first)
    words = generator.random_raw(DRAWS * (last - first + 1)).reshape(-1, DRAWS)
    numbers: np.ndarray = (words[positions - first] >> np.uint64(11)) * 2.0**-53
    return numbers


@lru_cache(maxsize=4)
def _permutation(samples: int, seed: int, epoch: int) -> np.ndarray:
    permutation = np.random.default_rng((seed, epoch)).permutation(samples)
    permutation.flags.writeable = False
    return permutation
