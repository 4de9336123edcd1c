"""Process of a training (`executors.in_process`): reads a job, returns an error if there is one.

The standard input has the name of the file that the standard error goes to, then the job. The
standard output carries the pickled error; printed text goes to the standard error instead.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from workbench.launch.executors import OUTPUT, pickled_error
from workbench.launch.job import Job
from workbench.runs import Run


def main() -> int:
    """Do the job; returns the exit status."""
    name, _, text = sys.stdin.read().partition("\n")
    output_file = Path(name)
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def began(run: Run) -> None:
        output_file.replace(run.path / OUTPUT)  # its present place if the run was resumed

    try:
        Job.from_json(text).work(began=began)
    except BaseException as error:
        # The parent process raises the error, unless it has ended.
        with suppress(BrokenPipeError), os.fdopen(answer, "wb") as file:
            file.write(pickled_error(error))
        if output_file.name != OUTPUT:
            output_file.unlink(missing_ok=True)  # a run that never began leaves nothing behind
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
