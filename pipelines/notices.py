"""Lines of text beside a progress bar."""

import sys

from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook


def notice(text: str) -> None:
    """Write a line on stderr; in a notebook on stdout, as Jupyter shows stderr like an error."""
    tqdm.write(text, file=sys.stdout if issubclass(tqdm, tqdm_notebook) else sys.stderr)
