"""Evaluations of a run: scores of images by split and method."""

import json
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs import Run


class Evaluations:
    """Files of scores that `workbench evaluate` has written.

    Args:
        run: run that was evaluated.
    """

    def __init__(self, run: Run) -> None:
        self._folder: Path = run.path / "evaluations"

    def splits(self) -> list[str]:
        """Names of the evaluations: splits, or affinities of a probe."""
        return sorted(file.stem for file in self._folder.glob("*.json"))

    def scores(self, split: str) -> dict[str, Any]:
        """Content of an evaluation's file.

        Raises:
            WorkbenchError: it cannot be read.
        """
        path = self._folder / f"{split}.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise WorkbenchError(
                f"an evaluation in {path}", f"{error}", "evaluate again: workbench evaluate"
            ) from error
        return found

    def methods(self, split: str) -> list[str]:
        """Methods of an evaluation; empty where there is none."""
        return list(self.scores(split)["methods"]) if split in self.splits() else []

    def usual(self) -> tuple[str, str] | None:
        """Split and method that are shown first; None without an evaluation.

        Raises:
            WorkbenchError: the evaluation cannot be read.
        """
        splits = self.splits()
        if not splits:
            return None
        split = "test" if "test" in splits else splits[0]
        methods = self.methods(split)
        return split, "trained" if "trained" in methods else methods[0]
