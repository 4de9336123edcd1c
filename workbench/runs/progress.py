"""Progress of a training, read from its run: steps done, speed, remaining time."""

import time
from dataclasses import dataclass

from workbench.runs import Event, Run, Status
from workbench.runs.control import ANSWER, PAUSE, RESUME, control_state


@dataclass(frozen=True)
class Progress:
    """Progress of one run now; unknown values are None.

    Attributes:
        status: status of the run.
        paused: whether the training waits for "resume".
        step, steps: steps of the optimizer, done and planned.
        passed, passes: passes over the samples, done and planned.
        samples_per_second: recent speed, without evaluations on held-out samples and pauses.
        memory: recent memory, bytes.
        memory_of: "GPU" (peak of its tensors) or "process" (all memory that it holds).
        learning_rate: learning rate of the last step, the highest of all parameters.
        factor: factor of the schedule's learning rate by commands.
        left: seconds until the end, evaluations included.
        error: message of the error that ended a failed run.
    """

    status: Status
    paused: bool = False
    step: int = 0
    steps: int | None = None
    passed: float | None = None
    passes: int | None = None
    samples_per_second: float | None = None
    memory: int | None = None
    memory_of: str | None = None
    learning_rate: float | None = None
    factor: float = 1.0
    left: float | None = None
    error: str = ""


def progress(run: Run, now: float | None = None) -> Progress:
    """Progress of a run.

    Args:
        run: run, in any state.
        now: seconds since 1970; default: the present time.

    Raises:
        WorkbenchError: the run's events are damaged.
    """
    now = time.time() if now is None else now
    status, step, stretch = run.status, run.step, run.stretch
    answers = run.events(ANSWER)
    state = control_state(answers, stretch)
    plan, throughput = run.latest("plan"), run.latest("vitals")
    failed = run.latest("failed")
    going = status is Status.RUNNING
    fields = {} if plan is None else plan.fields
    lately = {} if throughput is None or throughput.seq < stretch else throughput.fields
    steps, per_pass = fields.get("steps"), fields.get("steps_per_pass")
    left = None
    if going and steps is not None:
        begun = next((e for e in run.events(since=stretch - 1) if e.seq == stretch), None)
        if begun is not None:
            spent = now - begun.time - _paused(answers, stretch, now)
            left = _left(step - (begun.step or 0), steps - step, spent)
    return Progress(
        status=status,
        paused=state.paused and going,
        step=step,
        steps=steps,
        passed=step / per_pass if per_pass else None,
        passes=steps // per_pass if steps and per_pass else None,
        samples_per_second=lately.get("samples_per_second"),
        memory=lately.get("memory"),
        memory_of=lately.get("memory_of"),
        learning_rate=_learning_rate(run),
        factor=state.factor,
        left=left,
        error=failed.fields["error"] if failed is not None and status is Status.FAILED else "",
    )


def _learning_rate(run: Run) -> float | None:
    """Learning rate of the last step; later measurements may be of held-out samples."""
    last = run.latest("metrics")
    lately = [] if last is None else run.events("metrics", since=last.seq - 10)
    return next(
        (e.fields["learning_rate"] for e in lately[::-1] if "learning_rate" in e.fields), None
    )


def _left(done: int, to_do: int, spent: float) -> float | None:
    """Seconds for the remaining steps at the mean speed so far."""
    return spent / done * to_do if done > 0 else None


def _paused(answers: list[Event], stretch: int, now: float) -> float:
    """Seconds of pauses in a stretch."""
    total, since = 0.0, None
    for event in answers:
        if event.seq < stretch:
            continue
        command = event.fields["command"]
        if command == PAUSE and since is None:
            since = event.time
        elif command == RESUME and since is not None:
            total, since = total + event.time - since, None
    return total + (now - since if since is not None else 0.0)
