"""The process of a training (`places.in_process`): a job comes in, an error may go out.

The job is on the standard input, after the name of the file that the standard error goes to. The
standard output carries the pickled error; what is printed goes to the standard error instead.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from workbench.launch.executors import OUTPUT, pickled_error
from workbench.launch.job import Job
from workbench.runs import Run


def main() -> int:
    """Do the job; the exit status."""
    name, _, text = sys.stdin.read().partition("\n")
    output_file = Path(name)
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def began(run: Run) -> None:
        output_file.replace(run.path / OUTPUT)  # where it is already if the run was resumed

    try:
        Job.from_json(text).work(began=began)
    except BaseException as error:
        # Whoever started this process raises it, unless that has gone.
        with suppress(BrokenPipeError), os.fdopen(answer, "wb") as file:
            file.write(pickled_error(error))
        if output_file.name != OUTPUT:
            output_file.unlink(missing_ok=True)  # of a run that never began nothing stays
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
