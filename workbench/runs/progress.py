"""Progress of a training, read from its run: steps done, speed, remaining time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.runs import Event, Run, Status
from workbench.runs.control import ANSWER, PAUSE, RESUME, control_state
from workbench.runs.events import RESUMED
from workbench.runs.status import STARTED, status_now


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


@dataclass(frozen=True)
class Facts:
    """State of a run as its log says it, whatever the time; unknown values are None.

    Times are seconds since 1970.

    Attributes:
        ending: kind of the event that last decided the status, see `status.STATUS_EVENTS`; "": none.
        process: process that writes the run, or did.
        started: time of the first event.
        last: time of the last event.
        idle: seconds between an end of the training and its resumption, all together.
        begun, begun_step: time and step of the present stretch's beginning.
        paused: whether the last command that was answered was "pause".
        pauses: seconds of the pauses of this stretch that are over.
        paused_since: time of the pause that is not.
        per_pass: steps in a pass over the samples.
        step, steps, samples_per_second, memory, memory_of, learning_rate, factor: see `Progress`.
        error: message of the error of the last failure.
    """

    ending: str = ""
    process: dict[str, Any] | None = None
    started: float | None = None
    last: float | None = None
    idle: float = 0.0
    begun: float | None = None
    begun_step: int = 0
    paused: bool = False
    pauses: float = 0.0
    paused_since: float | None = None
    step: int = 0
    steps: int | None = None
    per_pass: int | None = None
    samples_per_second: float | None = None
    memory: int | None = None
    memory_of: str | None = None
    learning_rate: float | None = None
    factor: float = 1.0
    error: str = ""

    @property
    def duration(self) -> float | None:
        """Seconds from the first event to the last, without those in which nobody trained."""
        if self.started is None or self.last is None:
            return None
        return self.last - self.started - self.idle

    def progress(self, now: float | None = None) -> Progress:
        """Progress of the run.

        Args:
            now: seconds since 1970; default: the present time.
        """
        now = time.time() if now is None else now
        status = status_now(self.ending, self.process, self.last)
        going = status is Status.RUNNING
        left = None
        if going and self.steps is not None and self.begun is not None:
            waited = self.pauses + (now - self.paused_since if self.paused_since else 0.0)
            spent = now - self.begun - waited
            left = _left(self.step - self.begun_step, self.steps - self.step, spent)
        per_pass = self.per_pass
        return Progress(
            status=status,
            paused=self.paused and going,
            step=self.step,
            steps=self.steps,
            passed=self.step / per_pass if per_pass else None,
            passes=self.steps // per_pass if self.steps and per_pass else None,
            samples_per_second=self.samples_per_second,
            memory=self.memory,
            memory_of=self.memory_of,
            learning_rate=self.learning_rate,
            factor=self.factor,
            left=left,
            error=self.error if status is Status.FAILED else "",
        )


def progress(run: Run, now: float | None = None) -> Progress:
    """Progress of a run.

    Args:
        run: run, in any state.
        now: seconds since 1970; default: the present time.

    Raises:
        WorkbenchError: the run's events are damaged.
    """
    return facts(run).progress(now)


def facts(run: Run) -> Facts:
    """Facts of a run.

    Raises:
        WorkbenchError: the run's events are damaged.
    """
    decided, last, answers = run.status_events(), run.latest(), run.events(ANSWER)
    starts = [event for event in decided if event.kind in {STARTED, RESUMED}]
    begun = starts[-1] if starts else None
    stretch = 0 if begun is None else begun.seq
    state = control_state(answers, stretch)
    pauses, since = _pauses(answers, stretch)
    plan, vitals, failed = run.latest("plan"), run.latest("vitals"), run.latest("failed")
    planned = {} if plan is None else plan.fields
    lately = {} if vitals is None or vitals.seq < stretch else vitals.fields
    return Facts(
        ending=decided[-1].kind if decided else "",
        process=None if begun is None else begun.fields["process"],
        started=None if begun is None else starts[0].time,
        last=None if last is None else last.time,
        idle=sum((_idle(run, event) for event in starts[1:]), 0.0),
        begun=None if begun is None else begun.time,
        begun_step=0 if begun is None else begun.step or 0,
        paused=state.paused,
        pauses=pauses,
        paused_since=since,
        step=run.step,
        steps=planned.get("steps"),
        per_pass=planned.get("steps_per_pass"),
        samples_per_second=lately.get("samples_per_second"),
        memory=lately.get("memory"),
        memory_of=lately.get("memory_of"),
        learning_rate=_learning_rate(run),
        factor=state.factor,
        error=failed.fields["error"] if failed is not None else "",
    )


def _idle(run: Run, resumed: Event) -> float:
    """Seconds from the last event before a resumption to it."""
    before = run.latest(before=resumed.seq)
    return 0.0 if before is None else resumed.time - before.time


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


def _pauses(answers: Sequence[Event], stretch: int) -> tuple[float, float | None]:
    """Seconds of the pauses in a stretch that are over, and the beginning of one that is not."""
    total, since = 0.0, None
    for event in answers:
        if event.seq < stretch:
            continue
        command = event.fields["command"]
        if command == PAUSE and since is None:
            since = event.time
        elif command == RESUME and since is not None:
            total, since = total + event.time - since, None
    return total, since
