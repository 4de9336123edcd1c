"""What a run came to, for a person and for a program."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.ledger import Quarantined

SHOWN = 20
"""Of the quarantined items; `status` lists them all."""


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        store: the store's folder.
        item: what an item is called: "scene" or "region".
        done: units written by this run.
        skipped: units that were done before.
        items: items in the units written by this run.
        written_bytes: size of the chunk files written by this run.
        quarantined: items of the whole store that could not be read.
        seconds: duration.
        digest: SHA-256 of all of the store's arrays.
        notes: what of the dataset was left out, and why.
    """

    store: Path
    item: str
    done: int
    skipped: int
    items: int
    written_bytes: int
    quarantined: tuple[Quarantined, ...]
    seconds: float
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    def __str__(self) -> str:
        lines = [
            f"{self.store}: complete; {self.done} units written, {self.skipped} done before",
            f"  digest {self.digest}",
        ]
        if self.items:
            lines.append(
                f"  {self.items} {self.item}s in {self.seconds:.1f} s: {self.rate:.1f} a second, "
                f"{self.written_bytes / self.seconds / 1e6:.1f} MB/s written"
            )
        lines.extend(f"  note: {note}" for note in self.notes)
        if self.quarantined:
            lines.append(f"  {len(self.quarantined)} {self.item}s quarantined:")
            lines.extend(f"    {each}" for each in self.quarantined[:SHOWN])
            if len(self.quarantined) > SHOWN:
                lines.append(f"    … all by: python -m pipelines status --store {self.store}")
        return "\n".join(lines)
